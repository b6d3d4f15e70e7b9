"""What the shell would say and do about an exec that failed: the twin of `native/wrapper_failure.h`.

Part of the Python wrapper, see `wrapping.py`. The texts and statuses are those of bash 5.3 (`execute_cmd.c`,
`shell_execve`) and zsh 5.9 (`Src/exec.c`, `zexecve` and `execute`).
"""

import errno
import os
import stat

from shelltool.escalation.wrapping import NOT_RUN, Wrapper, say

NOT_FOUND = 127
SAMPLE_BYTES = 255


def explain_failure(wrapper: Wrapper, error: int) -> int:
    """Say why execve failed, or let a shell read the file. Gives the status."""
    shell = _parent()
    name = shell.rpartition("/")[2]
    if name.startswith("zsh"):
        return _as_zsh(wrapper, error)
    return _as_bash(wrapper, error, shell if name.startswith("bash") else "/bin/sh")


def _parent() -> str:
    """Give the program of the parent process, which is the shell but for `exec`."""
    try:
        return os.readlink(f"/proc/{os.getppid()}/exe")  # noqa: PTH115 - pathlib would take longer than the exec
    except OSError:
        return ""


def _sample(path: bytes) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        return os.read(fd, SAMPLE_BYTES)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _interpreter(sample: bytes) -> str | None:
    if not sample.startswith(b"#!"):
        return None
    line = sample[2:].partition(b"\n")[0].lstrip(b" \t")
    return os.fsdecode(line.replace(b"\t", b" ").partition(b" ")[0].partition(b"\0")[0])


def _is_binary(sample: bytes) -> bool:
    lines = 2 if sample.startswith(b"#!") else 1
    return sample.startswith(b"\x7fELF") or b"\0" in b"\n".join(sample.split(b"\n")[:lines])


def _run_as_script(wrapper: Wrapper, shell: str, name: bytes) -> int:
    try:
        os.execve(shell, [name, wrapper.path, *wrapper.argv[1:]], wrapper.env)
    except OSError as error:
        return error.errno or 0


def _as_bash(wrapper: Wrapper, error: int, shell: str) -> int:
    sample, path = _sample(wrapper.path), os.fsdecode(wrapper.path)
    if error == errno.ENOEXEC and not sample:
        return 0
    if error == errno.ENOEXEC and not _is_binary(sample) and wrapper.argv:
        error = _run_as_script(wrapper, shell, b"bash")
    elif error == errno.ENOEXEC:
        say(f"bash: {path}: cannot execute binary file: {os.strerror(error)}")
        return NOT_RUN
    interpreter = _interpreter(sample)
    runnable = os.access(wrapper.path, os.X_OK) and error not in {errno.E2BIG, errno.ENOMEM}
    if _is_folder(wrapper.path):
        say(f"bash: {path}: {os.strerror(errno.EISDIR)}")
    elif runnable and interpreter is not None:
        say(f"bash: {path}: {interpreter}: bad interpreter: {os.strerror(error)}")
        return NOT_RUN
    elif error == errno.ENOENT and os.access(wrapper.path, os.F_OK):
        say(f"bash: {path}: cannot execute: required file not found")
    else:
        say(f"bash: {path}: {os.strerror(error)}")
    return NOT_FOUND if error == errno.ENOENT else NOT_RUN


def _as_zsh(wrapper: Wrapper, error: int) -> int:
    sample, path = _sample(wrapper.path), os.fsdecode(wrapper.path)
    text = os.strerror(error)
    if error != errno.EIO:
        text = text[:1].lower() + text[1:]
    interpreter = _interpreter(sample) if error in {errno.ENOENT, errno.ENOEXEC} else None
    if error == errno.ENOEXEC and interpreter is None and wrapper.argv and not _is_binary(sample):
        _run_as_script(wrapper, "/bin/sh", b"sh")
    if interpreter is not None:
        say(f"zsh: {path}: bad interpreter: {interpreter}: {text}")
    else:
        say(f"zsh: {text}: {os.fsdecode(wrapper.argv[0]) if wrapper.argv else path}")
    return NOT_RUN if error in {errno.EACCES, errno.ENOEXEC} else NOT_FOUND


def _is_folder(path: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 - as above
    except OSError:
        return False
