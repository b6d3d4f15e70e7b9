"""Whether the answers that a recipe gives to configure are those that a native configure finds by running programs.

Configures one shell twice for this machine, with the recipe's answers and without, and compares `config.h`.
"""

import dataclasses
import difflib
import tempfile
from pathlib import Path

from shellbuild.builder.pipeline import build, prepare_source, toolchain_of
from shellbuild.builder.request import BuildRequest
from shellbuild.builder.workspace import Workspace
from shellbuild.cache import cache_root, remove_tree
from shellbuild.project import BUILD
from shellbuild.sources import SourceTree, obtain_source
from shellbuild.toolchain import Toolchain


def compare_answers(request: BuildRequest) -> list[str]:
    """Give the lines of config.h in which the two differ, `-` native and `+` the recipe's; empty when they agree."""
    depends = {name: build(needed) for name, needed in request.dependencies().items()}
    tree = obtain_source(request.recipe.name, request.version, request.release.sources, request.source)
    given = toolchain_of(request)
    found = dataclasses.replace(given, cc=given.build_cc, cross=False)
    native, cross = (_configured(request, toolchain, depends, tree) for toolchain in (found, given))
    lines = difflib.unified_diff(native.splitlines(), cross.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in {"+++", "---"}]


def _configured(
    request: BuildRequest, toolchain: Toolchain, depends: dict[str, Path], tree: SourceTree
) -> str:
    work = cache_root() / "work"
    work.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{request.recipe.name}-answers-", dir=work))
    logs = BUILD / "logs" / f"{request.label}-answers"
    try:
        workspace = Workspace(request=request, toolchain=toolchain, folder=folder, logs=logs, depends=depends)
        prepare_source(workspace, tree)
        workspace.configure()
        return (workspace.build / "config.h").read_text(encoding="utf-8")
    finally:
        remove_tree(folder)
