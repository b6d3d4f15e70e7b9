"""Run a script whose programs are escalated, all of them."""

from integration.escalation.world import ByName
from shelltool.escalation import Escalate

ALL = ("cat", "sh", "env", "printf", "sleep", "readlink", "prog", "grep", "ps", "nohup", "sort", "ls", "stat")


def escalate(world, script, *args, **options):
    """Run a script whose programs are escalated, all of them."""
    done = world.run(script, *args, policy=ByName(escalated=ALL), **options)
    assert {type(outcome) for outcome in done.outcomes} <= {Escalate}
    return done
