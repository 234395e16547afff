"""Waits for a core, as slices: from the moment when a thread was ready to the one when it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from probe.thread_names import ThreadNames

OWNER: Final = "scheduler_trace"
TRACK: Final = "scheduler_trace.wait"
"""Its samples are seconds, at the end of each wait; a label is ``name:tid < name:tid``, of
another program ``< name``."""


def unrecorded(manifest: Mapping[str, Any]) -> pd.DataFrame:
    """Return the times in which no waits were recorded, where there are any."""
    entries = manifest.get("collectors") or ()
    facts = next((each.get("facts") for each in entries if each.get("name") == OWNER), None) or {}
    begin, end = facts.get("watched_ns") or (0, 0)
    edges = [begin, *(edge for window in facts.get("windows_ns") or () for edge in window), end]
    gaps = pd.DataFrame({"start_ns": edges[::2], "end_ns": edges[1::2]}, dtype="int64")
    return gaps[gaps["end_ns"] > gaps["start_ns"]]


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
