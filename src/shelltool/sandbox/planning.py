"""From a policy to a plan in one step: what it grants, what is there, what follows."""

from collections.abc import Iterable
from dataclasses import replace

from shelltool.sandbox.context import SandboxContext
from shelltool.sandbox.grants import Grants, Surroundings, grants_of_context, grants_of_policy
from shelltool.sandbox.plan import SandboxPlan, make_plan
from shelltool.sandbox.policy import Policy
from shelltool.sandbox.survey import survey
from shelltool.sandbox.wrapped import WrappedCommand


def plan_policy(policy: Policy, around: Surroundings, *, shielded: Iterable[str] = ()) -> SandboxPlan:
    """Plan one of the four policies. Looks at files, so it is for one command; some hundred microseconds."""
    return _plan(grants_of_policy(policy, around), shielded)


def plan_context(
    context: SandboxContext, around: Surroundings, *, shielded: Iterable[str] = ()
) -> SandboxPlan:
    """Plan a sandbox object of the exec server."""
    return _plan(grants_of_context(context, around), shielded)


def plan_wrapped(
    wrapped: WrappedCommand, around: Surroundings, *, shielded: Iterable[str] = ()
) -> SandboxPlan:
    """Plan a command line that a client had wrapped."""
    return _plan(wrapped.grants(around), shielded)


def _plan(grants: Grants, shielded: Iterable[str]) -> SandboxPlan:
    complete = replace(grants, shielded=tuple(shielded))
    return make_plan(complete, survey(complete))
