"""The other end of the wrappers of one call: a thread that asks the policy, escalates, and relays output.

A thread of its own, because an exec waits for it and because the descriptors that wrappers pass can be made to block
whoever closes them: then that is this call's thread, and its deadline is kept elsewhere. Policies that may wait are
asked on the event loop (`deciding.py`).
"""

import socket
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Protocol

from shelltool.errors import EscalationError, FrameTooLargeError, ProtocolError
from shelltool.escalation.conversation import Conversation, State, accept_stream
from shelltool.escalation.environment import EnvironmentReset
from shelltool.escalation.escalating import Preparation, read_followup
from shelltool.escalation.judging import Judge, Question
from shelltool.escalation.keeper_events import Event, EventKind
from shelltool.escalation.keeping import Keeper
from shelltool.escalation.messages import (
    ESCALATE_ANSWER,
    FORWARDED_SIGNALS,
    RUN_ANSWER,
    SignalMessage,
    deny_answer,
    stopped_report,
)
from shelltool.escalation.policy import Decision, Deny, Escalate, Run
from shelltool.escalation.readiness import Readiness

CONVERSATIONS_MAX = 256
"""At once, in one call. More wait in the socket's queue."""

BUFFERED_BYTES_MAX = 64 << 20
"""Of incomplete requests, in one call."""

MAIN = 0
"""The keeper's id of the shell; the others are numbers of conversations."""

DESCRIPTORS_HELD_MAX = 768
"""Handed over and not yet passed on, in one call; it takes a moment only."""

_KILL = 9


class Asker(Protocol):
    """Where decisions come from that take their time."""

    def ask(self, question: Question, number: int) -> None: ...

    def forget(self, number: int) -> None: ...


class OutputSink(Protocol):
    """Where output goes. `ready` is false while too much of it waits."""

    @property
    def ready(self) -> bool: ...

    def put(self, stream: int, data: bytes) -> None: ...


class Ending(Enum):
    """How a call's processes came to an end."""

    CLEAN = auto()
    LEFTOVERS = auto()
    """some could not be killed"""
    KEEPER_KILLED = auto()


class CallServer:
    """Serves the wrappers of one call until no process of it is left."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        session: socket.socket,
        judge: Judge,
        asker: Asker,
        reset: EnvironmentReset,
        output: OutputSink,
    ) -> None:
        self.main_exit: Event | None = None
        self._keeper = keeper
        self._session = session
        self._judge = judge
        self._reset = reset
        self._output = output
        self._asker = asker
        self._conversations: dict[int, Conversation] = {}
        self._running: dict[int, Conversation] = {}
        self._asked: set[int] = set()
        self._last_number = MAIN
        self._decided: deque[tuple[int, Decision]] = deque()
        self._readiness = Readiness(self._on_wake)
        self._listening = False
        self._ending: Ending | None = None

    def wake(self) -> None:
        """Have the thread look again; from any thread."""
        self._readiness.wake()

    def decided(self, number: int, decision: Decision) -> None:
        """Bring a decision that was asked for; from any thread."""
        self._decided.append((number, decision))
        self.wake()

    def serve(self) -> Ending:
        """Serve, on this thread, until the keeper says that no process is left."""
        self._readiness.watch(self._keeper.socket.fileno(), self._on_keeper)
        try:
            while self._ending is None:
                self._listen(len(self._conversations) < CONVERSATIONS_MAX)
                self._readiness.wait(self._patience_ms())
                self._close_overdue()
            return self._ending
        finally:
            self.close()

    def close(self) -> None:
        """Let go of everything: no wrapper is answered any more. `serve` ends with it."""
        for conversation in list(self._conversations.values()):
            self._close(conversation)
        self._readiness.close()
        self._session.close()

    def _listen(self, wanted: bool) -> None:  # noqa: FBT001 - its whole meaning
        if wanted == self._listening:
            return
        self._listening = wanted
        if wanted:
            self._readiness.watch(self._session.fileno(), self._on_session)
        else:
            self._readiness.unwatch(self._session.fileno())

    def _patience_ms(self) -> int | None:
        deadlines = [c.deadline for c in self._conversations.values() if c.deadline is not None]
        return max(0, int((min(deadlines) - time.monotonic()) * 1000) + 1) if deadlines else None

    def _close_overdue(self) -> None:
        if not self._conversations:
            return
        now = time.monotonic()
        for conversation in list(self._conversations.values()):
            if conversation.deadline is not None and now >= conversation.deadline:
                self._close(conversation)

    def _on_wake(self) -> None:
        if self._output.ready and not self._readiness.watches(self._keeper.socket.fileno()):
            self._readiness.watch(self._keeper.socket.fileno(), self._on_keeper)
        while self._decided:
            number, decision = self._decided.popleft()
            self._asked.discard(number)
            if conversation := self._conversations.get(number):
                self._guarded(conversation, partial(self._act, decision=decision))

    def _on_session(self) -> None:
        stream = accept_stream(self._session)
        if stream is None:
            return
        self._last_number += 1
        conversation = Conversation(self._last_number, stream, time.monotonic())
        self._conversations[conversation.number] = conversation
        self._guarded(conversation, self._take_frames)
        if conversation.number in self._conversations:
            self._readiness.watch(conversation.fd, partial(self._guarded, conversation, self._take_frames))

    def _take_frames(self, conversation: Conversation) -> None:
        frames = conversation.receive()
        if frames is None:
            self._close(conversation)
            return
        for frame in frames:
            self._on_frame(conversation, frame)
        if conversation.number in self._conversations and conversation.holds_something:
            self._check_budget()

    def _guarded(self, conversation: Conversation, step: Callable[[Conversation], None]) -> None:
        """Take a step; what goes wrong in it ends the conversation, and the wrapper then refuses the command."""
        try:
            step(conversation)
        except FrameTooLargeError as error:
            conversation.send(deny_answer(str(error)))
            self._close(conversation)
        except (EscalationError, OSError):  # against the protocol, or out of descriptors
            self._close(conversation)

    def _check_budget(self) -> None:
        open_ones = self._conversations.values()
        if sum(conversation.buffered_bytes for conversation in open_ones) > BUFFERED_BYTES_MAX:
            raise FrameTooLargeError(f"incomplete requests hold more than {BUFFERED_BYTES_MAX} bytes")
        if sum(conversation.descriptor_count for conversation in open_ones) > DESCRIPTORS_HELD_MAX:
            raise ProtocolError(f"commands hold more than {DESCRIPTORS_HELD_MAX} descriptors")

    def _on_frame(self, conversation: Conversation, frame: bytes) -> None:
        match conversation.state:
            case State.ASKING:
                self._judge_exec(conversation, frame)
            case State.JUDGING:
                self._close(conversation)
            case State.HANDING_OVER | State.RUNNING:
                self._on_followup(conversation, frame)

    def _on_followup(self, conversation: Conversation, frame: bytes) -> None:
        message = read_followup(frame)
        if isinstance(message, SignalMessage):
            self._pass_signal(conversation, message)
        elif conversation.state is State.RUNNING:
            raise ProtocolError("the wrapper sent descriptors twice")
        elif conversation.claim(*message):
            self._start(conversation)

    def _judge_exec(self, conversation: Conversation, frame: bytes) -> None:
        conversation.state = State.JUDGING
        conversation.deadline = None
        question = conversation.question = self._judge.question(frame)
        decision = self._judge.decide_now(question)
        if decision is None:
            question.open_workdir()  # who is asked may be a person, who takes their time
            self._asked.add(conversation.number)
            self._asker.ask(question, conversation.number)
        else:
            self._act(conversation, decision)

    def _act(self, conversation: Conversation, decision: Decision) -> None:
        question = conversation.question
        if question is None:
            raise ProtocolError("a decision about a question that was not asked")
        outcome = self._judge.outcome(question, decision)
        try:
            self._answer(conversation, question, outcome)
        finally:
            self._judge.note(question, decision, outcome)

    def _answer(self, conversation: Conversation, question: Question, outcome: Decision) -> None:
        match outcome:
            case Run():
                conversation.send(RUN_ANSWER)
                self._close(conversation)
            case Deny(reason):
                conversation.send(deny_answer(reason))
                self._close(conversation)
            case Escalate():
                conversation.send(ESCALATE_ANSWER)
                conversation.hand_over(time.monotonic())
                conversation.preparation = Preparation(question, self._reset)

    def _start(self, conversation: Conversation) -> None:
        if conversation.preparation is None or conversation.inherited is None:
            raise ProtocolError("the wrapper sent descriptors that nobody asked for")
        conversation.state = State.RUNNING
        conversation.deadline = None
        spawn = conversation.preparation.spawn(
            descriptors=conversation.handed, inherited=conversation.inherited, reply_fd=conversation.fd
        )
        self._running[conversation.number] = conversation
        self._keeper.spawn(conversation.number, spawn)
        conversation.release_descriptors()

    def _pass_signal(self, conversation: Conversation, message: SignalMessage) -> None:
        if conversation.state is State.RUNNING and message.signal in FORWARDED_SIGNALS:
            self._keeper.signal(conversation.number, message.signal, group=message.group)

    def _close(self, conversation: Conversation) -> None:
        """End a conversation in any state; a command that runs for it is ended, too."""
        if self._conversations.pop(conversation.number, None) is None:
            return
        if conversation.number in self._asked:
            self._asked.discard(conversation.number)
            self._asker.forget(conversation.number)
        if conversation.number in self._running:
            self._keeper.signal(conversation.number, _KILL, group=True)
            del self._running[conversation.number]
        self._readiness.unwatch(conversation.fd)
        conversation.close()

    def _on_keeper(self) -> None:
        events = self._keeper.receive()
        if events is None:
            self._ending = Ending.KEEPER_KILLED
            return
        for event in events:
            self._on_event(event)
        if not self._output.ready:
            self._readiness.unwatch(self._keeper.socket.fileno())

    def _on_event(self, event: Event) -> None:
        match event.kind:
            case EventKind.OUTPUT:
                self._output.put(event.value, event.data)
            case EventKind.DONE:
                self._ending = Ending.LEFTOVERS if event.value else Ending.CLEAN
            case EventKind.EXITED if event.id == MAIN:
                self.main_exit = event
            case EventKind.EXITED:
                if conversation := self._running.pop(event.id, None):
                    self._close(conversation)  # the keeper has told the wrapper
            case EventKind.STOPPED:
                if conversation := self._running.get(event.id):
                    conversation.send(stopped_report(event.value))
