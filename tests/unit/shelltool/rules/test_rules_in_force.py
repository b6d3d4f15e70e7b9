"""Rules are read when they have changed, not otherwise, and their problems are told once."""

import asyncio
import os

import pytest

from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.layers import LoadedPolicy, PolicyLayers
from shelltool.rules import in_force as module
from shelltool.rules.in_force import RulesInForce

DEADLINE_S = 60
GIT = 'prefix_rule(["git"], "forbidden")\n'
ID = 'prefix_rule(["id"], "forbidden")\n'


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home" / "rules").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def reads(monkeypatch):
    """Count how often rules are read."""
    seen = []
    read = PolicyLayers.read

    def counted(layers):
        seen.append(layers.folders)
        return read(layers)

    monkeypatch.setattr(PolicyLayers, "read", counted)
    return seen


@pytest.fixture
def settled(monkeypatch):
    """Take every file for old enough that its next change shows."""
    monkeypatch.setattr(module, "TICK_NS", -(1 << 62))


class Rules:
    """Rules in force, and what they told."""

    def __init__(self, home, tmp_path):
        self.told: list[str] = []
        self.in_force = RulesInForce(
            report=self.told.append,
            environment={"CODEX_HOME": str(home)},
            system=tmp_path / "system",
        )

    async def decide(self, *argv, workdir=None, **options):
        loaded = await self.in_force.for_workdir(workdir, **options)
        return loaded.decide(argv, program=f"/usr/bin/{argv[0]}").decision


@pytest.fixture
def rules(home, tmp_path):
    return Rules(home, tmp_path)


def bounded(work):
    return asyncio.run(asyncio.wait_for(work, DEADLINE_S))


def test_files_that_do_not_change_are_read_once(rules, home, reads, settled):
    (home / "rules" / "a.rules").write_text(GIT, encoding="utf-8")

    async def thrice():
        return [await rules.decide("git") for _ in range(3)]

    assert bounded(thrice()) == [Decision.FORBIDDEN] * 3
    assert len(reads) == 1


def test_a_change_shows_in_the_next_call(rules, home, reads, settled):
    file = home / "rules" / "a.rules"

    async def change():
        seen = [await rules.decide("id")]
        file.write_text(GIT, encoding="utf-8")
        seen.append(await rules.decide("id"))
        file.write_text(ID, encoding="utf-8")
        seen.append(await rules.decide("id"))
        file.unlink()
        return [*seen, await rules.decide("id")]

    allow, forbidden = Decision.ALLOW, Decision.FORBIDDEN
    assert bounded(change()) == [allow, allow, forbidden, allow]
    assert len(reads) == 4


def test_a_change_that_keeps_size_and_modification_time_shows_too(rules, home, settled):
    file = home / "rules" / "a.rules"
    file.write_text('prefix_rule(["id"], "prompt")   \n', encoding="utf-8")
    before = file.stat()

    async def change():
        first = await rules.decide("id")
        file.write_text('prefix_rule(["id"], "forbidden")\n', encoding="utf-8")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        return first, await rules.decide("id")

    assert bounded(change()) == (Decision.PROMPT, Decision.FORBIDDEN)
    assert file.stat().st_size == before.st_size


def test_files_that_have_just_been_written_are_read_again(rules, home, reads, monkeypatch):
    monkeypatch.setattr(module, "TICK_NS", 1 << 62)
    (home / "rules" / "a.rules").write_text(GIT, encoding="utf-8")

    async def twice():
        return [await rules.decide("git") for _ in range(2)]

    assert bounded(twice()) == [Decision.FORBIDDEN] * 2
    assert len(reads) == 2


def test_many_calls_at_once_share_one_reading(rules, home, reads, monkeypatch):
    monkeypatch.setattr(module, "TICK_NS", 1 << 62)
    (home / "rules" / "a.rules").write_text(GIT, encoding="utf-8")

    async def many():
        return await asyncio.gather(*(rules.decide("git") for _ in range(50)))

    assert set(bounded(many())) == {Decision.FORBIDDEN}
    assert len(reads) <= 2


def test_who_arrives_during_a_reading_sees_what_was_written_before(rules, home, monkeypatch):
    first = LoadedPolicy()
    read = PolicyLayers.read

    async def race():
        entered, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(layers):
            loop.call_soon_threadsafe(entered.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(DEADLINE_S)
            return first

        monkeypatch.setattr(PolicyLayers, "read", slow)
        early = asyncio.ensure_future(rules.decide("git"))
        await entered.wait()
        (home / "rules" / "a.rules").write_text(GIT, encoding="utf-8")
        monkeypatch.setattr(PolicyLayers, "read", read)
        late = asyncio.ensure_future(rules.decide("git"))
        await asyncio.sleep(0)
        go_on.set()
        await early
        return await late

    assert bounded(race()) is Decision.FORBIDDEN


def test_a_broken_file_is_told_once_and_again_when_it_comes_back(rules, home, settled):
    good, bad = home / "rules" / "a.rules", home / "rules" / "b.rules"
    good.write_text(GIT, encoding="utf-8")

    async def story():
        bad.write_text("prefix_rule(\n", encoding="utf-8")
        seen = [await rules.decide("git"), await rules.decide("ls"), await rules.decide("ls")]
        assert len(rules.told) == 1
        bad.unlink()
        seen.append(await rules.decide("ls"))
        bad.write_text("prefix_rule(\n", encoding="utf-8")
        return [*seen, await rules.decide("ls")]

    forbidden, prompt, allow = Decision.FORBIDDEN, Decision.PROMPT, Decision.ALLOW
    assert bounded(story()) == [forbidden, prompt, prompt, allow, prompt]
    assert len(rules.told) == 2
    assert rules.told[0].startswith(f"rules: {bad}:")


def test_rules_that_sandboxed_commands_could_have_written_only_forbid_and_ask(rules, home, settled):
    text = GIT + 'prefix_rule(["rm"], "prompt")\nprefix_rule(["make"], "allow")\n'
    (home / "rules" / "a.rules").write_text(text, encoding="utf-8")

    async def ask(**options):
        loaded = await rules.in_force.for_workdir(None, **options)
        verdicts = [loaded.decide([name], program=f"/usr/bin/{name}") for name in ("git", "rm", "make")]
        return [(verdict.decision, verdict.leaves_sandbox) for verdict in verdicts]

    forbidden, prompt, allow = Decision.FORBIDDEN, Decision.PROMPT, Decision.ALLOW
    planted = bounded(ask(could_write=lambda path: path == home / "rules"))
    assert planted == [(forbidden, False), (prompt, False), (allow, False)]
    assert rules.told == [
        f"rules: {home / 'rules'}: its rules only forbid and ask, because sandboxed commands could have written them"
    ]
    assert bounded(ask()) == [(forbidden, False), (prompt, True), (allow, True)]


def test_a_trusted_project_has_its_own_rules(rules, home, tmp_path, settled):
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / ".codex" / "rules").mkdir(parents=True)
    (project / ".codex" / "rules" / "p.rules").write_text(ID, encoding="utf-8")

    async def story():
        seen = [await rules.decide("id", workdir=project)]
        (home / "config.toml").write_text(
            f'[projects."{project}"]\ntrust_level = "trusted"\n', encoding="utf-8"
        )
        return [*seen, await rules.decide("id", workdir=project), await rules.decide("id")]

    assert bounded(story()) == [Decision.ALLOW, Decision.FORBIDDEN, Decision.ALLOW]
    assert "is not trusted" in rules.told[0]


def test_a_cancelled_call_leaves_the_reading_to_the_others(rules, home, settled):
    (home / "rules" / "a.rules").write_text(GIT, encoding="utf-8")

    async def story():
        first = asyncio.ensure_future(rules.decide("git"))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(rules.decide("git"))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert bounded(story()) is Decision.FORBIDDEN


def test_only_so_many_working_folders_are_remembered(rules, home, tmp_path, settled, monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED_LAYERS", 2)
    monkeypatch.setattr(PolicyLayers, "read", lambda _layers: LoadedPolicy())

    async def many():
        for number in range(5):
            project = tmp_path / str(number)
            (project / ".codex" / "rules").mkdir(parents=True)
            await rules.decide("git", workdir=project)

    (home / "config.toml").write_text(
        "".join(f'[projects."{tmp_path / str(n)}"]\ntrust_level = "trusted"\n' for n in range(5)),
        encoding="utf-8",
    )
    bounded(many())
    assert len(rules.in_force._loaded) == 2
