"""Steps of ncurses: libraries and tools, then the fallback terminals compiled by those tools and linked in.

A native build uses the `tic` it has just made; a cross build that of the native result.
"""

import shutil
from pathlib import Path

from shellbuild.builder.workspace import Workspace, replace_once

# The generated makefile ends its link line with -dynamic, which undoes -static.
_STATIC = ("LIBS_TIC=-lncursesw -ltinfow", "LIBS_TINFO=-ltinfow")


def build(workspace: Workspace) -> None:
    """Leave `lib/`, `include/` and, of a native build, working `bin/tic` and `bin/infocmp`."""
    native = workspace.depends.get("ncurses-native")
    tools = native / "bin" if native else workspace.build / "progs"
    keep_to_own_terminals(workspace.source / "ncurses" / "tinfo" / "MKfallback.sh")
    workspace.configure(
        f"--with-tic-path={tools / 'tic'}",
        f"--with-infocmp-path={tools / 'infocmp'}",
        f"--with-build-cc={workspace.toolchain.build_cc}",
    )
    if native is None:
        # The fallback terminals need a tic that this very build makes: once without them, then again with them.
        workspace.make("make without fallbacks", "libs", "FALLBACK_LIST=")
        workspace.make("make tools", "-C", "progs", "tic", "infocmp", *_STATIC)
        (workspace.build / "ncurses" / "fallback.c").unlink()
    workspace.make("make", "libs")
    _keep_libraries(workspace)
    if native is None:
        for tool in ("tic", "infocmp"):
            workspace.keep(workspace.build / "progs" / tool, f"bin/{tool}")


def keep_to_own_terminals(script: Path) -> None:
    """Have the fallback terminals compiled into the build folder and read from there, by whichever user.

    The script says so in TERMINFO alone, which tools built with --disable-root-environ don't heed when root runs them:
    they would write thousands of descriptions to this machine's own database, and link that one's in.
    """
    replace_once(script, '"$tic_path" -x', '"$tic_path" -o "$TERMINFO" -x')
    for form in ("-E", "-e"):
        replace_once(script, f'"$infocmp_path" {form} "$x"', f'"$infocmp_path" -A "$TERMINFO" {form} "$x"')


def _keep_libraries(workspace: Workspace) -> None:
    shutil.copytree(workspace.build / "lib", workspace.result / "lib")
    headers: list[Path] = [
        *(workspace.build / "include").glob("*.h"),
        *(workspace.source / "include").glob("*.h"),
    ]
    for header in headers:
        workspace.keep(header, f"include/{header.name}")
    # configure of bash and zsh look for the narrow names too.
    for wide, narrow in (("libtinfow.a", "libtinfo.a"), ("libncursesw.a", "libncurses.a")):
        workspace.keep(workspace.result / "lib" / wide, f"lib/{narrow}")
