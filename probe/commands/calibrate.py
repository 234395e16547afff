"""`liveprobe calibrate`: what does measuring do to what is measured, on this device?"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from probe.commands.run import DEFAULT, complete_scenario
from probe.console.copies_option import copies_option, copies_override
from probe.console.fail_on import exit_code, fail_on_option, silenced
from probe.console.terminal import Terminal, speaking
from probe.errors import (
    EXIT_FAILED,
    EXIT_INCONCLUSIVE,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EnvironmentUnmet,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from probe.scenario import Scenario
    from probe.scenario.file import Loaded
    from probe.weighing import Weighing

MISSED: Final = "missed"
PAIRS: Final = 6
"""The fewest that give a 95 % interval of a median (`probe.verdict.weight`)."""
USUAL: Final = {"run.warmup": "1s", "run.duration": "7s"}
"""Conditions of a run unless they are set: 24 of them take about four minutes."""


@click.command(short_help="Measure what the harness itself weighs here.")
@click.argument("scenario", required=False, shell_complete=complete_scenario)
@click.option(
    "--pairs",
    type=click.IntRange(1, 1000),
    default=PAIRS,
    show_default=True,
    help="Pairs of runs with collectors off and on; more of them tell smaller shifts.",
)
@click.option("--each", is_flag=True, help="Weigh every collector alone, too.")
@click.option("--noise", is_flag=True, help="Measure off against off as well: what chance does.")
@click.option(
    "--if-stale",
    is_flag=True,
    help="Measure only if no calibration of as many pairs is kept that still counts.",
)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change any key by its path: run.duration=20s. Repeatable.",
)
@copies_option
@click.option(
    "-o",
    "folder",
    type=click.Path(path_type=Path),
    help="Keep the Runs that are made in this folder.",
)
@fail_on_option(MISSED)
@speaking
def command(
    *,
    terminal: Terminal,
    scenario: str | None,
    pairs: int,
    each: bool,
    noise: bool,
    if_stale: bool,
    overrides: tuple[str, ...],
    copies: str | None,
    folder: Path | None,
    fail_on: str,
) -> int:
    """Measure SCENARIO (`live-background-blur`) with collectors and copies off and on, in turn.

    The shift of p50 and p99 is kept for this device and these collectors, and stands in every later
    report of them: with it, a run may read "valid" (METHOD: rule 13). It counts for 30 days, until
    the kernel or liveprobe changes. `LIVEPROBE_STATE` says in which folder; else where XDG keeps
    state. Exit code 1: the harness weighs too much; 3: not resolved here; measure more pairs.
    """
    silent = silenced(fail_on, MISSED)
    loaded = _loaded(scenario, (*overrides, *copies_override(copies)))
    resolved = _weighable(loaded)
    if if_stale and (kept := _fresh(resolved, pairs)) is not None:
        terminal.say("the stored calibration still counts: nothing was measured")
        return _told(terminal, kept, None, silent)
    from probe import calibration, weighing

    calibration.place()
    chosen = weighing.kinds(resolved, alone=_working(resolved) if each else (), noise=noise)
    terminal.say(
        f"{pairs} pair{'s' * (pairs > 1)} of {resolved.name}, {len(chosen) * pairs} runs: about "
        f"{_minutes(weighing.takes_ns(pairs, chosen))}"
    )
    with ExitStack() as stack:
        where = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = weighing.weigh(
            chosen, pairs, where, keep=folder is not None, said=_teller(terminal)
        )
    return _concluded(terminal, found, resolved, silent)


def _loaded(scenario: str | None, overrides: Sequence[str]) -> Loaded:
    import scenarios
    from probe.scenario.file import load

    given = {each.partition("=")[0].strip() for each in overrides}
    usual = [f"{key}={value}" for key, value in USUAL.items() if key not in given]
    return load(scenario or DEFAULT, folder=scenarios.folder(), overrides=(*usual, *overrides))


def _weighable(loaded: Loaded) -> Scenario:
    """Return the scenario with its inputs as files; raises `UsageError` where it has no latency."""
    from probe.console import judged

    scenario = judged.ready(loaded)
    if scenario.mode == "generate":
        raise UsageError(
            f"{scenario.name}: a scenario without a live input has no latency to be shifted",
            remedy="calibrate with a live one: what it finds counts for all runs of the same "
            "collectors on this device",
        )
    unknown = sorted(set(scenario.run.collectors or ()) - set(_known()))
    if unknown:
        raise UsageError(
            f"run.collectors: there is no collector {', '.join(unknown)}",
            remedy=f"there are: {', '.join(_known())}",
        )
    if scenario.run.collectors == []:
        raise UsageError("no collectors: there is nothing to weigh", remedy="name one at least")
    return scenario


def _known() -> list[str]:
    from probe.neighbours import ours

    return sorted(each.name for each in ours("collectors").discover())


def _working(scenario: Scenario) -> list[str]:
    """Return the collectors of the scenario that find their source here."""
    from probe.devices import doctor
    from probe.model import Device

    working = {
        row.collector for row in doctor.check(Device("local")) if row.state == doctor.MEASURED
    }
    wanted = scenario.run.collectors
    return sorted(working if wanted is None else working & set(wanted))


def _teller(terminal: Terminal) -> Callable[[int, int, str], None]:
    """Return what says how far it is: a line a run, with the time that is left."""
    begun = time.monotonic()

    def said(done: int, total: int, what: str) -> None:
        left = ""
        if done:
            left_ns = (time.monotonic() - begun) / done * (total - done) * 1e9
            left = f", about {_minutes(round(left_ns))} left"
        terminal.say(f"run {done + 1} of {total}: {what}{left}")

    return said


def _minutes(length_ns: int) -> str:
    seconds = length_ns / 1e9
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"  # noqa: PLR2004


def _concluded(
    terminal: Terminal,
    found: Weighing,
    scenario: Scenario,
    silent: frozenset[int],
) -> int:
    from probe import weighing

    if not found.rounds:
        terminal.error(
            "interrupted before one pair was whole: nothing is known",
            remedy="let it run for longer",
        )
        return EXIT_INTERRUPTED
    document = weighing.document(found, scenario)
    try:
        place = _keep(terminal, document)
    except EnvironmentUnmet:  # the folder went, or its disk is full: what was measured is told
        _told(terminal, document, None, silent)
        raise
    code = _told(terminal, document, place, silent)
    return EXIT_INTERRUPTED if found.interrupted else code


def _told(
    terminal: Terminal, document: Mapping[str, Any], place: Path | None, silent: frozenset[int]
) -> int:
    """Print a calibration, and return the exit code that it asks for."""
    from probe.console import calibration_text
    from probe.statistics.goals import Met
    from probe.verdict import weight

    met = weight.worst(weight.shifts(document["shifts"]))
    lines = calibration_text.lines(document, met.value)
    lines += [] if place is None else [f"  kept in {place}"]
    terminal.result("\n".join(lines), calibration_text.summary(document, met.value))
    codes = {Met.HELD: EXIT_OK, Met.MISSED: EXIT_FAILED}
    return exit_code(codes.get(met, EXIT_INCONCLUSIVE), silent, failed=met is Met.MISSED)


def _fresh(scenario: Scenario, pairs: int) -> dict[str, Any] | None:
    """Return the kept calibration of these collectors if it counts today and has enough pairs."""
    import probe
    from probe import calibration
    from probe.devices import local
    from probe.model import Device

    names = scenario.run.collectors
    names = _known() if names is None else names
    inventory = local.inventory(Device("local"))
    document: dict[str, Any] | None
    document = calibration.stored(inventory, names, calibration.inside(scenario.document()))[
        "document"
    ]
    if document is None or calibration.pairs(document) < pairs:
        return None
    old = calibration.stale(
        document, kernel=inventory["kernel"], version=probe.__version__, now_s=time.time()
    )
    return document if old is None else None


def _keep(terminal: Terminal, document: Mapping[str, Any]) -> Path | None:
    """Keep a calibration, unless a better one is there."""
    from probe import calibration

    if calibration.better(document):
        why = "interrupted: " * bool(document["interrupted"])
        terminal.say(
            f"{why}the stored calibration tells more and stays; as many pairs would replace it"
        )
        return None
    return calibration.save(document)
