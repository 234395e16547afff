"""How sure can a number be? Exact tests and bounds for series whose values depend on each other.

A percentile is stated only from enough frames, bounded by an order statistic, and tested with the
effective number of independent frames (METHOD: rules 2 to 4). Slopes, statistics of a series and
differences between runs carry an interval; changes and the steady state are found, not assumed.
"""

from __future__ import annotations

from probe.statistics.answers import Answer, answer, upper_bound
from probe.statistics.binomial import (
    LEVEL,
    P99,
    allowed_misses,
    at_least,
    at_most,
    frames_needed,
    rate_bounds,
)
from probe.statistics.bursts import (
    ASSUMED_BURST,
    FEW_BURSTS,
    LONGEST_BURST,
    NOMINAL_LEVEL,
    Sample,
    sample_of,
)
from probe.statistics.changes import change_points
from probe.statistics.percentiles import percentile, rank
from probe.statistics.resampling import (
    Interval,
    Permutation,
    block_interval,
    block_length,
    median_difference,
    permutation,
)
from probe.statistics.steady import settled
from probe.statistics.trend import (
    ALL_PAIRS,
    LEAST_FOR_SLOPE,
    PAIRS_SEED,
    Trend,
    rank_correlation,
    slope,
    trend,
)

__all__ = [
    "ALL_PAIRS",
    "ASSUMED_BURST",
    "FEW_BURSTS",
    "LEAST_FOR_SLOPE",
    "LEVEL",
    "LONGEST_BURST",
    "NOMINAL_LEVEL",
    "P99",
    "PAIRS_SEED",
    "Answer",
    "Interval",
    "Permutation",
    "Sample",
    "Trend",
    "allowed_misses",
    "answer",
    "at_least",
    "at_most",
    "block_interval",
    "block_length",
    "change_points",
    "frames_needed",
    "median_difference",
    "percentile",
    "permutation",
    "rank",
    "rank_correlation",
    "rate_bounds",
    "sample_of",
    "settled",
    "slope",
    "trend",
    "upper_bound",
]
