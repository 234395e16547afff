"""Which frames were worst, and where did their time go?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from reports.charts.stages import layers
from reports.page import numbers

if TYPE_CHECKING:
    from reports.charts.frames import Frames
    from reports.page.subject import Subject

NUMBER: Final = 20
IN_TIME: Final = 8
"""So many are shown where fewer are late."""
APART_S: Final = 1.0
"""Frames of one bad moment resemble each other; one a second shows more."""


@dataclass(frozen=True)
class Part:
    """A piece of a frame's bar, in percent of the longest latency shown."""

    slot: str
    title: str
    x: float
    width: float
    waits: bool


@dataclass(frozen=True)
class Worst:
    """One of the slowest frames."""

    number: str
    at: str
    latency: str
    overrun: str
    late: bool
    wait: str
    most: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class WorstFrames:
    """The slowest rendered frames, the deadline in their bars, and how many were lost beside."""

    frames: tuple[Worst, ...]
    deadline_percent: float | None
    longest: str
    lost: int


def worst(subject: Subject, frames: Frames) -> WorstFrames | None:
    """Return the slowest measured frames that were rendered, at least `APART_S` apart."""
    candidates = np.flatnonzero(frames.measured & ~frames.lost)
    if not len(candidates):
        return None
    order = candidates[np.argsort(-frames.latency_ms[candidates], kind="stable")]
    chosen: list[int] = []
    for row in order:
        in_time = frames.latency_ms[row] <= (subject.deadline_ms or np.inf)
        if len(chosen) == NUMBER or (in_time and len(chosen) >= IN_TIME):
            break
        if all(abs(frames.t_s[row] - frames.t_s[other]) >= APART_S for other in chosen):
            chosen.append(int(row))
    scale = max(float(frames.latency_ms[chosen[0]]), subject.deadline_ms or 0.0)
    deadline = subject.deadline_ms
    return WorstFrames(
        frames=tuple(_row(frames, row, scale, deadline) for row in chosen),
        deadline_percent=None if deadline is None else round(100 * deadline / scale, 3),
        longest=numbers.ms(scale),
        lost=int((frames.lost & frames.measured).sum()),
    )


def _row(frames: Frames, row: int, scale: float, deadline: float | None) -> Worst:
    latency = float(frames.latency_ms[row])
    parts, x = [], 0.0
    for layer in layers(frames):
        value = float(np.nan_to_num(layer.values[row]))
        width = 100 * value / scale
        title = f"{layer.name} {numbers.ms(value)}"
        parts.append(Part(layer.slot, title, round(x, 3), round(width, 3), layer.waits))
        x += width
    work = {layer.name: float(np.nan_to_num(layer.values[row]))
            for layer in layers(frames) if not layer.waits}  # fmt: skip
    name = max(work, key=lambda key: work[key]) if work else ""
    over = 0.0 if deadline is None else latency - deadline
    return Worst(
        number=numbers.count(int(frames.number[row])),
        at=numbers.clock_fine(float(frames.t_s[row])),
        latency=numbers.ms_plain(latency),
        overrun=("+" if over > 0 else "") + numbers.ms_plain(over),
        late=over > 0,
        wait=numbers.ms_plain(_finite(float(frames.wait[row]))),
        most=f"{name} {numbers.ms_plain(work[name])}" if name else "not stated",
        parts=tuple(part for part in parts if part.width > 0),
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
