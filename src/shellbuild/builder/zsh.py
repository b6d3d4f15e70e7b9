"""Steps of zsh: configure, link the modules in, make, keep the binary and its function library."""

import re
import shutil

from shellbuild.builder.workspace import Workspace
from shellbuild.errors import StepError, ToolchainError

SHIPPED = "shipped-functions"
"""Names of the functions that the vendor tree takes, a line each."""

_MODULE_LINE = re.compile(r"^(name=(\S+) .*)link=(\w+)( .*)$", re.MULTILINE)


def build(workspace: Workspace) -> None:
    """Leave `zsh` and `functions/` in the result."""
    _generate_configure(workspace)
    # Where CFLAGS don't reach: the preprocessor's own runs, which look for the names of curses' keys.
    workspace.configure(f"CPPFLAGS={workspace.includes()}")
    _link_modules(workspace)
    workspace.make("make")
    workspace.keep(workspace.build / "Src" / "zsh", "zsh")
    _keep_functions(workspace)


def _generate_configure(workspace: Workspace) -> None:
    if (workspace.source / "configure").is_file():
        return
    if shutil.which("autoconf") is None:
        raise ToolchainError(
            "zsh's git tree has no configure script: apt-get install autoconf, or use --source distro or archive"
        )
    workspace.run("autoconf", ["sh", "Util/preconfig"], cwd=workspace.source)


def _link_modules(workspace: Workspace) -> None:
    modules = workspace.build / "config.modules"
    text = modules.read_text(encoding="utf-8")
    if not _MODULE_LINE.search(text):
        raise StepError(f"{modules} names no module in the form that we know; compare docs/building.md")
    excluded = workspace.request.recipe.excluded_modules
    modules.write_text(_MODULE_LINE.sub(lambda line: _linked(line, excluded), text), encoding="utf-8")
    workspace.run("prep modules", ["make", "prep"])


def _linked(line: re.Match[str], excluded: tuple[str, ...]) -> str:
    wanted = "no" if line[2] in excluded else "static"
    return f"{line[1]}link={wanted}{line[4]}"


def _keep_functions(workspace: Workspace) -> None:
    staging = workspace.folder / "install"
    workspace.make("install functions", "install.fns", f"DESTDIR={staging}", "-j1")
    folders = [path.parent for path in staging.rglob("compinit")]
    if len(folders) != 1:
        raise StepError(f"install.fns left compinit in {len(folders)} folders, expected one")
    shutil.copytree(folders[0], workspace.result / "functions")
    _list_shipped(workspace)


def _list_shipped(workspace: Workspace) -> None:
    """Write down which functions the vendor tree takes; upstream installs them all into one folder."""
    wanted = {
        path.name
        for pattern in workspace.request.recipe.shipped_functions
        for path in workspace.source.glob(pattern)
    }
    names = sorted(path.name for path in (workspace.result / "functions").iterdir() if path.name in wanted)
    (workspace.result / SHIPPED).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
