"""From a `process/start` to what a supervisor is told: environment, program, sandbox.

Owns the look-up of programs, which uses the child's own `PATH` and nothing of the server's, and what clients of the
oldest dialect wrapped in a sandbox helper of their own.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shelltool.environment import InheritancePolicy, child_environment
from shelltool.errors import SandboxError
from shelltool.exec_server.errors import (
    from_os_error,
    from_sandbox_error,
    internal,
    invalid_params,
    invalid_request,
)
from shelltool.exec_server.processes.messages import EnvironmentPolicy, StartProcess
from shelltool.sandbox import (
    Engine,
    OpKind,
    SandboxPlan,
    Surroundings,
    choose_engine,
    parse_context,
    plan_context,
    plan_wrapped,
    unwrap,
)

DEFAULT_PATH = "/bin:/usr/bin"
"""The C library's own, for a child without PATH."""
SEARCH_MAX = 4096
"""Characters of a PATH that is searched without a thread."""
SHELL_OF_TERMINALS = "/bin/sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is to be started, and what there is to know about it afterwards."""

    program: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    confined: bool
    sandbox_type: str
    plan: SandboxPlan | None = None
    placeholders: tuple[str, ...] = ()
    kept: tuple[int, int] | None = None
    """A further descriptor: the number that it gets, and the one that it has here."""


class Interceptor(Protocol):
    """Has what a process executes judged (`interception.py`)."""

    @property
    def programs(self) -> tuple[str, ...]:
        """What no sandboxed process may write."""

    def wrapped(self, program: str, argv: Sequence[str], cwd: str) -> tuple[str, tuple[str, ...]]:
        """Give the program and arguments under which what they start is judged."""

    def variables(self, env: Mapping[str, str]) -> dict[str, str]:
        """Give the environment that makes shells ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """Prepares processes. Everything here may wait for a disk, so it is called on threads."""

    environment: Mapping[str, str] = field(default_factory=os.environ.copy)
    engine: Callable[[], Engine] = choose_engine
    shielded: Iterable[str] = ()
    """What no sandboxed process may write, whatever its policy says."""
    interceptor: Interceptor | None = None

    def needs_thread(self, params: StartProcess) -> bool:
        """Tell whether preparing it looks at more than a few files."""
        if len(params.env.get("PATH", "")) > SEARCH_MAX:
            return True
        return params.sandbox is not None or _is_wrapped(params.argv)

    def prepare(self, params: StartProcess) -> Prepared:
        """Plan the start of a process; an `RpcError` says why it can't be."""
        if not params.argv:
            raise invalid_params("argv must not be empty")
        if params.enforce_managed_network or params.managed_network or params.network_proxy:
            # To run it without would be to ignore a restriction.
            raise invalid_request("this server has no managed network")
        env = self._environment(params)
        _check_text(params, env)
        if params.tty:
            env.setdefault("SHELL", SHELL_OF_TERMINALS)
        try:
            return self._confined(params, env)
        except SandboxError as error:
            raise from_sandbox_error(error, params.cwd) from error

    def _environment(self, params: StartProcess) -> dict[str, str]:
        return child_environment(self.environment, _policy(params.env_policy), params.env)

    def _confined(self, params: StartProcess, env: dict[str, str]) -> Prepared:
        plan, words, cwd = self._plan(params)
        program = find_executable(words[0], env, cwd)
        argv = (words[0] if params.arg0 is None else params.arg0, *words[1:])
        if self.interceptor:
            program, argv = self.interceptor.wrapped(program, argv, cwd)
            env = self.interceptor.variables(env)
        if plan is None:
            return Prepared(program=program, argv=argv, env=env, cwd=cwd, confined=False, sandbox_type="none")
        arg0 = None if argv[0] == program else argv[0]
        spec = self.engine().command(plan, [program, *argv[1:]], cwd=cwd, env=env, arg0=arg0)
        return Prepared(
            program=spec.program,
            argv=spec.argv,
            env=spec.env,
            cwd=spec.cwd,
            confined=plan.confined,
            sandbox_type="macosSeatbelt" if sys.platform == "darwin" else "linuxSeccomp",
            plan=plan,
            placeholders=plan.paths(OpKind.RESERVED) if plan.confined else (),
        )

    def _plan(self, params: StartProcess) -> tuple[SandboxPlan | None, tuple[str, ...], str]:
        around = Surroundings(cwd=params.cwd, tmpdir=self.environment.get("TMPDIR"))
        if params.sandbox is not None:
            plan = plan_context(parse_context(params.sandbox), around, shielded=self._shielded())
            return plan, tuple(params.argv), params.cwd
        wrapped = unwrap(params.argv)
        if wrapped is None:
            return None, tuple(params.argv), params.cwd
        plan = plan_wrapped(wrapped, around, shielded=self._shielded())
        return plan, wrapped.command, wrapped.command_cwd or params.cwd

    def _shielded(self) -> tuple[str, ...]:
        judged = self.interceptor.programs if self.interceptor else ()
        return (*self.shielded, *self.engine().programs, *judged)


def find_executable(name: str, env: Mapping[str, str], cwd: str) -> str:
    """Find a program as execvp(3) does, in the child's PATH and below its working folder."""
    if not name:
        raise internal("missing program for pipe spawn")
    if "/" in name:
        return name
    refused = errno.ENOENT
    for folder in env.get("PATH", DEFAULT_PATH).split(":"):
        candidate = os.path.join(cwd, folder, name)  # noqa: PTH118 - a start waits for it
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):  # noqa: PTH112 - as above
            return os.path.join(folder or ".", name)  # noqa: PTH118 - as above
        if os.path.isfile(candidate):  # noqa: PTH113 - as above
            refused = errno.EACCES
    raise from_os_error(OSError(refused, os.strerror(refused), name), spawning=True)


def _is_wrapped(argv: Sequence[str]) -> bool:
    """Tell whether a client has wrapped the command itself, well or badly."""
    try:
        return unwrap(argv) is not None
    except SandboxError:
        return True


def _policy(wanted: EnvironmentPolicy | None) -> InheritancePolicy | None:
    if wanted is None:
        return None
    return InheritancePolicy(
        inherit=wanted.inherit,
        ignore_default_excludes=wanted.ignore_default_excludes,
        exclude=wanted.exclude,
        set=wanted.set,
        include_only=wanted.include_only,
    )


def _check_text(params: StartProcess, env: Mapping[str, str]) -> None:
    """Refuse what the kernel could not be given: it would be cut off, or read as something else."""
    texts = [*params.argv, params.arg0 or "", *env.values(), *env]
    if any("\0" in text for text in texts):
        raise internal("nul byte found in provided data")
    for name in env:
        # posix_spawn has no way to say it, and libc reads the variable up to its first `=`.
        if not name or "=" in name:
            raise invalid_params(f"env: {name!r} is no name of a variable")
