"""Where our own shells and native helpers are, and whether a shell hands its execs to a wrapper at all.

They lie in a vendor tree: `shelltool/vendor` in an installed package, `vendor/` in a checkout. The rows below are
those of `recipes/platforms.toml`, and a test compares the two. `python -m shelltool.shells [NAME]` prints the paths.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import shelltool
from shelltool.errors import ProgramMissingError, ShellError, ShellToolError, UnpatchedShellError

SHELLS = ("bash", "zsh")
WRAPPER = "codex-execve-wrapper"
LINUX_SANDBOX = "codex-linux-sandbox"

PROBE_S = 10.0
"""For a shell that does not even start on this machine; one that does takes a few milliseconds."""

_RAN_UNWRAPPED = 42
_NOT_RUN = (126, 127)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A kind of machine, as `uname` calls it, and where its programs lie below a vendor tree."""

    system: str
    machine: str
    target: str
    variant: str


HOSTS = (
    Host(system="Linux", machine="x86_64", target="x86_64-unknown-linux-musl", variant="static"),
    Host(system="Linux", machine="aarch64", target="aarch64-unknown-linux-musl", variant="static"),
    Host(system="Darwin", machine="x86_64", target="x86_64-apple-darwin", variant="macos-10.15"),
    Host(system="Darwin", machine="arm64", target="aarch64-apple-darwin", variant="macos-11"),
)


def this_host() -> Host:
    """Find this machine among those that we build for."""
    this = os.uname()
    for host in HOSTS:
        if (host.system, host.machine) == (this.sysname, this.machine):
            return host
    raise ProgramMissingError(
        f"there are no shells of ours for {this.sysname} on {this.machine}: name one with --bash or --zsh"
    )


def vendor_roots() -> tuple[Path, ...]:
    """Give the vendor trees that count, the first that has a program wins."""
    package = Path(shelltool.__file__).parent
    return (package / "vendor", package.parents[1] / "vendor")


def find_program(name: str, *, roots: Sequence[Path] | None = None, host: Host | None = None) -> Path:
    """Find one of our programs by its name, or say where it was looked for.

    Whatever is found is given without links: what runs in a sandbox may replace one, and nobody looks again.
    """
    host = host or this_host()
    place = Path(host.target, name, host.variant, name) if name in SHELLS else Path(host.target, name)
    looked_at = [root / place for root in (vendor_roots() if roots is None else roots)]
    for path in looked_at:
        if _is_executable(path):
            return path.resolve()
    places = " or ".join(map(str, looked_at))
    raise ProgramMissingError(
        f"{name} is not at {places}: build it with nox, or reinstall codex-shell-tool-mcp"
    )


def find_shell(name: str, given: Path | None = None, *, environment: Mapping[str, str] = os.environ) -> Path:
    """Give the shell that the user named (an option, or `CODEX_BASH_PATH`), else our own."""
    variable = environment.get("CODEX_BASH_PATH") if name == "bash" else None
    if given is not None:
        return named_program(given, f"--{name}")
    if variable:
        return named_program(Path(variable), "CODEX_BASH_PATH")
    return find_program(name)


def named_program(path: Path, source: str) -> Path:
    """Take a program that the user named; relative paths are below the working folder."""
    path = path.absolute()
    if not _is_executable(path):
        raise ProgramMissingError(f"{source}: {path} is not an executable file")
    return path.resolve()


def check_intercepts(shell: Path) -> None:
    """Make sure that the shell hands its execs to the wrapper; a shell that doesn't would run everything unjudged.

    With a wrapper that can't be run, a patched shell fails to run anything, and any other shell runs the command.
    """
    wrapper = "/dev/null/no-wrapper"
    # -f keeps zsh from its startup files and is harmless in bash, which reads none for -c.
    argv: list[str | Path] = [shell, "-f", "-c", f'"$0" -f -c "exit {_RAN_UNWRAPPED}"', shell]
    try:
        ended = subprocess.run(
            argv,
            env={"EXEC_WRAPPER": wrapper, "BASH_EXEC_WRAPPER": wrapper},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            timeout=PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ShellError(f"{shell} can't be run: {error}") from error
    if ended.returncode == _RAN_UNWRAPPED:
        raise UnpatchedShellError(
            f"{shell} does not know EXEC_WRAPPER, so nothing that it runs would be judged: name a patched shell"
        )
    if ended.returncode not in _NOT_RUN:
        said = ended.stderr[-500:].decode(errors="replace").strip()
        raise ShellError(f"{shell} does not work here: status {ended.returncode}: {said}")


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def main(names: Sequence[str]) -> int:
    """Print the path of each named program, or a table of all."""
    status = 0
    # What there is on this kind of machine: macOS has a sandbox of its own.
    own = (*SHELLS, WRAPPER, *((LINUX_SANDBOX,) if sys.platform == "linux" else ()))
    for name in names or own:
        try:
            path = find_program(name)
        except ShellToolError as error:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command line of one line
            status = error.exit_code
        else:
            print(path if names else f"{name}\t{path}")  # noqa: T201 - as above
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
