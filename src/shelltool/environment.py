"""Which variables a command gets: a policy over the server's own environment, and what a request sets on top.

Owns the policy's steps and its patterns. Shared by the servers; knows nothing of either.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

CORE = frozenset({
    "PATH", "SHELL", "TMPDIR", "TEMP", "TMP", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "USER",
})  # fmt: skip
"""What `core` inherits; case does not count."""

SECRETS = ("*KEY*", "*SECRET*", "*TOKEN*")
"""Dropped unless the policy says otherwise."""

NEVER_INHERITED = frozenset({
    "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN", "NODE_REPL_AUTH_TOKEN", "OPENAI_FEDERATION_RULE_ID",
    "OPENAI_IDENTITY_TOKEN_FILE", "OPENAI_WORKLOAD_IDENTITY_CONTEXT",
})  # fmt: skip
"""Credentials of the server itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InheritancePolicy:
    """What is inherited. The steps are those of `inherited`."""

    inherit: Literal["all", "core", "none"] = "all"
    ignore_default_excludes: bool = False
    exclude: Sequence[str] = ()
    set: Mapping[str, str] = field(default_factory=dict)
    include_only: Sequence[str] = ()


def forget_coerced_locale() -> None:
    """Drop the LC_CTYPE that Python has set for itself where the locale is C (PEP 538), for commands would inherit it.

    Nobody asked for it, and programs would load that locale's files at every start. What this process was started
    with is known on Linux only.
    """
    try:
        given = Path("/proc/self/environ").read_bytes()
    except OSError:
        return
    if not any(entry.startswith(b"LC_CTYPE=") for entry in given.split(b"\0")):
        os.environ.pop("LC_CTYPE", None)


def inherited(own: Mapping[str, str], policy: InheritancePolicy) -> dict[str, str]:
    """Apply a policy to the server's own environment.

    1. Take all, the core or nothing.
    2. Unless told otherwise, drop what has a name like a secret's.
    3. Drop what the policy excludes.
    4. Set what the policy sets.
    5. If it names what to include, keep only that.
    6. Drop the server's own credentials.
    """
    variables = {name: value for name, value in own.items() if _is_taken(name, policy.inherit)}
    excluded = [*policy.exclude, *(() if policy.ignore_default_excludes else SECRETS)]
    variables = {name: value for name, value in variables.items() if not _matches(name, excluded)}
    variables.update(policy.set)
    if policy.include_only:
        variables = {name: value for name, value in variables.items() if _matches(name, policy.include_only)}
    return without_credentials(variables)


def without_credentials(own: Mapping[str, str]) -> dict[str, str]:
    """Drop the server's own credentials, for whatever is not the server itself."""
    return {name: value for name, value in own.items() if name.upper() not in NEVER_INHERITED}


def child_environment(
    own: Mapping[str, str], policy: InheritancePolicy | None, given: Mapping[str, str]
) -> dict[str, str]:
    """Give the environment of a child: without a policy just what is given, which no policy filters."""
    return {**inherited(own, policy), **given} if policy else dict(given)


def _is_taken(name: str, inherit: Literal["all", "core", "none"]) -> bool:
    return inherit == "all" or (inherit == "core" and name.upper() in CORE)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    lowered = name.lower()
    return any(_match(lowered, pattern.lower()) for pattern in patterns)


def _match(name: str, pattern: str) -> bool:
    """Match a whole name: `*` is anything, `?` one character, nothing else is special.

    Goes back to the last star only, so that no pattern takes long; a regular expression would try them all.
    """
    at = place = 0
    star, resumed = -1, 0
    while at < len(name):
        if place < len(pattern) and pattern[place] == "*":
            star, resumed = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in {"?", name[at]}:
            at, place = at + 1, place + 1
        elif star >= 0:
            resumed += 1
            at, place = resumed, star + 1
        else:
            return False
    return not pattern[place:].strip("*")
