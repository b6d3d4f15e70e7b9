"""How an escalated command is started: with all that it would have inherited, except what must not come along.

Owns the translation of what was handed over into a keeper's spawn: descriptors at their numbers, umask, limits,
signals, the reset environment, and the open file that was judged.
"""

import resource
from collections.abc import Mapping
from functools import lru_cache

from shelltool.descriptor_limit import original_limits
from shelltool.errors import ProtocolError
from shelltool.escalation.environment import EnvironmentReset
from shelltool.escalation.judging import Question
from shelltool.escalation.messages import DescriptorsMessage, SignalMessage, parse_followup
from shelltool.escalation.spawning import Inherited, Spawn, Strings

LIMITS = {
    name: number
    for name in (
        "AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE", "NPROC", "RTPRIO", "RTTIME",
        "SIGPENDING", "STACK",
    )
    if (number := getattr(resource, f"RLIMIT_{name}", None)) is not None
}  # fmt: skip
"""Those that are known here; a keeper lowers them to the server's own."""


class Preparation:
    """What of an escalation doesn't depend on the descriptors; done while the wrapper gathers those."""

    def __init__(self, question: Question, reset: EnvironmentReset) -> None:
        if question.opened is None:
            raise ProtocolError(f"{question.program}: there is no such file to escalate")
        self._question = question
        self._opened = question.opened
        self._is_script = question.opened.is_script()
        self._strings = Strings(_script_name(question), question.message.argv, reset.of(question.message))

    def spawn(self, *, descriptors: Mapping[int, int], inherited: Inherited, reply_fd: int) -> Spawn:
        """Describe the process to start."""
        by_path = self._is_script and not self._question.is_planted()
        return Spawn(
            strings=self._strings,
            workdir_fd=self._question.workdir_fd,
            descriptors=descriptors,
            inherited=inherited,
            # An interpreter opens its script by name. Where nobody in the sandbox could change what the name means,
            # it gets the name that was typed; else it gets /dev/fd/N of the file that was judged.
            program_fd=None if by_path else self._opened.fd,
            script=self._is_script and not by_path,
            trusted=not self._question.is_planted(),
            reply_fd=reply_fd,
        )


@lru_cache(maxsize=64)
def read_followup(frame: bytes) -> tuple[DescriptorsMessage, Inherited] | SignalMessage:
    """Read what a wrapper sends after Escalate; most often it is what it sent for the last command."""
    message = parse_followup(frame)
    return message if isinstance(message, SignalMessage) else (message, _inherited(message))


def _inherited(message: DescriptorsMessage) -> Inherited:
    """Read what comes with descriptors. A peer that sends no more than those gets the server's own for the rest."""
    given = {LIMITS[name]: (pair[0], pair[1]) for name, pair in message.rlimits.items() if name in LIMITS}
    limits = original_limits() | given
    return Inherited(
        umask=message.umask,
        # Most are what the server itself has.
        rlimits={number: pair for number, pair in limits.items() if pair != resource.getrlimit(number)},
        ignored_signals=message.ignored_signals,
        blocked_signals=message.blocked_signals,
    )


def _script_name(question: Question) -> str:
    """Keep the typed name for `$0`, unless a `..` on the way made it mean a file that is not below it by its text.

    Such a name was judged as what it led to then; through a link of the sandboxed side, it may lead elsewhere by now.
    """
    message = question.message
    return question.program if "/../" in f"{message.workdir}/{message.file}" else message.file
