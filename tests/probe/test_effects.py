"""Runs as samples: exact where it can be counted, calibrated where chance alone is at work."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from probe.effects import effects, least_p_value, p_values, runs_needed

FALSE_ALARMS = 0.05


def noisy_runs(rng: np.random.Generator, runs: int, metrics: int) -> NDArray[np.float64]:
    """Return runs of one program on a shared machine: heavy tails, and what hits all at once."""
    neighbour = rng.lognormal(0, 0.3, (runs, 1))
    own = rng.standard_t(3, (runs, metrics)) * 0.05
    bound_together = rng.uniform(0, 1, metrics)
    return 30 * (1 + own + 0.2 * bound_together * (neighbour - 1))


def test_the_fewest_runs_that_can_tell_anything_are_four_a_side() -> None:
    assert least_p_value(1, 20) == 1
    assert least_p_value(3, 3) == pytest.approx(2 / 20)
    assert least_p_value(4, 4) == pytest.approx(2 / 70)
    assert least_p_value(3, 8) == pytest.approx(1 / 165)
    assert runs_needed(0.05) == 4
    with pytest.raises(ValueError, match="at least 2"):
        effects(np.ones((1, 2)), np.ones((5, 2)))


def test_one_metric_has_the_exact_p_value_of_a_permutation_test() -> None:
    from scipy import stats

    rng = np.random.default_rng(3)
    for _ in range(5):
        base, other = rng.normal(0, 1, (4, 1)), rng.normal(0.8, 2, (5, 1))

        def welch(one: Any, two: Any, axis: int) -> Any:
            return np.abs(stats.ttest_ind(one, two, equal_var=False, axis=axis).statistic)

        expected = stats.permutation_test(
            (base[:, 0], other[:, 0]), welch, vectorized=True, alternative="greater",
            n_resamples=np.inf,
        )  # fmt: skip
        assert effects(base, other).effects[0].p_value == pytest.approx(expected.pvalue)


def test_an_interval_leaves_out_zero_exactly_where_the_test_tells_a_difference() -> None:
    rng = np.random.default_rng(4)
    seen = set()
    for shift in np.linspace(0, 20, 40):
        base, other = noisy_runs(rng, 5, 6), noisy_runs(rng, 5, 6)
        other[:, 0] += shift
        for each in effects(base, other).effects:
            assert each.low is not None
            assert each.high is not None
            excludes = not each.low <= 0 <= each.high
            assert excludes == (each.p_value <= FALSE_ALARMS)
            seen.add(excludes)
    assert seen == {True, False}


@pytest.mark.parametrize("runs", [4, 5])
def test_the_same_program_differs_in_any_metric_at_most_five_times_of_a_hundred(runs: int) -> None:
    rng = np.random.default_rng(runs)
    trials = 400
    alarms = 0
    for _ in range(trials):
        both = noisy_runs(rng, 2 * runs, 25)
        alarms += bool((p_values(both[:runs], both[runs:]) <= FALSE_ALARMS).any())
    # what 400 trials at exactly 5 % exceed once in a thousand times
    assert alarms <= 34


def test_a_true_difference_of_four_times_the_scatter_is_found_among_many_metrics() -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(60):
        base, other = rng.normal(30, 1, (5, 25)), rng.normal(30, 1, (5, 25))
        other[:, 7] += 4
        told = effects(base, other).effects
        found += told[7].p_value <= FALSE_ALARMS
        assert told[7].difference is not None
        assert abs(told[7].difference - 4) < 3
    assert found > 45


def test_counts_that_never_scatter_are_told_apart_exactly() -> None:
    base, other = np.full((4, 3), 51.3), np.full((4, 3), 51.3)
    other[:, 1] = 40.2
    same, fewer, _ = effects(base, other).effects
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    assert fewer.difference == pytest.approx(-11.1)
    assert fewer.low == fewer.high == fewer.difference
    assert fewer.p_value == pytest.approx(2 / 70)


def test_percentiles_on_lost_frames_are_compared_by_rank() -> None:
    base = np.array([[30.0], [31.0], [29.0], [30.5]])
    lost = np.full((4, 1), math.inf)
    (found,) = effects(base, lost).effects
    assert (found.difference, found.low) == (None, None)
    assert found.p_value == pytest.approx(2 / 70)
    (same,) = effects(lost, lost).effects
    assert same.p_value == 1


def test_many_runs_are_drawn_and_give_the_same_answer_each_time() -> None:
    rng = np.random.default_rng(6)
    base, other = rng.normal(0, 1, (12, 3)), rng.normal(1.5, 1, (12, 3))
    first = effects(base, other)
    assert not first.exact
    assert first == effects(base, other)
    assert first.effects[0].p_value < 0.05


@pytest.mark.parametrize("shift", [0.0, 3.0, 100.0])
def test_an_interval_holds_the_true_difference_however_large_it_is(shift: float) -> None:
    # with the critical t of unmoved runs, 4 a side, it held 100 only 82 times of 100
    rng, held = np.random.default_rng(7), 0
    for _ in range(200):
        base, other = rng.normal(0, 1, (4, 1)), rng.normal(shift, 1, (4, 1))
        (found,) = effects(base, other).effects
        assert found.low is not None
        assert found.high is not None
        held += found.low <= shift <= found.high
    assert held >= 180  # of a true 95 %, in 99.9 % of draws


def test_the_ends_of_an_interval_are_where_the_test_begins_to_tell() -> None:
    rng = np.random.default_rng(8)
    base, other = rng.normal(0, 1, (5, 3)), rng.normal(1, 2, (5, 3))
    for at, found in enumerate(effects(base, other).effects):
        assert found.low is not None
        assert found.high is not None
        for end, outwards in ((found.low, -1), (found.high, 1)):
            for step, told in ((1e-4, True), (-1e-4, False)):
                moved = other.copy()
                moved[:, at] -= end + outwards * step
                assert (p_values(base, moved)[at] <= FALSE_ALARMS) == told


def test_so_few_runs_that_nothing_can_be_told_bound_nothing() -> None:
    rng = np.random.default_rng(9)
    (found,) = effects(rng.normal(0, 1, (3, 1)), rng.normal(50, 1, (3, 1))).effects
    assert found.p_value == pytest.approx(0.1)
    assert (found.low, found.high) == (None, None)


def test_a_run_without_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        effects(np.array([[1.0], [math.nan]]), np.ones((2, 1)))
