"""How are the last values of a track written in a few words?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BYTES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "bytes"))
SCALES: Final[dict[str, tuple[tuple[float, str], ...]]] = {
    "bytes": BYTES,
    "bytes/s": tuple((factor, f"{name}/s") for factor, name in BYTES),
    "hertz": ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz")),
    "seconds": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "percent": ((1.0, "%"),),
    "celsius": ((1.0, "°C"),),
    "watts": ((1.0, "W"),),
    "volts": ((1.0, "V"),),
    "amperes": ((1.0, "A"),),
    "joules": ((1.0, "J"),),
    "count": ((1.0, ""),),
    "count/s": ((1.0, "/s"),),
}
"""The decimal steps of a unit, largest first; the reports have the same ones."""
MOST_ONE_BY_ONE: Final = 3
MANY, SOME, SMALL, MOST_DIGITS = 100.0, 10.0, 0.01, 1e6


def values(found: Sequence[float], unit: str) -> str:
    """Return `48.2, 51.0 °C`, `12 lines, 0.02 to 3.40 W` or `24 lines, all 0 %`."""
    if not found:
        return ""
    if len(found) > 1 and len(set(found)) == 1:
        return f"{len(found)} lines, all {_together(found[:1], unit, '')}"
    if len(found) <= MOST_ONE_BY_ONE:
        return _together(found, unit, ", ")
    return f"{len(found)} lines, {_together((min(found), max(found)), unit, ' to ')}"


def size(count: int) -> str:
    """Return a number of bytes in decimal units, as the reports do."""
    factor, name = _scale(count, "bytes")
    return f"{count / factor:.{2 if factor > 1 else 0}f} {name}"


def _together(found: Sequence[float], unit: str, between: str) -> str:
    """Return numbers with their unit, once where they have the same."""
    scaled = [value / _scale(value, unit)[0] for value in found]
    whole = all(each == int(each) for each in scaled)
    names = [_scale(value, unit)[1] for value in found]
    parts = [(_number(each, whole=whole), name) for each, name in zip(scaled, names, strict=True)]
    alike = {name for number, name in parts if number != "0"}
    if len(alike) <= 1:
        name = next(iter(alike), parts[0][1])
        return _spaced(between.join(number for number, _ in parts), name)
    return between.join(_spaced(number, name) for number, name in parts)


def _spaced(number: str, name: str) -> str:
    return f"{number} {name}" if name else number


def _scale(value: float, unit: str) -> tuple[float, str]:
    """Return the largest step that the value reaches, else the smallest."""
    scales = SCALES.get(unit, ((1.0, "" if unit in ("1", "ratio") else unit),))
    return next((each for each in scales if abs(value) >= each[0]), scales[-1])


def _number(value: float, *, whole: bool) -> str:
    """Return about three digits; what is not nothing never reads as 0."""
    large = abs(value)
    if value == 0 or (whole and large < MOST_DIGITS):
        return str(int(value))
    if large < SMALL:
        return f"{value:.1g}"
    return f"{value:.{0 if large >= MANY else 1 if large >= SOME else 2}f}"
