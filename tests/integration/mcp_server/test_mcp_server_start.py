"""How the server is started: its options, the shells and wrappers they name, and what it says about itself."""

import dataclasses
import os
import shutil
import subprocess

import pytest
from mcp import MCPError

from integration.mcp_server.world import CONVERSATION_S, set_state, shell
from shelltool.shells import LINUX_SANDBOX, this_host

pytestmark = pytest.mark.build

WHICH = 'echo "${BASH_VERSION:+bash}${ZSH_VERSION:+zsh} $0"'


@pytest.fixture
def other_bash(world):
    """Another patched bash, which is not where ours is."""
    path = world.root / "other" / "bash"
    path.parent.mkdir()
    shutil.copy(world.installation.bash, path)
    return path


def run(world, *arguments):
    """Start the server for something that it does before it serves."""
    argv, environment = world.start()
    return subprocess.run(
        [*argv, *map(str, arguments)],
        env=environment,
        cwd=world.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CONVERSATION_S,
        check=False,
    )


def test_without_options_it_is_our_own_bash(world):
    assert world.shell(WHICH)["stdout"] == f"bash {world.installation.bash}\n"


def test_bash_names_another_bash(world, other_bash):
    world.arguments = ["--bash", str(other_bash)]
    assert world.shell(WHICH)["stdout"] == f"bash {other_bash}\n"


def test_the_variable_names_another_bash_and_the_option_wins(world, other_bash):
    world.environment["CODEX_BASH_PATH"] = str(other_bash)
    assert world.shell(WHICH)["stdout"] == f"bash {other_bash}\n"
    world.arguments = ["--bash", str(world.installation.bash)]
    assert world.shell(WHICH)["stdout"] == f"bash {world.installation.bash}\n"


def test_naming_a_zsh_alone_takes_it(world):
    world.arguments = ["--zsh", str(world.installation.zsh)]
    world.environment["CODEX_BASH_PATH"] = "/no/such/bash"
    assert world.shell(WHICH)["stdout"] == f"zsh {world.installation.zsh}\n"


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_shell_chooses_where_both_are_named(world, name):
    both = ["--bash", str(world.installation.bash), "--zsh", str(world.installation.zsh)]
    world.arguments = [*both, "--shell", name]
    assert world.shell(WHICH)["stdout"] == f"{name} {world.installation.shell(name)}\n"


def test_the_tool_says_which_shell_takes_the_command(each_shell):
    async def use(client):
        [tool] = (await client.list_tools()).tools
        return tool.input_schema["properties"]["command"]["description"]

    assert each_shell.use(use, state=None) == f"The {each_shell.arguments[1]} string to execute."


def test_execve_names_the_wrapper_that_execs_go_to(world):
    wrapper = world.root / "wrapper"
    wrapper.write_text(
        f'#!/bin/sh\necho "asked about $1" >&2\nexec {world.installation.wrapper} "$@"\n', encoding="utf-8"
    )
    wrapper.chmod(0o755)
    world.arguments = ["--execve", str(wrapper)]
    result = world.shell("/bin/echo hi")
    assert (result["stdout"], result["stderr"]) == ("hi\n", "asked about /bin/echo\n")
    assert result["judged_count"] == 1


def test_a_wrapper_that_asks_nobody_runs_nothing_outside_and_shows_in_what_was_judged(world):
    world.rules('prefix_rule(["/bin/echo"], "forbidden")\n')
    world.arguments = ["--execve", "/bin/false"]
    result = world.shell("/bin/echo hi; echo $?")
    assert (result["stdout"], result["judged_count"]) == ("1\n", 0)


def test_commands_get_no_locale_that_nobody_set(world, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("LANG", "LC_"))]:
        monkeypatch.delenv(name)
    assert "LC_" not in world.shell("/usr/bin/env")["stdout"]


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_need_no_shell(world, word):
    world.environment["CODEX_BASH_PATH"] = "/no/such/bash"
    ended = run(world, word)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "codex-exec-mcp-server" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--bash", "/bin/bash"], 62, "/bin/bash does not know EXEC_WRAPPER"),
        (["--zsh", "no-zsh"], 61, "--zsh: {root}/no-zsh is not an executable file"),
        (["--execve", "/dev/null"], 61, "--execve: /dev/null is not an executable file"),
        (["--shell", "fish"], 2, "'fish' is not one of 'bash', 'zsh'"),
    ],
)
def test_what_cannot_work_ends_it_at_once_with_a_line_that_says_why(world, arguments, status, said):
    ended = run(world, *arguments)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert said.format(root=world.root) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_says_which_sandbox_it_uses_and_what_that_cannot_do(world):
    told = []

    async def listen(message):
        told.append((message.level, message.data))

    async def use(client):
        await shell(client, ":", workdir=world.work)

    world.use(use, state=None, logging_callback=listen)
    assert "codex-exec-mcp-server: sandbox: " in world.log
    assert " can't do: " in world.log
    assert [level for level, line in told if line.startswith("sandbox: ")] == ["info"] * len(told)
    assert [f"codex-exec-mcp-server: {line}" for _, line in told] == world.log.splitlines()


def test_a_server_that_was_started_through_a_link_which_commands_can_replace_runs_none(world):
    (world.work / "venv").symlink_to(world.installation.source.parent)
    world.installation = dataclasses.replace(world.installation, source=world.work / "venv/src")

    async def use(client):
        await set_state(client, "workspace-write", world.work)
        with pytest.raises(
            MCPError, match=f"leads through the link {world.work}/venv, which sandboxed commands"
        ):
            await shell(client, "touch ran", workdir=world.work)

    world.use(use, state=None)
    assert [path.name for path in world.work.iterdir()] == ["venv"]


def test_where_no_sandbox_works_sandboxed_calls_are_refused_with_the_reason(world, tmp_path):
    bare, host = tmp_path / "bare", this_host()
    (bare / "vendor").mkdir(parents=True)
    (bare / "src").symlink_to(world.installation.source)
    programs = bare / "vendor" / host.target
    shutil.copytree(world.installation.wrapper.parent, programs, symlinks=True)
    (programs / LINUX_SANDBOX).unlink()
    world.installation = dataclasses.replace(world.installation, source=bare / "src")

    async def use(client):
        with pytest.raises(MCPError, match=f"no sandbox works here.*{LINUX_SANDBOX} is neither at"):
            await shell(client, "touch ran", workdir=world.work)
        await set_state(client, "danger-full-access", world.work)
        return await shell(client, "echo on", workdir=world.work)

    assert world.use(use, state=None)["stdout"] == "on\n"
    assert list(world.work.iterdir()) == []
    assert "codex-exec-mcp-server: sandbox: none" in world.log
