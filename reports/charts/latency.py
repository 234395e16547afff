"""Since when, and how late? Response latency of every frame over time, with the deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reports.charts import figure
from reports.charts.chart import Chart
from reports.page import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from reports.charts.frames import Frames
    from reports.page.subject import Subject

HEIGHT: Final = 250
SPREAD: Final = 4.0
"""The axis ends at so many deadlines, or twice the p95; what lies above is drawn at the top."""
TABLE_ROWS: Final = 12


def chart(subject: Subject, frames: Frames, columns: dict[str, int], top: float) -> Chart:
    """Return the chart of response latency, to `top` ms; `columns` are the payload's."""
    spec = {
        "kind": "latency",
        "deadline": subject.deadline_ms,
        "top": top,
        "columns": {name: columns[name] for name in ("t", "latency", "fate", "number")},
    }
    return Chart(
        id="latency",
        question="When is it late?",
        finding=finding(subject, frames),
        note=note(subject, frames),
        spec=spec,
        image=figure.drawn(HEIGHT, lambda axes: _draw(axes, subject, frames, top)),
        height=HEIGHT,
        rows=_rows(frames),
    )


def ceiling(subject: Subject, frames: Frames) -> float:
    """Return the end of the latency axis in ms; what lies above is drawn at the top, and said."""
    shown = frames.latency_ms[frames.measured & ~frames.lost]
    deadline = subject.deadline_ms or 0.0
    if not len(shown):
        return max(deadline * 1.5, 1.0)
    usual = max(deadline * SPREAD, 2 * float(np.percentile(shown, 95)))
    return float(max(min(float(shown.max()), usual), deadline) * 1.12)


def finding(subject: Subject, frames: Frames) -> str:
    """Return the sentence above the chart."""
    latency = subject.verdict.get("latency_ms") or {}
    deadline = subject.deadline_ms
    measured = int(frames.measured.sum())
    if not measured:
        return "No frame was scheduled inside the window."
    if isinstance(latency.get("p50"), str):
        return "More than half of the frames were never answered."
    half = f"Half of the frames are answered within {numbers.ms(latency.get('p50'))}"
    if deadline is None:
        return f"{half}."
    late = int((frames.measured & (frames.lost | (frames.latency_ms > deadline))).sum())
    if not late:
        return f"{half}, all of them within {numbers.setting(deadline)}."
    share = numbers.percent(late / measured)
    begin = float(frames.t_s[frames.measured & (frames.lost | (frames.latency_ms > deadline))][0])
    return (
        f"{half}; {numbers.count(late)} of {numbers.count(measured)} ({share}) are late or lost, "
        f"the first at {numbers.clock_fine(begin)}."
    )


def note(subject: Subject, frames: Frames) -> str:
    """Return what is drawn: quantity, window, sample."""
    measured = frames.measured
    lost = int((frames.lost & measured).sum())
    outside = int((~measured).sum())
    n, lost_n = numbers.count(int(measured.sum())), numbers.count(lost)
    parts = [
        "Response latency, from the scheduled time to the picture on the display.",
        f"n = {n} frames in {numbers.clock(subject.window_s)}, {lost_n} lost (ticks at the top).",
    ]
    if outside:
        parts.append(f"Tinted: {numbers.plural(outside, 'warm-up frame')}, not counted.")
    return " ".join(parts)


def _draw(axes: Axes, subject: Subject, frames: Frames, top: float) -> None:
    start, end = float(min(frames.t_s[0], 0.0)), subject.length_s
    x, middle, least, most, size = figure.bucketed(frames.t_s, frames.latency_ms)
    if start < 0:
        axes.axvspan(start, 0, color=figure.INK3, alpha=0.08, linewidth=0)
    if size > 1:
        figure.strokes(
            axes, x, np.minimum(least, top), np.minimum(most, top), colour=figure.INK3, width=0.7
        )
        axes.plot(x, np.minimum(middle, top), color=figure.INK, linewidth=1.1)
        axes.text(
            0.0, 1.01, f"bucketed: {size} frames per bar", transform=axes.transAxes, fontsize=7.5
        )
    else:
        late = frames.latency_ms > (subject.deadline_ms or np.inf)
        shown = np.minimum(frames.latency_ms, top * 0.99)
        figure.strokes(axes, x[~late], shown[~late], shown[~late], colour=figure.INK, width=1.6)
        figure.strokes(axes, x[late], shown[late], shown[late], colour=figure.BAD, width=2.2)
    gone = _lost_ticks(frames)
    figure.strokes(axes, gone, gone * 0 + top * 0.965, gone * 0 + top, colour=figure.BAD, width=0.8)
    axes.set_ylim(0, top)
    if subject.deadline_ms is not None:
        axes.axhline(subject.deadline_ms, color=figure.INK, linewidth=1, linestyle=(0, (1, 2.5)))
        figure.name_at_right(
            axes, subject.deadline_ms, f"deadline {numbers.setting(subject.deadline_ms)}"
        )
    figure.unit_at_top(axes, "ms")
    figure.time_axis(axes, start, end)


def _lost_ticks(frames: Frames) -> NDArray[np.float64]:
    """Return where ticks stand: no two closer than a quarter of a pixel."""
    moments = frames.t_s[frames.lost]
    if not len(moments):
        return moments
    step = max(float(frames.t_s[-1] - frames.t_s[0]), 1e-9) / (4 * figure.WIDTH_PX)
    return moments[np.unique(np.floor(moments / step), return_index=True)[1]]


def mini(subject: Subject, columns: dict[str, int], top: float) -> dict[str, Any]:
    """Return the small chart above the regime strip: the window alone, as wide as the strip."""
    names = ("t", "latency", "fate", "number")
    return {
        "kind": "latency",
        "mini": True,
        "deadline": subject.deadline_ms,
        "top": top,
        "window": [0, subject.length_s],
        "columns": {name: columns[name] for name in names},
    }


def _rows(frames: Frames) -> tuple[tuple[str, ...], ...]:
    """Return the chart as a table: equal stretches of the window, their median, maximum, losses."""
    t, measured = frames.t_s, frames.measured
    if not measured.any():
        return ()
    edges = np.linspace(t[measured][0], t[measured][-1], TABLE_ROWS + 1)
    head = ("from", "frames", "median, ms", "slowest, ms", "lost")
    body: list[tuple[str, ...]] = []
    for k in range(TABLE_ROWS):
        inside = measured & (t >= edges[k]) & (t < edges[k + 1] if k + 1 < TABLE_ROWS else True)
        body.append((numbers.clock_fine(float(edges[k])), *_summary(frames, inside)))
    return (head, *body)


def _summary(frames: Frames, inside: NDArray[np.bool_]) -> tuple[str, str, str, str]:
    values = frames.latency_ms[inside & ~frames.lost]
    middle, most = (float(np.median(values)), float(values.max())) if len(values) else (None, None)
    return (
        numbers.count(int(inside.sum())),
        "none" if middle is None else numbers.ms_plain(middle),
        "none" if most is None else numbers.ms_plain(most),
        numbers.count(int((inside & frames.lost).sum())),
    )
