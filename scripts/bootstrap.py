#!/usr/bin/env python3
"""Everything in one command on a fresh Debian or Ubuntu machine: `python3 scripts/bootstrap.py SESSION [-- OPTIONS]`.

Makes `.venv/` with nox in it, installs the system packages that a session needs and the machine lacks (as root or
through sudo), then hands over to `nox -s SESSION`. Standard library only, because nothing else is there yet.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
NOX = VENV / "bin" / "nox"
REQUIREMENT = "nox[uv]>=2025.2.9"
OLDEST_PYTHON = (3, 11)

BUILD = {"git": "git", "make": "make"}
PROOF = BUILD | {"busybox": "busybox-static", "ps": "procps"}
PACKAGES = BUILD | {"npm": "npm", "chromium|google-chrome": "chromium"}
QEMU = {"qemu-aarch64-static": "qemu-user-static"}
TESTS = PROOF | QEMU | {"bwrap": "bubblewrap", "gcc": "gcc libc6-dev"}
FAULTS = PROOF | {"gcc": "gcc libc6-dev", "valgrind": "valgrind"}
# What a session runs, as program (or another that will do): Debian packages. Sessions not named here need Python only.
PROGRAMS = {
    "archives": BUILD,
    "build_bash": BUILD,
    "build_zsh": BUILD,
    "check_patches": BUILD,
    "conformance": PROOF,
    "demo": BUILD,
    "contract_kit": BUILD,
    "contract_root": PROOF | {"bwrap": "bubblewrap", "debootstrap": "debootstrap"},
    "memory": FAULTS,
    "npm": {"npm": "npm"},
    "packaging": PACKAGES,
    "reproduce": BUILD | {"npm": "npm", "diffoscope": "diffoscope-minimal"},
    "tests": TESTS,
    "thorough": TESTS,
    "vendor": BUILD,
}
RESTRICTION = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
"""By it Ubuntu 24.04 denies users the namespaces that sandboxes are made of."""


def main(arguments: list[str]) -> None:
    """Set up what is missing, then become nox."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            f"error: Python {sys.version.split()[0]} is too old; 3.11 or newer is needed (Debian 12, Ubuntu 24.04)"
        )
    if not arguments or arguments[0].startswith("-"):
        sys.exit(
            f"usage: bootstrap.py SESSION [SESSION…] [-- OPTIONS]\nsessions: {', '.join(sorted(PROGRAMS))}, …"
        )
    sessions = arguments[: arguments.index("--")] if "--" in arguments else arguments
    install_packages(missing_packages(sessions))
    if os.environ.get("CI"):
        allow_namespaces()
    if not NOX.exists():
        make_environment()
    os.chdir(ROOT)
    os.execv(NOX, [str(NOX), "-s", *arguments])


def missing_packages(sessions: list[str]) -> list[str]:
    """Debian packages of the programs that these sessions run and PATH lacks, and of Python's own venv."""
    programs = {
        program: package for session in sessions for program, package in PROGRAMS.get(session, {}).items()
    }
    missing = [package for names, package in programs.items() if not any(map(shutil.which, names.split("|")))]
    if not NOX.exists() and not can_make_environments():
        missing.append("python3-venv")
    return [name for package in missing for name in package.split()]


def can_make_environments() -> bool:
    """Debian ships the venv module without the ensurepip that it needs."""
    return (
        subprocess.run(
            [sys.executable, "-c", "import ensurepip"], capture_output=True, check=False
        ).returncode
        == 0
    )


def install_packages(packages: list[str]) -> None:
    """Install Debian packages; end with the command to type where that is not possible."""
    if not packages:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if os.geteuid() != 0:
        command.insert(0, "sudo")
    print("+", " ".join(command), file=sys.stderr, flush=True)
    if shutil.which(command[0]) is None or shutil.which("apt-get") is None:
        sys.exit(
            f"error: this machine lacks {', '.join(packages)} and the means to install them; please do so"
        )
    subprocess.run([*command[: command.index("install")], "update", "--quiet"], stdout=sys.stderr, check=True)
    subprocess.run(
        command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdout=sys.stderr, check=True
    )


def allow_namespaces() -> None:
    """Lift the restriction on a machine of CI, which is thrown away afterwards; nobody else's settings are changed."""
    if not RESTRICTION.is_file() or RESTRICTION.read_text(encoding="utf-8").strip() == "0":
        return
    command = ["sysctl", "--write", f"kernel.{RESTRICTION.name}=0"]
    if os.geteuid() != 0:
        command.insert(0, "sudo")
    print("+", " ".join(command), file=sys.stderr, flush=True)
    # Where it stays, the tests that it stops say so themselves.
    subprocess.run(command, stdout=sys.stderr, check=False)


def make_environment() -> None:
    """Make `.venv/` with nox; an unfinished one never stays."""
    print(f"+ making {VENV} with nox", file=sys.stderr, flush=True)
    try:
        venv.create(VENV, with_pip=True, clear=True)
        pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, REQUIREMENT], check=True, stdout=sys.stderr)
    except BaseException:
        shutil.rmtree(VENV, ignore_errors=True)
        raise


if __name__ == "__main__":
    main(sys.argv[1:])
