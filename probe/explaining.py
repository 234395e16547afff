"""Which stage explains a difference in latency?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from probe import measured
from probe.breakdown import beside, breakdown_of
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.measured import Frames
    from probe.store import Run

SOURCE: Final = "capture"
EXPLAINS: Final = 0.25
"""A stage is named where it accounts for a quarter of a difference: our own number."""


def totals_of(run: Run, frames: Frames) -> dict[str, NDArray[np.float64]]:
    """Return the time of each frame in each stage and before it, in ns; NaN where it never ran.

    Stages beside the way to the display are left out: they make nobody late. What a frame waited
    for its release counts for `SOURCE`.
    """
    spent = breakdown_of(frames, measured.spans_of(run), beside(run.manifest))
    totals = {
        name: spent.work_ns[:, k] + spent.queue_ns[:, k] for k, name in enumerate(spent.stages)
    }
    return totals | {SOURCE: totals.get(SOURCE, 0.0) + release_ns(frames)}


def release_ns(frames: Frames) -> NDArray[np.float64]:
    """Return how long after it was due each frame was released; 0 where nobody says."""
    known = (frames.scheduled_ns != NULL) & (frames.captured_ns != NULL)
    return np.where(known, frames.captured_ns - frames.scheduled_ns, 0).astype(np.float64)


def foremost(shares: Mapping[str, float], whole: float) -> str | None:
    """Return the stage with the largest share of `whole`; None where that is under a quarter."""
    known = {name: share for name, share in shares.items() if np.isfinite(share)}
    first = max(known, key=lambda name: known[name], default=None)
    return first if first is not None and known[first] >= EXPLAINS * whole > 0 else None


def in_ms(of_stages: Mapping[str, float]) -> dict[str, float]:
    """Return times of stages in ms as evidence shows them: with the unit in the name."""
    return {f"{name}_ms": value for name, value in of_stages.items()}


def median(values: NDArray[np.float64]) -> float:
    """Return the median of the finite values, NaN where there are none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
