"""What do the steps of one run share, from its start to its end?"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from probe.model import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from probe.course import Progress
    from probe.interrupts import Wish
    from probe.scenario import Scenario

INTERRUPTED: Final = "interrupted"
"""The outcome of a program that somebody ended, and the state of its Run."""


@dataclass
class Session:
    """A scenario that is being measured, or is load: its places, its manifest, what was seen."""

    scenario: Scenario
    path: Path
    tapes: Path
    manifest: dict[str, Any]
    progress: Callable[[Progress], None]
    wish: Wish
    events: list[Event] = field(default_factory=list)
    until: Callable[[int | None], bool] | None = None
    """Asked, with the time of the first frame, whether this was enough (of a program as load)."""

    def note(self, text: str, **attributes: Any) -> None:
        """Put an event of the program on record."""
        self.events.append(Event(time.monotonic_ns(), "program", text, attributes))
