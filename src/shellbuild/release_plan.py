"""From a tag to what its release consists of: version in each spelling, npm dist-tag, file names.

Owns the names of released files; makes none of them. `vX.Y.Z` releases everything, `codex-bash-vX.Y.Z` and
`codex-zsh-vX.Y.Z` one shell without the packages. Every tag but stable and alpha ones is refused with the reason.
"""

from dataclasses import dataclass
from typing import Any

from shellbuild.errors import ReleaseError
from shellbuild.platforms import Platform
from shellbuild.project import SHELLS, load_project
from shellbuild.version import ReleaseVersion, parse_version, project_version

PACKAGE = "codex-shell-tool-mcp"
MODULE_NAME = PACKAGE.replace("-", "_")
REGISTRIES = ("npm", "pypi")
CHECKSUMS = "SHA256SUMS"
REPORT = "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Something that has releases of its own."""

    name: str
    tag_prefix: str
    shells: tuple[str, ...]
    packaged: bool

    def has(self, component: str) -> bool:
        """Whether its releases hold a component of the vendor tree; the packages hold all of it."""
        return self.packaged or component in self.shells


PRODUCTS = (
    *(
        Product(name=f"codex-{shell}", tag_prefix=f"codex-{shell}-v", shells=(shell,), packaged=False)
        for shell in SHELLS
    ),
    Product(name=PACKAGE, tag_prefix="v", shells=SHELLS, packaged=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a tag stands for."""

    tag: str
    product: Product
    version: ReleaseVersion

    @property
    def is_of_this_checkout(self) -> bool:
        """Whether this checkout would make the release; a shell's own version is that of its tag alone."""
        return not self.product.packaged or self.version == project_version()

    @property
    def dist_tag(self) -> str:
        """Name under which npm offers the version, and others say that it is a pre-release."""
        return "latest" if self.version.alpha is None else "alpha"

    def as_json(self) -> dict[str, Any]:
        """Give the plan as `nox -s release_plan` prints it."""
        return {
            "tag": self.tag,
            "product": self.product.name,
            "version": self.version.semver,
            "pep440_version": self.version.pep440,
            "dist_tag": self.dist_tag,
            "prerelease": self.version.alpha is not None,
            # Of a tag that was not refused, always: the key is for those who only read the JSON.
            "publish": True,
            "registries": list(REGISTRIES if self.product.packaged else ()),
            "files": self.files(),
        }

    def files(self) -> dict[str, list[str]]:
        """Name the release's files by kind."""
        platforms = tuple(load_project().platforms.values())
        version = self.version
        shells = self.product.shells
        files = {
            "archives": [archive_name(shell, version, row.target) for shell in shells for row in platforms],
            "sources": [source_name(shell, version) for shell in shells],
            "functions": [functions_name(version)] if "zsh" in shells else [],
            "sbom": [sbom_name(self.product.name, version)],
            "checksums": [CHECKSUMS],
            "report": [REPORT],
        }
        if self.product.packaged:
            files["npm"] = [npm_name(version)]
            files["wheels"] = [wheel_name(version, row) for row in (*platforms, None)]
            files["sdist"] = [sdist_name(version)]
        return files

    def file_names(self) -> list[str]:
        """Name all of the release's files."""
        return [name for names in self.files().values() for name in names]


def plan_release(tag: str, *, only_this_version: bool = False) -> Plan:
    """Read a tag; with `only_this_version` also insist that it is the one that this checkout would make."""
    product = next((one for one in PRODUCTS if tag.startswith(one.tag_prefix)), None)
    if product is None:
        forms = ", ".join(f"{one.tag_prefix}X.Y.Z" for one in PRODUCTS)
        raise ReleaseError(f"tag {tag!r} is none of ours: they are {forms}, each also with -alpha.N")
    try:
        version = parse_version(tag.removeprefix(product.tag_prefix))
    except ReleaseError as error:
        raise ReleaseError(f"tag {tag!r} is not released") from error
    plan = Plan(tag=tag, product=product, version=version)
    if only_this_version and not plan.is_of_this_checkout:
        raise ReleaseError(
            f"tag {tag!r} is not this checkout's version, {project_version().semver}: change `version` in pyproject.toml"
        )
    return plan


def default_tag() -> str:
    """Give the tag of this checkout's own version."""
    return f"v{project_version().semver}"


def archive_name(shell: str, version: ReleaseVersion, target: str) -> str:
    """Name the archive of one shell for one target."""
    return f"codex-{shell}-{version.semver}-{target}.tar.gz"


def source_name(shell: str, version: ReleaseVersion) -> str:
    """Name the archive of the exact source of one shell: upstream's tree, patches, recipe."""
    return f"codex-{shell}-{version.semver}-source.tar.gz"


def functions_name(version: ReleaseVersion) -> str:
    """Name the archive of zsh's whole function library; the vendored one is a part of it."""
    return f"codex-zsh-functions-{version.semver}.tar.gz"


def sbom_name(product: str, version: ReleaseVersion) -> str:
    """Name the bill of materials (CycloneDX)."""
    return f"{product}-{version.semver}.cdx.json"


def npm_name(version: ReleaseVersion) -> str:
    """Name the npm tarball."""
    return f"{PACKAGE}-npm-{version.semver}.tgz"


def wheel_name(version: ReleaseVersion, platform: Platform | None) -> str:
    """Name the wheel of a platform, or the pure one."""
    return f"{MODULE_NAME}-{version.pep440}-{wheel_tag(platform)}.whl"


def wheel_tag(platform: Platform | None) -> str:
    """Give the compressed tag set: static binaries need nothing of the C library, so one wheel serves several."""
    return f"py3-none-{'.'.join(sorted(platform.wheel_tags)) if platform else 'any'}"


def sdist_name(version: ReleaseVersion) -> str:
    """Name the source distribution of the runtime."""
    return f"{MODULE_NAME}-{version.pep440}.tar.gz"
