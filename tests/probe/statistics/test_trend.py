from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from probe import statistics


def dependent(rng: np.random.Generator, count: int, rho: float) -> NDArray[np.float64]:
    noise: NDArray[np.float64] = signal.lfilter([1.0], [1.0, -rho], rng.normal(size=count))
    return noise


@pytest.mark.parametrize("count", [90, 700, 701, 36_000])
def test_the_interval_holds_the_slope_and_an_outlier_does_not_move_it(count: int) -> None:
    rng = np.random.default_rng(2)
    x = np.arange(count) / count
    y = 3 * x + rng.normal(0, 0.1, count)
    y[:: count // 9] += 1e6
    found = statistics.trend(x, y)
    assert found is not None
    assert found.low < found.slope < found.high
    assert found.slope == pytest.approx(3, abs=0.4)
    assert (found.points, found.stretches) == (count, min(count, statistics.ALL_PAIRS))
    assert found == statistics.trend(x, y)


@pytest.mark.parametrize(("count", "rho"), [(200, 0.0), (200, 0.6), (3_000, 0.9)])
def test_the_interval_covers_as_often_as_it_says_whether_or_not_values_depend(
    count: int, rho: float
) -> None:
    rng, covered = np.random.default_rng(3), 0
    for _ in range(100):
        found = statistics.trend(np.arange(float(count)), dependent(rng, count, rho))
        assert found is not None
        covered += found.low <= 0 <= found.high
    assert covered >= 88  # of a true 95 %, 88 and more of 100 in 99.8 % of draws


def test_too_few_points_and_no_spread_have_no_trend() -> None:
    x = np.arange(89.0)
    assert statistics.trend(x, x) is None
    assert statistics.trend(np.zeros(200), np.arange(200.0)) is None


def test_a_steady_line_has_no_width() -> None:
    x = np.arange(200.0)
    found = statistics.trend(x, 2 * x)
    assert found is not None
    assert (found.low, found.slope, found.high, found.rho) == (2, 2, 2, 0)
