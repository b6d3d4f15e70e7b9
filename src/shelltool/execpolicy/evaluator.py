"""The child process that evaluates one rules file: text on stdin, accepted statements or the error on stdout.

A rules file is a program, and starlark-pyo3 bounds only its call depth. So it runs here, where steps, CPU time,
memory and output are limited by number and a crash or a hang takes nothing else along. Started by `evaluation`;
imports only what it needs, because its start-up time is paid for every file.
"""

import json
import re
import resource
import signal
import sys
from collections.abc import Mapping, Sequence

import starlark

from shelltool.execpolicy.arguments import Tagged
from shelltool.execpolicy.dialect import BYTES_CONSTRUCTOR, adapt
from shelltool.execpolicy.invalid import StatementError
from shelltool.execpolicy.limits import Limits
from shelltool.execpolicy.statements import STATEMENTS, Statement

_PRELUDE_NAME = "<prelude>"
# The library hands Python plain values, in which a tuple is a list and a function is an error. The prelude
# sends each value's Starlark type along, two levels deep, which is as deep as a pattern goes.
_PRELUDE = "\n".join(
    [
        """
def __inner(value):
    return ["string", value] if type(value) == "string" else [type(value)]

def __item(value):
    return ["list", [__inner(item) for item in value]] if type(value) == "list" else __inner(value)

def __tag(value):
    kind = type(value)
    if kind == "list":
        return [kind, [__item(item) for item in value], repr(value)]
    if kind == "string":
        return [kind, value, repr(value)]
    return [kind, value] if kind == "bool" else [kind, repr(value)]
""",
        *(
            f"""
def {name}(*args, **kwargs):
    named = {{key: __tag(value) for key, value in kwargs.items()}}
    __statement("{name}", [__tag(value) for value in args], named, str(call_stack(strip_frames = 1)))
"""
            for name in STATEMENTS
        ),
    ]
)
# The prelude's own frames come on top of the 50 that a rules file may use.
_CALL_DEPTH = 53
_FRAME = re.compile(r"^  \* (?P<file>.*):(?P<line>\d+), in ", re.MULTILINE)
_LOCATION = re.compile(r"\n +--> (?P<file>.*):(?P<line>\d+):\d+\n")
_SENTENCE = re.compile(r"^error: (?P<sentence>.*)", re.MULTILINE | re.DOTALL)
_OUT_OF_STEPS = "evaluation takes too many steps: a rules file may not loop this long"
_LONGEST_SENTENCE = 4096
_LONGEST_DETAIL = 16384


class Recorder:
    """Takes the calls of a rules file, and remembers the one that was refused and why."""

    def __init__(self, limits: Limits) -> None:
        self.statements: list[Statement] = []
        self.refused: StatementError | None = None
        self.stack = ""
        self.out_of_steps = False
        self._limits = limits
        self._characters = 0
        self._steps = 0

    def record(
        self, name: str, positional: Sequence[Tagged], named: Mapping[str, Tagged], stack: str
    ) -> None:
        """Accept a statement; a refused one ends the evaluation of the file."""
        self.stack = stack
        try:
            statement = STATEMENTS[name](positional, named)
            self._count(statement)
        except StatementError as refusal:
            self.refused = refusal
            raise
        self.statements.append({"kind": name, "line": _line_of_caller(stack), **statement})

    def _count(self, statement: Statement) -> None:
        self._characters += len(json.dumps(statement))
        if self._characters > self._limits.characters:
            raise StatementError(f"more than {self._limits.characters} characters of rules in one file")
        if len(self.statements) == self._limits.statements:
            raise StatementError(f"more than {self._limits.statements} rules in one file")

    def step(self) -> bool:
        """Count one slice of work; True ends the evaluation."""
        self._steps += 1
        self.out_of_steps = self._steps > self._limits.steps
        return self.out_of_steps


def evaluate(name: str, text: str, limits: Limits) -> dict[str, object]:
    """Evaluate a rules file in this process and return what goes to the parent."""
    recorder = Recorder(limits)
    module = starlark.Module()
    module.add_callable("__statement", recorder.record)
    for constructor in ("bytes", BYTES_CONSTRUCTOR):
        module.add_callable(constructor, starlark.OpaquePythonObject)
    with_stack = starlark.Globals.extended_by([starlark.LibraryExtension.CallStack])
    starlark.eval(module, starlark.parse(_PRELUDE_NAME, _PRELUDE, _dialect()), with_stack)
    options = starlark.EvalOptions(check_cancelled=recorder.step, max_callstack_size=_CALL_DEPTH)
    try:
        tree = starlark.parse(name, adapt(text), _dialect())
        starlark.eval_with(options, module, tree, starlark.Globals.standard())
    except starlark.StarlarkError as error:
        return {"problem": _problem(str(error), recorder, name, text)}
    return {"statements": recorder.statements}


def _dialect() -> starlark.Dialect:
    dialect = starlark.Dialect.extended()
    dialect.enable_f_strings = True
    dialect.enable_types = starlark.DialectTypes.ENABLE
    dialect.enable_positional_only_arguments = False
    # Enabled so that `load` gets the answer that there is nothing to load; no loader is ever given.
    dialect.enable_load = True
    return dialect


def _problem(report: str, recorder: Recorder, name: str, text: str) -> dict[str, object]:
    line = _line_of_error(report)
    if recorder.refused is not None:
        line = _line_of_caller(recorder.stack)
        sentence = str(recorder.refused)
        report = f"{recorder.stack}error: {sentence}{_excerpt(name, text, line)}"
    elif recorder.out_of_steps:
        sentence = _OUT_OF_STEPS
        report = f"error: {sentence}{_excerpt(name, text, line)}"
    else:
        sentence = _sentence_of(report)
    return {
        "sentence": sentence[:_LONGEST_SENTENCE],
        "line": line,
        "detail": f"starlark error: {report}"[:_LONGEST_DETAIL],
    }


def _sentence_of(report: str) -> str:
    found = _SENTENCE.search(report)
    rest = found["sentence"] if found else report
    excerpts = list(_LOCATION.finditer(rest))
    return (rest[: excerpts[-1].start()] if excerpts else rest).strip()


def _excerpt(name: str, text: str, line: int | None) -> str:
    if line is None:
        return "\n"
    margin = " " * len(str(line))
    source = text.split("\n")[line - 1 : line] or [""]
    return f"\n{margin}--> {name}:{line}\n{margin} |\n{line} | {source[0]}\n{margin} |\n"


def _line_of_caller(stack: str) -> int | None:
    frames = _FRAME.findall(stack)
    return int(frames[-1][1]) if frames else None


def _line_of_error(report: str) -> int | None:
    excerpts = list(_LOCATION.finditer(report))
    if excerpts and excerpts[-1]["file"] != _PRELUDE_NAME:
        return int(excerpts[-1]["line"])
    frames = [line for file, line in _FRAME.findall(report) if file != _PRELUDE_NAME]
    return int(frames[-1]) if frames else None


def confine(limits: Limits) -> None:
    """Put hard limits on this process; it can't lift them again."""
    signal.alarm(limits.seconds)
    for kind, amount in (
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.output_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        bound = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        resource.setrlimit(kind, (bound, bound))


def main() -> None:
    """Answer the one request on stdin."""
    request = json.loads(sys.stdin.buffer.read())
    limits = Limits(**request["limits"])
    confine(limits)
    answer = evaluate(request["name"], request["text"], limits)
    sys.stdout.write(json.dumps(answer))
