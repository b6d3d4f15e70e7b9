"""Steps of bash: configure, make, keep the binary."""

from shellbuild.builder.workspace import Workspace, replace_once


def build(workspace: Workspace) -> None:
    """Leave `bash` in the result."""
    workspace.configure(f"CC_FOR_BUILD={workspace.toolchain.build_cc}", "CFLAGS_FOR_BUILD=-w")
    if workspace.request.platform.os == "macos":
        _drop_readlines_own_shell(workspace)
    workspace.make("make", "bash")
    workspace.keep(workspace.build / "bash", "bash")


def _drop_readlines_own_shell(workspace: Workspace) -> None:
    """Leave out the stand-ins that readline has for programs which are no shell.

    bash defines the same names; a Mach-O linker does not take the first of two definitions, it refuses both.
    """
    makefile = workspace.build / "lib" / "readline" / "Makefile"
    replace_once(makefile, "histsearch.o shell.o savestring.o", "histsearch.o savestring.o")
