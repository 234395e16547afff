"""Who eats the budget? Work of each stage and the waits, over time and for the median frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reports.charts import figure
from reports.charts.chart import Chart
from reports.charts.stages_named import LIGHT, slot
from reports.page import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from reports.charts.frames import Frames
    from reports.page.subject import Subject

HEIGHT: Final = 280
QUEUE: Final = "waiting in queues"
DISPLAY: Final = "waiting for refresh"
READS_AS_ZERO_MS: Final = 0.05
"""Less than this is not worth a sentence."""
STATIC_BUCKETS: Final = 110


@dataclass(frozen=True)
class Layer:
    """One layer of the stack: a stage's work, or a wait (hatched)."""

    name: str
    slot: str
    waits: bool
    values: NDArray[np.float64]


def layers(frames: Frames) -> list[Layer]:
    """Return the layers from capture to the answer, waits last; one without values is left out."""
    found = [
        Layer(frames.stages[k], slot(frames.stages[k]), waits=False, values=frames.work[:, k])
        for k in frames.answering
    ]
    found += [
        Layer(QUEUE, "queue", waits=True, values=frames.wait),
        Layer(DISPLAY, "display", waits=True, values=frames.display),
    ]
    return [layer for layer in found if np.nan_to_num(layer.values).any()]


def median_frame(frames: Frames) -> list[tuple[Layer, float]]:
    """Return each layer with its median over the measured frames that were rendered, in ms."""
    chosen = frames.measured & ~frames.lost
    if not chosen.any():
        return []
    middles = [(layer, layer.values[chosen]) for layer in layers(frames)]
    return [
        (layer, float(np.nanmedian(values)))
        for layer, values in middles
        if np.isfinite(values).any()
    ]


def chart(subject: Subject, frames: Frames, columns: dict[str, int], top: float) -> Chart | None:
    """Return the stack over time, to `top` ms; None where the program told of no stage."""
    drawn = layers(frames)
    if not frames.stages or not drawn:
        return None
    spec = {
        "kind": "stack",
        "deadline": subject.deadline_ms,
        "top": top,
        "columns": {name: columns[name] for name in ("t", "latency")},
        "layers": [
            {"name": layer.name, "slot": layer.slot, "waits": layer.waits, "column": columns[key]}
            for layer, key in zip(drawn, _keys(frames, drawn), strict=True)
        ],
    }
    return Chart(
        id="stack",
        question="Who eats the budget?",
        finding=finding(frames),
        note=note(frames),
        spec=spec,
        image=figure.drawn(HEIGHT, lambda axes: _draw(axes, subject, frames, drawn, top)),
        height=HEIGHT,
        legend=tuple((layer.slot, layer.name) for layer in drawn),
    )


def _keys(frames: Frames, drawn: list[Layer]) -> list[str]:
    waits = {QUEUE: "wait", DISPLAY: "display"}
    return [
        waits[layer.name] if layer.waits else f"work {frames.stages.index(layer.name)}"
        for layer in drawn
    ]


def finding(frames: Frames) -> str:
    """Return the sentence above the stack: the largest work, and the waits beside it."""
    parts = median_frame(frames)
    work = {layer.name: value for layer, value in parts if not layer.waits}
    wait = {layer.name: value for layer, value in parts if layer.waits}
    if not work:
        return "No rendered frame was measured, so no stage can be timed."
    name, most = max(work.items(), key=lambda item: item[1])
    total = sum(work.values())
    share = f", {numbers.percent(most / total, 0)} of {numbers.ms(total)} of work" if total else ""
    first = f"{name} takes {numbers.ms(most)} of the median frame{share}"
    waits = [
        f"{numbers.ms(value)} {label}" for label, value in wait.items() if value >= READS_AS_ZERO_MS
    ]
    return f"{first}; then come {numbers.listed(waits)}." if waits else f"{first}; nothing waits."


def note(frames: Frames) -> str:
    """Return what is stacked, how, and what is not in it."""
    chosen = frames.measured & ~frames.lost
    text = (
        "Work filled, waiting hatched and stacked last; medians of each layer, so they add up to"
        " the latency only roughly. The line is the slowest whole frame."
        f" n = {numbers.count(int(chosen.sum()))} rendered frames."
    )
    rest = unexplained(frames)
    if rest is not None and abs(rest) >= READS_AS_ZERO_MS:
        said = "Not inside any stage or queue" if rest > 0 else "Stages overlap"
        text += f" {said}: {numbers.ms(abs(rest))} at the median."
    beside = [name for name in frames.aside if name in frames.stages]
    if beside:
        text += f" {numbers.listed(beside)} runs beside the response and is not stacked."
    return text


def unexplained(frames: Frames) -> float | None:
    """Return the median ms of a rendered frame's latency that no layer explains."""
    chosen = frames.measured & ~frames.lost
    if not chosen.any():
        return None
    stacked = sum((np.nan_to_num(layer.values[chosen]) for layer in layers(frames)), np.zeros(1))
    return float(np.median(frames.latency_ms[chosen] - stacked))


def _draw(axes: Axes, subject: Subject, frames: Frames, drawn: list[Layer], top: float) -> None:
    start, end = float(min(frames.t_s[0], 0.0)), subject.length_s
    base: Any = 0.0
    x, _, _, most, _ = figure.bucketed(frames.t_s, frames.latency_ms, STATIC_BUCKETS)
    for layer in drawn:
        _, middle, _, _, _ = figure.bucketed(frames.t_s, layer.values, STATIC_BUCKETS)
        upper = base + np.nan_to_num(middle)
        if layer.waits:
            axes.fill_between(
                x, base, upper, step="mid", facecolor=figure.PAPER, edgecolor=figure.INK3, lw=0.2,
                hatch="////" if layer.slot == "queue" else "...",
            )  # fmt: skip
        else:
            axes.fill_between(
                x, base, upper, step="mid", color=LIGHT[layer.slot], edgecolor=figure.PAPER, lw=0.4
            )
        base = upper
    deadline = subject.deadline_ms or 0.0
    axes.set_ylim(0, max(top, float(np.max(base)) * 1.05))
    axes.plot(x, most, color=figure.INK, linewidth=0.8)
    _names(axes, drawn, frames)
    if deadline:
        axes.axhline(deadline, color=figure.INK, linewidth=1, linestyle=(0, (1, 2.5)))
    figure.unit_at_top(axes, "ms")
    figure.time_axis(axes, start, end)


def _names(axes: Axes, drawn: list[Layer], frames: Frames) -> None:
    """Write each layer's name beside its middle in the last tenth, no two on one line."""
    tail = slice(-max(1, len(frames) // 10), None)
    gap = axes.get_ylim()[1] / 20
    base, lowest = 0.0, -gap
    for layer in drawn:
        values = layer.values[tail]
        height = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
        lowest = max(base + height / 2, lowest + gap)
        figure.name_at_right(axes, lowest, layer.name)
        base += height
