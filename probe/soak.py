"""How is a device brought to the same heat before each run? Cool-down, and load until it is steady.

METHOD's rules 8 and 9. What it took stands in the Run, so that a verdict can say what it is worth.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from probe import temperatures
from probe.course import Phase, Progress
from probe.engine import exert
from probe.measured import STANDARD_NS
from probe.neighbours import ours
from probe.preparation import Cooled, Soaked, Terms
from probe.temperatures import Thermometer

if TYPE_CHECKING:
    from collections.abc import Callable

    from probe.model import Device
    from probe.scenario import Scenario
    from probe.temperatures import Readings

    Tell = Callable[[Progress], None]

POLL_S: Final = 0.1
LOOK_NS: Final = 10**9
"""How often the temperatures are weighed."""
RESTART_NS: Final = 10**9
"""A program that ends by itself is started again, but not more often than this."""
SHOWN: Final = 3
"""Sensors that a line of progress names; more are counted."""


def thermometer(device: Device) -> Thermometer:
    """Return a thermometer over all collectors that read temperatures."""
    return Thermometer([each() for each in ours("collectors").discover()], device)


def idle(device: Device, terms: Terms, tell: Tell) -> dict[str, float]:
    """Return the temperature of each sensor while nothing runs; takes `terms.idle_ns`."""
    with thermometer(device) as read:
        begin = time.monotonic_ns()
        while (since := time.monotonic_ns() - begin) < terms.idle_ns:
            tell(Progress(Phase.COOLING, since, terms.idle_ns, "reading what is idle"))
            if not read.read() and since > terms.idle_ns // 5:
                return {}
            time.sleep(min(POLL_S, terms.idle_ns / 1e9))
        return temperatures.levels(read.read(), begin)


def cool_down(
    device: Device, idle_celsius: dict[str, float], longest_ns: int, terms: Terms, tell: Tell
) -> dict[str, Any]:
    """Wait until every sensor is within `terms.cool_celsius` of idle, or for `longest_ns`.

    Returns what run.json holds of it: `outcome` (a `Cooled`), `why`, `length_ns`, `longest_ns`,
    `sensors` with their temperatures at idle, at the start and at the end. Without a temperature
    nobody knows, so that all of the time is waited.
    """
    begin = time.monotonic_ns()
    if not longest_ns:
        return _cooled(Cooled.LEFT_OUT, "run.cool_down is 0", 0, 0, {})
    first: dict[str, float] = {}
    with thermometer(device) as read:
        while True:
            now = time.monotonic_ns()
            level = temperatures.levels(read.read(), now - terms.idle_ns)
            first = first or level
            warm = _above(level, idle_celsius, terms.cool_celsius)
            known = set(level) & set(idle_celsius)
            if known and not warm and now - begin >= min(terms.idle_ns, longest_ns):
                outcome, why = Cooled.COOL, f"within {terms.cool_celsius:g} C of idle"
                break
            if now - begin >= longest_ns:
                outcome, why = _time_up(read, warm, known=bool(known), longest_ns=longest_ns)
                break
            note = _said(warm) if known else "no temperature to wait for"
            tell(Progress(Phase.COOLING, now - begin, longest_ns, note))
            time.sleep(POLL_S)
    sensors = {
        name: {
            "idle_celsius": idle_celsius.get(name),
            "start_celsius": first.get(name),
            "end_celsius": level.get(name),
        }
        for name in {*idle_celsius, *first, *level}
    }
    return _cooled(outcome, why, time.monotonic_ns() - begin, longest_ns, sensors)


def _above(level: dict[str, float], idle_celsius: dict[str, float], most: float) -> dict[str, str]:
    """Return the sensors that are too warm still, each with its temperature and its goal."""
    return {
        name: f"{level[name]:.1f} C, idle {idle_celsius[name]:.1f} C"
        for name in sorted(set(level) & set(idle_celsius))
        if level[name] > idle_celsius[name] + most
    }


def _time_up(
    read: Thermometer, warm: dict[str, str], *, known: bool, longest_ns: int
) -> tuple[Cooled, str]:
    waited = f"after {longest_ns / 1e9:g} s"
    if not known:
        return Cooled.NO_TEMPERATURE, f"waited {longest_ns / 1e9:g} s: {read.absence}"
    return Cooled.TIME_UP, f"{waited} still {_said(warm)}"


def _cooled(
    outcome: Cooled, why: str, length_ns: int, longest_ns: int, sensors: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    return {
        "outcome": outcome.value,
        "why": why,
        "length_ns": length_ns,
        "longest_ns": longest_ns,
        "sensors": temperatures.document(sensors),
    }


def soak(scenario: Scenario, device: Device, terms: Terms, tell: Tell) -> dict[str, Any]:
    """Run the scenario's program, unmeasured, until every temperature stands still.

    Returns what run.json holds of it: `outcome` (a `Soaked`), `why`, `length_ns` of load, `starts`
    of the program, `sensors` with their temperature at the start and at the end and their last
    move. Raises `KeyboardInterrupt` where somebody interrupts the program.
    """
    with thermometer(device) as read:
        vigil = _Vigil(scenario, read, terms, tell)
        starts, why = 0, None
        while vigil.outcome is None:
            started = time.monotonic_ns()
            starts += 1
            run = exert(_as_load(scenario), vigil, device=device)
            if run.outcome == "interrupted":
                raise KeyboardInterrupt
            if run.outcome in ("crashed", "timed out"):
                vigil.outcome, why = Soaked.PROGRAM_FAILED, f"the program {run.outcome}: {run.why}"
            elif run.outcome == "ended" and not vigil.loaded:
                vigil.outcome, why = Soaked.PROGRAM_FAILED, "the program ended without a frame"
            while vigil.outcome is None and time.monotonic_ns() - started < RESTART_NS:
                time.sleep(POLL_S)
                vigil(None)
        return {
            "outcome": vigil.outcome.value,
            "why": why or vigil.why,
            "length_ns": vigil.length_ns,
            "starts": starts,
            "sensors": temperatures.document(vigil.sensors()),
        }


def _as_load(scenario: Scenario) -> Scenario:
    """Return the scenario, long enough that its program is not loaded again and again.

    No longer than a standard run, so that its tapes take no more room than that one's.
    """
    run = scenario.run
    if scenario.mode == "command" and "duration" not in run.model_fields_set:
        return scenario
    changed = run.model_copy(update={"duration": max(run.duration, STANDARD_NS)})
    return scenario.model_copy(update={"run": changed})


class _Vigil:
    """Looks at the temperatures of a device under load, and says when it was enough."""

    def __init__(self, scenario: Scenario, read: Thermometer, terms: Terms, tell: Tell) -> None:
        self._waits = scenario.mode != "command"  # a command may work and never say a frame
        self._read, self._terms, self._tell = read, terms, tell
        self._begin_ns: int | None = None
        self._looked_ns = 0
        self._last: dict[str, list[float] | None] = {}
        self.outcome: Soaked | None = None
        self.why = ""
        self.length_ns = 0

    @property
    def loaded(self) -> bool:
        """Whether the device was under load: the program said a frame, or may never say one."""
        return self._begin_ns is not None

    def __call__(self, first_ns: int | None) -> bool:
        """Say whether the soak is over; the engine asks ten times a second."""
        now = time.monotonic_ns()
        if self._begin_ns is None and (first_ns is not None or not self._waits):
            self._begin_ns = now
        readings = self._read.read()
        self.length_ns = now - (self._begin_ns or now)
        if now - self._looked_ns >= min(LOOK_NS, self._terms.step_ns // 2):
            self._looked_ns = now
            self._look(readings, now)
        return self.outcome is not None

    def _look(self, readings: Readings, now: int) -> None:
        terms = self._terms
        self._last = temperatures.moves(readings, now, terms.step_ns, terms.steps)
        restless = self._restless()
        if self.length_ns >= terms.least_ns:
            if not self._last:
                self.outcome = Soaked.NO_TEMPERATURE
                self.why = f"loaded for {_minutes(self.length_ns)}: {self._read.absence}"
            elif not restless and _constant(readings):
                self.outcome = Soaked.NO_TEMPERATURE
                self.why = (
                    f"loaded for {_minutes(self.length_ns)}, and of "
                    f"{_count(len(readings), 'sensor')} none moved by a digit: constants, as an "
                    "acpitz zone often is"
                )
            elif not restless:
                self.outcome = Soaked.STEADY
                self.why = (
                    f"{_count(len(self._last), 'temperature')} moved less than "
                    f"{terms.steady_celsius_per_min:g} C a minute for "
                    f"{_minutes(terms.step_ns * terms.steps)}"
                )
        if self.outcome is None and self.length_ns >= terms.longest_ns:
            self.outcome = Soaked.STILL_MOVING
            self.why = f"after {_minutes(self.length_ns)} {_said(restless)}"
        note = _said(restless) if self._last else "no temperature to wait for"
        goal = terms.longest_ns if restless else terms.least_ns
        self._tell(Progress(Phase.SOAKING, self.length_ns, goal, note))

    def _restless(self) -> dict[str, str]:
        """Return the sensors that moved too much, or were not watched for long enough."""
        most = self._terms.steady_celsius_per_min
        found = {}
        for name, steps in sorted(self._last.items()):
            value = self._read.readings[name][-1][1]
            if steps is None:
                found[name] = f"{value:.1f} C, watched too briefly"
            elif max(map(abs, steps)) >= most:
                fastest = max(steps, key=abs)
                found[name] = f"{value:.1f} C, moved {fastest:+.1f} C a minute"
        return found

    def sensors(self) -> dict[str, dict[str, Any]]:
        """Return start, end and last move of each sensor."""
        found = {}
        for name, rows in self._read.readings.items():
            steps = self._last.get(name)
            found[name] = {
                "start_celsius": rows[0][1],
                "end_celsius": rows[-1][1],
                "celsius_per_min": steps[-1] if steps else None,
            }
        return found


def _constant(readings: Readings) -> bool:
    """Say whether no sensor ever gave two different temperatures: none of them feels the load."""
    return all(len({value for _, value in rows}) == 1 for rows in readings.values())


def _said(sensors: dict[str, str]) -> str:
    named = [f"{name} {text}" for name, text in sensors.items()]
    more = [f"{len(named) - SHOWN} more"] if len(named) > SHOWN else []
    return ", ".join([*named[:SHOWN], *more])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _minutes(length_ns: int) -> str:
    seconds = length_ns / 1e9
    return f"{seconds / 60:.1f} min" if seconds >= 120 else f"{seconds:.0f} s"  # noqa: PLR2004
