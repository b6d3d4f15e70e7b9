"""What a client asks for: the sandbox policies in their JSON form, as immutable models.

Owns the four policies that are told apart by `type`. The newer form, a list of entries, is `permissions`; the objects
that carry either of them over the wire are `context`; what they mean for paths is `grants`. A key that is not known
is refused, because it may be a restriction.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, TypeAdapter, ValidationError

from shelltool.errors import SandboxPolicyError
from shelltool.sandbox.paths import normalized

DOCUMENT_LIMIT = 1 << 20
"""Characters of JSON; a policy has some hundred."""
PATH_LIMIT = 4096


def native_path(value: object) -> str:
    """Read an absolute path or a `file:` URI of this machine."""
    if not isinstance(value, str):
        raise ValueError("not a path")  # noqa: TRY004 - pydantic turns ValueErrors into its own
    path = _from_uri(value) if value.startswith("file:") else value
    if not path.startswith("/") or "\0" in path or len(path) > PATH_LIMIT:
        raise ValueError("not an absolute path")
    return normalized(path)


def _from_uri(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise ValueError("not a file: URI of this machine")
    return unquote_to_bytes(parts.path).decode("utf-8", "surrogateescape")


AbsolutePath = Annotated[str, BeforeValidator(native_path)]


class Model(BaseModel):
    """Immutable, and nothing in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FullReadAccess(Model):
    """Everything that the user can read."""

    type: Literal["full-access"] = "full-access"


class RestrictedReadAccess(Model):
    """Only these, and what programs need to start."""

    type: Literal["restricted"]
    include_platform_defaults: StrictBool = False
    readable_roots: tuple[AbsolutePath, ...] = ()


ReadAccess = Annotated[FullReadAccess | RestrictedReadAccess, Field(discriminator="type")]


class ReadOnly(Model):
    """Nothing can be written."""

    type: Literal["read-only"] = "read-only"
    network_access: StrictBool = False
    access: ReadAccess = FullReadAccess()


class WorkspaceWrite(Model):
    """The working folder, the folders for temporary files and the roots can be written."""

    type: Literal["workspace-write"] = "workspace-write"
    writable_roots: tuple[AbsolutePath, ...] = ()
    network_access: StrictBool = False
    exclude_tmpdir_env_var: StrictBool = False
    exclude_slash_tmp: StrictBool = False


class DangerFullAccess(Model):
    """No sandbox."""

    type: Literal["danger-full-access"] = "danger-full-access"


class ExternalSandbox(Model):
    """Somebody else's sandbox is around us already: none of our own."""

    type: Literal["external-sandbox"] = "external-sandbox"
    network_access: Literal["restricted", "enabled"] = "restricted"


Policy = ReadOnly | WorkspaceWrite | DangerFullAccess | ExternalSandbox
TaggedPolicy = Annotated[Policy, Field(discriminator="type")]

_POLICY: TypeAdapter[Policy] = TypeAdapter(TaggedPolicy)
_Value = TypeVar("_Value")


def parse_policy(document: str | bytes | Mapping[str, Any]) -> Policy:
    """Read a policy from JSON text or from what JSON text decodes to."""
    return validated(_POLICY, document, "sandbox policy")


def validated(adapter: TypeAdapter[_Value], document: str | bytes | Mapping[str, Any], what: str) -> _Value:
    """Validate a document; the error names every problem by its place."""
    try:
        return adapter.validate_python(_decoded(document, what))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise SandboxPolicyError(f"{what}: {problems}") from error


def _decoded(document: str | bytes | Mapping[str, Any], what: str) -> object:
    if isinstance(document, Mapping):
        return document
    if len(document) > DOCUMENT_LIMIT:
        raise SandboxPolicyError(f"{what}: longer than {DOCUMENT_LIMIT} characters")
    try:
        return json.loads(document)
    except (ValueError, RecursionError) as error:
        raise SandboxPolicyError(f"{what}: not JSON: {error}") from error
