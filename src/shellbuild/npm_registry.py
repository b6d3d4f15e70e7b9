"""What npm's registry knows of a package, asked through npm with the user's own settings, which say how it is reached.

"There is none" is an answer, and told apart from every other failure.
"""

import base64
import hashlib
import json
import re
from pathlib import Path

from shellbuild.errors import StepError
from shellbuild.process import capture

QUERY_S = 120.0

_UNKNOWN = re.compile(r"\b(E404|ETARGET)\b")
"""No such package or version, and no such dist-tag."""


def is_unknown(error: StepError) -> bool:
    """Whether npm failed because the registry has no such package, version or dist-tag."""
    return _UNKNOWN.search(str(error)) is not None


def published_integrity(package: str) -> str | None:
    """Give the digest of a published `name@version`, or nothing where there is none; raise StepError where none can say."""
    try:
        answer = capture(["npm", "view", package, "dist.integrity", "--json"], deadline_s=QUERY_S)
    except StepError as error:
        if is_unknown(error):
            return None
        raise
    # Before version 11 npm said nothing at all of a version that there is not.
    return str(json.loads(answer)) if answer.strip() else None


def integrity_of(tarball: Path) -> str:
    """Give the digest of a tarball as the registry writes it (https://www.w3.org/TR/SRI/)."""
    return f"sha512-{base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()}"
