"""How does a number read? Inside all is in base units; only here it gets digits and a unit."""

from __future__ import annotations

from typing import Final

LOST: Final = "lost"
NBSP: Final = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, which no line break parts."""
NOT_MEASURED: Final = "not measured"
TIMES: Final = "\N{MULTIPLICATION SIGN}"
MINUS: Final = "\N{MINUS SIGN}"
UNITS: Final = {
    "percent": "%", "watts": "W", "celsius": "°C", "hertz": "Hz", "bytes": "B", "count": "",
    "x": TIMES, "ratio": "", "joules": "J", "volts": "V", "amperes": "A",
}  # fmt: skip
"""How a stored unit is written to be read."""
_LONG_MS: Final = 1000.0
"""From here on a duration reads better in seconds."""
_MINUTE_S: Final = 60.0
_LEAST_FINE: Final = 0.001
_STEPS: Final = ((100.0, 1), (1.0, 1), (0.1, 2), (0.0, 3))
"""Digits after the point, by the smallest magnitude that they are for."""


def digits(value: float) -> int:
    """Return how many digits after the point `value` needs to be read."""
    return next(places for least, places in _STEPS if abs(value) >= least)


def fixed(value: float, places: int) -> str:
    """Return `value` with `places` digits, groups of thousands, and a real minus sign."""
    text = f"{value:,.{places}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def count(value: float | None) -> str:
    """Return a whole number with groups of thousands; null is "not measured"."""
    return NOT_MEASURED if value is None else fixed(value, 0)


def ms_parts(value: object) -> tuple[str, str]:
    """Return a duration in ms as (number, unit): ``("119.2", "ms")``, ``("1.38", "s")``.

    "lost" and other words of the verdict pass; null gives "not measured", both without a unit.
    """
    if value is None:
        return NOT_MEASURED, ""
    if isinstance(value, str):
        return value, ""
    number = float(value)  # type: ignore[arg-type]
    if abs(number) >= _LONG_MS:
        return fixed(number / 1000, 2), "s"
    return fixed(number, digits(number) if number else 1), "ms"


def ms(value: object) -> str:
    """Return a duration in ms as text."""
    return NBSP.join(part for part in ms_parts(value) if part)


def setting(value_ms: float) -> str:
    """Return a duration that somebody set, with the digits that it was set with: ``50 ms``."""
    return f"{value_ms:g}{NBSP}ms"


def ms_plain(value: object) -> str:
    """Return a duration in ms as a bare number, for a table whose header says the unit."""
    if value is None or isinstance(value, str):
        return ms(value)
    number = float(value)  # type: ignore[arg-type]
    return fixed(number, digits(number) if number else 1)


def clock(seconds: float | None) -> str:
    """Return a duration in seconds: ``30.0 s``, from a minute on ``6:04``, then ``1:02:03``."""
    if seconds is None:
        return NOT_MEASURED
    if abs(seconds) < _MINUTE_S:
        return f"{fixed(seconds, 1)}{NBSP}s"
    return clock_mark(seconds)


def clock_mark(seconds: float) -> str:
    """Return a moment of a run as ``0:12``, ``6:04``, ``1:02:03``."""
    whole = round(abs(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return f"{MINUS}{text}" if seconds < 0 and whole else text


def clock_fine(seconds: float) -> str:
    """Return a moment with tenths: ``0:12.3``."""
    tenths = round(abs(seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    sign = MINUS if seconds < 0 and tenths else ""
    return f"{sign}{minutes}:{rest // 10:02d}.{rest % 10}"


def percent(share: float | None, places: int = 1) -> str:
    """Return a share of 1 as percent; a share that is not nothing never reads as 0."""
    if share is None:
        return NOT_MEASURED
    value = share * 100
    least = 10.0**-places
    if 0 < value < least / 2:
        return f"under{NBSP}{fixed(least, places)}{NBSP}%"
    return f"{fixed(value, places)}{NBSP}%"


def rate(value: float | None) -> str:
    """Return a rate per second as a bare number."""
    return NOT_MEASURED if value is None else fixed(value, 2)


def byte_size(value: float | None) -> str:
    """Return a number of bytes in the decimal units of the reports."""
    if value is None:
        return NOT_MEASURED
    number = float(value)
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(number) < 1000:  # noqa: PLR2004  the step of the decimal units
            return f"{fixed(number, 0 if unit == 'bytes' else 2)}{NBSP}{unit}"
        number /= 1000
    return f"{fixed(number, 2)}{NBSP}TB"


def fine(value: float | None) -> str:
    """Return a bare number with two digits after the point, three below 0.1.

    So that a column of them adds up to its total. What is not nothing never reads as 0.
    """
    if value is None:
        return NOT_MEASURED
    if 0 < abs(value) < _LEAST_FINE:
        return f"under{NBSP}{_LEAST_FINE}"
    return fixed(value, 2 if abs(value) >= 0.1 or not value else 3)  # noqa: PLR2004


def megabytes(value: float | None) -> str:
    """Return bytes as a bare number of MB, for a table whose header says the unit: ``2.76``."""
    return NOT_MEASURED if value is None else fine(float(value) / 1e6)


def times(value: float) -> str:
    """Return a factor: ``1.22 x`` with the sign of multiplication."""
    return f"{fixed(value, 2)}{NBSP}{TIMES}"


def sentence(text: str) -> str:
    """Return text with a capital at its beginning and no full stop at its end.

    A name such as ``p99`` at the beginning stays as it is.
    """
    text = text.strip().rstrip(".")
    named = any(letter in "0123456789_.=(" for letter in text.partition(" ")[0])
    return text if named else text[:1].upper() + text[1:]


def plural(number: float, one: str, many: str | None = None) -> str:
    """Return ``1 frame``, ``2 frames``, ``1,204 frames``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def listed(items: list[str]) -> str:
    """Join words as a sentence does: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]])) if items else ""


def scalar(value: object) -> str:
    """Return any JSON value in a table of facts; nothing reads as Python does."""
    if value is None:
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return fixed(value, 0 if value.is_integer() else max(2, digits(value)))
    if isinstance(value, (list, tuple)):
        return ", ".join(scalar(item) for item in value) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{key} {scalar(item)}" for key, item in value.items()) or "none"
    return fixed(value, 0) if isinstance(value, int) and abs(value) > 9999 else str(value)  # noqa: PLR2004
