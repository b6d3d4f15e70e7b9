"""The one exception by which a statement of a rules file is refused, before it has a file and a line."""


class StatementError(ValueError):
    """A call in a rules file breaks the language's rules; the text is the sentence that the author reads."""
