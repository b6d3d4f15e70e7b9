"""Asking a person through the client: MCP's `elicitation/create`, and what its answers mean.

The message says what accepting leads to: out of the sandbox, or not. Whatever is not a clear acceptance denies.
"""

from collections.abc import Mapping
from typing import Any

from mcp.shared.dispatcher import Outbound
from mcp.shared.exceptions import MCPError
from mcp_types import ClientCapabilities, ElicitResult
from pydantic import ValidationError

from shelltool.execpolicy.programs import basename
from shelltool.mcp_server.display import command_line, plain, shortened
from shelltool.rules.judging import Answer, Approval

REASON_CHARS = 1000

_SCHEMA = {
    "type": "object",
    "title": "Execution Permission Request",
    "properties": {
        "reason": {
            "type": "string",
            "description": "Why, if you want to say; a refusal's reason reaches the agent",
        }
    },
}
_PLACES = {
    "outside": "If you accept, it runs OUTSIDE the sandbox, with all your rights.",
    "inside": "If you accept, it still runs INSIDE the sandbox, and may fail there.",
    "no-sandbox": "There is no sandbox: if you accept, it runs with all your rights.",
}
_PLANTED = "A rule would let it out, but sandboxed commands could have written this program."
_UNANSWERED = {"decline": "User declined execution", "cancel": "User cancelled execution"}


def can_be_asked(client: ClientCapabilities | None) -> bool:
    """Tell whether the client shows forms to a person; an empty declaration means that it does."""
    elicitation = client.elicitation if client else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def question(approval: Approval) -> str:
    """Give the text that a person reads."""
    command, folder = command_line((approval.program, *approval.argv[1:])), command_line([approval.workdir])
    lines = [
        f"Allow agent to run `{command}` in `{folder}`?",
        _PLACES[approval.place],
    ]
    if approval.could_be_planted:
        lines.append(_PLANTED)
    if approval.argv and basename(approval.argv[0]) != basename(approval.program):
        lines.append(f"It calls itself `{command_line(approval.argv[:1])}`.")
    if approval.why:
        lines.append(f"Why you are asked: {_on_one_line(approval.why)}")
    return "\n".join(lines)


def _on_one_line(text: str) -> str:
    return plain(shortened(" ".join(text.split())))


async def ask_client(client: Outbound, capabilities: ClientCapabilities | None, approval: Approval) -> Answer:
    """Ask, and wait for as long as it takes."""
    if not can_be_asked(capabilities):
        why = f" ({_on_one_line(approval.why)})" if approval.why else ""
        reason = f"Execution needs a person's approval{why}, and the client declared no elicitation capability to ask one"
        return Answer(accepted=False, reason=reason)
    request = {"message": question(approval), "requestedSchema": _SCHEMA}
    try:
        result = ElicitResult.model_validate(await client.send_raw_request("elicitation/create", request))
    except MCPError as error:
        return Answer(
            accepted=False,
            reason=f"Execution needs approval, and the client could not ask: {plain(error.message)}",
        )
    except ValidationError:
        return Answer(
            accepted=False, reason="Execution needs approval, and the client's answer was no answer"
        )
    return read_answer(result.action, result.content)


def read_answer(action: str, content: Mapping[str, Any] | None) -> Answer:
    """Take a person's answer, with the reason if there is one."""
    reason = (content or {}).get("reason")
    said = plain(shortened(reason.strip(), REASON_CHARS)) if isinstance(reason, str) else ""
    if action == "accept":
        return Answer(accepted=True, reason=said)
    sentence = _UNANSWERED.get(action, "User did not accept execution")
    return Answer(accepted=False, reason=f"{sentence}: {said}" if said else sentence)
