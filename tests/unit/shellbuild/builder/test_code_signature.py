import struct

import pytest

from shellbuild.builder.code_signature import sign_ad_hoc, signature_faults
from shellbuild.builder.signing import sign_programs
from shellbuild.errors import StepError

CONTENT_AT = 0x1000


def macho(size: int = 0x5123, first_section: int = CONTENT_AT) -> bytes:
    """Make the least that is a Mach-O program: code in one segment, the linker's tables in another."""
    text = struct.pack("<2I16s4Q4I", 0x19, 152, b"__TEXT", 1 << 32, 0x4000, 0, 0x4000, 5, 5, 1, 0)
    text += struct.pack(
        "<16s16s2Q8I", b"__text", b"__TEXT", (1 << 32) + first_section, 16, first_section, *[0] * 7
    )
    tables = struct.pack(
        "<2I16s4Q4I", 0x19, 72, b"__LINKEDIT", 0x5000, 0x4000, 0x4000, size - 0x4000, 1, 1, 0, 0
    )
    header = struct.pack("<8I", 0xFEEDFACF, 0x01000007, 3, 2, 2, len(text + tables), 0x200085, 0)
    return (header + text + tables).ljust(CONTENT_AT, b"\0").ljust(size, b"x")


def test_a_program_without_a_signature_is_told():
    assert signature_faults(macho()) == ["has no code signature"]


def test_a_signed_program_has_no_faults_and_is_signed_only_once():
    signed = sign_ad_hoc(macho(), "bash")
    assert signature_faults(signed) == []
    assert sign_ad_hoc(signed, "bash") == signed
    assert b"bash\0" in signed


def test_the_contents_stay_as_they_were():
    before = macho()
    after = sign_ad_hoc(before, "bash")
    assert after[CONTENT_AT : len(before)] == before[CONTENT_AT:]


@pytest.mark.parametrize("place", [0x40, CONTENT_AT, 0x3FFF, 0x5122])
def test_a_flipped_byte_is_found_with_its_page(place):
    signed = bytearray(sign_ad_hoc(macho(), "bash"))
    signed[place] ^= 1
    assert signature_faults(bytes(signed)) == [f"has a signature that does not fit page {place >> 12}"]


def test_bytes_behind_the_signature_and_a_cut_are_found():
    signed = sign_ad_hoc(macho(), "bash")
    assert signature_faults(signed + b"\0") == ["has bytes behind its code signature, or lost some"]
    assert signature_faults(signed[:-1]) == ["has bytes behind its code signature, or lost some"]


def test_a_signature_over_less_than_the_program_is_found():
    signed = bytearray(sign_ad_hoc(macho(), "bash"))
    at = bytes(signed).index(struct.pack(">I", 0xFADE0C02)) + 32
    struct.pack_into(">I", signed, at, 0x1000)
    assert any("over 4096 bytes" in fault for fault in signature_faults(bytes(signed)))


def test_a_signature_by_somebody_is_found():
    signed = bytearray(sign_ad_hoc(macho(), "bash"))
    at = bytes(signed).index(struct.pack(">I", 0xFADE0C02)) + 12
    struct.pack_into(">I", signed, at, 0)
    assert signature_faults(bytes(signed)) == ["is signed by somebody"]


def test_a_program_without_room_for_the_load_command_is_refused():
    with pytest.raises(StepError, match="headerpad"):
        sign_ad_hoc(macho(first_section=32 + 152 + 72 + 8), "bash")


def test_what_is_no_program_is_refused():
    with pytest.raises(StepError, match="Mach-O"):
        sign_ad_hoc(b"\x7fELF" + bytes(100), "bash")


def test_the_programs_of_a_folder_are_signed_and_keep_their_modes(tmp_path):
    (tmp_path / "bash").write_bytes(macho())
    (tmp_path / "bash").chmod(0o755)
    (tmp_path / "build.json").write_text("{}", encoding="utf-8")
    sign_programs(tmp_path)
    assert signature_faults((tmp_path / "bash").read_bytes()) == []
    assert (tmp_path / "bash").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "build.json").read_text(encoding="utf-8") == "{}"
