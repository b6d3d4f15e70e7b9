"""The machine's own package mirrors, read from its apt settings: what the distribution's archive is called here.

Reads one-line lists and deb822 files (https://manpages.debian.org/sources.list.5), keeps the options that belong
to the mirror (Signed-By, Trusted, …), and gives them back as deb822 source entries for other suites. Changes nothing.
"""

import platform
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shellbuild.errors import SourceError
from shellbuild.process import capture

MAX_LIST_BYTES = 1 << 20
ROLLING_SUITES = ("stable", "oldstable", "testing", "unstable", "sid", "devel")
COMPONENTS = ("main", "universe")
"""Of Debian and Ubuntu; free software that can be published again."""

_OPTION_FIELDS = {"signed-by": "Signed-By", "by-hash": "By-Hash"}
_BINARY_ONLY = re.compile(r"(architectures|languages|targets|arch|lang|target|pdiffs)(-add|-remove|[+-])?")
_OWN_FIELDS = {"types", "uris", "suites", "components", "enabled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What /etc/os-release says about the machine."""

    ids: tuple[str, ...]
    """ID, then what it is like, nearest first."""
    codenames: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """One archive the machine installs from."""

    uris: tuple[str, ...]
    components: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    """deb822 fields that go with every suite."""

    def entry(self, suite: str) -> str:
        """Write the deb822 entry for the sources of one suite."""
        fields = {
            "Types": "deb-src",
            "URIs": " ".join(self.uris),
            "Suites": suite,
            "Components": " ".join(self.components),
            # Other programs may have told apt to fetch more with every list.
            "Targets": "Sources",
            **self.options,
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items())


def this_distribution() -> Distribution:
    """Read /etc/os-release; raise SourceError where there is none."""
    try:
        release = platform.freedesktop_os_release()
    except OSError as error:
        raise SourceError("no /etc/os-release here, so no distribution to take sources from") from error
    names = (release.get(key, "") for key in ("VERSION_CODENAME", "UBUNTU_CODENAME", "DEBIAN_CODENAME"))
    return Distribution(
        ids=(release["ID"], *release.get("ID_LIKE", "").split()),
        codenames=tuple(dict.fromkeys(filter(None, names))),
    )


def machine_mirrors(suites: Sequence[str]) -> list[Mirror]:
    """Give the archives from which this machine installs one of `suites`; raise SourceError if there is none."""
    wanted = {*suites, *ROLLING_SUITES}
    found: dict[str, Mirror] = {}
    for file in _source_files():
        text = _read(file)
        entries = parse_deb822(text) if file.suffix == ".sources" else parse_one_line(text)
        for entry_suites, mirror in entries:
            if wanted.intersection(entry_suites) and "main" in mirror.components:
                found.setdefault(mirror.entry(""), mirror)
    if not found:
        raise SourceError(
            f"apt on this machine names no archive with {', '.join(suites)}; see its sources.list"
        )
    return list(found.values())


def parse_one_line(text: str) -> Iterator[tuple[list[str], Mirror]]:
    """Read a `.list` file: the suite and the mirror of each line."""
    for line in text.splitlines():
        match = re.fullmatch(
            r"\s*deb(?:-src)?\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+?)\s*(?:#.*)?", line
        )
        if match and not match[2].startswith("cdrom:"):
            options = [option.partition("=") for option in str(match[1] or "").split()]
            fields = {_OPTION_FIELDS.get(name, name): value.replace(",", " ") for name, _, value in options}
            yield [match[3]], _mirror([match[2]], match[4].split(), fields)


def parse_deb822(text: str) -> Iterator[tuple[list[str], Mirror]]:
    """Read a `.sources` file: the suites and the mirror of each paragraph that is switched on."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = _fields(paragraph)
        words = {name.lower(): value.split() for name, value in fields.items()}
        if not words.get("uris") or words.get("enabled", ["yes"]) in (["no"], ["false"], ["0"], ["off"]):
            continue
        uris = [uri for uri in words["uris"] if not uri.startswith("cdrom:")]
        if uris:
            yield words.get("suites", []), _mirror(uris, words.get("components", []), fields)


def _fields(paragraph: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in {" ", "\t"} and name:
            # A key block stands on such lines, dots and all.
            fields[name] += f"\n{line}"
        elif ":" in line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return fields


def _mirror(uris: Sequence[str], components: Sequence[str], fields: Mapping[str, str]) -> Mirror:
    options = {
        name: value
        for name, value in fields.items()
        if name.lower() not in _OWN_FIELDS and not _BINARY_ONLY.fullmatch(name.lower())
    }
    return Mirror(
        uris=tuple(uris),
        components=tuple(name for name in COMPONENTS if name in components),
        options=options,
    )


def _source_files() -> list[Path]:
    # Asked of apt itself, since a machine may have moved them.
    shell = capture(
        ["apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"]
    )
    places = dict(word.partition("=")[::2] for word in shlex.split(shell))
    files = [Path(places["LIST"])] if places.get("LIST") else []
    if places.get("PARTS"):
        parts = sorted(Path(places["PARTS"]).glob("*"))
        files += [file for file in parts if re.fullmatch(r"[A-Za-z0-9_.-]+\.(list|sources)", file.name)]
    return [file for file in files if file.is_file()]


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(MAX_LIST_BYTES)
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}; apt's own settings can't be read") from error
