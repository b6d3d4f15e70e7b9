"""`dist/<product>-<version>.cdx.json`: what every program of a release is made of, as a CycloneDX 1.6 document.

Each program of each target is a component with its digests, licence, upstream version and pedigree (commit and patches);
what is linked into it are components that it depends on. No time and no random number is in it.
https://cyclonedx.org/docs/1.6/json/
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import (
    Commit,
    Component,
    ComponentType,
    Diff,
    Patch,
    PatchClassification,
    Pedigree,
)
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6

from shellbuild.manifest import Manifest, VendoredFile, load_manifest, verify
from shellbuild.platforms import Platform
from shellbuild.project import DIST, SHELLS, VENDOR, load_project
from shellbuild.recipe import Recipe
from shellbuild.release_plan import PACKAGE, Plan, default_tag, plan_release, sbom_name
from shellbuild.tarball import EPOCH
from shellbuild.toolchain import zig_identity
from shellbuild.version import repository
from shellbuild.whole_files import write_whole

BUILT = datetime.fromtimestamp(EPOCH, UTC)
"""What all our archives say instead of the time."""

_NAMESPACE = uuid.UUID("8a4a4c8e-7f0c-5d0e-9d39-5d5b4a1f3c11")
"""Of our serial numbers, which are made of the content."""


def write_sbom(*, tag: str | None = None, vendor: Path = VENDOR, dist: Path = DIST) -> Path:
    """Write the document of a tag's release, by default this checkout's, from a verified vendor tree; give its path."""
    plan = plan_release(tag or default_tag())
    manifest = load_manifest(vendor)
    verify(vendor, manifest.targets)
    dist.mkdir(parents=True, exist_ok=True)
    return write_whole(dist / sbom_name(plan.product.name, plan.version), sbom_text(manifest, plan))


def sbom_text(manifest: Manifest, plan: Plan) -> str:
    """Render the document: of every program, or, of a shell's own release, of that shell's alone."""
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, f"{plan.tag}\n{manifest.text()}"))
    bom.metadata.timestamp = BUILT
    product = Component(
        name=plan.product.name,
        version=plan.version.semver,
        type=ComponentType.APPLICATION,
        bom_ref=plan.product.name,
        licenses=[LicenseExpression(_license(plan))],
    )
    bom.metadata.component = product
    libraries = _libraries()
    for library in libraries.values():
        bom.components.add(library)
    programs = [
        (file, _program(file, plan))
        for file in manifest.files
        if file.role == "program" and plan.product.has(file.component)
    ]
    for file, component in programs:
        bom.components.add(component)
        platform = load_project().platforms[file.target]
        bom.register_dependency(
            component, [libraries[name] for name in linked_names(file.component, platform)]
        )
    bom.register_dependency(product, [component for _, component in programs])
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def linked_names(component: str, platform: Platform) -> list[str]:
    """Name what is linked into a program, as `_libraries` calls it."""
    recipe = load_project().recipes.get(component)
    names = [*recipe.depends, "zig"] if recipe else ["zig"]
    return [*names, "musl"] if platform.os == "linux" else names


def _license(plan: Plan) -> str:
    project = load_project()
    if plan.product.packaged:
        return project.native.license
    return " AND ".join(project.recipes[name].license for name in plan.product.shells)


def _program(file: VendoredFile, plan: Plan) -> Component:
    project = load_project()
    recipe = project.recipes.get(file.component)
    facts = {"target": file.target, "path": file.path, "toolchain": file.toolchain, "blake3": file.blake3}
    facts |= {"patch-digest": file.patch_digest} if file.patch_digest else {}
    facts |= {"source-sha256": file.source_sha256} if file.source_sha256 else {}
    facts |= {"commit": file.commit} if file.commit else {}
    return Component(
        name=file.component,
        version=file.upstream_version,
        type=ComponentType.APPLICATION,
        bom_ref=file.path,
        licenses=[LicenseExpression((recipe or project.native).license)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
        external_references=_links([recipe.homepage] if recipe else []),
        pedigree=_pedigree(file, recipe, plan) if recipe else None,
        properties=[Property(name=f"{PACKAGE}:{name}", value=value) for name, value in sorted(facts.items())],
    )


def _pedigree(file: VendoredFile, recipe: Recipe, plan: Plan) -> Pedigree:
    upstream = Component(
        name=recipe.name, version=file.upstream_version, licenses=[LicenseExpression(recipe.license)]
    )
    base = f"https://github.com/{repository()}/blob/{plan.tag}/patches"
    patches = [
        Patch(type=PatchClassification.UNOFFICIAL, diff=Diff(url=XsUri(f"{base}/{name}")))
        for name in recipe.releases[file.upstream_version].patches
    ]
    commits = [Commit(uid=file.commit)] if file.commit else []
    return Pedigree(ancestors=[upstream], commits=commits, patches=patches)


def _libraries() -> dict[str, Component]:
    recipes = load_project().recipes
    linked = sorted({name for shell in SHELLS for name in recipes[shell].depends})
    version = zig_identity().split()[1]
    found = {
        name: Component(
            name=name,
            version=recipes[name].default_release,
            type=ComponentType.LIBRARY,
            bom_ref=name,
            licenses=[LicenseExpression(recipes[name].license)],
            external_references=_links([recipes[name].homepage]),
        )
        for name in linked
    }
    for name, what, home in (
        ("musl", "C library of the Linux programs, as zig brings it", "https://musl.libc.org/"),
        ("zig", "compiler runtime that zig links in", "https://ziglang.org/"),
    ):
        found[name] = Component(
            name=name,
            version=f"zig {version}",
            description=what,
            type=ComponentType.LIBRARY,
            bom_ref=name,
            licenses=[LicenseExpression("MIT")],
            external_references=_links([home]),
        )
    return found


def _links(urls: Iterable[str]) -> list[ExternalReference]:
    return [ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(url)) for url in urls]
