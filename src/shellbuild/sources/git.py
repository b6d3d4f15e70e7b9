"""One commit of a git repository, as a tree without history (https://git-scm.com/docs/git-fetch).

Fetches exactly the pinned commit, from a scratch repository that knows no hook, no user's settings and no protocol
but https. The tree is exported as stored, whatever its attributes ask for; submodules stay empty folders.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shellbuild.cache import cache_root, remove_tree
from shellbuild.console import note
from shellbuild.errors import SourceError, StepError
from shellbuild.process import capture, run_logged
from shellbuild.recipe import GitSource
from shellbuild.sources.unpack import unpack

PROTOCOLS = "https"
HURRIED_S = 6
"""To get a first answer while another provider is in reserve."""
PATIENT_S = 60
FETCH_DEADLINE_S = 1_800
LOCAL_DEADLINE_S = 300
LATER_S = 60
"""How much younger generated files are made than their inputs: more than any file system's granularity."""
LOG_BYTES = 64 << 10

_KEPT = frozenset({"GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_PROXY_SSL_CAINFO"})
_SETTINGS = """\
[core]
	hooksPath = /dev/null
[gc]
	auto = 0
[maintenance]
	auto = false
[tar]
	umask = 0022
"""
# The last word on attributes: what is exported is what is stored, byte for byte.
_AS_STORED = "* -text -ident -filter -working-tree-encoding -export-ignore -export-subst\n"
_REASON = re.compile(r"^(?:fatal|error): (?:remote error: )?(.+)$", re.MULTILINE)
_ABSENT = re.compile(r"not our ref", re.IGNORECASE)
_WHOLE_ONLY = re.compile(r"unadvertised object|shallow", re.IGNORECASE)


def tree_name(source: GitSource) -> str:
    """Name the tree's entry in the cache; which files count as generated is part of it."""
    generated = hashlib.sha256("\n".join(source.generated).encode()).hexdigest()[:8]
    return f"git-{source.commit}-{generated}"


def fetch_tree(source: GitSource, to: Path, *, hurry: bool = False) -> None:
    """Make the tree of the pinned commit at `to`; raise SourceError if that fails.

    1. Ask the server for anything at all, with a short deadline.
    2. Fetch the commit alone; a server that gives out no single commits is fetched whole.
    3. Prove that the pin is a commit, export it, unpack it: all files have the commit's time.
    4. Give the generated files a later one.
    """
    if shutil.which("git") is None:
        raise SourceError("git is not installed")
    folder = cache_root() / "sources" / "git"
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{source.commit[:12]}.", dir=folder))
    try:
        repository = _new_repository(scratch, source.repository)
        repository.knock(HURRIED_S if hurry else PATIENT_S)
        repository.fetch(source.commit)
        unpack(repository.export(source.commit), to)
        _mark_generated(source, to)
    finally:
        remove_tree(scratch)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repository:
    """A scratch repository and the one server it fetches from."""

    scratch: Path
    remote: str

    def knock(self, deadline_s: float) -> None:
        problem = self._problem("ls-remote", "--quiet", "--", self.remote, "HEAD", deadline_s=deadline_s)
        if problem:
            raise SourceError(f"{self.remote}: {problem}")

    def fetch(self, commit: str) -> None:
        options = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules")
        problem = self._problem(*options, "--depth=1", "--", self.remote, commit, deadline_s=FETCH_DEADLINE_S)
        if _WHOLE_ONLY.search(problem):
            note(f"{self.remote} gives out no single commits, so it is fetched whole")
            heads = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            problem = self._problem(*options, "--", self.remote, *heads, deadline_s=FETCH_DEADLINE_S)
        if _ABSENT.search(problem):
            raise SourceError(f"{self.remote} has no commit {commit}")
        if problem:
            raise SourceError(f"{self.remote}: {problem}")

    def export(self, commit: str) -> Path:
        try:
            found = self._ask("rev-parse", "--quiet", "--verify", f"{commit}^{{commit}}").strip()
        except StepError as error:
            raise SourceError(f"{self.remote} has no commit {commit}") from error
        if found != commit:
            raise SourceError(f"{commit} in {self.remote} is a tag; pin the commit {found}")
        exported = self.scratch / "tree.tar"
        try:
            self._ask("archive", "--format=tar", "--prefix=tree/", f"--output={exported}", commit)
        except StepError as error:
            raise SourceError(f"{commit} of {self.remote} can't be exported: {error}") from error
        return exported

    def _ask(self, *arguments: str) -> str:
        return capture(self._argv(arguments), env=_environment(self.scratch), deadline_s=LOCAL_DEADLINE_S)

    def _problem(self, *arguments: str, deadline_s: float) -> str:
        """Run git against the server; give its own words if it fails, else nothing."""
        log = self.scratch / "git.log"
        log.unlink(missing_ok=True)
        environment = _environment(self.scratch)
        try:
            run_logged(
                self._argv(arguments), cwd=self.scratch, env=environment, log=log, deadline_s=deadline_s
            )
        except StepError as error:
            return _reason(log) or str(error).splitlines()[0]
        return ""

    def _argv(self, arguments: Sequence[str]) -> list[str]:
        return ["git", f"--git-dir={self.scratch / 'repository'}", *arguments]


def _new_repository(scratch: Path, remote: str) -> _Repository:
    folder = scratch / "repository"
    argv = ["git", "init", "--quiet", "--bare", "--template=", str(folder)]
    try:
        capture(argv, env=_environment(scratch), deadline_s=LOCAL_DEADLINE_S)
    except StepError as error:
        raise SourceError(f"no scratch repository: {error}") from error
    with (folder / "config").open("a", encoding="utf-8") as config:
        config.write(_SETTINGS)
    (folder / "info").mkdir(exist_ok=True)
    (folder / "info" / "attributes").write_text(_AS_STORED, encoding="utf-8")
    return _Repository(scratch=scratch, remote=remote)


def _environment(home: Path) -> dict[str, str]:
    """Build git's environment: proxies and certificates of the user's stay, settings and helpers don't."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith("GIT_")}
    return {
        **kept,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        # Git before 2.32 knows neither of them.
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "false",
        "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
        "GIT_HTTP_LOW_SPEED_TIME": "30",
    }


def _reason(log: Path) -> str:
    if not log.exists():
        return ""
    with log.open(encoding="utf-8", errors="replace") as stream:
        match = _REASON.search(stream.read(LOG_BYTES))
    return match[1] if match else ""


def _mark_generated(source: GitSource, tree: Path) -> None:
    for name in source.generated:
        files = [path for path in _matches(tree, name) if path.is_file() and not path.is_symlink()]
        if not files:
            raise SourceError(f"{source.commit} has no file {name}, which the recipe lists as generated")
        for file in files:
            later = file.stat().st_mtime + LATER_S
            os.utime(file, (later, later))


def _matches(tree: Path, name: str) -> list[Path]:
    if name.startswith("/") or ".." in name.split("/"):
        raise SourceError(f"generated: {name!r} is no path inside the tree")
    return list(tree.glob(name))
