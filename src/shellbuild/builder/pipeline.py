"""From a request to a result folder in the cache: look up, fetch, patch, build, check, keep."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from shellbuild.builder import bash, ncurses, zsh
from shellbuild.builder.request import BuildRequest
from shellbuild.builder.signing import sign_programs
from shellbuild.builder.workspace import Workspace, write_manifest
from shellbuild.cache import appearing_folder, cache_root, entry_lock, remove_tree
from shellbuild.console import note, step
from shellbuild.errors import StepError
from shellbuild.patching import apply_series, load_patch
from shellbuild.project import BUILD, PATCHES, host_target, load_project
from shellbuild.sources import SourceTree, copy_tree, obtain_source
from shellbuild.toolchain import Toolchain, host_toolchain, zig_toolchain

STEPS: dict[str, Callable[[Workspace], None]] = {
    "bash": bash.build,
    "ncurses": ncurses.build,
    "zsh": zsh.build,
}


def find_result(request: BuildRequest, *, quiet: bool = False) -> Path | None:
    """Give the result folder of a request if it is in the cache."""
    for provider, key in request.keys().items():
        result = _result_folder(request, key)
        if (result / "build.json").is_file():
            if not quiet:
                note(f"{request.label}: cached ({provider} source, {key[:12]})")
            return result
    return None


def build(request: BuildRequest) -> Path:
    """Give the result folder of a request, built if it isn't in the cache yet."""
    found = find_result(request)
    if found is not None:
        return found
    depends = {name: build(needed) for name, needed in request.dependencies().items()}
    tree = obtain_source(request.recipe.name, request.version, request.release.sources, request.source)
    key = request.key(tree.provider)
    result = _result_folder(request, key)
    with entry_lock(result):
        if not (result / "build.json").is_file():
            _build_fresh(request, tree, depends, result)
    return result


def _build_fresh(request: BuildRequest, tree: SourceTree, depends: dict[str, Path], result: Path) -> None:
    started = time.monotonic()
    work = cache_root() / "work"
    work.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{request.recipe.name}-", dir=work))
    try:
        workspace = Workspace(
            request=request,
            toolchain=toolchain_of(request),
            folder=folder,
            logs=_fresh_logs(request),
            depends=depends,
        )
        prepare_source(workspace, tree)
        STEPS[request.recipe.name](workspace)
        _check_and_keep(workspace, tree, result, time.monotonic() - started)
    finally:
        remove_tree(folder)


def prepare_source(workspace: Workspace, tree: SourceTree) -> None:
    """Make the work copy of the source and apply the patch series."""
    request = workspace.request
    with step(f"{request.label}: unpack and patch"):
        copy_tree(tree, workspace.source)
        if request.patched:
            apply_series([load_patch(PATCHES / name) for name in request.release.patches], workspace.source)


def _check_and_keep(workspace: Workspace, tree: SourceTree, result: Path, seconds: float) -> None:
    recipe = workspace.request.recipe
    missing = [name for name in recipe.outputs if not (workspace.result / name).is_file()]
    if missing:
        raise StepError(
            f"{workspace.request.label}: the build left no {', '.join(missing)} (outputs in the recipe)"
        )
    if workspace.request.platform.os == "macos":
        sign_programs(workspace.result)
    for name in recipe.license_files:
        workspace.keep(workspace.source / name, f"licenses/{recipe.name}/{Path(name).name}")
    write_manifest(workspace, tree.provider.value, tree.identity, seconds)
    with appearing_folder(result) as staging:
        for entry in workspace.result.iterdir():
            entry.rename(staging / entry.name)


def toolchain_of(request: BuildRequest) -> Toolchain:
    """Give the compiler of a request: zig, or the host's own for builds that look for faults."""
    if request.sanitize is not None:
        return host_toolchain(request.sanitize)
    return zig_toolchain(request.platform, load_project().platforms[host_target()])


def _fresh_logs(request: BuildRequest) -> Path:
    logs = BUILD / "logs" / request.label
    remove_tree(logs)
    return logs


def _result_folder(request: BuildRequest, key: str) -> Path:
    return cache_root() / "builds" / f"{request.label}-{key[:20]}"
