import os
import subprocess

import pytest

from excuses import machine
from shellbuild import emulation
from shellbuild.emulation import emulating, format_line
from shellbuild.errors import StepError, ToolchainError
from shellbuild.project import load_project

ARM = load_project().platforms["aarch64-unknown-linux-musl"]
HEAD = bytes.fromhex("7f454c46 02010103 0000000000000000 0300 b700")
"""Of a static-PIE program for it, with another system in its byte for that."""


@pytest.fixture
def emulator(tmp_path, monkeypatch):
    program = tmp_path / "qemu-aarch64-static"
    program.write_text("#!/bin/sh\necho emulated\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


def test_an_emulator_that_is_not_there_is_told_how_to_get(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="qemu-aarch64-static is not installed: apt-get install"):
        format_line(ARM)


@pytest.mark.parametrize(
    ("head", "claimed"),
    [
        (HEAD, True),
        (HEAD.replace(b"\x03\0\xb7", b"\x02\0\xb7"), True),
        (HEAD.replace(b"\x02\x01", b"\x01\x02"), True),
        (HEAD.replace(b"\xb7", b"\x3e"), False),
        (HEAD.replace(b"\x7f", b"\x7e"), False),
        (HEAD.replace(b"\x03\0\xb7", b"\x01\0\xb7"), False),
    ],
)
def test_programs_of_that_processor_are_claimed_and_no_others(emulator, head, claimed):
    line = format_line(ARM)
    _, name, kind, offset, magic, mask, program, flags = line.split(":")
    assert (name, kind, offset, program, flags) == (emulator.name, "M", "", str(emulator), "PF")
    wanted, bits = (bytes.fromhex(text.replace("\\x", "")) for text in (magic, mask))
    assert len(wanted) == len(bits) == 20
    found = all((one ^ other) & bit == 0 for one, other, bit in zip(head, wanted, bits, strict=True))
    assert found is claimed


def test_what_runs_under_it_can_exec_such_a_program(emulator, tmp_path):
    try:
        command = emulating(format_line(ARM))
    except ToolchainError as error:
        pytest.skip(machine(str(error)))
    program = tmp_path / "program"
    program.write_bytes(HEAD.ljust(64, b"\0"))
    program.chmod(0o755)
    done = subprocess.run([*command, program], capture_output=True, timeout=30, check=True)
    assert done.stdout == b"emulated\n"
    with pytest.raises(OSError, match="Exec format error"):
        subprocess.run([program], timeout=30, check=True)


def test_a_machine_that_can_not_is_told_what_it_lacks(monkeypatch):
    def refuse(*_, **__):
        raise StepError("unshare failed")

    monkeypatch.setattr(emulation, "capture", refuse)
    with pytest.raises(ToolchainError, match=r"Linux 6\.7"):
        emulating(":x:")
