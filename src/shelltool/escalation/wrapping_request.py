"""What the wrapper asks: path, arguments, working directory and environment of an exec, as JSON.

What is not UTF-8 is replaced in the text, and its exact bytes follow under a key of their own. Part of the Python
wrapper, see `wrapping.py`: as sparing with imports.
"""

import posix

SOCKET_VARIABLE = b"CODEX_ESCALATE_SOCKET"
OURS = frozenset({SOCKET_VARIABLE, b"EXEC_WRAPPER", b"BASH_EXEC_WRAPPER"})

_ESCAPES = {number: f"\\u{number:04x}" for number in range(0x20)} | {ord('"'): '\\"', ord("\\"): "\\\\"}


def read_environment() -> list[bytes]:
    """Give the variables as they were handed over: Python may have added LC_CTYPE to its own."""
    try:
        fd = posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return [name + b"=" + value for name, value in posix.environ.items()]
    content = b""
    while data := posix.read(fd, 1 << 16):
        content += data
    posix.close(fd)
    return content.split(b"\0")[:-1]


def request_of(path: bytes, argv: list[bytes], entries: list[bytes]) -> bytes:
    """Give the request for an exec from here; `entries` are its variables as they were handed over."""
    workdir = _workdir()
    parts = [
        *_with_bytes("file", _quoted(path), [path], many=False),
        *_with_bytes("argv", f"[{','.join(map(_quoted, argv))}]", argv, many=True),
        *_with_bytes("workdir", _quoted(workdir), [workdir], many=False),
    ]
    variables = [entry for entry in entries if b"=" in entry[1:] and entry.split(b"=", 1)[0] not in OURS]
    text = ",".join(_variable(entry) for entry in variables)
    lossy = any(b"=" not in entry[1:] for entry in entries)
    parts += _with_bytes("env", f"{{{text}}}", entries if lossy else variables, many=True, lossy=lossy)
    return f"{{{','.join(parts)}}}".encode()


def _variable(entry: bytes) -> str:
    equals = entry.index(b"=", 1)
    return f"{_quoted(entry[:equals])}:{_quoted(entry[equals + 1 :])}"


def _with_bytes(key: str, text: str, exact: list[bytes], *, many: bool, lossy: bool = False) -> list[str]:
    """Put the exact bytes beside a text that can't hold them."""
    if not lossy and all(map(_is_utf8, exact)):
        return [f'"{key}":{text}']
    encoded = ",".join(f'"{_base64(item)}"' for item in exact)
    return [f'"{key}":{text}', f'"{key}_bytes":{f"[{encoded}]" if many else encoded}']


def _base64(data: bytes) -> str:
    import binascii

    return binascii.b2a_base64(data, newline=False).decode()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _quoted(data: bytes) -> str:
    return f'"{data.decode(errors="replace").translate(_ESCAPES)}"'


def _workdir() -> bytes:
    try:
        return posix.getcwdb()
    except OSError:
        try:  # it was removed: the link says so in words
            return posix.readlink(b"/proc/self/cwd")
        except OSError:
            return b""
