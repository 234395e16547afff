"""How is a metric's value written? Its unit, and as many digits as its runs differ in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reports.page import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

UNITS: Final = {
    "percent": ("%", 1.0), "watts": ("W", 1.0), "celsius": ("°C", 1.0), "hertz": ("MHz", 1e-6),
    "bytes": ("MB", 1e-6), "count": ("", 1.0), "ratio": ("", 1.0), "x": (numbers.TIMES, 1.0),
    "joules": ("J", 1.0), "volts": ("V", 1.0), "amperes": ("A", 1.0),
}  # fmt: skip
"""How a stored unit is written, and by what its values are multiplied."""
_WHOLE: Final = ("", "frames")
_LEAST_PLACES: Final = {"fps": 2}
_FINE: Final = 3.0
"""A step of the last digit is at most a third of what the runs differ by, about."""
_FINEST: Final = 4
"""Most digits of a difference that the digits of its runs would round to nothing."""
_MOST_PLACES: Final = 4
ALIKE: Final = 1e-6
"""Values that differ by less than a millionth of their size are written and drawn as the same: a
clock's ns, no difference of two runs."""


@dataclass(frozen=True)
class Measure:
    """Writes values of one metric alike, so that a column can be read down."""

    unit: str
    factor: float
    places: int

    @classmethod
    def of(cls, unit: str, values: Sequence[float]) -> Measure:
        """Return how values in the stored `unit` are written: with the digits that tell them apart.

        Values that are all alike get the digits that their size needs.
        """
        name, factor = UNITS.get(unit, (unit, 1.0))
        shown = [each * factor for each in values if math.isfinite(each)]
        if not shown:
            return cls(name, factor, 1)
        if name in _WHOLE and all(each.is_integer() for each in shown):
            return cls(name, factor, 0)
        largest, spread = max(map(abs, shown)), max(shown) - min(shown)
        places = _LEAST_PLACES.get(name, numbers.digits(largest) if largest else 1)
        if spread > ALIKE * largest:
            places = max(places, math.ceil(-math.log10(spread / _FINE)))
        return cls(name, factor, min(places, _MOST_PLACES))

    def bare(self, value: float | str | None) -> str:
        """Return a value as a bare number; "lost" stays, null is "not measured"."""
        if value is None:
            return numbers.NOT_MEASURED
        return value if isinstance(value, str) else numbers.fixed(value * self.factor, self.places)

    def signed(self, value: float) -> str:
        """Return a difference with its sign; one that is not nothing never reads as 0."""
        number = value * self.factor
        places = next((n for n in range(self.places, _FINEST + 1) if round(number, n)), self.places)
        if number and not round(number, places):
            sign = "+" if number > 0 else numbers.MINUS
            return f"{sign}under{numbers.NBSP}{10.0**-_FINEST:.{_FINEST}f}"
        text = numbers.fixed(number, places)
        return f"+{text}" if number > 0 else text

    def mark(self, value: float, step: float) -> str:
        """Return a mark of an axis of differences, with the digits of its step."""
        if value == 0:
            return "0"
        places = max(0, -math.floor(math.log10(step * self.factor) + 1e-9))
        text = numbers.fixed(value * self.factor, places)
        return f"+{text}" if value > 0 else text

    def with_unit(self, text: str) -> str:
        """Return text with the unit behind it."""
        return numbers.NBSP.join(filter(None, [text, self.unit]))
