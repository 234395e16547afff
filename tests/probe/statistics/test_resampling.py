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
    assert statistics.block_length(np.ones(1)) == statistics.block_length(np.ones(0)) == 1


@pytest.mark.parametrize(("rho", "least"), [(0.0, 88), (0.9, 86)])
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


def test_an_unknown_value_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        statistics.block_interval(np.array([1.0, np.nan] * 50), np.median)


def test_few_blocks_have_no_interval() -> None:
    assert statistics.block_interval(np.ones(0), np.mean) is None
    assert statistics.block_interval(np.arange(90.0), np.median, block=10) is None
    assert statistics.block_interval(np.arange(100.0), np.median, block=10) is not None
