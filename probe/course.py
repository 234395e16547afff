"""Where is a run in its course, and when is its program overdue?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probe.scenario import Scenario


class Phase(StrEnum):
    """Where a run is; `MEASURING` is when nobody should disturb it."""

    COOLING = "cool-down"
    SOAKING = "soak"
    LOADING = "loading"
    WARM_UP = "warm-up"
    MEASURING = "measuring"
    DRAINING = "draining"
    FINALISING = "finalising"


@dataclass(frozen=True)
class Progress:
    """What a caller is told, about four times a second; `total_ns` None means no known end.

    `note` is what is waited for; `repeat` is (i, n) for one of several runs.
    """

    phase: Phase
    elapsed_ns: int
    total_ns: int | None
    note: str = ""
    repeat: tuple[int, int] | None = None


@dataclass(frozen=True)
class Course:
    """When a run should be where; all times in ns."""

    scenario: Scenario
    bounds: dict[str, Any]

    def _stages(self) -> list[tuple[Phase, int | None]]:
        return [
            (Phase.WARM_UP, self.bounds["warmup_ns"]),
            (Phase.MEASURING, self.bounds["duration_ns"]),
            (Phase.DRAINING, self.bounds["drain_ns"]),
        ]

    def progress(self, first: int | None, started: int, now: int) -> Progress:
        """Return where the run is; `first` is when its first frame was due, None before that."""
        if first is None:
            return Progress(Phase.LOADING, now - started, None)
        since = now - first
        for phase, length in self._stages():
            if length is None or since < length:
                return Progress(phase, max(since, 0), length)
            since -= length
        return Progress(Phase.DRAINING, since, None)

    def overdue(self, first: int | None, started: int, now: int) -> tuple[str, str] | None:
        """Say whether the run is to be stopped now: (outcome, why), or None."""
        if self.bounds["duration_ns"] is None:
            return None
        own = self.scenario.mode != "command"
        total = sum(length for _, length in self._stages() if length is not None)
        begin = first if first is not None else started
        if not own:
            over = now - begin > total
            return ("stopped", "stopped after the time that was asked for") if over else None
        if first is None:
            if now - started <= self.scenario.run.load:
                return None
            return "timed out", f"no frame within {self.scenario.run.load / 1e9:g} s (run.load)"
        if now - begin <= total + self.scenario.run.hang:
            return None
        return "timed out", "the program went on long after its time"

    def silence_allowed_ns(self, records: int, first: int | None) -> int | None:
        """Return how long no record may come; None while a program may be silent.

        A command may say something and then load or work in silence, until its first frame.
        """
        if self.scenario.mode == "command":
            return None if first is None else self.scenario.run.hang
        return self.scenario.run.hang if records else self.scenario.run.load
