"""The rules in force for a call: read once, and again when a file, a folder or the trust in a project has changed.

Looking is a few `stat` calls; reading starts child processes and happens on a thread. Problems are told once each,
and again when they come back after they were gone.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from shelltool.execpolicy.layers import LoadedPolicy, PolicyLayers, Problem, codex_home

TICK_NS = 50_000_000
"""Clocks of file systems stand still for as long as that; a file that was changed so lately may change unseen."""
REMEMBERED_LAYERS = 32
"""Working folders of different projects have different rules."""

Signature = tuple[tuple[str, int, int, int], ...]
_ABSENT = (-1, -1, -1)


@dataclass(frozen=True, slots=True)
class _Loaded:
    signature: Signature
    policy: LoadedPolicy


@dataclass(frozen=True, slots=True)
class _Reading:
    began: int
    policy: asyncio.Future[LoadedPolicy]


class RulesInForce:
    """Gives the rules for a working folder."""

    def __init__(
        self,
        *,
        report: Callable[[str], None],
        environment: Mapping[str, str] = os.environ,
        system: Path | None = None,
    ) -> None:
        """`report` gets each problem as a line; `system` is another folder than the system's own."""
        self._report = report
        self._environment = environment
        self._system = {} if system is None else {"system": system}
        self._loaded: dict[PolicyLayers, _Loaded] = {}
        self._readings: dict[PolicyLayers, _Reading] = {}
        self._order = itertools.count()
        self._told: dict[PolicyLayers, frozenset[str]] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="rules")

    async def for_workdir(
        self, workdir: Path | None, *, could_write: Callable[[Path], bool] = lambda _: False
    ) -> LoadedPolicy:
        """Give what is in force now, reading what has changed; with no working folder there is no project.

        Rules that the sandboxed side could have written (`could_write`) only make decisions stricter.
        """
        layers = self._layers(workdir, could_write)
        arrived = next(self._order)
        while not self._is_known(layers):
            reading = self._readings.get(layers) or self._begin(layers)
            policy = await asyncio.shield(reading.policy)
            # What began before somebody arrived may have missed what that somebody has just written.
            if reading.began > arrived:
                return policy
        return self._loaded[layers].policy

    def _layers(self, workdir: Path | None, could_write: Callable[[Path], bool]) -> PolicyLayers:
        layers = PolicyLayers.find(workdir, environment=self._environment, **self._system)
        planted = tuple(folder for folder in layers.folders if os.path.exists(folder) and could_write(folder))  # noqa: PTH110 - every call waits for this
        if not planted:
            return layers
        message = "its rules only forbid and ask, because sandboxed commands could have written them"
        return replace(
            layers,
            planted=planted,
            problems=(
                *layers.problems,
                *(Problem(path=path, message=message, is_broken=False) for path in planted),
            ),
        )

    def _is_known(self, layers: PolicyLayers) -> bool:
        known = self._loaded.get(layers)
        return known is not None and known.signature == self._signature(layers)

    def _begin(self, layers: PolicyLayers) -> _Reading:
        reading = _Reading(next(self._order), asyncio.ensure_future(self._read(layers)))
        self._readings[layers] = reading
        return reading

    async def _read(self, layers: PolicyLayers) -> LoadedPolicy:
        signature, began_ns = self._signature(layers), time.time_ns()
        try:
            policy = await asyncio.get_running_loop().run_in_executor(self._threads, layers.read)
        finally:
            del self._readings[layers]
        self._remember(layers, _Loaded(signature if _is_settled(signature, began_ns) else (), policy))
        self._tell(layers, policy)
        return policy

    def _remember(self, layers: PolicyLayers, loaded: _Loaded) -> None:
        self._loaded.pop(layers, None)
        while len(self._loaded) >= REMEMBERED_LAYERS:
            self._told.pop(oldest := next(iter(self._loaded)), None)
            del self._loaded[oldest]
        self._loaded[layers] = loaded

    def _tell(self, layers: PolicyLayers, policy: LoadedPolicy) -> None:
        lines = frozenset(map(problem_line, policy.problems))
        for line in sorted(lines - frozenset().union(*self._told.values())):
            self._report(line)
        self._told[layers] = lines

    def _signature(self, layers: PolicyLayers) -> Signature:
        """Tell one state of the files from another."""
        home = codex_home(self._environment)
        seen = [] if home is None else [_entry(f"{home}/config.toml")]
        for folder in layers.folders:
            seen.append(_entry(str(folder)))
            try:
                with os.scandir(folder) as entries:
                    seen += sorted(_entry(entry.path) for entry in entries if entry.name.endswith(".rules"))
            except OSError:
                continue
        return tuple(seen)


def problem_line(problem: Problem) -> str:
    """Say where and what, without the excerpt that follows in some messages."""
    return f"rules: {str(problem).partition(chr(10))[0]}"


def _entry(path: str) -> tuple[str, int, int, int]:
    try:
        found = os.lstat(path)
    except OSError:
        return (path, *_ABSENT)
    # A program can set the time of the last modification, but not the one of the last change.
    return (path, found.st_ctime_ns, found.st_size, found.st_ino)


def _is_settled(signature: Signature, began_ns: int) -> bool:
    """Tell whether a later change is sure to show in a signature."""
    return all(changed_ns < began_ns - TICK_NS for _, changed_ns, _, _ in signature)
