"""Programs of another processor started by this machine's kernel: qemu-user, registered for one command's lifetime.

A user namespace has program formats of its own since Linux 6.7 (binfmt_misc), so nothing of the machine changes, and
what runs in it can exec such a program anywhere, under any name, as if it were one of this machine's.
https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

import shutil

from shellbuild.errors import StepError, ToolchainError
from shellbuild.platforms import Platform
from shellbuild.process import capture

PROBE_S = 30.0

_ELF_MACHINES = {"x86_64": 0x3E, "aarch64": 0xB7}
_HEAD = "7f454c46 000000000000000000000000 0200 {machine:02x}00"
"""Of an ELF file what a kernel looks at before all else: its magic, that it is a program (2), for which machine."""
_MASK = "ffffffff 000000000000000000000000 feff ffff"
"""Of a program at a fixed place (2) or at any (3)."""
_FLAGS = "PF"
"""Keep argv[0]; open the emulator now, so that it needs no path in another root."""

_REGISTER = (
    "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc"
    ' && printf %s "$0" >/proc/sys/fs/binfmt_misc/register && exec "$@"'
)


def format_line(platform: Platform) -> str:
    """Give what tells a kernel to start this platform's programs under qemu."""
    name = f"qemu-{platform.arch}-static"
    emulator = shutil.which(name)
    if emulator is None:
        raise ToolchainError(f"{name} is not installed: apt-get install qemu-user-static")
    head = _HEAD.format(machine=_ELF_MACHINES[platform.arch])
    return f":{name}:M::{_escaped(head)}:{_escaped(_MASK)}:{emulator}:{_FLAGS}"


def emulating(line: str) -> list[str]:
    """Give the beginning of a command line whose rest runs where that line holds; raise ToolchainError if none can."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _REGISTER, line]
    try:
        capture([*command, "true"], deadline_s=PROBE_S)
    except StepError as error:
        raise ToolchainError(
            "this machine lets a namespace register no program formats (Linux 6.7, user namespaces)"
        ) from error
    return command


def _escaped(digits: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in bytes.fromhex(digits))
