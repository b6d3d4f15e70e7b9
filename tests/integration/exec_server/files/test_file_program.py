"""`codex-sandbox-files` by itself, with sanitizers: what can't be a request ends it, and nothing breaks it."""

import errno
import os
import random
import socket
import subprocess
from pathlib import Path

import pytest

from integration.exec_server.installation import ROOT
from shelltool.exec_server.files import helper_wire as wire
from shelltool.exec_server.files.calls import FOLDER
from shelltool.exec_server.files.helper_wire import Call

DEADLINE_S = 20.0
CHECKS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g")
MISUSED = 2
CREATE = os.O_WRONLY | os.O_CREAT


@pytest.fixture(scope="session")
def checked_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("checked") / "codex-sandbox-files"
    command = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", *CHECKS]
    subprocess.run([*command, "-o", program, ROOT / "native" / "sandbox_files.c"], check=True, timeout=120)
    return program


class Program:
    """The program, unconfined, and the folder that it is given."""

    def __init__(self, program, folder, *reserved):
        self.socket, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(DEADLINE_S)
        with its:
            self.process = subprocess.Popen(
                [program, str(its.fileno()), *reserved],
                pass_fds=(its.fileno(),),
                stderr=subprocess.PIPE,
                cwd="/",
            )
        self.folder = os.open(folder, FOLDER)
        self.ended = None

    def ask(self, packet, *folders):
        socket.send_fds(self.socket, [packet], folders)
        answer, descriptors, *_ = socket.recv_fds(self.socket, wire.REPLY_LIMIT, 1)
        for descriptor in descriptors:
            os.close(descriptor)
        return wire.reply(answer)[0] if answer else None

    def end(self):
        """Give how it ended, and what it said."""
        if self.ended is None:
            self.socket.close()
            os.close(self.folder)
            said = self.process.communicate(timeout=DEADLINE_S)[1]
            self.ended = self.process.returncode, said
        return self.ended


@pytest.fixture
def start(checked_program, tmp_path):
    started = []

    def run(*reserved):
        started.append(Program(checked_program, tmp_path, *reserved))
        return started[-1]

    yield run
    for program in started:
        program.end()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a/"])
def test_what_changes_a_folder_names_an_entry_of_it(start, name, tmp_path):
    program = start()
    for call, flags in (
        (Call.OPEN, CREATE),
        (Call.OPEN, os.O_RDONLY | os.O_TRUNC),
        (Call.MAKE_FOLDER, 0),
        (Call.REMOVE_FILE, 0),
        (Call.REMOVE_FOLDER, 0),
        (Call.RENAME, 0),
        (Call.MAKE_LINK, 0),
    ):
        folders = (program.folder,) * (2 if call is Call.RENAME else 1)
        packet = wire.request(call, name, "other", flags=flags, folders=2 ** len(folders) - 1)
        assert program.ask(packet, *folders) == errno.EINVAL, call
        assert program.ask(wire.request(call, str(tmp_path / "a"), "other", flags=flags)) == errno.EINVAL, (
            call
        )
    assert list(tmp_path.iterdir()) == []
    assert program.end() == (0, b"")


def test_a_link_is_not_followed_to_write(start, tmp_path):
    (tmp_path / "link").symlink_to("target")
    program = start()
    packet = wire.request(Call.OPEN, "link", flags=CREATE, mode=0o666, folders=1)
    assert program.ask(packet, program.folder) == errno.ELOOP
    assert not (tmp_path / "target").exists()
    assert program.end() == (0, b"")


def test_set_id_bits_are_never_given(start, tmp_path):
    program = start()
    assert (
        program.ask(wire.request(Call.OPEN, "f", flags=CREATE, mode=0o6777, folders=1), program.folder) == 0
    )
    assert program.ask(wire.request(Call.MAKE_FOLDER, "d", mode=0o7777, folders=1), program.folder) == 0
    assert {path.stat().st_mode & 0o7000 for path in tmp_path.iterdir()} == {0}


def test_reserved_names_are_refused_by_whatever_way_their_folder_is_reached(start, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    program = start(str(tmp_path / ".git"))
    folder = os.open(tmp_path / "link" / "." / "..", FOLDER)
    again = os.open(tmp_path.name, FOLDER, dir_fd=folder)
    assert program.ask(wire.request(Call.MAKE_FOLDER, ".Git", mode=0o777, folders=1), again) == errno.EROFS
    assert program.ask(wire.request(Call.MAKE_FOLDER, "git", mode=0o777, folders=1), again) == 0
    os.close(folder)
    os.close(again)


@pytest.mark.parametrize(
    "packet",
    [
        b"x",
        wire.REQUEST.pack(Call.STATUS, 0, 0, 0, 5, 0) + b"/tmp",
        wire.REQUEST.pack(Call.STATUS, 0, 0, 0, 1, 0) + b"/tmp",
        wire.REQUEST.pack(Call.STATUS, 0, 0, 0, 4096, 0) + b"/" * 4096,
        wire.REQUEST.pack(Call.STATUS, 0, 0, 0, 3, 0) + b"/\0x",
        wire.REQUEST.pack(Call.STATUS, 0, 0, 1, 1, 0) + b"/",
        wire.REQUEST.pack(99, 0, 0, 0, 1, 0) + b"/",
        wire.REQUEST.pack(Call.READY, 0, 0, 0, 0, 0) + b"x" * 9000,
    ],
)
def test_what_can_be_no_request_ends_it(start, packet):
    program = start()
    assert program.ask(packet) is None
    assert program.end() == (MISUSED, b"")


def test_descriptors_that_no_place_is_named_for_end_it(start):
    program = start()
    assert program.ask(wire.request(Call.READY), program.folder) is None
    assert program.end() == (MISUSED, b"")


def test_it_is_not_for_people(checked_program):
    for arguments in ([], ["0"], ["99"], ["x"]):
        found = subprocess.run(
            [checked_program, *arguments], capture_output=True, timeout=DEADLINE_S, check=False
        )
        assert (found.returncode, b"not by hand" in found.stderr) == (MISUSED, True)


@pytest.mark.parametrize("seed", range(8))
def test_rubbish_breaks_nothing(start, seed, tmp_path):
    chance = random.Random(seed)  # noqa: S311 - no secret
    (tmp_path / "d").mkdir()
    for _ in range(40):
        program = start(str(tmp_path / ".git"))
        for _ in range(20):
            texts = [
                bytes(
                    chance.choices(b"abd./\0" if chance.random() < 0.1 else b"abd.", k=chance.randint(0, 9))
                )
                for _ in range(2)
            ]
            folders = chance.randint(0, 3)
            head = wire.REQUEST.pack(
                chance.randint(0, 9),
                chance.getrandbits(chance.choice([1, 8, 32])),
                chance.getrandbits(32),
                folders,
                len(texts[0]),
                len(texts[1]),
            )
            packet = head + b"".join(texts)
            if chance.random() < 0.05:
                packet = packet[: chance.randint(0, len(packet))] or b"x"
            try:
                if program.ask(packet, *[program.folder] * folders.bit_count()) is None:
                    break
            except ConnectionError:
                break
        status, said = program.end()
        assert (status in {0, MISUSED}, said) == (True, b"")
