"""The reference program: its servers under our client, and its answers beside ours."""

import asyncio
import os
from pathlib import Path

import pytest

from integration.exec_server.comparing import MISSING, Player, differences, play
from integration.exec_server.http_origin import origin
from integration.exec_server.recorded import steps
from integration.exec_server.reference import fetch_reference, reference_server
from integration.exec_server.wire import Wire
from integration.published import PackageUnavailableError
from shelltool.exec_server.client import ExecServerClient, RemoteEnvironment, websocket_connector
from shelltool.exec_server.differences import BOTH, DIFFERENCES, NEWER, OLDER
from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.files.messages import GetMetadata, ReadFile, WriteFile
from shelltool.exec_server.processes.events import OutputDropped, ProcessFailed
from shelltool.exec_server.processes.messages import (
    ProcessExited,
    ProcessOutput,
    ReadProcess,
    StartProcess,
    TerminateProcess,
    WriteProcess,
)
from shelltool.exec_server.transports.websocket import connect_websocket

REQUESTS_MIN = 150
TESTS = Path(__file__).parents[2]
pytestmark = pytest.mark.network


@pytest.fixture(params=BOTH)
def version(request):
    try:
        fetch_reference(request.param)
    except PackageUnavailableError as error:
        pytest.skip(str(error))
    return request.param


def process(identifier, *argv, **params):
    given = {"cwd": "/", "env": {"PATH": "/usr/bin:/bin"}, "tty": False, **params}
    return StartProcess(process_id=identifier, argv=list(argv), **given)


async def test_our_client_runs_processes_on_the_reference_server(version):
    async with reference_server(version) as url, ExecServerClient(websocket_connector(url)) as client:
        here = RemoteEnvironment(client)
        assert client.native_paths == (version == OLDER)
        for number in range(20):
            await here.processes.start(process(f"p{number}", "sh", "-c", f"seq 1 5000; exit {number}"))
        for number in range(20):
            events = [event async for event in here.processes.events(f"p{number}")]
            text = b"".join(event.chunk for event in events if isinstance(event, ProcessOutput))
            assert text == b"".join(b"%d\n" % line for line in range(1, 5001))
            assert [event.exit_code for event in events if isinstance(event, ProcessExited)] == [number]
        await here.processes.start(process("cat", "cat", tty=True))
        await here.processes.write(WriteProcess(process_id="cat", chunk=b"line\n"))
        read = await here.processes.read(ReadProcess(process_id="cat", wait_ms=5000))
        assert read.chunks
        assert (await here.processes.terminate(TerminateProcess(process_id="cat"))).running


async def test_our_client_comes_back_to_the_reference_server(version):
    async with reference_server(version) as url, ExecServerClient(websocket_connector(url)) as client:
        here = RemoteEnvironment(client)
        script = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done; exit 5"
        await here.processes.start(process("p", "sh", "-c", script))
        events = []
        async for event in here.processes.events("p"):
            events.append(event)
            if len(events) in {1, 3}:
                await client.drop_connection()
        assert not [event for event in events if isinstance(event, OutputDropped | ProcessFailed)]
        text = b"".join(event.chunk for event in events if isinstance(event, ProcessOutput))
        assert text == b"1\n2\n3\n4\n5\n6\n"
        assert [event.exit_code for event in events if isinstance(event, ProcessExited)] == [5]


async def test_our_client_handles_files_on_the_reference_server(version, tmp_path):
    async with reference_server(version) as url, ExecServerClient(websocket_connector(url)) as client:
        here = RemoteEnvironment(client)
        path = str(tmp_path / "a b%#")
        await here.files.write_file(WriteFile(path=path, data_base64=bytes(range(256))))
        assert (await here.files.read_file(ReadFile(path=path))).data_base64 == bytes(range(256))
        assert (await here.files.get_metadata(GetMetadata(path=path))).is_file
        with pytest.raises(RpcError) as raised:
            await here.files.read_file(ReadFile(path=path + "x"))
        assert raised.value.code == -32004


@pytest.fixture
def recorded_environment(monkeypatch):
    """Give both servers the variables that the list asks about."""
    monkeypatch.setenv("RECORDED_NAME", "name")
    monkeypatch.setenv("RECORDED_TOKEN", "token")
    assert "RECORDED_NAME" in os.environ


async def test_every_difference_to_the_reference_is_listed(
    version, serving_once, recorded_environment, tmp_path
):
    native = version == OLDER

    async def played(name, url, web):
        (tmp_path / name).mkdir()
        wire = Wire(await connect_websocket(url))
        await wire.open()
        transcript = await play(wire, Player(tmp_path / name, web.url, native))
        await wire.close()
        return transcript

    async with serving_once() as ours, reference_server(version) as theirs, origin() as web:
        transcripts = await asyncio.gather(played("ours", ours.url, web), played("theirs", theirs, web))
    assert len(transcripts[1]) >= REQUESTS_MIN
    assert MISSING not in transcripts[0].values()
    found = list(differences(*transcripts))
    unlisted = [item for item in found if not any(row.covers(version, *item[:2]) for row in DIFFERENCES)]
    assert unlisted == []
    stale = [
        row
        for row in DIFFERENCES
        if version in row.versions
        and not row.shown_by
        and not any(row.covers(version, *item[:2]) for item in found)
    ]
    assert stale == []


def test_what_the_list_can_not_show_is_shown_by_a_test_that_exists():
    for row in DIFFERENCES:
        if row.shown_by:
            module, _, name = row.shown_by.partition("::")
            (found,) = TESTS.rglob(module)
            assert f"def {name}(" in found.read_text(encoding="utf-8")


def test_the_recorded_list_is_long_enough():
    assert len(list(steps())) >= REQUESTS_MIN
    assert NEWER in BOTH
