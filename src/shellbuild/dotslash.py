"""`dotslash/bash` and `dotslash/zsh`: generated from the archives of a release, and compared with them.

One entry a platform: size, digest, path in the archive, and where to get it, over http and from the GitHub release.
https://dotslash-cli.com/docs/dotslash-file/
"""

import json
import stat
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from shellbuild.archives import stale_archives, write_archives
from shellbuild.errors import ReleaseError
from shellbuild.manifest import NAME as VENDOR_MANIFEST
from shellbuild.project import DIST, ROOT, SHELLS, VENDOR, load_project
from shellbuild.release_files import Digest, Measured, measure_file, measure_released
from shellbuild.release_plan import Plan, archive_name, default_tag, plan_release
from shellbuild.templates import render
from shellbuild.version import repository
from shellbuild.whole_files import write_whole

FOLDER = ROOT / "dotslash"
REFRESH = "run `nox -s dotslash -- --release TAG` and commit the result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a manifest says of its release besides the archives themselves."""

    tag: str
    digest: Digest
    repository: str
    base_url: str
    """The folder in which the archives are."""


def settings_for(
    tag: str | None, *, base_url: str | None, digest: Digest, repository_name: str | None = None
) -> Settings:
    """Fill in what was not named: this checkout's tag, its repository's releases."""
    tag = tag or default_tag()
    name = repository_name or repository()
    default_url = f"https://github.com/{name}/releases/download/{tag}"
    return Settings(tag=tag, digest=digest, repository=name, base_url=(base_url or default_url).rstrip("/"))


def write_manifests(
    settings: Settings, *, vendor: Path = VENDOR, dist: Path = DIST, folder: Path = FOLDER
) -> list[Path]:
    """Refresh the manifests; the archives that this checkout makes are packed anew, as those in `dist` may be older."""
    if plan_release(settings.tag).is_of_this_checkout:
        write_archives(tag=settings.tag, vendor=vendor, dist=dist)
    return refresh_manifests(settings, dist=dist, folder=folder)


def refresh_manifests(settings: Settings, *, dist: Path = DIST, folder: Path = FOLDER) -> list[Path]:
    """Write the manifest of each shell that the tag releases; every archive has to be in `dist`."""
    plan = plan_release(settings.tag)
    texts = {
        shell: manifest_text(plan, shell, settings, lambda name: _in_dist(dist, name, settings.digest))
        for shell in plan.product.shells
    }
    folder.mkdir(parents=True, exist_ok=True)
    return [write_whole(folder / shell, text, mode=0o755) for shell, text in texts.items()]


def check_manifests(
    *,
    tag: str | None = None,
    base_url: str | None = None,
    digest: Digest | None = None,
    repository_name: str | None = None,
    vendor: Path = VENDOR,
    dist: Path = DIST,
    folder: Path = FOLDER,
) -> list[str]:
    """Compare the manifests with the archives in `dist`, or on their server where `dist` has none; give a line each.

    With a tag, only the shells that it releases, and they have to be what would be written for it: from this
    checkout's repository and its releases, unless others are named. All differences are raised at once.
    """

    def expected(stated: Settings) -> Settings:
        if tag:
            return settings_for(
                tag, base_url=base_url, digest=digest or stated.digest, repository_name=repository_name
            )
        return replace(
            stated,
            base_url=(base_url or stated.base_url).rstrip("/"),
            digest=digest or stated.digest,
            repository=repository_name or stated.repository,
        )

    shells = plan_release(tag).product.shells if tag else SHELLS
    lines, problems = [], []
    for shell in shells:
        try:
            settings = _require_settings(folder / shell, expected)
            _require_fresh(plan_release(settings.tag), shell, vendor, dist)
            lines.append(_check(folder / shell, shell, settings, dist))
        except ReleaseError as error:
            problems.append(str(error))
    if problems:
        raise ReleaseError("\n".join([*problems, REFRESH]))
    return lines


def manifest_text(plan: Plan, shell: str, settings: Settings, measure: Callable[[str], Measured]) -> str:
    """Render one manifest; `measure` takes the name of an archive."""
    entries = []
    for row in load_project().platforms.values():
        archive = archive_name(shell, plan.version, row.target)
        measured = measure(archive)
        entries.append(
            {
                "platform": row.dotslash,
                "size": measured.size,
                "digest": measured.digest,
                "path": program_path(shell),
                "url": f"{settings.base_url}/{archive}",
                "archive": archive,
            }
        )
    return render(
        "dotslash/manifest.j2",
        name=f"codex-{shell}",
        tag=settings.tag,
        digest=settings.digest,
        repository=settings.repository,
        entries=entries,
    )


def program_path(shell: str) -> str:
    """Where a shell is in its archive."""
    return f"codex-{shell}/bin/{shell}"


def read_settings(path: Path) -> Settings:
    """Read back from a manifest what it was generated with; raise ReleaseError where it is none of ours."""
    try:
        entry = next(iter(_document(path.read_text(encoding="utf-8"))["platforms"].values()))
        http, github = entry["providers"]
        return Settings(
            tag=github["tag"],
            digest=Digest(entry["hash"]),
            repository=github["repo"],
            base_url=http["url"].removesuffix(f"/{github['name']}"),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration) as error:
        raise ReleaseError(f"{path} is not a manifest that this project generated") from error


def _require_settings(path: Path, expected: Callable[[Settings], Settings]) -> Settings:
    stated = read_settings(path)
    wanted = expected(stated)
    pairs = [
        (field.name, getattr(stated, field.name), getattr(wanted, field.name)) for field in fields(Settings)
    ]
    problems = [
        f"{path} is stale: its {name} points at {is_now}, not at {should_be}"
        for name, is_now, should_be in pairs
        if is_now != should_be
    ]
    # The bit that git keeps; the others are the umask of whoever checked this out.
    if not path.stat().st_mode & stat.S_IXUSR:
        problems.append(f"{path} lost its run bit")
    if problems:
        raise ReleaseError("\n".join(problems))
    return stated


def _require_fresh(plan: Plan, shell: str, vendor: Path, dist: Path) -> None:
    """Refuse archives of before the last build: a manifest of those would be found to be right."""
    if not plan.is_of_this_checkout or not (vendor / VENDOR_MANIFEST).is_file():
        return
    stale = stale_archives(plan, shell, vendor=vendor, dist=dist)
    if stale:
        raise ReleaseError(
            f"{', '.join(stale)}: in {dist}, but not what {vendor} gives; run `nox -s archives`"
        )


def _check(path: Path, shell: str, settings: Settings, dist: Path) -> str:
    seen = set()

    def measure(archive: str) -> Measured:
        if (dist / archive).is_file():
            seen.add(str(dist))
            return measure_file(dist / archive, settings.digest)
        seen.add(settings.base_url)
        return measure_released(f"{settings.base_url}/{archive}", settings.digest)

    text, fresh = (
        path.read_text(encoding="utf-8"),
        manifest_text(plan_release(settings.tag), shell, settings, measure),
    )
    holder = " and ".join(sorted(seen))
    if fresh != text:
        old, new = _document(text)["platforms"], _document(fresh)["platforms"]
        different = [name for name in old | new if old.get(name) != new.get(name)]
        raise ReleaseError(f"{path} is stale: {', '.join(different) or 'its text'} differs from {holder}")
    return f"{path} is what {holder} gives"


def _document(text: str) -> dict[str, Any]:
    """Read the JSON below the `#!` line and the comment."""
    document: dict[str, Any] = json.loads("{" + text.partition("\n{")[2])
    return document


def _in_dist(dist: Path, archive: str, digest: Digest) -> Measured:
    path = dist / archive
    if not path.is_file():
        raise ReleaseError(f"{path} is missing: run `nox -s vendor archives` for all targets first")
    return measure_file(path, digest)
