"""What an escalated command does not inherit, with the attack that each variable would be."""

import sys
from pathlib import Path

import pytest

from integration.escalation.world import ByName
from shelltool.escalation import Escalate, Run
from zig import compile_with_zig

TRAP = "#!/bin/sh\necho trapped\n"


def escalated(world, script, *names, **options):
    """Run a script in which these programs are escalated by their basename."""
    done = world.run(script, policy=ByName(escalated=names, even_if_writable=False), **options)
    assert Escalate() in done.outcomes
    return done


@pytest.fixture
def evil_library(tmp_path):
    """Compile a library that tells when it is loaded."""
    source = tmp_path / "evil.c"
    source.write_text(
        '#include <unistd.h>\n__attribute__((constructor)) void f(void) { write(1, "trapped\\n", 8); }\n',
        encoding="utf-8",
    )
    library = tmp_path / "evil.so"
    return compile_with_zig("x86_64-linux-gnu.2.17", source, library, "-shared", "-fPIC", "-nostdlib", "-lc")


def test_a_library_of_the_sandboxed_side_is_not_loaded(world, evil_library):
    done = escalated(world, f"LD_PRELOAD={evil_library} uname; LD_PRELOAD={evil_library} true", "uname")
    assert done.stdout == b"Linux\n"


def test_the_same_library_is_loaded_inside(world, evil_library):
    """The trap works: this is what would happen outside."""
    done = world.run(f"LD_PRELOAD={evil_library} uname")
    assert b"trapped" in done.stdout


def test_a_credential_of_the_server_is_not_to_be_had_by_its_name(world):
    world.own = {**world.own, "NODE_REPL_AUTH_TOKEN": "secret", "OPENAI_IDENTITY_TOKEN_FILE": "secret"}
    script = "NODE_REPL_AUTH_TOKEN=x printenv NODE_REPL_AUTH_TOKEN; OPENAI_IDENTITY_TOKEN_FILE='() x' printenv; env"
    assert b"secret" not in escalated(world, script, "printenv").output


def test_programs_are_not_found_in_a_folder_that_the_sandboxed_side_can_write(world):
    world.put("bin/id", TRAP)
    done = escalated(world, f"PATH={world.root}/bin:$PATH; env id -u", "env")
    assert b"trapped" not in done.output


def test_path_keeps_the_callers_order_of_folders_out_of_reach(world):
    done = escalated(world, f"PATH=/bin:{world.root}:relative::/usr/bin:/sbin env", "env")
    assert b"PATH=/bin:/usr/bin:/sbin\n" in done.stdout


def test_a_path_of_nothing_but_writable_folders_becomes_the_servers(world):
    done = escalated(world, f"PATH={world.root} /usr/bin/env", "env")
    assert b"PATH=/usr/bin:/bin\n" in done.stdout


def test_a_link_to_a_writable_folder_is_no_way_in(world, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (world.root / "bin").mkdir()
    (outside / "bin").symlink_to(world.root / "bin")
    done = escalated(world, f"PATH={outside}/bin:/usr/bin env", "env")
    assert b"PATH=/usr/bin\n" in done.stdout


def test_the_servers_own_value_replaces_the_callers(world):
    world.own = {**world.own, "HOME": "/server", "LD_LIBRARY_PATH": "/server/lib"}
    done = escalated(world, f"HOME={world.root} LD_LIBRARY_PATH={world.root} GIT_SSH=x env", "env")
    lines = done.stdout.splitlines()
    assert b"HOME=/server" in lines
    assert b"LD_LIBRARY_PATH=/server/lib" in lines
    assert not any(line.startswith(b"GIT_SSH") for line in lines)


def test_a_start_up_file_of_the_sandboxed_side_is_not_read(world):
    world.put("rc", "echo trapped\n")
    done = escalated(world, f"BASH_ENV={world.root}/rc ENV={world.root}/rc bash -c 'echo ok'", "bash")
    assert done.stdout == b"ok\n"


def test_a_module_of_the_sandboxed_side_is_not_imported(world):
    world.put("sitecustomize.py", "print('trapped')\n")
    script = f"PYTHONPATH={world.root} {sys.executable} -c 'print(1)'"
    assert escalated(world, script, Path(sys.executable).name).stdout == b"1\n"


def test_an_exported_function_is_not_one_outside(world):
    script = "uname() { echo trapped; }; export -f uname; bash -c 'uname'"
    assert escalated(world, script, "bash").stdout == b"Linux\n"


def test_a_trace_prompt_runs_nothing(world):
    done = escalated(
        world,
        "env SHELLOPTS=xtrace PS4='$(echo trapped >&2)' true; "
        "export PS4='$(echo trapped >&2)'; bash -xc 'true'",
        "bash",
    )
    assert b"trapped" not in done.output


def test_the_supervision_is_not_inherited(world):
    lines = escalated(world, "env", "env").stdout.splitlines()
    names = {line.partition(b"=")[0] for line in lines}
    assert not names & {b"EXEC_WRAPPER", b"BASH_EXEC_WRAPPER", b"CODEX_ESCALATE_SOCKET"}
    assert b"PWD" in names


def test_what_nobody_knows_is_carried_byte_by_byte(world):
    done = escalated(world, r"FOO=$'\xe9 =\n' LANG=C.UTF-8 GIT_AUTHOR_NAME=me env", "env")
    assert b"FOO=\xe9 =\n\nGIT_AUTHOR_NAME=me" in done.stdout or b"FOO=\xe9 =\n" in done.stdout
    assert b"GIT_AUTHOR_NAME=me\n" in done.stdout
    assert b"LANG=C.UTF-8\n" in done.stdout


def test_inside_the_sandbox_the_environment_is_the_callers_own(world):
    done = world.run("LD_SOMETHING=x HOME=/elsewhere env")
    assert b"LD_SOMETHING=x\n" in done.stdout
    assert b"HOME=/elsewhere\n" in done.stdout
    assert done.outcomes == [Run()]
