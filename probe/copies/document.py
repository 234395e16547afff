"""From an interposer's tapes to the tables of a Run: copies, sites, buffers, writes.

Copies that are nested in an entry point that counts the same bytes itself are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe import store
from probe.copies import buffers as allocations
from probe.copies import deep, lineage, records, sites, told
from probe.copies.attribution import NOWHERE, Attribution, Places
from probe.copies.columns import numbered, texts, thread_names, whole
from probe.copies.entry_points import library_of_module
from probe.copies.kinds import KINDS, MATERIALIZE, MEMCPY, NAMES, kinds_of
from probe.copies.methods import DOMAINS
from probe.copies.summary import summary_of
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from probe.copies.records import Buffers, Copies
    from probe.tape import Tape

FORMAT_KEPT: Final = (MEMCPY, MATERIALIZE)
"""Kinds of copies that read as many bytes as they write."""
GRADES: Final = ("measured", "inferred")
PART: Final = 2**18
"""Rows of the table `copies` that are made at a time."""


@dataclass
class CopyTables:
    """What is to be written: tables by name, what goes into run.json, (file, why) not read.

    The table `copies` comes in parts, once: as a whole it would take twice the memory of all else.
    `summary` is None where no interposer was in any process: copies were not traced.
    """

    tables: dict[str, pd.DataFrame | Iterable[pd.DataFrame]] = field(default_factory=dict)
    summary: dict[str, Any] | None = None
    rejected: list[tuple[str, str]] = field(default_factory=list)


def copies_of(
    path: Path,
    folder: Path,
    manifest: Mapping[str, Any],
    tapes: Sequence[Tape],
    frames: pd.DataFrame,
) -> CopyTables:
    """Make the tables of the Run at `path` from its `tapes` and what else lies in their `folder`.

    `frames` is the finished table, `manifest["window"]` the measured window. A copy is measured
    when its frame is; one without a frame in the table, when it began inside the window. Without a
    window all are: then nobody says what is to be measured.
    """
    reports = told.reports_of(path, folder, manifest)
    made = CopyTables(rejected=reports.rejected)
    mine = [tape for tape in tapes if records.of_interposer(tape)]
    if mine:
        own = [tape for tape in tapes if not records.of_interposer(tape)]
        trace = _read(own, mine, reports, _Measured(frames, manifest.get("window")))
        made.tables |= _tables(trace, manifest)
        made.summary = _summary(trace, manifest, reports)
    return made


class _Measured:
    """Which events count?"""

    def __init__(self, frames: pd.DataFrame, window: Mapping[str, int] | None) -> None:
        numbers = frames["frame"].to_numpy(dtype=np.int64, na_value=NULL)
        order = np.argsort(numbers)
        self._numbers = numbers[order]
        self._flags = frames["measured"].to_numpy(dtype=bool, na_value=False)[order]
        self._window = window

    def of(self, frame: NDArray[np.int64], t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether events of `frame` (`NULL` for none) that began at `t_ns` count."""
        inside = np.ones(len(t_ns), dtype=bool)
        if self._window is not None:
            inside = (t_ns >= self._window["start_ns"]) & (t_ns < self._window["end_ns"])
        if not len(self._numbers):
            return inside
        place = np.minimum(np.searchsorted(self._numbers, frame), len(self._numbers) - 1)
        known = (self._numbers[place] == frame) & (frame != NULL)
        return np.where(known, self._flags[place], inside)


@dataclass
class _Trace:
    """What was read of the tapes. `copies` are in order of time, with `kinds` and places `where`.

    `source` has the row of the copy that wrote what each reads, -1 for none.
    `process` has the pid of each tape and ends with a -1, for copies of no tape; `filled` says of
    each block how and by how many bytes it was filled; `counts` are for run.json.
    """

    tapes: Sequence[Tape]
    threads: list[str]
    process: NDArray[np.int64]
    sites: sites.Sites
    details: list[str]
    copies: Copies
    kinds: NDArray[np.int8]
    source: NDArray[np.int64]
    where: Places
    blocks: Buffers
    filled: tuple[Sequence[str], NDArray[np.int64]]
    attribution: Attribution
    measured: _Measured
    counts: dict[str, int]

    def counting(self, where: Places, start: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether events count; inferred frames are none of the table's."""
        nobody = np.full(len(start), NULL)
        return self.measured.of(nobody if self.attribution.black_box else where.frame, start)


def _read(
    own: Sequence[Tape], tapes: Sequence[Tape], reports: told.Reports, measured: _Measured
) -> _Trace:
    places, free_texts = sites.merged(tapes), records.Texts()
    copies, refused = records.copies_of(tapes, places.lookups, free_texts)
    more = told.told_copies(reports, copies, tapes, places, free_texts)
    copies = records.Copies.joined([copies, *more]) if more else copies
    entries = records.entries_of(tapes, places.lookups)
    libraries = np.array([library_of_module(each.module) for each in places.callers], dtype=np.int8)
    attribution = Attribution(own, tapes, copies, entries, libraries)
    np.logical_or(copies.nested, attribution.nested(copies), out=copies.nested)
    every, kept = len(copies), np.flatnonzero(~copies.nested)
    copies = copies.select(kept[np.argsort(copies.start[kept], kind="stable")])
    counts = {"nested_copies": every - len(copies), "refused_records": refused}
    details = list(free_texts.known)
    kinds = kinds_of(copies, details)
    blocks = records.buffers_of(tapes, places.lookups)
    process = np.array([tape.header.pid for tape in tapes] + [-1])
    filled = allocations.filled(blocks, copies, kinds, process)
    source = lineage.source_copies(copies, blocks, process, np.isin(kinds, FORMAT_KEPT))
    where = attribution.of(copies.tape, copies.site, copies.start)
    threads = thread_names(tapes, own)
    return _Trace(
        tapes, threads, process, places, details, copies, kinds, source, where, blocks, filled,
        attribution, measured, counts,
    )  # fmt: skip


def _tables(
    trace: _Trace, manifest: Mapping[str, Any]
) -> dict[str, pd.DataFrame | Iterable[pd.DataFrame]]:
    command = (manifest.get("program") or {}).get("command") or ()
    made = {
        "buffers": _buffers_table(trace),
        "sites": sites.table_of(trace.sites, [str(each) for each in command]),
    }
    writes = deep.writes_of(trace.tapes, trace.threads)
    if len(writes):
        frame, start = (
            writes[name].to_numpy(dtype=np.int64, na_value=NULL) for name in ("frame", "start_ns")
        )
        made["writes"] = writes.assign(measured=trace.measured.of(frame, start))
    finished = {name: store.as_table(name, table) for name, table in made.items()}
    return {"copies": _copies_in_parts(trace), **finished}


def _summary(trace: _Trace, manifest: Mapping[str, Any], reports: told.Reports) -> dict[str, Any]:
    nowhere = trace.where.stage == NOWHERE
    pid = trace.process[trace.copies.tape]
    return {
        **summary_of(manifest, trace.tapes, pid, trace.copies.bytes),
        "unattributed_copies": int(np.count_nonzero(nowhere)),
        "unattributed_bytes": int(trace.copies.bytes[nowhere].sum()),
        **trace.counts,
        "told_without_bytes": reports.without_bytes,
        "not_read": [[name, why] for name, why in reports.rejected],
    }


def _copies_in_parts(trace: _Trace) -> Iterator[pd.DataFrame]:
    for begin in range(0, max(len(trace.copies), 1), PART):
        yield _copies_table(trace, slice(begin, begin + PART))


def _copies_table(trace: _Trace, part: slice) -> pd.DataFrame:
    copies, where = trace.copies.rows(part), Places(*(each[part] for each in trace.where))
    placed = (where.stage != NOWHERE) | (where.frame != NULL)
    inferred = placed & trace.attribution.black_box
    return pd.DataFrame({
        "t_ns": copies.start,
        "frame": whole(where.frame),
        "stage": texts(where.stage, trace.attribution.stages),
        "thread": texts(copies.tape, trace.threads),
        "kind": texts(trace.kinds[part], [kind.value for kind in KINDS]),
        "bytes": copies.bytes,
        "duration_ns": copies.end - copies.start,
        "site": numbered(copies.site),
        "method": _methods(copies.method),
        "detail": texts(copies.detail, trace.details),
        "rows": whole(copies.rows_moved),
        "row_bytes": whole(copies.row_bytes),
        "destination_stride": whole(copies.destination_stride),
        "source_stride": whole(copies.source_stride),
        "domains": _domains(copies),
        "faults": whole(copies.faults),
        "source_copy": numbered(trace.source[part]),
        "grade": texts(inferred.astype(np.int8), GRADES),
        "measured": trace.counting(where, copies.start),
    })  # fmt: skip


def _methods(method: NDArray[np.uint16]) -> pd.api.extensions.ExtensionArray:
    known = sorted(NAMES)
    return texts(np.searchsorted(known, method), [NAMES[number] for number in known])


def _domains(copies: Copies) -> pd.api.extensions.ExtensionArray:
    pairs, number = np.unique(
        copies.source_domain.astype(np.uint16) * 256 + copies.domain, return_inverse=True
    )
    names = [*DOMAINS, *(f"domain {each}" for each in range(len(DOMAINS), 256))]
    return texts(number, [f"{names[each // 256]}>{names[each % 256]}" for each in pairs.tolist()])


def _buffers_table(trace: _Trace) -> pd.DataFrame:
    blocks, (filled, filled_bytes) = trace.blocks, trace.filled
    where = trace.attribution.of(blocks.tape, blocks.site, blocks.start)
    return pd.DataFrame({
        "t_ns": blocks.start,
        "freed_ns": whole(blocks.end),
        "frame": whole(where.frame),
        "stage": texts(where.stage, trace.attribution.stages),
        "thread": texts(blocks.tape, trace.threads),
        "bytes": blocks.bytes,
        "site": numbered(blocks.site),
        "filled": pd.array(np.asarray(filled, dtype=object), dtype="string"),
        "filled_bytes": filled_bytes,
        "measured": trace.counting(where, blocks.start),
    }).sort_values("t_ns", kind="stable", ignore_index=True)  # fmt: skip
