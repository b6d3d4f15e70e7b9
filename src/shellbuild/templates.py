"""Rendering of the templates in `packaging/`: a name that a template uses and is not given is an error, never empty."""

from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from shellbuild.project import ROOT

PACKAGING = ROOT / "packaging"


def render(template: str, /, **values: Any) -> str:
    """Render one template, named by its path below `packaging/`."""
    environment = Environment(
        loader=FileSystemLoader(PACKAGING),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)
