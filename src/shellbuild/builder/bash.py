"""Steps of bash: configure, make, keep the binary."""

from shellbuild.builder.workspace import Workspace


def build(workspace: Workspace) -> None:
    """Leave `bash` in the result."""
    workspace.configure(f"CC_FOR_BUILD={workspace.toolchain.build_cc}", "CFLAGS_FOR_BUILD=-w")
    workspace.make("make", "bash")
    workspace.keep(workspace.build / "bash", "bash")
