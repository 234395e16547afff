"""Metric by metric: every run, the means, the difference with its interval, and the verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe import metrics
from probe.comparison import Word
from reports.charts import intervals
from reports.charts.intervals import Axis, Dot, Effects, Interval, Strip
from reports.page import numbers
from reports.page.measure import Measure
from reports.sections.compared import GENERATION, LIVE, MIXED, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.page.status import Status
    from reports.sections.compared import Compared, Party

_LIVE_ONLY: Final = re.compile(
    r"(latency|rendered_latency|slack|rate|frames|present|pacing|drift|in_flight|real_time)(\..*)?"
)
_GENERATION_ONLY: Final = re.compile(r"(request|generation)\..*")
GROUPS: Final = (
    ("Real-time inference", _LIVE_ONLY, "only runs with a live input have these"),
    ("Start and delivery", re.compile(r"speed|block_size|time_to_first_frame"), "of any run"),
    ("Generation", _GENERATION_ONLY, "media made on request; no latency of a live frame"),
    ("Watts and degrees", re.compile(r"(power|temperature|clock)\..*"), "in the measured window"),
    ("Stages", re.compile(r"stage\..*"), "service time; waiting is apart"),
    ("Copies", re.compile(r"copies\..*"), "from the copy ledger"),
    ("Others", re.compile(r".*"), ""),
)
"""Heading, the metrics below it, and a word on them."""
_ROOM: Final = 30.0
"""Percent of a strip for words such as "2 lost", right of all dots: a lost frame is slowest."""
_WORDS: Final = {
    "latency": "response latency", "rendered_latency": "latency of rendered frames",
    "rate": "rate, unique frames", "rate.period": "mean time between frames",
    "frames.missed": "late or lost frames", "frames.on_time": "frames on time",
    "frames.late": "late frames", "frames.lost": "lost frames",
    "present.interval": "interval between frames", "pacing.error": "pacing error",
    "drift": "sync drift", "block_size": "block size", "real_time.share": "real-time share",
    "real_time.held": "real-time held", "time_to_first_frame": "first output",
    "temperature.max": "hottest sensor", "power": "power", "copies.per_frame": "copies a frame",
    "copies.bytes_per_frame": "bytes copied a frame",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One side in one metric."""

    party: Party
    value: str
    range: str
    strip: Strip | None
    difference: str
    ends: str
    interval: Interval | None
    status: Status | None
    reason: str
    absent: bool


@dataclass(frozen=True)
class Mark:
    """A mark of an axis of differences, written."""

    x: float
    text: str


@dataclass(frozen=True)
class MetricView:
    """A metric with a line for each side; `note` says why nothing is drawn, where it is not."""

    name: str
    words: str
    unit: str
    better: str
    definition: str
    lines: tuple[Line, ...]
    effects: Effects | None
    marks: tuple[Mark, ...]
    values: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Group:
    """Metrics under one heading."""

    title: str
    note: str
    metrics: tuple[MetricView, ...]


def groups(compared: Compared) -> list[Group]:
    """Return the metrics by what they are of; a group without metrics is left out."""
    found: dict[str, list[MetricView]] = {title: [] for title, _, _ in GROUPS}
    for row in compared.rows():
        title = next(title for title, names, _ in GROUPS if names.fullmatch(row["metric"]))
        found[title].append(_view(compared, row))
    return [Group(title, note, tuple(found[title])) for title, _, note in GROUPS if found[title]]


def spoken(metric: str) -> str:
    """Return a metric in words: ``response latency p99``, ``infer p50``."""
    if metric in _WORDS:
        return _WORDS[metric]
    family, _, last = metric.rpartition(".")
    if family in _WORDS:
        return f"{_WORDS[family]} {last}"
    stage = metrics.STAGE.fullmatch(metric)
    return f"{stage[1]} {stage[2].replace('.', ' ')}" if stage else metric


def _view(compared: Compared, row: Mapping[str, Any]) -> MetricView:
    numeric = [_float(each) for side in row["values"] for each in side]
    measure = Measure.of(row["unit"], [each for each in numeric if each is not None])
    least = _least(compared, row)
    drawn = intervals.effects(_pairs(compared, row), least) if _draws(compared) else None
    axes = _axes(compared, row) if _draws(compared) else {}
    lines = tuple(_line(compared, row, party, measure, (axes, drawn)) for party in compared.parties)
    marks = () if drawn is None else tuple(
        Mark(each.x, measure.mark(each.value, drawn.step))
        for each in drawn.ticks
        if each.value == 0 or _pairs_differ(row)
    )  # fmt: skip
    return MetricView(
        name=str(row["metric"]),
        words=spoken(str(row["metric"])),
        unit=measure.unit,
        better={metrics.LOWER: "↓ lower is better", metrics.HIGHER: "↑ higher is better"}.get(
            str(row["better"]), "neither direction is better"
        ),
        definition=str(row["definition"]),
        lines=lines,
        effects=drawn,
        marks=marks,
        values=tuple(
            tuple(_cell(row, party, k, measure) for k in range(party.count))
            for party in compared.parties
        ),
    )


def _pairs_differ(row: Mapping[str, Any]) -> bool:
    """Say whether anything but zero is drawn, so that marks beside it mean something."""
    return any(
        said["difference"] or said["interval"] not in (None, [0, 0]) for said in row["against"]
    )


def _draws(compared: Compared) -> bool:
    """Say whether values may share an axis: never where the comparison is blocked."""
    return bool(compared.document["comparable"])


def _least(compared: Compared, row: Mapping[str, Any]) -> float:
    """Return the smallest difference that counts, in the metric's stored unit."""
    mean = _float(row["means"][0])
    return 0.0 if mean is None else abs(mean) * float(compared.document["least_percent"]) / 100


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _pairs(compared: Compared, row: Mapping[str, Any]) -> list[tuple[float, list[float] | None]]:
    return [
        (said["difference"], said["interval"])
        for said, party in zip(row["against"], compared.others, strict=True)
        if said["difference"] is not None and party.kind == compared.base.kind
    ]


def _axes(compared: Compared, row: Mapping[str, Any]) -> dict[str, Axis | None]:
    """Return an axis for the sides of each regime: live and generation never share one."""
    values: dict[str, list[float]] = {}
    words = any(not isinstance(each, (int, float)) for side in row["values"] for each in side)
    room = _ROOM if words else 0.0
    for party, side in zip(compared.parties, row["values"], strict=True):
        found = [each for each in map(_float, side) if each is not None]
        values.setdefault(party.kind, []).extend(found)
    return {kind: None if kind == MIXED else Axis.over(each, room) for kind, each in values.items()}


def _line(
    compared: Compared,
    row: Mapping[str, Any],
    party: Party,
    measure: Measure,
    drawing: tuple[dict[str, Axis | None], Effects | None],
) -> Line:
    axes, drawn = drawing
    value, spread = _value(row, party, measure)
    strip = _strip(row, party, measure, axes.get(party.kind)) if axes else None
    absent = value in ("n/a", numbers.NOT_MEASURED, "insufficient")
    if party.at == 0:
        return Line(party, value, spread, strip, "", "", None, None, "", absent)
    said = row["against"][party.at - 1]
    difference, ends = _difference(said, measure)
    found = None
    if drawn is not None and said["difference"] is not None and party.kind == compared.base.kind:
        title = f"{party.letter} minus A: {measure.with_unit(difference)}"
        title += f", interval {ends}" if said["interval"] else ""
        found = intervals.interval(drawn, said["difference"], said["interval"], title)
    reason = str(said["reason"] or "")
    told = reason == compared.document["reason"] or said["verdict"] == Word.TOO_FEW
    shown = "" if told else numbers.sentence(reason.replace("the base", "A"))
    crossed = _wrong_regime(str(row["metric"]), compared.base.kind, party.kind)
    if crossed and compared.base.kind != party.kind and _draws(compared):
        shown = "n/a: one side is live and the other is not"
    word = VERDICTS[said["verdict"]]
    return Line(party, value, spread, strip, difference, ends, found, word, shown, absent)


def _wrong_regime(metric: str, *kinds: str) -> bool:
    """Say whether one of these sides cannot have the metric, for what it is."""
    if _LIVE_ONLY.fullmatch(metric):
        return GENERATION in kinds
    return bool(_GENERATION_ONLY.fullmatch(metric)) and LIVE in kinds


def _value(row: Mapping[str, Any], party: Party, measure: Measure) -> tuple[str, str]:
    """Return a side's mean and the range of its runs."""
    values, missing = row["values"][party.at], row["missing"][party.at]
    if _wrong_regime(str(row["metric"]), party.kind) and all(each is None for each in values):
        return "n/a", ""
    mean = row["means"][party.at]
    if mean is None:
        lacking = [each for each in missing if each]
        few = bool(lacking) and all(each.startswith("insufficient") for each in lacking)
        part = f"in {len(lacking)} of {party.count} runs" if len(lacking) < party.count else ""
        return ("insufficient" if few else numbers.NOT_MEASURED), part
    shown = [each for each in map(_float, values) if each is not None]
    lost = len(values) - len(shown)
    if lost:
        return measure.bare(mean), f"{lost} of {party.count} runs lost"
    low, high = measure.bare(min(shown)), measure.bare(max(shown))
    return measure.bare(mean), (f"{low} to {high}" if low != high else "all alike")


def _difference(said: Mapping[str, Any], measure: Measure) -> tuple[str, str]:
    """Return a difference and its interval as text; both empty where there is none."""
    if said["difference"] is None:
        by_rank = said["p_value"] is not None
        return ("by rank" if by_rank else "n/a"), (f"p {said['p_value']:.2g}" if by_rank else "")
    text = measure.signed(said["difference"])
    ends = said["interval"]
    if ends is None:
        return text, "no interval"
    if ends[0] == ends[1]:
        return text, "exact, in every run"
    return text, f"{measure.signed(ends[0])} to {measure.signed(ends[1])}"


def _strip(row: Mapping[str, Any], party: Party, measure: Measure, axis: Axis | None) -> Strip:
    values = row["values"][party.at]
    lost = sum(isinstance(each, str) for each in values)
    absent = sum(each is None for each in values)
    words = [f"{lost} lost"] if lost else []
    if absent:
        words.append(f"{absent} not measured" if absent < len(values) else "not measured")
    if _wrong_regime(str(row["metric"]), party.kind) and absent == len(values):
        words = ["n/a"]
    if party.kind == MIXED:
        return Strip((), None, "it mixes live and generating runs")
    if axis is None:
        return Strip((), None, ", ".join(words))
    dots = tuple(
        Dot(axis.at(number), f"{party.run_name(k)}: {measure.with_unit(measure.bare(number))}")
        for k, each in enumerate(values)
        if (number := _float(each)) is not None
    )
    mean = _float(row["means"][party.at])
    return Strip(dots, None if mean is None else axis.at(mean), ", ".join(words))


def _cell(row: Mapping[str, Any], party: Party, number: int, measure: Measure) -> str:
    """Return one run's value in the table of all values."""
    value = row["values"][party.at][number]
    if value is None and _wrong_regime(str(row["metric"]), party.kind):
        return "n/a"
    return measure.bare(value) if value is not None else "\N{EN DASH}"
