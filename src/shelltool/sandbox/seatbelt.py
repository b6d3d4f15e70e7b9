"""Plans as a profile of macOS's seatbelt and a command line of `sandbox-exec`.

Rendering is pure. Paths are parameters (`-D NAME=PATH`), never text of the profile. What is protected is excepted
where something is allowed, so that names which do not exist yet are protected like all others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shelltool.sandbox.engine import Engine
from shelltool.sandbox.grants import Access
from shelltool.sandbox.paths import is_below
from shelltool.sandbox.plan import OpKind, SandboxPlan

SANDBOX_EXEC = "/usr/bin/sandbox-exec"
"""By its absolute path: what PATH finds may be anybody's."""

BASE = """\
(version 1)
(deny default)

; Programs run, fork, and signal those in the same sandbox.
(allow process-exec)
(allow process-fork)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))

; Facts about the machine, users and groups; settings of programs.
(allow sysctl-read)
(allow mach-lookup
  (global-name "com.apple.system.opendirectoryd.libinfo")
  (global-name "com.apple.PowerManagement.control"))
(allow user-preference-read)

; Semaphores, and terminals that the command opens itself.
(allow ipc-posix-sem)
(allow pseudo-tty)
(allow file-read* file-write* file-ioctl (literal "/dev/ptmx"))
(allow file-read* file-write* (require-all (regex #"^/dev/ttys[0-9]+$") (extension "com.apple.sandbox.pty")))
(allow file-read* file-write-data file-ioctl
  (literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty") (literal "/dev/dtracehelper"))
(allow file-read* (literal "/dev/random") (literal "/dev/urandom"))
(allow file-read-metadata)
"""

NETWORK = """
; The network, and what resolves names and checks certificates. No local sockets: they lead to services outside.
(allow network-outbound (remote ip))
(allow network-bind network-inbound (local ip))
(allow network-outbound (literal "/private/var/run/mDNSResponder"))
(allow system-socket (socket-domain AF_ROUTE))
(allow mach-lookup
  (global-name "com.apple.SystemConfiguration.configd")
  (global-name "com.apple.SystemConfiguration.DNSConfiguration")
  (global-name "com.apple.networkd")
  (global-name "com.apple.trustd.agent")
  (global-name "com.apple.SecurityServer"))
"""

_UNREADABLE = frozenset({OpKind.HIDDEN_FOLDER, OpKind.HIDDEN_FILE})
_UNWRITABLE = _UNREADABLE | {OpKind.PROTECTED, OpKind.RESERVED}

LIMITATIONS = (
    "other processes of this machine can be seen",
    "nothing is ended when the command ends, but by whoever started it",
    "where file names ignore case, a protected name that does not exist can be created in other letters (.GIT)",
)


@dataclass(frozen=True, kw_only=True)
class Seatbelt(Engine):
    """The sandbox of macOS."""

    name: str = "seatbelt"
    limitations: tuple[str, ...] = LIMITATIONS
    sandbox_exec: str = SANDBOX_EXEC

    def prefix(self, plan: SandboxPlan, *, cwd: str, arg0: str | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Give the command line of `sandbox-exec`; it passes the command's own argv[0] on."""
        return (
            self.sandbox_exec,
            *("-p", profile(plan)),
            *(word for name, path in parameters(plan) for word in ("-D", f"{name}={path}")),
            "--",
        )


def parameters(plan: SandboxPlan) -> list[tuple[str, str]]:
    """Name the paths of a plan."""
    return [(f"PATH_{number}", op.path) for number, op in enumerate(plan.ops)]


def profile(plan: SandboxPlan) -> str:
    """Give the profile's text for a plan."""
    names = {op.path: f'(param "{name}")' for op, (name, _) in zip(plan.ops, parameters(plan), strict=True)}
    rules = [*_reading(plan, names), *_writing(plan, names)]
    return BASE + (NETWORK if plan.network else "") + "\n; Files.\n" + "\n".join(rules) + "\n"


def _reading(plan: SandboxPlan, names: Mapping[str, str]) -> Iterator[str]:
    if plan.root is not None:
        yield _allowed("file-read*", '"/"', _inside(plan, names, "/", _UNREADABLE))
    for op in plan.ops:
        if op.kind in {OpKind.READABLE, OpKind.WRITABLE, OpKind.PROTECTED}:
            yield _allowed("file-read*", names[op.path], _inside(plan, names, op.path, _UNREADABLE))
        elif op.kind is OpKind.LINK:
            yield f"(allow file-read* (literal {names[op.path]}))"


def _writing(plan: SandboxPlan, names: Mapping[str, str]) -> Iterator[str]:
    if plan.root is Access.WRITE:
        yield _allowed("file-write*", '"/"', _inside(plan, names, "/", _UNWRITABLE))
    for op in plan.ops:
        if op.kind is OpKind.WRITABLE:
            yield _allowed("file-write*", names[op.path], _inside(plan, names, op.path, _UNWRITABLE))
    for op in plan.ops:
        if op.kind in {OpKind.WRITABLE, OpKind.PINNED}:
            # Also not by way of another folder that can be written: what is protected inside would move along.
            yield f"(deny file-write-unlink (literal {names[op.path]}))"


def _inside(plan: SandboxPlan, names: Mapping[str, str], folder: str, kinds: frozenset[OpKind]) -> list[str]:
    return [names[op.path] for op in plan.ops if op.kind in kinds and is_below(op.path, folder)]


def _allowed(action: str, name: str, but_for: list[str]) -> str:
    here = f"(subpath {name})"
    if not but_for:
        return f"(allow {action} {here})"
    exceptions = "".join(f"\n  (require-not (subpath {each}))" for each in but_for)
    return f"(allow {action} (require-all {here}{exceptions}))"
