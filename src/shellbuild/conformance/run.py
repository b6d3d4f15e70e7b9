"""Running one suite: every script every way, then quiet rounds for those that disagree.

Two runs on one machine wait for each other, because upstream's scripts use fixed names below /tmp.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path

from shellbuild.cache import cache_root, entry_lock, remove_tree
from shellbuild.conformance.bash_suite import BashSuite
from shellbuild.conformance.crew import Crew, Tries
from shellbuild.conformance.differences import write_diffs
from shellbuild.conformance.judge import FIRST_PASS, Round, judge
from shellbuild.conformance.model import ScriptResult, ShellSet, Suite, SuiteResult, Verdict, Way
from shellbuild.conformance.preflight import check_shells
from shellbuild.conformance.programs import PASSTHROUGH, compile_program
from shellbuild.conformance.zsh_suite import ZshSuite
from shellbuild.console import note, step
from shellbuild.errors import UsageError

SUITES: dict[str, Suite] = {"bash": BashSuite(), "zsh": ZshSuite()}
MOST_UNSTABLE = 3
"""So many scripts of a release may be listed as unstable, each with a reason."""
SLOTS_PER_JOB = 2
"""Many scripts sleep most of their time."""
NOTE_EVERY = 20


def run_suite(
    shells: ShellSet, *, unstable: Mapping[str, str], jobs: int, work: Path, only: Sequence[str] = ()
) -> SuiteResult:
    """Run upstream's suite unpatched, patched and wrapped; `unstable` are the recipe's scripts with reasons.

    Diffs of what differed stay in `work/differences`. Raises UsageError for an unknown name in `only`, and
    ConformanceError when the shells are not what they are said to be.
    """
    return compare(SUITES[shells.name], shells, unstable=unstable, jobs=jobs, work=work, only=only)


def compare(
    suite: Suite,
    shells: ShellSet,
    *,
    unstable: Mapping[str, str],
    jobs: int,
    work: Path,
    only: Sequence[str] = (),
) -> SuiteResult:
    """Do the work of `run_suite` for any suite."""
    started = time.monotonic()
    known = suite.scripts(shells.tree)
    chosen = _choose(suite, known, only)
    check_shells(shells, suite.version)
    title = f"{shells.name} {shells.release}: {len(chosen)} scripts of upstream's suite, three ways"
    with step(title), entry_lock(cache_root() / "conformance"):
        results = _in_slots(suite, shells, chosen, unstable, work, size=jobs * SLOTS_PER_JOB)
    return SuiteResult(
        name=shells.name,
        release=shells.release,
        scripts=tuple(results),
        problems=tuple(_recipe_problems(known, unstable)),
        seconds=round(time.monotonic() - started, 1),
    )


def _choose(suite: Suite, known: list[str], only: Sequence[str]) -> list[str]:
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise UsageError(
            f"{suite.name}'s suite has no {', '.join(unknown)}; its scripts are {', '.join(known)}"
        )
    chosen = [name for name in known if not only or name in only]
    slow = [name for name in suite.slow if name in chosen]
    return slow + [name for name in chosen if name not in slow]


def _in_slots(
    suite: Suite,
    shells: ShellSet,
    chosen: Sequence[str],
    unstable: Mapping[str, str],
    work: Path,
    *,
    size: int,
) -> list[ScriptResult]:
    # A run that was killed may have left its slots.
    for name in ("slots", "differences"):
        remove_tree(work / name)
    programs = work / "programs"
    programs.mkdir(parents=True, exist_ok=True)
    compile_program(PASSTHROUGH, programs / "passthrough")
    suite.prepare(shells, programs)
    try:
        with Crew(suite, shells, programs=programs, folder=work / "slots", size=size) as crew:
            first = _first_pass(crew, suite, chosen)
            # One at a time now: what was only the machine's load is gone.
            settled = [
                _settle(crew, one, first[one], unstable.get(one), work / "differences") for one in chosen
            ]
    finally:
        remove_tree(work / "slots")
    return sorted(settled, key=lambda result: result.script)


def _first_pass(crew: Crew, suite: Suite, chosen: Sequence[str]) -> dict[str, Tries]:
    pending: dict[Future[Tries], str] = {}
    for script in chosen:
        batches = [(way,) for way in FIRST_PASS] if script in suite.side_by_side else [FIRST_PASS]
        pending |= {crew.submit(script, batch): script for batch in batches}
    found: dict[str, Tries] = {script: [] for script in chosen}
    for number, future in enumerate(as_completed(pending), 1):
        found[pending[future]] += future.result()
        if number % NOTE_EVERY == 0:
            note(f"  {number} of {len(pending)} done")
    order = list(Way)
    return {script: sorted(tries, key=lambda one: order.index(one[0])) for script, tries in found.items()}


def _settle(crew: Crew, script: str, first: Tries, reason: str | None, diffs: Path) -> ScriptResult:
    rounds: list[Round] = []
    while (verdict := judge(first, rounds, listed=reason is not None)) is None:
        rounds.append(dict(crew.submit(script, tuple(Way)).result()))
    result = ScriptResult(
        script=script,
        verdict=verdict,
        runs=len(first) + len(rounds) * len(Way),
        note=_explain(verdict, len(rounds), first, reason),
        listed=reason is not None,
        differences=() if verdict is Verdict.SAME else write_diffs(script, first, rounds, diffs),
    )
    if result.note or verdict is not Verdict.SAME:
        note(f"  {script}: {verdict}{', ' if result.note else ''}{result.note}")
    return result


def _explain(verdict: Verdict, rounds: int, first: Tries, reason: str | None) -> str:
    if verdict is Verdict.SAME:
        return f"after {rounds} more rounds" if rounds else ""
    if verdict is Verdict.DIFFERENT:
        return ""
    if all(outcome.status is None for way, outcome in first if way is Way.UNPATCHED):
        return "the unpatched shell does not end before its deadline"
    return reason or "the unpatched shell itself varies and the recipe doesn't list the script"


def _recipe_problems(known: Sequence[str], unstable: Mapping[str, str]) -> list[str]:
    problems = [
        f"unstable_tests.{name}: the suite has no such script" for name in unstable if name not in known
    ]
    problems += [
        f"unstable_tests.{name}: no reason given" for name, reason in unstable.items() if not reason.strip()
    ]
    if len(unstable) > MOST_UNSTABLE:
        problems.append(f"unstable_tests: {len(unstable)} scripts, at most {MOST_UNSTABLE} may be listed")
    if not known:
        problems.append("the source tree holds no script of the suite")
    return problems
