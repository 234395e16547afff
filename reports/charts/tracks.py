"""Limited by what? Strips of what the collectors sampled, over the same time axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reports.charts import figure
from reports.charts.chart import Chart, Steady
from reports.page import numbers
from reports.page.privacy import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from reports.page.payload import Payload
    from reports.page.subject import Subject

HEIGHT: Final = 150
MOST_LINES: Final = 4
"""More lines than this cannot be told apart; the highest are drawn, the others counted."""
GAP_PERIODS: Final = 3.0
"""A gap of so many sampling periods stays a gap."""
COLOURS: Final = (
    ("ink", figure.INK), ("line2", "#2a72b5"), ("line3", "#a8326e"), ("line4", "#7a6a12"),
)  # fmt: skip
UNITS: Final = {
    "celsius": ("°C", 1.0), "percent": ("%", 1.0), "hertz": ("GHz", 1e-9), "watts": ("W", 1.0),
    "bytes": ("MB", 1e-6), "bytes/s": ("MB/s", 1e-6), "ns": ("ms", 1e-6), "1": ("", 1.0),
}  # fmt: skip
"""How a unit is written, and the factor to it from the base unit."""
_STEP: Final = 1e-3


@dataclass(frozen=True)
class Line:
    """One label of a track: moments in s, values in the written unit, gaps as NaN."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @property
    def values(self) -> NDArray[np.float64]:
        """The values that are there."""
        return self.y[np.isfinite(self.y)]


def strip(
    subject: Subject, track: Mapping[str, Any], period_s: float, payload: Payload
) -> Chart | Steady | None:
    """Return the strip of a track, a sentence where it never moved, None without a sample."""
    unit, factor = UNITS.get(str(track.get("unit") or ""), (str(track.get("unit") or ""), 1.0))
    every = sorted(
        (
            line
            for line in _lines(subject, str(track["name"]), period_s, factor)
            if len(line.values)
        ),
        key=lambda line: -float(line.values.mean()),
    )
    if not every:
        return None
    title = str(track.get("title") or track["name"])
    name = "track-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in str(track["name"]))
    note = _note(track, every)
    if all(_still(line) for line in every) and len({_text(line.values[0]) for line in every}) == 1:
        space = f"{numbers.NBSP}{unit}" if unit else ""
        return Steady(name, title, f"{_text(every[0].values[0])}{space} throughout.", note)
    shown = every[:MOST_LINES]
    return Chart(
        id=name,
        question=title,
        finding=_finding(shown, unit),
        note=note,
        spec=_spec(shown, track, unit, payload),
        image=figure.drawn(HEIGHT, lambda axes: _draw(axes, subject, shown, unit)),
        height=HEIGHT,
    )


def _lines(subject: Subject, track: str, period_s: float, factor: float) -> list[Line]:
    """Return the lines of a track inside the charted time (warm-up and window)."""
    table = subject.run.table("samples")
    table = table[(table["track"] == track) & table["t_ns"].notna()]
    warmup = float(subject.part("window").get("warmup_ns") or 0) / 1e9
    moment = (table["t_ns"].to_numpy(dtype="int64") - subject.origin_ns) / 1e9
    inside = (moment >= -warmup) & (moment <= subject.length_s)
    moment = moment[inside]
    values = table["value"].to_numpy(dtype="float64", na_value=np.nan)[inside] * factor
    labels = table["label"].fillna("").to_numpy(dtype="object")[inside]
    found, threads = [], _threads(subject)
    for label in dict.fromkeys(labels):
        mine = labels == label
        name = threads.get(str(label).rpartition(":")[2], str(label))
        found.append(_with_gaps(redacted(name), moment[mine], values[mine], period_s))
    return found


def _threads(subject: Subject) -> dict[str, str]:
    """Return the program's own name of each thread id; the kernel knows most as `python`."""
    names = subject.run.table("spans")["thread"].dropna().unique()
    pairs = (str(name).rpartition(":") for name in names)
    return {tid: name for name, _, tid in pairs if name and tid}


def _with_gaps(label: str, x: NDArray[np.float64], y: NDArray[np.float64], period_s: float) -> Line:
    """Return the line in order of time, with a missing value inside every long gap."""
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    steps = np.diff(x)
    usual = max(period_s, float(np.median(steps)) if len(steps) else 0.0)
    wide = np.flatnonzero(steps > GAP_PERIODS * usual) + 1
    middles = (x[wide - 1] + x[wide]) / 2
    return Line(label, np.insert(x, wide, middles), np.insert(y, wide, np.nan))


def _still(line: Line) -> bool:
    return _text(line.values.min()) == _text(line.values.max())


def _text(value: float) -> str:
    return numbers.fixed(float(value), 2 if abs(value) < 10 and value % 1 else 1)  # noqa: PLR2004  GHz need two


def _finding(shown: list[Line], unit: str) -> str:
    """Return what the highest line did."""
    values = shown[0].values
    space = f"{numbers.NBSP}{unit}" if unit else ""
    name = shown[0].label.partition(":")[0]
    lead = f"{name} is highest: " if len(shown) > 1 else f"{name}: " if name else ""
    if _still(shown[0]):
        return f"{lead}{_text(values[0])}{space} throughout."
    span = f"from {_text(values.min())} to {_text(values.max())}{space}"
    middle = f"{'median' if lead else 'Median'} {_text(float(np.median(values)))}{space}"
    return f"{lead}{middle}, {span}."


def _note(track: Mapping[str, Any], every: list[Line]) -> str:
    number = sum(len(line.values) for line in every)
    kind = f", {track['kind']}" if track.get("kind") else ""
    text = f"{track.get('grade') or 'measured'}{kind}; {numbers.plural(number, 'sample')}"
    if len(every) > 1:
        text += f" of {numbers.plural(len(every), 'line')}"
    if len(every) > MOST_LINES:
        text += f", the {MOST_LINES} highest drawn"
    return numbers.sentence(text) + "."


def _spec(
    shown: list[Line], track: Mapping[str, Any], unit: str, payload: Payload
) -> dict[str, Any]:
    return {
        "kind": "lines",
        "time": True,
        "unit": unit,
        "zero": unit == "%",
        "series": [
            {
                "name": line.label or str(track.get("title") or track["name"]),
                "step": bool(track.get("step")),
                "x": payload.add(line.x, 1e-6, rising=True),
                "y": payload.add(line.y, _STEP),
                "colour": COLOURS[k][0],
            }
            for k, line in enumerate(shown)
        ],
        "levels": [],
    }


def _draw(axes: Axes, subject: Subject, lines: list[Line], unit: str) -> None:
    start = -float(subject.part("window").get("warmup_ns") or 0) / 1e9
    for k, line in enumerate(lines):
        x, middle, _, _, _ = figure.bucketed(line.x, line.y)
        axes.plot(x, middle, color=COLOURS[k][1], linewidth=1)
        ends = middle[np.isfinite(middle)]
        if len(lines) > 1:
            figure.name_at_right(axes, float(ends[-1]), line.label[:18], COLOURS[k][1])
    if start < 0:
        axes.axvspan(start, 0, color=figure.INK3, alpha=0.08, linewidth=0)
    axes.margins(y=0.15)
    if unit == "%":
        axes.set_ylim(bottom=0)
    figure.unit_at_top(axes, unit)
    figure.time_axis(axes, start, subject.length_s)
