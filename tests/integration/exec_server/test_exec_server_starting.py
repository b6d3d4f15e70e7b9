"""What a process is started as, over each transport: program, environment, folder, and why it can't be."""

OF_THE_C_LIBRARY = 0b11 << 31
"""Signals 32 and 33, which programs can't set; the tests may have been started with them ignored."""


async def test_a_process_that_can_not_be_started_leaves_its_id_free(serving, tmp_path):
    async with serving() as server, server.session() as wire:
        missing = await wire.refused(
            "process/start", processId="p", argv=["nope"], cwd="/", env={}, tty=False
        )
        assert (missing.code, missing.message) == (-32603, "No such file or directory (os error 2)")
        assert missing.data["errno"] == 2
        (tmp_path / "file").write_text("x", encoding="utf-8")
        given = {"processId": "p", "env": {}, "tty": False}
        plain = await wire.refused("process/start", argv=[str(tmp_path / "file")], cwd="/", **given)
        assert (plain.code, plain.message) == (-32603, "Permission denied (os error 13)")
        folder = await wire.refused("process/start", argv=["true"], cwd="/nope", **given)
        assert (folder.message, folder.data["path"]) == (
            "No such file or directory (os error 2)",
            "file:///nope",
        )
        assert (await wire.refused("process/start", argv=[], cwd="/", **given)).code == -32602
        assert (await wire.refused("process/start", argv=["true"], cwd="x", **given)).code == -32602
        nul = await wire.refused("process/start", argv=["true", "a\0b"], cwd="/", **given)
        assert nul.message == "nul byte found in provided data"
        assert await wire.run("p", "true") == (b"", 0)
        taken = await wire.refused("process/start", processId="p", argv=["true"], cwd="/", env={}, tty=False)
        assert (taken.code, taken.message) == (-32600, "process p already exists")


async def test_a_program_is_looked_up_in_the_childs_path_only(serving, tmp_path):
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho found $0 $1\n", encoding="utf-8")
    program.chmod(0o755)
    async with serving() as server, server.session() as wire:
        found = await wire.run("a", "only-here", "x", env={"PATH": f"/nope:{tmp_path}"})
        assert found == (f"found {program} x\n".encode(), 0)
        relative = await wire.run("b", "only-here", cwd=f"file://{tmp_path}", env={"PATH": "."})
        assert relative == (b"found ./only-here\n", 0)
        dotted = await wire.run("c", "./only-here", cwd=str(tmp_path))
        assert dotted[1] == 0
        named = await wire.run("d", "sh", "-c", "echo $0", arg0="other", env={})
        assert named == (b"other\n", 0)


async def test_the_environment_is_just_what_was_computed(serving):
    async with serving() as server, server.session() as wire:
        assert await wire.run("a", "/usr/bin/env", env={"A": "1"}) == (b"A=1\n", 0)
        policy = {"inherit": "none", "ignoreDefaultExcludes": False, "exclude": [], "includeOnly": []}
        output, _ = await wire.run(
            "b", "/usr/bin/env", env={"A": "2"}, envPolicy={**policy, "set": {"B": "3"}}
        )
        assert sorted(output.split()) == [b"A=2", b"B=3"]
        incomplete = await wire.refused(
            "process/start",
            processId="c",
            argv=["true"],
            cwd="/",
            env={},
            tty=False,
            envPolicy={"inherit": "all"},
        )
        assert incomplete.code == -32602


async def test_what_a_client_sets_for_the_loader_is_for_its_process_alone(serving, tmp_path):
    async with serving() as server, server.session() as wire:
        env = {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(tmp_path / "loaded"), "ODD": "a=b"}
        output, _ = await wire.run("p", "/usr/bin/env", env=env)
        assert sorted(output.decode().splitlines()) == [f"{name}={value}" for name, value in env.items()]
        pid = (await wire.call("process/list"))["processes"][0]["pid"]
        assert [path.name for path in tmp_path.iterdir()] == [f"loaded.{pid}"]


async def test_paths_come_as_uris_and_as_they_are(serving, tmp_path):
    odd = tmp_path / "a b#c%20?"
    odd.mkdir()
    async with serving() as server, server.session() as wire:
        native = await wire.run("a", "pwd", cwd=str(odd))
        uri = await wire.run("b", "pwd", cwd=odd.as_uri())
        assert native == uri == (f"{odd}\n".encode(), 0)
        for bad in (
            "http://x/",
            "file://elsewhere/x",
            "file:///a?b",
            "file:///a#b",
            "file:///a%00b",
            "",
            "~",
        ):
            refused = await wire.refused(
                "process/start", processId="c", argv=["true"], cwd=bad, env={}, tty=False
            )
            assert refused.code == -32602, bad


async def test_a_process_starts_with_no_signal_ignored_or_blocked_and_no_further_descriptor(serving):
    async with serving() as server, server.session() as wire:
        for name, tty in (("p", False), ("t", True)):
            output, _ = await wire.run(name, "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", tty=tty)
            sets = [int(line.split()[1], 16) & ~OF_THE_C_LIBRARY for line in output.splitlines()]
            assert sets == [0, 0]
            script = "exec 9<&-; for fd in /proc/self/fd/*; do echo ${fd##*/}; done"
            output, _ = await wire.run(f"{name}-files", "bash", "-c", script, tty=tty)
            assert {int(word) for word in output.split()} <= {0, 1, 2, 3}, (
                "3 is the shell's own, of the listing"
            )
