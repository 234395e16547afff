"""Copies as instants on the tracks of their threads, with arrows from what wrote their source.

Instants and not slices: rows that were joined into one copy stand beside other copies of the same
time, which a track of slices cannot hold. How long a copy took is in its `duration_ns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe.export.perfetto.events import FLOW, FLOW_ENDS, Column, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from probe.export.perfetto.packets import Bytes
    from probe.export.perfetto.tracks import Tracks
    from probe.export.perfetto.words import Words
    from probe.store import Run

NUMBERS: Final = (
    "frame", "bytes", "duration_ns", "rows", "row_bytes", "destination_stride", "source_stride",
    "faults",
)  # fmt: skip
TEXTS: Final = ("stage", "kind", "method", "detail", "domains", "grade")
MOST_READERS: Final = 8
"""Copies of one buffer that are told by arrows; a buffer that is read more often has these only."""
FIRST_FLOW: Final = -(2**63)
"""Flows of copies: the upper half of 64 bits, apart from those of frames."""
STEP: Final = 1000


class Copies:
    """The copies of a Run that have a time; `alone` holds those whose thread is not known."""

    def __init__(self, run: Run, words: Words, tracks: Tracks, threads: set[str]) -> None:
        table = run.table("copies").reset_index(drop=True)
        self.known = table[(table["t_ns"] >= 0).fillna(value=False).astype(bool)]
        self._words, self._tracks = words, tracks
        self._threads = threads if _processes(run) > 1 else None
        self._alone: int | None = None
        self._lines = _lines(run.table("sites"))
        self._flows = _flows(table["source_copy"], self.known.index.to_numpy())

    def bodies(self) -> Iterator[Bytes]:
        """Yield the packets of each thread."""
        for label, part in self.known.groupby("thread", sort=False, dropna=False, observed=True):
            uuid = self._track(label)
            line = Line(uuid, "copy", self._words)
            names = self._words.many("names", _names(part))
            times = part["t_ns"].to_numpy(dtype=np.int64)
            yield line.instants(names, times, self._said(part))

    def _said(self, part: pd.DataFrame) -> dict[str, Column]:
        said = {name: Column.of(part[name]) for name in NUMBERS}
        texts = {name: part[name] for name in TEXTS} | {
            name: part["site"].map(lines).astype("string") for name, lines in self._lines.items()
        }
        for name, column in texts.items():
            said[name] = Column.words(self._words.many("texts", column))
        rows = part.index.to_numpy()
        for name, (field, flows) in self._flows.items():
            said[name] = Column(flows[rows], flows[rows] != 0, flow=field)
        return {name: c for name, c in said.items() if name == "bytes" or c.present.any()}

    def _track(self, label: Any) -> int:  # noqa: ANN401 - a text or pandas' NA
        """Return the thread's track; a thread that may be of another process has a plain one."""
        text = "" if pd.isna(label) else str(label)
        own = self._threads is None or text in self._threads
        uuid = self._tracks.thread(text) if own else None
        if uuid is None:
            if self._alone is None:
                self._alone = self._tracks.group("copies on other threads")
            uuid = self._tracks.line(text or "not known", self._alone)
        return uuid


def _processes(run: Run) -> int:
    """Return how many processes were traced: of several, nobody says whose a thread is."""
    summary = run.manifest.get("copies")
    found = summary.get("processes") if isinstance(summary, dict) else None
    return len(found) if isinstance(found, list) else 0


def _names(part: pd.DataFrame) -> pd.Series[str]:
    """Return ``copy memcpy 1.4 MB`` for each row."""
    pairs = part[["kind", "bytes"]].drop_duplicates()
    words = {
        (kind, size): f"copy {'' if pd.isna(kind) else f'{kind} '}{size_said(size)}"
        for kind, size in pairs.itertuples(index=False)
    }
    rows = part[["kind", "bytes"]].itertuples(index=False, name=None)
    return pd.Series([words[row] for row in rows], index=part.index, dtype="string")


def size_said(size: Any) -> str:  # noqa: ANN401 - a number or pandas' NA
    """Return a size with one digit after the point, in decimal units."""
    if pd.isna(size):
        return "of unknown size"
    value = float(size)
    for unit in ("bytes", "kB", "MB"):
        if abs(value) < STEP:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= STEP
    return f"{value:.1f} GB"


def _lines(sites: pd.DataFrame) -> dict[str, dict[int, str]]:
    """Return by annotation what each site says: its line, its expression, who called."""
    found: dict[str, dict[int, str]] = {"line": {}, "expression": {}, "function": {}, "caller": {}}
    columns = ["site", "file", "line", "expression", "function", "module", "symbol"]
    for row in sites[columns].itertuples(index=False, name=None):
        site, file, line, expression, function, module, symbol = (
            None if pd.isna(value) or value == "" else value for value in row
        )
        if site is None:
            continue
        caller = [text for text in (_last(module), symbol) if text is not None]
        said = {
            "line": None if file is None else f"{_last(file)}:{line}",
            "expression": expression,
            "function": function,
            "caller": " ".join(caller) or None,
        }
        for name, text in said.items():
            if text is not None:
                found[name][site] = text
    return found


def _last(path: Any) -> str | None:  # noqa: ANN401 - a text or None
    return None if path is None else str(path).rpartition("/")[2]


def _flows(
    sources: pd.Series[Any], drawn: NDArray[np.int64]
) -> dict[str, tuple[int, NDArray[np.int64]]]:
    """Return columns of flows by row, 0 for none: one that ends there, several that begin there.

    Each arrow is a flow of its own, numbered by the copy at its head.
    """
    source = sources.to_numpy(dtype=np.int64, na_value=-1)
    is_drawn = np.zeros(len(source), dtype=bool)
    is_drawn[drawn] = True
    heads = np.flatnonzero((source >= 0) & (source < len(source)) & is_drawn)
    heads = heads[is_drawn[source[heads]] & (source[heads] != heads)]
    heads = heads[np.argsort(source[heads], kind="stable")]
    tails = source[heads]
    begins = np.flatnonzero(np.diff(tails, prepend=-1))
    lengths = np.diff(np.append(begins, len(tails)))
    rank = np.arange(len(tails)) - np.repeat(begins, lengths)
    heads, tails, rank = (each[rank < MOST_READERS] for each in (heads, tails, rank))
    end = np.zeros(len(source), dtype=np.int64)
    end[heads] = FIRST_FLOW + heads
    found = {"flow end": (FLOW_ENDS, end)}
    for k in range(int(rank.max()) + 1 if len(rank) else 0):
        begin = np.zeros(len(source), dtype=np.int64)
        begin[tails[rank == k]] = FIRST_FLOW + heads[rank == k]
        found[f"flow {k}"] = (FLOW, begin)
    return found
