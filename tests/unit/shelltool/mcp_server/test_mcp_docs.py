"""What `docs/mcp-server.md` shows is what the server has."""

import json
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from shelltool.errors import ProgramMissingError, ShellError, UnpatchedShellError
from shelltool.execpolicy.loading import load_rules
from shelltool.mcp_server import cli, confinement, tool
from shelltool.mcp_server.cli import command

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "mcp-server.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def json_block(key):
    [found] = [block for text in blocks("json") if key in (block := json.loads(text))]
    return found


def test_every_option_is_described():
    for parameter in command.params:
        for option in parameter.opts:
            assert f"`{option}" in PAGE


def test_every_argument_and_every_key_of_a_result_is_described():
    described = tool.describe("bash")
    for schema in (described["inputSchema"], described["outputSchema"]):
        for name in schema["properties"]:
            assert re.search(rf"^\| .*`{name}`.* \|", PAGE, re.MULTILINE), name


def test_the_result_that_is_shown_has_the_form_of_results(check_form):
    shown = json_block("exit_code")
    check_form(shown, tool.describe("bash")["outputSchema"])
    assert shown.keys() == tool.describe("bash")["outputSchema"]["properties"].keys()


def test_the_sandbox_state_that_is_shown_is_understood():
    shown = json_block("method")
    assert shown["method"] == confinement.UPDATE
    confinement.SandboxState.model_validate(shown["params"], by_name=False)


def test_the_configurations_start_this_server():
    [toml] = [tomllib.loads(text) for text in blocks("toml")]
    for servers in (json_block("mcpServers")["mcpServers"], toml["mcp_servers"]):
        assert [server["command"] for server in servers.values()] == [cli.NAME]


def test_the_rules_that_are_shown_are_rules(tmp_path):
    [text] = [text for text in blocks("python") if "prefix_rule" in text]
    (file := tmp_path / "default.rules").write_text(text, encoding="utf-8")
    assert len(load_rules([file]).rules) == text.count("prefix_rule(")


@pytest.mark.parametrize("error", [ShellError, ProgramMissingError, UnpatchedShellError])
def test_the_statuses_of_the_start_are_listed(error):
    assert re.search(rf"^\| [\d, ]*{error.exit_code}[,\d ]* \|", PAGE, re.MULTILINE)


def test_the_scripts_of_the_distribution_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"][cli.NAME] == "shelltool.mcp_server.cli:main"
    for target in project["scripts"].values():
        module, _, name = target.partition(":")
        assert callable(getattr(import_module(module), name))
    # A script that an installer writes starts Python with the caller's variables in force (docs/mcp-server.md).
    assert "codex-execve-wrapper" not in project["scripts"]
