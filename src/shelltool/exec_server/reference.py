"""`docs/exec-server.md`: prose from `reference_prose.py`, and every method, message and default from the code.

`python -m shelltool.exec_server.reference` writes it, `--check` compares it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shelltool.exec_server.differences import DIFFERENCES
from shelltool.exec_server.messages import Message
from shelltool.exec_server.methods import Method, Notification
from shelltool.exec_server.reference_prose import INTRODUCTION, SECTIONS
from shelltool.exec_server.table import APPROVE, METHODS, NOTIFICATIONS

PAGE = Path(__file__).parents[3] / "docs" / "exec-server.md"


def render() -> str:
    """Give the whole page."""
    parts = [INTRODUCTION.strip(), *(section.strip() for section in SECTIONS)]
    parts += ["## Methods", *(_method(method) for method in METHODS.values())]
    parts += ["## Requests of the server", _method(APPROVE)]
    parts += ["## Notifications", *(_notification(row) for row in NOTIFICATIONS.values())]
    parts += ["## Objects in messages", *_objects()]
    parts += ["## Deliberate differences to the reference server", _differences()]
    return "\n\n".join(parts) + "\n"


def _method(method: Method) -> str:
    own = " Not in the reference server." if method.ours else ""
    lines = [f"### `{method.name}`", "", f"{method.doc}{own}", ""]
    lines += ["Request:", "", *_members(method.params), "", "Response:", "", *_members(method.result)]
    if method.errors:
        lines += ["", "Errors:", "", *(f"- {error}" for error in method.errors)]
    return "\n".join(lines)


def _notification(row: Notification) -> str:
    lines = [f"### `{row.name}`", "", f"{row.doc} Sent by the {row.sender}.", "", *_members(row.params)]
    return "\n".join(lines)


def _members(model: type[Message]) -> Iterator[str]:
    return _table(model.model_json_schema(by_alias=True))


def _table(schema: dict[str, Any]) -> Iterator[str]:
    properties = schema.get("properties", {})
    if not properties:
        yield "No members."
        return
    yield "| member | type | default | |"
    yield "| --- | --- | --- | --- |"
    for name, item in properties.items():
        default = "required" if name in schema.get("required", ()) else f"`{json.dumps(item.get('default'))}`"
        yield f"| `{name}` | {_type(item)} | {default} | {item.get('description', '')} |"


def _type(item: dict[str, Any]) -> str:
    if "$ref" in item:
        name = item["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in item:
        return " or ".join(dict.fromkeys(_type(each) for each in item["anyOf"]))
    if "enum" in item or "const" in item:
        return " or ".join(f"`{value}`" for value in item.get("enum", [item.get("const")]))
    if item.get("contentEncoding") == "base64":
        return "base64"
    if item.get("type") == "array":
        return f"list of {_type(item.get('items', {}))}"
    return str(
        item.get("description")
        if "absolute path" in str(item.get("description"))
        else item.get("type", "any")
    )


def _objects() -> Iterator[str]:
    found: dict[str, dict[str, Any]] = {}
    models = [model for method in (*METHODS.values(), APPROVE) for model in (method.params, method.result)]
    for model in (*models, *(row.params for row in NOTIFICATIONS.values())):
        found |= model.model_json_schema(by_alias=True).get("$defs", {})
    for name, schema in sorted(found.items()):
        yield "\n".join([f"### {name}", "", schema.get("description", ""), "", *_table(schema)])


def _differences() -> str:
    lines = [
        "A test plays one recorded list of requests against both and compares the answers field by field; these are",
        "all of the differences. Where that list can't show one, the test that does is named.",
        "",
        "| requests | field | why | releases |",
        "| --- | --- | --- | --- |",
    ]
    for row in DIFFERENCES:
        why = f"{row.why} (`{row.shown_by}`)" if row.shown_by else row.why
        cells = [row.step, row.place, why, ", ".join(row.versions)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Write the page, or tell whether it is current."""
    if arguments == ["--check"]:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == render()
        if not current:
            sys.stderr.write(f"{PAGE}: not current; run `python -m shelltool.exec_server.reference`\n")
        return 0 if current else 1
    PAGE.write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
