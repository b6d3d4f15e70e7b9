"""One row for each method and notification: its name, its models, who does it, and what it says in the reference.

The table is what the server dispatches by, what the client checks answers with and what `docs/exec-server.md` is made
of. A row names a service of an `Environment` and a function of it; both the local and the remote environment have it.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from shelltool.exec_server.errors import invalid_params
from shelltool.exec_server.messages import Message, Nothing

Family = Literal["exec", "filesystem", "http", "environment info", "environment status"]
"""What the reference calls a group of methods in its errors."""

Service = Literal["connection", "processes", "files", "http", "environment"]
PROBLEMS_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A request that clients may send."""

    name: str
    params: type[Message]
    result: type[Message] = Nothing
    service: Service
    function: str
    family: Family
    doc: str
    errors: tuple[str, ...] = ()
    ours: bool = False
    """The reference server does not have it."""
    ordered_by: str | None = None
    """A field of the params: requests with the same value in it are handled one after the other."""

    def read_params(self, value: object) -> Message:
        """Validate what came as `params`; the error names every problem by its place."""
        try:
            return self.params.model_validate({} if value is None else value)
        except ValidationError as error:
            raise invalid_params(problems_of(error)) from error

    def queue_of(self, params: Message) -> Hashable | None:
        """Say behind which other requests this one waits; None: behind none."""
        return (self.service, getattr(params, self.ordered_by)) if self.ordered_by else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What is sent without being asked, and not answered."""

    name: str
    params: type[Message]
    doc: str
    sender: Literal["server", "client"] = "server"
    ours: bool = False


def problems_of(error: ValidationError) -> str:
    """Say in one line what is wrong with a document."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(_problem(item) for item in found[:PROBLEMS_SHOWN])


def _problem(item: Any) -> str:
    """Say what is wrong at one place; where a check of ours says it, that is enough."""
    if item["type"] == "missing":
        return f"missing field `{item['loc'][-1]}`"
    if item["type"] == "value_error":
        return str(item["msg"]).removeprefix("Value error, ")
    place = ".".join(map(str, item["loc"]))
    return f"{place}: {item['msg']}" if place else str(item["msg"])
