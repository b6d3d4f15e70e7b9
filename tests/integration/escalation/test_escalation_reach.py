"""What may be escalated: the file that was judged, and no file that the sandboxed side could have put there."""

import os
import shutil
import sys

import pytest

from integration.escalation.world import ByName, Waiting
from shelltool.escalation import Deny, Escalate, ExecRequest, Run, Sandbox
from shelltool.escalation.policy import Judged

ASK_AND_PRINT = """
import json, os, socket, struct
session = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM, 0, os.dup(int(os.environ["CODEX_ESCALATE_SOCKET"])))
ours, theirs = socket.socketpair()
socket.send_fds(session, [b"\\0"], [theirs.fileno()])
theirs.close()

def frame(message):
    payload = json.dumps(message).encode()
    return struct.pack("<I", len(payload)) + payload

ours.sendall(frame({request}))
assert b"Escalate" in ours.recv(1000)
socket.send_fds(ours, [frame({{"fds": [1]}})], [1])
ours.recv(1000)
"""
"""A wrapper of the sandboxed side's own, which claims what no shell would."""


def by_basename(world, name: str, script: str) -> list[Judged]:
    done = world.run(script, policy=ByName(escalated=[name], even_if_writable=False))
    return list(done.result.judged)


def test_a_program_the_sandbox_could_not_have_written_is_escalated(world):
    assert [j.outcome for j in by_basename(world, "id", "id; /usr/bin/id")] == [Escalate()] * 2


def test_a_copy_in_a_writable_folder_runs_inside(world):
    shutil.copy("/usr/bin/id", world.root / "id")
    (judged,) = by_basename(world, "id", "./id")
    assert (judged.decision, judged.outcome) == (Escalate(), Run())


@pytest.mark.parametrize("target", ["/usr/bin/env", "/usr/bin/id"])
def test_a_link_in_a_writable_folder_runs_inside_wherever_it_leads(world, target):
    os.symlink(target, world.root / "id")
    assert [j.outcome for j in by_basename(world, "id", "./id >/dev/null")] == [Run()]


def test_a_link_outside_that_leads_through_a_writable_link_runs_inside(world, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    os.symlink("/usr/bin", world.root / "bin")
    os.symlink(world.root / "bin/id", outside / "id")
    assert [j.outcome for j in by_basename(world, "id", f"{outside}/id >/dev/null")] == [Run()]


def test_a_link_outside_to_a_program_outside_is_escalated(world, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    os.symlink("../../../../../../../../../usr/bin/id", outside / "id")
    assert [j.outcome for j in by_basename(world, "id", f"{outside}/id >/dev/null")] == [Escalate()]


def test_a_policy_that_named_the_path_may_escalate_what_is_writable(world):
    world.put("tool", "#!/bin/sh\necho ran\n")
    done = world.run("./tool", policy=ByName(escalated=["tool"]))
    assert done.stdout == b"ran\n"
    assert done.outcomes == [Escalate(even_if_writable=True)]


def test_a_policy_can_ask_who_could_have_written_the_program(world):
    shutil.copy("/usr/bin/id", world.root / "id")
    seen = []

    async def decide(request: ExecRequest):
        seen.append((request.program, request.resolved, request.sandbox_could_write()))
        return Run()

    world.run("./id >/dev/null; id >/dev/null", policy=Waiting(decide))
    assert seen == [(f"{world.root}/id",) * 2 + (True,), ("/usr/bin/id", "/usr/bin/id", False)]


def test_without_a_sandbox_places_are_still_told_apart(world):
    shutil.copy("/usr/bin/id", world.root / "id")
    policy = ByName(escalated=["id"], even_if_writable=False)
    done = world.run("./id >/dev/null; id >/dev/null", policy=policy, sandbox=Sandbox())
    assert done.outcomes == [Run(), Escalate()]


def test_the_file_that_was_judged_is_executed_though_its_name_means_another_by_then(world):
    shutil.copy("/bin/echo", world.root / "prog")

    async def decide(request: ExecRequest):
        assert request.resolved == str(world.root / "prog")
        world.put("new", "#!/bin/sh\necho swapped\n").replace(world.root / "prog")
        return Escalate(even_if_writable=True)

    assert world.run("./prog judged", policy=Waiting(decide)).stdout == b"judged\n"


def test_the_script_that_was_judged_is_executed_though_its_name_means_another_by_then(world):
    world.put("prog", '#!/bin/sh\necho "judged $1"\n')

    async def decide(request: ExecRequest):
        assert request.resolved == str(world.root / "prog")
        world.put("new", "#!/bin/sh\necho swapped\n").replace(world.root / "prog")
        return Escalate(even_if_writable=True)

    assert world.run("./prog x", policy=Waiting(decide)).stdout == b"judged x\n"


def test_a_script_out_of_the_sandboxs_reach_keeps_its_name(world, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "tool").write_text('#!/bin/sh\necho "$0"\n')
    (outside / "tool").chmod(0o755)
    policy = ByName(escalated=["tool"], even_if_writable=False)
    done = world.run(f"{outside}/tool; cd {outside}; ./tool", policy=policy)
    assert done.stdout.splitlines() == [f"{outside}/tool".encode(), b"./tool"]


@pytest.mark.parametrize(
    ("workdir", "file"), [("link/..", "tool"), ("link", "../tool"), ("", "link/../tool")]
)
def test_a_script_is_executed_where_it_was_judged_though_a_link_before_dots_leads_elsewhere_by_then(
    world, tmp_path_factory, workdir, file
):
    outside = tmp_path_factory.mktemp("outside")
    for place, text in ((outside, "judged"), (world.root / "evil", "swapped")):
        (place / "folder").mkdir(parents=True)
        (place / "tool").write_text(f"#!/bin/sh\necho {text}\n")
        (place / "tool").chmod(0o755)
    (world.root / "link").symlink_to(outside / "folder")

    async def decide(request: ExecRequest):
        if request.program != f"{outside}/tool":
            return Run()
        (world.root / "new").symlink_to(world.root / "evil/folder")
        (world.root / "new").replace(world.root / "link")
        return Escalate()

    request = {"file": file, "argv": ["tool"], "workdir": f"{world.root}/{workdir}", "env": {}}
    world.put("ask.py", ASK_AND_PRINT.format(request=request))
    done = world.run(f"{sys.executable} -S ask.py", policy=Waiting(decide))
    assert (done.stdout, done.outcomes) == (b"judged\n", [Run(), Escalate()])


def test_a_program_that_may_be_executed_but_not_read_is_escalated(world, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    shutil.copy("/bin/echo", outside / "echo1")
    (outside / "echo1").chmod(0o111)
    done = world.run(f"{outside}/echo1 ran", policy=ByName(escalated=["echo1"], even_if_writable=False))
    assert (done.stdout, done.outcomes) == (b"ran\n", [Escalate()])


def test_what_is_denied_stays_denied_for_a_person_who_declines(world):
    async def decide(request: ExecRequest):
        return Deny("User declined execution")

    assert (
        world.run("id; echo $?", policy=Waiting(decide)).output
        == b"Execution denied: User declined execution\n1\n"
    )
