"""Limited by what? Strips of what the collectors sampled, over the same time axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reports.charts import figure
from reports.charts.chart import Chart
from reports.charts.samples import Line, lines_of, text
from reports.charts.stages_named import LINES, of_line
from reports.page import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from reports.page.payload import Payload
    from reports.page.subject import Subject

HEIGHT: Final = 150
MOST_LINES: Final = 4
"""More lines than this cannot be told apart; the highest are drawn, the others counted."""
MOST_POINTS: Final = 3600
"""A line carries so many points, ten minutes and more; of a longer run the extremes."""
COLOURS: Final = (
    ("ink", figure.INK), ("line2", "#2a72b5"), ("line3", "#a8326e"), ("line4", "#7a6a12"),
)  # fmt: skip
"""Of lines that are no stage's, as (name in the style sheet, on paper)."""
ALIKE: Final = {"line2": "preprocess", "line4": "encode"}
"""Colours that stand for no other line where one of these stages has its own."""
NAME: Final = 0.13
"""Height of a line's name in a static figure, as a share of the plot's."""
SPAN: Final = "#c9cac9"
"""The span from the lowest to the highest sample of a bucket, in a static figure."""
STEP: Final = 1e-3
"""Of values in their written unit, and of moments in s: a sampled one is not finer."""


@dataclass(frozen=True)
class Strip:
    """A track that was sampled; `unit` is the one in which its lines are."""

    track: Mapping[str, Any]
    lines: tuple[Line, ...]
    unit: str

    @property
    def name(self) -> str:
        """The track's name, which metrics and tables have."""
        return str(self.track["name"])

    @property
    def title(self) -> str:
        """What the track is."""
        return str(self.track.get("title") or self.name)

    @property
    def still(self) -> bool:
        """Say whether no line moved."""
        return all(line.still for line in self.lines)


def strip(subject: Subject, track: Mapping[str, Any], period_s: float) -> Strip | None:
    """Return a track's lines, None where it has no sample with a value in the charted time."""
    unit = str(track.get("unit") or "")
    lines, written, _ = lines_of(subject, str(track["name"]), unit, period_s)
    return Strip(track, tuple(lines), written) if lines else None


def chart(subject: Subject, each: Strip, payload: Payload, *, folded: bool = False) -> Chart:
    """Return the strip's chart; one in a fold has no static twin: a table stands for it."""
    shown = list(each.lines[:MOST_LINES])
    image = "" if folded else figure.drawn(HEIGHT, lambda a: _draw(a, subject, shown, each.unit))
    return Chart(
        id=identity(each.name),
        question=each.title,
        finding=_finding(shown, each.unit),
        note=_note(each.track, each.lines, shown),
        spec=_spec(shown, each, payload),
        image=image,
        height=HEIGHT,
        legend=legend(shown) if len(shown) > 1 else (),
    )


def legend(shown: list[Line]) -> tuple[tuple[str, str], ...]:
    """Return the colours of lines, for pages too narrow to name them beside the chart."""
    found = colours([line.label for line in shown])
    return tuple((name, line.label) for (name, _), line in zip(found, shown, strict=True))


def colours(labels: list[str]) -> list[tuple[str, str]]:
    """Return the colour of each line, as `COLOURS`: that of its stage, once; of others the next."""
    stages = [of_line(label) for label in labels]
    first = [stage if stage not in stages[:k] else None for k, stage in enumerate(stages)]
    others = iter(sorted(COLOURS, key=lambda each: each[0] in ALIKE and ALIKE[each[0]] in stages))
    return [next(others) if stage is None else (f"line-{stage}", LINES[stage]) for stage in first]


def identity(name: str) -> str:
    """Return what the page calls the chart of a track."""
    return "track-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in name)


def spaced(unit: str) -> str:
    """Return a unit as it follows its number."""
    return f"{numbers.NBSP}{unit}" if unit else ""


def _finding(shown: list[Line], unit: str) -> str:
    """Return what the highest line did."""
    values, name = shown[0].values, shown[0].label
    lead = f"{name} is highest: " if len(shown) > 1 else f"{name}: " if name else ""
    if shown[0].still:
        return f"{lead}{text(values[0])}{spaced(unit)} throughout."
    span = f"from {text(values.min())} to {text(values.max())}{spaced(unit)}"
    middle = f"{'median' if lead else 'Median'} {text(float(np.median(values)))}{spaced(unit)}"
    return f"{lead}{middle}, {span}."


def _note(track: Mapping[str, Any], every: tuple[Line, ...], shown: list[Line]) -> str:
    number = sum(len(line.values) for line in every)
    kind = f", {track['kind']}" if track.get("kind") else ""
    said = f"{track.get('grade') or 'measured'}{kind}; {numbers.plural(number, 'sample')}"
    if len(every) > 1:
        said += f" of {numbers.plural(len(every), 'line')}"
    if len(every) > MOST_LINES:
        said += f", the {MOST_LINES} highest drawn"
    if any(len(line.x) > MOST_POINTS for line in shown):
        said += "; of each stretch the page carries the lowest and the highest"
    return numbers.sentence(said) + "."


def _spec(shown: list[Line], each: Strip, payload: Payload) -> dict[str, Any]:
    found = colours([line.label for line in shown])
    series = [
        {
            "name": line.label or each.title,
            "step": bool(each.track.get("step")),
            "x": payload.add(line.x, STEP, rising=True),
            "y": payload.add(line.y, STEP),
            "colour": found[k][0],
        }
        for k, line in enumerate(line.thinned(MOST_POINTS) for line in shown)
    ]
    return {"kind": "lines", "time": True, "unit": each.unit, "zero": each.unit == "%",
            "series": series, "levels": []}  # fmt: skip


def _draw(axes: Axes, subject: Subject, lines: list[Line], unit: str) -> None:
    found = colours([line.label for line in lines])
    for k, line in enumerate(lines):
        x, middle, least, most, size = figure.bucketed(line.x, line.y)
        if size > 1 and k == 0:  # those of all lines would make the page half as large again
            figure.strokes(axes, x, least, most, colour=SPAN, width=1)
        axes.plot(x, middle, color=found[k][1], linewidth=1)
    axes.margins(y=0.15)
    if unit == "%":
        axes.set_ylim(bottom=0)
    if len(lines) > 1:
        _name(axes, lines)
    framed(axes, subject, unit)


def _name(axes: Axes, lines: list[Line]) -> None:
    """Write the name of each line beside its end, apart from each other."""
    bottom, top = axes.get_ylim()
    found = colours([line.label for line in lines])
    ends = [(float(line.values[-1]) - bottom) / (top - bottom) for line in lines]
    high = 1.0
    for place, k in enumerate(reversed(np.argsort(ends, kind="stable").tolist())):
        below = len(lines) - 1 - place
        high = min(high, max(ends[k], below * NAME))
        figure.name_at_right(axes, high, lines[k].label[:18], found[k][1], share=True)
        high -= NAME


def framed(axes: Axes, subject: Subject, unit: str) -> None:
    """Draw the warm-up, the unit and the axis of time."""
    start = -float(subject.part("window").get("warmup_ns") or 0) / 1e9
    if start < 0:
        axes.axvspan(start, 0, color=figure.INK3, alpha=0.08, linewidth=0)
    figure.unit_at_top(axes, unit)
    figure.time_axis(axes, start, subject.length_s)
