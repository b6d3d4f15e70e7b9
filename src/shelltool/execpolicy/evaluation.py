"""The parent's side of evaluating one rules file: start the child, bound it, read and check its answer.

Blocking, and safe to call from several threads at once. The child inherits no descriptors, no environment
but the loader's search path, and only the two import folders that this process itself uses.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from pydantic import ValidationError

import shelltool
from shelltool.errors import RulesFileError
from shelltool.execpolicy.limits import DEFAULT_LIMITS, Limits
from shelltool.execpolicy.wire import Answer, Refused, Statement

_BOOT = "import sys; sys.path += sys.argv[1:]; from shelltool.execpolicy.evaluator import main; main()"
# How much longer than the child's own alarm the parent waits; only a child that can't be scheduled gets there.
_GRACE_SECONDS = 2
_LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def evaluate(name: str, text: str, limits: Limits = DEFAULT_LIMITS) -> list[Statement]:
    """Return the statements of a rules file; `name` is what its messages call it."""
    question = json.dumps({"name": name, "text": text, "limits": limits._asdict()})
    try:
        status, reply = _ask_child(question, limits)
    except OSError as error:
        raise RulesFileError(name, f"the evaluator could not be started: {error}") from error
    if status:
        raise RulesFileError(name, _why_it_ended(status, limits))
    return _accept(name, reply)


def _ask_child(question: str, limits: Limits) -> tuple[int, bytes]:
    # Files, not pipes: neither side can block the other, and the kernel bounds what the child writes.
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as answer:
        request.write(question.encode())
        request.seek(0)
        status = _run_child(request, answer, limits)
        answer.seek(0)
        return status, answer.read(limits.output_bytes)


def _run_child(request: IO[bytes], answer: IO[bytes], limits: Limits) -> int:
    command = [sys.executable, "-I", "-S", "-B", "-c", _BOOT, *_import_folders()]
    # Some installations of Python find their own library only through these.
    environment = {name: os.environ[name] for name in _LOADER_VARIABLES if name in os.environ}
    child = subprocess.Popen(
        command,
        stdin=request,
        stdout=answer,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment,
        process_group=0,
    )
    try:
        return child.wait(limits.seconds + _GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    finally:
        child.kill()
        child.wait()


def _import_folders() -> list[str]:
    library = importlib.util.find_spec("starlark")
    if library is None or library.origin is None:
        raise ModuleNotFoundError(
            "starlark-pyo3 is not installed: reinstall codex-shell-tool-mcp", name="starlark"
        )
    return [str(Path(shelltool.__file__).parents[1]), str(Path(library.origin).parents[1])]


def _why_it_ended(status: int, limits: Limits) -> str:
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return (
        f"evaluation ran out of its limits or crashed ({how}); "
        f"a rules file has {limits.cpu_seconds} s and {limits.memory_bytes >> 20} MiB"
    )


def _accept(name: str, reply: bytes) -> list[Statement]:
    try:
        answer = Answer.validate_json(reply)
    except ValidationError as error:
        raise RulesFileError(name, "the evaluator gave an answer that is none; please report this") from error
    if isinstance(answer, Refused):
        trouble = answer.problem
        raise RulesFileError(name, trouble.sentence, line=trouble.line, detail=trouble.detail)
    return answer.statements
