"""Confining a command: from a policy in JSON to the command line that enforces it.

    engine = choose_engine()                      # once; engine.describe() says what it is and what it can't do
    policy = parse_policy('{"type": "workspace-write"}')
    plan = plan_policy(policy, Surroundings(cwd="/work"), shielded=engine.programs)     # looks at files: per command
    spec = engine.command(plan, ["/bin/sh", "-c", "make"], cwd="/work", env=env)        # how to start it
    question = could_write(plan)                  # could it have written this file?
    sweep(plan.paths(OpKind.RESERVED))            # only after its processes were all killed by force

`parse_context` and `plan_context` do the same for the exec server's sandbox objects, `unwrap` and `plan_wrapped` for
command lines that a client has wrapped in a helper of its own. Errors are subclasses of
`SandboxError`; whatever raises one, the command is not to be run. Knows nothing of MCP, rules or escalation. What is
enforced, by whom, and what is not: `docs/sandbox.md`.
"""

from shelltool.sandbox.choice import choose_engine
from shelltool.sandbox.context import SandboxContext, parse_context
from shelltool.sandbox.engine import Engine, Refusal, SpawnSpec
from shelltool.sandbox.grants import Surroundings
from shelltool.sandbox.placeholders import sweep
from shelltool.sandbox.plan import Op, OpKind, SandboxPlan
from shelltool.sandbox.planning import plan_context, plan_policy, plan_wrapped
from shelltool.sandbox.policy import Policy, parse_policy
from shelltool.sandbox.wrapped import unwrap
from shelltool.sandbox.writable import could_have_written, could_write, open_file_could_have_been_written
from shelltool.sandbox.written import Written

__all__ = [
    "Engine",
    "Op",
    "OpKind",
    "Policy",
    "Refusal",
    "SandboxContext",
    "SandboxPlan",
    "SpawnSpec",
    "Surroundings",
    "Written",
    "choose_engine",
    "could_have_written",
    "could_write",
    "open_file_could_have_been_written",
    "parse_context",
    "parse_policy",
    "plan_context",
    "plan_policy",
    "plan_wrapped",
    "sweep",
    "unwrap",
]
