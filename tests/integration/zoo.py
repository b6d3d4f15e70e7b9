"""Executable files of every kind that makes a kernel, or a shell after it, decide something.

`make_zoo` writes them into one folder. A name says what is odd about the file, not what should become of it:
the unpatched shell tells that. For ELF see elf(5).
"""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

TEXT = {
    "plain": b'echo "$0" "$#" "$1"\nexit 7\n',
    "bash plain": b'a=(x "$@"); echo "${#a[@]}" "${BASH_VERSION:+bash}"\n',
    "comment": b'# a comment\necho "$@"\n',
    "blank line": b'\n\necho "$@"\n',
    "without newline": b'echo "$@"',
    "empty": b"",
    "one newline": b"\n",
    "one byte": b"x",
    "space": b"   ",
    "long line": b"echo " + b"x" * 500 + b"\n",
    "long comment": b"#" + b"x" * 500 + b"\necho $1\n",
    "byte order mark": b'\xef\xbb\xbfecho "$@"\n',
    "high bytes": b"echo \xff\xfe\x83\n",
    "carriage returns": b"echo $1\r\n",
    "syntax error": b"if\n",
    "NUL first": b"\0echo $1\n",
    "NUL in line": b"echo a\0b\n",
    "NUL in second line": b"echo $1\nexit 3\n\0\0\0",
    "NUL after line without letters": b"1234\n\0",
    "binary": bytes(range(256)) * 4,
    "binary without NUL": bytes(range(128, 256)) * 4,
    "zip": b"PK\x03\x04\x14\0\0\0\x08\0",
    "pipe end": b"exit 5\n" + b"x" * 100_000,
    "hash": b"#",
    "wrong way round": b"!#/bin/sh\n",
    "space before": b" #!/bin/sh\necho $1\n",
}
"""Files that begin with no `#!`."""

LINES = {
    "usual": b"#!/bin/sh",
    "space": b"#! /bin/sh",
    "tabs": b"#!\t/bin/sh\t-e\t",
    "option": b"#!/bin/sh -e",
    "two options": b"#!/bin/sh -e -x",
    "trailing space": b"#!/bin/sh   ",
    "carriage return": b"#!/bin/sh\r",
    "carriage return after option": b"#!/bin/sh -e\r",
    "NUL": b"#!/bin/sh\0junk",
    "env": b"#!/usr/bin/env sh",
    "env of nothing": b"#!/usr/bin/env nosuchprogram",
    "nothing": b"#!",
    "spaces only": b"#!  \t ",
    "missing": b"#!/nowhere/interpreter",
    "missing with option": b"#!/nowhere/interpreter -x y",
    "missing with space": b"#! /nowhere/interpreter",
    "found along PATH only": b"#!sh",
    "along PATH with option": b"#!sh -e",
    "nowhere along PATH": b"#!nosuchprogram",
    "relative": b"#!./text-plain",
    "relative and there": b"#!./show",
    "relative and missing": b"#!./nosuch",
    "below a file": b"#!/etc/passwd/x",
    "folder": b"#!/usr",
    "not executable": b"#!/etc/passwd",
    "device": b"#!/dev/null",
    "dangling link": b"#!./link-dangling",
    "link loop": b"#!./link-loop",
    "long component": b"#!/" + b"x" * 250,
    "itself": b"#!./line-itself",
    "text": b"#!./text-plain",
    "empty file": b"#!./text-empty",
    "binary file": b"#!./text-binary",
    "broken ELF": b"#!./elf-magic",
    "ELF without loader": b"#!./elf-lost-loader",
    "line without name": b"#!./line-nothing",
    "line with missing name": b"#!./line-missing",
    "long option": b"#!/bin/sh " + b"x" * 300,
    "many spaces": b"#!/bin/sh" + b" " * 300,
    "many spaces in front": b"#!" + b" " * 300 + b"/bin/sh",
    "long name": b"#!/" + b"x/" * 300,
}
"""First lines; `echo` follows."""

ENDS = {
    "usual": b"#!/bin/sh",
    "nothing": b"#!",
    "missing": b"#!/nowhere/interpreter",
    "missing with option": b"#!/nowhere/interpreter -x",
}
"""Files that end with their first line."""

CHAIN = 7
LENGTHS = (126, 127, 128, 129, 254, 255, 256, 257)

# Offsets in an Elf64_Ehdr and an Elf64_Phdr.
E_CLASS, E_DATA, E_TYPE, E_MACHINE, E_PHOFF, E_PHENTSIZE, E_PHNUM = 4, 5, 16, 18, 32, 54, 56
P_OFFSET, P_FILESZ = 8, 32
PHDR_SIZE = 56
PT_INTERP = 3


Change = Callable[[bytes], bytes]


def make_zoo(folder: Path, *, show: Path, static: Path, dynamic: Path) -> None:
    """Write all files; `show` is a program that runs here, `static` and `dynamic` are whole ELF programs."""
    elf, loaded = static.read_bytes(), dynamic.read_bytes()
    files = {
        **{f"text-{name}": text for name, text in TEXT.items()},
        **{f"line-{name}": line + b'\necho "$0" "$1"\n' for name, line in LINES.items()},
        **{f"end-{name}": line for name, line in ENDS.items()},
        **{f"elf-{name}": change(elf) for name, change in STATIC.items()},
        **{f"elf-{name}": change(loaded) for name, change in DYNAMIC.items()},
        "show": show.read_bytes(),
    }
    for name, content in files.items():
        _write(folder / name.replace(" ", "-"), content)
    for depth in range(CHAIN):
        before = f"{folder}/chain-{depth - 1}" if depth else "/bin/sh"
        _write(folder / f"chain-{depth}", f'#!{before}\necho "$0" "$@"\n'.encode())
    for length in LENGTHS:
        link = folder / "n".ljust(length - len(f"#!{folder}/"), "n")
        link.symlink_to("/bin/sh")
        _write(folder / f"length-{length}", f'#!{link}\necho "$0" "$1"\n'.encode())
    _write_odd_entries(folder)


def zoo_names() -> list[str]:
    """Give the names of what `make_zoo` makes."""
    tables: dict[str, Iterable[str]] = {"text": TEXT, "line": LINES, "end": ENDS, "elf": STATIC | DYNAMIC}
    return [
        *(f"{kind}-{name}".replace(" ", "-") for kind, table in tables.items() for name in table),
        *(f"chain-{depth}" for depth in range(CHAIN)),
        *(f"length-{length}" for length in LENGTHS),
        *ODD,
    ]


def _write(file: Path, content: bytes, mode: int = 0o755) -> None:
    file.write_bytes(content)
    file.chmod(mode)


ODD = (
    *("show", "mode-none", "mode-read-only", "mode-execute-only", "folder", "socket"),
    *("link-dangling", "link-loop", "link-to-show", "link-to-line", "link-to-folder"),
)


def _write_odd_entries(folder: Path) -> None:
    """Make what is no plain executable file."""
    _write(folder / "mode-none", b"echo $1\n", 0)
    _write(folder / "mode-read-only", b"#!/bin/sh\n", 0o644)
    _write(folder / "mode-execute-only", (folder / "show").read_bytes(), 0o111)
    (folder / "folder").mkdir()
    links = {
        "dangling": "nosuch",
        "loop": "link-loop",
        "to-show": "show",
        "to-line": "line-missing",
        "to-folder": "folder",
    }
    for name, target in links.items():
        (folder / f"link-{name}").symlink_to(target)
    # No FIFO: bash, patched or not, waits for its other end when it looks why it could not be run.
    # By its bare name: an address holds about a hundred bytes.
    with contextlib.chdir(folder), socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
    (folder / "socket").chmod(0o755)


def _patched(image: bytes, offset: int, form: str, value: int) -> bytes:
    copy = bytearray(image)
    struct.pack_into(f"<{form}", copy, offset, value)
    return bytes(copy)


def _first(size: int) -> Change:
    return lambda image: image[:size]


def _with(offset: int, form: str, value: int) -> Change:
    return lambda image: _patched(image, offset, form, value)


STATIC: dict[str, Change] = {
    **{f"first {size}": _first(size) for size in (5, 16, 20, 52, 63, 64, 65, 120)},
    "first half": lambda image: image[: len(image) // 2],
    "magic": lambda _: b"\x7fELF" + b"x" * 300,
    "magic and NULs": lambda _: b"\x7fELF" + b"\0" * 300,
    "32 bit class": _with(E_CLASS, "B", 1),
    "big endian": _with(E_DATA, "B", 2),
    "relocatable": _with(E_TYPE, "H", 1),
    "core": _with(E_TYPE, "H", 4),
    "type 0": _with(E_TYPE, "H", 0),
    "for MIPS": _with(E_MACHINE, "H", 8),
    "for i386": _with(E_MACHINE, "H", 3),
    "for SPARC": _with(E_MACHINE, "H", 2),
    "for PowerPC": _with(E_MACHINE, "H", 21),
    "for nothing": _with(E_MACHINE, "H", 0),
    "no headers": _with(E_PHNUM, "H", 0),
    "too many headers": _with(E_PHNUM, "H", 65_535),
    "headers past the end": _with(E_PHOFF, "Q", 1 << 30),
    "headers past all ends": _with(E_PHOFF, "Q", 1 << 63),
    "headers of another size": _with(E_PHENTSIZE, "H", 32),
}
"""Changes of a static program."""


def _interpreter_header(image: bytes) -> int:
    """Find where in the image the program header of the dynamic loader is."""
    (table,), (count,) = struct.unpack_from("<Q", image, E_PHOFF), struct.unpack_from("<H", image, E_PHNUM)
    headers = (table + PHDR_SIZE * number for number in range(count))
    return next(int(header) for header in headers if struct.unpack_from("<I", image, header) == (PT_INTERP,))


def _loader(name: bytes, fill: bytes = b"\0") -> Change:
    def change(image: bytes) -> bytes:
        header = _interpreter_header(image)
        (offset,), (size,) = (
            struct.unpack_from("<Q", image, header + field) for field in (P_OFFSET, P_FILESZ)
        )
        return image[:offset] + name.ljust(size, fill)[:size] + image[offset + size :]

    return change


def _loader_field(field: int, value: int) -> Change:
    return lambda image: _patched(image, _interpreter_header(image) + field, "Q", value)


DYNAMIC: dict[str, Change] = {
    "dynamic": lambda image: image,
    "lost loader": _loader(b"/nowhere/ld.so"),
    "loader is a folder": _loader(b"/usr"),
    "loader is no program": _loader(b"/etc/passwd"),
    "loader is text": _loader(b"./text-plain"),
    "loader is long text": _loader(b"./text-long-line"),
    "loader is a script": _loader(b"./line-usual"),
    "loader is empty": _loader(b"./text-empty"),
    "loader is broken": _loader(b"./elf-magic"),
    "loader is for MIPS": _loader(b"./elf-for-MIPS"),
    "loader is a device": _loader(b"/dev/null"),
    "loader without name": _loader(b""),
    "loader without end": _loader(b"", b"x"),
    "loader of no size": _loader_field(P_FILESZ, 0),
    "loader of one byte": _loader_field(P_FILESZ, 1),
    "loader of a page and more": _loader_field(P_FILESZ, 4_097),
    "loader past the end": _loader_field(P_OFFSET, 1 << 30),
    "dynamic, first half": lambda image: image[: len(image) // 2],
}
"""Changes of a dynamic program, of its loader's name for the most part."""
