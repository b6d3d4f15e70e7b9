"""Whether the user trusts a project: `[projects."/path"] trust_level = "trusted"` of `$CODEX_HOME/config.toml`.

Only that table is read; everything else in the file is somebody else's.
"""

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from shelltool.errors import RulesFileError

_LARGEST_CONFIG = 4 << 20
_MARKER = ".git"


class _Project(BaseModel):
    trust_level: str | None = None


class _Config(BaseModel):
    projects: dict[str, _Project] = {}


def project_folders(workdir: str) -> list[str]:
    """Return the folders from the working folder, an absolute path, up to the project's root.

    That is the nearest one with a `.git` in it, or the working folder itself. Every call of a shell waits for this, so
    it makes no Path.
    """
    folders = [workdir]
    # Unlike the method of Path, this is False for a folder that may not be entered.
    while not os.path.exists(os.path.join(folders[-1], _MARKER)):  # noqa: PTH110, PTH118
        if (parent := os.path.dirname(folders[-1])) == folders[-1]:  # noqa: PTH120
            return folders[:1]
        folders.append(parent)
    return folders


def is_trusted(config: Path, workdir: str, root: str) -> bool:
    """Whether the user's configuration calls this project trusted; the entry nearest to `workdir` decides.

    Raises RulesFileError where the file can't be understood: then nobody knows.
    """
    levels = {
        os.path.realpath(path): project.trust_level
        for path, project in _read(config).projects.items()
        if path.startswith("/") and "\0" not in path
    }
    for folder in (workdir, root):
        if levels.get(folder) is not None:
            return levels[folder] == "trusted"
    return False


def _read(config: Path) -> _Config:
    try:
        with config.open("rb") as file:
            content = file.read(_LARGEST_CONFIG)
        return _Config.model_validate(_parse(content))
    except FileNotFoundError:
        return _Config()
    except OSError as error:
        raise RulesFileError(
            str(config), f"{error.strerror} (os error {error.errno})", step="read"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RulesFileError(str(config), f"not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RulesFileError(str(config), f"{where}: {first['msg']}") from error


def _parse(content: bytes) -> dict[str, Any]:
    return tomllib.loads(content.decode())
