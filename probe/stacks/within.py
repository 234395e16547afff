"""In which span of its thread, and so in which stage, was each sample taken?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from probe.copies.timeline import NONE, Timeline
from probe.stacks.clock import STEP_NS, homes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from probe.stacks.book import Thread

LAG_NS: Final = 2_000_000
"""py-spy takes the time of a sample after it has read all threads, one after another, which takes
about 1 ms for ten threads: each thread has its own lag. Our own measure."""


class SpansOfThreads:
    """Which span a thread was in, by the number of the thread."""

    def __init__(self, spans: pd.DataFrame) -> None:
        self.stages = sorted(spans["stage"].dropna().unique())
        self._stage = pd.Categorical(spans["stage"], categories=self.stages).codes.astype(np.int64)
        self._frame = spans["frame"]
        self._start = spans["start_ns"].to_numpy(dtype=np.int64, na_value=0)
        self._end = spans["end_ns"].to_numpy(dtype=np.int64, na_value=0)
        self._names: dict[int, str] = {}
        self._timelines: dict[int, tuple[Timeline, NDArray[np.int64]]] = {}
        threads = spans["thread"].astype("string").fillna("")
        for name, where in threads.groupby(threads).indices.items():
            tid = str(name).rpartition(":")[2]
            if tid.isdecimal() and len(tid) < len(str(2**31)):
                rows = np.asarray(where, dtype=np.int64)
                self._names[int(tid)] = str(name)
                self._timelines[int(tid)] = Timeline(self._start[rows], self._end[rows]), rows

    def spans_of(
        self, thread: Thread, t_ns: NDArray[np.int64]
    ) -> Callable[[int], NDArray[np.int64]] | None:
        """Return what gives, for an offset, the row of the innermost span at each time.

        It is -1 where there is none. None for a thread that says no span.
        """
        tid = self._tid(thread)
        if tid is None:
            return None
        timeline, rows = self._timelines[tid]

        def at(offset_ns: int) -> NDArray[np.int64]:
            inside = timeline.at(t_ns + offset_ns)
            return np.where(inside == NONE, NONE, rows[inside])

        return at

    def stages_at(self, span: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the stage of each span, -1 for none."""
        return np.where(span == NONE, NONE, np.append(self._stage, NONE)[span])

    def columns(self, span: NDArray[np.int64]) -> dict[str, pd.api.extensions.ExtensionArray]:
        """Return stage and frame of each span; null for none."""
        stage, frame = pd.array(self.stages, dtype="string"), self._frame.array
        return {
            "stage": stage.take(self.stages_at(span), allow_fill=True),
            "frame": frame.take(span, allow_fill=True),
        }

    def names(
        self, threads: Sequence[Thread], thread: NDArray[np.int64]
    ) -> pd.api.extensions.ExtensionArray:
        """Return ``name:tid`` of each sample's thread, as spans name it where they do."""
        said = [
            self._names.get(self._tid(each) or -1) or f"{each.name or '?'}:{each.tid or '?'}"
            for each in threads
        ]
        return pd.array(said, dtype="string").take(thread)

    def _tid(self, thread: Thread) -> int | None:
        """Return the thread's number among the spans.

        One of which py-spy does not know the number is found by its name, if only one has it.
        """
        if thread.tid is not None:
            return thread.tid if thread.tid in self._timelines else None
        named = [
            tid
            for tid, name in self._names.items()
            if thread.name and name == f"{thread.name}:{tid}"
        ]
        return named[0] if len(named) == 1 else None


def settled(
    places: SpansOfThreads,
    spans_at: Callable[[int], NDArray[np.int64]],
    offset_ns: int,
    stack: NDArray[np.int64],
) -> tuple[NDArray[np.int64], int]:
    """Return the span of each sample, -1 for none, and how many stand elsewhere than by their time.

    The time is not known exactly. A sample that lies so near to a span's end that it may be on
    either side of it goes to the side on which its stack mostly is.
    """
    span = spans_at(offset_ns)
    stage = places.stages_at(span)
    home = homes(stage, stack)
    astray = stage != home
    moved = 0
    for step in range(STEP_NS, LAG_NS + STEP_NS, STEP_NS):
        for sign in (-1, 1):
            there = spans_at(offset_ns + sign * step)
            found = astray & (places.stages_at(there) == home)
            span[found] = there[found]
            astray &= ~found
            moved += int(np.count_nonzero(found))
    return span, moved
