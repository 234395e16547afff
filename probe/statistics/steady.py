"""When did a series settle, by itself? It informs only: a warm-up is declared (METHOD: rule 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH: Final = 5
"""Values a batch: the 5 of MSER-5."""
LEAST_BATCHES: Final = 20
"""Fewer batches tell nothing: our own bound."""
LAST_BATCHES: Final = 5
"""So many last batches are never all that is kept: a chance agreement of a few there has no error
at all (Hoad, Robinson and Davies, 2010, leave out as many)."""


def settled(values: NDArray[np.float64]) -> int | None:
    """Return the index from which a series is steady; None where it does not settle.

    MSER (White, An effective truncation heuristic for bias reduction in simulation output, 1997) on
    means of five (White, Cobb and Spratt, A comparison of five steady-state truncation heuristics
    for simulation, 2000): the cut that leaves the least standard error of what remains. A cut in
    the later half means that no steady state was seen, and so do fewer than `LEAST_BATCHES`
    batches. Values in order of time; raises `ValueError` where one is not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("a steady state needs finite values: leave out what was lost")
    batches = len(values) // BATCH
    if batches < LEAST_BATCHES:
        return None
    means = values[: batches * BATCH].reshape(batches, BATCH).mean(axis=1)
    means -= means[batches // 2 :].mean()  # sums of squares then lose no digits
    kept = np.arange(batches, LAST_BATCHES, -1, dtype=np.float64)
    sums = np.cumsum(means[::-1])[::-1][: len(kept)]
    squares = np.cumsum((means * means)[::-1])[::-1][: len(kept)]
    errors = (squares - sums * sums / kept) / kept**2
    cut = int(np.argmin(errors))
    return cut * BATCH if cut <= batches // 2 else None
