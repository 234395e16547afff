from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from probe import statistics


def dependent(rng: np.random.Generator, count: int, rho: float) -> NDArray[np.float64]:
    noise: NDArray[np.float64] = signal.lfilter([1.0], [1.0, -rho], rng.normal(size=count))
    return noise


@pytest.mark.parametrize("count", [90, 200, 201, 36_000])
def test_the_interval_holds_the_slope_and_an_outlier_does_not_move_it(count: int) -> None:
    rng = np.random.default_rng(2)
    x = np.arange(count) / count
    y = 3 * x + rng.normal(0, 0.1, count)
    y[:: count // 9] += 1e6
    found = statistics.trend(x, y)
    assert found is not None
    assert found.low < found.slope < found.high
    assert found.slope == pytest.approx(3, abs=0.4)
    assert (found.points, found.stretches) == (count, min(count, statistics.STRETCHES))
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
    assert (found.low, found.slope, found.high, found.inflation) == (2, 2, 2, 1)


@pytest.mark.parametrize("count", [3_000, 18_000])
def test_a_slow_wander_under_fast_noise_is_not_taken_for_a_slope(count: int) -> None:
    # by the lag-1 autocorrelation of 700 points alone it covered 45 and 92 of 100
    rng, covered = np.random.default_rng(5), 0
    for _ in range(60):
        wander = dependent(rng, count, 0.99) * (1 - 0.99**2) ** 0.5
        found = statistics.trend(np.arange(float(count)), wander + 2 * rng.normal(size=count))
        assert found is not None
        covered += found.low <= 0 <= found.high
    assert covered >= 46


def test_the_interval_of_independent_points_is_that_of_scipy() -> None:
    from scipy import stats

    rng = np.random.default_rng(9)
    x, y = np.arange(150.0), np.tile([1.0, 0.0], 75) + rng.normal(0, 0.01, 150)
    found = statistics.trend(x, y)
    assert found is not None
    assert found.inflation == 1  # neighbours differ more than others
    expected = stats.theilslopes(y, x)
    assert (found.slope, found.low, found.high) == pytest.approx(
        (expected.slope, expected.low_slope, expected.high_slope), abs=1e-5
    )


def test_lost_values_have_no_slope_but_an_error() -> None:
    y = np.ones(100)
    for wrong in (np.nan, np.inf):
        y[3] = wrong
        with pytest.raises(ValueError, match="finite"):
            statistics.trend(np.arange(100.0), y)
