"""Runs shell commands under a policy: how many at once, and what they share. One call is `running_call.py`."""

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shelltool.descriptor_limit import original_limits
from shelltool.environment import without_credentials
from shelltool.escalation.command import CommandResult, ShellCommand
from shelltool.escalation.deciding import OutputChunk
from shelltool.escalation.keeping import KeeperProgram
from shelltool.escalation.launching import exact_text, exact_variables, wrapper_variables
from shelltool.escalation.native import default_keeper
from shelltool.escalation.policy import EscalationPolicyFactory
from shelltool.escalation.running_call import Means, RunningCall
from shelltool.escalation.spare import SpareKeeper

CALLS_MAX = 512
"""At once; the next ones wait."""


class ShellCommandExecutor:
    """Runs shell commands, several at a time; a policy for each."""

    def __init__(
        self,
        *,
        wrapper: Path,
        policies: EscalationPolicyFactory,
        keeper: KeeperProgram | None = None,
        environment: Mapping[str, str] | None = None,
        in_reserve: bool = False,
    ) -> None:
        """`keeper`: None finds the native helper, or takes Python. `environment`: the server's own, for resets.

        `in_reserve`: have a keeper ready for the next call, for a server that lives long. Until `close`, or the end of
        this process, there is then a keeper that does nothing.

        Raises the soft limit of open descriptors of this process; commands get the old one.
        """
        program = keeper or default_keeper()
        self.policies = policies
        self.threads = ThreadPoolExecutor(CALLS_MAX, thread_name_prefix="escalation")
        self._slots = asyncio.Semaphore(CALLS_MAX)
        self._means = Means(
            keeper=program,
            spare=SpareKeeper(program) if in_reserve else None,
            threads=self.threads,
            environment=exact_variables(
                without_credentials(os.environ if environment is None else environment)
            ),
            wrapper_variables=wrapper_variables(exact_text(str(wrapper))),
        )
        original_limits()

    async def run(self, command: ShellCommand, *, on_output: Callable[[OutputChunk], None]) -> CommandResult:
        """Run to the end, the deadline or the cancellation, and leave nothing running."""
        async with self._slots:
            return await RunningCall(self._means, command, self.policies, on_output).run()

    def close(self) -> None:
        """Let go of what is kept for later calls."""
        if self._means.spare:
            self._means.spare.close()
