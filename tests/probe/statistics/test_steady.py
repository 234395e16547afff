from __future__ import annotations

import numpy as np

from probe import statistics


def test_a_warm_up_ends_where_it_does() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(30, 1, 18_000)
    values[:900] += 200 * np.exp(-np.arange(900) / 100)
    found = statistics.settled(values)
    assert found is not None
    assert 300 <= found <= 900


def test_a_steady_series_is_steady_almost_from_its_start() -> None:
    rng = np.random.default_rng(2)
    early = [statistics.settled(rng.normal(size=3_600)) for _ in range(100)]
    assert sum(found is not None and found <= 720 for found in early) >= 80


def test_what_keeps_rising_never_settles() -> None:
    rng = np.random.default_rng(3)
    assert statistics.settled(np.arange(3_600) + rng.normal(size=3_600)) is None


def test_a_hundred_values_are_the_fewest_that_tell() -> None:
    assert statistics.settled(np.ones(99)) is None
    assert statistics.settled(np.ones(100)) == 0
