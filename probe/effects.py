"""How far do two sets of runs differ in many metrics, and could chance alone do it?

Runs are the samples (METHOD: comparison): frames of one run depend on each other and would make any
two runs differ.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from probe.statistics.dependence import ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_RUNS: Final = 2
"""One run a side says nothing of how runs scatter (METHOD: comparison)."""
MOST_LABELINGS: Final = 20_000
"""Up to so many ways of choosing the base's runs all are counted; of more, so many are drawn."""
SEED: Final = 7
_SAME: Final = 1e-9
"""Relative difference below which two statistics are one number that was rounded twice."""
_DOUBLINGS: Final = 40
_HALVINGS: Final = 24
"""An end of an interval is found to a ten-millionth of where it was looked for."""


@dataclass(frozen=True)
class Effect:
    """The other side's mean minus the base's, in the metric's unit.

    `low` and `high` are the differences that the test does not rule out, so that they leave out 0
    exactly where `p_value` reaches the level; they are None where so few runs rule nothing out. All
    three are None where a run's value is infinite (a percentile on a lost frame): then the ranks
    are compared, and `p_value` stands alone.
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


def p_values(base: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the p-value of each metric of two sets of runs, as `effects` does without intervals.

    Arrays of (runs, metrics), at least `LEAST_RUNS` runs each; `ValueError` for fewer, and for NaN.
    """
    return _tested(base, other).p_values


def effects(base: NDArray[np.float64], other: NDArray[np.float64], level: float = 0.05) -> Effects:
    """Compare two sets of runs: arrays of (runs, metrics), at least `LEAST_RUNS` runs each.

    A permutation test over runs of Welch's t, in all metrics at once: a metric's p-value is the
    share of labelings in which the *largest* t of any metric reaches its own (Westfall and Young,
    Resampling-Based Multiple Testing, 1993, single step). So the chance that two sets of the same
    program differ in any metric at all is at most `level`, however many metrics are looked at and
    however they hang together, if the order of the runs was as good as random. Studentised, so that
    sides of unequal scatter do not look different for that alone (Janssen, Studentized permutation
    tests for non-i.i.d. hypotheses, 1997).

    The intervals invert the test: a difference lies within where the other side, moved back by it,
    cannot be told from the base. Each holds its own difference at least ``1 - level`` of the time,
    whatever the others do, if the sides are alike but for a shift; together they hold where no
    metric differs, and may not where many do. Raises `ValueError` for fewer runs, and for NaN.
    """
    test = _tested(base, other)
    low, high = (_end(test, level, sign) for sign in (-1.0, 1.0))
    found = tuple(
        _effect(test, at, float(low[at]), float(high[at])) for at in range(len(test.p_values))
    )
    count = len(base)
    exact = len(test.labelings) == math.comb(count + len(other), count)
    return Effects(found, least_p_value(count, len(other)), len(test.labelings), exact)


class _Moments(NamedTuple):
    """Of one side of each labeling: runs, and sums over it; `moved` counts the other side's runs.

    `sums`, `squares` and `products` are of residuals, their squares, and those of moved runs alone.
    """

    runs: int
    moved: NDArray[np.float64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    products: NDArray[np.float64]


@dataclass(frozen=True)
class _Test:
    """What a test of all metrics leaves for its intervals; arrays end in the metrics.

    `residuals` are the runs less the mean of their side; `elsewhere` is the largest t of any other
    metric, by labeling.
    """

    labelings: NDArray[np.bool_]
    residuals: NDArray[np.float64]
    difference: NDArray[np.float64]
    error: NDArray[np.float64]
    elsewhere: NDArray[np.float64]
    p_values: NDArray[np.float64]
    lost: NDArray[np.bool_]


def _tested(base: NDArray[np.float64], other: NDArray[np.float64]) -> _Test:
    count = len(base)
    if min(count, len(other)) < LEAST_RUNS:
        raise ValueError(f"{count} and {len(other)} runs: at least {LEAST_RUNS} a side")
    values = np.concatenate([base, other])
    if np.isnan(values).any():
        raise ValueError("a run without a value (NaN) cannot be compared")
    lost = np.isinf(values).any(axis=0)
    for column in np.flatnonzero(lost):
        values[:, column] = ranks(values[:, column])
    labelings = _labelings(len(values), count)
    t, difference, error = _welch(values, labelings)
    largest = np.sort(t, axis=1)[:, -2:] if t.shape[1] > 1 else np.pad(t, ((0, 0), (1, 0)))
    elsewhere = np.where(t == largest[:, 1:], largest[:, :1], largest[:, 1:])
    p_values = (largest[:, 1:] >= t[0] * (1 - _SAME)).mean(axis=0)
    difference = np.where(t[0] > 0, difference[0], 0.0)
    residuals = values - np.concatenate(
        [
            np.broadcast_to(side.mean(axis=0), side.shape)
            for side in (values[:count], values[count:])
        ]
    )
    return _Test(labelings, residuals, difference, error[0], elsewhere, p_values, lost)


def _effect(test: _Test, at: int, low: float, high: float) -> Effect:
    p_value = float(test.p_values[at])
    if test.lost[at]:
        return Effect(None, None, None, p_value)
    if not math.isfinite(high - low):
        return Effect(float(test.difference[at]), None, None, p_value)
    return Effect(float(test.difference[at]), low, high, p_value)


def _end(test: _Test, level: float, sign: float) -> NDArray[np.float64]:
    """Return one end of each metric's interval, by bisection; infinite where there is none.

    Steps are measured from the difference that was found. 0 lies outside exactly where the test
    told a difference: of several crossings, the one on that side of 0 is taken.
    """
    count = int(np.count_nonzero(test.labelings[0]))
    if least_p_value(count, len(test.residuals) - count) > level:
        return np.full(len(test.difference), sign * np.inf)
    moments = _moments(test)
    told, apart = test.p_values <= level, np.abs(test.difference)
    inwards = sign * test.difference < 0
    within = np.where(inwards & ~told, apart, 0.0)
    beyond = np.where(inwards & told, apart, np.inf)
    reach = np.maximum(within, test.error)
    for _ in range(_DOUBLINGS):
        seeking = np.isinf(beyond) & (test.error > 0)
        if not seeking.any():
            break
        reach = 2 * reach
        kept = _share_as_far(test, moments, sign * reach) > level
        within = np.where(seeking & kept, reach, within)
        beyond = np.where(seeking & ~kept, reach, beyond)
    found = np.isfinite(beyond)
    for _ in range(_HALVINGS):
        middle = np.where(found, within + beyond, 0.0) / 2
        kept = _share_as_far(test, moments, sign * middle) > level
        within = np.where(kept, middle, within)
        beyond = np.where(found & ~kept, middle, beyond)
    # without scatter the difference is exact, however far chance may reach elsewhere
    return test.difference + sign * np.where(test.error > 0, beyond, 0.0)


def _moments(test: _Test) -> list[_Moments]:
    """Return the sums over each side of every labeling that no step changes."""
    moved = (np.arange(len(test.residuals)) >= np.count_nonzero(test.labelings[0]))[:, None]
    return [
        _Moments(
            runs=int(np.count_nonzero(side[0])),
            moved=_sums(side, moved.astype(np.float64)),
            sums=_sums(side, test.residuals),
            squares=_sums(side, test.residuals**2),
            products=_sums(side, test.residuals * moved),
        )
        for side in (test.labelings, ~test.labelings)
    ]


def _share_as_far(
    test: _Test, moments: list[_Moments], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each metric's p-value where the other side is moved back to `step` from the base."""
    means, errors = [], []
    for side in moments:
        mean = (side.sums - step * side.moved) / side.runs
        square = (side.squares - 2 * step * side.products + step**2 * side.moved) / side.runs
        means.append(mean)
        errors.append(np.maximum(square - mean**2, 0.0) / (side.runs - 1))
    scale = np.abs(test.residuals).max(axis=0) + np.abs(step)
    t = _studentised(means[1] - means[0], np.sqrt(errors[0] + errors[1]), scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.abs(step) / test.error
    as_far: NDArray[np.bool_] = np.maximum(t, test.elsewhere) >= own * (1 - _SAME)
    as_far[0] = True
    return np.array(as_far.sum(axis=0) / len(as_far))


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


def _sums(side: NDArray[np.bool_], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums over the runs of a side, (labelings, metrics)."""
    # not a product of matrices: that wakes the threads of the linear algebra library
    sums: NDArray[np.float64] = np.einsum("ln,nk->lk", side.astype(np.float64), values)
    return sums


def _welch(
    values: NDArray[np.float64], labelings: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return |t|, the difference of means and its standard error, each (labelings, metrics)."""
    centred = values - values.mean(axis=0)
    means, errors = [], []
    for side in (labelings, ~labelings):
        runs = int(np.count_nonzero(side[0]))
        mean = _sums(side, centred) / runs
        square = _sums(side, centred**2) / runs - mean**2
        means.append(mean)
        errors.append(np.maximum(square, 0.0) / (runs - 1))
    difference, error = means[1] - means[0], np.sqrt(errors[0] + errors[1])
    scale = np.abs(centred).max(axis=0)
    t = _studentised(difference, error, scale)
    return t, difference, np.where(error <= _SAME * scale, 0.0, error)


def _studentised(
    difference: NDArray[np.float64], error: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return |t|; infinite where sides without scatter differ, 0 where they do not.

    Less than `_SAME` of the scale of the values is what rounding leaves of nothing.
    """
    distance = np.abs(difference)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = distance / error
    t = np.where(error <= _SAME * scale, np.inf, t)
    return np.where(distance <= _SAME * scale, 0.0, t)
