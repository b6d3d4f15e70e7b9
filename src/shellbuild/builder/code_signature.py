"""Ad-hoc signatures of Mach-O programs: made for those that the linker leaves without one, and read back.

macOS runs no arm64 program without a signature; zig's linker signs those and leaves x86_64 alone. An ad-hoc signature
names nobody: it is a code directory with the SHA-256 of each page, so a flipped byte stops the program from running.
https://developer.apple.com/documentation/security (Code Signing Services), xnu's osfmk/kern/cs_blobs.h
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from shellbuild.errors import StepError

MACHO_64 = 0xFEEDFACF
LC_SEGMENT_64 = 0x19
LC_CODE_SIGNATURE = 0x1D
COMMAND_BYTES = 16
HEADER_BYTES = 32

SUPER_BLOB = 0xFADE0CC0
CODE_DIRECTORY = 0xFADE0C02
DIRECTORY_SLOT = 0
AD_HOC = 0x2
LINKER_SIGNED = 0x20000
SHA256 = 2
VERSION = 0x20400
"""With the bounds of the executable segment."""
MAIN_BINARY = 1
PAGE_BITS = 12

_FIELDS = struct.Struct(">9I4BI3I4Q")
"""Of a code directory: magic, length, version, flags, offsets of digests and identifier, special and code slots, limit;
digest size and type, platform, page size; spare, scatter, team, spare, wide limit; executable segment."""
_SUPER = struct.Struct(">5I")


@dataclass(frozen=True, slots=True)
class _Segment:
    command: int
    """Where its load command is."""
    name: str
    file_offset: int
    file_bytes: int


def sign_ad_hoc(program: bytes, identifier: str) -> bytes:
    """Give the program with a signature; one that has a signature is given as it is."""
    commands = list(_commands(program))
    if any(kind == LC_CODE_SIGNATURE for kind, _ in commands):
        return program
    segments = {segment.name: segment for segment in _segments(program, commands)}
    linkedit, text = segments["__LINKEDIT"], segments["__TEXT"]
    end = _aligned(len(program), COMMAND_BYTES)
    size = _aligned(_SUPER.size + _directory_bytes(end, identifier), COMMAND_BYTES)
    image = bytearray(program.ljust(end, b"\0"))
    _add_command(image, commands, struct.pack("<4I", LC_CODE_SIGNATURE, COMMAND_BYTES, end, size))
    file_bytes = end + size - linkedit.file_offset
    struct.pack_into("<Q", image, linkedit.command + 32, _aligned(file_bytes, 1 << 14))
    struct.pack_into("<Q", image, linkedit.command + 48, file_bytes)
    return bytes(image) + _signature(bytes(image), identifier, text.file_bytes).ljust(size, b"\0")


def signature_faults(program: bytes) -> list[str]:
    """Say what is wrong with the signature of a program; nothing when it is ad hoc, complete and true."""
    try:
        place = [at for kind, at in _commands(program) if kind == LC_CODE_SIGNATURE]
        if not place:
            return ["has no code signature"]
        start, size = struct.unpack_from("<2I", program, place[0] + 8)
        return list(_directory_faults(program, start, size))
    except struct.error:
        return ["has a code signature that ends too early"]


def _directory_faults(program: bytes, start: int, size: int) -> Iterator[str]:
    if start + size != len(program):
        yield "has bytes behind its code signature, or lost some"
        return
    magic, _, count, slot, at = _SUPER.unpack_from(program, start)
    if (magic, slot) != (SUPER_BLOB, DIRECTORY_SLOT) or count < 1:
        yield "has something else where its code signature should be"
        return
    directory = program[start + at : start + size]
    magic, length, _, flags, hashes, _, _, pages, limit, width, kind, _, bits = _FIELDS.unpack_from(
        directory
    )[:13]
    if magic != CODE_DIRECTORY or (width, kind) != (hashlib.sha256().digest_size, SHA256):
        yield "has no code directory of SHA-256 digests"
        return
    if not flags & AD_HOC:
        yield "is signed by somebody"
    if limit != start:
        yield f"has a signature over {limit} bytes instead of {start}"
    expected = _page_digests(program[:limit], bits)
    found = [directory[hashes + width * index : hashes + width * (index + 1)] for index in range(pages)]
    if hashes + width * pages > length or len(found) != len(expected):
        yield f"has a signature of {pages} pages instead of {len(expected)}"
    wrong = [index for index, (have, want) in enumerate(zip(found, expected, strict=False)) if have != want]
    if wrong:
        yield f"has a signature that does not fit page {', '.join(map(str, wrong[:5]))}"


def _signature(image: bytes, identifier: str, text_bytes: int) -> bytes:
    digests = _page_digests(image, PAGE_BITS)
    name = identifier.encode() + b"\0"
    length = _directory_bytes(len(image), identifier)
    header = _FIELDS.pack(
        *(CODE_DIRECTORY, length, VERSION, AD_HOC | LINKER_SIGNED, _FIELDS.size + len(name), _FIELDS.size),
        *(0, len(digests), len(image), hashlib.sha256().digest_size, SHA256, 0, PAGE_BITS, 0),
        *(0, 0, 0, 0),
        *(0, text_bytes, MAIN_BINARY),
    )
    directory = header + name + b"".join(digests)
    return _SUPER.pack(SUPER_BLOB, _SUPER.size + length, 1, DIRECTORY_SLOT, _SUPER.size) + directory


def _directory_bytes(image_bytes: int, identifier: str) -> int:
    pages = -(-image_bytes // (1 << PAGE_BITS))
    return _FIELDS.size + len(identifier.encode()) + 1 + pages * hashlib.sha256().digest_size


def _page_digests(image: bytes, bits: int) -> list[bytes]:
    step = 1 << bits
    return [hashlib.sha256(image[at : at + step]).digest() for at in range(0, len(image), step)]


def _add_command(image: bytearray, commands: list[tuple[int, int]], command: bytes) -> None:
    count, used = struct.unpack_from("<2I", image, 16)
    end = HEADER_BYTES + used
    if end + len(command) > _first_section(bytes(image), commands):
        raise StepError("a Mach-O program has no room for one more load command; link it with -headerpad")
    image[end : end + len(command)] = command
    struct.pack_into("<2I", image, 16, count + 1, used + len(command))


def _commands(program: bytes) -> Iterator[tuple[int, int]]:
    """Give kind and place of each load command."""
    magic, _, _, _, count, _ = struct.unpack_from("<6I", program)
    if magic != MACHO_64:
        raise StepError("not a 64-bit Mach-O program")
    at = HEADER_BYTES
    for _ in range(count):
        kind, size = struct.unpack_from("<2I", program, at)
        yield kind, at
        at += size


def _segments(program: bytes, commands: list[tuple[int, int]]) -> Iterator[_Segment]:
    for kind, at in commands:
        if kind == LC_SEGMENT_64:
            name, _, _, offset, size = struct.unpack_from("<16s4Q", program, at + 8)
            yield _Segment(at, name.rstrip(b"\0").decode(), offset, size)


def _first_section(program: bytes, commands: list[tuple[int, int]]) -> int:
    """Where the contents begin, which is where the load commands have to end."""
    offsets: list[int] = []
    for kind, at in commands:
        if kind == LC_SEGMENT_64:
            (sections,) = struct.unpack_from("<I", program, at + 64)
            offsets += [struct.unpack_from("<I", program, at + 72 + 80 * i + 48)[0] for i in range(sections)]
    return min(offset for offset in offsets if offset)


def _aligned(number: int, step: int) -> int:
    return -(-number // step) * step
