"""One call of the tool: its sandbox, its rules, the run, and what came of it.

Puts the parts together and knows none of MCP's messages; asking and progress come in as callables.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shelltool.escalation import Call, EscalationPolicy, ShellCommand, ShellCommandExecutor
from shelltool.escalation.keeping import KeeperProgram
from shelltool.mcp_server.confinement import Confined, Confinement
from shelltool.mcp_server.output import Collector
from shelltool.mcp_server.tool import ShellArguments, render_result
from shelltool.rules.in_force import RulesInForce, problem_line
from shelltool.rules.judging import Answer, Approval, Asker, RulesPolicy

PROGRESS_S = 1.0

Progress = Callable[[float, str], Awaitable[None]]
"""Told the seconds that have passed, and what is going on."""

_PolicyMaker = Callable[[Call], EscalationPolicy]
# The executor asks for a policy within the call that it is for, and a context is a call's own.
_policy_maker: ContextVar[_PolicyMaker] = ContextVar("policy_maker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """What is run for a call."""

    shell: Path
    wrapper: Path
    keeper: KeeperProgram


class ShellTool:
    """Runs the calls of a session, several at a time."""

    def __init__(
        self,
        *,
        programs: Programs,
        rules: RulesInForce,
        confinement: Confinement,
        environment: Mapping[str, str],
        preserve_program_paths: bool = False,
    ) -> None:
        self._programs = programs
        self._rules = rules
        self.confinement = confinement
        self._preserve_program_paths = preserve_program_paths
        self._executor = ShellCommandExecutor(
            wrapper=programs.wrapper,
            policies=_policy_of,
            keeper=programs.keeper,
            environment=environment,
            in_reserve=True,
        )

    async def run(
        self, arguments: ShellArguments, *, ask: Asker, progress: Progress | None
    ) -> dict[str, Any]:
        """Run a command to its end and give the result as clients see it."""
        confined = await self.confinement.for_call(arguments.folder)
        rules = await self._rules.for_workdir(
            arguments.folder, could_write=self.confinement.could_have_written
        )
        asking = _Asking(ask)
        _policy_maker.set(
            lambda call: RulesPolicy(
                rules,
                ask=asking,
                pause=call.stopwatch.pause,
                confined=confined.has_sandbox,
                preserve_program_paths=self._preserve_program_paths,
            )
        )
        written = Collector()
        try:
            async with _reporting(progress, written, asking):
                ended = await self._executor.run(self._command(arguments, confined), on_output=written.add)
        finally:
            await _clean_up(confined)
        warnings = (*confined.notes, *map(problem_line, rules.broken))
        return render_result(ended, written.texts(), warnings)

    def _command(self, arguments: ShellArguments, confined: Confined) -> ShellCommand:
        login = arguments.login is not False
        return ShellCommand(
            argv=(str(self._programs.shell), "-lc" if login else "-c", "--", arguments.command),
            workdir=arguments.folder,
            timeout_s=arguments.timeout_s,
            sandbox=confined.sandbox,
            env=confined.environment,
        )


def _policy_of(call: Call) -> EscalationPolicy:
    return _policy_maker.get()(call)


class _Asking:
    """Asks, and knows how many questions are open."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask
        self.open = 0

    async def __call__(self, approval: Approval) -> Answer:
        self.open += 1
        try:
            return await self._ask(approval)
        finally:
            self.open -= 1


def _reporting(
    progress: Progress | None, written: Collector, asking: _Asking
) -> AbstractAsyncContextManager[None]:
    return nullcontext() if progress is None else _report_every_second(progress, written, asking)


@asynccontextmanager
async def _report_every_second(
    progress: Progress, written: Collector, asking: _Asking
) -> AsyncIterator[None]:
    began = asyncio.get_running_loop().time()

    async def report() -> None:
        while True:
            passed = asyncio.get_running_loop().time() - began
            doing = "waiting for approval" if asking.open else "running"
            await progress(passed, f"{doing}, {written.written_bytes} bytes of output")
            await asyncio.sleep(PROGRESS_S)

    task = asyncio.create_task(report())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _clean_up(confined: Confined) -> None:
    """Clean up although the call may be cancelled; that takes no longer than a few milliseconds."""
    if confined.placeholders:
        await asyncio.shield(asyncio.to_thread(confined.clean_up))
