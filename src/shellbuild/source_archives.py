"""`dist/codex-<shell>-<version>-source.tar.gz`: the exact source that corresponds to the shipped binaries of a shell.

Upstream's source as it was fetched, of the shell and of the libraries linked into it, in the form of a source cache;
patches, recipes and this toolkit; the C library's source from zig; REBUILD.md with the commands and the digests that
must come out. bash is under the GPL, which asks for this; zsh gets the same.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shellbuild.budgets import check_budgets
from shellbuild.builder import BuildRequest, build, make_request
from shellbuild.console import step
from shellbuild.errors import ReleaseError
from shellbuild.manifest import Manifest, load_manifest, verify
from shellbuild.origins import origin_problems, source_provider
from shellbuild.project import DIST, ROOT, VENDOR, host_target
from shellbuild.release_plan import default_tag, plan_release, source_name
from shellbuild.sources import SourceTree, obtain_source
from shellbuild.tarball import Member, write_tarball
from shellbuild.templates import render
from shellbuild.toolchain import zig_identity, zig_program
from shellbuild.version import ReleaseVersion
from shellbuild.whole_files import appearing_files

TOOLKIT = (
    *("LICENSE", "README.md", "noxfile.py", "pyproject.toml", "docs/building.md", "scripts/*.py"),
    *(
        "native/**/*.[ch]",
        "patches/*.patch",
        "recipes/*.toml",
        "src/shellbuild/**/*.py",
        "src/shellbuild/**/*.c",
    ),
)
RUNTIME = (
    "LICENSE",
    "lib/compiler_rt.zig",
    "lib/compiler_rt/**/*",
    "lib/libc/musl/**/*",
    "lib/c.zig",
    "lib/c/**/*",
)
"""Of zig: what it compiles into every program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """The source of one recipe, as the build used it."""

    request: BuildRequest
    tree: SourceTree
    top: str

    @property
    def place(self) -> str:
        """Where it is in the archive."""
        kind, _, pin = self.tree.identity.partition(":")
        if self.tree.original is not None:
            return f"cache/sources/downloads/{pin}"
        return f"cache/sources/trees/{kind}-{pin}"

    @property
    def what(self) -> str:
        """Say what it is."""
        sources = self.request.release.sources
        name = f"{self.request.recipe.name} {self.request.version}"
        if self.tree.provider == "git" and sources.git is not None:
            return f"{name}: commit {sources.git.commit} of {sources.git.repository}"
        if self.tree.provider == "archive" and sources.archive is not None:
            return f"{name}: {sources.archive.url}, under its sha256"
        tarball = sources.distro.tarball if sources.distro is not None else "a tarball"
        return f"{name}: {tarball} of the distribution's source package, under its sha256"

    def members(self) -> Iterator[Member]:
        """Give it as the source cache holds it."""
        if self.tree.original is not None:
            yield Member(name=f"{self.top}/{self.place}", content=self.tree.original.read_bytes())
            return
        entry = self.tree.path.parent
        for path in sorted(entry.rglob("*")):
            name = f"{self.top}/{self.place}/{path.relative_to(entry).as_posix()}"
            status = path.lstat()
            mode, time = status.st_mode & 0o777, int(status.st_mtime)
            if path.is_symlink():
                yield Member(name=name, mode=mode, time=time, link=str(path.readlink()))
            elif path.is_file():
                yield Member(name=name, content=path.read_bytes(), mode=mode, time=time)


def write_source_archives(*, tag: str | None = None, vendor: Path = VENDOR, dist: Path = DIST) -> list[Path]:
    """Pack the source of each shell that a tag releases from this vendor tree; give the archives."""
    plan = plan_release(tag or default_tag())
    manifest = load_manifest(vendor)
    verify(vendor, manifest.targets)
    names = [source_name(shell, plan.version) for shell in plan.product.shells]
    with appearing_files(dist) as staging:
        for shell, name in zip(plan.product.shells, names, strict=True):
            with step(f"source of {shell}"):
                write_tarball(staging / name, source_members(shell, manifest, plan.version))
        check_budgets(staging / name for name in names)
    return [dist / name for name in names]


def source_members(shell: str, manifest: Manifest, version: ReleaseVersion) -> list[Member]:
    """Give the members of one shell's source archive in the release of that version."""
    top = source_name(shell, version).removesuffix(".tar.gz")
    request = make_request(shell, target=host_target(), source=_used_source(shell, manifest))
    linked = [found for name, found in request.dependencies().items() if name in request.recipe.depends]
    upstreams = [_upstream(found, top) for found in (request, *linked)]
    text = _instructions(upstreams, manifest, version)
    return [
        Member(name=f"{top}/REBUILD.md", content=text.encode()),
        *(member for upstream in upstreams for member in upstream.members()),
        *_folder_members(ROOT, (*TOOLKIT, "packaging/source/*"), top),
        *_folder_members(zig_program().parent, RUNTIME, f"{top}/toolchain"),
    ]


def _upstream(request: BuildRequest, top: str) -> Upstream:
    record = json.loads((build(request) / "build.json").read_text(encoding="utf-8"))
    tree = obtain_source(
        request.recipe.name, request.version, request.release.sources, str(record["provider"])
    )
    return Upstream(request=request, tree=tree, top=top)


def _used_source(shell: str, manifest: Manifest) -> str:
    """Give the provider of the source that the shell's programs were made of, as long as all else that is packed is theirs."""
    files = [file for file in manifest.files if file.component == shell]
    problems = origin_problems(files) if files else [f"there is no {shell}"]
    if problems:
        raise ReleaseError(
            "\n".join(["the source would not be that of the programs; run `nox -s vendor`:", *problems])
        )
    return source_provider(shell, files)


def _instructions(upstreams: list[Upstream], manifest: Manifest, version: ReleaseVersion) -> str:
    request = upstreams[0].request
    name = request.recipe.name
    programs = [file for file in manifest.files if file.component == name and file.role == "program"]
    return render(
        "source/REBUILD.md.j2",
        name=name,
        version=version.semver,
        upstream_version=request.version,
        provider=str(upstreams[0].tree.provider),
        sources=[{"path": upstream.place, "what": upstream.what} for upstream in upstreams],
        libraries=request.recipe.depends,
        patches=request.release.patches,
        toolchain=zig_identity(),
        targets=[file.target for file in programs],
        programs=[{"target": file.target, "sha256": file.sha256} for file in programs],
    )


def _folder_members(folder: Path, patterns: tuple[str, ...], top: str) -> Iterator[Member]:
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    for path in sorted(found):
        # The run bit is all that is told of a mode: the rest is the umask of whoever checked this out.
        mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
        yield Member(
            name=f"{top}/{path.relative_to(folder).as_posix()}", content=path.read_bytes(), mode=mode
        )
