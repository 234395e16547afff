"""Where did each frame's time go? Work and queue wait, frame by stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from probe.measured import places
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
    row = places(frames.number, spans.frame)
    known = (row >= 0) & (column >= 0)[spans.stage]
    shape = (len(frames), len(kept))
    cell = row[known]
    cell *= max(len(kept), 1)
    cell += column[spans.stage[known]]
    del row

    def added(values: NDArray[np.int64]) -> NDArray[np.float64]:
        weights = values[known]
        weights[weights == NULL] = 0
        return np.bincount(cell, weights, shape[0] * shape[1]).astype(np.float64).reshape(shape)

    never = np.ones(shape[0] * shape[1], dtype=bool)
    never[cell] = False
    work, queue = added(spans.end_ns - spans.start_ns), added(spans.queue_ns)
    work[never.reshape(shape)] = queue[never.reshape(shape)] = np.nan
    names = tuple(spans.stages[k] for k in kept)
    return Breakdown(names, work, queue)
