"""The same inputs, built twice under conditions as different as can be, have to give the same bytes.

1. Two copies of the checkout at paths of different depth, each with an empty cache that holds nothing but the sources.
2. In both, one after the other, every step of a release, with another user, umask, locale, time zone, home, number of
   jobs and hash seed; the second starts later, so that the time differs as well.
3. Every file of `vendor/`, `dist/` and `dotslash/` is compared, and what differs is shown with diffoscope where it is
   installed.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shellbuild.cache import cache_root, remove_tree
from shellbuild.console import note, show_table, step
from shellbuild.errors import ReproduceError, StepError
from shellbuild.manifest import digests
from shellbuild.process import capture, run_logged
from shellbuild.project import BUILD, ROOT
from shellbuild.sources.store import file_sha256

MADE_HERE = frozenset({".git", ".nox", ".venv", ".ci", ".hypothesis", "build", "dist", "vendor"})
"""What a checkout gathers at its top; a package of these names further down is part of it."""
COMPARED = ("vendor", "dist", "dotslash")
RELEASE_DEADLINE_S = 7_200.0
DIFFERENCE_S = 600.0
SHOWN = 10
"""Differences that diffoscope explains; it takes minutes for a program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What one of the two builds runs under."""

    name: str
    folder: str
    """Of its checkout, below the scratch folder."""
    umask: int
    user: int | None
    """User and group that it takes itself for; none for those that it is started by."""
    jobs: int
    environment: dict[str, str]


FIRST = Conditions(
    name="first",
    folder="a",
    umask=0o022,
    user=None,
    jobs=2,
    environment={"LC_ALL": "C.UTF-8", "TZ": "UTC", "USER": "root", "LOGNAME": "root", "PYTHONHASHSEED": "1"},
)
SECOND = Conditions(
    name="second",
    folder="another/place/with_a/longer-path/b",
    umask=0o077,
    user=12_345,
    jobs=1,
    environment={
        "LC_ALL": "tr_TR.UTF-8",
        "LANG": "tr_TR.UTF-8",
        "TZ": "Pacific/Kiritimati",
        "USER": "somebody",
        "LOGNAME": "somebody",
        "PYTHONHASHSEED": "77",
        "SOURCE_DATE_EPOCH": "1234567890",
    },
)


def reproduce_all(targets: Iterable[str] = (), *, keep: bool = False) -> str:
    """Build and pack twice and compare; give one line that says so, or raise ReproduceError naming what differs."""
    wanted = tuple(targets)
    BUILD.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="reproduce-", dir=BUILD))
    try:
        first, second = (_build(conditions, scratch, wanted) for conditions in (FIRST, SECOND))
        return _judge(first, second)
    finally:
        if keep:
            note(f"kept: {scratch}")
        else:
            remove_tree(scratch)


def commands(targets: Iterable[str], jobs: int) -> list[list[str]]:
    """Give the steps of a release; packages that need all targets are left out of a part."""
    part = [word for target in targets for word in ("--target", target)]
    steps = [["vendor", "--jobs", str(jobs), *part], ["archives", *part], ["wheels", *part]]
    return [*steps, *([] if part else [["npm"], ["dotslash"]]), ["checksums"]]


def copy_checkout(checkout: Path, to: Path) -> None:
    """Copy a checkout as it would come from the repository, without what was made in it."""
    caches = shutil.ignore_patterns("__pycache__", ".*_cache", ".bench*")

    def left_out(folder: str, names: list[str]) -> set[str]:
        return caches(folder, names) | (MADE_HERE.intersection(names) if Path(folder) == checkout else set())

    shutil.copytree(checkout, to, ignore=left_out, symlinks=True)


def compare_trees(first: Path, second: Path) -> list[str]:
    """Name the files that only one of two releases has, or whose bytes or run bits differ."""
    ours, theirs = (dict(_files(root)) for root in (first, second))
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def _build(conditions: Conditions, scratch: Path, targets: tuple[str, ...]) -> Path:
    root = scratch / conditions.folder
    home = root.with_name(f"home-{conditions.name}")
    copy_checkout(ROOT, root)
    _share_sources(home / "cache")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "SHELLBUILD_CACHE": str(home / "cache"),
        "PYTHONPATH": str(root / "src"),
        **conditions.environment,
    }
    start = as_user(conditions.user)
    for command in commands(targets, conditions.jobs):
        with step(f"{conditions.name}: {command[0]}"):
            run_logged(
                # As `umask` is no argument of exec: a line of Python sets it and becomes the toolkit.
                [*start, sys.executable, "-c", _UNDER_UMASK, str(conditions.umask), *command],
                cwd=root,
                env=environment,
                log=BUILD / "logs" / "reproduce" / f"{conditions.name}-{command[0]}.log",
                deadline_s=RELEASE_DEADLINE_S,
            )
    return root


def as_user(user: int | None) -> list[str]:
    """Give the beginning of a command line that runs as that user, without the rights of any other."""
    if user is None:
        return []
    command = ["unshare", "--user", f"--map-user={user}", f"--map-group={user}"]
    try:
        capture([*command, "true"])
    except StepError:
        note(
            "the second build has the same user: this machine has no user namespaces (unshare of util-linux)"
        )
        return []
    return command


_UNDER_UMASK = """\
import os, sys
os.umask(int(sys.argv[1]))
os.execv(sys.executable, [sys.executable, "-m", "shellbuild", *sys.argv[2:]])
"""


def _share_sources(cache: Path) -> None:
    """Give a fresh cache the sources that ours holds; everything else in it is built anew."""
    have = cache_root() / "sources"
    cache.mkdir(parents=True)
    if have.is_dir():
        shutil.copytree(have, cache / "sources", symlinks=True)


def _judge(first: Path, second: Path) -> str:
    different = compare_trees(first, second)
    rows = [[name, f"{size:,}", state] for name, size, state in _dist_rows(first, set(different))]
    show_table("reproduce", ["artefact", "bytes", "two builds"], rows)
    if different:
        for name in different[:SHOWN]:
            _explain(first / name, second / name)
        raise ReproduceError(
            f"{len(different)} files differ between the two builds:\n"
            + "\n".join(f"  {name}" for name in different)
        )
    count = len(dict(_files(first)))
    return f"all {count} files of {', '.join(COMPARED)} are identical in both builds"


def _dist_rows(root: Path, different: set[str]) -> Iterator[tuple[str, int, str]]:
    for path in sorted((root / "dist").iterdir()):
        name = path.relative_to(root).as_posix()
        yield path.name, digests(path)[0], "different" if name in different else "identical"


def _files(root: Path) -> Iterator[tuple[str, tuple[bool, str]]]:
    for folder in COMPARED:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file():
                run_bit = bool(path.stat().st_mode & 0o100)
                yield path.relative_to(root).as_posix(), (run_bit, file_sha256(path))


def _explain(first: Path, second: Path) -> None:
    program = shutil.which("diffoscope")
    if program is None:
        note(f"{first.name}: differs; install diffoscope to see where")
        return
    report = BUILD / "logs" / "reproduce" / f"{first.name}.diff"
    argv = [program, "--text", str(report), "--max-report-size", "20000", str(first), str(second)]
    # Its status says that the files differ, which we know.
    with contextlib.suppress(StepError):
        capture(argv, deadline_s=DIFFERENCE_S)
    if report.is_file():
        note(report.read_text(encoding="utf-8"))
