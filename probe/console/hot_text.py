"""The hot functions of a Run as text: a row a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probe.hotspots import FEW, functions_of, named, telling
from probe.stacks.book import REST
from reports.charts.stages_named import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from probe.hotspots import Function, HotSpots, Share, Stage

HOW: Final = {
    "nonblocking": "without pausing the program",
    "native": "with native frames, pausing the program: latencies are disturbed",
}
_TITLES: Final = ("self", "95 %", "total", "function", "where")
_LONGEST: Final = 48
MOST_THREADS: Final = 6
"""Of a program that says no stage: those that lived longest."""


def lines(found: HotSpots, by: str, top: int) -> list[str]:
    """Return head, tables and what limits them; `top` 0 shows every function and thread."""
    text = list(_head(found))
    if by == "stage":
        by_name = {stage.stage: stage for stage in found.stages}
        names = in_order(list(by_name))
        shown_of = len(names) if found.by == "stage" or top == 0 else MOST_THREADS
        for name in names[:shown_of]:
            text += ["", *_stage(by_name[name], top)]
        text += ["", *more] if (more := _more(len(names) - shown_of, "threads")) else []
    else:
        rows = functions_of(found.stages)
        shown = rows if top == 0 else rows[:top]
        text += ["", *_table(((each.stage, *_row(each)) for each in shown), (found.by, *_TITLES))]
        text += _more(len(rows) - len(shown))
    return [*text, *_below(found)]


def _head(found: HotSpots) -> Iterator[str]:
    inside = found.samples - found.outside
    yield (
        f"{inside:,.0f} samples in {len(found.stages)} {found.by}"
        f"{'s' * (len(found.stages) != 1)}, {found.rate_hz:g} a second, "
        f"{HOW.get(found.mode, found.mode)}"
    )
    if found.by == "thread":
        where = "of its whole run, for it says no frame" if found.whole else "of its window"
        yield f"by thread, {where}: the program says no stage (import probe)"


def _stage(stage: Stage, top: int) -> Iterator[str]:
    few = ", too few to rank functions by" if stage.samples < FEW else ""
    of = "" if stage.expected is None else f" of {stage.expected:,.0f} expected by its spans"
    yield f"{stage.stage}: n = {stage.samples:,.0f} samples{of}{few}"
    functions = telling(stage)
    shown = functions if top == 0 else functions[:top]
    yield from (f"  {line}" for line in _table((_row(each) for each in shown), _TITLES))
    yield from (f"  {line}" for line in _more(len(functions) - len(shown)))


def _row(function: Function) -> tuple[str, ...]:
    where = (function.file or "") + ("" if function.line is None else f":{function.line}")
    own = function.own
    return (
        _percent(own.value),
        interval(own),
        _percent(function.total.value),
        _cut(named(function)),
        where,
    )


def interval(share: Share) -> str:
    """Return the ends of a share's interval in percent: ``12-19``."""
    return f"{100 * share.low:.0f}-{100 * share.high:.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 3] + "..."


def _table(rows: Iterable[Sequence[str]], titles: Sequence[str]) -> Iterator[str]:
    """Return lines; numbers stand to the right."""
    every = [titles, *rows]
    widths = [max(len(row[k]) for row in every) for k in range(len(titles))]
    words = {
        titles.index(name) for name in ("stage", "thread", "function", "where") if name in titles
    }
    for row in every:
        cells = (
            cell.ljust(width) if k in words else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()


def _more(count: int, what: str = "functions") -> list[str]:
    return [f"... and {count} more {what}: --top 0 shows all"] if count > 0 else []


def _below(found: HotSpots) -> Iterator[str]:
    yield ""
    if found.samples and found.by == "stage":
        share = 100 * found.outside / found.samples
        yield f"outside       {share:.0f} % of these threads' samples fell between their stages"
    if found.elsewhere:
        yield f"elsewhere     {found.elsewhere:,.0f} samples of threads that say no stage"
    if found.uncertainty_ns is not None:
        agree = "" if found.agreement is None else f"; {100 * found.agreement:.0f} % of samples"
        yield (
            f"clock         times of samples are known within {found.uncertainty_ns / 2e6:.1f} ms"
            + (
                f"{agree} are in the usual stage of their stack"
                if agree and found.by == "stage"
                else ""
            )
        )
    if found.errors:
        yield f"missed        {found.errors:,} stacks could not be read"
    if found.rest:
        yield f"left out      {found.rest:,} changes, to stacks that do not fit: {REST.function}"
    if found.dropped:
        yield f"not kept      {found.dropped:,} changes of stacks that do not fit"
    for length_ns, why in found.lost:
        length = "sampling" if length_ns is None else f"{length_ns / 1e9:.1f} s of sampling"
        yield f"lost          {length}: {why}"
    yield "profile       profile.speedscope.json in the Run, for https://www.speedscope.app"
