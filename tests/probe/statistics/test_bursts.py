from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from probe import statistics
from probe.model import Outcome, Tier


def misses(frames: int, *bursts: tuple[int, int]) -> statistics.Sample:
    missed = np.zeros(frames, dtype=bool)
    for at, length in bursts:
        missed[at : at + length] = True
    return statistics.sample_of(missed, Tier.STANDARD)


@given(st.lists(st.booleans(), min_size=2, max_size=400))
def test_the_autocorrelation_of_counts_is_that_of_the_series(series: list[bool]) -> None:
    missed = np.array(series)
    rho = statistics.sample_of(missed, Tier.QUICK).rho
    if missed.min() == missed.max():
        assert rho is None
        return
    apart = missed - missed.mean()
    expected = float((apart[1:] * apart[:-1]).sum() / (apart * apart).sum())
    assert rho is not None
    assert abs(rho - min(max(expected, 0.0), 1.0)) < 1e-9


def test_few_bursts_count_as_five_of_their_length() -> None:
    assert misses(18_000, (100, 2)).weight == 5
    assert misses(18_000, (100, 1), (200, 3)).weight == Fraction(5, 2)
    many = misses(18_000, *((k, 1) for k in range(0, 5_000, 1_000)))
    assert many.assumed_burst is None
    assert many.weight == 1


def test_quick_takes_misses_for_independent_and_adds_none() -> None:
    missed = np.zeros(900, dtype=bool)
    missed[40] = True
    assert statistics.sample_of(missed, Tier.QUICK).weight == 1


def test_a_few_late_frames_of_ten_minutes_do_not_forbid_support() -> None:
    for bursts in (1, 2, 3, 4, 5, 10, 50):
        sample = misses(18_000, *((300 * k, 1) for k in range(1, bursts + 1)))
        assert statistics.answer(sample).outcome is Outcome.SUPPORTED


def test_the_frames_that_are_still_needed_suffice_with_few_bursts_too() -> None:
    first = misses(15_000, (100, 3))
    found = statistics.answer(first)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.still_needed is not None
    longer = misses(15_000 + found.still_needed, (100, 3))
    assert statistics.answer(longer).outcome is Outcome.SUPPORTED
