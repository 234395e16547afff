"""Waits for a core, as slices: from the moment when a thread was ready to the one when it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probe.thread_names import ThreadNames

TRACK: Final = "scheduler_trace.wait"
"""Its samples are seconds, at the end of each wait; a label is ``name:tid < name:tid``, of
another program ``< name``."""


def taken(samples: pd.DataFrame, names: ThreadNames) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each thread that waited, as readers call it, with its waits in order of their start.

    Columns: `start_ns`, `end_ns`, `who had it`. What has no time, no value or no such label is left
    out: it is no wait that can be drawn.
    """
    seconds = samples["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    ends = samples["t_ns"].to_numpy(dtype=np.int64, na_value=-1)
    codes, labels = pd.factorize(samples["label"])
    parts = [str(label).partition(" < ") for label in labels]
    whole = np.array([*(bool(thread and who) for thread, _, who in parts), False])[codes]
    with np.errstate(invalid="ignore"):
        whole &= (seconds >= 0) & (seconds * 1e9 <= ends)
    codes, ends, seconds = codes[whole], ends[whole], seconds[whole]
    waits = pd.DataFrame({"start_ns": ends - np.rint(seconds * 1e9).astype(np.int64)})
    waits["end_ns"] = ends
    threads = pd.Series([names.of(thread) for thread, _, _ in parts], dtype="string")
    takers = pd.Series([names.of(who) for _, _, who in parts], dtype="string")
    waits["who had it"] = takers.to_numpy()[codes]
    waits["thread"] = threads.to_numpy()[codes]
    for thread, own in waits.groupby("thread", sort=False):
        yield str(thread), own.sort_values("start_ns", kind="stable")
