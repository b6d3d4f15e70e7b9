import pytest

from shellbuild.conformance.judge import MAX_ROUNDS, deviant_ways, judge
from shellbuild.conformance.model import Outcome, Verdict, Way

A, B, C = (Outcome(status=0, output=text) for text in (b"a", b"b", b"c"))
CUT = Outcome(status=None, output=b"a")
FAILED = Outcome(status=1, output=b"a")


def first(unpatched, again, patched, wrapped):
    return [
        (Way.UNPATCHED, unpatched),
        (Way.UNPATCHED, again),
        (Way.PATCHED, patched),
        (Way.WRAPPED, wrapped),
    ]


def a_round(unpatched, patched, wrapped):
    return {Way.UNPATCHED: unpatched, Way.PATCHED: patched, Way.WRAPPED: wrapped}


ALL_A = a_round(A, A, A)
WRAPPED_B = a_round(A, A, B)


@pytest.mark.parametrize("listed", [False, True])
def test_four_equal_runs_are_the_same_without_another_round(listed):
    assert judge(first(A, A, A, A), [], listed=listed) is Verdict.SAME


def test_seconds_are_no_part_of_an_outcome():
    slow = Outcome(status=0, output=b"a", seconds=9.0)
    assert judge(first(A, slow, A, A), [], listed=False) is Verdict.SAME


@pytest.mark.parametrize(
    "tries",
    [first(A, A, B, A), first(A, A, A, B), first(A, A, A, FAILED), first(A, B, A, A), first(A, A, A, CUT)],
)
def test_any_disagreement_asks_for_another_round(tries):
    assert judge(tries, [], listed=False) is None


def test_one_quiet_round_is_not_enough_to_call_it_noise():
    assert judge(first(A, A, A, B), [ALL_A], listed=False) is None


def test_two_agreeing_rounds_in_a_row_make_it_noise():
    assert judge(first(A, A, A, B), [ALL_A, ALL_A], listed=False) is Verdict.SAME


def test_rounds_that_agree_in_themselves_but_not_with_each_other_are_no_proof():
    assert judge(first(A, A, A, B), [ALL_A, a_round(B, B, B)], listed=False) is None


@pytest.mark.parametrize("way_off", [WRAPPED_B, a_round(A, B, A), a_round(A, A, CUT), a_round(A, A, FAILED)])
def test_a_difference_that_comes_back_twice_is_one(way_off):
    assert judge(first(A, A, A, B), [way_off, way_off], listed=False) is Verdict.DIFFERENT


def test_a_way_that_is_off_differently_each_time_is_different_too():
    assert judge(first(A, A, A, B), [WRAPPED_B, a_round(A, A, C)], listed=False) is Verdict.DIFFERENT


def test_a_way_that_is_off_beside_an_unpatched_shell_that_varies_is_not_blamed_yet():
    assert judge(first(A, A, A, C), [a_round(A, A, C), a_round(B, B, C)], listed=False) is None


def test_a_way_that_is_off_twice_is_not_blamed_where_the_unpatched_shell_varied_before():
    assert judge(first(A, B, B, B), [a_round(A, B, B), a_round(A, B, B)], listed=False) is None


def test_an_unpatched_shell_that_varies_to_the_end_is_unstable():
    rounds = [a_round(A, A, A), a_round(B, B, B)] * (MAX_ROUNDS // 2)
    assert judge(first(A, B, A, A), rounds, listed=False) is Verdict.UNSTABLE


def test_a_way_that_is_off_now_and_then_while_the_unpatched_shell_holds_still_is_different():
    rounds = [WRAPPED_B, ALL_A] * (MAX_ROUNDS // 2)
    assert judge(first(A, A, A, B), rounds, listed=False) is Verdict.DIFFERENT


def test_a_listed_script_that_settles_is_the_same():
    assert judge(first(A, B, C, C), [ALL_A, ALL_A], listed=True) is Verdict.SAME


def test_a_listed_script_gets_all_its_rounds_to_settle_or_to_vary():
    rounds = [WRAPPED_B] * (MAX_ROUNDS - 1)
    assert judge(first(A, A, A, B), rounds, listed=True) is None
    assert judge(first(A, A, A, B), [*rounds, a_round(C, C, C)], listed=True) is Verdict.UNSTABLE


def test_listing_a_script_does_not_excuse_a_difference_that_the_unpatched_shell_never_shows():
    assert judge(first(A, A, A, B), [WRAPPED_B] * MAX_ROUNDS, listed=True) is Verdict.DIFFERENT


def test_a_script_that_never_ends_in_time_unpatched_proves_nothing():
    assert judge(first(CUT, CUT, CUT, CUT), [], listed=False) is Verdict.UNSTABLE


def test_the_deviant_ways_come_with_the_unpatched_outcome_of_the_same_try():
    found = deviant_ways(first(A, A, A, B), [a_round(C, C, B)])
    assert found == {Way.WRAPPED: (C, B)}


def test_an_unpatched_shell_that_varies_is_a_deviant_way_itself():
    assert deviant_ways(first(A, B, A, A), []) == {Way.UNPATCHED: (A, B)}
