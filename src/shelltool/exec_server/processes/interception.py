"""Processes under rules: what they execute is handed to the wrapper, judged, and asked about where a rule says so.

One interception for each process: a keeper for what leaves the sandbox, and a thread that answers wrappers. A shell is
replaced by our patched one; any other program is started through the wrapper, so that it is judged itself.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from shelltool.escalation.deciding import Decisions, OutputRelay
from shelltool.escalation.environment import EnvironmentReset
from shelltool.escalation.judging import Judge
from shelltool.escalation.keeping import Keeper, KeeperProgram
from shelltool.escalation.launching import SOCKET_NUMBER, wrapper_variables
from shelltool.escalation.policy import Decision, EscalationPolicy
from shelltool.escalation.program import Reach, unconfined_could_write
from shelltool.escalation.server import CallServer
from shelltool.exec_server.processes.launching import Prepared
from shelltool.exec_server.session_messages import Approval as ApprovalAnswer
from shelltool.exec_server.session_messages import ApproveExec
from shelltool.rules.in_force import RulesInForce
from shelltool.rules.judging import Answer, Approval, RulesPolicy
from shelltool.sandbox import Written

INTERCEPTIONS_MAX = 512
"""At once; the next ones wait for a thread."""

Approve = Callable[[ApproveExec], Awaitable[ApprovalAnswer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interceptor:
    """What all interceptions of a server have in common."""

    shells: Mapping[str, str]
    """Our patched shell, by the name of the shell that a client asks for."""
    wrapper: str
    keeper: KeeperProgram
    rules: RulesInForce
    environment: Mapping[str, str]
    threads: ThreadPoolExecutor
    _written: Written = field(default_factory=Written)
    """By all sandboxed processes that there were."""

    @property
    def programs(self) -> tuple[str, ...]:
        """What no sandboxed process may write."""
        return (*self.shells.values(), self.wrapper, str(self.keeper.path))

    def wrapped(self, program: str, argv: Sequence[str], cwd: str) -> tuple[str, tuple[str, ...]]:
        """Give the program and arguments under which what they start is judged."""
        shell = self.shells.get(PurePath(program).name)
        if shell:
            return shell, tuple(argv)
        path = os.path.join(cwd, program)  # noqa: PTH118 - `..` stays as it is
        return self.wrapper, (PurePath(self.wrapper).name, path, *argv)

    def variables(self, env: Mapping[str, str]) -> dict[str, str]:
        """Give the environment that makes shells ask."""
        return {**env, **wrapper_variables(self.wrapper)}

    async def begin(self, process_id: str, prepared: Prepared, approve: Approve) -> "Interception":
        """Make ready to answer for one process."""
        plan = prepared.plan if prepared.confined else None
        if plan:
            self._written.add(plan)
        could_have_written = self._written.could_have_written
        reach = could_have_written if plan else unconfined_could_write(Path(prepared.cwd))
        rules = await self.rules.for_workdir(Path(prepared.cwd), could_write=could_have_written)

        async def ask(approval: Approval) -> Answer:
            answer = await approve(_question(process_id, approval))
            return Answer(accepted=answer.accepted, reason=answer.reason or "")

        policy = RulesPolicy(rules, ask=ask, pause=nullcontext, confined=prepared.confined)
        return Interception(self, policy, Reach(reach))


class Interception:
    """Answers for one process."""

    def __init__(self, interceptor: Interceptor, policy: EscalationPolicy, reach: Reach) -> None:
        judge = Judge(policy, reach)
        self._decisions = Decisions(judge, self._decided)
        ours, self._its = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._keeper = Keeper(interceptor.keeper)
        self._server = CallServer(
            keeper=self._keeper,
            session=ours,
            judge=judge,
            asker=self._decisions,
            reset=EnvironmentReset(interceptor.environment, reach),
            # What leaves the sandbox writes to the descriptors of the process: there is nothing to relay.
            output=OutputRelay(lambda _: None),
        )
        loop = asyncio.get_running_loop()
        self._work = loop.run_in_executor(interceptor.threads, self._serve)

    def given(self, prepared: Prepared) -> Prepared:
        """Add the descriptor by which wrappers ask."""
        return replace(prepared, kept=(SOCKET_NUMBER, self._its.fileno()))

    def started(self) -> None:
        """Let go of the process's end."""
        self._its.close()

    async def close(self) -> None:
        """End what left the sandbox, and wait until it is gone."""
        self._its.close()
        self._keeper.end()
        await self._decisions.close()
        await self._work

    def _serve(self) -> None:
        try:
            self._server.serve()
        finally:
            self._keeper.finish()

    def _decided(self, number: int, decision: Decision) -> None:
        self._server.decided(number, decision)


def _question(process_id: str, approval: Approval) -> ApproveExec:
    return ApproveExec(
        process_id=process_id,
        program=_shown(approval.program),
        argv=[_shown(word) for word in approval.argv],
        cwd=approval.workdir,
        place=approval.place,
        reason=_shown(approval.why) if approval.why else None,
        could_be_planted=approval.could_be_planted,
    )


def _shown(text: str) -> str:
    """Give what JSON can carry of what a script chose."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")
