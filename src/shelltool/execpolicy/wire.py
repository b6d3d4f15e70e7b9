"""What the child process may answer about a rules file, validated before anything of it is used.

The statements have passed `statements` in the child already; the models here hold their shape.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

NonEmpty = Annotated[list[str], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PrefixStatement(_Strict):
    """A call of `prefix_rule`."""

    kind: Literal["prefix_rule"]
    line: int | None
    pattern: Annotated[list[NonEmpty], Field(min_length=1)]
    decision: Literal["allow", "prompt", "forbidden"]
    match: list[NonEmpty]
    not_match: list[NonEmpty]
    justification: str | None
    canonical_matching: bool


class HostStatement(_Strict):
    """A call of `host_executable`."""

    kind: Literal["host_executable"]
    line: int | None
    name: str
    paths: list[str]


class NetworkStatement(_Strict):
    """A call of `network_rule`."""

    kind: Literal["network_rule"]
    line: int | None
    host: str
    protocol: Literal["http", "https", "socks5_tcp", "socks5_udp"]
    decision: Literal["allow", "prompt", "forbidden"]
    justification: str | None


Statement = Annotated[PrefixStatement | HostStatement | NetworkStatement, Field(discriminator="kind")]


class Trouble(_Strict):
    """Why a file is not accepted."""

    sentence: str
    line: int | None
    detail: str


class Accepted(_Strict):
    """All statements of a file, in source order."""

    statements: list[Statement]


class Refused(_Strict):
    """The first problem of a file."""

    problem: Trouble


Answer: TypeAdapter[Accepted | Refused] = TypeAdapter(Accepted | Refused)
