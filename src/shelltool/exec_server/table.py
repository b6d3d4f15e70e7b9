"""All methods and notifications of the exec server, by name."""

from shelltool.exec_server.environment_messages import EnvironmentInfo, EnvironmentStatus
from shelltool.exec_server.files.methods import FILE_METHODS, FILE_NOTIFICATIONS
from shelltool.exec_server.http_methods import HTTP_METHODS, HTTP_NOTIFICATIONS
from shelltool.exec_server.messages import Nothing
from shelltool.exec_server.methods import Method, Notification
from shelltool.exec_server.processes.methods import PROCESS_METHODS, PROCESS_NOTIFICATIONS
from shelltool.exec_server.session_messages import Approval, ApproveExec, Initialize, Initialized

INITIALIZE = Method(
    name="initialize",
    params=Initialize,
    result=Initialized,
    service="connection",
    function="initialize",
    family="exec",
    doc="Open a session, or resume one that lost its connection. A session's processes go on without a connection until"
    " its time is over. What was missed is not sent again: `process/read` has it.",
    errors=(
        "-32600 `initialize may only be sent once per connection`, `unknown session id …`",
        "-32010 another connection is attached, and it answers",
    ),
)

APPROVE = Method(
    name="exec/approve",
    params=ApproveExec,
    result=Approval,
    service="connection",
    function="approve",
    family="exec",
    ours=True,
    doc="Sent by the server to a client that opted in with `capabilities.execApprove`: may this command run?",
)

ENVIRONMENT_METHODS = (
    Method(
        name="environment/info",
        params=Nothing,
        result=EnvironmentInfo,
        service="environment",
        function="info",
        family="environment info",
        doc="Say what machine it is.",
    ),
    Method(
        name="environment/status",
        params=Nothing,
        result=EnvironmentStatus,
        service="environment",
        function="status",
        family="environment status",
        doc="Say whether it takes requests.",
    ),
)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (INITIALIZE, *PROCESS_METHODS, *FILE_METHODS, *HTTP_METHODS, *ENVIRONMENT_METHODS)
}
"""What clients may ask for."""

NOTIFICATIONS: dict[str, Notification] = {
    row.name: row
    for row in (
        Notification(
            name="initialized", params=Nothing, sender="client", doc="The client goes on after `initialize`."
        ),
        *PROCESS_NOTIFICATIONS,
        *FILE_NOTIFICATIONS,
        *HTTP_NOTIFICATIONS,
    )
}
