"""Command lines that a client has already wrapped in `codex-linux-sandbox`, as older clients send them.

Such a command line names a helper on the client's machine. This takes it apart, so that the policy in it can be
enforced by an engine of this machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from shelltool.errors import SandboxPolicyError
from shelltool.sandbox.grants import Grants, Surroundings, grants_of_policy, grants_of_profile
from shelltool.sandbox.native import HELPER_NAME
from shelltool.sandbox.permissions import Profile, parse_profile
from shelltool.sandbox.policy import Policy, native_path, parse_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedCommand:
    """What such a command line says."""

    command: tuple[str, ...]
    policy: Policy | Profile
    policy_cwd: str | None = None
    command_cwd: str | None = None

    def grants(self, around: Surroundings) -> Grants:
        """Say what its policy allows; its own folder wins over that around."""
        inside = Surroundings(
            cwd=self.policy_cwd or around.cwd, tmpdir=around.tmpdir, workspace_roots=around.workspace_roots
        )
        if isinstance(self.policy, Policy):
            return grants_of_policy(self.policy, inside)
        return grants_of_profile(self.policy, inside)


def unwrap(argv: Sequence[str]) -> WrappedCommand | None:
    """Take a command line apart; None if it is not one of these, SandboxPolicyError if it is not understood."""
    if not argv or PurePosixPath(argv[0]).name != HELPER_NAME:
        return None
    words = list(argv[1:])
    options: dict[str, str] = {}
    while words and words[0] != "--":
        if len(words) < 2 or not words[0].startswith("--") or words[0] in options:  # noqa: PLR2004 - a pair
            raise SandboxPolicyError(f"{HELPER_NAME}: {words[0]!r} is not understood")
        options[words[0]] = words[1]
        del words[:2]
    if len(words) < 2:  # noqa: PLR2004 - `--` and the command
        raise SandboxPolicyError(f"{HELPER_NAME}: no command")
    found = WrappedCommand(
        command=tuple(words[1:]),
        policy=_policy(options),
        policy_cwd=_folder(options, "--sandbox-policy-cwd"),
        command_cwd=_folder(options, "--command-cwd"),
    )
    if options:
        raise SandboxPolicyError(f"{HELPER_NAME}: {', '.join(sorted(options))}: not understood")
    return found


def _policy(options: dict[str, str]) -> Policy | Profile:
    policy, profile = options.pop("--sandbox-policy", None), options.pop("--permission-profile", None)
    if profile is not None and policy is None:
        return parse_profile(profile)
    if policy is not None and profile is None:
        return parse_policy(policy)
    raise SandboxPolicyError(f"{HELPER_NAME}: one of --sandbox-policy and --permission-profile is needed")


def _folder(options: dict[str, str], name: str) -> str | None:
    value = options.pop(name, None)
    try:
        return None if value is None else native_path(value)
    except ValueError as error:
        raise SandboxPolicyError(f"{HELPER_NAME}: {name}: {error}") from error
