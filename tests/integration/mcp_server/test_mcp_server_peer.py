"""With programs that others wrote and shipped: the two servers, shells and wrappers in every mixed pairing."""

import shutil

import pytest

from integration.mcp_server.peer import FETCH_S, PACKAGE
from integration.mcp_server.world import Person, World, refusing, set_state
from integration.published import PackageUnavailableError, pack
from shelltool.escalation.native import write_python_wrapper

pytestmark = [pytest.mark.build, pytest.mark.network]

GIT = shutil.which("git", path="/usr/bin:/bin")
RULES = """\
prefix_rule(["id"], "forbidden")
prefix_rule(["cat"], "allow")
prefix_rule(["git"], "prompt")
"""
COMMAND = f"/bin/echo run; /bin/cat note; /usr/bin/id; echo id $?; {GIT} init --quiet .; echo git $?; exit 5"
PAIRINGS = {
    "its server, our bash, our native wrapper": ("peer", "bash", "native"),
    "its server, our bash, our python wrapper": ("peer", "bash", "python"),
    "its server, our zsh, our native wrapper": ("peer", "zsh", "native"),
    "its server, our zsh, our python wrapper": ("peer", "zsh", "python"),
    "our server, its bash": ("ours", "peer", "native"),
    "our server, its wrapper": ("ours", "bash", "peer"),
}


@pytest.fixture
def python_wrapper(tmp_path):
    """The reference wrapper as a program."""
    (folder := tmp_path / "python").mkdir()
    return write_python_wrapper(folder)


@pytest.fixture(params=PAIRINGS, ids=list(PAIRINGS))
def paired(request, tmp_path, installation, peer, python_wrapper):
    """A world with one of the pairings."""
    server, shell, wrapper = PAIRINGS[request.param]
    bash = peer.bash if shell == "peer" else installation.shell(shell)
    execve = {"peer": peer.wrapper, "native": installation.wrapper, "python": python_wrapper}[wrapper]
    return World(
        root=tmp_path,
        installation=installation,
        command=[str(peer.server)] if server == "peer" else None,
        arguments=["--bash", str(bash), "--execve", str(execve)],
    )


def conversation(world, person):
    """Run the command; the result is read from its text, which is all that the peer's have."""

    async def use(client):
        given = {"command": COMMAND, "workdir": str(world.work), "login": False, "timeout_ms": 60_000}
        await set_state(client, "danger-full-access", world.work)
        return await client.call_tool("shell", given)

    return world.use(use, person=person, state=None, mode="legacy")


@pytest.mark.skipif(GIT is None, reason="git is not installed")
@pytest.mark.parametrize(
    ("person", "status"),
    [(Person(), 0), (refusing("decline"), 1), (refusing("cancel"), 1)],
    ids=["accept", "decline", "cancel"],
)
def test_all_six_pairings_run_escalate_refuse_and_ask(paired, peer, person, status):
    paired.rules(RULES)
    (paired.work / "note").write_text("from the note\n", encoding="utf-8")
    person.asked.clear()
    result = conversation(paired, person)
    text = result.content[0].text
    for expected in ("run\\n", "from the note\\n", "id 1\\n", f"git {status}\\n", "Execution denied: "):
        assert expected in text
    assert '"exit_code":5' in text
    assert (paired.work / ".git").is_dir() == (status == 0)
    assert len(person.asked) == 1
    # The package's shell overruns its argument vector, so what is judged there may be something else (row 1).
    if paired.command is None and str(peer.bash) not in paired.arguments:
        decisions = [judged["decision"] for judged in result.structured_content["judged"]]
        assert decisions == ["run", "escalate", "deny", "deny" if status else "escalate"]


@pytest.mark.parametrize(
    ("npm", "said"),
    [
        (None, "npm is not installed"),
        ("#!/bin/sh\necho no route >&2; exit 1", "npm can't fetch it: no route"),
    ],
)
def test_where_npm_cannot_be_reached_the_reason_is_told(tmp_path, monkeypatch, npm, said):
    if npm:
        (tmp_path / "npm").write_text(npm, encoding="utf-8")
        (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageUnavailableError, match=f"{PACKAGE}: {said}"):
        pack(PACKAGE, tmp_path, limit_s=FETCH_S)
