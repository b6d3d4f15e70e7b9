"""The row of `http/request`."""

from shelltool.exec_server.http_messages import BodyDelta, HttpRequest, HttpResponse
from shelltool.exec_server.methods import Method, Notification

HTTP_METHODS = (
    Method(
        name="http/request",
        params=HttpRequest,
        result=HttpResponse,
        service="http",
        function="request",
        family="http",
        doc="Sends an HTTP request from where the server is. What is sent is what the client asks for: no cookies, no "
        "decompression, 10 redirects at most. A body of more than 128 MiB has to be streamed: with `streamResponse`, "
        "the result comes first, and the body in `http/request/bodyDelta`.",
        errors=(
            "-32602: url, method or a header is invalid; the variable of a header is missing; the id is streaming",
            "-32603: no connection, no response in time, too many redirects, a body that is too large",
        ),
    ),
)

HTTP_NOTIFICATIONS = (
    Notification(
        name="http/request/bodyDelta",
        params=BodyDelta,
        doc="A part of a streamed body, at most 1 MiB. They end with the connection and can't be resumed.",
    ),
)
