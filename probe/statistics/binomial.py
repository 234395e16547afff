"""How many misses may so many independent frames have? Exact binomial tests and bounds."""

from __future__ import annotations

import functools
from typing import Final

from scipy import special

LEVEL: Final = 0.01
"""One minus the confidence of every statement: 99 % (METHOD: rule 2)."""
P99: Final = 0.99
_MOST_FRAMES: Final = 2**40


def at_most(misses: int, frames: int, rate: float) -> float:
    """Return P[Bin(frames, rate) <= misses], exactly (the incomplete beta function)."""
    if misses < 0:
        return 0.0
    return 1.0 if misses >= frames else float(special.bdtr(misses, frames, rate))


def at_least(misses: int, frames: int, rate: float) -> float:
    """Return P[Bin(frames, rate) >= misses], exactly (the incomplete beta function)."""
    if misses <= 0:
        return 1.0
    return 0.0 if misses > frames else float(special.bdtrc(misses - 1, frames, rate))


@functools.cache
def frames_needed(share: float, misses: int = 0, level: float = LEVEL) -> int:
    """Return the fewest frames from which `misses` misses support that `share` of all are in time.

    The binomial test of MLPerf LoadGen's early stopping with zero tolerance: the least n with
    ``P[Bin(n, 1 - share) <= misses] < level``.
    """
    low, high = misses, max(misses, 1)
    while at_most(misses, high, 1 - share) >= level:
        low, high = high, high * 2
        if high > _MOST_FRAMES:
            raise ValueError(f"no number of frames tells a share of {share}")
    while high - low > 1:
        middle = (low + high) // 2
        if at_most(misses, middle, 1 - share) < level:
            high = middle
        else:
            low = middle
    return high


def allowed_misses(share: float, frames: int, level: float = LEVEL) -> int | None:
    """Return the most misses in `frames` that support `share`; None where even none is too many."""
    if at_most(0, frames, 1 - share) >= level:
        return None
    low, high = 0, frames
    while high - low > 1:
        middle = (low + high) // 2
        if at_most(middle, frames, 1 - share) < level:
            low = middle
        else:
            high = middle
    return low


def rate_bounds(misses: int, frames: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of the rate behind `misses` of `frames` independent frames.

    Clopper and Pearson, The use of confidence or fiducial limits, 1934: the rates that either tail
    of the binomial does not rule out. (0, 1) from no frames.
    """
    tail = (1 - confidence) / 2
    low = special.betaincinv(misses, frames - misses + 1, tail) if misses else 0.0
    high = special.betaincinv(misses + 1, frames - misses, 1 - tail) if misses < frames else 1.0
    return float(low), float(high)
