"""Clauses 2 and 5 of the EXEC_WRAPPER contract: arguments and environment arrive byte for byte, in any number.

Run under AddressSanitizer or valgrind (CONTRACT_SANITIZE), these are the tests that a write past the argument
vector fails.
"""

import errno
import os
import re
import resource

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from integration.arena import EMULATED, LINUX, Arena
from integration.bounded import Result

pytestmark = [pytest.mark.build, pytest.mark.contract]

SLOW = EMULATED or bool(os.environ.get("CONTRACT_SANITIZE") or os.environ.get("CONTRACT_RUNNER"))
EXAMPLES = 3 if SLOW else 40
LONGEST_WORD = 32 * os.sysconf("SC_PAGE_SIZE") - 1
"""The kernel's limit for one argument or variable (MAX_ARG_STRLEN), less the NUL."""

STEP = 16
WORDS = st.lists(st.binary(max_size=40).map(lambda word: word.replace(b"\0", b"\x83")), max_size=12)


def read_words(arena: Arena) -> str:
    """Give the start of a script that puts the lines of the file `words` into the array a."""
    return "mapfile -t a <words; " if arena.shell.name == "bash" else 'a=("${(@f)$(<words)}"); '


def put_words(arena: Arena, words: list[bytes]) -> None:
    arena.put("words", b"".join(word + b"\n" for word in words), 0o644)


@pytest.mark.valgrind
@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "en_US.ISO-8859-1"])
@settings(max_examples=EXAMPLES)
@given(words=WORDS)
@example(words=[bytes(range(1, 256))])
@example(words=[b"\x83", b"\x84\xa0\xa2", b"\xff\xfe", b"\xed\xa0\x80", b"-a", b"", b"\n"])
def test_arguments_arrive_byte_for_byte(arena: Arena, locale: str, words: list[bytes]) -> None:
    arena.records()
    result = arena.run('alpha "$@"', *words, env={"LC_ALL": locale})
    (record,) = arena.records()
    assert record.argv == (b"alpha", *words)
    assert result.stdout.split(b"\0") == [b"alpha", *words, b""]


@pytest.mark.valgrind
@settings(max_examples=EXAMPLES)
@given(words=WORDS)
def test_arguments_arrive_byte_for_byte_in_nested_shells(arena: Arena, words: list[bytes]) -> None:
    arena.records()
    arena.run("""@shell -c@ 'exec alpha "$@"' name "$@" """, *words)
    outer, inner = arena.records()
    assert outer.argv[-len(words) - 1 :] == (b"name", *words)
    assert inner.argv == (b"alpha", *words)


@pytest.mark.valgrind
@pytest.mark.parametrize("command", ["env -0", "exec env -0", "x=1; (env -0)", "@shell -c@ 'env -0'"])
@settings(max_examples=max(2, EXAMPLES // 4))
@given(values=st.lists(st.binary(max_size=40).map(lambda value: value.replace(b"\0", b"\x83")), max_size=8))
@example(values=[bytes(range(1, 256)), b"\xff", b"\x83\x20", b"", b"=\n="])
def test_values_of_variables_arrive_byte_for_byte(arena: Arena, command: str, values: list[bytes]) -> None:
    given_env: dict[str | bytes, bytes] = {f"V{number}": value for number, value in enumerate(values)}
    result = arena.run(command, env=dict(given_env))
    found = dict(entry.split(b"=", 1) for entry in result.stdout.split(b"\0") if re.match(rb"V\d+=", entry))
    assert found == {os.fsencode(name): value for name, value in given_env.items()}


@pytest.mark.parametrize(
    "name", [b"A.B", b"A-B", b"1A", b"A B", b"\xff\x83", b"BASH_FUNC_f%%", b"EXEC_WRAPPERS", b"%"]
)
def test_names_that_are_no_identifiers_fare_as_without_a_wrapper(arena: Arena, name: bytes) -> None:
    def value_in_child(wrapper: str | None, *, patched: bool) -> list[bytes]:
        result = arena.run("env -0", env={name: b"() { :; }"}, wrapper=wrapper, patched=patched)
        return [entry for entry in result.stdout.split(b"\0") if entry.startswith(name + b"=")]

    plain = value_in_child(None, patched=False)
    assert value_in_child("passthrough", patched=True) == plain


@pytest.mark.parametrize("path", [b"\xff\x83", b"\xed\xa0\x80", b"a b\n", b"*"])
def test_a_path_that_is_not_text_arrives_byte_for_byte(arena: Arena, path: bytes) -> None:
    folder = os.fsencode(arena.work) + b"/" + path
    try:
        os.mkdir(folder)
    except OSError as error:
        if error.errno != errno.EILSEQ:
            raise
        pytest.skip("this file system has no names that are not text")
    os.symlink(arena.programs / "show", folder + b"/" + path)
    arena.run('"$2/$1"; cd "$2"; ./"$1"; PATH=$2; "$1"', path, folder, env={"LC_ALL": "C.UTF-8"})
    full = folder + b"/" + path
    assert arena.calls() == [(full, full), (b"./" + path, b"./" + path), (full, path)]


@pytest.mark.valgrind
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 255, 256, 2000])
def test_any_number_of_arguments_arrives(arena: Arena, count: int) -> None:
    words = [b"%d" % number for number in range(count)]
    put_words(arena, words)
    # In zsh, an empty file is one empty line.
    script = read_words(arena) if count else "a=(); "
    result = arena.run(script + 'alpha "${a[@]}"; (beta "${a[@]}"); exec gamma "${a[@]}"')
    expected = {name: (name, *words) for name in (b"alpha", b"beta", b"gamma")}
    records = arena.records()
    assert {record.argv[0]: record.argv for record in records} == expected
    assert result.stdout.split(b"\0") == [*expected[b"alpha"], *expected[b"beta"], *expected[b"gamma"], b""]


@pytest.mark.valgrind
def test_ten_thousand_variables_arrive(arena: Arena) -> None:
    values: dict[str | bytes, str] = {f"V{number}": str(number) for number in range(10_000)}
    result = arena.run("EXEC_WRAPPER= env -0", env=dict(values))
    found = dict(entry.decode().split("=", 1) for entry in result.stdout.split(b"\0") if entry[:1] == b"V")
    assert found == values


def test_variables_near_the_limit_arrive(arena: Arena) -> None:
    count = min(10, kernels_limit() // 140_000)
    values: dict[str | bytes, str] = {f"V{number}": "x" * 130_000 for number in range(count)}
    result = arena.run("EXEC_WRAPPER= env -0 | wc -c", env=dict(values))
    assert int(result.stdout) > count * 130_000


@pytest.mark.skipif(not LINUX, reason="only Linux has a limit for one word apart from that of the whole list")
@pytest.mark.parametrize("length", [LONGEST_WORD - 1, LONGEST_WORD, LONGEST_WORD + 1])
@pytest.mark.parametrize("way", ["{} | wc -c", "({}) | wc -c", "x=$({}); echo ${{#x}}"])
def test_one_argument_at_the_kernels_limit_fares_as_without_a_wrapper(
    arena: Arena, length: int, way: str
) -> None:
    put_words(arena, [b"x" * length])
    script = read_words(arena) + way.format('/usr/bin/printf %s "${a[@]}"') + '; echo "status $?"'
    plain = arena.run(script, wrapper=None, patched=False)
    assert (b"Argument list too long" in plain.stderr or b"argument list too long" in plain.stderr) == (
        length > LONGEST_WORD
    )
    assert arena.run(script, wrapper="passthrough") == plain
    assert arena.run(script, wrapper=None) == plain


@pytest.mark.parametrize("command", ["alpha", "exec alpha", "@work@/script", "@work@/lost", "@work@/plain"])
def test_an_argument_that_is_too_long_gets_the_shells_message(arena: Arena, command: str) -> None:
    put_words(arena, [b"x" * (LONGEST_WORD + 1 if LINUX else kernels_limit())])
    arena.put("script", "#!/bin/sh\n")
    arena.put("lost", "#!/nowhere/interpreter\n")
    arena.put("plain", ":\n")
    script = read_words(arena) + f'({command} "${{a[@]}}"); echo "status $?"'
    plain = arena.run(script, wrapper=None, patched=False)
    assert b"status 12" in plain.stdout
    assert arena.run(script) == plain


def kernels_limit() -> int:
    """Bytes that arguments and environment may take: on Linux a quarter of the stack's limit, at most 6 MiB."""
    if not LINUX:
        return os.sysconf("SC_ARG_MAX")
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    return 6 << 20 if stack == resource.RLIM_INFINITY else min(stack // 4, 6 << 20)


def words_of(size: int) -> list[bytes]:
    """Make words that take `size` bytes of an argument list: 10,000 each, with their NUL and their pointer."""
    return [b"x" * 9_991] * (size // 10_000 - 1) + [b"x" * (9_991 + size % 10_000)]


def run_with_list(arena: Arena, size: int, *, patched: bool) -> Result:
    put_words(arena, words_of(size))
    script = f'{read_words(arena)} /usr/bin/printf "%.0s" "${{a[@]}}"; echo "status $?"'
    return arena.run(script, wrapper="passthrough" if patched else None, patched=patched)


def works(result: Result) -> bool:
    return result.stdout == b"status 0\n"


def most_that_works(arena: Arena, *, patched: bool) -> int:
    """Find, to a few bytes, the largest list that is accepted."""
    low, high = kernels_limit() - 8_192, kernels_limit()
    assert works(run_with_list(arena, low, patched=patched))
    while high - low > STEP:
        middle = (low + high) // 2
        low, high = (middle, high) if works(run_with_list(arena, middle, patched=patched)) else (low, middle)
    return low


@pytest.mark.skipif(not LINUX, reason="to a few bytes, how a list is counted is known of Linux only")
def test_an_argument_list_near_the_kernels_limit_works_or_gets_the_shells_message(arena: Arena) -> None:
    plain, wrapped = (most_that_works(arena, patched=patched) for patched in (False, True))
    # The wrapper needs room for its own name, the command's path and one variable; nothing else is lost.
    assert 0 < plain - wrapped < 2_048
    refused = run_with_list(arena, plain + STEP, patched=False)
    assert b"argument list too long" in refused.stderr.lower()
    for size in (wrapped + STEP, plain, plain + STEP):
        assert run_with_list(arena, size, patched=True) == refused


@pytest.mark.valgrind
def test_a_long_argument_list_arrives_byte_for_byte(arena: Arena) -> None:
    words = words_of(kernels_limit() - 16_384)
    put_words(arena, words)
    arena.run(f'{read_words(arena)} alpha "${{a[@]}}" >/dev/null')
    (record,) = arena.records()
    assert record.argv == (b"alpha", *words)
