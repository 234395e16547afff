"""What does each frame's way cost in copies? The tables of a Run, added up by line.

Only copies with `measured` count: those of a measured frame, and those that belong to none but were
made inside the window. All sums are integers, divided once, by the number of frames:

`frames`        measured frames that were worked on: those that have a span. Where nothing says a
                span, all measured frames, or the frames that were inferred (a black box). A program
                without a live input: its measured outputs. 0 where there is none of these; the sums
                are then those of the whole window (`per` is "run").
bytes           what was written to destinations. A conversion counts what it gives, not what it
                reads.
ms              time inside the copying function, added up over threads.
avoidable       bytes of copies that move what a copy moved before: the source is the unmodified
                destination of an earlier copy of the same frame, and neither of the two changed a
                format (kinds memcpy and materialize). What a model's runtime or a codec copies
                among its own buffers is left out: `probe.moves` says why.
GB/s            bytes by time inside the function, 10^9 bytes.
share           of the bytes of all lines.
decoded bytes   mean of what a span of stage decode gave for each measured frame.
amplification   bytes of all lines by decoded bytes (`frame_equivalents`).
explained       deep mode: bytes in written pages that copies account for, by all bytes in written
                pages.
unattributed    bytes of copies that belong to no stage; they count in every sum.
small copies    those too short for a record (below `copies.bytes`) that joined no row: counted over
                the whole run, start included, and in no other number.
in-graph        operators of a model that only move or reformat a tensor, per inference, as the
                runtime's profile says, from a pass of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from probe import measured
from probe.copies.methods import Kind
from probe.moves import PER_FRAME, PER_OUTPUT, PER_RUN, Moves
from probe.operators import account as operators
from probe.tally import Groups, coded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from probe.store import Run

TABLES: Final = ("copies", "sites", "buffers", "writes", "ops", "spans", "frames", "outputs")
"""What a Run must be allowed to show (`Run.only`) for its ledger."""
__all__ = ["PER_FRAME", "PER_OUTPUT", "PER_RUN", "Blind", "Edge", "Explained", "Filled", "Ledger",
           "Line", "Operator", "Total", "blind_of", "ledger_of"]  # fmt: skip


class Total(NamedTuple):
    """A sum over lines."""

    bytes_per_frame: float
    copies_per_frame: float
    ms_per_frame: float
    avoidable_bytes_per_frame: float
    share: float


class Line(NamedTuple):
    """The copies of one kind that one place in the code made for one stage.

    `site` and what it says are None where it is not known; `column` counts from 0. `rows` to
    `bytes`, `domains` and `detail` are those of the most frequent copy; `rows` None: one block.
    """

    site: int | None
    stage: str | None
    kind: str
    method: str
    file: str | None
    line: int | None
    column: int | None
    function: str | None
    expression: str | None
    module: str | None
    symbol: str | None
    stack: str | None
    detail: str | None
    bytes_per_frame: float
    copies_per_frame: float
    ms_per_frame: float
    avoidable_bytes_per_frame: float
    faults_per_frame: float
    gb_per_s: float | None
    share: float
    rows: int | None
    row_bytes: int | None
    destination_stride: int | None
    source_stride: int | None
    bytes: int
    domains: str | None
    grade: str
    total_bytes: int
    total_copies: int
    total_ns: int
    total_avoidable_bytes: int

    @property
    def name(self) -> str:
        """Return what to call it: the line of Python, else the native function that copied."""
        if self.file is not None:
            place = f"{_last(self.file)}:{self.line}"
            return f"{place} {self.expression or self.function or self.method}".rstrip()
        if self.module is None:
            return self.method
        return " ".join(part for part in (_last(self.module), self.symbol) if part)


class Edge(NamedTuple):
    """Bytes that copies of a kind in stage `target` read from what copies in `source` wrote."""

    source: str
    target: str
    kind: str
    bytes_per_frame: float


class Filled(NamedTuple):
    """Large allocations that were filled in one way."""

    filled: str
    count_per_frame: float
    bytes_per_frame: float


class Explained(NamedTuple):
    """Deep mode, one stage: bytes of written pages on the frames that were looked at.

    `uncertain_bytes` are unexplained ones that a stage beside may have written.
    """

    stage: str
    written_bytes: int
    explained_bytes: int
    uncertain_bytes: int
    ratio: float | None
    looks: int


class Operator(NamedTuple):
    """An operator of a model that moves or reformats a tensor."""

    node: str
    op: str
    provider: str
    bytes_per_inference: float
    count_per_inference: float
    ms_per_inference: float | None


class Blind(NamedTuple):
    """A process whose copies nobody saw, and why."""

    pid: int | None
    exe: str | None
    why: str


@dataclass(frozen=True)
class Ledger:
    """The copies of a Run; the module says what each number is.

    `lines` by bytes, most first. `stages`, `kinds` and `modules` add the lines up; the stage None
    holds what could not be attributed, `kinds` has every `Kind`. `explained` is None unless deep
    mode looked. `lost` counts copies that found no room on a tape, `stopped` processes whose tape
    came to its limit: where they are not 0, every number is a lower bound. `whole_run`: the program
    ended in its warm-up, and the sums are of all that it did, its start included. `unchecked` says
    why deep mode, asked for, did not look; None where it looked or nobody asked.
    """

    frames: int
    per: str
    lines: tuple[Line, ...]
    total: Total
    stages: Mapping[str | None, Total]
    kinds: Mapping[str, Total]
    modules: Mapping[str | None, Total]
    edges: tuple[Edge, ...]
    decoded_bytes: float | None
    buffers: tuple[Filled, ...]
    explained: tuple[Explained, ...] | None
    blind: tuple[Blind, ...]
    in_graph: tuple[Operator, ...]
    small_copies: int
    small_bytes: int
    lost: int
    stopped: int
    whole_run: bool = False
    unchecked: str | None = None

    @property
    def unattributed_bytes_per_frame(self) -> float:
        """Bytes of copies that belong to no stage."""
        return self.stages[None].bytes_per_frame if None in self.stages else 0.0

    @property
    def frame_equivalents(self) -> float | None:
        """Bytes moved for each decoded byte; None where nobody says what was decoded."""
        if not self.decoded_bytes or self.per != PER_FRAME:
            return None
        return self.total.bytes_per_frame / self.decoded_bytes

    @property
    def explained_ratio(self) -> float | None:
        """Explained bytes of written pages, over all stages; None unless deep mode looked."""
        looks = self.explained or ()
        written = sum(each.written_bytes for each in looks)
        return sum(each.explained_bytes for each in looks) / written if written else None

    @property
    def inferred(self) -> bool:
        """Whether stages and frames were inferred from entry points: a black box."""
        return any(each.grade == "inferred" for each in self.lines)


def ledger_of(run: Run) -> Ledger | None:
    """Add the copies of a Run up; None where they were not traced."""
    return run.view(_ledger)


def _ledger(run: Run) -> Ledger | None:
    said = run.manifest.get("copies")
    if not said or not run.has("copies"):
        return None
    moves = Moves.of(run)
    frames = max(moves.frames, 1)
    account = _Account(moves, frames)
    lines = account.lines(run.table("sites"))
    processes = said.get("processes") or []
    return Ledger(
        frames=moves.frames,
        per=moves.per,
        lines=lines,
        total=account.total(lines),
        stages=account.totals(lines, "stage"),
        kinds={kind.value: account.total(()) for kind in Kind} | account.totals(lines, "kind"),
        modules=account.totals(lines, "module"),
        edges=_edges(moves, frames),
        decoded_bytes=moves.decoded_bytes,
        buffers=_buffers(run, frames, moves.whole_run),
        explained=_explained(run, moves.whole_run),
        blind=blind_of(run.manifest),
        in_graph=_in_graph(run),
        small_copies=sum(int(each.get("small_copies") or 0) for each in processes),
        small_bytes=sum(int(each.get("small_bytes") or 0) for each in processes),
        lost=sum(int(each.get("lost") or 0) for each in processes),
        stopped=sum(bool(each.get("stopped")) for each in processes),
        whole_run=moves.whole_run,
        unchecked=_unchecked(run, moves.whole_run),
    )


def blind_of(manifest: Mapping[str, Any]) -> tuple[Blind, ...]:
    """Return the processes that the interposer did not see, whether any other was traced or not."""
    found = [
        Blind(each.get("pid"), each.get("exe"), str(each.get("why") or "not said"))
        for collector in manifest.get("collectors") or ()
        if collector.get("name") == "copies"
        for each in (collector.get("facts") or {}).get("blind") or ()
    ]
    told = {each.pid for each in found}
    for process in (manifest.get("copies") or {}).get("processes") or ():
        if process.get("pid") in told:  # what it noted itself is why the collector names it
            continue
        found += [
            Blind(process.get("pid"), process.get("exe"), f"{note.get('what')}: {note.get('why')}")
            for note in process.get("notes") or ()
            if note.get("key") == "blind"
        ]
    return tuple(dict.fromkeys(found))


class _Account:
    """Groups of copies as lines, and sums of lines by frame."""

    def __init__(self, moves: Moves, frames: int) -> None:
        self._moves = moves
        self._groups = Groups(moves)
        self._frames = frames
        self._all_bytes = int(self._groups.bytes.sum())

    def lines(self, sites: pd.DataFrame) -> tuple[Line, ...]:
        known = {
            int(row["site"]): row
            for row in sites.astype(object).where(sites.notna(), None).to_dict("records")
            if row["site"] is not None
        }
        found = [self._line(group, known) for group in range(len(self._groups))]
        return tuple(sorted(found, key=lambda each: (-each.total_bytes, each.name, each.method)))

    def _line(self, group: int, sites: Mapping[int, Mapping[Any, Any]]) -> Line:
        moves, sums = self._moves, self._groups
        row = int(sums.typical[group])
        site = moves.number("site", row)
        place = sites.get(site, {}) if site is not None else {}
        moved, took = int(sums.bytes[group]), int(sums.duration_ns[group])
        count, again = int(sums.copies[group]), int(sums.avoidable[group])
        return Line(
            site=site,
            stage=moves.texts("stage").of(row),
            kind=moves.texts("kind").of(row) or "",
            method=moves.texts("method").of(row) or "",
            file=place.get("file"),
            line=place.get("line"),
            column=place.get("column"),
            function=place.get("function"),
            expression=place.get("expression"),
            module=place.get("module"),
            symbol=place.get("symbol"),
            stack=place.get("stack"),
            detail=moves.texts("detail").of(row),
            bytes_per_frame=moved / self._frames,
            copies_per_frame=count / self._frames,
            ms_per_frame=took / 1e6 / self._frames,
            avoidable_bytes_per_frame=again / self._frames,
            faults_per_frame=int(sums.faults[group]) / self._frames,
            gb_per_s=moved / took if took > 0 else None,
            share=moved / self._all_bytes if self._all_bytes else 0.0,
            rows=moves.number("rows", row),
            row_bytes=moves.number("row_bytes", row),
            destination_stride=moves.number("destination_stride", row),
            source_stride=moves.number("source_stride", row),
            bytes=moves.number("bytes", row) or 0,
            domains=moves.texts("domains").of(row),
            grade=moves.texts("grade").of(row) or "measured",
            total_bytes=moved,
            total_copies=count,
            total_ns=took,
            total_avoidable_bytes=again,
        )

    def total(self, lines: Iterable[Line]) -> Total:
        """Add lines up: as integers, divided once."""
        chosen = list(lines)
        moved = sum(each.total_bytes for each in chosen)
        again = sum(each.total_avoidable_bytes for each in chosen)
        return Total(
            moved / self._frames,
            sum(each.total_copies for each in chosen) / self._frames,
            sum(each.total_ns for each in chosen) / 1e6 / self._frames,
            again / self._frames,
            moved / self._all_bytes if self._all_bytes else 0.0,
        )

    def totals(self, lines: Sequence[Line], by: str) -> dict[Any, Total]:
        keys = dict.fromkeys(getattr(each, by) for each in lines)
        return {key: self.total(each for each in lines if getattr(each, by) == key) for key in keys}


def _edges(moves: Moves, frames: int) -> tuple[Edge, ...]:
    stages, source = moves.texts("stage"), moves.lineage
    rows = np.flatnonzero(moves.counted & (source >= 0) & (stages.codes >= 0))
    origin, target = stages.codes[source[rows]], stages.codes[rows]
    apart = (origin >= 0) & (origin != target)
    rows, origin, target = rows[apart], origin[apart], target[apart]
    kinds = moves.texts("kind")
    group, count = coded([origin, target, kinds.codes[rows]])
    moved = np.zeros(count, dtype=np.int64)
    np.add.at(moved, group, moves.amounts("bytes")[rows])
    _, first = np.unique(group, return_index=True)
    return tuple(
        Edge(
            stages.values[origin[row]],
            stages.values[target[row]],
            kinds.of(int(rows[row])) or "",
            int(size) / frames,
        )
        for row, size in zip(first.tolist(), moved, strict=True)
    )


def _buffers(run: Run, frames: int, whole_run: bool) -> tuple[Filled, ...]:
    table = run.table("buffers")
    table = table[measured.flags(table["measured"]) | whole_run]
    return tuple(
        Filled(str(filled), len(rows) / frames, int(rows["bytes"].sum()) / frames)
        for filled, rows in table.groupby("filled", sort=True)
    )


def _explained(run: Run, whole_run: bool) -> tuple[Explained, ...] | None:
    table = run.table("writes")
    table = table[measured.flags(table["measured"]) | whole_run]
    if not len(table):
        return None
    found = []
    for stage, rows in table.groupby("stage", sort=False):
        written, explained, uncertain = (
            int(rows[f"{what}_bytes"].sum()) for what in ("written", "explained", "uncertain")
        )
        ratio = explained / written if written else None
        found.append(Explained(str(stage), written, explained, uncertain, ratio, len(rows)))
    return tuple(found)


def _unchecked(run: Run, whole_run: bool) -> str | None:
    said = run.manifest.get("copies") or {}
    if _explained(run, whole_run) is not None or said.get("mode") != "deep":
        return None
    notes = [note for process in said.get("processes") or () for note in process.get("notes") or ()]
    why = [note.get("why") for note in notes if note.get("key") == "deep" and note.get("why")]
    if why:
        return str(why[0])
    return "no stage of a measured frame was looked at: say stages, or lower copies.every"


def _in_graph(run: Run) -> tuple[Operator, ...]:
    """Return the moves of one inference: the mean of all that were profiled."""
    ops = operators.complete(run.table("ops"))
    if not len(ops):
        return ()
    runs = operators.inferences(ops)
    found = []
    for (node, op, provider), rows in operators.moves(ops).groupby(["node", "op", "provider"]):
        took = operators.own_ns(rows).dropna()
        moved = rows["output_bytes"].dropna()
        found.append(
            Operator(
                str(node), str(op), str(provider),
                float(moved.sum()) / runs,
                len(rows) / runs,
                float(took.sum()) / 1e6 / runs if len(took) else None,
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda each: (-each.bytes_per_inference, each.node)))


def _last(path: str) -> str:
    return path.rpartition("/")[2]
