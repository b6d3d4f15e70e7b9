"""The README's demonstration: a patched bash runs a pipeline, a three-line wrapper reports what it is handed."""

import subprocess
import tempfile
from pathlib import Path

from shellbuild.console import note

WRAPPER = """\
#!/bin/sh
echo "intercepted: $*" >&2
path=$1; shift 2; exec "$path" "$@"
"""
SCRIPT = "greet() { command printf 'hello from %s\\n' \"$1\"; }; greet bash | /bin/cat; unset EXEC_WRAPPER; /bin/true"


def show_interception(shell: Path) -> int:
    """Run the demonstration on the terminal and give the shell's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        wrapper = Path(folder) / "wrapper"
        wrapper.write_text(WRAPPER, encoding="utf-8")
        wrapper.chmod(0o755)
        note(f"$ EXEC_WRAPPER={wrapper} {shell} -c {SCRIPT!r}")
        return subprocess.run(
            [shell, "-c", SCRIPT],
            env={"PATH": "/usr/bin:/bin", "EXEC_WRAPPER": str(wrapper)},
            timeout=30,
            check=False,
        ).returncode
