"""JSON schemas of the data files, generated from the models and compared with what is committed."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from shellbuild.errors import RecipeError
from shellbuild.native_recipe import NativeRecipe
from shellbuild.platforms import PlatformTable
from shellbuild.project import ROOT
from shellbuild.recipe import Recipe

SCHEMAS: dict[str, type[Any]] = {"recipe": Recipe, "native": NativeRecipe, "platforms": PlatformTable}
FOLDER = ROOT / "docs" / "schema"


def schema_text(model: type[Any]) -> str:
    """Render the JSON schema of one model."""
    return json.dumps(TypeAdapter(model).json_schema(), indent=2) + "\n"


def schema_path(name: str) -> Path:
    """Give the committed file of a schema."""
    return FOLDER / f"{name}.schema.json"


def write_schemas() -> list[Path]:
    """Write every schema and give the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, model in SCHEMAS.items():
        schema_path(name).write_text(schema_text(model), encoding="utf-8")
    return [schema_path(name) for name in SCHEMAS]


def check_schemas() -> None:
    """Raise RecipeError for each committed schema that the models no longer give."""
    for name, model in SCHEMAS.items():
        path = schema_path(name)
        if not path.is_file() or path.read_text(encoding="utf-8") != schema_text(model):
            raise RecipeError(
                str(path), ["differs from the models; run `nox -s schema` and commit the result"]
            )
