"""Params and results of `initialize`, and what a server asks a client."""

from pydantic import Field

from shelltool.exec_server.environment_messages import EnvironmentInfo
from shelltool.exec_server.messages import Message
from shelltool.exec_server.paths import WirePath


class ClientCapabilities(Message):
    """What the client can do beyond the reference's."""

    exec_approve: bool = Field(default=False, description="it answers `exec/approve`")


class Initialize(Message):
    """Open a session, or go on with one."""

    client_name: str
    resume_session_id: str | None = None
    take_over: bool = Field(
        default=False, description="resume although another connection is attached; that one is closed"
    )
    capabilities: ClientCapabilities = ClientCapabilities()


class Initialized(Message):
    """The session's id is the only secret that it has."""

    session_id: str
    environment_info: EnvironmentInfo | None = None


class ApproveExec(Message):
    """May this command run? Sent by the server, for a process that it runs under rules."""

    process_id: str
    program: str
    argv: list[str] = Field(description=r"bytes that are not UTF-8 are written as `\xff`, here and elsewhere")
    cwd: WirePath
    place: str = Field(description="`outside` or `inside` the sandbox, or `no-sandbox`: where it would run")
    reason: str | None = Field(default=None, description="which rule asks")
    could_be_planted: bool = Field(
        default=False, description="a sandboxed command could have written the program"
    )


class Approval(Message):
    """A person's answer. Whatever is no clear acceptance denies."""

    accepted: bool
    reason: str | None = None
