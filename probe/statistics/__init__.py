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
    sample_at,
    sample_of,
)
from probe.statistics.changes import change_points
from probe.statistics.dependence import inflation
from probe.statistics.goals import Met, Resolved, median_interval, resolved
from probe.statistics.percentiles import percentile, rank
from probe.statistics.resampling import (
    Interval,
    block_interval,
    block_length,
)
from probe.statistics.steady import settled
from probe.statistics.trend import (
    ALL_PAIRS,
    LEAST_FOR_SLOPE,
    PAIRS_SEED,
    STRETCHES,
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
    "STRETCHES",
    "Answer",
    "Interval",
    "Met",
    "Resolved",
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
    "inflation",
    "median_interval",
    "percentile",
    "rank",
    "rank_correlation",
    "rate_bounds",
    "resolved",
    "sample_at",
    "sample_of",
    "settled",
    "slope",
    "trend",
    "upper_bound",
]
