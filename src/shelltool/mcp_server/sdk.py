"""What we use of the official MCP SDK, and how it is imported in time.

The SDK's package imports its clients, its HTTP servers and the web frameworks under them, which takes longer than the
whole second that a server has to be ready. `import_lean` makes the package known without running that import, so that
only the parts below it that a stdio server needs are loaded: a third of the time and two thirds of the memory
(measured with mcp 2.3). It is for a process of our own, like the server; a process that uses more of the SDK imports it as
usual and gets the very same modules. Drop it when `import mcp` is lazy.
"""

import importlib.util
import sys

_PACKAGE = "mcp"


def import_lean() -> None:
    """Make the SDK's package known, with its place and nothing in it, unless it has been imported already."""
    if _PACKAGE in sys.modules:
        return
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise ModuleNotFoundError(
            "the MCP SDK is not installed: reinstall codex-shell-tool-mcp", name=_PACKAGE
        )
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
