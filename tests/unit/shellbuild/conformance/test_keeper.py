import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shellbuild.conformance.keeper_client import Keeper
from shellbuild.conformance.model import Job
from shellbuild.errors import StepError

ENV = {"PATH": "/usr/bin:/bin"}
SECONDS = 20.0

# Each holds the FIFO open and tells so, then would stay for a minute.
HOLD = "exec 3>{fifo}; echo held >&3; exec sleep 60"
LEFTOVERS = {
    "in the background": f"sh -c '{HOLD}' &",
    "in a session of its own": f"setsid sh -c '{HOLD}' &",
    "as an orphan in a session of its own": f"(setsid sh -c '{HOLD}' &) &",
    "stopped": "(sh -c 'exec 3>{fifo}; echo held >&3; kill -STOP $$; exec sleep 60' &)",
    "deaf to signals": f"(setsid sh -c 'trap \"\" HUP INT TERM; {HOLD}' &)",
}


class Fifo:
    """End of file on its reading end proves that no process holds the other one."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def wait_until_held(self):
        assert self._next() == b"held\n"

    def is_let_go(self):
        return self._next() == b""

    def _next(self):
        poller = select.poll()
        poller.register(self._reader, select.POLLIN | select.POLLHUP)
        assert poller.poll(SECONDS * 1000), f"{self.path} is still held"
        return os.read(self._reader, 100)

    def close(self):
        os.close(self._reader)


@pytest.fixture
def keeper():
    with Keeper() as running:
        yield running


@pytest.fixture
def fifo(tmp_path):
    held = Fifo(tmp_path / "fifo")
    yield held
    held.close()


def shell_job(script, folder, deadline_s=SECONDS):
    return Job(argv=("/bin/sh", "-c", script), cwd=folder, env=ENV, deadline_s=deadline_s)


def printed(keeper, script, folder, env=ENV):
    output = folder / "output"
    keeper.run(shell_job(script, folder), env, output)
    return output.read_text(encoding="utf-8")


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", -15)])
def test_the_status_of_a_script_is_told(keeper, tmp_path, script, status):
    assert keeper.run(shell_job(script, tmp_path), ENV, tmp_path / "output").status == status


def test_both_streams_go_to_the_output_in_order(keeper, tmp_path):
    assert printed(keeper, "echo 1; echo 2 >&2; echo 3", tmp_path) == "1\n2\n3\n"


def test_the_pid_of_a_script_is_told(keeper, tmp_path):
    output = tmp_path / "output"
    ended = keeper.run(shell_job("echo $$", tmp_path), ENV, output)
    assert output.read_text(encoding="utf-8") == f"{ended.pid}\n"


def test_a_script_gets_the_given_environment_and_nothing_else(keeper, tmp_path):
    text = printed(keeper, "exec env", tmp_path, {"PATH": "/usr/bin:/bin", "GIVEN": "yes"})
    assert set(text.split()) - {f"PWD={tmp_path}"} == {"PATH=/usr/bin:/bin", "GIVEN=yes"}


def test_stdin_is_empty_and_no_other_descriptor_is_open(keeper, tmp_path):
    assert printed(keeper, "cat; cd /proc/self/fd; echo *", tmp_path).split()[:3] == ["0", "1", "2"]
    assert len(printed(keeper, "ls /proc/self/fd", tmp_path).split()) == 4  # and the one ls lists with


def test_there_is_no_terminal(keeper, tmp_path):
    assert keeper.run(shell_job("exec 3<>/dev/tty", tmp_path), ENV, tmp_path / "output").status not in {
        0,
        None,
    }


def test_a_script_that_kills_its_process_group_ends_nothing_but_itself(keeper, tmp_path):
    assert keeper.run(shell_job("kill -KILL 0", tmp_path), ENV, tmp_path / "output").status == -9
    assert printed(keeper, "echo on", tmp_path) == "on\n"


def test_conditions_do_not_depend_on_the_caller(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    mask = os.umask(0o077)
    try:
        with Keeper() as running:
            script = "trap 'echo trapped' HUP; kill -HUP $$; umask; ulimit -Sn; ulimit -c"
            assert printed(running, script, tmp_path).split() == ["trapped", "0022", "1024", "0"]
    finally:
        os.umask(mask)
        signal.signal(signal.SIGHUP, before)


def test_a_deadline_ends_a_script_with_its_children(keeper, tmp_path, fifo):
    script = f"{LEFTOVERS['in a session of its own'].format(fifo=fifo.path)} exec sleep 60"
    ended = keeper.run(shell_job(script, tmp_path, deadline_s=1.0), ENV, tmp_path / "output")
    assert ended.status is None
    fifo.wait_until_held()
    assert fifo.is_let_go()


@pytest.mark.parametrize("how", LEFTOVERS)
def test_what_a_script_leaves_behind_is_ended_with_it(keeper, tmp_path, fifo, how):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    # The script ends only when the test has seen that the leftover is there.
    job = shell_job(f"{LEFTOVERS[how].format(fifo=fifo.path)}\nread line <{gate}", tmp_path)
    running = threading.Thread(target=keeper.run, args=(job, ENV, tmp_path / "output"))
    running.start()
    fifo.wait_until_held()
    gate.write_text("go\n", encoding="utf-8")
    running.join(SECONDS)
    assert not running.is_alive()
    assert fifo.is_let_go()


def test_orphans_are_reaped_while_the_script_runs(keeper, tmp_path):
    script = """
    orphan=$(sh -c 'true & echo $!')
    tries=0
    while kill -0 $orphan 2>/dev/null && [ $tries -lt 200 ]; do tries=$((tries + 1)); sleep 0.05; done
    ! kill -0 $orphan 2>/dev/null
    """
    assert keeper.run(shell_job(script, tmp_path), ENV, tmp_path / "output").status == 0


def test_closing_ends_what_runs_and_the_call_that_waits_for_it(tmp_path, fifo):
    keeper = Keeper()
    failed = []

    def run():
        with pytest.raises(StepError, match="keeper"):
            keeper.run(shell_job(HOLD.format(fifo=fifo.path), tmp_path), ENV, tmp_path / "output")
        failed.append(True)

    running = threading.Thread(target=run)
    running.start()
    fifo.wait_until_held()
    keeper.close()
    running.join(SECONDS)
    assert failed
    assert fifo.is_let_go()


OWNER = """
import sys
from pathlib import Path
from shellbuild.conformance.keeper_client import Keeper
from shellbuild.conformance.model import Job
script, folder = sys.argv[1], Path(sys.argv[2])
job = Job(argv=("/bin/sh", "-c", script), cwd=folder, env={}, deadline_s=60)
Keeper().run(job, {"PATH": "/usr/bin:/bin"}, folder / "output")
"""


def test_the_death_of_the_owner_ends_what_runs(tmp_path, fifo):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, HOLD.format(fifo=fifo.path), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        fifo.wait_until_held()
    finally:
        owner.kill()
        owner.wait()
    assert fifo.is_let_go()


def test_a_program_that_cannot_be_started_is_an_error_and_the_keeper_serves_on(keeper, tmp_path):
    job = Job(argv=(str(tmp_path / "missing"),), cwd=tmp_path, env=ENV, deadline_s=SECONDS)
    with pytest.raises(StepError, match="missing"):
        keeper.run(job, ENV, tmp_path / "output")
    assert printed(keeper, "echo on", tmp_path) == "on\n"


def test_a_killed_keeper_is_an_error(tmp_path):
    with Keeper() as keeper:
        script = "kill -KILL $PPID; exec sleep 1"
        with pytest.raises(StepError, match="keeper gave no answer"):
            keeper.run(shell_job(script, tmp_path), ENV, Path(os.devnull))
