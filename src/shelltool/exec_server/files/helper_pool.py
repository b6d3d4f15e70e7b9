"""Which helper makes the calls for a sandbox object: one for each policy, kept while it is used.

Every request is planned anew, because what a policy protects depends on what is there; the helper that was started for
the same plan, over the same folders, serves it. Owns how many there are and when they end.

A name that a policy keeps from being created is not held by a placeholder, as for commands: for as long as a helper
lives, everybody would see the placeholder. The helper itself refuses the name (`native/sandbox_files.c`).
"""

import os
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shelltool.errors import SandboxUnavailableError
from shelltool.exec_server.files.calls import Calls, LocalCalls
from shelltool.exec_server.files.helper import Helper, HelperCalls
from shelltool.exec_server.files.program import find_program, load_program
from shelltool.sandbox import (
    Engine,
    OpKind,
    SandboxPlan,
    Surroundings,
    choose_engine,
    parse_context,
    plan_context,
)

HELPER_LIMIT = 8
IDLE_S = 60.0
WATCHED_LIMIT = 64
"""Paths that are kept open to notice that something else has taken their place; a helper for more serves one request."""

Identity = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _Key:
    prefix: tuple[str, ...]
    reserved: tuple[str, ...]
    identities: tuple[tuple[str, Identity], ...]
    """Everything that the command line names, and what is there."""


@dataclass(slots=True)
class _Place:
    """Where the helper for a plan is, or will be."""

    key: _Key
    plan: SandboxPlan
    starting: threading.Lock = field(default_factory=threading.Lock)
    helper: Helper | None = None
    pins: list[int] = field(default_factory=list)
    users: int = 0
    last_used: float = 0.0

    def end(self) -> None:
        """End the helper, if there is one."""
        if self.helper is not None:
            self.helper.end()
            self.helper = None
        while self.pins:
            os.close(self.pins.pop())


class Helpers:
    """All helpers of a server. From every thread; what it does may block."""

    def __init__(
        self,
        *,
        engine: Callable[[], Engine] = choose_engine,
        program: Callable[[], Path] = find_program,
        tmpdir: str | None = None,
        shielded: Iterable[str] = (),
        limit: int = HELPER_LIMIT,
        idle_s: float = IDLE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`tmpdir`: the server's own. `shielded`: what no sandboxed call may change, whatever its policy says."""
        self._engine = engine
        self._find_program = program
        self._around = Surroundings(tmpdir=tmpdir)
        self._shielded = tuple(shielded)
        self._limit = limit
        self._clock = clock
        self.idle_s = idle_s
        self._lock = threading.Lock()
        self._places: OrderedDict[_Key, _Place] = OrderedDict()
        self._program = -1
        self._closed = False
        # The kernel ends a helper with the thread that started it, so that is one which stays.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="sandbox-helpers")

    @property
    def count(self) -> int:
        """How many there are."""
        with self._lock:
            return len(self._places)

    @contextmanager
    def serving(self, sandbox: Mapping[str, Any]) -> Iterator[Calls]:
        """Give the calls as the sandbox allows them. A `SandboxError`: they can't be confined as it says."""
        engine = self._engine()
        plan = plan_context(
            parse_context(sandbox), self._around, shielded=(*self._shielded, *engine.programs)
        )
        if not plan.confined:
            yield LocalCalls()
            return
        place = self._taken(engine, plan)
        try:
            yield HelperCalls(self._started(engine, place), place.plan)
        finally:
            self._give_back(place)

    def end_idle(self) -> bool:
        """End those that nobody has asked for a while; tell whether there are others."""
        oldest = self._clock() - self.idle_s
        with self._lock:
            idle = [place for place in self._places.values() if not place.users and place.last_used <= oldest]
            for place in idle:
                del self._places[place.key]
            left = bool(self._places)
        for place in idle:
            place.end()
        return left

    def close(self) -> None:
        """End all of them, also those that are being asked."""
        with self._lock:
            self._closed = True
            places = list(self._places.values())
            self._places.clear()
        for place in places:
            with place.starting:
                place.end()
        self._starter.shutdown()
        with self._lock:
            if self._program >= 0:
                os.close(self._program)
                self._program = -1

    def _taken(self, engine: Engine, plan: SandboxPlan) -> _Place:
        inside = _for_files(plan)
        prefix = engine.prefix(inside, cwd="/")
        named = sorted({word for word in prefix if word.startswith("/")})
        key = _Key(prefix, plan.paths(OpKind.RESERVED), tuple((path, _identity(path)) for path in named))
        with self._lock:
            if self._closed:
                raise SandboxUnavailableError("the file service is closed")
            place = self._places.setdefault(key, _Place(key, inside))
            self._places.move_to_end(key)
            place.users += 1
        return place

    def _started(self, engine: Engine, place: _Place) -> Helper:
        with place.starting:
            if place.helper is None or not place.helper.is_alive:
                place.end()
                for path, found in place.key.identities[:WATCHED_LIMIT]:
                    if found is not None:
                        # One by one: those before one that fails are closed, too.
                        place.pins.append(_pin(path))
                place.helper = self._start(engine, place)
            return place.helper

    def _start(self, engine: Engine, place: _Place) -> Helper:
        with self._lock:
            if self._closed:
                raise SandboxUnavailableError("the file service is closed")
            if self._program < 0:
                self._program = load_program(self._find_program())
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            argv = [f"/proc/self/fd/{self._program}", str(its.fileno()), *place.key.reserved]
            spec = engine.command(place.plan, argv, cwd="/", env={})
            passed = (its.fileno(), self._program)
            helper = self._starter.submit(Helper, spec, ours, passed=passed).result()
        helper.wait_until_ready()
        return helper

    def _give_back(self, place: _Place) -> None:
        with self._lock:
            place.users -= 1
            place.last_used = self._clock()
            ended = self._superfluous()
            for other in ended:
                self._places.pop(other.key, None)
        for other in ended:
            other.end()

    def _superfluous(self) -> list[_Place]:
        """Find those to end: what can't be watched, what is dead, and the least used ones above the limit."""
        idle = [place for place in self._places.values() if not place.users]
        bad = [
            place
            for place in idle
            if len(place.key.identities) > WATCHED_LIMIT or place.helper is None or not place.helper.is_alive
        ]
        spare = [place for place in idle if place not in bad]
        return bad + spare[: max(0, len(self._places) - len(bad) - self._limit)]


def _for_files(plan: SandboxPlan) -> SandboxPlan:
    """Give the plan for a helper: names that the helper keeps itself, and no folder in which writes would be lost."""
    ops = tuple(op for op in plan.ops if op.kind is not OpKind.RESERVED)
    return replace(plan, ops=ops, private_dev=False, network=False, unshare=("user", "pid", "ipc", "net"))


def _identity(path: str) -> Identity:
    with suppress(OSError):
        status = os.lstat(path)
        return status.st_dev, status.st_ino
    return None


def _pin(path: str) -> int:
    """Keep what is at a path from being taken for something else that gets its inode's number."""
    try:
        return os.open(path, os.O_PATH | os.O_NOFOLLOW)
    except OSError as error:
        raise SandboxUnavailableError(f"{path}: {error.strerror}; the sandbox can't be set up") from error
