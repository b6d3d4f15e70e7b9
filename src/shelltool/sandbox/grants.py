"""What a policy means for paths: who may read and write where, before anybody has looked at the files.

Pure. Owns the one form that both kinds of policy come down to; `survey` finds out what stands at those paths and
`plan` puts the two together.
"""

from dataclasses import dataclass
from enum import IntEnum

from shelltool.errors import SandboxPolicyError
from shelltool.sandbox.context import FileSystemPolicy, ProfileContext, SandboxContext
from shelltool.sandbox.paths import is_at_or_below, join, normalized
from shelltool.sandbox.permissions import (
    Disabled,
    Entry,
    External,
    GlobTarget,
    Managed,
    PathTarget,
    Profile,
    RestrictedFiles,
    SpecialPath,
    SpecialTarget,
    UnrestrictedFiles,
)
from shelltool.sandbox.policy import DangerFullAccess, ExternalSandbox, Policy, ReadOnly, WorkspaceWrite

PLATFORM_FOLDERS = (
    "/bin",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/sbin",
    "/usr",
    "/nix/store",
    "/run/current-system",
)
"""What programs need to start, where only some things can be read."""
SLASH_TMP = "/tmp"  # noqa: S108 - the policies' own name for it


class Access(IntEnum):
    """What may be done; where two grants name the same path, the greater wins."""

    READ = 1
    WRITE = 2
    DENY = 3


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be done at a path and below it, unless another grant names something inside."""

    path: str
    access: Access
    optional: bool = False
    """Whether it means nothing where the path does not exist; else the path is kept from being created."""
    scratch: bool = False
    """A folder for temporary files, which no project lives in."""


@dataclass(frozen=True, slots=True)
class DeniedPattern:
    """What is hidden: all that matches below `base` when the sandbox starts."""

    base: str
    pattern: str
    depth: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """A policy, whichever form it came in."""

    confined: bool = True
    network: bool = False
    grants: tuple[Grant, ...] = ()
    patterns: tuple[DeniedPattern, ...] = ()
    shielded: tuple[str, ...] = ()
    """What stays read-only whatever the policy says, there or not: programs and rules that we use outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a policy refers to without saying it."""

    cwd: str | None = None
    tmpdir: str | None = None
    """The server's own TMPDIR; never one that the confined side chose."""
    workspace_roots: tuple[str, ...] | None = None
    """None: the cwd is the only one."""

    @property
    def roots(self) -> tuple[str, ...]:
        """Where projects are."""
        if self.workspace_roots is None:
            return (self.needed_cwd,)
        return self.workspace_roots

    @property
    def needed_cwd(self) -> str:
        """The working folder, of a policy that can't do without."""
        if self.cwd is None:
            raise SandboxPolicyError("sandbox policy: it refers to the working folder, and none was given")
        return self.cwd

    @property
    def usable_tmpdir(self) -> str | None:
        """TMPDIR, where it names a folder that isn't everything."""
        if not self.tmpdir or not self.tmpdir.startswith("/") or normalized(self.tmpdir) == "/":
            return None
        return normalized(self.tmpdir)


UNCONFINED = Grants(confined=False, network=True)


def grants_of_policy(policy: Policy, around: Surroundings) -> Grants:
    """Say what one of the four policies allows."""
    match policy:
        case DangerFullAccess() | ExternalSandbox():
            return UNCONFINED
        case ReadOnly():
            return Grants(network=policy.network_access, grants=_readable(policy))
        case WorkspaceWrite():
            roots = [Grant(path, Access.WRITE) for path in (around.needed_cwd, *policy.writable_roots)]
            scratch = [] if policy.exclude_slash_tmp else [SLASH_TMP]
            if around.usable_tmpdir and not policy.exclude_tmpdir_env_var:
                scratch.append(around.usable_tmpdir)
            temporary = [Grant(path, Access.WRITE, optional=True, scratch=True) for path in scratch]
            return Grants(network=policy.network_access, grants=(Grant("/", Access.READ), *roots, *temporary))


def grants_of_profile(profile: Profile, around: Surroundings) -> Grants:
    """Say what a permission profile allows."""
    match profile:
        case Disabled() | External():
            return UNCONFINED
        case Managed(file_system=UnrestrictedFiles()) if profile.network == "enabled":
            return UNCONFINED
        case Managed(file_system=UnrestrictedFiles()):
            return Grants(grants=(Grant("/", Access.WRITE),))
        case Managed(file_system=RestrictedFiles() as files):
            return _of_entries(
                files.entries, files.glob_scan_max_depth, around, network=profile.network == "enabled"
            )
    raise AssertionError(profile)


def grants_of_context(context: SandboxContext, around: Surroundings) -> Grants:
    """Say what a sandbox object allows; its own folders win over those around."""
    if isinstance(context, ProfileContext):
        inside = Surroundings(
            cwd=context.cwd or around.cwd,
            tmpdir=around.tmpdir,
            workspace_roots=context.workspace_roots
            if context.workspace_roots is not None
            else around.workspace_roots,
        )
        return grants_of_profile(context.permissions, inside)
    inside = Surroundings(
        cwd=context.sandbox_policy_cwd or around.cwd,
        tmpdir=around.tmpdir,
        workspace_roots=around.workspace_roots,
    )
    coarse = grants_of_policy(context.sandbox_policy, inside)
    if context.file_system_sandbox_policy is None:
        return coarse
    return _finer(context.file_system_sandbox_policy, coarse, inside)


def may_write(grants: Grants, path: str) -> bool:
    """Tell whether a policy lets a path be written, by its text alone."""
    fitting = [grant for grant in grants.grants if is_at_or_below(path, grant.path)]
    nearest = max(fitting, key=lambda grant: (len(grant.path), grant.access), default=None)
    return not grants.confined or (nearest is not None and nearest.access is Access.WRITE)


def _readable(policy: ReadOnly) -> tuple[Grant, ...]:
    if policy.access.type == "full-access":
        return (Grant("/", Access.READ),)
    roots = tuple(Grant(path, Access.READ) for path in policy.access.readable_roots)
    return (*roots, *_platform()) if policy.access.include_platform_defaults else roots


def _platform() -> tuple[Grant, ...]:
    return tuple(Grant(path, Access.READ, optional=True) for path in PLATFORM_FOLDERS)


def _finer(files: FileSystemPolicy, coarse: Grants, around: Surroundings) -> Grants:
    if files.kind != "restricted":
        fine = UNCONFINED
    else:
        fine = _of_entries(files.entries, files.glob_scan_max_depth, around, network=coarse.network)
    excess = [g.path for g in fine.grants if g.access is Access.WRITE and not may_write(coarse, g.path)]
    if excess or (coarse.confined and not fine.confined):
        raise SandboxPolicyError(
            f"sandbox: fileSystemSandboxPolicy allows writing {', '.join(excess) or 'everything'}, sandboxPolicy does not"
        )
    return fine


def _of_entries(
    entries: tuple[Entry, ...], depth: int | None, around: Surroundings, *, network: bool
) -> Grants:
    grants: list[Grant] = []
    patterns: list[DeniedPattern] = []
    for entry in entries:
        match entry.path:
            case GlobTarget(pattern=pattern):
                patterns += _patterns(pattern, depth, around)
            case PathTarget(path=path):
                grants.append(_of_entry(entry, path))
            case SpecialTarget(value=special):
                grants += [_of_entry(entry, path, special.kind) for path in _special(special, around)]
    return Grants(network=network, grants=tuple(grants), patterns=tuple(patterns))


def _patterns(pattern: str, depth: int | None, around: Surroundings) -> list[DeniedPattern]:
    if not pattern.startswith("/"):
        return [DeniedPattern(root, pattern, depth) for root in around.roots]
    parts = pattern[1:].split("/")
    plain = next((i for i, part in enumerate(parts) if set(part) & set("*?[")), len(parts) - 1)
    return [DeniedPattern(normalized(join("/", *parts[:plain])), "/".join(parts[plain:]), depth)]


def _of_entry(entry: Entry, path: str, kind: str = "") -> Grant:
    return Grant(
        path,
        {"read": Access.READ, "write": Access.WRITE}.get(entry.access, Access.DENY),
        optional=entry.missing_path_behavior == "skip" or kind == "minimal",
        scratch=kind in {"tmpdir", "slash_tmp"},
    )


def _special(special: SpecialPath, around: Surroundings) -> tuple[str, ...]:
    if special.kind == "project_roots":
        return tuple(normalized(join(root, special.subpath or "")) for root in around.roots)
    if special.kind == "current_working_directory":
        return (around.needed_cwd,)
    if special.kind == "tmpdir":
        return (around.usable_tmpdir,) if around.usable_tmpdir else ()
    return {"root": ("/",), "minimal": PLATFORM_FOLDERS, "slash_tmp": (SLASH_TMP,)}.get(special.kind, ())
