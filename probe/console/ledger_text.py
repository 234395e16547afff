"""The copy ledger as text: what each frame's way costs in copies, a row a line of code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from probe.ledger import Ledger, Line, Total

GROUPS: Final = ("line", "stage", "kind", "module")
PER: Final = {"frame": "per frame", "output": "per output picture", "run": "in the whole run"}
_COUNTED: Final = {"frame": "frames", "output": "output pictures", "run": "frames"}
_SUMMED: Final = (
    "bytes_per_frame", "copies_per_frame", "ms_per_frame", "avoidable_bytes_per_frame",
)  # fmt: skip
_LONGEST_NAME: Final = 60
_LONGEST_KIND: Final = 26
"""In a narrow table; so cut, a row has 80 characters."""
_MOST_MOVES: Final = 5
UNCHECKED: Final = "not checked (--copies deep does)"
MEGABYTE: Final = 1e6


def lines(ledger: Ledger, by: str, top: int, width: int | None = None) -> list[str]:
    """Return head, table and what else is known; `top` 0 shows every row.

    A table that is wider than `width` characters has its first column on lines of its own.
    """
    rows = table(ledger, by)
    shown = rows if top == 0 else rows[:top]
    text = [*_head(ledger)]
    if shown:
        text += ["", *_fitted([_titles(by, ledger.per), *shown], width)]
    if len(rows) > len(shown):
        text.append(f"... and {len(rows) - len(shown)} more rows: --top 0 shows all")
    return [*text, *_below(ledger)]


def table(ledger: Ledger, by: str) -> list[list[str]]:
    """Return the rows of the ledger by line, stage, kind or module, most bytes first."""
    if by == "line":
        return _by_line(ledger.lines)
    groups: dict[str, Mapping[Any, Total]] = {
        "stage": ledger.stages,
        "kind": {kind: total for kind, total in ledger.kinds.items() if total.copies_per_frame},
        "module": ledger.modules,
    }
    ordered = sorted(groups[by].items(), key=lambda item: -item[1].bytes_per_frame)
    return [[_short(name, by), *_numbers(total)] for name, total in ordered]


def total_of(ledger: Ledger) -> str:
    """Return the sum in words: copies, megabytes and pictures per frame."""
    total = ledger.total
    pictures = ledger.frame_equivalents
    amount = f"{total.bytes_per_frame / MEGABYTE:.2f} MB"
    if pictures is not None:
        amount += f" ({pictures:.1f} pictures)"
    count = f"{total.copies_per_frame:,.{0 if ledger.per == 'run' else 1}f}"
    return f"{count} copies, {amount}, {total.ms_per_frame:.2f} ms"


def _head(ledger: Ledger) -> Iterator[str]:
    count = f"; n = {ledger.frames} {_COUNTED[ledger.per]}" if ledger.frames else ""
    if ledger.lines:
        yield f"{total_of(ledger)} {PER[ledger.per]}{count}"
    else:
        unsure = ledger.blind or ledger.lost or ledger.stopped
        none = ", which need not mean that there was none" if unsure else ""
        yield f"no copy large enough for a record was seen{none}{count}"
    if ledger.whole_run:
        yield "  WARM-UP       the program ended in its warm-up, so all that it did is counted:"
        yield "                give it more to do, or --set run.warmup=0s"
    for each in ledger.blind:
        program = (each.exe or "?").rpartition("/")[2]
        yield f"  BLIND         {program} ({each.pid}): {each.why}"
    if ledger.lost or ledger.stopped:
        yield (
            f"  INCOMPLETE    {_plural(ledger.lost, 'copy', 'copies')} found no room,"
            f" {_plural(ledger.stopped, 'process', 'processes')} stopped recording: every number is"
            " a lower bound"
        )
    yield f"  explained     {_explained(ledger)}"
    if ledger.unattributed_bytes_per_frame:
        yield f"  unattributed  {_bytes(ledger.unattributed_bytes_per_frame)} B {PER[ledger.per]}"
    if ledger.inferred:
        yield "  stages        inferred from library calls: the program itself says none"


def _explained(ledger: Ledger) -> str:
    ratio = ledger.explained_ratio
    if ratio is None:
        return f"not checked: {ledger.unchecked}" if ledger.unchecked else UNCHECKED
    stages = (each for each in ledger.explained or () if each.ratio is not None)
    return f"{ratio:.1%} of written bytes: " + ", ".join(
        f"{each.stage} {each.ratio:.1%}" for each in stages
    )


def _titles(by: str, per: str) -> list[str]:
    each = {"frame": "/FRAME", "output": "/OUTPUT", "run": ""}[per]
    numbers = [f"BYTES{each}", f"COPIES{each}", f"MS{each}", "AVOIDABLE"]
    return ["SITE", "STAGE", "KIND", *numbers] if by == "line" else [by.upper(), *numbers]


def _by_line(lines: Sequence[Line]) -> list[list[str]]:
    """Return a row for each line of code, stage and kind, whatever native places it came by."""
    sums: dict[tuple[Any, ...], list[float]] = {}
    texts: dict[tuple[Any, ...], list[str]] = {}
    for line in lines:
        kind = line.kind if line.kind == line.method else f"{line.kind} {line.method}"
        native = line.file is None
        place = (line.module, line.symbol) if native else (line.file, line.line, line.column)
        key = (native, *place, line.stage, kind)
        texts[key] = [_cut(line.name, _LONGEST_NAME), line.stage or "(none)", kind]
        known = sums.get(key, [0.0] * len(_SUMMED))
        sums[key] = [a + getattr(line, name) for a, name in zip(known, _SUMMED, strict=True)]
    ordered = sorted(sums.items(), key=lambda item: -item[1][0])
    return [[*texts[key], *_written(*numbers)] for key, numbers in ordered]


def _numbers(found: Total) -> list[str]:
    return _written(*(getattr(found, name) for name in _SUMMED))


def _written(moved: float, copies: float, ms: float, avoidable: float) -> list[str]:
    return [_bytes(moved), f"{copies:,.2f}", f"{ms:,.3f}", _bytes(avoidable)]


def _below(ledger: Ledger) -> Iterator[str]:
    if ledger.buffers:
        yield ""
        yield f"Large allocations {PER[ledger.per]}, by what filled them (unknown: a loop)"
        yield from _aligned(
            [[f"  {each.filled}", _bytes(each.bytes_per_frame), f"{each.count_per_frame:.2f}"]
             for each in ledger.buffers]
        )  # fmt: skip
    if ledger.in_graph:
        yield ""
        yield "Inside the model, per inference (from a pass of its own before the run)"
        yield from _aligned(
            [[f"  {move.op} {move.node}", _bytes(move.bytes_per_inference), move.provider]
             for move in ledger.in_graph[:_MOST_MOVES]]
        )  # fmt: skip
    if ledger.small_copies:
        yield ""
        yield (
            f"Not in these numbers: {ledger.small_copies:,} shorter copies (below copies.bytes)"
            f" that joined no row, {ledger.small_bytes:,} B over the whole run"
        )


def _short(name: str | None, by: str) -> str:
    if name is None:
        return "(none)"
    return name.rpartition("/")[2] if by == "module" else name


def _cut(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3] + "..."


def _plural(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _bytes(value: float) -> str:
    return f"{value:,.0f}"


def _fitted(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Return rows as columns, the first one on a line of its own where they are too wide."""
    text = list(_aligned(rows))
    if width is None or max(map(len, text)) <= width:
        return text
    names = [_cut(row[0], max(width, _LONGEST_NAME)) for row in rows]
    titles = [title.partition("/")[0] for title in rows[0]]  # the head says what they are per
    rest = [[_cut(cell, _LONGEST_KIND) for cell in row[1:]] for row in (titles, *rows[1:])]
    below = [f"  {line}" for line in _aligned(rest)]
    return [line for pair in zip(names, below, strict=True) for line in pair]


def _aligned(rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Yield rows as columns: numbers to the right."""
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    numeric = [
        all(str(row[k]).replace(",", "").replace(".", "").isdigit() for row in rows[-1:])
        for k in range(len(widths))
    ]
    for row in rows:
        cells = [
            f"{cell:>{width}}" if right else f"{cell:<{width}}"
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        yield "  ".join(cells).rstrip()
