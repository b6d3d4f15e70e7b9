"""Hand over what an escalated command would have inherited, and wait for it: the twin of `wrapper_escalation.h`.

Part of the Python wrapper, see `wrapping.py`: as sparing with imports. While it waits it stands in for the command.
"""

import fcntl
import posix
import resource
import sys

from shelltool.escalation.wrapping import NO_SENSE, TYPE_CHECKING, Refusal, Wrapper

if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

FDS_PER_FRAME = 16
FDS_LIMIT = 240
FORWARDED = (
    _signal.SIGHUP,
    _signal.SIGINT,
    _signal.SIGQUIT,
    _signal.SIGUSR1,
    _signal.SIGUSR2,
    _signal.SIGALRM,
    _signal.SIGTERM,
    _signal.SIGCONT,
    _signal.SIGTSTP,
    _signal.SIGWINCH,
)
STOPPING = (_signal.SIGSTOP, _signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU)
LIMITS = (
    "AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "STACK", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
    "SIGPENDING",
)  # fmt: skip
STANDARD_SIGNALS = range(1, 32)
MAY_HAVE_RUN = "the escalation server's report makes no sense, the command may have run"


def wait_for_escalated(wrapper: Wrapper, *, extended: bool) -> int:
    """Give the status of the command, which runs outside the sandbox."""
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, FORWARDED)
    ignored = [n for n in STANDARD_SIGNALS if _signal.getsignal(n) is _signal.SIG_IGN and n not in _PYTHONS]
    _hand_over(wrapper, ignored, sorted(int(n) for n in before), extended=extended)
    forwarded = [int(n) for n in FORWARDED if n not in before and n not in ignored]
    if not extended:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
        forwarded = []
    while True:
        if forwarded:
            _forward_until_readable(wrapper, forwarded)
        report = _receive_report(wrapper)
        if "exit_code" in report:
            return _status(wrapper, report)
        _stop_like(wrapper, report["stopped"])


def _receive_report(wrapper: Wrapper) -> dict[str, int]:
    try:
        report = wrapper.receive()
    except Refusal as refusal:
        raise Refusal(MAY_HAVE_RUN if str(refusal) == NO_SENSE else str(refusal)) from refusal
    numbers = {key: value for key, value in report.items() if isinstance(value, int)}
    if "exit_code" not in numbers and "stopped" not in numbers:
        raise Refusal(MAY_HAVE_RUN)
    return numbers


# Python ignores these itself; what they were before can't be found out.
_PYTHONS = (_signal.SIGPIPE, _signal.SIGXFSZ)


def _hand_over(wrapper: Wrapper, ignored: list[int], blocked: list[int], *, extended: bool) -> None:
    fds = _inherited(wrapper)
    more = f',"umask":{_umask()},"rlimits":{{{_limits()}}},"ignored_signals":{ignored},"blocked_signals":{blocked}'
    for start in range(0, max(1, len(fds)), FDS_PER_FRAME):
        part = fds[start : start + FDS_PER_FRAME]
        goes_on = extended and start + FDS_PER_FRAME < len(fds)
        rest = ("" if start else more) + (',"more":true' if goes_on else "")
        wrapper.send_all(_frame(f'{{"fds":{part}{rest}}}'), part)
        if not goes_on:
            break


def _frame(text: str) -> bytes:
    payload = text.encode()
    return len(payload).to_bytes(4, "little") + payload


def _inherited(wrapper: Wrapper) -> list[int]:
    ours = {wrapper.session_fd, wrapper.stream.fileno()}
    fds = sorted(fd for fd in map(int, posix.listdir("/dev/fd")) if fd not in ours and _is_inherited(fd))
    if len(fds) > FDS_LIMIT:
        raise Refusal(f"more than {FDS_LIMIT} open descriptors can't be escalated")
    return fds


def _is_inherited(fd: int) -> bool:
    try:
        return posix.get_inheritable(fd)
    except OSError:
        return False


def _umask() -> int:
    mask = posix.umask(0)
    posix.umask(mask)
    return mask


def _limits() -> str:
    pairs = ((name, getattr(resource, f"RLIMIT_{name}", None)) for name in LIMITS)
    known = ((name, resource.getrlimit(number)) for name, number in pairs if number is not None)
    return ",".join(f'"{name}":[{_limit(soft)},{_limit(hard)}]' for name, (soft, hard) in known)


def _limit(value: int) -> int:
    return -1 if value == resource.RLIM_INFINITY else value


def _forward_until_readable(wrapper: Wrapper, forwarded: list[int]) -> None:
    """Wait for the server's next report; signals meanwhile go on to the command."""
    fd = wrapper.stream.fileno()
    fcntl.fcntl(fd, fcntl.F_SETOWN, posix.getpid())
    _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGIO])
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | _ASYNC)
    while not wrapper.has_input():
        number, from_kernel = _next_signal([*forwarded, _signal.SIGIO])
        if number != _signal.SIGIO:
            _send_signal(wrapper, number, to_group=from_kernel)


def _next_signal(numbers: list[int]) -> tuple[int, bool]:
    if sys.platform == "darwin":
        return int(_signal.sigwait(numbers)), False
    info = _signal.sigwaitinfo(numbers)
    return info.si_signo, info.si_code > 0


def _send_signal(wrapper: Wrapper, number: int, *, to_group: bool) -> None:
    group = ',"group":true' if to_group else ""
    wrapper.send_all(_frame(f'{{"signal":{int(number)}{group}}}'), [])


def _stop_like(wrapper: Wrapper, number: int) -> None:
    """Stop as the command did, so that the shell sees it. The command goes on when this process does."""
    if number not in STOPPING:
        return
    before = _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [] if number == _signal.SIGSTOP else [number])
    posix.kill(posix.getpid(), number)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
    _send_signal(wrapper, _signal.SIGCONT, to_group=True)


def _status(wrapper: Wrapper, report: dict[str, int]) -> int:
    if error := report.get("errno"):
        from shelltool.escalation.wrapping_failure import explain_failure

        return explain_failure(wrapper, error)
    return report["exit_code"] & 0xFF


_ASYNC = getattr(fcntl, "FASYNC", 0o20000)
