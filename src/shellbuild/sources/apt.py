"""One suite of the distribution, seen through a private apt: settings, lists and cache in one folder of ours.

The settings are read after the machine's own and replace only what names files that apt writes, or the sources it
reads (https://manpages.debian.org/apt.conf.5); mirrors, keys, proxies and credentials stay as they are. Needs no
root and no dpkg-dev, and runs none of the machine's hooks.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shellbuild.cache import cache_root, entry_lock
from shellbuild.errors import SourceError, StepError
from shellbuild.process import capture, run_logged
from shellbuild.sources.mirrors import Mirror

UPDATE_DEADLINE_S = 180
DOWNLOAD_DEADLINE_S = 900
LOG_BYTES = 64 << 10

_SETTINGS = """\
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{folder}/sources.list.d";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{folder}/state";
Dir::State::lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}/cache";
Dir::Cache::archives "archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
// The recipe pins the content; an index may be as old as it likes.
Acquire::Check-Valid-Until "false";
Acquire::Retries "1";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
// Hooks of the machine would write to the machine.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""
_AS_ROOT = """\
// apt's download user can't enter root's cache folder.
APT::Sandbox::User "root";
"""
_FOLDERS = ("sources.list.d", "lists/partial", "state", "cache/archives/partial")
_ARRIVED = re.compile(r"^(Get|Hit):", re.MULTILINE)
_ABSENT = re.compile(r"does not have a Release file|^ +404 ", re.MULTILINE)
_SILENT = re.compile(
    r"(could not|unable to) connect|could not resolve|failure resolving|timed? ?out", re.IGNORECASE
)
_PROBLEM = re.compile(r"^(?:W: Failed to fetch|W: GPG error:|E:) *(\S.*)$", re.MULTILINE)
_SOURCE_FILE = re.compile(r"^ ([0-9a-f]{64}) (\d+) (\S+)$", re.MULTILINE)
_VERSION = re.compile(r"^Version: (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """A file of a source package, as an index lists it."""

    version: str
    """Of the source package."""
    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateApt:
    """apt, confined to one suite and one folder; hold `lock` while calling the rest."""

    suite: str
    folder: Path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out of the folder."""
        with entry_lock(self.folder):
            yield

    def age_s(self) -> float:
        """Tell how old the lists are: infinitely, if there are none."""
        stamp = self.folder / "updated"
        return time.time() - stamp.stat().st_mtime if stamp.exists() else float("inf")

    def update(self) -> str:
        """Refresh the lists; give the first problem, if any. Older lists stay usable."""
        problem = self._run(["update"], cwd=self.folder, deadline_s=UPDATE_DEADLINE_S)
        if _ARRIVED.search(self._log_text()):
            (self.folder / "updated").touch()
        return problem

    def in_reach(self) -> bool:
        """Tell whether any mirror answered the last command, and be it to say that it has no such suite."""
        log = self._log_text()
        return _ARRIVED.search(log) is not None or _ABSENT.search(log) is not None or not _SILENT.search(log)

    def package_files(self, package: str) -> list[PackageFile]:
        """List the files of every version of a source package."""
        argv = ["apt-cache", "-c", self._config, "showsrc", "--only-source", package]
        try:
            text = capture(argv, cwd=self.folder, env=_environment())
        except StepError:
            return []  # apt's way to say that it knows no such package.
        return [file for stanza in text.split("\n\n") for file in parse_stanza(stanza)]

    def download_tarball(self, package: str, version: str, into: Path) -> str:
        """Download the upstream tarballs of one version to a folder; give the first problem, if any."""
        # Only the tarball: mirrors may lack a signature or packaging file of an old version.
        argv = ["source", "--download-only", "--tar-only", "--only-source", f"{package}={version}"]
        return self._run(argv, cwd=into, deadline_s=DOWNLOAD_DEADLINE_S)

    @property
    def _config(self) -> str:
        return f"{self.folder}/apt.conf"

    def _run(self, arguments: Sequence[str], *, cwd: Path, deadline_s: float) -> str:
        log = self.folder / "apt.log"
        log.unlink(missing_ok=True)
        argv = ["apt-get", "-c", self._config, *arguments]
        try:
            run_logged(argv, cwd=cwd, env=_environment(), log=log, deadline_s=deadline_s)
        except StepError as error:
            return self._problem() or str(error).splitlines()[0]
        return self._problem()

    def _problem(self) -> str:
        match = _PROBLEM.search(self._log_text())
        return match[1].rstrip(".") if match else ""

    def _log_text(self) -> str:
        log = self.folder / "apt.log"
        if not log.exists():
            return ""
        with log.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(LOG_BYTES)


def private_apt(suite: str, mirrors: Sequence[Mirror]) -> PrivateApt:
    """Give the private apt for one suite of some mirrors, its settings written."""
    entries = "\n".join(mirror.entry(suite) for mirror in mirrors)
    digest = hashlib.sha256(entries.encode()).hexdigest()[:16]
    apt = PrivateApt(
        suite=suite, folder=cache_root() / "sources" / "apt" / f"{suite.replace('/', '-')}-{digest}"
    )
    if '"' in str(apt.folder):
        raise SourceError(
            f"apt settings can't spell {apt.folder}; set SHELLBUILD_CACHE to a path without quotes"
        )
    with apt.lock():
        for name in _FOLDERS:
            (apt.folder / name).mkdir(parents=True, exist_ok=True)
        settings = _SETTINGS.format(folder=apt.folder) + (_AS_ROOT if os.geteuid() == 0 else "")
        (apt.folder / "apt.conf").write_text(settings, encoding="utf-8")
        (apt.folder / "sources.list.d" / "private.sources").write_text(entries, encoding="utf-8")
    return apt


def parse_stanza(stanza: str) -> list[PackageFile]:
    """Read the files out of one stanza of a Sources index."""
    version = _VERSION.search(stanza)
    if version is None:
        return []
    return [
        PackageFile(version=version[1], name=name, size=int(size), sha256=sha256)
        for sha256, size, name in _SOURCE_FILE.findall(stanza)
    ]


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}
