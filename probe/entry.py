"""What did one collector do in a run? Its entry in run.json."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from probe.errors import Asleep, NoData, OtherDevice, SwitchedOff
from probe.spent import Bill

if TYPE_CHECKING:
    from probe.model import Collector, Source, Track


@dataclass(eq=False)
class Entry:
    """What one collector did: its outcome, its cost, its readings."""

    collector: Collector
    outcome: str = "ok"
    reason: str | None = None
    remedy: str | None = None
    calls: int = 0
    cpu_ns: int = 0
    after_ns: int = 0
    bill: Bill = field(default_factory=Bill)
    wall_ns: int = 0
    slowest_ns: int = 0
    spilled: int = 0
    facts: dict[str, Any] | None = None
    lacking: dict[str, dict[str, str | None]] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)
    gone: set[tuple[str, str]] = field(default_factory=set)
    asleep: dict[str, int] = field(default_factory=dict)
    rows: list[tuple[str, str, int, float | None]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the collector's entry in run.json.

        "cpu_ns" was spent while the program ran, "cpu_after_ns" when it had ended.
        """
        collector = self.collector
        document = {
            "name": collector.name,
            "outcome": self.outcome,
            "reason": self.reason,
            "remedy": self.remedy,
            "lacking": self.lacking,
            "asleep": self.asleep,
            "samples": len(self.rows),
            "tracks": [self._track(track) for track in collector.tracks],
            "period_ns": collector.period_ns,
            "sensitive": collector.sensitive,
            "calls": self.calls,
            "cpu_ns": self.cpu_ns + self.bill.cpu_ns,
            "cpu_after_ns": self.after_ns,
            "wall_ns": self.wall_ns,
            "slowest_ns": self.slowest_ns,
        }
        return document if self.facts is None else {**document, "facts": self.facts}

    def _track(self, track: Track) -> dict[str, Any]:
        """Return a track as it was read here; "period_ns" None: at the start and the end alone."""
        source = self.sources.get(track.name)
        stated = source.period_ns if source is not None else None
        return {
            **dataclasses.asdict(track),
            "period_ns": stated or track.period_ns or self.collector.period_ns,
            "source": source.place if source is not None else None,
        }


def outcome_of(absent: NoData) -> str:
    """Return how run.json calls a lack."""
    if isinstance(absent, OtherDevice):
        return "other device"
    if isinstance(absent, Asleep):
        return "asleep"
    return "off" if isinstance(absent, SwitchedOff) else "no data"
