"""Which stage does a thread work for? So a program's threads get names that say something.

The kernel knows the threads of most programs as `python`. Where the spans show that a thread worked
for one stage, readers see `infer python:1234`; what is stored keeps the plain `python:1234`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from probe.measured import integers
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from probe.store import Run

MOST_OF: Final = 0.9
"""Of the time of a thread's spans, at least so much must be of one stage to call it by that."""


@dataclass(frozen=True)
class ThreadNames:
    """The name of each thread of which a stage was told, by its number as text."""

    by_tid: Mapping[str, str]

    def of(self, label: str) -> str:
        """Return a label `name:tid` as readers see it; every other text as it is."""
        _, colon, tid = label.rpartition(":")
        return self.by_tid.get(tid, label) if colon else label

    def knows(self, label: str) -> bool:
        """Say whether the label is that of a thread of which a stage was told."""
        _, colon, tid = label.rpartition(":")
        return bool(colon) and tid in self.by_tid


def thread_names(run: Run) -> ThreadNames:
    """Return the names of the threads on which the stages of a Run went on."""
    return run.view(_thread_names)


def _thread_names(run: Run) -> ThreadNames:
    """Add up the time of each thread by stage; a number that had two names keeps the longer one."""
    stages: dict[str, Counter[str]] = defaultdict(Counter)
    names: dict[str, Counter[str]] = defaultdict(Counter)
    for label, stage, took_ns in _times(run):
        name, _, tid = label.rpartition(":")
        if name and tid.isdecimal():
            stages[tid][stage] += took_ns
            names[tid][label] += took_ns
    return ThreadNames({tid: _name(names[tid], stages[tid]) for tid in names})


def _name(names: Counter[str], stages: Counter[str]) -> str:
    own = names.most_common(1)[0][0]
    stage, most = stages.most_common(1)[0]
    single = most >= MOST_OF * stages.total()
    return own if not single or own.startswith(stage) else f"{stage} {own}"


def _times(run: Run) -> Iterator[tuple[str, str, int]]:
    """Yield each pair of a thread and a stage with the time of its executions in ns.

    An execution counts as a nanosecond at least: a clock that is coarse may say that it took none.
    """
    threads, labels = pd.factorize(run.column("spans", "thread"))
    stages, names = pd.factorize(run.column("spans", "stage"))
    start, end = (integers(run.column("spans", name)) for name in ("start_ns", "end_ns"))
    whole = (threads >= 0) & (stages >= 0) & (start != NULL) & (end != NULL)
    pairs, distinct = pd.factorize(threads[whole].astype(np.int64) * len(names) + stages[whole])
    took = np.maximum(end[whole].astype(np.float64) - start[whole], 1.0)
    for pair, took_ns in zip(distinct.tolist(), np.bincount(pairs, took).tolist(), strict=True):
        thread, stage = divmod(pair, len(names))
        yield str(labels[thread]), str(names[stage]), round(took_ns)
