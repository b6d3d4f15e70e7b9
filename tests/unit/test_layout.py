"""The arrows of the design, walked over the imports, and rules of the layout that nothing else checks."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
MODULES = sorted(SRC.rglob("*.py"))
LONGEST_MODULE = 310
LONGEST_FUNCTION = 60
BELOW_THE_SERVERS = (
    "shelltool/escalation",
    "shelltool/execpolicy",
    "shelltool/sandbox",
    "shelltool/rules",
    "shelltool/environment.py",
)


@cache
def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def importers(package: str, forbidden: str) -> list[str]:
    place = SRC / package
    modules = [place] if place.is_file() else list(place.rglob("*.py"))
    assert modules
    return [
        f"{path.relative_to(SRC)} imports {name}"
        for path in modules
        for name in imports_of(path)
        if name == forbidden or name.startswith(forbidden + ".")
    ]


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("shelltool", "shellbuild"),
        ("shellbuild", "shelltool"),
        ("shellbuild/sources", "shellbuild.builder"),
        ("shellbuild/builder", "shellbuild.vendor"),
        ("shellbuild/builder", "shellbuild.conformance"),
        ("shelltool/escalation", "mcp"),
        ("shelltool/execpolicy", "shelltool.escalation"),
        ("shelltool/execpolicy", "shelltool.rules"),
        ("shelltool/escalation", "shelltool.rules"),
        ("shelltool/sandbox", "shelltool.escalation"),
        ("shelltool/sandbox", "shelltool.rules"),
        ("shelltool/rules", "mcp"),
        ("shelltool/exec_server", "mcp"),
        ("shelltool/exec_server", "shelltool.mcp_server"),
        *((package, "shelltool.exec_server") for package in BELOW_THE_SERVERS),
        *((package, "shelltool.mcp_server") for package in BELOW_THE_SERVERS),
        ("shelltool/mcp_server", "shelltool.exec_server"),
    ],
)
def test_arrows_go_one_way(package, forbidden):
    assert importers(package, forbidden) == []


@pytest.mark.parametrize("package", ["shellbuild", "shelltool"])
def test_only_the_command_line_exits(package):
    exits = [
        str(path.relative_to(SRC))
        for path in (SRC / package).rglob("*.py")
        if "sys.exit" in path.read_text(encoding="utf-8")
        and path.name not in {"cli.py", "keeper.py"}  # the keeper is a program of its own
    ]
    assert exits == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_modules_and_functions_stay_small_and_named_for_what_they_hold(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_MODULE
    assert path.stem not in {"utils", "helpers", "common", "misc", "manager"} | set(
        sys.stdlib_module_names
    ) - {"ast"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


def test_template_folders_hold_no_python():
    assert [*(ROOT / "packaging").rglob("*.py"), *(ROOT / "dotslash").rglob("*.py")] == []
