"""Output is bounded, keeps its begin and its end, and says what it left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.escalation import OutputChunk
from shelltool.mcp_server.output import STREAM_BYTES, Collector, HeadAndTail


def kept(limit, *pieces):
    kept = HeadAndTail(limit)
    for piece in pieces:
        kept.add(piece)
    return kept.text()


def test_what_fits_is_given_as_it_is():
    assert kept(10, b"12345", b"", b"67890") == "1234567890"


def test_what_does_not_fit_loses_its_middle_and_says_how_much():
    assert kept(10, b"12345xxx", b"xx67890") == "12345\n[... 5 bytes left out ...]\n67890"


def test_one_byte_too_many_is_one_byte_left_out():
    assert kept(10, b"12345x67890") == "12345\n[... 1 bytes left out ...]\n67890"


def test_bytes_that_are_not_utf8_become_replacement_characters():
    assert kept(10, b"a\xffb") == "a\ufffdb"


@pytest.mark.parametrize("character", ["é", "€", "𝄞"])
def test_a_character_that_a_cut_goes_through_is_left_out_whole(character):
    encoded = character.encode()
    for shift in range(len(encoded) + 1):
        text = kept(16, b"a" * (7 - shift) + encoded * 20 + b"z" * (7 - shift))
        assert "\ufffd" not in text
        head, _, tail = text.split("\n")
        assert head == "a" * (7 - shift) + character * head.count(character)
        assert tail == character * tail.count(character) + "z" * (7 - shift)


@given(st.lists(st.binary(max_size=40), max_size=40), st.integers(2, 64))
def test_no_division_into_pieces_changes_what_is_kept(pieces, limit):
    whole = b"".join(pieces)
    assert kept(limit, *pieces) == kept(limit, whole)
    assert len(kept(limit, *pieces)) <= limit + len("\n[... 9999 bytes left out ...]\n")


def test_memory_stays_bounded_whatever_is_written():
    head_and_tail = HeadAndTail(1000)
    for _ in range(1000):
        head_and_tail.add(b"x" * 100)
    assert head_and_tail.written_bytes == 100_000
    assert len(head_and_tail._head) + len(head_and_tail._tail) <= 2000


def test_each_stream_is_kept_by_itself_and_both_in_order():
    collector = Collector()
    for chunk in (OutputChunk("stdout", b"1"), OutputChunk("stderr", b"2"), OutputChunk("stdout", b"3")):
        collector.add(chunk)
    texts = collector.texts()
    assert (texts.stdout, texts.stderr, texts.output) == ("13", "2", "123")
    assert collector.written_bytes == 3


def test_a_mebibyte_of_each_stream_is_kept():
    collector = Collector()
    collector.add(OutputChunk("stdout", b"x" * (STREAM_BYTES + 1)))
    collector.add(OutputChunk("stderr", b"y" * STREAM_BYTES))
    texts = collector.texts()
    assert "[... 1 bytes left out ...]" in texts.stdout
    assert texts.stderr == "y" * STREAM_BYTES
