"""What sandboxed commands could have written so far, under all the plans that they had: what one writes, another finds.

The first plans are remembered as they are. There may be any number of them, because what a policy protects depends on
what is there; of the later ones only the writable places are kept, without what is protected in them.
"""

import threading
from collections.abc import Iterable
from pathlib import Path

from shelltool.sandbox.grants import Access
from shelltool.sandbox.paths import is_below
from shelltool.sandbox.plan import NO_SANDBOX, Op, OpKind, SandboxPlan
from shelltool.sandbox.writable import could_write

PLANS_REMEMBERED = 64
_NOWHERE = SandboxPlan(root=Access.READ)


class Written:
    """Remembers plans. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._plans: tuple[SandboxPlan, ...] = ()
        self._later = _NOWHERE

    def add(self, plan: SandboxPlan) -> None:
        """Remember what a command may write from now on."""
        with self._lock:
            if plan in self._plans:
                return
            if len(self._plans) < PLANS_REMEMBERED:
                self._plans += (plan,)
            else:
                self._later = _merged(self._later, plan)

    def could_have_written(self, path: Path) -> bool:
        """Tell whether a command could have put something there, or could now."""
        return could_write(*self._plans, self._later)(path)


def _merged(*plans: SandboxPlan) -> SandboxPlan:
    """Give a plan that lets be written whatever one of these does, and more rather than less."""
    if any(plan.root is Access.WRITE for plan in plans):
        return NO_SANDBOX
    places = {path for plan in plans for path in plan.paths(OpKind.WRITABLE)}
    return SandboxPlan(root=Access.READ, ops=tuple(Op(OpKind.WRITABLE, path) for path in _outermost(places)))


def _outermost(places: Iterable[str]) -> list[str]:
    kept: list[str] = []
    # A folder comes before all that is in it.
    for place in sorted(places, key=lambda path: path.split("/")):
        if not kept or not is_below(place, kept[-1]):
            kept.append(place)
    return kept
