"""Output: in the order written, each stream by itself, however much, and what a slow or broken reader does."""

import asyncio
import hashlib
import re
import sys

import pytest

from integration.escalation.world import ByName
from shelltool.escalation import Escalate, launching


def by_order(done):
    return [(chunk.stream, line) for chunk in done.chunks for line in chunk.data.splitlines()]


def test_stdout_and_stderr_come_in_the_order_written(shelled):
    """Builtins write within microseconds of each other: much faster than any reader wakes up."""
    script = "for i in {1..500}; do echo o$i; echo e$i >&2; echo p$i; done"
    wanted = [
        pair
        for i in range(1, 501)
        for pair in (("stdout", f"o{i}".encode()), ("stderr", f"e{i}".encode()), ("stdout", f"p{i}".encode()))
    ]
    assert by_order(shelled.run(script)) == wanted


WRITER = """
import os, random, sys
numbers = random.Random(int(sys.argv[1]))
for i in range(3000):
    stream = numbers.choice([1, 2])
    text = b"<%d:%s>" % (i, b"." * numbers.choice([0, 20, 200, 4000]))
    os.write(stream, text)
"""


@pytest.mark.parametrize("seed", range(4))
def test_writes_of_up_to_a_page_keep_their_order_however_fast_they_come(world, seed):
    """Faster than they are relayed, so the pipes are full again and again, which takes the kernel's order away."""
    world.put("writer.py", WRITER)
    done = world.run(f"{sys.executable} -IS writer.py {seed}")
    numbers = [int(number) for number in re.findall(rb"<(\d+):", done.output)]
    assert numbers == list(range(3000))


def test_the_order_holds_across_processes_and_escalation(world):
    policy = ByName(escalated=["printf"])
    script = "echo 1; /usr/bin/printf '2\\n' >&2; /bin/echo 3; (echo 4 >&2); /usr/bin/printf '5\\n'"
    assert [line for _, line in by_order(world.run(script, policy=policy))] == [b"1", b"2", b"3", b"4", b"5"]


LONG_WRITES = """
import os, sys
for step in sys.argv[1:]:
    stream, size = map(int, step.split(":"))
    os.write(stream, b"%d" % size * size)
"""


@pytest.mark.parametrize("steps", ["2:7 1:20000 2:6 1:9000 2:4 1:5", "1:8192 2:4", "2:7 1:4096 2:4"])
def test_a_write_larger_than_a_packet_stays_in_one_piece(world, steps):
    world.put("writer.py", LONG_WRITES)
    done = world.run(f"{sys.executable} -IS writer.py {steps}")
    sizes = [int(step.partition(":")[2]) for step in steps.split()]
    assert done.output == b"".join(b"%d" % size * size for size in sizes)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_can_be_reopened_by_its_name(kept, stream):
    done = kept.run(f"echo one; echo two >/dev/{stream}; echo three >/dev/{stream}")
    assert done.stdout.splitlines()[0] == b"one"
    assert done.of(stream).splitlines()[-2:] == [b"two", b"three"]


MIXED = """
import os
named = os.open("/dev/stdout", os.O_WRONLY)
for i in range(100):
    os.write(named, b"n" * 100)
    os.write(1, b"i" * 4096)
"""


def test_nothing_is_lost_where_a_stream_is_also_open_by_its_name(kept):
    kept.put("writer.py", MIXED)
    output = kept.run(f"{sys.executable} -IS writer.py").output
    assert (output.count(b"n"), output.count(b"i")) == (10_000, 409_600)


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 65536, 100_000])
def test_output_of_any_size_is_complete(kept, size):
    done = kept.run(f"head -c {size} /dev/zero; head -c {size} /dev/zero >&2")
    assert (len(done.stdout), len(done.stderr)) == (size, size)


def test_megabytes_arrive_unharmed_on_both_streams(kept):
    megabytes = 24
    script = f"(yes 0123456789 | head -c {megabytes}M >&2) & yes abcdefghi | head -c {megabytes}M; wait"
    done = kept.run(script)
    for text, line in ((done.stdout, b"abcdefghi\n"), (done.stderr, b"0123456789\n")):
        whole = line * (megabytes * (1 << 20) // len(line) + 1)
        assert hashlib.sha256(text).digest() == hashlib.sha256(whole[: megabytes << 20]).digest()


def test_output_that_is_not_text_is_not_touched(kept):
    done = kept.run(r"printf '\0\xff\r\n\x1b['; cat /dev/null")
    assert done.stdout == b"\0\xff\r\n\x1b["


def test_output_without_end_never_waits_in_bulk(world):
    """A command that writes faster than is read must not fill the server's memory."""
    sizes = []

    async def run() -> None:
        command = world.command("yes", timeout_s=1.0)
        await world.executor(ByName()).run(command, on_output=lambda chunk: sizes.append(len(chunk.data)))

    asyncio.run(run())
    assert sum(sizes) > 1 << 20
    assert max(sizes) <= 64 << 10


def test_a_reader_that_fails_ends_the_call_and_says_why(world):
    def broken(chunk) -> None:
        raise ValueError("no room")

    async def run() -> None:
        await world.executor(ByName()).run(world.command("echo x; sleep 1000"), on_output=broken)

    with pytest.raises(ValueError, match="no room"):
        asyncio.run(run())


def test_what_a_process_substitution_still_writes_when_the_shell_ends_is_not_lost(kept, monkeypatch):
    monkeypatch.setattr(launching, "LINGER_MS", 20_000)  # of a machine where an exec takes long
    assert kept.run("echo x > >(sleep 0.05; cat)").output == b"x\n"


def test_the_output_of_an_escalated_command_goes_where_it_was_sent(kept):
    done = kept.run('x=$(cat <<<inner); echo "<$x>"; cat <<<file >file', policy=ByName(escalated=["cat"]))
    assert done.output == b"<inner>\n"
    assert (kept.root / "file").read_bytes() == b"file\n"
    assert done.outcomes == [Escalate(even_if_writable=True)] * 2
