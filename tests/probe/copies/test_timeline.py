"""The innermost interval at a moment: known cases, and equal to a plain search on many."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.copies.timeline import NONE, Timeline


def at(intervals: list[tuple[int, int]], times: list[int]) -> list[int]:
    start, end = (
        np.array([each[k] for each in intervals], dtype=np.int64).reshape(-1) for k in (0, 1)
    )
    found = Timeline(start, end).at(np.array(times, dtype=np.int64))
    return [int(each) for each in found]


def test_an_interval_has_its_start_and_not_its_end() -> None:
    assert at([(10, 20)], [9, 10, 19, 20]) == [NONE, 0, 0, NONE]


def test_the_next_interval_begins_where_one_ends() -> None:
    assert at([(10, 20), (20, 30)], [19, 20, 29, 30]) == [0, 1, 1, NONE]


def test_the_inner_one_holds_and_then_the_outer_again() -> None:
    nested = [(0, 100), (10, 40), (20, 30), (50, 60)]
    assert at(nested, [5, 15, 25, 35, 45, 55, 65]) == [0, 1, 2, 1, 0, 3, 0]


def test_of_two_that_begin_together_the_shorter_is_inside() -> None:
    assert at([(0, 10), (0, 5)], [2, 7]) == [1, 0]


def test_empty_and_backward_intervals_hold_nothing() -> None:
    assert at([(5, 5), (9, 3)], [4, 5, 6]) == [NONE] * 3
    assert at([], [1, 2]) == [NONE, NONE]


PAIR = st.tuples(st.integers(0, 30), st.integers(0, 30))


@settings(max_examples=300)
@given(st.lists(PAIR, max_size=12))
def test_it_finds_what_a_plain_search_finds(intervals: list[tuple[int, int]]) -> None:
    times = list(range(-1, 32))
    found = at(intervals, times)
    for t, number in zip(times, found, strict=True):
        inside = [pair for pair in intervals if pair[0] <= t < pair[1]]
        if not inside:
            assert number == NONE
        else:
            latest = max(pair[0] for pair in inside)
            shortest = min(pair[1] for pair in inside if pair[0] == latest)
            assert intervals[number] == (latest, shortest)
