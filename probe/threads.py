"""Which stages share a thread, and for how long was it at work?

Stages on one thread wait for each other: a frame passes only when all of them had their turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe import measured
from probe.tape import NULL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from probe.measured import Spans
    from probe.store import Run

LONGEST: Final = 2**62
"""Intervals of all keys are laid end to end; what is longer does not fit an int64."""


@dataclass(frozen=True)
class Shared:
    """Two or more stages that run on the same thread, or on each of several such threads.

    `spans` are their executions for measured frames; `at_work_ns` is for how long any of these
    went on, the times of all threads added up.
    """

    stages: tuple[str, ...]
    threads: int
    spans: Spans
    at_work_ns: float


def shared(run: Run) -> list[Shared]:
    """Return the stages that share a thread, by thread; none where nobody says threads."""
    spans, thread = measured.spans_of(run), _threads(run)
    mine = measured.among(spans.frame, measured.measured_frames_of(run).number) & (thread >= 0)
    spans, thread = spans.rows(mine), thread[mine]
    if not len(thread):
        return []
    count = len(spans.stages)
    pairs = np.bincount(thread * count + spans.stage, minlength=count * (int(thread.max()) + 1))
    runs = pairs.reshape(-1, count) > 0
    sets, which = np.unique(runs, axis=0, return_inverse=True)
    which = which.ravel()
    found = []
    for number in np.flatnonzero(sets.sum(axis=1) > 1).tolist():
        own = np.equal(which, number)[thread]
        part = spans.rows(own)
        _, worked = union_ns(thread[own], part.start_ns, part.end_ns)
        names = tuple(spans.stages[k] for k in np.flatnonzero(sets[number]))
        threads = int(np.count_nonzero(which == number))
        found.append(Shared(names, threads, part, float(worked.sum())))
    return found


def _threads(run: Run) -> NDArray[np.int64]:
    """Return the number of each execution's thread, as `measured.spans_of` has them; -1 unsaid."""
    codes = pd.factorize(run.column("spans", "thread"))[0].astype(np.int64)
    whole = run.column("spans", "stage").notna().to_numpy(dtype=bool)
    for name in ("start_ns", "end_ns"):
        whole = whole & (measured.integers(run.column("spans", name)) != NULL)
    return codes if whole.all() else codes[whole]


def union_ns(
    key: NDArray[np.int64], start_ns: NDArray[np.int64], end_ns: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the keys, rising, and the length of the union of each one's intervals.

    Intervals that lie further apart than any run lasts are added up instead.
    """
    order = np.lexsort((start_ns, key))
    number, start, end = key[order], start_ns[order], end_ns[order]
    first = np.diff(number, prepend=number[:1] - 1) != 0
    keys, which = number[first], np.cumsum(first) - 1
    if not len(keys):
        return keys, np.zeros(0)
    begin = int(start.min())
    room = max(int(end.max()), int(start.max())) - begin + 1
    if room * len(keys) > LONGEST:
        return keys, np.bincount(which, (end.astype(np.float64) - start).clip(0.0))
    shift = which * room - begin  # the intervals of a key stay apart from the next one's
    start += shift
    end += shift
    del order, number, shift  # of ten million intervals each takes 80 MB
    np.maximum(start[1:], np.maximum.accumulate(end)[:-1], out=start[1:])
    worked = np.subtract(end, start, out=end)
    return keys, np.bincount(which, worked.clip(0, out=worked))
