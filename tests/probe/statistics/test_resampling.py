from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from probe import statistics


def dependent(rng: np.random.Generator, count: int, rho: float) -> NDArray[np.float64]:
    noise: NDArray[np.float64] = signal.lfilter([1.0], [1.0, -rho], rng.normal(size=count))
    return noise


def test_blocks_are_as_long_as_the_dependence_reaches() -> None:
    rng = np.random.default_rng(1)
    lengths = [statistics.block_length(dependent(rng, 4_000, rho)) for rho in (0.0, 0.5, 0.9)]
    assert lengths == sorted(lengths)
    assert lengths[0] <= 3
    assert 30 <= lengths[2] <= 120
    assert statistics.block_length(np.ones(100)) == 1
    assert statistics.block_length(np.ones(1)) == 1


@pytest.mark.parametrize(("rho", "least"), [(0.0, 88), (0.7, 84)])
def test_the_interval_of_a_mean_covers_it_though_values_depend(rho: float, least: int) -> None:
    rng, covered = np.random.default_rng(5), 0
    for _ in range(100):
        found = statistics.block_interval(dependent(rng, 1_000, rho), lambda part: part.mean())
        assert found is not None
        covered += found.low <= 0 <= found.high
    assert covered >= least


def test_lost_frames_are_the_slowest_and_no_more() -> None:
    latency = np.random.default_rng(6).gamma(4, 5, 2_000)
    latency[::10] = np.inf
    found = statistics.block_interval(latency, lambda part: float(np.sort(part)[len(part) // 2]))
    assert found is not None
    assert found.low < found.estimate < found.high < 40
    again = statistics.block_interval(latency, lambda part: float(np.sort(part)[len(part) // 2]))
    assert found == again


def test_few_blocks_have_no_interval() -> None:
    assert statistics.block_interval(np.arange(90.0), np.median, block=10) is None
    assert statistics.block_interval(np.arange(100.0), np.median, block=10) is not None


def test_one_run_a_side_has_no_difference() -> None:
    one, two = np.ones(1), np.array([1.0, 2.0])
    assert statistics.median_difference(one, two) is None
    assert statistics.permutation(two, one) is None


def test_a_difference_of_medians_is_signed_and_bounded() -> None:
    base = np.array([10.0, 10.2, 9.9, 10.1, 10.0])
    found = statistics.median_difference(base, base + 2)
    assert found is not None
    assert found.estimate == pytest.approx(2)
    assert 0 < found.low <= 2 <= found.high
    assert found.samples == 10


def test_a_few_runs_are_permuted_exactly() -> None:
    low, high = np.arange(5.0), np.arange(10.0, 15.0)
    found = statistics.permutation(low, high)
    assert found is not None
    assert found.exact
    assert found.permutations == 252
    assert found.p_value == pytest.approx(2 / 252)
    assert found.least == pytest.approx(2 / 252)


def test_three_runs_a_side_cannot_tell_at_5_percent() -> None:
    found = statistics.permutation(np.arange(3.0), np.arange(10.0, 13.0))
    assert found is not None
    assert found.least == found.p_value == pytest.approx(0.1)


def test_many_runs_are_permuted_by_draws_that_repeat() -> None:
    rng = np.random.default_rng(8)
    base, other = rng.normal(size=12), rng.normal(size=12)
    found = statistics.permutation(base, other)
    assert found is not None
    assert not found.exact
    assert found == statistics.permutation(base, other)
    assert 0.01 < found.p_value <= 1


def test_runs_without_a_difference_are_seldom_told_apart() -> None:
    rng, apart = np.random.default_rng(9), 0
    for _ in range(100):
        found = statistics.permutation(rng.exponential(size=5), rng.exponential(size=5))
        assert found is not None
        apart += found.p_value <= 0.05
    assert apart <= 12
