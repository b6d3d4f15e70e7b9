"""bash's own suite: `tests/run-*`, each of which runs one or two test files and holds the output against a `.right`.

What is compared is not their verdict but what the shell printed and its exit status, as each script hands them to
`diff`; for upstream's expectation also holds terminals and locales that a build machine lacks.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from shellbuild.conformance.model import Job, ShellSet
from shellbuild.conformance.programs import compile_program

SUPPORT_PROGRAMS = ("recho", "zecho", "printenv", "xcase")
NOT_SCRIPTS = frozenset({"run-all", "run-minimal", "run-gprof"})
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONFIG_H = "".join(f"#define HAVE_{name} 1\n" for name in ("STDLIB_H", "STRING_H", "UNISTD_H", "STDBOOL_H"))
DEADLINE_S = 300.0
"""Five times what the slowest script takes, which sleeps for a minute."""

# The script under test sees none of this: functions and unexported variables stay in the shell that sources it.
RUN_SCRIPT = """\
record=$1
shift
diff() {
    status=$?
    for printed do
        case $printed in -*) ;; *) break ;; esac
    done
    case $printed in
        *.right) ;;
        *) { printf '%s: status %s\\n' "${printed##*/}" "$status"; cat -- "$printed"; } >>"$record/raw" ;;
    esac
    command diff "$@" >/dev/null
    status=$?
    case $printed in *.right) ;; *) rm -f -- "$printed" ;; esac
    return "$status"
}
. "./$0"
"""


@dataclass(frozen=True, slots=True)
class BashSuite:
    """Where the pieces of bash's suite belong and how one of its scripts is run."""

    name: str = "bash"
    version: str = "${BASH_VERSION%%(*}"
    slow: tuple[str, ...] = ("run-jobs", "run-trap", "run-ifs-posix", "run-read", "run-func")
    side_by_side: frozenset[str] = frozenset({"run-jobs"})

    def scripts(self, tree: Path) -> list[str]:
        """List `tests/run-*` but for the drivers."""
        found = (path.name for path in (tree / "tests").glob("run-*"))
        return sorted(name for name in found if name not in NOT_SCRIPTS and not name.endswith((".orig", "~")))

    def prepare(self, shells: ShellSet, programs: Path) -> None:
        """Compile the small programs that the suite's scripts call."""
        headers = programs / "include"
        headers.mkdir(exist_ok=True)
        (headers / "config.h").write_text(CONFIG_H, encoding="utf-8")
        folders = (headers, shells.tree, shells.tree / "include")
        flags = ("-DHAVE_CONFIG_H", *(f"-I{folder}" for folder in folders))
        for name in SUPPORT_PROGRAMS:
            compile_program(shells.tree / "support" / f"{name}.c", programs / name, flags)

    def furnish(self, shells: ShellSet, programs: Path, slot: Path) -> None:
        """Lay out `tests/` and a build folder with the files that scripts read from it."""
        shutil.copytree(shells.tree / "tests", slot / "tests", symlinks=True)
        for name in SUPPORT_PROGRAMS:
            shutil.copy2(programs / name, slot / "tests" / name)
        build = slot / "build"
        build.mkdir()
        # Long files for here documents; any will do.
        for target, source in (
            ("y.tab.c", "y.tab.c"),
            ("config.h", "config.h.in"),
            ("version.h", "patchlevel.h"),
        ):
            shutil.copyfile(shells.tree / source, build / target)

    def shell_place(self, slot: Path) -> Path:
        """Give the path that THIS_SH names."""
        return slot / "build" / "bash"

    def run_folder(self, slot: Path) -> Path:
        """Scripts run in, and litter, the folder of tests."""
        return slot / "tests"

    def job(self, script: str, slot: Path) -> Job:
        """Source the script in a shell that keeps what goes to `diff`."""
        record = slot / "record"
        env = {
            "PATH": f".:{slot / 'tests'}:{SYSTEM_PATH}",
            "HOME": str(slot / "home"),
            "TMPDIR": str(slot / "tmp"),
            "TERM": "xterm",
            "LANG": "C",
            "TZ": "UTC",
            "THIS_SH": str(self.shell_place(slot)),
            "BUILD_DIR": str(slot / "build"),
            "BASH_TSTOUT": str(slot / "tmp" / "bashtst"),
        }
        return Job(
            argv=("/bin/sh", "-c", RUN_SCRIPT, script, str(record)),
            cwd=slot / "tests",
            env=env,
            records=(record / "raw",),
            deadline_s=DEADLINE_S,
        )

    def normalise(self, output: bytes, pid: int) -> bytes:
        """Hide the process group that an interactive bash names when it complains about having no terminal."""
        return output.replace(b"process group (%d)" % pid, b"process group (PID)")
