"""The manifest of the last release: from a file, or out of the package that npm has under a dist-tag."""

import tarfile
import tempfile
from pathlib import Path

from pydantic import ValidationError

from shellbuild.console import note, show_error
from shellbuild.errors import ReleaseError, StepError
from shellbuild.manifest import Manifest
from shellbuild.npm_registry import is_unknown
from shellbuild.process import capture
from shellbuild.release_plan import PACKAGE

LARGEST_BYTES = 16 << 20
DOWNLOAD_S = 300.0

NOTHING_EARLIER = "There is no earlier manifest to compare with."

_MEMBER = "package/vendor/manifest.json"


def read_previous(path: Path) -> Manifest:
    """Read a manifest, or an npm tarball that holds one."""
    try:
        data = _from_tarball(path) if path.suffix == ".tgz" else path.read_bytes()
        return Manifest.model_validate_json(data)
    except (OSError, tarfile.TarError, KeyError, ValidationError) as error:
        raise ReleaseError(f"{path} is neither a manifest nor an npm tarball of ours") from error


def fetch_previous(dist_tag: str) -> Manifest | None:
    """Download the published package and read its manifest; nothing where nothing is published under that tag yet.

    Raise ReleaseError where npm can't say or where the manifest is not of today's format.
    """
    with tempfile.TemporaryDirectory(prefix="shellbuild-previous-") as folder:
        command = ["npm", "pack", f"{PACKAGE}@{dist_tag}", "--ignore-scripts", "--pack-destination", folder]
        try:
            # With the user's own settings: they say how this machine reaches the registry.
            capture(command, cwd=Path(folder), deadline_s=DOWNLOAD_S)
        except StepError as error:
            if not is_unknown(error):
                raise ReleaseError(f"npm can't get {command[2]}") from error
            note(f"no earlier release to compare with: npm has no {command[2]}")
            return None
        (tarball,) = Path(folder).glob("*.tgz")
        return read_previous(tarball)


def last_release(dist_tag: str) -> tuple[Manifest | None, str]:
    """Fetch the manifest, or say why there is none to compare with: a release does not wait for a comparison."""
    try:
        return fetch_previous(dist_tag), NOTHING_EARLIER
    except ReleaseError as error:
        show_error(error)
        reason = f"The comparison with what npm has as {dist_tag} could not be made."
        note(f"{reason} The report goes on without it.")
        return None, reason


def _from_tarball(path: Path) -> bytes:
    with tarfile.open(path) as archive:
        member = archive.getmember(_MEMBER)
        stream = archive.extractfile(member)
        if stream is None or member.size > LARGEST_BYTES:
            raise KeyError(_MEMBER)
        return stream.read(LARGEST_BYTES)
