"""What does each stage do for the frames that pass it, and how many at a time?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import breakdown
from probe.threads import union_ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.measured import Frames, Spans

LEAST_FRAMES: Final = 20
"""A window of METHOD has at least 20 frame periods: fewer executions do not say what is usual."""
LEVEL_SHARE: Final = 0.05
"""Executions count as done side by side where so many are at work for a twentieth of the stage's
time: one overlap by chance makes no second worker. Our own number."""
MS_NS: Final = 1e6


@dataclass(frozen=True)
class Load:
    """What a stage does: `usual_ns` for a frame that it works on, `each_ns` for one that passes it.

    Both are divided by `parallel`, how many executions it can have at a time.
    """

    stage: str
    beside: bool
    frames: int
    parallel: int
    usual_ns: float
    each_ns: float
    worst_frame: int
    worst_ns: float

    def row(self) -> dict[str, Any]:
        """Return it as JSON values, in ms."""
        return {
            "frames": self.frames,
            "parallel": self.parallel,
            "usual_ms": self.usual_ns / MS_NS,
            "per_passing_frame_ms": self.each_ns / MS_NS,
            "worst": {"frame": self.worst_frame, "took_ms": self.worst_ns / MS_NS},
        }


def loads_of(frames: Frames, spans: Spans, aside: tuple[str, ...]) -> list[Load]:
    """Return the load of each stage that worked on enough frames to say what is usual.

    A frame passes a stage that worked on it, or that answered it without (a batch, a tracker
    between two detections); frames that were given up before do not count.
    """
    spent = breakdown.breakdown_of(frames, spans)
    loads = []
    for k, stage in enumerate(spent.stages):
        work = spent.work_ns[:, k]
        ran = np.isfinite(work)
        if np.count_nonzero(ran) < LEAST_FRAMES:
            continue
        own = spans.rows(spans.stage == spans.stages.index(stage))
        parallel = parallel_of(own.start_ns, own.end_ns)
        worst = int(np.nanargmax(work))
        loads.append(
            Load(
                stage,
                stage in aside,
                int(np.count_nonzero(ran)),
                parallel,
                float(np.median(work[ran])) / parallel,
                float(work[ran].sum()) / int(np.count_nonzero(ran | frames.answered)) / parallel,
                int(frames.number[worst]),
                float(work[worst]),
            )
        )
    return loads


def parallel_of(start_ns: NDArray[np.int64], end_ns: NDArray[np.int64]) -> int:
    """Return the most executions at a time that hold for `LEVEL_SHARE` of the time at work."""
    times = np.concatenate((start_ns, end_ns))
    change = np.concatenate((np.ones(len(start_ns)), -np.ones(len(end_ns)))).astype(np.int64)
    order = np.lexsort((change, times))  # one that ends at a time does not overlap one that begins
    level = np.cumsum(change[order])[:-1].clip(0)
    spent = np.bincount(level, np.diff(times[order]), 1)
    spent[0] = 0.0
    at_least = np.cumsum(spent[::-1])[::-1]
    held = np.flatnonzero(at_least >= LEVEL_SHARE * spent.sum())
    return max(1, int(held[-1])) if spent.sum() > 0 else 1


def worked_ns(spans: Spans) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return frame numbers, rising, and for how long any stage was at work on each.

    A stage inside another or beside it counts once: it is the length of the union of intervals.
    """
    return union_ns(spans.frame, spans.start_ns, spans.end_ns)
