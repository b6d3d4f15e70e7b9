import pytest

from shellbuild.conformance.model import ShellSet
from shellbuild.conformance.zsh_suite import ZshSuite

SUITE = ZshSuite()


@pytest.mark.parametrize(
    ("printed", "compared"),
    [
        ("in: /slot/tmp/zsh.ztst.71/ztst.in", "in: /slot/tmp/zsh.ztst.PID/ztst.in"),
        ("0.00s 1ms 294us %* %m%mm", "TIME %* %m%mm"),
        ("--- /slot/ztst.out\t2026-01-01 00:00:00.1 +0000", "--- /slot/ztst.out"),
        ("+++ /slot/ztst.tout\t2026-01-01 00:00:00.1 +0000", "+++ /slot/ztst.tout"),
        ("[1] 4711", "[1] PID"),
        ("[1]  + 4711 done       :", "[1]  + PID done       :"),
        ("[2]    4711 running    sleep 3", "[2]    PID running    sleep 3"),
        ("running:+:4711=running", "running:+:PID=running"),
        ("running::4711=running", "running::PID=running"),
        ("/slot/tree/Test/procsubst.tmp/exitjBmOeB", "/slot/tree/Test/procsubst.tmp/exitRANDOM"),
        ("(eval):2: command not found: nosuchcommand31", "(eval):2: command not found: nosuchcommandRANDOM"),
        ("delete all 25 files in / [yn]? \x07n", "delete all 25 files in / [yn]? \x07"),
    ],
)
def test_what_differs_by_nature_is_hidden(printed, compared):
    text = f"before\n{printed}\nafter\n".encode()
    assert SUITE.normalise(text, 71) == f"before\n{compared}\nafter\n".encode()


@pytest.mark.parametrize(
    "printed",
    [
        "in: /slot/tmp/zsh.ztst.72/ztst.in",
        "[1] 4711 done",
        "x [1] 4711",
        "[1]  + done       :",
        "0.00s",
        "running:+:4711",
        "4711",
        "[yn]? n",
        "--- a/file 2026-01-01",
    ],
)
def test_what_only_looks_like_it_is_not(printed):
    text = f"before\n{printed}\nafter\n".encode()
    assert SUITE.normalise(text, 71) == text


@pytest.fixture
def shells(tmp_path):
    tree = tmp_path / "tree"
    for name in ("Test", "Functions/Misc", "Completion/Base", "Src/Zle", "Src/Modules"):
        (tree / name).mkdir(parents=True)
    for name in ("Test/A.ztst", "Test/ztst.zsh", "Functions/Misc/f", "Completion/Base/_f", "Src/main.c"):
        (tree / name).touch()
    for place, name in (("Src/zsh", "zsh/main"), ("Src/Zle/zle", "zsh/zle"), ("Src/Modules/cap", "zsh/cap")):
        (tree / f"{place}.mdd").write_text(f"name={name}\nlink=dynamic\n", encoding="utf-8")
    zsh = tmp_path / "zsh"
    zsh.write_text('#!/bin/sh\n[ "$2" != "zmodload zsh/cap" ]\n', encoding="utf-8")
    zsh.chmod(0o755)
    library = tmp_path / "library"
    library.mkdir()
    (library / "compinit").touch()
    return ShellSet(name="zsh", release="1", unpatched=zsh, patched=zsh, tree=tree, functions=library)


def test_the_modules_of_the_shell_itself_are_listed_main_first(shells, tmp_path):
    SUITE.prepare(shells, tmp_path)
    lines = (tmp_path / "config.modules").read_text(encoding="utf-8").splitlines()
    assert [line.split(" auto=")[0] for line in lines] == [
        "name=zsh/main modfile=Src/zsh.mdd link=static",
        "name=zsh/cap modfile=Src/Modules/cap.mdd link=no",
        "name=zsh/zle modfile=Src/Zle/zle.mdd link=static",
    ]


def test_a_slot_looks_like_a_tree_that_zsh_was_built_in(shells, tmp_path):
    slot = tmp_path / "slot"
    SUITE.prepare(shells, tmp_path)
    SUITE.furnish(shells, tmp_path, slot)
    found = {str(path.relative_to(slot / "tree")) for path in slot.rglob("*") if path.is_file()}
    assert {"Test/A.ztst", "Functions/Misc/f", "Completion/Base/_f", "config.modules", "config.h"} <= found
    assert {"Src/Zle/zle.mdd", "Src/functions/compinit"} <= found
    assert "Src/main.c" not in found
    assert SUITE.scripts(slot / "tree") == ["A.ztst"]
