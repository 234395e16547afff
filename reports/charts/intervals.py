"""Where do a metric's runs and its differences lie? Positions in percent, for inline SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.page.measure import ALIKE

if TYPE_CHECKING:
    from collections.abc import Sequence

MARGIN: Final = 4.0
"""Percent left free at each end, so that a dot at the end is a whole dot."""
MOST_TICKS: Final = 4
_STEPS: Final = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A stretch of values across a drawing; `room` is percent kept free at its right end."""

    low: float
    high: float
    room: float = 0.0

    @classmethod
    def over(cls, values: Sequence[float], room: float = 0.0) -> Axis | None:
        """Return the axis that just holds these values; None without any."""
        finite = [each for each in values if math.isfinite(each)]
        if not finite:
            return None
        low, high = min(finite), max(finite)
        if high - low <= ALIKE * max(abs(low), abs(high)):
            wide = abs(low) * 0.1 or 1.0
            return cls(low - wide, high + wide, room)
        return cls(low, high, room)

    def at(self, value: float) -> float:
        """Return where a value lies, in percent; one beyond the axis lies at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(MARGIN + share * (100 - 2 * MARGIN - self.room), 2)


@dataclass(frozen=True)
class Dot:
    """One run's value."""

    x: float
    title: str


@dataclass(frozen=True)
class Strip:
    """The runs of one side: a dot each, an upright line at their mean; or words instead."""

    dots: tuple[Dot, ...]
    mean: float | None
    words: str = ""


@dataclass(frozen=True)
class Interval:
    """A difference: a dot, and the line of its interval where there is one."""

    x: float
    low: float | None
    high: float | None
    title: str


@dataclass(frozen=True)
class Band:
    """The stretch around zero that is called no difference."""

    x: float
    width: float


@dataclass(frozen=True)
class Tick:
    """A mark of an axis; zero is drawn through all rows."""

    x: float
    value: float


@dataclass(frozen=True)
class Effects:
    """What all differences of one metric share: zero, the band, the marks."""

    axis: Axis
    zero: float
    band: Band | None
    ticks: tuple[Tick, ...]
    step: float


def effects(found: Sequence[tuple[float, Sequence[float] | None]], least: float) -> Effects | None:
    """Return the axis of (difference, interval) pairs; `least` is the smallest effect that counts.

    Zero and the band are always inside, so that no difference looks larger than it is. None without
    a pair.
    """
    if not found:
        return None
    ends = [value for pair in found for value in (pair[0], *(pair[1] or ()))]
    axis = Axis.over([0.0, -least, least, *ends])
    if axis is None:
        return None
    step = _step(axis.high - axis.low)
    first = math.ceil(axis.low / step - 1e-9)
    last = math.floor(axis.high / step + 1e-9)
    ticks = tuple(Tick(axis.at(k * step), k * step) for k in range(first, last + 1))
    left, right = axis.at(-least), axis.at(least)
    band = Band(left, round(right - left, 2)) if least > 0 else None
    return Effects(axis, axis.at(0.0), band, ticks, step)


def interval(
    drawn: Effects, difference: float, ends: Sequence[float] | None, title: str
) -> Interval:
    """Return where a difference and its interval lie."""
    low, high = (None, None) if ends is None else (drawn.axis.at(ends[0]), drawn.axis.at(ends[1]))
    return Interval(drawn.axis.at(difference), low, high, title)


def _step(span: float) -> float:
    """Return the round distance of at most `MOST_TICKS` marks."""
    raw = span / (MOST_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return next(each * power for each in _STEPS if each * power >= raw * (1 - 1e-9))
