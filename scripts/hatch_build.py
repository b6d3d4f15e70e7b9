"""hatchling's hook: what is different about the wheel of one target. `shellbuild.wheels` decides it and checks the result.

CODEX_WHEEL_PLAN names a JSON file with the wheel's `tag`, its `license` expression and `files`, a table from each
file to its place in the wheel. Without it the wheel is the pure one, also from the sdist.
https://hatch.pypa.io/latest/plugins/build-hook/reference/
"""

import json
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

OWN_LICENSE = "Apache-2.0"


def plan() -> dict[str, Any]:
    """Read the plan; an empty one means the pure wheel."""
    path = os.environ.get("CODEX_WHEEL_PLAN")
    if path is None:
        return {}
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


class VendoredFiles(BuildHookInterface[Any]):
    """Adds the programs of one target and the tag of where they run."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Change the build before it starts."""
        wanted = plan()
        if wanted and version == "standard":
            build_data["tag"] = wanted["tag"]
            build_data["pure_python"] = False
            build_data["force_include"].update(wanted["files"])


class LicenseOfContents(MetadataHookInterface):
    """States the licences of everything that is in the wheel."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the field that pyproject.toml leaves open."""
        metadata["license"] = plan().get("license", OWN_LICENSE)
