"""The rows of `process/*` in the table of methods."""

from shelltool.exec_server.messages import Nothing
from shelltool.exec_server.methods import Method, Notification
from shelltool.exec_server.processes import messages as m

UNKNOWN = "-32600 `unknown process id …`"

PROCESS_METHODS = (
    Method(
        name="process/start",
        params=m.StartProcess,
        result=m.StartResult,
        service="processes",
        function="start",
        family="exec",
        doc="Start a process under an id that the client chooses. It leads a session of its own; descriptors but 0, 1"
        " and 2 are closed. `argv[0]` without a slash is looked up in the child's own `PATH`.",
        errors=(
            "-32600 `process … already exists`, finished but retained ones included",
            "-32602 `argv must not be empty`; a path or a sandbox object that is not understood",
            "-32603 it could not be started; `data.errno` and `data.path` say why. No sandbox works here",
        ),
    ),
    Method(
        name="process/read",
        params=m.ReadProcess,
        result=m.ReadResult,
        service="processes",
        function="read",
        family="exec",
        doc="Give retained output with a `seq` above `afterSeq`. Waits up to `waitMs` where there is none and the process"
        " has not ended. At least one chunk is given, whatever `maxBytes` says. Without `maxBytes`, `nextSeq` is one more"
        " than the newest `seq` given to anything; with it, one more than that of the last chunk.",
        errors=(UNKNOWN,),
    ),
    Method(
        name="process/write",
        params=m.WriteProcess,
        result=m.WriteResult,
        service="processes",
        function="write",
        family="exec",
        doc="Queue bytes for standard input. Answered when the queue has room; other requests go on meanwhile.",
        errors=("-32602 `writeId must not be empty`; one that is too long; bad base64",),
    ),
    Method(
        name="process/closeStdin",
        params=m.CloseStdin,
        result=m.WriteResult,
        service="processes",
        function="close_stdin",
        family="exec",
        ours=True,
        doc="End standard input when all that was queued before is written. A terminal gets its end-of-file character.",
    ),
    Method(
        name="process/resize",
        params=m.ResizeProcess,
        result=Nothing,
        service="processes",
        function="resize",
        family="exec",
        ours=True,
        doc="Set the size of the terminal.",
        errors=(UNKNOWN, "-32600 `process … has no terminal`"),
    ),
    Method(
        name="process/signal",
        params=m.SignalProcess,
        result=Nothing,
        service="processes",
        function="signal",
        family="exec",
        doc="Signal the process group of the process. `interrupt`, a name (`SIGTERM`, `TERM`) or a number. Unknown and"
        " ended processes are no error.",
        errors=("-32602 a signal that does not exist",),
    ),
    Method(
        name="process/terminate",
        params=m.TerminateProcess,
        result=m.TerminateResult,
        service="processes",
        function="terminate",
        family="exec",
        doc="End a running process and everything that descends from it, also what made a session of its own. What an"
        " ended process left in the background stays until the session ends.",
    ),
    Method(
        name="process/list",
        params=m.ListProcesses,
        result=m.ProcessList,
        service="processes",
        function="list",
        family="exec",
        ours=True,
        doc="List the processes of the session.",
    ),
)

PROCESS_NOTIFICATIONS = (
    Notification(name="process/output", params=m.ProcessOutput, doc="Output of a process."),
    Notification(name="process/exited", params=m.ProcessExited, doc="A process has ended."),
    Notification(
        name="process/closed",
        params=m.ProcessClosed,
        doc="A process has ended and its output is complete: always the highest `seq`.",
    ),
)
