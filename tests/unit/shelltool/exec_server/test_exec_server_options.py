"""The command line: what the options mean, and what a bad one is told."""

import hashlib

import pytest
from pydantic import ValidationError

from shelltool.exec_server import cli
from shelltool.exec_server.running import Options

GIVEN = {
    "listen": "stdio",
    "ttl_s": 1.0,
    "retention_s": 2.0,
    "retained": 3,
    "frame": 4096,
    "message": 8192,
    "requests": 6,
    "ping_s": 5.0,
}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--listen", "tcp://x"], "unsupported --listen URL `tcp://x`"),
        (["--listen", "ws://0.0.0.0:0"], "other machines could start processes here"),
        (["--ws-auth", "capability-token"], "name the token"),
        (["--ws-token-file", "/nope", "--ws-token-sha256", "0" * 64], "name two tokens"),
        (["--ws-token-file", "/nope"], "No such file or directory"),
        (["--ws-token-sha256", "nonsense"], "64 hexadecimal digits"),
        (["--ws-token-sha256", ""], "64 hexadecimal digits"),
        (["--ws-token-file", ""], "Is a directory"),
        (["--ws-token-file", "", "--ws-token-sha256", ""], "name two tokens"),
    ],
)
def test_a_bad_command_line_says_what_is_wrong_and_serves_nobody(options, problem, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["codex-exec-server", *options])
    with pytest.raises(SystemExit) as raised:
        cli.main()
    out, err = capsys.readouterr()
    assert (raised.value.code, out) == (1, "")
    assert err.startswith("codex-exec-server: error: ")
    assert problem in err


def test_an_option_that_is_not_known_is_a_usage_error(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["codex-exec-server", "--nonsense"])
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert (raised.value.code, "No such option" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("value", ["0", "nan", "x"])
def test_a_limit_that_makes_no_sense_is_a_usage_error_that_names_its_option(value, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["codex-exec-server", "--ping-interval", value])
    with pytest.raises(SystemExit) as raised:
        cli.main()
    err = capsys.readouterr().err
    assert (raised.value.code, "Traceback" in err) == (2, False)
    assert "'--ping-interval'" in err


def test_every_limit_is_an_option():
    settings = Options.model_validate(GIVEN).settings()
    assert (settings.session_ttl_s, settings.retention_s, settings.retained_bytes) == (1.0, 2.0, 3)
    limits = settings.limits
    assert (limits.frame_bytes, limits.message_bytes, limits.ping_s) == (4096, 8192, 5.0)
    assert (settings.requests_at_once, settings.interceptor) == (6, None)


@pytest.mark.parametrize("change", [{"ttl_s": -1}, {"frame": 0}, {"ping_s": 0}, {"retained": -1}, {"x": 1}])
def test_values_that_make_no_sense_are_refused(change):
    with pytest.raises(ValidationError):
        Options.model_validate({**GIVEN, **change})


def test_a_message_may_be_at_least_as_large_as_a_frame():
    settings = Options.model_validate({**GIVEN, "frame": 1 << 20, "message": 2048}).settings()
    assert settings.limits.message_bytes == 1 << 20


def test_a_token_is_named_by_its_file_or_its_digest(tmp_path):
    (tmp_path / "token").write_text("open-sesame", encoding="utf-8")
    digest = hashlib.sha256(b"open-sesame")
    by_file = Options.model_validate({**GIVEN, "ws_token_file": tmp_path / "token"})
    by_digest = Options.model_validate({**GIVEN, "ws_token_sha256": digest.hexdigest()})
    assert by_file.token_digest() == by_digest.token_digest() == digest.digest()
    assert Options.model_validate(GIVEN).token_digest() is None
