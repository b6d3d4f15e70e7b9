"""Processes on a pseudo terminal, over each transport: size, control, end."""

from integration.exec_server.wire import encoded


async def test_a_terminal_has_a_size_and_can_get_another(serving):
    async with serving() as server, server.session() as wire:
        script = "stty size; trap 'stty size; exit 0' WINCH; echo up; while :; do sleep 0.01; done"
        await wire.start("p", "sh", "-c", script, tty=True)
        await wire.wait_for_output("p", b"up")
        assert await wire.call("process/resize", processId="p", rows=50, columns=132) == {}
        output, code = await wire.ended_process("p")
        assert (output, code) == (b"24 80\r\nup\r\n50 132\r\n", 0)
        sized = await wire.run("q", "stty", "size", tty=True, size={"rows": 3, "columns": 7})
        assert sized == (b"3 7\r\n", 0)


async def test_only_terminals_are_resized(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "sleep", "60", pipeStdin=True)
        refused = await wire.refused("process/resize", processId="p", rows=1, columns=1)
        assert refused.message == "process p has no terminal"
        assert (await wire.refused("process/resize", processId="p", rows=0, columns=1)).code == -32602


async def test_a_terminal_is_the_controlling_one_and_ends_at_end_of_file(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "sh", "-c", "test -t 0 && : >/dev/tty && echo yes; cat", tty=True)
        await wire.wait_for_output("p", b"yes")
        await wire.call("process/closeStdin", processId="p")
        output, code = await wire.ended_process("p")
        assert (output, code) == (b"yes\r\n", 0)
        assert {params.get("stream") for name, params in wire.events["p"] if name == "process/output"} == {
            "pty"
        }


async def test_ctrl_c_on_a_terminal_interrupts(serving):
    async with serving() as server, server.session() as wire:
        # One process all along: a bash interrupted while it forks goes on, when the child was not.
        await wire.start("p", "sh", "-c", "echo up; exec cat", tty=True)
        await wire.wait_for_output("p", b"up")
        await wire.call("process/write", processId="p", chunk=encoded(b"\x03"), writeId="1")
        assert (await wire.ended_process("p"))[1] == 130
