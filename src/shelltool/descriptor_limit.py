"""The server's own limit of open descriptors: many calls at once need more than the usual 1024.

The soft limit is raised to the hard one, once, for the process, and what the server starts gets the old one back.
"""

import resource
from functools import cache


@cache
def original_limits() -> dict[int, tuple[int, int]]:
    """Raise the soft limit of this process the first time, and give what its children are to have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, hard = before
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        return {}  # macOS has a hard limit that it does not accept as a soft one
    return {resource.RLIMIT_NOFILE: before}
