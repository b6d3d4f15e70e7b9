"""zsh's own suite: `Test/*.ztst`, run by upstream's `ztst.zsh`.

It runs verbosely and past failures, so that what is compared is the stdout, stderr and status of every single test,
not only whether they are what upstream expects.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from shellbuild.conformance.bash_suite import SYSTEM_PATH
from shellbuild.conformance.model import Job, ShellSet
from shellbuild.errors import StepError
from shellbuild.process import capture

TREE_FOLDERS = ("Test", "Functions", "Completion", "Misc", "Scripts", "Src", "Util")
CONFIG_H = """\
#define HAVE_FIFOS 1
#define HAVE_INITGROUPS 1
#define HAVE_SETRESUID 1
#define PATH_DEV_FD "/dev/fd"
"""
"""What scripts look up there before they test it; true for every Linux, whichever libc."""
DEADLINE_S = 300.0

NORMALISED = (
    # `time` with a TIMEFMT that prints its units (A01grammar).
    (rb"^\d+\.\d+s \d+ms \d+us ", rb"TIME "),
    # File times in the header of `diff -u`, which the driver prints where a test isn't as upstream expects.
    (rb"^((?:---|\+\+\+) \S+)\t\d{4}-.*$", rb"\1"),
    # Process ids in job notices, as `[1] 4711`, `[1]  + 4711 done` and `running:+:4711=running` (W02, W03).
    (rb"^(\[\d+\] )\d+$", rb"\1PID"),
    (rb"^(\[\d+\]  [-+ ] )\d+ ", rb"\1PID "),
    (rb"^(\w+:[-+]?:)\d+(=\w+)$", rb"\1PID\2"),
    # Names made with mktemp(3) and $RANDOM (D03procsubst), and a user id nobody has, made with $RANDOM (P01privileged).
    (rb"(/procsubst\.tmp/(?:tmp|exit))\w{6}$", rb"\1RANDOM"),
    (rb"(: nosuchcommand)\d+$", rb"\1RANDOM"),
    (rb"(failed to get user information for uid )\d+:", rb"\1RANDOM:"),
    # The answer to `rm *`, typed ahead: the terminal shows it or not, and upstream accepts both (E01options).
    (rb"(\[yn\]\? \x07)n$", rb"\1"),
)
_NORMALISED = tuple((re.compile(pattern, re.MULTILINE), replacement) for pattern, replacement in NORMALISED)


@dataclass(frozen=True, slots=True)
class ZshSuite:
    """Where the pieces of zsh's suite belong and how one of its scripts is run."""

    name: str = "zsh"
    version: str = "$ZSH_VERSION"
    slow: tuple[str, ...] = ("W02jobs.ztst", "A05execution.ztst", "C03traps.ztst", "Y03arguments.ztst")
    side_by_side: frozenset[str] = frozenset()

    def scripts(self, tree: Path) -> list[str]:
        """List `Test/*.ztst`."""
        return sorted(path.name for path in (tree / "Test").glob("*.ztst"))

    def prepare(self, shells: ShellSet, programs: Path) -> None:
        """Write what configure would have left in the build folder and scripts read from there."""
        (programs / "config.modules").write_text(_config_modules(shells), encoding="utf-8")
        (programs / "config.h").write_text(CONFIG_H, encoding="utf-8")

    def furnish(self, shells: ShellSet, programs: Path, slot: Path) -> None:
        """Lay out a tree as if zsh had been built in it."""
        tree = slot / "tree"
        for name in TREE_FOLDERS:
            if (shells.tree / name).is_dir():
                shutil.copytree(shells.tree / name, tree / name, symlinks=True, ignore=_not_sources)
        for name in ("config.modules", "config.h"):
            shutil.copyfile(programs / name, tree / name)
        if shells.functions is not None:
            shutil.copytree(shells.functions, tree / "Src" / "functions", symlinks=True)

    def shell_place(self, slot: Path) -> Path:
        """Give the place where a build in the tree would leave zsh."""
        return slot / "tree" / "Src" / "zsh"

    def run_folder(self, slot: Path) -> Path:
        """Scripts run in, and litter, the folder of tests."""
        return slot / "tree" / "Test"

    def job(self, script: str, slot: Path) -> Job:
        """Run upstream's driver the way its Makefile does, but verbose and to the end."""
        env = {
            "PATH": SYSTEM_PATH,
            "HOME": str(slot / "home"),
            "TMPDIR": str(slot / "tmp"),
            "TMPPREFIX": str(slot / "tmp" / "zsh"),
            "TERM": "xterm",
            "LANG": "C",
            "TZ": "UTC",
            "ZTST_exe": "../Src/zsh",
            "ZTST_srcdir": ".",
            "ZTST_verbose": "2",
            "ZTST_continue": "1",
        }
        return Job(
            argv=("../Src/zsh", "+Z", "-f", "./ztst.zsh", f"./{script}"),
            cwd=self.run_folder(slot),
            env=env,
            deadline_s=DEADLINE_S,
        )

    def normalise(self, output: bytes, pid: int) -> bytes:
        """Hide what differs from run to run by nature: pids, timings, an echo that races with its question."""
        output = output.replace(b"zsh.ztst.%d" % pid, b"zsh.ztst.PID")
        for pattern, replacement in _NORMALISED:
            output = pattern.sub(replacement, output)
        return output


def _not_sources(_folder: str, names: list[str]) -> set[str]:
    # The C code is a third of the tree and no script looks at it.
    return {name for name in names if name.endswith((".c", ".h", ".yo", ".syms", ".pro", ".epro"))}


def _config_modules(shells: ShellSet) -> str:
    lines = []
    # zsh/main comes first, as configure has it: V01zmodload takes the status that the last line gives.
    for path in [*shells.tree.glob("Src/*.mdd"), *sorted(shells.tree.glob("Src/*/*.mdd"))]:
        text = path.read_text(encoding="utf-8", errors="replace")
        name = re.search(r"^name=(\S+)", text, re.MULTILINE)
        if name:
            link = "static" if _is_linked(shells.unpatched, name[1]) else "no"
            place = path.relative_to(shells.tree)
            lines.append(f"name={name[1]} modfile={place} link={link} auto=no load=no functions=\n")
    return "".join(lines)


def _is_linked(zsh: Path, module: str) -> bool:
    try:
        capture([zsh, "-fc", f"zmodload {module}"], env={"PATH": SYSTEM_PATH})
    except StepError:
        return False
    return True
