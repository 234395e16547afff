"""A profile of ONNX Runtime as rows of `ops`: which node ran when, on which provider, inside what.

A profile is a JSON array of events in the order of their ends, times in microseconds since the
profile began (CLOCK_REALTIME underneath). Nodes carry the names of the graph as it was optimised.
Of a model with control flow the outer node (`If`, `Loop`, `Scan`) holds the time of the inner ones,
which are listed too: `self_ns` is a node's time without theirs. ONNX Runtime stops a profile after
a million events. The times of nodes on other devices can be those of their launch alone.

Source: the profiles of ONNX Runtime 1.17 to 1.31 on the CPU; other providers: not seen on hardware.
"""

from __future__ import annotations

import bisect
import itertools
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe import store
from probe.errors import InputError
from probe.operators.stream import Objects

if TYPE_CHECKING:
    from pathlib import Path

PATTERN: Final = "onnxruntime*.json"
"""What profiles in a tape folder are called."""
MOST_BYTES: Final = 512 * 2**20
SUFFIX: Final = "_kernel_time"
EXECUTED: Final = "Executor::Execute"
RUN: Final = "model_run"
TRUNCATED: Final = "profile_truncated"
CONTROL: Final = frozenset({
    "If", "Loop", "Scan", "SequenceMap", "BeamSearch", "GreedySearch", "Sampling",
    "WhisperBeamSearch",
})  # fmt: skip
"""Operators that run graphs of their own."""
NOTHING: Final = -1
MOST: Final = 2**50
"""No time in us and no count is larger; what is cannot be true."""


@dataclass(frozen=True)
class Inference:
    """One run of the session, in ns since the profile began, and the thread that asked for it."""

    start_ns: int
    end_ns: int
    tid: int | None


@dataclass
class Profile:
    """What a profile says.

    `ops` has the columns of the table, its times in ns since the profile began, `run` numbering
    `inferences`; null for nodes of an inference that never ended, or that no thread's tells.
    `dropped` events the runtime itself left out; `damaged` ones were no JSON; `whole` is False
    where the file has no end.
    """

    ops: pd.DataFrame
    inferences: list[Inference]
    dropped: int
    damaged: int
    whole: bool


def is_profile(head: bytes) -> bool:
    """Say whether a file that begins with `head` looks like a profile of ONNX Runtime."""
    start = head.lstrip()
    return start.startswith(b"[") and b'"cat"' in start and b'"ph"' in start


def read(file: Path, most_bytes: int = MOST_BYTES) -> Profile:
    """Read a profile; raises `InputError` when the file is none or is too large."""
    size = file.stat().st_size
    if size > most_bytes:
        raise InputError(
            f"{file}: {size / 2**20:.0f} MiB are too many for a profile",
            remedy=f"profile a shorter window: up to {most_bytes // 2**20} MiB are read",
        )
    events, rows = Objects(file), _Rows()
    for event in events:
        rows.take(event)
    return Profile(rows.table(), rows.inferences, rows.dropped, events.damaged, events.whole)


@dataclass
class _Thread:
    """What ended on a thread and is not enclosed yet: rows, and graphs with (start, end, rows)."""

    rows: list[int] = field(default_factory=list)
    graphs: list[tuple[int, int, list[int]]] = field(default_factory=list)


class _Rows:
    """Collects nodes as columns of numbers: a profile may have a million of them."""

    def __init__(self) -> None:
        self.inferences: list[Inference] = []
        self.dropped = 0
        self._names: dict[str, int] = {}
        self._columns = {
            name: array("q")
            for name in (
                "node", "op", "provider", "start", "end", "self", "index", "parent", "run", "tid",
                "bytes",
            )
        }  # fmt: skip
        self._threads: dict[int | None, _Thread] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Add what one event says; events come in the order of their ends."""
        name, said = event.get("name"), event.get("args")
        start, length = whole(event.get("ts")), whole(event.get("dur"))
        if not isinstance(name, str):
            return
        said = said if isinstance(said, dict) else {}
        if name == TRUNCATED:
            self.dropped += whole(said.get("dropped_event_count")) or 0
        elif event.get("cat") == "Node":
            if name.endswith(SUFFIX):  # older versions have `_fence_before` and `_fence_after`, too
                self._node(name.removesuffix(SUFFIX), said, start, length, whole(event.get("tid")))
        elif start is not None and length is not None:
            thread = self._threads.setdefault(whole(event.get("tid")), _Thread())
            if name.endswith(EXECUTED):
                thread.graphs.append((start, start + length, _since(thread.rows, self, start)))
            elif name == RUN:
                self._inference(thread, start, start + length, whole(event.get("tid")))

    def start_of(self, row: int) -> int:
        """Return when a row began, in us; `NOTHING` where that is not known."""
        return self._columns["start"][row]

    def table(self) -> pd.DataFrame:
        """Return the rows by the time of their begin, as the table `ops`."""
        columns = {name: np.array(values, np.int64) for name, values in self._columns.items()}
        run, parent = columns["run"], columns["parent"]
        self._place_strays(columns)
        for row in range(len(run) - 1, -1, -1):  # what encloses a row stands after it
            if parent[row] != NOTHING:
                run[row] = run[parent[row]]
        names = np.array([*self._names, None], dtype=object)
        enclosing = np.where(parent == NOTHING, NOTHING, columns["node"][parent])
        table = pd.DataFrame({
            **{name: pd.array(names[columns[name]], dtype="string")
               for name in ("node", "op", "provider")},
            **{f"{name}_ns": _nullable(columns[name], 1000) for name in ("start", "end", "self")},
            "output_bytes": _nullable(columns["bytes"]),
            "run": _nullable(run),
            "index": _nullable(columns["index"]),
            "parent": pd.array(names[enclosing], dtype="string"),
        })  # fmt: skip
        order = np.argsort(columns["start"], kind="stable")
        return store.as_table("ops", table.iloc[order].reset_index(drop=True))

    def _node(
        self, name: str, said: dict[str, Any], start: int | None, length: int | None,
        tid: int | None,
    ) -> None:  # fmt: skip
        row = len(self._columns["node"])
        thread = self._threads.setdefault(tid, _Thread())
        inner = 0
        if start is not None and length is not None:
            strictly = 0 if str(said.get("op_name")) in CONTROL else 1
            while thread.graphs and _within(thread.graphs[-1], start + strictly, start + length):
                for each in thread.graphs.pop()[2]:
                    self._columns["parent"][each] = row
                    inner += self._columns["end"][each] - self._columns["start"][each]
        known = start is not None and length is not None
        values = {
            "node": self._number(name),
            "op": self._number(str(said.get("op_name") or "?")),
            "provider": self._number(str(said.get("provider") or "?")),
            "start": NOTHING if start is None else start,
            "end": (start or 0) + (length or 0) if known else NOTHING,
            "self": max(0, (length or 0) - inner) if known else NOTHING,
            "index": _or_nothing(whole(said.get("node_index"))),
            "parent": NOTHING,
            "run": NOTHING,
            "tid": _or_nothing(tid),
            "bytes": _or_nothing(whole(said.get("output_size"))),
        }
        for column, value in values.items():
            self._columns[column].append(value)
        if known:
            thread.rows.append(row)

    def _inference(self, thread: _Thread, start: int, end: int, tid: int | None) -> None:
        number = len(self.inferences)
        self.inferences.append(Inference(start * 1000, end * 1000, tid))
        for row in _since(thread.rows, self, start):  # a version that has no event of the executor
            self._columns["run"][row] = number
        while thread.graphs and thread.graphs[-1][0] >= start:
            for row in thread.graphs.pop()[2]:
                self._columns["run"][row] = number

    def _place_strays(self, columns: dict[str, np.ndarray[Any, Any]]) -> None:
        """Give nodes of pool threads (ORT_PARALLEL) to the one inference that was under way."""
        asking = {each.tid for each in self.inferences}
        runs = sorted((e.start_ns, e.end_ns, k) for k, e in enumerate(self.inferences))
        starts = [each[0] for each in runs]
        apart = all(a[1] <= b[0] for a, b in itertools.pairwise(runs))
        if not apart:
            return
        stray = (columns["run"] == NOTHING) & (columns["parent"] == NOTHING)
        for row in np.flatnonzero(stray & (columns["end"] != NOTHING)).tolist():
            if columns["tid"][row] in asking and columns["tid"][row] != NOTHING:
                continue  # of an inference of its own that never ended
            at = bisect.bisect_right(starts, int(columns["start"][row]) * 1000) - 1
            if at >= 0 and columns["end"][row] * 1000 <= runs[at][1]:
                columns["run"][row] = runs[at][2]

    def _number(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))


def _since(rows: list[int], table: _Rows, start: int) -> list[int]:
    """Take the rows off the end of a list that began at `start` or later."""
    first = len(rows)
    while first and table.start_of(rows[first - 1]) >= start:
        first -= 1
    taken = rows[first:]
    del rows[first:]
    return taken


def _within(graph: tuple[int, int, list[int]], start: int, end: int) -> bool:
    return graph[0] >= start and graph[1] <= end


def whole(value: Any) -> int | None:  # noqa: ANN401 - JSON
    """Return a whole number from 0 that a table can hold, also one written as a text; else None."""
    if isinstance(value, bool):
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < MOST else None


def _or_nothing(value: int | None) -> int:
    return NOTHING if value is None else value


def _nullable(values: np.ndarray[Any, Any], factor: int = 1) -> pd.api.extensions.ExtensionArray:
    missing = values == NOTHING
    return pd.arrays.IntegerArray(np.where(missing, 0, values * factor), missing)
