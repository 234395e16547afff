"""A scenario as often as it asks: cool down, soak, measure; each repeat is a Run of its own."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from probe import engine, opening, soak
from probe.interrupts import interruptible
from probe.model import Device
from probe.preparation import METHODS_TERMS
from probe.scenario import drain_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from probe.course import Progress
    from probe.opening import Origin
    from probe.preparation import Terms
    from probe.scenario import Scenario


@dataclass(frozen=True)
class Longest:
    """How long a series may take at most, in ns, loading and reading its tapes apart.

    `measured_ns` is None for a command that goes on until it ends.
    """

    measured_ns: int | None
    soak_ns: int
    cool_down_ns: int

    @property
    def total_ns(self) -> int:
        """The sum of what is known."""
        return (self.measured_ns or 0) + self.soak_ns + self.cool_down_ns


def longest(scenario: Scenario, terms: Terms = METHODS_TERMS) -> Longest:
    """Return how long measuring a scenario may take at most."""
    run = scenario.run
    once = None
    if scenario.mode != "command" or "duration" in run.model_fields_set:
        once = run.warmup + run.duration + drain_ns(scenario)
    return Longest(
        measured_ns=None if once is None else once * run.repeats,
        soak_ns=terms.longest_ns * run.repeats if run.soak else 0,
        cool_down_ns=run.cool_down * (run.repeats - 1),
    )


def measure_once(
    scenario: Scenario,
    folder: Path,
    *,
    origin: Origin | None = None,
    device: Device | None = None,
    progress: Callable[[Progress], None] | None = None,
    terms: Terms = METHODS_TERMS,
) -> Path:
    """Measure a scenario once, after a soak if it asks for that; raises as `probe.engine.measure`.

    Somebody who interrupts the soak raises `KeyboardInterrupt`: nothing was measured.
    """
    course = _Course(scenario, folder, origin, device or Device("local"), progress, terms)
    with interruptible():
        return course.measure()


def measure(
    scenario: Scenario,
    folder: Path,
    each: Callable[[Path], bool],
    *,
    origin: Origin | None = None,
    device: Device | None = None,
    progress: Callable[[Progress], None] | None = None,
    terms: Terms = METHODS_TERMS,
) -> None:
    """Measure a scenario `run.repeats` times; `each` is told each Run, and says whether to go on.

    The Runs stand in a folder of their own below `folder`, and say so in their manifests
    (`series`: id, index from 1, of; `cool_down` and `soak`: what came before). Raises as
    `measure_once`; what was measured before stays.
    """
    place = _folder(scenario, folder)
    course = _Course(scenario, place, origin, device or Device("local"), progress, terms)
    try:
        with interruptible():
            for index in range(1, scenario.run.repeats + 1):
                if not each(course.repeat(index)):
                    return
    finally:
        with contextlib.suppress(OSError):  # a series of which nothing came
            place.rmdir()


def _folder(scenario: Scenario, folder: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return opening.make_directory(folder, f"{stamp}-{scenario.name}-x{scenario.run.repeats}")


@dataclass
class _Course:
    """What is done for each repeat, in the same order and on the same device."""

    scenario: Scenario
    folder: Path
    origin: Origin | None
    device: Device
    progress: Callable[[Progress], None] | None
    terms: Terms
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    idle: dict[str, float] = field(default_factory=dict)
    index: int | None = None

    def repeat(self, index: int) -> Path:
        """Cool down, then soak and measure as one of a series."""
        run, cooled = self.scenario.run, None
        self.index = index
        if index > 1:
            cooled = soak.cool_down(self.device, self.idle, run.cool_down, self.terms, self._tell)
        elif run.cool_down:
            self.idle = soak.idle(self.device, self.terms, self._tell)
        series = {"id": self.id, "index": index, "of": run.repeats}
        return self.measure({"series": series, "cool_down": cooled})

    def measure(self, before: Mapping[str, Any] | None = None) -> Path:
        """Soak if the scenario asks for it, then measure at once."""
        prepared = dict(before or {})
        if self.scenario.run.soak:
            prepared["soak"] = soak.soak(self.scenario, self.device, self.terms, self._tell)
        return engine.measure(
            self.scenario,
            self.folder,
            origin=self.origin,
            device=self.device,
            progress=self._tell,
            prepared=prepared,
        )

    def _tell(self, progress: Progress) -> None:
        """Pass on a progress, with the repeat that it is of."""
        if self.progress is None:
            return
        if self.index is not None:
            progress = replace(progress, repeat=(self.index, self.scenario.run.repeats))
        self.progress(progress)
