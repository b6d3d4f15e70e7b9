"""Rules and sandboxes at work: what is in force, what a broken file means, and what commands can't do about it."""

import os
import shutil

import pytest

from integration.mcp_server.world import Person, set_state, shell

pytestmark = pytest.mark.build

WORKSPACE = {"type": "workspace-write", "exclude_slash_tmp": True, "exclude_tmpdir_env_var": True}


def test_a_workspace_can_be_written_and_what_is_around_it_cannot(each_shell):
    result = each_shell.shell("echo x > in; echo x > ../out; mkdir .git; ls", state=WORKSPACE)
    assert (each_shell.work / "in").read_text(encoding="utf-8") == "x\n"
    assert not (each_shell.root / "out").exists()
    assert sorted(path.name for path in each_shell.work.iterdir()) == ["in"]
    assert result["judged_count"] == 2


def test_a_state_that_is_not_understood_leaves_read_only(world):
    async def use(client):
        with pytest.raises(Exception, match="failed to deserialize sandbox state: sandboxPolicy"):
            await set_state(client, "open-sesame", world.work)
        return await shell(client, "touch here; echo $?", workdir=world.work)

    assert world.use(use)["stdout"] == "1\n"


def test_a_library_named_by_the_caller_is_not_loaded_by_what_leaves_the_sandbox(world):
    world.rules('prefix_rule(["/usr/bin/env"])\n')
    result = world.shell("LD_PRELOAD=/tmp/evil.so KEPT=1 /usr/bin/env")
    assert result["exit_code"] == 0
    assert "KEPT=1" in result["stdout"]
    assert "LD_PRELOAD" not in result["stdout"]


def test_one_broken_file_is_reported_and_the_good_ones_are_in_force(each_shell):
    broken = each_shell.rules("prefix_rule(\n", "broken.rules")
    each_shell.rules('prefix_rule(["id"], "forbidden", justification="no ids")\n', "good.rules")
    person = Person()
    result = each_shell.shell("/usr/bin/id; /bin/echo asked", person=person)
    assert "Execution denied: Execution forbidden by policy: no ids" in result["stderr"]
    assert result["stdout"] == "asked\n"
    assert len(person.asked) == 1
    assert str(broken) in person.asked[0]
    [warning] = result["warnings"]
    assert warning.startswith(f"rules: {broken}:")
    assert each_shell.log.count(f"rules: {broken}:") == 1


def test_while_a_file_is_broken_nothing_runs_that_nobody_can_be_asked_about(world):
    world.rules("prefix_rule(\n", "broken.rules")
    result = world.shell("/bin/echo hi; echo $?")
    assert result["stdout"] == "1\n"
    assert "broken.rules" in result["stderr"]


def test_a_rule_that_is_written_while_the_server_runs_holds_for_the_next_call(world):
    async def use(client):
        seen = [await shell(client, "/usr/bin/id -u", workdir=world.work)]
        file = world.rules('prefix_rule(["id"], "forbidden")\n', "new.rules")
        seen.append(await shell(client, "/usr/bin/id -u", workdir=world.work))
        file.unlink()
        seen.append(await shell(client, "/usr/bin/id -u", workdir=world.work))
        return [result["exit_code"] for result in seen]

    assert world.use(use) == [0, 1, 0]


def test_the_rules_of_a_trusted_project_hold_in_it(world):
    (world.work / ".git").mkdir()
    (world.work / ".codex" / "rules").mkdir(parents=True)
    (world.work / ".codex" / "rules" / "p.rules").write_text(
        'prefix_rule(["id"], "forbidden", justification="the project says no")\n', encoding="utf-8"
    )
    (world.home / "config.toml").write_text(
        f'[projects."{world.work}"]\ntrust_level = "trusted"\n', encoding="utf-8"
    )
    assert "the project says no" in world.shell("/usr/bin/id")["stderr"]


def test_commands_cannot_write_rules_for_themselves(world):
    evil = 'prefix_rule(["/bin/touch"])'
    (world.work / ".git").mkdir()
    (world.home / "config.toml").write_text(
        f'[projects."{world.root}"]\ntrust_level = "trusted"\n'
        f'[projects."{world.work}"]\ntrust_level = "trusted"\n',
        encoding="utf-8",
    )
    places = [world.home / "rules", world.work / ".codex" / "rules", world.work / "sub" / ".codex" / "rules"]
    script = "".join(f"mkdir -p {place}; echo '{evil}' > {place}/evil.rules; " for place in places)

    async def use(client):
        policy = WORKSPACE | {"writable_roots": [str(world.root)]}
        await set_state(client, policy, world.work)
        await shell(client, script, workdir=world.work)
        return await shell(client, "/bin/touch /var/tmp/evil-of-a-test; echo $?", workdir=world.work / "sub")

    try:
        assert world.use(use)["stdout"] == "1\n"
    finally:
        assert not os.path.exists("/var/tmp/evil-of-a-test")
    # The first line of defence; that what could have been written is not in force is the second.
    assert list((world.home / "rules").iterdir()) == []


def test_with_preserved_paths_a_rule_on_a_bare_name_lets_nothing_out(each_shell):
    each_shell.arguments = [*each_shell.arguments, "--preserve-program-paths"]
    touch = shutil.which("touch", path="/usr/bin:/bin")
    each_shell.rules(f'prefix_rule(["touch"])\nprefix_rule(["{touch}", "named"])\n')
    result = each_shell.shell(f"{touch} bare; echo $?; {touch} named; echo $?", state="read-only")
    assert result["stdout"] == "1\n0\n"
    assert [path.name for path in each_shell.work.iterdir()] == ["named"]


def test_a_command_inside_cannot_reach_the_servers_streams(world):
    script = (
        "p=$$; while [ $p -gt 1 ]; do for fd in 0 1; do"
        ' echo \'{"jsonrpc":"2.0","method":"notifications/evil"}\' > /proc/$p/fd/$fd; done;'
        " p=$(awk '/^PPid/{print $2}' /proc/$p/status); done 2>/dev/null; echo done"
    )
    assert world.shell(script, state="read-only")["stdout"].endswith("done\n")
