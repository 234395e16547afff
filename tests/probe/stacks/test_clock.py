"""The offset of py-spy's clock: where stacks and stages agree, inside what was seen outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from probe.stacks.clock import bracket, fitted

STARTED, THREADS = 1_000_000_000, 1_004_000_000


def test_the_bracket_is_from_the_start_to_the_first_thread() -> None:
    assert bracket({"started_ns": STARTED, "threads_ns": THREADS}, None) == (STARTED, THREADS)


def test_the_end_makes_it_narrower() -> None:
    note = {"started_ns": STARTED, "threads_ns": THREADS,
            "absent_ns": 6_001_000_000, "filled_ns": 6_003_000_000}  # fmt: skip
    assert bracket(note, 5_000_000) == (1_001_000_000, 1_003_000_000)


@pytest.mark.parametrize(
    "note",
    [
        {},
        {"started_ns": STARTED},
        {"started_ns": "1", "threads_ns": THREADS},
        {"started_ns": THREADS, "threads_ns": STARTED},
        {"started_ns": STARTED, "threads_ns": 2**70},
    ],
)
def test_notes_that_say_no_start_are_refused(note: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be told"):
        bracket(note, None)


def test_the_offset_is_found_where_stacks_and_stages_agree() -> None:
    truth = 1_300_000
    t_ns = np.arange(0, 10**9, 2_345_678, dtype=np.int64)

    def stage_at(offset: int) -> Any:
        return (t_ns + offset) // 7_000_000 % 3

    found = fitted(0, 4_000_000, stage_at, stage_at(truth))
    assert abs(found.ns - truth) <= 200_000
    assert (found.agreement or 0) > 0.99
    assert (found.low_ns, found.high_ns) == (0, 4_000_000)


def test_without_stages_it_is_the_middle() -> None:
    stack = np.zeros(5, dtype=np.int64)
    found = fitted(0, 4_000_000, lambda _: np.full(5, -1, dtype=np.int64), stack)
    assert (found.ns, found.agreement) == (2_000_000, None)


def test_without_samples_it_is_the_middle() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    assert fitted(0, 4_000_000, lambda _: nothing, nothing).ns == 2_000_000


def test_an_offset_at_which_nothing_is_in_a_stage_is_not_the_best() -> None:
    """A program that mostly waits: stacks would agree best where no sample fell into a stage."""
    period, work, truth = 33_000_000, 3_000_000, 1_000_000
    t_ns = np.sort(np.random.default_rng(7).integers(0, 60 * 10**9, 6000))

    def stage_at(offset: int) -> Any:
        return np.where((t_ns + offset) % period < work, 0, -1)

    stack = stage_at(truth) + 1
    found = fitted(-12_000_000, 12_000_000, stage_at, stack)
    assert abs(found.ns - truth) <= 200_000
    assert (found.agreement or 0) > 0.99


def test_stacks_seen_once_tell_nothing() -> None:
    stack = np.arange(6, dtype=np.int64)
    found = fitted(0, 4_000_000, lambda _: np.array([0, 1, 2, -1, 0, 1]), stack)
    assert (found.ns, found.agreement) == (2_000_000, None)
