"""Threads and helpers: what goes wrong in them has a code, and nobody waits for somebody else."""

import asyncio
import contextlib
import errno
import os
import threading

import pytest

from shelltool.errors import SandboxPlanError, SandboxPolicyError, SandboxUnavailableError
from shelltool.exec_server.errors import RpcError, invalid_request
from shelltool.exec_server.files.calls import LocalCalls
from shelltool.exec_server.files.helper_pool import Helpers
from shelltool.exec_server.files.program import load_program
from shelltool.exec_server.files.status import Status, status_at, status_of
from shelltool.exec_server.files.workers import FileWorkers

DEADLINE_S = 10.0


def running(test):
    async def scene():
        async with asyncio.timeout(DEADLINE_S):
            await test()

    asyncio.run(scene())


def raiser(error):
    def fail(calls):
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "data"),
    [
        (OSError(errno.ENOENT, "", "name"), -32004, {"errno": 2, "path": "file:///asked"}),
        (OSError(errno.EACCES, "", "/deeper"), -32600, {"errno": 13, "path": "file:///deeper"}),
        (OSError(errno.EROFS, ""), -32603, {"errno": 30, "path": "file:///asked"}),
        (invalid_request("no"), -32600, None),
        (SandboxPolicyError("no"), -32602, None),
        (SandboxPlanError("no"), -32600, {"path": "file:///asked"}),
        (SandboxUnavailableError("no"), -32603, None),
    ],
)
def test_every_error_has_a_code(error, code, data):
    async def scene():
        workers = FileWorkers()
        with pytest.raises(RpcError) as raised:
            await workers.run(None, "/asked", raiser(error))
        assert (raised.value.code, raised.value.data) == (code, data)
        await workers.close()

    running(scene)


def test_a_call_that_hangs_keeps_no_other_waiting():
    go_on = threading.Event()

    async def scene():
        workers = FileWorkers(threads=2)
        hanging = asyncio.create_task(workers.run(None, None, lambda _: go_on.wait(DEADLINE_S)))
        assert (await workers.run(None, None, lambda calls: calls.status("/"))).is_folder
        assert not hanging.done()
        go_on.set()
        assert await hanging
        await workers.close()

    running(scene)


class Pool(Helpers):
    """Helpers without a sandbox that count how often somebody looks for idle ones."""

    def __init__(self, left):
        super().__init__(idle_s=0.001)
        self.left = list(left)
        self.done = threading.Event()

    @contextlib.contextmanager
    def serving(self, _):
        yield LocalCalls()

    def end_idle(self):
        left = self.left.pop(0)
        if not self.left:
            self.done.set()
        return left


def test_idle_helpers_are_looked_for_until_there_are_none():
    async def scene():
        pool = Pool([True, True, False])
        workers = FileWorkers(pool)
        await workers.run({}, None, lambda _: None)
        assert await asyncio.to_thread(pool.done.wait, DEADLINE_S)
        while workers._idle is not None:  # noqa: ASYNC110 - bounded by `running`
            await asyncio.sleep(0)
        await workers.close()
        assert pool.left == []

    running(scene)


def test_the_status_is_that_of_stat(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    found, expected = status_at(str(path)), path.stat()
    assert (found.mode, found.size, found.modified_ns) == (
        expected.st_mode,
        expected.st_size,
        expected.st_mtime_ns,
    )
    assert found.identity == (expected.st_dev, expected.st_ino)
    folder = os.open(tmp_path, os.O_RDONLY)
    assert status_at("f", folder=folder) == found
    assert status_of(folder).is_folder
    os.close(folder)


def test_a_name_with_a_nul_is_no_file():
    with pytest.raises(OSError, match="Invalid argument"):
        status_at("/etc\0/passwd")


def test_what_is_not_known_of_times_is_zero():
    status = Status(mode=0, size=0, modified_ns=-5, born_ns=None, identity=(0, 0))
    assert (status.created_ms, status.modified_ms) == (0, 0)


def test_the_program_in_memory_can_not_be_changed(tmp_path):
    path = tmp_path / "program"
    path.write_bytes(b"#!/bin/true\n")
    fd = load_program(path)
    try:
        assert os.pread(fd, 100, 0) == b"#!/bin/true\n"
        writable = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY)  # its owner may
        try:
            with pytest.raises(OSError, match="Operation not permitted"):
                os.write(writable, b"x")
        finally:
            os.close(writable)
    finally:
        os.close(fd)


@pytest.mark.parametrize("content", [None, b""])
def test_no_program_is_an_error(tmp_path, content):
    path = tmp_path / "program"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SandboxUnavailableError, match=r"program: "):
        load_program(path)
