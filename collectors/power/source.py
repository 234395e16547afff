"""What is a source of power, and what does its widest line cover?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from probe.model import Grade

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probe.model import Sample
    from probe.model import Source as Place

TOTAL: Final = "power.total"
RAIL: Final = "power.rail"
DOMAIN: Final = "power.domain"
BATTERY: Final = "power.battery"
VOLTAGE: Final = "power.voltage"

EARLY_NS: Final = 50_000_000
"""A reading that comes so much before its time counts as due: the engine's clock jitters."""
MOST_WATTS: Final = 100_000.0
"""No computer on a desk or in a rack takes more; beyond stand counters that went wrong."""
SENTINELS: Final = frozenset({2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, -(2**31)})
"""What drivers give for "not known", in the unit of the file or in a thousandth of it."""


@dataclass(frozen=True)
class Total:
    """What a source says of the whole device: the line's label, what it covers and what not."""

    label: str
    covers: str
    leaves_out: str
    grade: Grade = Grade.DERIVED


class Source(Protocol):
    """One kind of power sensor.

    `lines` are the (track, label) pairs that it may give, besides `TOTAL`, which it gives where it
    has a `total`; it is read every `every_ns` at most. `places` say where each track is read.
    """

    lines: tuple[tuple[str, str], ...]
    total: Total | None
    every_ns: int
    places: dict[str, Place]
    facts: dict[str, object]

    def read(self, t_ns: int) -> Iterable[Sample]:
        """Yield what it says at `t_ns`, None where it says nothing."""

    def close(self) -> None:
        """Release it; safe twice."""


def plausible(watts: float | None) -> float | None:
    """Return what a computer can take (or give back), None for anything else."""
    if watts is None or not math.isfinite(watts) or abs(watts) > MOST_WATTS:
        return None
    return watts


def of_micro(value: int | None) -> float | None:
    """Return watts of microwatts; None for a sentinel, also one that was scaled."""
    if value is None or value in SENTINELS:
        return None
    if value % 1000 == 0 and value // 1000 in SENTINELS:
        return None
    return plausible(value / 1e6)


def of_product(volts: int | None, amperes: int | None, per_watt: float) -> float | None:
    """Return watts of a voltage and a current whose product is `per_watt` for 1 W."""
    if volts is None or amperes is None or volts in SENTINELS or amperes in SENTINELS:
        return None
    return plausible(volts * amperes / per_watt)


def together(values: Iterable[float | None]) -> float | None:
    """Return the sum; None where a part is missing, for what is left would be too little."""
    found = list(values)
    known = [each for each in found if each is not None]
    return plausible(sum(known)) if found and len(known) == len(found) else None
