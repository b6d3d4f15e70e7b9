"""What changed between two releases, from their manifests alone."""

from dataclasses import dataclass

from shellbuild.manifest import Manifest, VendoredFile


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One file that is not as it was."""

    path: str
    kind: str
    before: int | None
    now: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All differences, and the reasons that the manifests tell."""

    since: str
    facts: tuple[str, ...]
    files: tuple[FileChange, ...]


def compare(old: Manifest, new: Manifest) -> Changes:
    """Compare the manifest of the last release with this one's."""
    before = {file.path: file for file in old.files}
    now = {file.path: file for file in new.files}
    files = []
    for path in sorted(before.keys() | now.keys()):
        change = _change(path, before.get(path), now.get(path))
        if change is not None:
            files.append(change)
    return Changes(since=old.version, facts=tuple(_facts(old, new)), files=tuple(files))


def _change(path: str, before: VendoredFile | None, now: VendoredFile | None) -> FileChange | None:
    if before is None and now is not None:
        return FileChange(path=path, kind="new", before=None, now=now.size)
    if now is None and before is not None:
        return FileChange(path=path, kind="gone", before=before.size, now=None)
    if before and now and (before.sha256, before.mode) != (now.sha256, now.mode):
        kind = "changed" if before.sha256 != now.sha256 else f"mode {before.mode} to {now.mode}"
        return FileChange(path=path, kind=kind, before=before.size, now=now.size)
    return None


def _facts(old: Manifest, new: Manifest) -> list[str]:
    before, now = _origins(old), _origins(new)
    facts = []
    for component in sorted(before.keys() & now.keys()):
        for what in before[component]:
            was, is_now = before[component][what], now[component][what]
            if was != is_now:
                facts.append(f"{component}: {what} {', '.join(was)} is now {', '.join(is_now)}")
    return facts


def _origins(manifest: Manifest) -> dict[str, dict[str, tuple[str, ...]]]:
    """Give what each component's programs are made of."""
    found: dict[str, dict[str, set[str]]] = {}
    for file in manifest.files:
        if file.role != "program":
            continue
        facts = {
            "version": file.upstream_version,
            "source": (file.commit or file.source_sha256 or "unknown")[:12],
            "patch": (file.patch_digest or "none")[:12],
            "toolchain": file.toolchain,
        }
        component = found.setdefault(file.component, {what: set() for what in facts})
        for what, value in facts.items():
            component[what].add(value)
    return {
        component: {what: tuple(sorted(values)) for what, values in facts.items()}
        for component, facts in found.items()
    }
