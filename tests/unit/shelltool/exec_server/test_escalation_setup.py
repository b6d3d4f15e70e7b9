"""What `--shell-escalation` starts with."""

from pathlib import Path

from shelltool.exec_server import escalation_setup
from shelltool.exec_server.escalation_setup import make_interceptor


def test_what_leaves_the_sandbox_is_not_given_the_servers_credentials(monkeypatch):
    for name in ("find_shell", "find_program"):
        monkeypatch.setattr(escalation_setup, name, lambda _: Path("/bin/sh"))
    monkeypatch.setattr(escalation_setup, "check_intercepts", lambda _: None)
    monkeypatch.setenv("NODE_REPL_AUTH_TOKEN", "secret")
    monkeypatch.setenv("NODE_OPTIONS", "own")
    environment = make_interceptor(lambda _: None).environment
    assert (environment.get("NODE_REPL_AUTH_TOKEN"), environment.get("NODE_OPTIONS")) == (None, "own")
