"""The three decisions of the rules language and their order; nothing about who takes them."""

import enum

from shelltool.execpolicy.invalid import StatementError


class Decision(enum.IntEnum):
    """Ordered: the larger one is the stricter one, so `max` combines decisions."""

    ALLOW = 0
    PROMPT = 1
    FORBIDDEN = 2

    @property
    def word(self) -> str:
        """The spelling used in rules files and in output."""
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> "Decision":
        """Read the exact lower-case spelling; anything else is refused."""
        for decision in cls:
            if decision.word == word:
                return decision
        raise StatementError(f"invalid decision: {word}")
