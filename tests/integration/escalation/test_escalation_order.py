"""The order across both streams, on a machine that takes the processors away from the writer and from the keeper."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

NATIVE = Path(__file__).parents[3] / "native"
COMPILE_S = 120
RUNS_S = 400
RUNS, WRITES = 60, 3000


@pytest.fixture
def output_relay(tmp_path: Path) -> Path:
    """Compile the relay by itself, with sanitizers; it uses a part only of what is in the headers."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no gcc, which has the sanitizers' libraries")
    source, target = Path(__file__).with_name("output_relay.c"), tmp_path / "output_relay"
    flags = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I", str(NATIVE)]
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]
    subprocess.run([gcc, *flags, *warnings, "-o", target, source], check=True, timeout=COMPILE_S)
    return target


def test_no_number_overtakes_another_and_none_is_kept_back(output_relay):
    done = subprocess.run(
        [output_relay, str(RUNS), str(WRITES)], check=True, timeout=RUNS_S, stdout=subprocess.PIPE
    )
    assert done.stdout == b""
