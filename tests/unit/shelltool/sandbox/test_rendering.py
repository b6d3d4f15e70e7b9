"""What each engine makes of typical plans, compared with tests/golden/sandbox; REWRITE_GOLDEN=1 writes them anew."""

import os
import shlex
from pathlib import Path

import pytest

from shelltool.sandbox import bubblewrap, landlock, seatbelt
from shelltool.sandbox.plan import SandboxPlan
from unit.shelltool.sandbox.cases import CASES, TREE
from unit.shelltool.sandbox.facts import children

GOLDEN = Path(__file__).parents[3] / "golden" / "sandbox"
CWD = "/home/u/work"


def lines(words: tuple[str, ...]) -> str:
    """Write a command line with an option on each line."""
    text = ""
    for word in words:
        text += ("\n" if word.startswith("--") and text else " " if text else "") + shlex.quote(word)
    return text + "\n"


def by_bubblewrap(plan: SandboxPlan) -> str:
    engine = bubblewrap.Bubblewrap(helper="/h/codex-linux-sandbox", bwrap="/usr/bin/bwrap")
    return lines(engine.prefix(plan, cwd=CWD))


def by_landlock(plan: SandboxPlan) -> str:
    tree = {**TREE, "/tmp/a/b/.git/config": "file", "/tmp/a/b/c": "file", "/tmp/a/d": "dir"}
    engine = landlock.Landlock(helper="/h/codex-linux-sandbox", listing=lambda folder: children(tree, folder))
    return lines(engine.prefix(plan, cwd=CWD))


def by_seatbelt(plan: SandboxPlan) -> str:
    parameters = "".join(f"-D {name}={path}\n" for name, path in seatbelt.parameters(plan))
    return parameters + seatbelt.profile(plan)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("render", [by_bubblewrap, by_landlock, by_seatbelt])
def test_plans_are_rendered_as_they_were_approved(name, render):
    golden = GOLDEN / f"{name}.{render.__name__.removeprefix('by_')}.txt"
    text = render(CASES[name])
    if os.environ.get("REWRITE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over():
    engines = ("bubblewrap", "landlock", "seatbelt")
    wanted = {f"{name}.{engine}.txt" for name in CASES for engine in engines}
    assert {path.name for path in GOLDEN.iterdir()} == wanted


@pytest.mark.parametrize("name", CASES)
def test_rendering_has_no_memory(name):
    for render in (by_bubblewrap, by_landlock, by_seatbelt):
        assert render(CASES[name]) == render(CASES[name])


def test_no_path_becomes_text_of_the_seatbelt_profile():
    for plan in CASES.values():
        for op in plan.ops:
            assert op.path not in seatbelt.profile(plan).replace("/dev/", "")


def test_the_command_line_of_seatbelt_names_its_program_and_gives_the_paths_apart():
    words = seatbelt.Seatbelt().prefix(CASES["workspace-alone"], cwd=CWD)
    assert words[:2] == ("/usr/bin/sandbox-exec", "-p")
    assert words[3:5] == ("-D", "PATH_0=/home/u/work")
    assert words[-1] == "--"


def test_a_plan_with_more_rules_than_landlocks_helper_takes_is_refused():
    from shelltool.errors import SandboxUnavailableError

    tree = {**TREE, **{f"/home/u/work/{number}": "file" for number in range(5000)}}
    engine = landlock.Landlock(helper="/h", listing=lambda folder: children(tree, folder))
    with pytest.raises(SandboxUnavailableError, match="4096"):
        engine.prefix(CASES["workspace-alone"], cwd=CWD)
