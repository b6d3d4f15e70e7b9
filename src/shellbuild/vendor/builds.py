"""All builds that a vendor tree needs, two at a time: each a child process with a log, started when what it needs is done.

Leaving, also by Ctrl-C or because one failed, ends those that still run; each of them removes what it had half-built.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from shellbuild.builder import BuildRequest, find_result, make_request
from shellbuild.builder.native import make_native_request
from shellbuild.console import note
from shellbuild.errors import StepError
from shellbuild.process import log_tail
from shellbuild.project import BUILD, SHELLS
from shellbuild.sources import AUTO

AT_ONCE = 2
BUILD_DEADLINE_S = 3_600.0
"""For the slowest build on a busy machine; each step inside has a deadline of its own."""
ENDING_S = 20.0

NATIVE = "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One build that isn't in the cache: recipe, target and who provides the source."""

    name: str
    target: str
    source: str = AUTO

    @property
    def label(self) -> str:
        """Name in messages and of the log."""
        return f"{self.name} {self.target}"


@dataclass(slots=True)
class Running:
    """Children at work and those that have ended."""

    jobs: int
    children: dict[Wanted, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: dict[Wanted, float] = field(default_factory=dict)
    ended: "queue.SimpleQueue[Wanted]" = field(default_factory=queue.SimpleQueue)

    def start(self, wanted: Wanted) -> None:
        """Start a build."""
        note(f"{wanted.label}: building")
        argv = [sys.executable, "-m", "shellbuild", "build", wanted.name, "--target", wanted.target]
        argv += ["--source", wanted.source, "--jobs", str(self.jobs), "--no-install"]
        log_file(wanted).parent.mkdir(parents=True, exist_ok=True)
        with log_file(wanted).open("wb") as log:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.children[wanted] = child
        self.started[wanted] = time.monotonic()
        threading.Thread(target=self._watch, args=(wanted, child), daemon=True).start()

    def next_ended(self) -> Wanted:
        """Wait until any build ends well; raise StepError when one failed or takes too long."""
        try:
            wanted = self.ended.get(timeout=BUILD_DEADLINE_S)
        except queue.Empty:
            names = ", ".join(one.label for one in self.children)
            raise StepError(f"{names}: took longer than {BUILD_DEADLINE_S:.0f} s") from None
        status = self.children.pop(wanted).returncode
        log = log_file(wanted)
        if status != 0:
            raise StepError(f"{wanted.label} ended with status {status}\n{log_tail(log)}\nfull log: {log}")
        note(f"{wanted.label}: built in {time.monotonic() - self.started[wanted]:.0f} s")
        return wanted

    def end(self) -> None:
        """End what still runs."""
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
        for child in self.children.values():
            try:
                child.wait(ENDING_S)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def _watch(self, wanted: Wanted, child: subprocess.Popen[bytes]) -> None:
        child.wait()
        self.ended.put(wanted)


def log_file(wanted: Wanted) -> Path:
    """Name the log of a build's whole output."""
    return BUILD / "logs" / "vendor" / f"{wanted.name}-{wanted.target}.log"


def build_all(targets: Iterable[str], *, jobs: int, source: str = AUTO) -> None:
    """Have every result for these targets in the cache, the shells of this provider's source."""
    needs = missing_builds(targets, source)
    if not needs:
        return
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    running, ready = Running(jobs), list[Wanted]()
    try:
        while sorter.is_active():
            # Shells first: what takes longest should not begin last.
            ready = sorted([*ready, *sorter.get_ready()], key=lambda wanted: wanted.name == NATIVE)
            while ready and len(running.children) < AT_ONCE:
                running.start(ready.pop(0))
            sorter.done(running.next_ended())
    finally:
        running.end()


def missing_builds(targets: Iterable[str], source: str = AUTO) -> dict[Wanted, set[Wanted]]:
    """Give the builds that are not in the cache, and what each of them waits for."""
    needs: dict[Wanted, set[Wanted]] = {}
    for target in targets:
        for shell in SHELLS:
            _add(make_request(shell, target=target, source=source), needs)
        if not (make_native_request(target).result / "build.json").is_file():
            needs[Wanted(name=NATIVE, target=target)] = set()
    return needs


def _add(request: BuildRequest, needs: dict[Wanted, set[Wanted]]) -> None:
    wanted = _wanted(request)
    if wanted in needs or find_result(request, quiet=True) is not None:
        return
    needs[wanted] = set()
    for needed in request.dependencies().values():
        _add(needed, needs)
        if _wanted(needed) in needs:
            needs[wanted].add(_wanted(needed))


def _wanted(request: BuildRequest) -> Wanted:
    # What a shell is linked with comes from any provider, for all pin the same bytes.
    return Wanted(name=request.recipe.name, target=request.platform.target, source=request.source)
