"""What runs a command inside a sandbox: the interface of the engines, and the one that refuses.

A plan that confines nothing is run as it is by every engine. How the others confine is in `bubblewrap`, `landlock`
and `seatbelt`; which one this machine gets is in `choice`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shelltool.errors import SandboxUnavailableError
from shelltool.sandbox.plan import SandboxPlan

NETWORK_DISABLED = "CODEX_SANDBOX_NETWORK_DISABLED"
"""Tells programs why they have no network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnSpec:
    """How to start a command in its sandbox.

    * In a session of its own (`start_new_session=True`): a sandboxed process can signal its whole process group, and
      open the terminal of its session.
    * Signals for the command go to its process group; the engine's own processes in there ignore them. Only SIGKILL
      also works on the process itself, and then ends all of the sandbox.
    * From a thread that lives as long as the command may: with bubblewrap the kernel ends it with that thread.
    """

    program: str
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str


@dataclass(frozen=True, kw_only=True)
class Engine(ABC):
    """One way of confining. Immutable, and safe to use from every thread."""

    name: str = ""
    limitations: tuple[str, ...] = ()
    """What this engine can't do, for whoever relies on it."""
    declined: tuple[str, ...] = ()
    """Why the engines that are better could not be used."""

    @property
    def programs(self) -> tuple[str, ...]:
        """Programs that this engine runs outside the sandbox; no plan may let them be written."""
        return ()

    @abstractmethod
    def prefix(self, plan: SandboxPlan, *, cwd: str, arg0: str | None = None) -> tuple[str, ...]:
        """Give what stands in front of a command's argv. Only for plans that confine."""

    def command(
        self,
        plan: SandboxPlan,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        arg0: str | None = None,
    ) -> SpawnSpec:
        """Say how to start a command under a plan. `argv[0]` is a path; `arg0` is what the command sees instead."""
        if not plan.confined:
            first = argv[0] if arg0 is None else arg0
            return SpawnSpec(program=argv[0], argv=(first, *argv[1:]), env=dict(env), cwd=cwd)
        prefix = self.prefix(plan, cwd=cwd, arg0=arg0)
        return SpawnSpec(program=prefix[0], argv=(*prefix, *argv), env=environment(plan, env), cwd=cwd)

    def describe(self) -> str:
        """Say which engine it is and what it can't do, as lines for the log at the start."""
        lines = [f"sandbox: {self.name}"]
        lines += [f"sandbox: not used: {reason}" for reason in self.declined]
        lines += [f"sandbox: {self.name} can't do: {limitation}" for limitation in self.limitations]
        return "\n".join(lines)


def environment(plan: SandboxPlan, env: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of a command under a plan."""
    return {**env, NETWORK_DISABLED: "1"} if plan.confined and not plan.network else dict(env)


@dataclass(frozen=True, kw_only=True)
class Refusal(Engine):
    """For machines where nothing works: no sandboxed command is run, least of all in the open."""

    name: str = "none"

    def prefix(self, plan: SandboxPlan, *, cwd: str, arg0: str | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Refuse, with the reasons."""
        raise SandboxUnavailableError(
            "no sandbox works here, so the command was not run: "
            + "; ".join(self.declined or ("none was found",))
        )
