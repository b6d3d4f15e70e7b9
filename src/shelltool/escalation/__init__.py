"""Run a shell whose every exec is judged: the wrapper's other end, escalation, and the end of all processes.

Knows nothing of MCP, rules or sandboxes; those come in as parameters. The wire is in `docs/escalation-protocol.md`.

How a server uses it, once for the server and then once for each call:

    executor = ShellCommandExecutor(wrapper=Path(".../codex-execve-wrapper"), policies=my_factory)

    result = await executor.run(
        ShellCommand(
            argv=("/opt/bash", "-lc", "git status"),            # the shell and its arguments; argv[0] is a path
            workdir=Path("/work/project"),                      # absolute, exists
            timeout_s=30.0,                                     # None: no deadline
            sandbox=Sandbox(prefix=("codex-linux-sandbox", "…", "--"), could_write=plan_could_write),
        ),
        on_output=lambda chunk: ...,                            # OutputChunk(stream, data), in the order written
    )
    result.exit_code, result.timed_out, result.duration_s, result.judged

* `policies(call)` makes an `EscalationPolicy` for each call. `call.stopwatch` is the call's deadline; a policy that
  asks a person does so inside `with call.stopwatch.pause():`.
* `policy.decide(request)` runs on the event loop; other execs of the call go on meanwhile. A policy that also has
  `decide_now(request)` (see `ImmediatePolicy`) is asked first, on the call's own thread, and answers without a trip
  through the event loop; None sends the request on to `decide`. An exception from either denies the exec.
* `on_output` and `policies` run on the event loop. Nothing is kept or bounded here: the callback's owner does that.
* `Run` executes inside the sandbox. `Escalate` outside, with a reset environment (`environment.py`), and only a file
  that the sandboxed side could not have written, unless the policy says `Escalate(even_if_writable=True)` because
  the rule or the person named this very path; otherwise it runs inside the sandbox. `Deny` refuses with a reason.
* When `run` returns or raises, cancellation included, no process that the call started is left. When the server
  itself is killed, the call's keeper process ends them within two seconds.

Errors are subclasses of `EscalationError`; `run` raises `LaunchError` where the shell (or its sandbox prefix) can't
be started.
"""

from shelltool.escalation.command import CommandResult, Sandbox, ShellCommand
from shelltool.escalation.deciding import OutputChunk, Stream
from shelltool.escalation.executor import ShellCommandExecutor
from shelltool.escalation.policy import (
    Call,
    Decision,
    Deny,
    Escalate,
    EscalationPolicy,
    EscalationPolicyFactory,
    ExecRequest,
    ImmediatePolicy,
    Judged,
    Run,
)
from shelltool.escalation.stopwatch import Stopwatch

__all__ = [
    "Call",
    "CommandResult",
    "Decision",
    "Deny",
    "Escalate",
    "EscalationPolicy",
    "EscalationPolicyFactory",
    "ExecRequest",
    "ImmediatePolicy",
    "Judged",
    "OutputChunk",
    "Run",
    "Sandbox",
    "ShellCommand",
    "ShellCommandExecutor",
    "Stopwatch",
    "Stream",
]
