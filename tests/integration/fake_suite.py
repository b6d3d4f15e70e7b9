"""A whole suite of tiny /bin/sh scripts, and two shells that differ as a patched and an unpatched one do."""

from dataclasses import dataclass, field
from pathlib import Path

from shellbuild.conformance.model import Job, ShellSet

UNPATCHED = """\
#!/bin/sh
FLAVOUR=unpatched
export FLAVOUR
exec /bin/sh "$@"
"""
PATCHED = """\
#!/bin/sh
FLAVOUR=patched
if [ -n "$EXEC_WRAPPER" ]; then FLAVOUR=wrapped; fi
export FLAVOUR
if [ "$1" = -c ] && [ -n "$EXEC_WRAPPER" ]; then echo /bin/true; exit; fi
exec /bin/sh "$@"
"""


@dataclass(frozen=True, slots=True)
class FakeSuite:
    """Runs every `*.sh` of the tree; what a script prints and its status are compared."""

    deadline_s: float = 30.0
    side_by_side: frozenset[str] = frozenset()
    slow: tuple[str, ...] = ()
    name: str = "fake"
    version: str = "1"
    env: dict[str, str] = field(default_factory=dict)

    def scripts(self, tree: Path) -> list[str]:
        return sorted(path.name for path in tree.glob("*.sh"))

    def prepare(self, shells: ShellSet, programs: Path) -> None:
        pass

    def furnish(self, shells: ShellSet, programs: Path, slot: Path) -> None:  # noqa: ARG002 -- the protocol
        self.run_folder(slot).mkdir()
        for path in shells.tree.iterdir():
            (self.run_folder(slot) / path.name).write_bytes(path.read_bytes())

    def shell_place(self, slot: Path) -> Path:
        return slot / "shell"

    def run_folder(self, slot: Path) -> Path:
        return slot / "suite"

    def job(self, script: str, slot: Path) -> Job:
        env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(slot / "home"),
            "TMPDIR": str(slot / "tmp"),
            "SHELL_UNDER_TEST": str(self.shell_place(slot)),
            **self.env,
        }
        return Job(
            argv=(str(self.shell_place(slot)), script),
            cwd=self.run_folder(slot),
            env=env,
            records=(slot / "record" / "raw",),
            deadline_s=self.deadline_s,
        )

    def normalise(self, output: bytes, pid: int) -> bytes:
        return output.replace(b"pid %d" % pid, b"pid PID")


def make_shells(folder: Path, scripts: dict[str, str], *, patched: str = PATCHED) -> ShellSet:
    """Write the shells and the scripts."""
    tree = folder / "tree"
    tree.mkdir()
    for name, text in scripts.items():
        (tree / name).write_text(text, encoding="utf-8")
    paths = {"unpatched": UNPATCHED, "patched": patched}
    for name, text in paths.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    return ShellSet(
        name="fake",
        release="1.0",
        unpatched=folder / "unpatched",
        patched=folder / "patched",
        tree=tree,
        functions=None,
    )


def make_wrapper(_source: Path, program: Path) -> None:
    """Stand in for the compiler."""
    program.write_text('#!/bin/sh\nprogram=$1\nshift 2\nexec "$program" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
