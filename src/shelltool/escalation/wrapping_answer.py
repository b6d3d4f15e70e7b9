"""What the escalation server says: the twin of `native/wrapper_answer.h`.

One JSON object a frame. Keys that are not known are skipped; known ones must have the right type and come once.
Part of the Python wrapper, see `wrapping.py`, which reads the commonest answer without this.
"""

import _json

from shelltool.escalation.wrapping import NO_SENSE, Refusal

NESTING_LIMIT = 64
NUMBER_LIMIT = 2**31
NUMBERS = ("protocol", "exit_code", "errno", "stopped")


class Object(dict[str, object]):
    """A JSON object that knows which keys came twice: one could mean Run, the other Deny."""

    repeated: "set[str] | frozenset[str]" = frozenset()


def _object(pairs: list[tuple[str, object]]) -> Object:
    made = Object(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        repeated: set[str] = set()
        for key, _ in pairs:
            (repeated if key in seen else seen).add(key)
        made.repeated = repeated
    return made


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


class Scanner:
    """What the JSON scanner of C wants to know."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_object)
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_constant)


def read_answer(frame: bytes) -> Object:
    """Read what the server says; what is known of it has the right type and came once."""
    try:
        text = frame.decode().strip(" \t\n\r")
        _check_nesting(text)
        value, stop = _json.make_scanner(Scanner)(text, 0)  # type: ignore[arg-type]
    except (ValueError, StopIteration) as error:
        raise Refusal(NO_SENSE) from error
    if not isinstance(value, Object) or stop != len(text) or not _is_answer(value):
        raise Refusal(NO_SENSE)
    return value


def _check_nesting(text: str) -> None:
    if text.count("[") + text.count("{") <= NESTING_LIMIT:
        return
    depth, quoted, escaped = 0, False, False
    for char in text:
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
            continue
        quoted = char == '"'
        depth += (char in "[{") - (char in "]}")
        if depth > NESTING_LIMIT:
            raise ValueError("nested too deeply")


def _is_answer(value: Object) -> bool:
    if value.repeated & {"action", *NUMBERS}:
        return False
    if "action" in value and not _is_action(value["action"]):
        return False
    return all(_is_number(value[key], key) for key in NUMBERS if key in value)


def _is_action(action: object) -> bool:
    if not isinstance(action, Object):
        return action == "Run" or action == "Escalate"  # noqa: PLR1714 - a list can't be in a set
    denial = action.get("Deny")
    if set(action) != {"Deny"} or action.repeated or not isinstance(denial, Object):
        return False
    return "reason" not in denial.repeated and isinstance(denial.get("reason", ""), str | None)


def _is_number(value: object, key: str) -> bool:
    lowest = {"errno": 0, "stopped": 1}.get(key, 1 - NUMBER_LIMIT)
    return type(value) is int and lowest <= value < NUMBER_LIMIT


def denial_line(action: object) -> bytes:
    """Say that the command is denied, and why. What UTF-8 has not becomes U+FFFD, a NUL a question mark."""
    reason = action["Deny"].get("reason") if isinstance(action, dict) else None
    if reason is None:
        return b"Execution denied\n"
    whole = "".join("\ufffd" if "\ud800" <= c < "\ue000" else c for c in reason.replace("\0", "?"))
    return f"Execution denied: {whole}\n".encode()
