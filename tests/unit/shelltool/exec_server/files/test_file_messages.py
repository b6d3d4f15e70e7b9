"""The messages and rows of `fs/*` and `http/request`: dialects, defaults, and that every row leads somewhere."""

import inspect
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.files import messages as m
from shelltool.exec_server.files.api import FileService
from shelltool.exec_server.files.methods import FILE_METHODS, FILE_NOTIFICATIONS
from shelltool.exec_server.files.service import LocalFiles
from shelltool.exec_server.http_messages import HttpRequest, HttpService
from shelltool.exec_server.http_methods import HTTP_METHODS
from shelltool.exec_server.http_requests import LocalHttp

ROWS = (*FILE_METHODS, *HTTP_METHODS)
HEADER = {"name": "X", "value": ""}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_has_a_function_of_its_types(row):
    services = (FileService, LocalFiles) if row.service == "files" else (HttpService, LocalHttp)
    for service in services:
        hints = typing.get_type_hints(getattr(service, row.function))
        assert (hints["params"], hints["return"]) == (row.params, row.result)


def test_every_function_has_a_row():
    functions = {name for name, _ in inspect.getmembers(FileService, inspect.isfunction) if name[0] != "_"}
    assert functions - {row.function for row in FILE_METHODS} == {"close"}
    assert len({row.name for row in FILE_METHODS}) == len(FILE_METHODS)
    assert [row.name for row in FILE_NOTIFICATIONS] == ["fs/missingChanged"]


@pytest.mark.parametrize("row", [row for row in FILE_METHODS if "handle_id" in row.params.model_fields])
def test_requests_of_one_handle_keep_their_order(row):
    assert row.ordered_by == "handle_id"


@pytest.mark.parametrize("path", ["/a b", "file:///a%20b", "file:/a%20b", "FILE://localhost/x/../a%20b"])
def test_both_dialects_of_paths_are_taken(path):
    assert m.GetMetadata.model_validate({"path": path}).path == "/a b"


@pytest.mark.parametrize(
    "value", ["a", "http://h/a", "file://other/a", "file:///a?b", "file:///a#b", "file:///%00", "", None, 5]
)
def test_what_is_no_path_is_refused(value):
    row = next(row for row in FILE_METHODS if row.name == "fs/getMetadata")
    with pytest.raises(RpcError) as raised:
        row.read_params({"path": value})
    assert raised.value.code == -32602


def test_what_is_not_said_is_the_default_and_null_is_not_saying():
    for extra in (
        {},
        {"recursive": None, "force": None, "followSymlinks": None, "sandbox": None, "newer": 1},
    ):
        found = m.Remove.model_validate({"path": "/a", **extra})
        assert (found.recursive, found.force, found.follow_symlinks, found.sandbox) == (
            True,
            True,
            True,
            None,
        )


def test_lists_may_be_as_long_as_they_may():
    watch = m.WatchMissing.model_validate({"watchId": 1, "missing": ["/a"] * 1024})
    assert len(watch.missing) == 1024
    request = {"method": "GET", "url": "http://h", "requestId": "r", "headers": [HEADER] * 256}
    assert len(HttpRequest.model_validate(request).headers) == 256


@pytest.mark.parametrize(
    ("row", "params"),
    [
        ("fs/copy", {"sourcePath": "/a", "destinationPath": "/b"}),
        ("fs/remove", {"path": "/a", "recursive": "yes"}),
        ("fs/remove", {"path": "/a", "sandbox": "none"}),
        ("fs/readBlock", {"handleId": "h", "offset": -1, "len": 1}),
        ("fs/readBlock", {"handleId": "h", "offset": 0, "len": "1"}),
        ("fs/open", {"path": "/a", "handleId": "h", "mode": "append"}),
        ("fs/walk", {"path": "/a", "options": {}}),
        ("fs/watchMissing", {"watchId": 1, "missing": ["/a"] * 1025}),
        ("http/request", {"method": "GET", "url": "http://h"}),
        ("http/request", {"method": "GET", "url": "http://h", "requestId": "r", "headers": [HEADER] * 257}),
    ],
)
def test_what_does_not_fit_is_refused(row, params):
    with pytest.raises(RpcError) as raised:
        next(each for each in ROWS if each.name == row).read_params(params)
    assert raised.value.code == -32602


@given(st.binary(max_size=5000))
def test_the_fast_json_is_that_of_pydantic(data):
    result = m.ReadFileResult(data_base64=data)
    assert bytes(result.wire_json()) == to_json(result, by_alias=True)


def test_the_fast_json_is_that_of_pydantic_over_several_steps(monkeypatch):
    monkeypatch.setattr(m, "ENCODING_STEP", 6)
    test_the_fast_json_is_that_of_pydantic()
