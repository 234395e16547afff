"""Where did each frame's time go? Work and queue wait, frame by stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.measured import Frames, Spans


@dataclass(frozen=True)
class Breakdown:
    """Time of each frame in each stage in ns, (frames, stages); NaN where it never ran.

    Several executions of a stage for one frame add up. `queue_ns` is the wait before the stage.
    """

    stages: tuple[str, ...]
    work_ns: NDArray[np.float64]
    queue_ns: NDArray[np.float64]


def beside(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the stages that run beside the way to the display, as the program states them."""
    stated = ((manifest.get("program") or {}).get("facts") or {}).get("encode")
    place = stated.get("place") if isinstance(stated, dict) else None
    return ("encode",) if place == "beside-render" else ()


def breakdown_of(frames: Frames, spans: Spans, without: tuple[str, ...] = ()) -> Breakdown:
    """Add up the executions of each stage for each of the given frames, leaving out some stages."""
    kept = [k for k, name in enumerate(spans.stages) if name not in without]
    column = np.full(len(spans.stages) + 1, -1, dtype=np.int64)
    column[kept] = np.arange(len(kept))
    order = np.argsort(frames.number, kind="stable")
    place = np.searchsorted(frames.number, spans.frame, sorter=order)
    row = order[np.minimum(place, len(order) - 1)] if len(order) else place
    known = np.zeros(len(row), dtype=bool)
    if len(order):
        known = (frames.number[row] == spans.frame) & (column[spans.stage] >= 0)
    shape = (len(frames), len(kept))
    cell = row[known] * max(len(kept), 1) + column[spans.stage[known]]

    def added(values: NDArray[np.int64]) -> NDArray[np.float64]:
        weights = np.where(values[known] == NULL, 0, values[known]).astype(np.float64)
        summed = np.bincount(cell, weights, shape[0] * shape[1]).astype(np.float64)
        return summed.reshape(shape)

    ran = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape) > 0
    work = np.where(ran, added(spans.end_ns - spans.start_ns), np.nan)
    queue = np.where(ran, added(spans.queue_ns), np.nan)
    names = tuple(spans.stages[k] for k in kept)
    return Breakdown(names, work, queue)
