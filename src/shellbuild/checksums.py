"""`dist/SHA256SUMS`: a line for every file of the release, in the form that `sha256sum --check` reads."""

import hashlib
from pathlib import Path

from shellbuild.errors import ReleaseError
from shellbuild.project import DIST
from shellbuild.release_plan import Plan
from shellbuild.whole_files import write_whole

NAME = "SHA256SUMS"


def write_checksums(dist: Path = DIST, *, plan: Plan | None = None) -> Path:
    """Write the sums of all that lies in `dist`, which is to be complete; with a plan, refuse what it does not name."""
    if plan:
        require_planned(plan, dist)
    lines = [f"{digest}  {name}\n" for name, digest in _measured(dist).items()]
    if not lines:
        raise ReleaseError(f"{dist} holds no file: run `nox -s archives` first")
    return write_whole(dist / NAME, "".join(lines))


def check_checksums(dist: Path = DIST) -> None:
    """Raise ReleaseError naming every file that is missing, extra or different."""
    path = dist / NAME
    try:
        rows = [line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise ReleaseError(f"{path} can't be read: run `nox -s checksums`") from error
    stated = {row[-1]: row[0] for row in rows}
    found = _measured(dist)
    wrong = [f"{name}: is missing" for name in sorted(stated.keys() - found.keys())]
    wrong += [f"{name}: is not listed" for name in sorted(found.keys() - stated.keys())]
    wrong += [
        f"{name}: has another sha256" for name in stated if found.get(name, stated[name]) != stated[name]
    ]
    if wrong:
        raise ReleaseError("\n".join([f"{dist} is not what {NAME} says; run `nox -s checksums`:", *wrong]))


def require_planned(plan: Plan, dist: Path) -> None:
    """Raise ReleaseError naming all in `dist` that the release does not have, say of an older version."""
    present = {path.name for path in dist.iterdir()} if dist.is_dir() else set()
    strays = sorted(present - set(plan.file_names()))
    if strays:
        raise ReleaseError(
            f"{dist} holds {', '.join(strays)}, which {plan.tag} does not release:"
            " take them out, then run `nox -s checksums`"
        )


def _measured(dist: Path) -> dict[str, str]:
    files = (
        sorted(path for path in dist.iterdir() if path.is_file() and path.name != NAME)
        if dist.is_dir()
        else []
    )
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
