"""What the sandboxed side may send: garbage, floods, floods of descriptors, half messages. The call goes on, bounded.

The attacks run in the shell itself, with the socket that every wrapper has.
"""

import os
import resource
import socket
import sys

import pytest

from integration.escalation.world import ByName
from shelltool.escalation import Deny, Run, conversation

PRELUDE = """
import array, json, os, socket, struct, sys, time
session = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM, 0, os.dup(int(os.environ["CODEX_ESCALATE_SOCKET"])))

def open_stream(kind=socket.SOCK_STREAM):
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    socket.send_fds(session, [b"\\0"], [theirs.fileno()])
    theirs.close()
    ours.settimeout(15)
    return ours

def frame(message):
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack("<I", len(payload)) + payload

def answer(stream):
    try:
        data = stream.recv(4)
        return stream.recv(65536) if data else b""
    except ConnectionError:
        return b""

def request(*argv, **more):
    return {"file": argv[0], "argv": argv, "workdir": "/", "env": {}, **more}
"""


@pytest.fixture
def attack(world):
    """Run an attack in the shell, then an ordinary command, which must be judged as ever."""

    def run(body: str, **options):
        world.put("attack.py", PRELUDE + body)
        policy = options.pop("policy", None) or ByName(escalated=["cat", "echo"], denied={"id": "no"})
        done = world.run(f"{sys.executable} -S attack.py; id; uname", policy=policy, timeout_s=40, **options)
        assert done.stderr == b"Execution denied: no\n", done.stderr
        assert done.stdout.endswith(b"Linux\n")
        assert not done.result.timed_out
        return done.stdout.removesuffix(b"Linux\n")

    return run


@pytest.mark.parametrize(
    "sent",
    [
        'frame(b"")',
        'frame(b"null")',
        'frame(b"[" * 100000)',
        'frame({"file": "/bin/id"})',
        'frame({"file": 1, "argv": [], "workdir": "/", "env": {}})',
        'frame({"file": "/bin/id", "argv": "id", "workdir": "/", "env": {}})',
        'frame(request("/bin/\\0id"))',
        'frame(request("/bin/id", file_bytes="***"))',
        'frame(request("/bin/id", argv_bytes=["aWQA"]))',
        'frame(request("/bin/id", env_bytes=[1]))',
        'frame(b\'{"file":"/bin/id","argv":["id"],"workdir":"/"}\')',
        'frame(b\'{"file":"/bin/\\xff","argv":["id"],"workdir":"/","env":{}}\')',
    ],
)
def test_a_request_that_makes_no_sense_gets_no_answer(attack, sent):
    assert attack(f"s = open_stream(); s.sendall({sent}); print(answer(s))") == b"b''\n"


def test_a_frame_over_the_limit_is_refused_by_name(attack):
    said = attack('s = open_stream(); s.sendall(struct.pack("<I", 16777217)); print(answer(s))')
    assert b"a frame of 16777217 bytes was announced; the limit is 16777216 bytes" in said


def test_an_announced_size_takes_no_memory(attack):
    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = peak()
    attack("""
streams = [open_stream() for _ in range(200)]
for s in streams: s.sendall(struct.pack("<I", 16 << 20) + b"{")
""")
    assert peak() - before < 64 << 10


def test_incomplete_requests_together_have_a_limit(attack, monkeypatch):
    monkeypatch.setattr("shelltool.escalation.server.BUFFERED_BYTES_MAX", 4 << 20)
    said = attack("""
streams = [open_stream() for _ in range(8)]
said = b""
for s in streams:
    try: s.sendall(struct.pack("<I", 16 << 20) + b" " * (1 << 20))
    except ConnectionError: pass
for s in streams[-1:]: print(answer(s))
""")
    assert b"incomplete requests hold more than" in said


def test_a_half_sent_request_is_given_up(attack, monkeypatch):
    monkeypatch.setattr(conversation, "INCOMPLETE_S", 1.0)
    said = attack('s = open_stream(); s.sendall(struct.pack("<I", 100) + b"{"); print(answer(s))')
    assert said == b"b''\n"


def test_an_escalation_whose_descriptors_never_come_is_given_up(attack, monkeypatch):
    monkeypatch.setattr(conversation, "INCOMPLETE_S", 1.0)
    said = attack("""
s = open_stream(); s.sendall(frame(request("/bin/cat"))); print(answer(s)); print(answer(s))
""")
    assert said == b"""b'{"action":"Escalate","protocol":2}'\nb''\n"""


@pytest.mark.parametrize(
    "followup",
    [
        {"fds": [0, 1]},
        {"fds": [0, 0, 2]},
        {"fds": [0, -1, 2]},
        {"fds": [0, 1, 70_000]},
        {"fds": ["0", 1, 2]},
        {"fds": [0, 1, 2], "umask": 0o1000},
        {"fds": [0, 1, 2], "rlimits": {"NOFILE": [1]}},
        {"fds": [0, 1, 2], "ignored_signals": [0]},
        {"fds": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]},
        {"descriptors": []},
        [],
    ],
)
def test_descriptors_that_do_not_fit_their_list_start_nothing(attack, followup):
    count = len(followup["fds"]) if isinstance(followup, dict) and "fds" in followup else 3
    count = 3 if count == 2 else count
    said = attack(f"""
s = open_stream(); s.sendall(frame(request("/bin/echo", "ran"))); answer(s)
socket.send_fds(s, [frame({followup!r})], [0, 1, 2] + [1] * {count - 3})
print(answer(s))
""")
    assert said == b"b''\n"


def test_descriptors_before_anybody_asked_for_them_are_dropped(attack):
    said = attack("""
s = open_stream()
socket.send_fds(s, [frame(request("/bin/true"))], [0, 1, 2])
print(answer(s))
""")
    assert said == b"""b'{"action":"Run"}'\n"""


@pytest.mark.parametrize("env", ["[]", "{'A': 1}", "None"])
def test_an_environment_that_makes_no_sense_starts_nothing(attack, env):
    """It is read when a command is to be started with it."""
    said = attack(f"""
s = open_stream(); s.sendall(frame(request("/bin/echo", "ran", env={env}))); answer(s)
try: socket.send_fds(s, [frame({{"fds": [0, 1, 2]}})], [0, 1, 2])
except ConnectionError: pass
print(answer(s))
""")
    assert said == b"b''\n"


@pytest.mark.parametrize("make", ["os.mkdir('x')", "os.mkfifo('x')"])
def test_what_is_no_file_is_not_escalated(attack, world, make):
    said = attack(
        f"""
{make}
s = open_stream(); s.sendall(frame(request("{world.root}/x"))); print(answer(s))
""",
        policy=ByName(escalated=["x"], denied={"id": "no"}),
    )
    assert said == b"""b'{"action":"Run"}'\n"""


def test_more_descriptors_than_the_limit_start_nothing(attack):
    said = attack("""
s = open_stream(); s.sendall(frame(request("/bin/echo", "ran"))); answer(s)
try:
    for n in range(30):
        socket.send_fds(s, [frame({"fds": list(range(n * 16, n * 16 + 16)), "more": True})], [0] * 16)
except ConnectionError: pass
print(answer(s))
""")
    assert said == b"b''\n"


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_what_is_sent_to_the_session_socket_is_closed_if_it_is_no_stream(attack):
    before = open_descriptors()
    attack("""
for _ in range(200):
    r, w = os.pipe()
    d = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    t = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    for fds in ([r], [w], [d[0].fileno()], [t.fileno()], [r, w], [0] * 100, []):
        socket.send_fds(session, [b"\\0"], fds)
    os.close(r); os.close(w); d[0].close(); d[1].close(); t.close()
session.send(b"x" * 1000)
""")
    assert open_descriptors() <= before + 1


def test_a_flood_of_conversations_is_served_in_turn(attack):
    said = attack("""
streams = []
for _ in range(250):
    streams.append(open_stream())
for s in streams: s.sendall(frame(request("/bin/true")))
print(sum(answer(s) == b'{"action":"Run"}' for s in streams))
""")
    assert said == b"250\n"


def test_conversations_beyond_the_limit_wait(attack, monkeypatch):
    monkeypatch.setattr("shelltool.escalation.server.CONVERSATIONS_MAX", 8)
    monkeypatch.setattr(conversation, "INCOMPLETE_S", 1.0)
    said = attack("""
idle = [open_stream() for _ in range(12)]
s = open_stream(); s.sendall(frame(request("/bin/true"))); print(answer(s))
""")
    assert said == b"""b'{"action":"Run"}'\n"""


def test_a_stream_that_its_owner_makes_blocking_does_not_stop_the_server(attack):
    """It is read from as soon as it has come, and there is nothing to read."""
    said = attack("""
ours, theirs = socket.socketpair()
os.set_blocking(theirs.fileno(), True)
socket.send_fds(session, [b"\\0"], [theirs.fileno()])
other = open_stream(); other.sendall(frame(request("/bin/true"))); print(answer(other))
""")
    assert said == b"""b'{"action":"Run"}'\n"""


def test_a_wrapper_that_never_reads_does_not_stop_the_server(attack):
    attack("""
ours, theirs = socket.socketpair()
ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
try:
    theirs.settimeout(0)
    while 1: theirs.send(b"x" * 1000)
except BlockingIOError: pass
ours.sendall(frame(request("/bin/true")))
socket.send_fds(session, [b"\\0"], [theirs.fileno()])
""")


def test_a_socket_that_lingers_does_not_stop_the_server(attack):
    """Its close would wait a minute for a peer that never reads, and the server is the last that has it."""
    said = attack("""
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
peer, _ = listener.accept()
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
client.settimeout(0)
try:
    while 1: client.send(b"x" * 65536)
except BlockingIOError: pass
client.settimeout(None)
s = open_stream(); s.sendall(frame(request("/bin/cat", "/dev/null"))); answer(s)
message = frame({"fds": [0, 1]})
socket.send_fds(s, [message[:5]], [0, 1, client.fileno()])
client.close()
s.sendall(message[5:])
print(answer(s))
other = open_stream(); other.sendall(frame(request("/bin/true"))); print(answer(other))
""")
    assert said == b"""b''\nb'{"action":"Run"}'\n"""


def test_a_signal_that_wrappers_do_not_forward_is_not_sent(attack):
    said = attack("""
s = open_stream(); s.sendall(frame(request("/bin/cat")))
answer(s)
r, w = os.pipe()
socket.send_fds(s, [frame({"fds": [0, 1, 2]})], [r, 1, 2])
os.close(r)
s.sendall(frame({"signal": 9}) + frame({"signal": 64}) + frame({"signal": 11, "group": True}))
os.write(w, b"alive\\n"); os.close(w)
print(answer(s))
""")
    assert said == b"""alive\nb'{"exit_code":0}'\n"""


def test_descriptors_sent_twice_end_the_command(attack):
    said = attack("""
s = open_stream(); s.sendall(frame(request("/bin/cat")))
answer(s)
r, w = os.pipe()
socket.send_fds(s, [frame({"fds": [0, 1, 2]})], [r, 1, 2])
socket.send_fds(s, [frame({"fds": [0, 1, 2]})], [r, 1, 2])
print(answer(s))
""")
    assert b"137" in said or said == b"b''\n"  # whichever is first: its end is told, or the conversation over


def test_a_nul_in_the_environment_starts_nothing(attack):
    said = attack("""
s = open_stream(); s.sendall(frame(request("/bin/cat", env={"A": "b\\0C=d"})))
answer(s)
try: socket.send_fds(s, [frame({"fds": [0, 1, 2]})], [0, 1, 2])
except ConnectionError: pass
print(answer(s))
""")
    assert said == b"b''\n"


def test_a_claim_about_the_arguments_is_what_runs(world):
    """Whoever talks to the server directly gets what was judged, not something else."""
    world.put(
        "attack.py",
        PRELUDE
        + """
message = b'{"file":"/bin/echo","argv":["echo","judged"],"workdir":"/","env":{},"argv":["echo","other"],"file":"/usr/bin/echo"}'
s = open_stream(); s.sendall(frame(message)); answer(s)
socket.send_fds(s, [frame({"fds": [0, 1, 2]})], [0, 1, 2])
answer(s)
""",
    )
    done = world.run(f"{sys.executable} -S attack.py", policy=ByName(escalated=["echo"]))
    judged = done.result.judged[-1].request.argv
    assert done.stdout == " ".join(judged[1:]).encode() + b"\n"


def test_limits_claimed_above_the_servers_own_are_not_given(world):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    world.put(
        "attack.py",
        PRELUDE
        + """
s = open_stream(); s.sendall(frame(request("/bin/sh", "-c", "ulimit -n; ulimit -Hn")))
answer(s)
limits = {"NOFILE": [10_000_000, 10_000_000], "NONE": [1, 1], "CORE": [-1, 5]}
socket.send_fds(s, [frame({"fds": [0, 1, 2], "rlimits": limits})], [0, 1, 2])
print(answer(s), flush=True)
""",
    )
    done = world.run(f"{sys.executable} -S attack.py", policy=ByName(escalated=["sh", "-c"]))
    assert done.stdout.split()[:2] == [str(hard).encode()] * 2


def test_a_flood_of_judgements_is_counted_but_not_kept(world, monkeypatch):
    monkeypatch.setattr("shelltool.escalation.judging.JUDGED_KEPT", 10)
    done = world.run("for i in {1..50}; do /bin/true; done", policy=ByName(denied={"true": "no"}))
    assert (done.result.judged_count, len(done.result.judged)) == (50, 10)
    assert isinstance(done.outcomes[0], Deny)
    assert Run() not in done.outcomes


def test_long_commands_are_counted_but_not_all_kept(world, monkeypatch):
    monkeypatch.setattr("shelltool.escalation.judging.JUDGED_KEPT_BYTES", 100_000)
    done = world.run('for n in 1 2 3 4 5 6; do /bin/true "$(printf %30000d $n)"; done')
    assert (done.result.judged_count, len(done.result.judged)) == (6, 3)


def test_the_session_socket_gives_nothing_to_read(world):
    world.put(
        "attack.py",
        PRELUDE + "session.settimeout(0.2)\ntry: session.recv(1)\nexcept TimeoutError: print('nothing')\n",
    )
    assert world.run(f"{sys.executable} -S attack.py").stdout == b"nothing\n"


assert socket
