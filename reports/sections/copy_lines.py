"""The ledger's lines as rows of a table: where, what, how much; and what filled buffers.

What a stranger could read of the machine (folders, user names) is taken out here, for a ledger
comes from the tables, which keep it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from reports.charts.copy_graph import KINDS, often
from reports.charts.stages_named import in_order, slot
from reports.page import numbers
from reports.page.privacy import file_name, without_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from probe.ledger import Ledger, Line

GAP: Final = 0.15
"""Between two stretches of a bar, in percent of it."""
UNATTRIBUTED: Final = "no stage"
SUMMED: Final = (
    "bytes_per_frame", "copies_per_frame", "ms_per_frame", "avoidable_bytes_per_frame",
    "faults_per_frame", "share", "total_bytes", "total_copies", "total_ns",
    "total_avoidable_bytes",
)  # fmt: skip
"""What is added up where one line of code came by several native places."""
FILLED: Final = {
    "memcpy": "copied into",
    "rows": "copied into, row by row",
    "convert": "a conversion's result",
    "materialize": "a view made its own",
    "transfer": "from the kernel or a device",
    "unknown": "a loop that nobody sees: not called a copy",
    "untouched": "never written",
}
"""How a buffer was filled: what that means."""


@dataclass(frozen=True)
class Row:
    """A line of the table; texts are ready to be read, sizes are in MB."""

    place: str
    expression: str
    function: str
    stage: str
    slot: str | None
    kind: str
    how: str
    size: str
    count: str
    ms: str
    speed: str
    avoidable: str
    grade: str


@dataclass(frozen=True)
class Share:
    """Copies of one kind, or buffers of one filling: a stretch of a bar, in percent."""

    name: str
    meaning: str
    look: str
    count: str
    size: str
    x: float
    width: float


@dataclass(frozen=True)
class Look:
    """What deep mode found in a stage."""

    stage: str
    slot: str
    written: str
    explained: str
    unexplained: str
    uncertain: str
    ratio: str
    looks: str


def place(line: Line) -> str:
    """Return where a copy is, without folders: ``blur.py:41``, else ``libx.so symbol``."""
    if line.file is not None:
        return file_name(line.file) + ("" if line.line is None else f":{line.line}")
    parts = [file_name(line.module) if line.module else "", without_folders(line.symbol or "")]
    return " ".join(part for part in parts if part) or line.method or "not known"


class Joined(NamedTuple):
    """A line of code with all its copies of a kind; the shape is that of its largest part.

    `others` counts the shapes beside that one.
    """

    line: Line
    others: int


def joined(lines: Sequence[Line]) -> list[Joined]:
    """Return each line of code once a stage, kind and function, by bytes.

    Whatever native places it came by.
    """
    parts: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        where: tuple[object, ...] = (
            line.file, line.line, line.column, line.expression, line.function,
        )  # fmt: skip
        if line.file is None:
            where = (line.module, line.symbol, line.site if line.module is None else None)
        key = (*where, line.stage, line.kind, line.method, line.domains, line.grade)
        parts.setdefault(key, []).append(line)
    found = [_one(same) for same in parts.values()]
    return sorted(found, key=lambda each: -each.line.total_bytes)


def _one(same: list[Line]) -> Joined:
    summed = {name: sum(getattr(each, name) for each in same) for name in SUMMED}
    shapes = {
        (each.detail, each.bytes, each.rows, each.row_bytes, each.source_stride,
         each.destination_stride)
        for each in same
    }  # fmt: skip
    took = summed["total_ns"]
    speed = summed["total_bytes"] / took if took > 0 else None
    return Joined(same[0]._replace(**summed, gb_per_s=speed), len(shapes) - 1)


def row_of(found: Joined) -> Row:
    """Return a line as it is read."""
    line = found.line
    return Row(
        place=place(line),
        expression=_expression(line),
        function=_function(line),
        stage=line.stage or UNATTRIBUTED,
        slot=None if line.stage is None else slot(line.stage),
        kind=line.kind,
        how=_how(found),
        size=numbers.megabytes(line.bytes_per_frame),
        count=_times(line.copies_per_frame),
        ms=numbers.fine(line.ms_per_frame),
        speed=_speed(line.gb_per_s),
        avoidable=_avoidable(line.avoidable_bytes_per_frame),
        grade=line.grade,
    )


def _expression(line: Line) -> str:
    """Return the expression; one of several lines shows its first, with an ellipsis."""
    text = without_folders(line.expression or "")
    return f"{text}…" if text.endswith(("(", "[", "{", ",")) else text


def _function(line: Line) -> str:
    """Return the function of a Python line, or what in native code called, where it is known."""
    if line.file is None or not line.function or line.function.startswith("<"):
        return ""
    return f"in {without_folders(line.function)}"


def total_row(ledger: Ledger, number: int) -> Row:
    """Return the sums of all lines, of which there are so many."""
    total = ledger.total
    speed = total.bytes_per_frame / (total.ms_per_frame * 1e6) if total.ms_per_frame else None
    lines = numbers.plural(number, "line")
    return Row(
        place=f"all {lines}" if number > 1 else lines,
        expression="", function="", stage="", slot=None, kind="", how="",
        size=numbers.megabytes(total.bytes_per_frame),
        count=_times(total.copies_per_frame),
        ms=numbers.fine(total.ms_per_frame),
        speed=_speed(speed),
        avoidable=_avoidable(total.avoidable_bytes_per_frame),
        grade="",
    )  # fmt: skip


def mb(size: float) -> str:
    """Return bytes as ``2.76 MB``: one unit for all of the section, so that numbers compare."""
    return f"{numbers.megabytes(size)}{numbers.NBSP}MB"


def _times(count: float) -> str:
    return numbers.fixed(count, 2) if count >= 0.01 else f"under{numbers.NBSP}0.01"  # noqa: PLR2004


def _speed(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else numbers.fixed(value, 1 if value >= 1 else 2)


def _avoidable(value: float) -> str:
    return numbers.megabytes(value) if value else ""


def _how(found: Joined) -> str:
    """Return what moved the bytes, from what to what, and in what shape."""
    line = found.line
    others = f" and {numbers.plural(found.others, 'other shape')}" if found.others else ""
    crosses = line.domains is not None and line.domains != "cpu>cpu"
    parts = [
        line.method,
        without_folders(line.detail or ""),
        _shape(line) + others,
        (line.domains or "").replace(">", " to ") if crosses else "",
    ]
    return "; ".join(part for part in parts if part)


def _shape(line: Line) -> str:
    if not line.rows or not line.row_bytes:
        return f"{numbers.count(line.bytes)} bytes"
    text = f"{numbers.plural(line.rows, 'row')} of {numbers.count(line.row_bytes)} bytes"
    strides = (line.source_stride, line.destination_stride)
    if strides[0] and strides[1] and strides[0] != strides[1]:
        return f"{text}, stride {numbers.count(strides[0])} to {numbers.count(strides[1])}"
    stride = strides[0] or strides[1]
    return f"{text}, stride {numbers.count(stride)}" if stride else text


def by_kind(ledger: Ledger) -> list[Share]:
    """Return the bytes of each kind of copy."""
    rows = [
        (kind, total.copies_per_frame, total.bytes_per_frame)
        for kind, total in ledger.kinds.items()
        if total.bytes_per_frame
    ]
    return _shares(rows, KINDS)


def buffers(ledger: Ledger) -> list[Share]:
    """Return the large allocations by what filled them."""
    rows = [(each.filled, each.count_per_frame, each.bytes_per_frame) for each in ledger.buffers]
    return _shares(rows, FILLED)


def _shares(rows: list[tuple[str, float, float]], meanings: dict[str, str]) -> list[Share]:
    """Return (name, count, bytes) as stretches of a bar, in the order of their meanings."""
    order = {name: k for k, name in enumerate(meanings)}
    every = sum(size for *_, size in rows)
    found, x = [], 0.0
    for name, number, size in sorted(rows, key=lambda row: order.get(row[0], len(order))):
        width = 100 * size / every if every else 0.0
        share = Share(
            name=name,
            meaning=meanings.get(name, ""),
            look=name if name in meanings else "mixed",
            count=_times(number),
            size=numbers.megabytes(size),
            x=round(x, 3),
            width=round(max(width - GAP, GAP), 3),
        )
        found.append(share)
        x += width
    return found


def looks(ledger: Ledger) -> Iterable[Look]:
    """Yield what deep mode found in each stage; bytes are of one look."""
    every = {each.stage: each for each in ledger.explained or ()}
    for stage in in_order(list(every)):
        each = every[stage]
        per_look = max(each.looks, 1)
        yield Look(
            stage=stage,
            slot=slot(stage),
            written=numbers.megabytes(each.written_bytes / per_look),
            explained=numbers.megabytes(each.explained_bytes / per_look),
            unexplained=numbers.megabytes((each.written_bytes - each.explained_bytes) / per_look),
            uncertain=numbers.megabytes(each.uncertain_bytes / per_look),
            ratio="" if each.ratio is None else numbers.percent(each.ratio),
            looks=numbers.count(each.looks),
        )


def in_graph(ledger: Ledger) -> Iterable[tuple[str, ...]]:
    """Yield node, operator, provider, MB, times and ms of each operator that only moves."""
    for each in ledger.in_graph:
        took = each.ms_per_inference
        yield (
            without_folders(each.node),
            each.op,
            each.provider.removesuffix("ExecutionProvider"),
            numbers.megabytes(each.bytes_per_inference),
            often(each.count_per_inference) or "1",
            "\N{EN DASH}" if took is None else numbers.fine(took),
        )
