from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from probe import statistics
from probe.statistics import Interval, Met


def around(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 20, 1)


@pytest.mark.parametrize(
    ("low", "high", "met", "text"),
    [
        (0.1, 0.9, Met.HELD, "held"),
        (0.1, 1.0, Met.HELD, "held"),
        (0.9, 3.2, Met.UNRESOLVED, "not resolved here, at most 3.2 %"),
        (1.0, 3.2, Met.UNRESOLVED, "not resolved here, at most 3.2 %"),
        (1.1, 3.2, Met.MISSED, "missed"),
    ],
)
def test_only_a_whole_interval_beyond_a_goal_misses_it(
    low: float, high: float, met: Met, text: str
) -> None:
    found = statistics.resolved(around(low, high), 1.0, "%")
    assert (found.met, found.text) == (met, text)


def test_a_lower_bound_is_the_mirror_of_an_upper_one() -> None:
    said = [
        statistics.resolved(around(*ends), 0.95, at_most=False)
        for ends in ((0.95, 1.1), (0.9, 1.0), (0.8, 0.94))
    ]
    assert [each.met for each in said] == [Met.HELD, Met.UNRESOLVED, Met.MISSED]
    assert said[1].text == "not resolved here, at least 0.9"


def test_too_few_values_resolve_nothing() -> None:
    assert statistics.median_interval(np.ones(0)) is None
    assert statistics.median_interval(np.arange(5.0)) is None
    assert statistics.resolved(None, 1.0).met is Met.UNRESOLVED


@pytest.mark.parametrize("count", [6, 7, 8, 15, 30, 200])
def test_the_interval_of_a_median_is_the_narrowest_that_the_binomial_allows(count: int) -> None:
    found = statistics.median_interval(np.arange(1.0, count + 1))
    assert found is not None
    below = round(found.low)
    assert found.high == count + 1 - below
    assert 2 * stats.binom.cdf(below - 1, count, 0.5) <= 0.05
    assert 2 * stats.binom.cdf(below, count, 0.5) > 0.05


def test_the_interval_of_a_median_covers_it_whatever_the_distribution() -> None:
    rng = np.random.default_rng(3)
    for draw in (rng.standard_cauchy, rng.standard_exponential):
        true = 0.0 if draw == rng.standard_cauchy else float(np.log(2))
        found = [statistics.median_interval(draw(12)) for _ in range(400)]
        assert sum(each is not None and each.low <= true <= each.high for each in found) >= 374


def test_a_median_of_what_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        statistics.median_interval(np.array([1.0, np.nan] * 5))
