"""Where the compiled helper is: one static program that is the wrapper and, under another name, the keeper.

Platforms without it get the Python twins, `wrapper.py` and `keeper.py`.
"""

import platform
import shlex
import sys
from pathlib import Path

from shelltool.escalation.keeping import KeeperProgram

HELPER = "codex-execve-wrapper"
INTERPRETER_CHARS = 120

_PACKAGE = Path(__file__).parents[1]
_TARGETS = {
    ("linux", "x86_64"): "x86_64-unknown-linux-musl",
    ("linux", "aarch64"): "aarch64-unknown-linux-musl",
    ("darwin", "x86_64"): "x86_64-apple-darwin",
    ("darwin", "arm64"): "aarch64-apple-darwin",
}
# In a wheel the vendor tree is inside of the package, in a checkout it is beside src/.
_TREES = (_PACKAGE / "vendor", _PACKAGE.parents[1] / "vendor")


def native_helper() -> Path | None:
    """Find the helper for this machine."""
    target = _TARGETS.get((sys.platform, platform.machine()))
    if target is None:
        return None
    found = next((path for tree in _TREES if (path := tree / target / HELPER).is_file()), None)
    return found.resolve() if found else None  # a sandboxed command may replace a link on the way


def default_keeper() -> KeeperProgram:
    """Give the native keeper where there is one."""
    helper = native_helper() if sys.platform == "linux" else None
    return KeeperProgram(helper) if helper else python_keeper()


def python_keeper() -> KeeperProgram:
    """Give the keeper that needs nothing but this Python."""
    program = Path(__file__).with_name("keeper.py")
    return KeeperProgram(Path(sys.executable), (sys.executable, "-I", "-S", str(program)))


def write_python_wrapper(folder: Path) -> Path:
    """Make a program of the Python wrapper that EXEC_WRAPPER can name."""
    target = folder / HELPER
    module = Path(__file__).with_name("wrapper.py")
    interpreter = sys.executable
    if len(interpreter) < INTERPRETER_CHARS and not any(c.isspace() for c in interpreter):
        source = module.read_text(encoding="utf-8").replace("__file__", repr(str(module)))
        text = f"#!{interpreter} -IS\n{source}"
    else:  # the kernel would not take that line
        text = f'#!/bin/sh\nexec {shlex.quote(interpreter)} -I -S {shlex.quote(str(module))} "$@"\n'
    target.write_text(text, encoding="utf-8")
    target.chmod(0o755)
    return target
