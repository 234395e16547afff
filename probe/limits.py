"""How is a requirement written? ``latency.p99<50ms``: a metric, a comparison, a number, its unit.

A limit asks something of one Run: its measured value is compared. Whether the program keeps to it
in the long run is another question, which a claim asks.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from probe import metrics
from probe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from probe.metrics import Metric

OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_LIMIT: Final = re.compile(
    r"\s*(?P<metric>[^<>=]{1,100}?)\s*(?P<op><=|>=|<|>)\s*"
    r"(?P<number>[-+]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(?:[eE][-+]?[0-9]{1,2})?)"
    r"\s*(?P<unit>[^\s0-9<>=][^<>=]*?)?\s*"
)
_UNITS: Final[dict[str, tuple[str, float]]] = {
    "ms": ("time", 1e-3), "us": ("time", 1e-6), "ns": ("time", 1e-9), "s": ("time", 1.0),
    "min": ("time", 60.0), "h": ("time", 3600.0),
    "\N{MICRO SIGN}s": ("time", 1e-6), "\N{GREEK SMALL LETTER MU}s": ("time", 1e-6),
    "fps": ("rate", 1.0), "%": ("share", 1.0), "percent": ("share", 1.0), "ratio": ("ratio", 1.0),
    "mW": ("power", 1e-3), "W": ("power", 1.0), "kW": ("power", 1e3), "watts": ("power", 1.0),
    "C": ("temperature", 1.0), "°C": ("temperature", 1.0), "celsius": ("temperature", 1.0),
    "Hz": ("frequency", 1.0), "kHz": ("frequency", 1e3), "MHz": ("frequency", 1e6),
    "GHz": ("frequency", 1e9), "hertz": ("frequency", 1.0),
    "B": ("size", 1.0), "bytes": ("size", 1.0), "kB": ("size", 1e3), "MB": ("size", 1e6),
    "GB": ("size", 1e9), "KiB": ("size", 2.0**10), "MiB": ("size", 2.0**20),
    "GiB": ("size", 2.0**30),
    "B/s": ("flow", 1.0), "bytes/s": ("flow", 1.0), "kB/s": ("flow", 1e3), "MB/s": ("flow", 1e6),
    "GB/s": ("flow", 1e9), "ms/min": ("drift", 1.0),
    "J": ("energy", 1.0), "joules": ("energy", 1.0),
    "V": ("voltage", 1.0), "volts": ("voltage", 1.0), "A": ("current", 1.0),
    "amperes": ("current", 1.0), "rpm": ("turns", 1.0),
    "x": ("number", 1.0), "\N{MULTIPLICATION SIGN}": ("number", 1.0), "": ("number", 1.0),
    "count": ("number", 1.0),
    "frame": ("number", 1.0), "frames": ("number", 1.0), "1": ("number", 1.0),
    "count/s": ("per second", 1.0), "/s": ("per second", 1.0),
}  # fmt: skip
"""Unit as written: what it measures, and its size in that dimension's own unit. A bare m is none:
of a latency it would be a mistyped ms, and 60,000 times as lax."""
_FORM: Final = "write METRIC, one of < <= > >=, a number and its unit: latency.p99<50ms"
SAME: Final = 1e-6
"""What differs by a millionth is equal: a live source plays 0.99999999 times as fast as time goes,
for times are whole nanoseconds."""
_LARGEST: Final = 1e15
"""No number that is measured is larger, in any unit that can be written."""
_SIGNED: Final = ("drift", "slack.p99")
"""Metrics that may be negative; a temperature may be as well, and a track whatever it likes."""
_LONGEST: Final = 80
PERCENT: Final = 100


@dataclass(frozen=True)
class Limit:
    """A requirement as it was read: `number` in the `unit` that was written."""

    text: str
    metric: Metric
    op: str
    number: float
    unit: str

    def bound(self, unit: str) -> float:
        """Return the limit in `unit`; raises `UsageError` where that measures something else."""
        dimension, size = _UNITS[self.unit]
        wanted, own = _UNITS[unit]
        if dimension != wanted:
            given = self.unit or "a bare number"
            fitting = _units_of(wanted)
            raise UsageError(
                f"{self.text}: {self.metric.name} is measured in {unit or 'plain numbers'}, "
                f"not {given}",
                remedy=f"give the number with {' or '.join(fitting)}" if fitting else _FORM,
            )
        return self.number * size / own

    def holds(self, value: float, bound: float) -> bool:
        """Say whether `value` keeps to `bound`, both in the same unit."""
        if math.isclose(value, bound, rel_tol=SAME):
            return "=" in self.op
        return OPERATORS[self.op](value, bound)

    def margin(self, value: float, bound: float) -> float:
        """Return by how much it holds: negative where it is missed."""
        if math.isclose(value, bound, rel_tol=SAME):
            return 0.0
        return bound - value if self.at_most else value - bound

    @property
    def at_most(self) -> bool:
        """Whether smaller values keep to it."""
        return self.op in ("<", "<=")


def parse(text: str) -> Limit:
    """Read one limit.

    Raises `UsageError` for what is none, with the nearest names for a metric that does not exist
    and the units that fit for one that has none or another; and for one that every value keeps to,
    or none does, which is a mistyped number.
    """
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise UsageError(f"{_cut(text)}: not a limit", remedy=_form(text))
    metric = metrics.find(match["metric"])
    unit = match["unit"] or ""
    if unit not in _UNITS:
        near = difflib.get_close_matches(unit, _UNITS, n=1, cutoff=0.5)
        fitting = _units_of(_UNITS[metric.unit][0]) if metric.unit else near
        raise UsageError(
            f"{_cut(text, quoted=False)}: no such unit: {_cut(unit, quoted=False)}",
            remedy=f"units that fit: {', '.join(fitting)}" if fitting else _FORM,
        )
    limit = Limit(text.strip(), metric, match["op"], float(match["number"]), unit)
    _check_number(limit)
    return limit


def _cut(text: str, *, quoted: bool = True) -> str:
    """Write a given text in an error, its end cut off where it is long."""
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return repr(short) if quoted else short


def _form(text: str) -> str:
    """Say what a limit looks like, and which of the usual slips this one has."""
    slips = {
        "\N{LESS-THAN OR EQUAL TO}": "write <= for \N{LESS-THAN OR EQUAL TO}",
        "\N{GREATER-THAN OR EQUAL TO}": "write >= for \N{GREATER-THAN OR EQUAL TO}",
    }
    found = [said for sign, said in slips.items() if sign in text]
    if re.search(r"(?<![<>])=", text):
        found.append("no measured value equals a number: write <= or >=")
    if re.search(r"[<>]=?\s*[-+]?(?:nan|inf)", text, re.IGNORECASE):
        found.append("the number is a finite one")
    return "; ".join([*found, _FORM])


def _check_number(limit: Limit) -> None:
    """Raise `UsageError` for a number in another unit, or beyond what the metric can ever be."""
    bound = limit.bound(limit.metric.unit) if limit.metric.unit else limit.number
    if abs(bound) > _LARGEST:
        raise UsageError(
            f"{limit.text}: no measured number is so large", remedy="check the number and its unit"
        )
    signed = limit.metric.name in _SIGNED or limit.metric.unit in ("", "celsius")
    outside = (bound < 0 and not signed) or (limit.metric.unit == "percent" and bound > PERCENT)
    if outside:
        share = limit.metric.unit == "percent"
        raise UsageError(
            f"{limit.text}: {limit.metric.name} is never "
            + ("outside 0 to 100 %" if share else "negative")
            + f", so this {'always' if _is_lax(limit, bound) else 'never'} holds",
            remedy="check the number and its sign",
        )


def _is_lax(limit: Limit, bound: float) -> bool:
    return limit.at_most == (bound > 0)


def _units_of(dimension: str) -> list[str]:
    """Return up to five ways of writing a unit of this dimension; none for a bare number."""
    return [unit for unit, (own, _) in _UNITS.items() if own == dimension and unit][:5]


def check_names(
    limits: Iterable[Limit], *, stages: Iterable[str] | None, tracks: Iterable[str] | None
) -> None:
    """Raise `UsageError` for a stage or a track that is not there; None: nobody knows which are."""
    check_subjects({limit.text: limit.metric for limit in limits}, stages=stages, tracks=tracks)


def check_subjects(
    asked: Mapping[str, Metric], *, stages: Iterable[str] | None, tracks: Iterable[str] | None
) -> None:
    """Check metrics as `check_names` does limits; the keys are the texts that asked for them."""
    for text, metric in asked.items():
        if metric.subject is None:
            continue
        kind, known = ("track", tracks) if metric.series == "track" else ("stage", stages)
        names = None if known is None else sorted(known)
        if names is None or metric.subject in names:
            continue
        near = difflib.get_close_matches(metric.subject, names, n=2, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(
            f"{text}: there is no {kind} {metric.subject}{hint}",
            remedy=f"there are: {', '.join(names) or 'none'}",
        )
