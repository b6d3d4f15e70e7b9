"""How the calls of a session are confined: what the client said last, planned and rendered for each call.

A client that says nothing gets a read-only sandbox, and so does one whose last word could not be understood. Owns
what the sandboxed side could have written in this session, under any of the policies that it had.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from shelltool.environment import InheritancePolicy, child_environment
from shelltool.escalation import Sandbox
from shelltool.sandbox import (
    Engine,
    OpKind,
    Policy,
    SandboxPlan,
    Surroundings,
    Written,
    choose_engine,
    plan_policy,
    sweep,
)
from shelltool.sandbox.engine import environment as environment_under
from shelltool.sandbox.policy import (
    AbsolutePath,
    DangerFullAccess,
    ExternalSandbox,
    ReadOnly,
    TaggedPolicy,
    validated,
)

CAPABILITY = "codex/sandbox-state"
VERSION = "1.0.0"
UPDATE = f"{CAPABILITY}/update"
INHERITED = InheritancePolicy(inherit="all", ignore_default_excludes=True)
"""Commands are the user's own and get what the user's shell has, but for the server's credentials."""


class SandboxState(BaseModel):
    """What a client says about the sandbox. A key that is not known is refused, because it may be a restriction."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    sandbox_policy: TaggedPolicy
    sandbox_cwd: AbsolutePath
    codex_linux_sandbox_exe: str | None = None
    """Read and not used: the sandbox is our own."""
    use_linux_sandbox_bind_mounts: bool = False
    use_legacy_landlock: bool = False
    meta: dict[str, Any] | None = Field(default=None, alias="_meta")


_STATE: TypeAdapter[SandboxState] = TypeAdapter(SandboxState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confined:
    """How one call is confined."""

    sandbox: Sandbox
    environment: Mapping[str, str]
    has_sandbox: bool
    notes: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()

    def clean_up(self) -> None:
        """Remove what a sandbox that was ended by force may have left, unless another one still needs it."""
        sweep(self.placeholders, deadline_s=0.0)


class Confinement:
    """The sandbox of a session."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        shielded: Iterable[Path],
        report: Callable[[str], None],
        engine: Callable[[], Engine] = choose_engine,
    ) -> None:
        """`shielded`: what no sandboxed command may write, whatever its policy says. `report` gets lines to log."""
        self._environment = child_environment(environment, INHERITED, {})
        self._shielded = tuple(map(str, shielded))
        self._report = report
        self._choose = engine
        self._engine: asyncio.Future[Engine] | None = None
        self._state: SandboxState | None = None
        self._written = Written()

    def begin(self) -> None:
        """Try the engines, on a thread; calls that need one wait for that."""
        if self._engine is None:
            self._engine = asyncio.ensure_future(asyncio.to_thread(self._choose))
            self._engine.add_done_callback(self._describe)

    def update(self, params: Mapping[str, Any]) -> None:
        """Take what the client says; read-only holds where that can't be understood."""
        self._state = None
        self._state = validated(_STATE, params, "sandbox state")

    async def for_call(self, workdir: Path) -> Confined:
        """Plan the sandbox of a call."""
        state = self._state
        policy = state.sandbox_policy if state else ReadOnly()
        if isinstance(policy, DangerFullAccess | ExternalSandbox):
            return Confined(sandbox=Sandbox(), environment=self._environment, has_sandbox=False)
        self.begin()
        assert self._engine is not None  # noqa: S101 - for the type checker: begin has set it
        engine = await asyncio.shield(self._engine)
        around = Surroundings(
            cwd=state.sandbox_cwd if state else str(workdir), tmpdir=self._environment.get("TMPDIR")
        )
        plan, prefix = await asyncio.to_thread(self._plan, engine, policy, around, workdir)
        return Confined(
            sandbox=Sandbox(prefix=prefix, could_write=self.could_have_written),
            environment=environment_under(plan, self._environment),
            has_sandbox=True,
            notes=plan.notes,
            placeholders=plan.paths(OpKind.RESERVED),
        )

    def could_have_written(self, path: Path) -> bool:
        """Tell whether a command of this session could have put something there, or could now. From any thread."""
        return self._written.could_have_written(path)

    def _plan(
        self, engine: Engine, policy: Policy, around: Surroundings, workdir: Path
    ) -> tuple[SandboxPlan, tuple[str, ...]]:
        plan = plan_policy(policy, around, shielded=(*self._shielded, *engine.programs))
        self._written.add(plan)
        return plan, engine.prefix(plan, cwd=str(workdir))

    def _describe(self, engine: asyncio.Future[Engine]) -> None:
        with suppress(asyncio.CancelledError):
            for line in engine.result().describe().splitlines():
                self._report(line)
