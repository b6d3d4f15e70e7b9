"""What a published program of this kind gets wrong, row by row, through the tool `shell` as a client uses it.

The rows have the numbers of the list that they were measured for; here are those that show in a call of the tool.
Each says what is tried and what has to come of it, with bash and with zsh.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from integration.mcp_server.world import Person, wait_until_gone
from zig import COMPILE_S

pytestmark = pytest.mark.build

ROWS = range(2, 21)
FULL = "danger-full-access"
UNSAID = None
WORKSPACE = {"type": "workspace-write", "exclude_slash_tmp": True, "exclude_tmpdir_env_var": True}
GONE_S = 2.0

NO_ID = 'prefix_rule(["id"], "forbidden", justification="who cares")\n'
DENIED_ID = "Execution denied: Execution forbidden by policy: who cares\n"
EVIL = """\
long write(int, const void *, unsigned long);
__attribute__((constructor)) static void loaded(void) { write(2, "evil was loaded\\n", 16); }
"""

Text = str | Mapping[str, str]
"""The same for both shells, or one for each."""
Judged = tuple[str, str, bool]
"""The program's name, the decision, and whether it ran outside of the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A row: what is tried, and what ours must do."""

    row: int
    tried: str
    command: str
    stdout: Text
    says: Text = ""
    """In stderr."""
    stderr: str | None = None
    output: str | None = None
    exit_code: int = 0
    timed_out: bool = False
    timeout_ms: int = 60_000
    judged: Mapping[str, list[Judged]] | list[Judged] | None = None
    asked: tuple[str, ...] = ()
    """What each question must say, in turn."""
    warns: str = ""
    rules: Mapping[str, str] = field(default_factory=dict)
    """WORK in them stands for the work folder."""
    state: str | dict[str, Any] | None = FULL
    programs: Mapping[str, str] = field(default_factory=dict)
    """Executable files in the work folder."""
    beside: tuple[str, ...] = ()
    """Folders in the one beside the work folder."""
    written: tuple[str, ...] | None = None
    """What is there afterwards."""


FAULTS = (
    Fault(
        row=2,
        tried="an executable script with no #! line",
        programs={"script": "echo begin; /usr/bin/expr 6 '*' 7; echo end $?\n"},
        rules={"a": 'prefix_rule(["expr"], "forbidden")\n'},
        command="./script; echo $?",
        stdout={"bash": "begin\nend 1\n0\n", "zsh": "begin\n42\nend 0\n0\n"},
        says={"bash": "Execution denied: Execution forbidden by policy\n", "zsh": ""},
        judged={
            "bash": [("expr", "deny", False)],
            "zsh": [("sh", "run", False)],
        },
    ),
    Fault(
        row=3,
        tried="a script whose interpreter is missing",
        programs={"script": "#!/no/such/interpreter\n"},
        command="./script; echo $?",
        stdout={"bash": "126\n", "zsh": "127\n"},
        says={
            "bash": "./script: /no/such/interpreter: bad interpreter: No such file or directory\n",
            "zsh": "./script: bad interpreter: /no/such/interpreter: no such file or directory\n",
        },
    ),
    Fault(
        row=4,
        tried="unset BASH_EXEC_WRAPPER; id",
        rules={"a": NO_ID},
        command="unset BASH_EXEC_WRAPPER EXEC_WRAPPER; id; echo $?",
        stdout="1\n",
        stderr=DENIED_ID,
    ),
    Fault(
        row=5,
        tried="BASH_EXEC_WRAPPER= id",
        rules={"a": NO_ID},
        command="BASH_EXEC_WRAPPER= EXEC_WRAPPER= id; echo $?; EXEC_WRAPPER=/bin/true id; echo $?",
        stdout="1\n1\n",
        stderr=DENIED_ID * 2,
    ),
    Fault(
        row=6,
        tried="exec -c /bin/true",
        command="export SECRET=1; (exec -c /usr/bin/env) | grep -v -e WRAPPER= -e ^CODEX_; exec -c /bin/true",
        stdout="",
        stderr="",
    ),
    Fault(
        row=7,
        tried="unset CODEX_ESCALATE_SOCKET; /bin/true",
        rules={"a": NO_ID},
        command="unset CODEX_ESCALATE_SOCKET; /bin/echo runs; CODEX_ESCALATE_SOCKET=0 id; echo $?",
        stdout="runs\n1\n",
        stderr=DENIED_ID,
    ),
    Fault(
        row=8,
        tried="cat <(echo x), cat /dev/fd/3 3<file where a rule escalates cat",
        rules={"a": 'prefix_rule(["cat"])\n'},
        programs={"note": "from the note\n"},
        command="cat <(echo x); cat /dev/fd/3 3<note",
        stdout="x\nfrom the note\n",
        judged=[("cat", "escalate", True), ("cat", "escalate", True)],
    ),
    Fault(
        row=9,
        tried="an escalated command that dies of SIGTERM",
        rules={"a": 'prefix_rule(["/bin/sh"])\n'},
        command="/bin/sh -c 'kill -TERM $$'; echo $?; exec /bin/sh -c 'kill -KILL $$'",
        stdout="143\n",
        exit_code=137,
        judged=[("sh", "escalate", True), ("sh", "escalate", True)],
    ),
    Fault(
        row=10,
        tried="an environment value that is not UTF-8",
        rules={"a": 'prefix_rule(["/usr/bin/printenv"])\n'},
        command="export X=$'a\\xffb'; /usr/bin/printenv X | od -An -tx1; /usr/bin/env | grep -a ^X= | od -An -tx1",
        stdout=" 61 ff 62 0a\n 58 3d 61 ff 62 0a\n",
    ),
    Fault(
        row=11,
        tried="an argument that is not UTF-8",
        rules={"a": 'prefix_rule(["/bin/echo"])\n'},
        command="/bin/echo $'a\\xffb' | od -An -tx1; /usr/bin/printf %s $'\\xfe' | od -An -tx1",
        stdout=" 61 ff 62 0a\n fe\n",
    ),
    Fault(
        row=12,
        tried="umask 077; ulimit -n 64, then an escalated command",
        rules={"a": 'prefix_rule(["/bin/sh"])\n'},
        command="umask 077; ulimit -n 64; /bin/sh -c 'umask; ulimit -n'",
        stdout="0077\n64\n",
        judged=[("sh", "escalate", True)],
    ),
    Fault(
        row=13,
        tried="a call that times out during an escalated sleep 30",
        rules={"a": 'prefix_rule(["/bin/sleep"])\n'},
        command="exec 9>alive; echo begun; /bin/sleep 30",
        timeout_ms=1500,
        stdout="begun\n",
        timed_out=True,
        exit_code=124,
        judged=[("sleep", "escalate", True)],
    ),
    Fault(
        row=14,
        tried="stdout and stderr of one call",
        command="echo 1; echo 2 >&2; /bin/echo 3; /bin/echo 4 >&2; echo 5",
        stdout="1\n3\n5\n",
        stderr="2\n4\n",
        output="1\n2\n3\n4\n5\n",
    ),
    Fault(
        row=15,
        tried="./prog with a workdir other than the server's own",
        rules={"a": 'prefix_rule(["WORK/prog"], "forbidden", justification="the one in work")\n'},
        programs={"prog": "#!/bin/sh\necho ran\n"},
        command="./prog; echo $?; cd ..; work/prog; echo $?",
        stdout="1\n1\n",
        stderr="Execution denied: Execution forbidden by policy: the one in work\n" * 2,
    ),
    Fault(
        row=16,
        tried="a client that never sends a sandbox state",
        state=UNSAID,
        command="head -c 4 /etc/passwd; echo; touch here ../outside/here; echo $?",
        stdout="root\n1\n",
        says="touch: cannot touch ",
        written=(),
    ),
    Fault(
        row=17,
        tried="LD_PRELOAD=/tmp/evil.so git status where a rule escalates git status",
        rules={"a": 'prefix_rule(["/usr/bin/printf", "escalated"])\n'},
        command="export LD_PRELOAD=$PWD/evil.so; /usr/bin/printf escalated",
        stdout="escalated",
        stderr="",
        judged=[("printf", "escalate", True)],
    ),
    Fault(
        row=18,
        tried="a program copied to a writable folder under a name that a basename rule allows",
        rules={"a": 'prefix_rule(["touch"])\n'},
        state=WORKSPACE,
        command="cp /usr/bin/touch .; ./touch ../outside/copy; echo $?; touch ../outside/real; echo $?",
        stdout="1\n0\n",
        judged=[("cp", "run", False), ("touch", "escalate", False), ("touch", "escalate", True)],
        written=("real",),
    ),
    Fault(
        row=19,
        tried="one broken .rules file",
        rules={"broken": "prefix_rule(\n", "good": NO_ID},
        command="id; echo $?; /bin/echo asked",
        stdout="1\nasked\n",
        stderr=DENIED_ID,
        asked=("broken.rules",),
        warns="broken.rules:",
    ),
    Fault(
        row=20,
        tried="accepting a prompt that came from a heuristic, and one that leaves the sandbox",
        rules={"a": 'prefix_rule(["/usr/bin/touch"], "prompt")\n'},
        state=WORKSPACE,
        beside=("kept",),
        command="rm -rf ../outside/kept; echo $?; /usr/bin/touch ../outside/new; echo $?",
        stdout="1\n0\n",
        asked=(
            "If you accept, it still runs INSIDE the sandbox",
            "If you accept, it runs OUTSIDE the sandbox",
        ),
        judged=[("rm", "run", False), ("touch", "escalate", True)],
        written=("kept", "new"),
    ),
)


def test_every_row_that_shows_in_a_call_has_its_case():
    assert [fault.row for fault in FAULTS] == list(ROWS)


@pytest.fixture(scope="session")
def evil(tmp_path_factory):
    """A library that says so when it is loaded."""
    folder = tmp_path_factory.mktemp("evil")
    (folder / "evil.c").write_text(EVIL, encoding="utf-8")
    library = folder / "evil.so"
    cc = [sys.executable, "-m", "ziglang", "cc", "-shared", "-nostdlib", "-fPIC", "-fno-sanitize=undefined"]
    subprocess.run([*cc, "-o", library, folder / "evil.c"], check=True, timeout=COMPILE_S)
    return library


@pytest.fixture
def pipe(world):
    """The reading end of a pipe in the work folder, which a command may hold open."""
    fd = os.open(world.fifo(), os.O_RDONLY | os.O_NONBLOCK)
    yield fd
    os.close(fd)


def prepare(world, fault):
    for name, text in fault.rules.items():
        world.rules(text.replace("WORK", str(world.work)), f"{name}.rules")
    for name, text in fault.programs.items():
        (world.work / name).write_text(text, encoding="utf-8")
        (world.work / name).chmod(0o755)
    (outside := world.root / "outside").mkdir()
    for name in fault.beside:
        (outside / name).mkdir()
    return outside


def expected(text, shell):
    return text if isinstance(text, str) else text[shell]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"row {fault.row}: {fault.tried}")
def test_what_the_published_program_gets_wrong_is_right_here(world, pipe, evil, fault, shell):
    outside, person = prepare(world, fault), Person()
    (world.work / "evil.so").write_bytes(evil.read_bytes())
    world.arguments = ["--shell", shell]
    result = world.shell(fault.command, person=person, state=fault.state, timeout_ms=fault.timeout_ms)

    assert (result["stdout"], result["exit_code"]) == (expected(fault.stdout, shell), fault.exit_code)
    assert result["timed_out"] == fault.timed_out
    check_stderr(fault, shell, result["stderr"])
    assert fault.output in {None, result["output"]}
    check_questions(fault, person.asked)
    assert fault.warns in "".join(result["warnings"])
    check_judged(fault, shell, result["judged"])
    if fault.written is not None:
        assert tuple(sorted(path.name for path in outside.iterdir())) == fault.written
    assert "alive" not in fault.command or wait_until_gone(pipe, GONE_S)


def check_stderr(fault, shell, stderr):
    if fault.stderr is not None:
        assert stderr == fault.stderr
    assert expected(fault.says, shell) in stderr


def check_questions(fault, asked):
    assert len(asked) == len(fault.asked)
    for question, said in zip(asked, fault.asked, strict=True):
        assert said in question


def check_judged(fault, shell, judged):
    if fault.judged is None:
        return
    wanted = fault.judged if isinstance(fault.judged, list) else fault.judged[shell]
    assert [(Path(one["program"]).name, one["decision"], one["outside_sandbox"]) for one in judged] == wanted


def test_row_17_has_a_library_that_would_have_been_loaded(world, evil):
    (world.work / "evil.so").write_bytes(evil.read_bytes())
    result = world.shell("export LD_PRELOAD=$PWD/evil.so; /usr/bin/printf 'inside\\n'")
    assert (result["stdout"], result["stderr"]) == ("inside\n", "evil was loaded\n")
