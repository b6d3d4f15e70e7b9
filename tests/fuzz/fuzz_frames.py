"""Atheris on what reads the wrapper's bytes, guided by coverage: `nox -s fuzz` runs it for two minutes.

Options are libFuzzer's: `python tests/fuzz/fuzz_frames.py -max_total_time=120`.
"""

import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

with atheris.instrument_imports(include=["shelltool.escalation"]):
    from shelltool.errors import EscalationError
    from shelltool.escalation.escalating import read_followup
    from shelltool.escalation.exec_message import read_request
    from shelltool.escalation.frames import FrameReader
    from shelltool.escalation.wrapping import Refusal
    from shelltool.escalation.wrapping_answer import read_answer

from fuzz.frames import cut_up, expected_frames, feed  # noqa: E402

LIMIT = 512
CUTS = 4
STARTS = (
    b'{"file":"/bin/id","argv":["id"],"workdir":"/","env":{"A":"b"}}',
    b'{"file":"/","argv":[],"workdir":"/","env":{},"argv_bytes":["aWQ="],"env_bytes":["QT1i"]}',
    b'{"fds":[0,1,2],"umask":18,"rlimits":{"NOFILE":[64,-1]},"ignored_signals":[1],"more":true}',
    b'{"signal":15,"group":true}',
    b'{"action":{"Deny":{"reason":"\\ud83d\\ude00"}},"protocol":2}',
    b'{"exit_code":126,"errno":13}',
)


def fuzz_one(data: bytes) -> None:
    """Read bytes as a stream in pieces, and as each of the messages."""
    check_stream(list(data[:CUTS]), data[CUTS:])
    for read in (read_all_of_request, read_followup):
        try:
            read(data)
        except EscalationError:
            continue
    try:
        read_answer(data)
    except Refusal:
        return


def check_stream(places: list[int], stream: bytes) -> None:
    """Compare the reader with the plain one."""
    wanted, refused = expected_frames(stream, LIMIT)
    frames, error, held = feed(FrameReader(LIMIT), cut_up(stream, places))
    if frames != wanted[: len(frames)] or held > len(stream) or (error is None) != (refused is None):
        raise AssertionError(f"{places} {stream!r}: {frames} for {wanted}, {error} for {refused}")


def read_all_of_request(data: bytes) -> None:
    """Read a request and its environment."""
    read_request(data).environment()


def main() -> None:
    """Fuzz until libFuzzer's own limits say stop."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, start in enumerate(STARTS):
            (Path(corpus) / str(number)).write_bytes(start)
        limits = [f"-max_len={LIMIT}", "-rss_limit_mb=1024", "-timeout=10"]
        atheris.Setup([*sys.argv, *limits, corpus], fuzz_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
