"""A build in progress: its folders, its compiler, and the few verbs that the steps are written with.

Everything lies below one temporary folder that goes with the build; only logs stay, below `build/logs/`.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from shellbuild.builder.request import BuildRequest
from shellbuild.console import step
from shellbuild.errors import StepError
from shellbuild.process import run_logged
from shellbuild.recipe import Configure
from shellbuild.toolchain import Toolchain, build_environment

LEFT_OUT = ("dlopen", "iconv")
"""In the names of answers that are decisions: true ones, but for what we don't want to have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Folders and settings of one build."""

    request: BuildRequest
    toolchain: Toolchain
    folder: Path
    logs: Path
    depends: dict[str, Path]
    settings: Configure = field(init=False)

    def __post_init__(self) -> None:
        """Choose the recipe's settings once; the overrides of a target don't hold for the host's own libraries."""
        recipe = self.request.recipe
        own = self.toolchain.configure_host is None
        settings = recipe.configure if own else recipe.configure_for(self.request.platform.target)
        object.__setattr__(self, "settings", settings)
        for path in (self.build, self.result, self.home):
            path.mkdir(parents=True, exist_ok=True)

    @property
    def source(self) -> Path:
        """The patched work copy of the source tree."""
        return self.folder / "source"

    @property
    def build(self) -> Path:
        """Where configure and make run."""
        return self.folder / "build"

    @property
    def result(self) -> Path:
        """What is kept."""
        return self.folder / "result"

    @property
    def home(self) -> Path:
        """HOME and TMPDIR of all steps."""
        return self.folder / "home"

    def cflags(self) -> str:
        """Compiler flags, with paths of this machine mapped away."""
        maps = (f"-ffile-prefix-map={self.source}=.", f"-ffile-prefix-map={self.build}=.")
        return " ".join([*self.toolchain.cflags, *maps, *self.settings.cflags, self.includes()])

    def includes(self) -> str:
        """Where the headers of the linked libraries are."""
        return " ".join(f"-I{path / 'include'}" for path in self.linked())

    def ldflags(self) -> str:
        """Linker flags."""
        return " ".join([*self.toolchain.ldflags, *(f"-L{path / 'lib'}" for path in self.linked())])

    def linked(self) -> list[Path]:
        """Results that go into this one, and not those that only hold tools."""
        return [path for name, path in self.depends.items() if name in self.request.recipe.depends]

    def run(self, title: str, argv: list[str | Path], *, cwd: Path | None = None) -> None:
        """Run one child as a step with a log file of its own."""
        with step(f"{self.request.label}: {title}"):
            run_logged(argv, cwd=cwd or self.build, env=self.environment(), log=self.log(title))

    def log(self, title: str) -> Path:
        """The log file of a step, numbered in the order in which steps began."""
        self.logs.mkdir(parents=True, exist_ok=True)
        name = title.replace(" ", "-")
        known = sorted(self.logs.glob(f"??-{name}.log"))
        return known[0] if known else self.logs / f"{len(list(self.logs.glob('*.log'))) + 1:02}-{name}.log"

    def environment(self) -> dict[str, str]:
        """Environment of a step, with configure's answers for this target."""
        env = build_environment(self.toolchain, home=self.home)
        if not self.toolchain.cross:
            # A native configure finds its own answers, but for those that keep something out of the shell on purpose.
            answers = {k: v for k, v in self.settings.site.items() if any(word in k for word in LEFT_OUT)}
        else:
            answers = self.settings.site
        site = self.folder / "config.site"
        site.write_text("".join(f"{key}='{value}'\n" for key, value in answers.items()), encoding="utf-8")
        return {**env, "CONFIG_SITE": str(site)}

    def configure(self, *extra: str) -> None:
        """Run configure out of tree; on failure config.log joins the logs."""
        argv: list[str | Path] = [self.source / "configure", "--prefix=/usr", *self.host_arguments()]
        argv += [*self.settings.arguments, *extra]
        argv += [f"CC={self.toolchain.cc}", f"AR={self.toolchain.ar}", f"RANLIB={self.toolchain.ranlib}"]
        # gettext's checks insist on a linker, though nothing is linked with it.
        argv += [f"LD={self.toolchain.ld}", f"CFLAGS={self.cflags()}", f"LDFLAGS={self.ldflags()}"]
        try:
            self.run("configure", argv)
        except StepError:
            if (self.build / "config.log").is_file():
                shutil.copyfile(self.build / "config.log", self.logs / "config.log")
            raise

    def host_arguments(self) -> list[str]:
        """Always cross-compile, also for this very machine: the answers then don't depend on the machine.

        The one build triple, which differs from every host triple, makes configure do so.
        """
        if self.toolchain.configure_host is None:
            return []
        build = "x86_64-pc-linux-gnu" if self.toolchain.cross else self.toolchain.configure_host
        return [f"--host={self.toolchain.configure_host}", f"--build={build}"]

    def make(self, title: str, *arguments: str | Path) -> None:
        """Run make in the build folder."""
        self.run(title, ["make", f"-j{self.request.jobs}", *self.settings.make, *arguments])

    def keep(self, built: Path, name: str) -> None:
        """Move one built file into the result."""
        target = self.result / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(built, target)
        target.chmod(0o755 if os.access(built, os.X_OK) else 0o644)


def replace_once(path: Path, old: str, new: str) -> None:
    """Edit a text file; raise StepError unless `old` stands in it exactly once."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    if text.count(old) != 1:
        raise StepError(f"{path.name}: expected {old!r} once, found it {text.count(old)} times")
    path.write_text(text.replace(old, new), encoding="utf-8", errors="surrogateescape")


def write_manifest(workspace: Workspace, provider: str, identity: str, seconds: float) -> None:
    """Record what a result is made of, beside it."""
    files = sorted(path for path in workspace.result.rglob("*") if path.is_file())
    manifest = {
        "recipe": workspace.request.recipe.name,
        "version": workspace.request.version,
        "target": workspace.request.place,
        "provider": provider,
        "source": identity,
        "patched": workspace.request.patched,
        "toolchain": workspace.toolchain.identity,
        "seconds": round(seconds, 1),
        "files": {
            str(path.relative_to(workspace.result)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        },
    }
    target = workspace.result / "build.json"
    target.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
