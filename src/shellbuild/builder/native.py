"""Builds of our own programs (`native/`): one compile each, cached by everything that goes in, like the shells.

A result holds the programs of one platform, and `build.json`.
"""

import dataclasses
import hashlib
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from shellbuild.builder.request import steps_digest
from shellbuild.builder.signing import sign_programs
from shellbuild.cache import appearing_folder, cache_root, entry_lock, remove_tree
from shellbuild.console import step
from shellbuild.native_recipe import NativeProgram, NativeRecipe
from shellbuild.platforms import Platform, pick_platform
from shellbuild.process import run_logged
from shellbuild.project import BUILD, NATIVE, host_target, load_project
from shellbuild.toolchain import Toolchain, build_environment, headers_digest, zig_identity, zig_toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeRequest:
    """Our programs for one platform."""

    recipe: NativeRecipe
    platform: Platform

    @property
    def label(self) -> str:
        """Name of this build in logs and messages."""
        return f"native-{self.platform.target}"

    @property
    def result(self) -> Path:
        """Where the result is, or will be, in the cache."""
        inputs = {
            "sources": sources_digest(),
            "recipe": dataclasses.asdict(self.recipe),
            "platform": dataclasses.asdict(self.platform),
            "toolchain": zig_identity(),
            "headers": headers_digest(self.platform),
            "steps": steps_digest(),
        }
        key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        return cache_root() / "builds" / f"{self.label}-{key[:20]}"


def make_native_request(target: str | None = None) -> NativeRequest:
    """Look up the programs of a target, by default this machine's."""
    project = load_project()
    return NativeRequest(
        recipe=project.native, platform=pick_platform(project.platforms, target or host_target())
    )


def sources_digest() -> str:
    """SHA-256 (hex) of all that stands in `native/`."""
    total = hashlib.sha256()
    for path in sorted(NATIVE.glob("*.[ch]")):
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def build_native(request: NativeRequest) -> Path:
    """Give the result folder of our programs, built if it isn't in the cache yet."""
    result = request.result
    if (result / "build.json").is_file():
        return result
    with entry_lock(result):
        if not (result / "build.json").is_file():
            _build_fresh(request, result)
    return result


def _build_fresh(request: NativeRequest, result: Path) -> None:
    started = time.monotonic()
    native = load_project().platforms[host_target()]
    toolchain = zig_toolchain(request.platform, native)
    logs = BUILD / "logs" / request.label
    remove_tree(logs)
    (cache_root() / "work").mkdir(exist_ok=True)
    with (
        appearing_folder(result) as staging,
        tempfile.TemporaryDirectory(prefix="native-", dir=cache_root() / "work") as home,
    ):
        for program in request.recipe.programs_for(request.platform):
            with step(f"{request.label}: {program.name}"):
                _compile(request, toolchain, program, staging, Path(home), logs)
        if request.platform.os == "macos":
            sign_programs(staging)
        record = {
            "source": f"sha256:{sources_digest()}",
            "toolchain": toolchain.identity,
            "seconds": round(time.monotonic() - started, 1),
        }
        (staging / "build.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _compile(
    request: NativeRequest, toolchain: Toolchain, program: NativeProgram, to: Path, home: Path, logs: Path
) -> None:
    argv: list[str | Path] = [toolchain.cc, *toolchain.cflags, *request.recipe.cflags]
    argv += [f"-ffile-prefix-map={NATIVE}=native", *toolchain.ldflags]
    argv += ["-o", to / program.name, NATIVE / program.source]
    environment = build_environment(toolchain, home=home)
    run_logged(argv, cwd=home, env=environment, log=logs / f"{program.name}.log")
    (to / program.name).chmod(0o755)
