"""How far do two sets of runs differ in many metrics, and could chance alone do it?

Runs are the samples (METHOD: comparison): frames of one run depend on each other and would make any
two runs differ.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from probe.statistics.trend import ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_RUNS: Final = 2
"""One run a side says nothing of how runs scatter (METHOD: comparison)."""
MOST_LABELINGS: Final = 20_000
"""Up to so many ways of choosing the base's runs all are counted; of more, so many are drawn."""
SEED: Final = 7
_SAME: Final = 1e-9
"""Relative difference below which two statistics are one number that was rounded twice."""


@dataclass(frozen=True)
class Effect:
    """The other side's mean minus the base's, in the metric's unit.

    `low` and `high` bound it at the confidence of all metrics together, so that they leave out 0
    exactly where `p_value` reaches the level; they are None where nothing bounds it. All three are
    None where a run's value is infinite (a percentile on a lost frame): then the ranks are
    compared, and `p_value` stands alone.
    """

    difference: float | None
    low: float | None
    high: float | None
    p_value: float


@dataclass(frozen=True)
class Effects:
    """One effect a metric; `least` is the smallest p-value that so many runs can reach."""

    effects: tuple[Effect, ...]
    least: float
    labelings: int
    exact: bool


def least_p_value(base: int, other: int) -> float:
    """Return the smallest p-value that `base` and `other` runs a side can reach; 1 from one run."""
    if min(base, other) < LEAST_RUNS:
        return 1.0
    mirrored = 2 if base == other else 1  # with equal sides the exchanged labels are as far apart
    return max(mirrored / math.comb(base + other, base), 1 / MOST_LABELINGS)


def runs_needed(level: float) -> int:
    """Return the fewest runs a side that can tell a difference at `level`."""
    return next(n for n in itertools.count(LEAST_RUNS) if least_p_value(n, n) <= level)


def effects(base: NDArray[np.float64], other: NDArray[np.float64], level: float = 0.05) -> Effects:
    """Compare two sets of runs: arrays of (runs, metrics), at least `LEAST_RUNS` runs each.

    A permutation test over runs of Welch's t, in all metrics at once: a metric's p-value is the
    share of labelings in which the *largest* t of any metric reaches its own (Westfall and Young,
    Resampling-Based Multiple Testing, 1993, single step). So the chance that two sets of the same
    program differ in any metric at all is at most `level`, however many metrics are looked at and
    however they hang together, if the order of the runs was as good as random. The intervals are
    those that the same test gives. Studentised, so that sides of unequal scatter do not look
    different for that alone (Janssen, 1997). Raises `ValueError` for fewer runs.
    """
    count = len(base)
    if min(count, len(other)) < LEAST_RUNS:
        raise ValueError(f"{count} and {len(other)} runs: at least {LEAST_RUNS} a side")
    together = np.concatenate([base, other])
    infinite = ~np.isfinite(together).all(axis=0)
    values = together.copy()
    for column in np.flatnonzero(infinite):
        values[:, column] = ranks(together[:, column])
    labelings = _labelings(len(together), count)
    difference, error = _welch(values, labelings)
    t = _studentised(difference, error)
    largest = t.max(axis=1)
    own = t[0]
    p_values = (largest[:, None] >= own * (1 - _SAME)).mean(axis=0)
    critical = _critical(largest, level)
    # without scatter the difference is exact, however far chance may reach elsewhere
    reach = [critical * each if each > 0 else 0.0 for each in error[0].tolist()]
    found = tuple(
        _effect(float(d) if far > 0 else 0.0, width, float(p), lost=bool(lost))
        for d, far, width, p, lost in zip(
            difference[0], own, reach, p_values, infinite, strict=True
        )
    )
    exact = len(labelings) == math.comb(len(together), count)
    return Effects(found, least_p_value(count, len(other)), len(labelings), exact)


def _effect(difference: float, width: float, p_value: float, *, lost: bool) -> Effect:
    if lost:
        return Effect(None, None, None, p_value)
    if not math.isfinite(width):
        return Effect(difference, None, None, p_value)
    low, high = (
        0.0 if abs(end) <= _SAME * abs(difference) else end
        for end in (difference - width, difference + width)
    )
    return Effect(difference, low, high, p_value)


@functools.lru_cache(maxsize=4)
def _labelings(total: int, base: int) -> NDArray[np.bool_]:
    """Return which runs are the base's in each labeling; the true one, the first `base`, first."""
    if math.comb(total, base) <= MOST_LABELINGS:
        chosen = np.array(list(itertools.combinations(range(total), base)))
    else:
        rng = np.random.default_rng(SEED)
        order = rng.permuted(np.tile(np.arange(total), (MOST_LABELINGS - 1, 1)), axis=1)
        chosen = np.concatenate([np.arange(base)[None, :], order[:, :base]])
    marked = np.zeros((len(chosen), total), dtype=np.bool_)
    np.put_along_axis(marked, chosen, values=True, axis=1)
    return marked


def _welch(
    values: NDArray[np.float64], labelings: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the difference of means and its standard error for each labeling and metric."""
    centred = values - values.mean(axis=0)
    means, errors = [], []
    for side in (labelings, ~labelings):
        weight = side.astype(np.float64)
        runs = int(weight[0].sum())
        # not a product of matrices: that wakes the threads of the linear algebra library
        mean = np.einsum("ln,nk->lk", weight, centred) / runs
        square = np.einsum("ln,nk->lk", weight, centred**2) / runs - mean**2
        means.append(mean)
        errors.append(np.maximum(square, 0.0) * runs / (runs - 1) / runs)
    scale = np.abs(centred).max(axis=0)
    error = np.sqrt(errors[0] + errors[1])
    # what rounding leaves of runs that are all alike
    return means[1] - means[0], np.where(error <= _SAME * scale, 0.0, error)


def _studentised(
    difference: NDArray[np.float64], error: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return |t|; infinite where sides without scatter differ, 0 where they do not."""
    distance = np.abs(difference)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = distance / error
    none = distance <= _SAME * np.maximum(distance.max(axis=0), np.finfo(np.float64).tiny)
    return np.where(none, 0.0, np.where(error == 0, np.inf, t))


def _critical(largest: NDArray[np.float64], level: float) -> float:
    """Return the largest t that chance reaches in more than `level` of the labelings."""
    ordered = np.sort(largest)[::-1]
    at = math.floor(level * len(ordered) + _SAME)
    return float(ordered[min(at, len(ordered) - 1)])
