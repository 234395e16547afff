"""The options ``--tier`` and ``--repeats``: how much a measurement is to claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from probe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from probe.scenario import Scenario

    F = TypeVar("F", bound="Callable[..., object]")

TIERS: Final = ("quick", "standard", "certified")
MOST_REPEATS: Final = 100
QUICK: Final = "30s"
"""Window that the quick tier sets where a scenario asks for a standard one."""


def tier_options(verb: F) -> F:
    """Give a verb ``--tier`` and ``--repeats``."""
    repeats = click.option(
        "--repeats",
        type=click.IntRange(1, MOST_REPEATS),
        help="Measure so often, with a cool-down between; each is a Run of its own.",
    )
    tier = click.option(
        "--tier",
        type=click.Choice(TIERS),
        help="Set what the tier needs: standard 600 s; certified also a soak and 5 repeats.",
    )
    return tier(repeats(verb))


def repeats_override(repeats: int | None) -> tuple[str, ...]:
    """Return the change of the scenario that ``--repeats`` stands for."""
    return () if repeats is None else (f"run.repeats={repeats}",)


def tier_overrides(scenario: Scenario, tier: str, given: Sequence[str]) -> tuple[str, ...]:
    """Return the changes that a scenario needs for a tier; what has enough is left as it is.

    `given` are the changes that were asked for by name; raises `UsageError` where one contradicts
    the tier.
    """
    changes = _less(scenario) if tier == "quick" else _more(scenario, certified=tier == "certified")
    asked = {item.partition("=")[0].strip(): item for item in given}
    for key in changes:
        if key in asked:
            raise UsageError(
                f"--tier {tier} needs {key}={changes[key]}, and {asked[key]} was asked for",
                remedy="leave one of them out: a run of another length is of another tier",
            )
    return tuple(f"{key}={value}" for key, value in changes.items())


def _more(scenario: Scenario, *, certified: bool) -> dict[str, str]:
    from probe.measured import STANDARD_NS, WARMUP_NS
    from probe.preparation import COOL_LONGEST_NS, REPEATS

    run = scenario.run
    changes = {}
    open_ended = scenario.mode == "command" and "duration" not in run.model_fields_set
    if run.duration < STANDARD_NS or open_ended:
        changes["run.duration"] = f"{STANDARD_NS // 10**9}s"
    if run.warmup < WARMUP_NS:
        changes["run.warmup"] = f"{WARMUP_NS // 10**9}s"
    if certified and not run.soak:
        changes["run.soak"] = "true"
    if certified and run.repeats < REPEATS:
        changes["run.repeats"] = str(REPEATS)
    if certified and run.cool_down < COOL_LONGEST_NS:
        changes["run.cool_down"] = f"{COOL_LONGEST_NS // 10**9}s"
    return changes


def _less(scenario: Scenario) -> dict[str, str]:
    from probe.measured import STANDARD_NS

    run = scenario.run
    changes = {}
    if run.duration >= STANDARD_NS:
        changes["run.duration"] = QUICK
    if run.soak:
        changes["run.soak"] = "false"
    return changes
