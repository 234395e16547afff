from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from probe import statistics


@pytest.mark.parametrize("count", [0, 1, 19, 100, 600, 3_600, 36_000])
def test_a_series_without_a_change_has_none(count: int) -> None:
    rng = np.random.default_rng(1)
    assert statistics.change_points(rng.normal(size=count)) == []
    assert statistics.change_points(np.full(count, 33.0)) == []


def test_one_step_is_found_where_it_is() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=600)
    values[300:] += 2
    (found,) = statistics.change_points(values)
    assert abs(found - 300) <= 5


def test_a_step_without_noise_is_found_exactly() -> None:
    assert statistics.change_points(np.repeat([1.0, 2.0, 1.0], [200, 50, 350])) == [200, 250]


def test_a_throttle_that_passes_has_a_beginning_and_an_end() -> None:
    rng = np.random.default_rng(3)
    latency = 30 + rng.gamma(2, 1, 36_000)
    latency[12_000:12_600] += 8
    found = statistics.change_points(latency)
    assert len(found) == 2
    assert abs(found[0] - 12_000) <= 10
    assert abs(found[1] - 12_600) <= 10


def test_outliers_are_no_changes() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=600)
    values[::50] += 1_000
    assert statistics.change_points(values) == []
    values[300:] += 3
    (found,) = statistics.change_points(values)
    assert abs(found - 300) <= 5


def test_values_on_a_grid_of_refreshes_still_show_their_level() -> None:
    rng = np.random.default_rng(5)
    shown = np.round(rng.normal(0, 0.3, 3_600)) * 16.7
    shown[720:] += 16.7
    (found,) = statistics.change_points(shown)
    assert abs(found - 720) <= 10


def test_dependent_noise_is_no_change() -> None:
    rng = np.random.default_rng(6)
    noise = signal.lfilter([1.0], [1.0, -0.9], rng.normal(size=36_000))
    assert statistics.change_points(noise) == []


def test_many_levels_are_all_found() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(size=36_000) + 5 * (np.arange(36_000) // 3_600 % 2)
    found = statistics.change_points(values)
    assert len(found) == 9
    assert np.abs(np.array(found) - 3_600 * np.arange(1, 10)).max() <= 3


def test_no_stretch_is_shorter_than_asked_for() -> None:
    values = np.repeat([0.0, 5.0, 0.0], [300, 40, 260]) + np.random.default_rng(8).normal(size=600)
    edges = [0, *statistics.change_points(values, least=60), 600]
    assert np.diff(edges).min() >= 60
