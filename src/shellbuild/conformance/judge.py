"""From outcomes to a verdict, as pure functions.

A first pass runs the unpatched shell twice and each other way once. Only where those disagree, quiet rounds of all
three ways follow, until two rounds in a row say the same or MAX_ROUNDS are over: a busy machine disturbs a run now
and then, a fault of the patch comes back.
"""

from collections.abc import Iterable, Mapping, Sequence

from shellbuild.conformance.model import Outcome, Verdict, Way

FIRST_PASS = (Way.UNPATCHED, Way.UNPATCHED, Way.PATCHED, Way.WRAPPED)
MAX_ROUNDS = 4
IN_A_ROW = 2

First = Sequence[tuple[Way, Outcome]]
Round = Mapping[Way, Outcome]


def judge(first: First, rounds: Sequence[Round], *, listed: bool) -> Verdict | None:
    """Give the verdict, or None when another round is needed.

    1. All runs of the first pass agree: same.
    2. The unpatched shell never ended in time: unstable, for then nothing is compared.
    3. Two rounds in a row agree throughout: same. Both show a way off, while the unpatched shell held still in
       every run: different (a listed script gets all its rounds first, as it may hold still by chance).
    4. After the last round: unstable when the unpatched shell varied in any run, else different.
    """
    if _one(outcome for _, outcome in first):
        return Verdict.SAME
    baseline = [outcome for way, outcome in first if way is Way.UNPATCHED]
    if all(outcome.status is None for outcome in baseline):
        return Verdict.UNSTABLE
    held_still = _one([*baseline, *(done[Way.UNPATCHED] for done in rounds)])
    last = rounds[-IN_A_ROW:]
    if len(last) == IN_A_ROW:
        if _one(outcome for done in last for outcome in done.values()):
            return Verdict.SAME
        if held_still and _reproduced(last) and not listed:
            return Verdict.DIFFERENT
    if len(rounds) < MAX_ROUNDS:
        return None
    return Verdict.DIFFERENT if held_still else Verdict.UNSTABLE


def deviant_ways(first: First, rounds: Sequence[Round]) -> dict[Way, tuple[Outcome, Outcome]]:
    """Give, for each way that was off, the latest such outcome beside the unpatched shell's of the same try."""
    found: dict[Way, tuple[Outcome, Outcome]] = {}
    baseline = first[0][1]
    tries = [(baseline, way, outcome) for way, outcome in first]
    tries += [(done[Way.UNPATCHED], way, outcome) for done in rounds for way, outcome in done.items()]
    for unpatched, way, outcome in tries:
        if not _one((unpatched, outcome)):
            found[way] = (unpatched, outcome)
    return found


def _reproduced(last: Sequence[Round]) -> bool:
    return any(
        all(done[way] != done[Way.UNPATCHED] for done in last) for way in Way if way is not Way.UNPATCHED
    )


def _one(outcomes: Iterable[Outcome]) -> bool:
    # A run that was cut off shows only how far it came, so it is like no other.
    listed = list(outcomes)
    return all(outcome == listed[0] and outcome.status is not None for outcome in listed)
