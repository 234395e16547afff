"""How far from the limit did each Run come? A dot a Run, and the limit as a dotted line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.page.numbers import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LEFT: Final = 13.0
RIGHT: Final = 97.0
"""The plot in percent of the width; the names of the Runs stand left of it."""
_FEW: Final = 12
_STEP: Final = 20
_TIGHT: Final = 9
_TOP: Final = 18
_TICKS: Final = 4
_FLIP: Final = 62.0
"""A label stands left of a dot that is further right than this."""
_LOOKS: Final = {"supported": "holds", "refuted": "missed"}


@dataclass(frozen=True)
class Dot:
    """A Run: places in percent across and in px down, its answer as a look, its value in words."""

    name: str
    x: float
    y: int
    low: float | None
    high: float | None
    look: str
    label: str
    label_x: float
    flip: bool


@dataclass(frozen=True)
class Dots:
    """The picture; `sentence` says it in words."""

    dots: tuple[Dot, ...]
    limit_x: float
    limit: str
    limit_flip: bool
    ticks: tuple[tuple[float, str], ...]
    bottom: int
    unit: str
    sentence: str
    whiskers: bool


def dots(test: Mapping[str, Any], limit: str, said: Callable[[object], str]) -> Dots | None:
    """Draw one test of the document of claims; None without a limit or a number.

    `said` writes a value with its unit. A lost percentile has no place and is left out.
    """
    told = [k for k, each in enumerate(test["values"]) if isinstance(each, (int, float))]
    bound = test["limit"]
    if bound is None or not told:
        return None
    spans = [test["intervals"][k] for k in told]
    ends = [end for each in spans if each is not None for end in each]
    low, high = _range([float(bound), *ends, *(float(test["values"][k]) for k in told)])

    def place(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), 3)

    step = _STEP if len(told) <= _FEW else _TIGHT
    drawn = tuple(
        _dot(test, k, place, _TOP + step * row + step // 2, said, named=len(told) <= _FEW)
        for row, k in enumerate(told)
    )
    at = place(float(bound))
    ticks = tuple((place(each), _plain(each)) for each in _ticks(low, high))
    bottom = _TOP + step * len(told) + 4
    whiskers = any(each is not None for each in spans)
    unit = UNITS.get(str(test["unit"]), str(test["unit"]))
    text = _sentence(test, limit, said)
    return Dots(drawn, at, limit, at > _FLIP, ticks, bottom, unit, text, whiskers)


def _dot(
    test: Mapping[str, Any],
    k: int,
    place: Callable[[float], float],
    y: int,
    said: Callable[[object], str],
    *,
    named: bool,
) -> Dot:
    value, span = float(test["values"][k]), test["intervals"][k]
    low, high = (None, None) if span is None else (place(span[0]), place(span[1]))
    x = place(value)
    flip = (x if high is None else high) > _FLIP
    end = high if high is not None and not flip else low if low is not None and flip else x
    look = _LOOKS.get(str(test["answers"][k]), "open")
    return Dot(
        f"run {k + 1}" if named else "", x, y, low, high, look, said(value) if named else "",
        end, flip,
    )  # fmt: skip


def _sentence(test: Mapping[str, Any], limit: str, said: Callable[[object], str]) -> str:
    """Say what is seen: how many Runs came within the limit, not what follows from it."""
    values = list(test["values"])
    within = sum(each is not None and each >= 0 for each in test["margins"])
    if len(values) == 1:
        word = "keeps to" if within else "misses"
        return f"{said(values[0])} {word} the limit, {limit}"
    return f"{within} of {len(values)} runs keep to the limit, {limit}"


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = (high - low) * 0.16 or abs(high) * 0.1 or 1.0
    return (max(0.0, low - pad) if low >= 0 else low - pad), high + pad


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between both ends, three to six of them."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(each for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step) + 1)]


def _plain(value: float) -> str:
    return f"{value:,.10g}"
