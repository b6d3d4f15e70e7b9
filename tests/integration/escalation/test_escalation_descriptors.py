"""An escalated command has every descriptor that it would have inherited in place: with both keepers."""

import sys

import pytest

from integration.escalation.faithful import escalate
from integration.escalation.world import World
from shelltool.escalation import launching


def test_a_process_substitution_can_be_read(kept):
    assert escalate(kept, "cat <(echo x)").output == b"x\n"


def test_a_process_substitution_can_be_written(kept, monkeypatch):
    monkeypatch.setattr(launching, "LINGER_MS", 20_000)  # of a machine where an exec takes long
    done = escalate(kept, "sh -c 'echo x >\"$0\"' >(cat; echo end); sleep 0.1")
    assert done.output == b"x\nend\n"


@pytest.mark.parametrize("number", [3, 9, 60, 100])
def test_a_numbered_descriptor_is_where_it_was(kept, number):
    kept.put("file", "content\n")
    assert escalate(kept, f"cat /dev/fd/{number} {number}<file").output == b"content\n"


def test_descriptors_that_trade_places_end_up_right(kept):
    for number in range(3, 10):
        kept.put(f"f{number}", f"{number}")
    opened = " ".join(f"{number}<f{number}" for number in range(3, 10))
    swapped = "3<&9 9<&4 4<&8 8<&5 5<&7 7<&6"
    script = (
        f"exec {opened}; cat /dev/fd/3 /dev/fd/4 /dev/fd/5 /dev/fd/6 /dev/fd/7 /dev/fd/8 /dev/fd/9 {swapped}"
    )
    assert escalate(kept, script).output == kept.run(script).output == b"9876654"


def test_standard_descriptors_that_trade_places_end_up_right(kept):
    done = escalate(kept, "sh -c 'echo out; echo err >&2' 3>&1 1>&2 2>&3")
    assert (done.stdout, done.stderr) == (b"err\n", b"out\n")


def test_forty_descriptors_arrive(kept):
    numbers = range(3, 43)
    opened = "".join(f"exec {{fd[{n}]}}<<<{n}; " for n in numbers)
    paths = " ".join(f'"/dev/fd/${{fd[{n}]}}"' for n in numbers)
    done = escalate(kept, f"{opened} cat {paths}")
    assert done.output == "".join(f"{n}\n" for n in numbers).encode()


def test_descriptors_whose_numbers_others_have_on_the_way_end_up_right(kept):
    """Handed over, they get the lowest free numbers, which are those that later ones are to have."""
    numbers = range(20, 60)
    opened = "".join(f"exec {n}<<<{n}; " for n in numbers)
    done = escalate(kept, f"{opened} cat {' '.join(f'/dev/fd/{n}' for n in numbers)}")
    assert done.output == "".join(f"{n}\n" for n in numbers).encode()


def test_nothing_else_arrives(kept):
    done = escalate(kept, "ls /proc/self/fd")
    assert done.stdout.split() == [b"0", b"1", b"2", b"3"]  # 3 is the one that ls opens


CLOSED = pytest.mark.parametrize(("closing", "left"), [("<&-", "12"), (">&- 2>&-", "0"), ("<&- 2>&-", "1")])

USES = """
import errno, os
usable = ""
for number, use in enumerate([lambda: os.read(0, 1), lambda: os.write(1, b""), lambda: os.write(2, b"")]):
    try:
        use()
        usable += str(number)
    except OSError as error:
        assert error.errno == errno.EBADF
with open("usable", "w") as file:
    file.write(usable)
"""

OPENS = """
import os
number = os.open("opened", os.O_WRONLY | os.O_CREAT)
os.write(number, b"%d" % number)
"""


@CLOSED
def test_what_is_closed_can_not_be_used(kept, closing, left):
    kept.put("prog", f"#!{sys.executable}\n{USES}")
    for run in (escalate, World.run):
        run(kept, f"./prog {closing}")
        assert (kept.root / "usable").read_text(encoding="utf-8") == left


@CLOSED
def test_no_file_that_a_program_opens_gets_the_number_of_what_is_closed(kept, closing, left):
    """Or what it says of its arguments, which the sandboxed side chose, would be written over the file."""
    kept.put("prog", f"#!{sys.executable}\n{OPENS}")
    for run in (World.run, escalate):
        run(kept, f"./prog {closing}")
        number = (kept.root / "opened").read_text(encoding="utf-8")
        assert (number in "012") == (run is World.run)
        assert number not in left


def test_a_position_in_a_file_is_shared(kept):
    kept.put("file", "one\ntwo\nthree\n")
    assert escalate(kept, "exec 5<file; read -u 5 line; cat <&5").output == b"two\nthree\n"
