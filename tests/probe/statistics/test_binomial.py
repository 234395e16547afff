from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe import statistics


def test_the_bounds_of_a_rate_are_those_by_hand() -> None:
    low, high = statistics.rate_bounds(0, 459, 0.98)
    assert low == 0
    assert high == pytest.approx(1 - 0.01 ** (1 / 459))
    assert statistics.rate_bounds(5, 5) == (pytest.approx(0.025 ** (1 / 5)), 1)
    assert statistics.rate_bounds(0, 0) == (0, 1)


@given(st.integers(1, 5_000), st.data())
def test_a_rate_at_its_bound_is_just_ruled_out(frames: int, data: st.DataObject) -> None:
    misses = data.draw(st.integers(1, frames))
    low, high = statistics.rate_bounds(misses, frames)
    assert low < misses / frames
    assert statistics.at_least(misses, frames, low) == pytest.approx(0.025, rel=1e-6)
    if misses < frames:
        assert statistics.at_most(misses, frames, high) == pytest.approx(0.025, rel=1e-6)
