"""The order across both streams, on a machine that takes the processors away from the writer and from the keeper."""

import subprocess
from pathlib import Path

import pytest

from fuzz.conftest import compile_sanitized

pytestmark = pytest.mark.thorough

RUNS_S = 400
RUNS, WRITES = 60, 3000


@pytest.fixture
def output_relay(tmp_path: Path) -> Path:
    """Compile the relay by itself."""
    return compile_sanitized(tmp_path / "output_relay", Path(__file__).with_name("output_relay.c"))


def test_no_number_overtakes_another_and_none_is_kept_back(output_relay):
    done = subprocess.run(
        [output_relay, str(RUNS), str(WRITES)], check=True, timeout=RUNS_S, stdout=subprocess.PIPE
    )
    assert done.stdout == b""
