"""Where do bytes move? The copy ledger of a Run: totals, graph, lines, buffers, and its limits.

Every number is of `probe.ledger`; what a stranger could read of the machine (folders, user names)
is taken out here, for a ledger comes from the tables, which keep it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from probe.ledger import blind_of, ledger_of
from reports.charts.copy_graph import KINDS, Flow, Graph, Move, Station, graph
from reports.charts.stages_named import in_order, slot
from reports.page import numbers
from reports.sections.copy_limits import Limit, blindness, limits, threshold
from reports.sections.copy_lines import (
    UNATTRIBUTED,
    Look,
    Row,
    Share,
    buffers,
    by_kind,
    in_graph,
    joined,
    looks,
    mb,
    place,
    row_of,
    total_row,
)

if TYPE_CHECKING:
    from probe.ledger import Ledger, Line, Total
    from reports.page.subject import Subject

MOST_ROWS: Final = 12
"""Lines that the table shows; the rest is folded."""
UNITS: Final = {"frame": "per frame", "output": "per output frame", "run": "in the run"}
PARTS: Final = {"frame": "/frame", "output": "/output", "run": ""}


@dataclass(frozen=True)
class Untraced:
    """Why there is no ledger."""

    subject: Subject
    reason: str
    remedy: str


@dataclass(frozen=True)
class Copies:
    """The section, ready to be read. `part` stands in the heads of columns: ``/frame``."""

    subject: Subject
    lead: str
    basis: str
    by_kind: tuple[Share, ...]
    part: str
    limits: tuple[Limit, ...]
    finding: str
    note: str
    graph: Graph
    kinds: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    more: tuple[Row, ...]
    rest: str
    total: Row
    buffers: tuple[Share, ...]
    looks: tuple[Look, ...]
    in_graph: tuple[tuple[str, ...], ...]


def copies(subject: Subject) -> Copies | Untraced:
    """Return the copy ledger of a Run, or why there is none."""
    ledger = ledger_of(subject.run)
    if ledger is None:
        return _untraced(subject)
    unit, part = UNITS[ledger.per], PARTS[ledger.per]
    every = joined(ledger.lines)
    rows = [row_of(each) for each in every]
    lines = [each.line for each in every]
    stations = _stations(subject, ledger, lines)
    drawn = {move.kind for station in stations for move in station.moves}
    return Copies(
        subject=subject,
        lead=_lead(subject, ledger, unit),
        basis=_basis(ledger),
        by_kind=tuple(by_kind(ledger)),
        part=part,
        limits=tuple(limits(subject, ledger, unit)),
        finding=_finding(ledger, lines, unit),
        note=_note(ledger),
        graph=graph(stations, _flows(ledger)),
        kinds=tuple((kind, what) for kind, what in KINDS.items() if kind in drawn),
        rows=tuple(rows[:MOST_ROWS]),
        more=tuple(rows[MOST_ROWS:]),
        rest=_rest(lines, unit),
        total=total_row(ledger, len(lines)),
        buffers=tuple(buffers(ledger)),
        looks=tuple(looks(ledger)),
        in_graph=tuple(in_graph(ledger)),
    )


def _untraced(subject: Subject) -> Untraced:
    """Say what the collector said; a Run without one was made with copies off, or before them."""
    remedy = "run it again with --copies on"
    blind = blind_of(subject.manifest)
    if blind:
        return Untraced(subject, f"no copy was seen: {blindness(blind)}", "")
    for each in subject.manifest.get("collectors") or []:
        if each.get("name") == "copies" and each.get("outcome") != "ok":
            return Untraced(
                subject, str(each.get("reason") or "no reason given"), str(each.get("remedy") or "")
            )
    asked = subject.part("scenario", "resolved", "copies").get("mode")
    if asked == "off":
        return Untraced(subject, "switched off for this run", remedy)
    return Untraced(subject, "copies were not traced in this run", remedy)


def _lead(subject: Subject, ledger: Ledger, unit: str) -> str:
    total = ledger.total
    if not ledger.lines:
        return _nothing(subject, ledger, unit)
    text = f"{mb(total.bytes_per_frame)} move {unit} in {_copies(total, ledger)}"
    if ledger.frame_equivalents is not None:
        pictures = numbers.fixed(ledger.frame_equivalents, 1)
        text += f", as much as {pictures} decoded pictures"
    text += f", in {numbers.fine(total.ms_per_frame)}{numbers.NBSP}ms"
    again = total.avoidable_bytes_per_frame
    if not again:
        return f"{text}; none of it moves unchanged bytes again."
    share = numbers.percent(again / total.bytes_per_frame, 0)
    return f"{text}; {mb(again)} of it ({share}) moves unchanged bytes again."


def _nothing(subject: Subject, ledger: Ledger, unit: str) -> str:
    if ledger.blind or ledger.lost or ledger.stopped:
        return "No copy was seen, which need not mean that there was none."
    least = threshold(subject)
    size = "" if least is None else f" of {numbers.count(least)} bytes or more"
    return f"No copy{size} was seen {unit.replace('per', 'in any')}."


def _copies(total: Total, ledger: Ledger) -> str:
    value = total.copies_per_frame
    places = 0 if ledger.per == "run" else 1
    return f"{numbers.fixed(value, places)} {'copy' if round(value, places) == 1 else 'copies'}"


def _basis(ledger: Ledger) -> str:
    if ledger.per == "run":
        return "sums over the run, for no frame was told"
    what = "measured frame" if ledger.per == "frame" else "measured output"
    return f"mean of {numbers.plural(ledger.frames, what)}"


def _finding(ledger: Ledger, lines: list[Line], unit: str) -> str:
    stages = {name: total for name, total in ledger.stages.items() if name is not None}
    if not stages:
        return "No copy could be attributed to a stage." if lines else "Nothing moved."
    name = max(in_order(list(stages)), key=lambda each: stages[each].bytes_per_frame)
    most = stages[name]
    text = (
        f"{name} moves the most, {mb(most.bytes_per_frame)} {unit},"
        f" {numbers.percent(most.share, 0)} of all"
    )
    line = lines[0]
    return f"{text}; the largest line is {place(line)} with {mb(line.bytes_per_frame)}."


def _note(ledger: Ledger) -> str:
    text = f"{numbers.sentence(_basis(ledger))}. Below a stage its lines, bars to one scale"
    if not ledger.edges:
        return f"{text}; no copy read what a copy in another stage wrote."
    return (
        f"{text}. An arrow is bytes that a copy in one stage wrote and a copy in the other read;"
        " they are in the other's bars, too, and stand above them as entered. Its width grows with"
        " the square root of the bytes."
    )


def _stations(subject: Subject, ledger: Ledger, lines: list[Line]) -> list[Station]:
    """Return the stages that ran or copied, in the way of a frame; last what belongs to none."""
    ran = [str(each["stage"]) for each in subject.verdict.get("stages") or []]
    copied = [str(name) for name in ledger.stages if name is not None]
    names = in_order(list(dict.fromkeys(ran + copied)))
    found = [_station(name, ledger, lines) for name in names]
    return [*found, _station(None, ledger, lines)] if None in ledger.stages else found


def _station(name: str | None, ledger: Ledger, lines: list[Line]) -> Station:
    total = ledger.stages.get(name)
    return Station(
        name=UNATTRIBUTED if name is None else name,
        slot="none" if name is None else slot(name),
        size=0.0 if total is None else total.bytes_per_frame,
        ms=0.0 if total is None else total.ms_per_frame,
        entering=None
        if name is None
        else sum(edge.bytes_per_frame for edge in ledger.edges if edge.target == name),
        moves=tuple(
            Move(
                line.kind,
                line.bytes_per_frame,
                line.copies_per_frame,
                place(line),
                line.avoidable_bytes_per_frame,
            )
            for line in lines
            if line.stage == name
        ),
    )


def _flows(ledger: Ledger) -> list[Flow]:
    kinds: dict[tuple[str, str], dict[str, float]] = {}
    for edge in ledger.edges:
        between = kinds.setdefault((edge.source, edge.target), {})
        between[edge.kind] = between.get(edge.kind, 0.0) + edge.bytes_per_frame
    return [Flow(*ends, sum(sizes.values()), tuple(sizes.items())) for ends, sizes in kinds.items()]


def _rest(lines: list[Line], unit: str) -> str:
    size = sum(line.bytes_per_frame for line in lines[MOST_ROWS:])
    return f"{mb(size)} {unit}"
