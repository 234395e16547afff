"""What would a screen show, and when? A display clock that is computed, never slept for."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from probe.pipeline.pacing import SECOND_NS, nth_ns

if TYPE_CHECKING:
    from probe.pipeline.item import Item
    from probe.pipeline.ledger import Ledger


@dataclass(frozen=True)
class Clock:
    """Refreshes at `phase_ns` + n / `rate` of CLOCK_MONOTONIC.

    A source that starts at `start_after` stands in the same phase to it in every run of a seed.
    """

    rate: Fraction
    phase_ns: int

    @classmethod
    def seeded(cls, hertz: str, seed: int) -> Clock:
        """Return the clock of a display of `hertz` whose phase comes from the seed."""
        rate = Fraction(hertz)
        period_ns = int(SECOND_NS / rate)
        return cls(rate, random.Random(seed).randrange(period_ns))  # noqa: S311 - repeatable

    def start_after(self, t_ns: int) -> int:
        """Return the first time from `t_ns` on that is `phase_ns` before a refresh."""
        count = -(-t_ns * self.rate.numerator // (SECOND_NS * self.rate.denominator))
        return nth_ns(count, self.rate)

    def after(self, t_ns: int) -> int:
        """Return the number of the first refresh after `t_ns`."""
        count = (t_ns - self.phase_ns) * self.rate.numerator // (SECOND_NS * self.rate.denominator)
        while self.time_ns(count) <= t_ns:
            count += 1
        return count

    def time_ns(self, refresh: int) -> int:
        """Return the time of a refresh."""
        return self.phase_ns + nth_ns(refresh, self.rate)


@dataclass(slots=True)
class _Shown:
    """A picture that will be seen at `refresh`, unless a newer one comes before."""

    frame: int | None
    output: int
    refresh: int


class Display:
    """Shows of several pictures before one refresh the newest; the others are dropped at render.

    A picture is repeated at each refresh until the next one is shown: that is `repeats`, known only
    then. `skipped` counts the pictures that a newer one took the refresh from.
    """

    def __init__(self, clock: Clock, ledger: Ledger) -> None:
        self.clock = clock
        self._ledger = ledger
        self._shown: _Shown | None = None
        self.pictures = 0
        self.repeated = 0
        self.skipped = 0

    def show(self, item: Item, t_ns: int, output: int) -> None:
        """Take a picture that was delivered at `t_ns`."""
        refresh = self.clock.after(t_ns)
        before = self._shown
        if before is not None and before.refresh == refresh:
            self.skipped += 1
            self._ledger.superseded(before.frame)
        elif before is not None:
            self._present(before, refresh - before.refresh - 1)
        self._shown = _Shown(item.frame, output, refresh)
        self._ledger.leaves(self.clock.time_ns(refresh))

    def close(self) -> None:
        """Present the last picture."""
        if self._shown is not None:
            last, self._shown = self._shown, None
            self._present(last, 0)

    def fact(self) -> dict[str, Any]:
        """Return the sink's counters."""
        return {
            "repeated_refreshes": self.repeated,
            "skipped_refreshes": self.skipped,
            "pictures": self.pictures,
        }

    def _present(self, shown: _Shown, repeats: int) -> None:
        self.pictures += 1
        self.repeated += repeats
        self._ledger.presented(
            shown.frame, shown.output, self.clock.time_ns(shown.refresh), repeats
        )
