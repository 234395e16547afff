"""How is the harness weighed? Short runs with collectors off and on, in turn, and what differs.

A round has one run of each kind; every second round goes backwards (A B B A), so that a machine
that slowly warms up favours neither.
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import probe
from probe import calibration, engine, store
from probe.errors import EXIT_PROGRAM, ProbeError
from probe.run_cost import Reading, costs, medians, reading, shift
from probe.scenario import Scenario, drain_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


LIVE, FREE = "live", "free-running"
OFF, ON, AGAIN = "off", "on", "off again"
START_NS: Final = 1_500_000_000
"""What a run takes besides its own time, guessed until the first was made: start, load, tables."""
FREE_SHARE: Final = 0.4
"""A free-running run is this part of a live one: it makes more frames, and its rate varies less."""


class ProgramFailed(ProbeError):
    """The program under test failed while the harness was weighed."""

    exit_code = EXIT_PROGRAM


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of run in a round: at the scenario's rate or free, with which collectors."""

    pace: str
    name: str
    scenario: Scenario

    @property
    def length_ns(self) -> int:
        """How long its program runs once it is loaded."""
        run = self.scenario.run
        return run.warmup + run.duration + drain_ns(self.scenario)


@dataclass
class Weighing:
    """The rounds so far: what each kind of run said, in order; `interrupted` by Ctrl-C."""

    kinds: tuple[Kind, ...]
    rounds: list[dict[Kind, Reading]] = field(default_factory=list)
    interrupted: bool = False

    def shifts(self, name: str, against: str = OFF) -> dict[str, list[float | None]]:
        """Return the shifts in percent of runs called `name`, one a round."""
        found: dict[str, list[float | None]] = {}
        for pace, wanted in ((LIVE, ("p50", "p99", "cpu")), (FREE, ("throughput",))):
            off, on = self._kind(pace, against), self._kind(pace, name)
            if off is None or on is None:
                continue
            for name_of in wanted:
                found[name_of] = [shift(name_of, each[off], each[on]) for each in self.rounds]
        return found

    def _kind(self, pace: str, name: str) -> Kind | None:
        return next((k for k in self.kinds if (k.pace, k.name) == (pace, name)), None)

    def readings(self, name: str, pace: str = LIVE) -> list[Reading]:
        """Return what the runs of one kind said."""
        kind = self._kind(pace, name)
        return [] if kind is None else [each[kind] for each in self.rounds]


def kinds(scenario: Scenario, *, alone: Sequence[str] = (), noise: bool = False) -> list[Kind]:
    """Return the kinds of runs of a round, for a resolved scenario whose frames are scheduled.

    `alone` are collectors that are weighed one by one, too; `noise` adds a second run with all of
    them off. Only the reference program can run free, and only a clip lets it.
    """
    names = {OFF: off(scenario), ON: scenario}
    if noise:
        names[AGAIN] = names[OFF]
    single = {
        f"{name} alone": changed(
            scenario, collectors=[name], copies=scenario.copies.mode if name == "copies" else "off"
        )
        for name in alone
    }
    found = [Kind(LIVE, name, each) for name, each in (names | single).items()]
    if scenario.mode == "live" and scenario.source.kind == "clip":
        found += [Kind(FREE, name, each) for name, each in names.items()]
    return found


def off(scenario: Scenario) -> Scenario:
    """Return the scenario with nothing of the harness beside the program but its tape."""
    return changed(scenario, collectors=[], copies="off")


def changed(scenario: Scenario, *, collectors: list[str] | None, copies: str) -> Scenario:
    """Return the scenario with other collectors, and copies traced otherwise."""
    document = scenario.document()
    document["run"]["collectors"] = collectors
    document["copies"]["mode"] = copies
    return Scenario.of_document(document)


def takes_ns(rounds: int, chosen: Sequence[Kind], start_ns: int = START_NS) -> int:
    """Return how long so many rounds take."""
    return rounds * sum(_own_length_ns(each) + start_ns for each in chosen)


def weigh(
    chosen: Sequence[Kind],
    rounds: int,
    folder: Path,
    *,
    keep: bool = False,
    said: Callable[[int, int, str], None] = lambda *_: None,
) -> Weighing:
    """Measure so many rounds in `folder`; Ctrl-C ends it with the whole rounds so far.

    `said` is told (runs done, runs in all, what comes next). Raises `ProgramFailed`, and as
    `probe.engine.measure`.
    """
    weighing = Weighing(tuple(chosen))
    total = rounds * len(chosen)
    try:
        for number in range(rounds):
            order = chosen if number % 2 == 0 else tuple(reversed(chosen))
            found: dict[Kind, Reading] = {}
            for kind in order:
                said(number * len(chosen) + len(found), total, f"{kind.pace}, {kind.name}")
                found[kind] = _measured(kind, folder, keep=keep)
            weighing.rounds.append(found)
    except KeyboardInterrupt:
        weighing.interrupted = True
    return weighing


def document(weighing: Weighing, scenario: Scenario) -> dict[str, Any]:
    """Return the calibration that the rounds give; there is at least one."""
    inventory = _inventory()
    on = weighing.readings(ON)
    entries = on[0].collectors
    alone = [kind.name for kind in weighing.kinds if kind.name.endswith(" alone")]
    return {
        "schema": calibration.SCHEMA,
        "liveprobe": probe.__version__,
        "kernel": inventory["kernel"],
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": calibration.identity(inventory),
        "collectors": sorted(each["name"] for each in entries),
        "read": sorted(each["name"] for each in entries if each["outcome"] == "ok"),
        "copies": calibration.inside(scenario.document()),
        "scenario": {"name": scenario.name},
        "conditions": {
            "warmup_ns": scenario.run.warmup,
            "duration_ns": scenario.run.duration,
            "frames": [each.frames for each in on],
            "off": medians(weighing.readings(OFF), weighing.readings(OFF, FREE)),
            "on": medians(on, weighing.readings(ON, FREE)),
        },
        "shifts": weighing.shifts(ON),
        "noise": weighing.shifts(AGAIN) or None,
        "costs": costs(on),
        "each": {name.removesuffix(" alone"): weighing.shifts(name) for name in alone},
        "interrupted": weighing.interrupted,
    }


def _inventory() -> dict[str, Any]:
    from probe.devices import local
    from probe.model import Device

    return local.inventory(Device("local"))


def _measured(kind: Kind, folder: Path, *, keep: bool) -> Reading:
    scenario = free(kind, folder) if kind.pace == FREE else kind.scenario
    path = engine.measure(scenario, folder)
    try:
        run = store.Run.open(path)
        _refuse_failed(kind, run.manifest["program"])
        return reading(run)
    finally:
        if not keep:
            shutil.rmtree(path, ignore_errors=True)


def _refuse_failed(kind: Kind, program: Mapping[str, Any]) -> None:
    """Raise `ProgramFailed` for a run that came to nothing; Ctrl-C in it is Ctrl-C for all."""
    outcome = program["outcome"]
    if outcome == "interrupted":
        raise KeyboardInterrupt
    if outcome in ("crashed", "timed out"):
        tail = str(program["stderr_tail"] or "").strip().splitlines()[-1:]
        what = f"the program {outcome} in a run with collectors {kind.name}"
        raise ProgramFailed(
            ": ".join([what, *tail]), remedy="`liveprobe run` of the same scenario shows it whole"
        )


def _own_length_ns(kind: Kind) -> int:
    run = kind.scenario.run
    if kind.pace == LIVE:
        return kind.length_ns
    return run.warmup + _free_window_ns(kind) + drain_ns(kind.scenario)


def _free_window_ns(kind: Kind) -> int:
    return max(round(FREE_SHARE * kind.scenario.run.duration), 1)


def free(kind: Kind, folder: Path) -> Scenario:
    """Return the scenario with the reference program told to take its clip as fast as it can.

    A closed loop: nothing about it is live, and no verdict is made of it.
    """
    document = kind.scenario.document()
    document["run"]["duration"] = _free_window_ns(kind)
    document["source"]["policy"] = "block"
    file = folder / f"free-{kind.name.replace(' ', '-')}.json"
    store.write_json(file, document)
    command = [sys.executable, "-P", "-m", "probe.pipeline", "--free", "--scenario", str(file)]
    program = kind.scenario.program.model_copy(update={"command": [*command, "--out", str(folder)]})
    run = kind.scenario.run.model_copy(update={"duration": document["run"]["duration"]})
    # No file can say this, a live scenario with a command: the engine waits while it loads, as for
    # the reference program that it is.
    return kind.scenario.model_copy(update={"program": program, "run": run})
