"""`liveprobe selfcheck`: does liveprobe see what it must see, on this machine?"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.console.terminal import Terminal, speaking
from probe.errors import EXIT_FAILED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from probe.selfchecks import SelfCheck, Step


def complete_name(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the checks that begin with what was typed."""
    from probe import selfchecks

    return [name for name in selfchecks.discover() if name.startswith(incomplete)]


@click.command(short_help="Check liveprobe itself on this machine.")
@click.argument("name", required=False, shell_complete=complete_name)
@click.option(
    "-o",
    "folder",
    type=click.Path(path_type=Path),
    help="Keep the Runs that are made in this folder.",
)
@speaking
def command(*, terminal: Terminal, name: str | None, folder: Path | None) -> int:
    """Measure what is known, and compare: every check, or the one called NAME (about a minute).

    `extra-copies` adds copies to the reference pipeline on purpose, and asks the ledger for them.
    Exit code 1: something was not found as it is; 4: this machine lacks what is to be checked.
    """
    from probe import selfchecks

    checks = selfchecks.discover()
    if name is not None and name not in checks:
        raise UsageError(f"{name}: no such check", remedy=f"there are: {', '.join(checks)}")
    chosen = list(checks.values()) if name is None else [checks[name]]
    with ExitStack() as stack:
        where = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        done = {each: list(each.run(where, terminal.say)) for each in chosen}
    steps = [step for found in done.values() for step in found]
    document = {
        "checks": [
            {"name": each.name, "title": each.title, "steps": [step._asdict() for step in found]}
            for each, found in done.items()
        ],
        "passed": all(step.passed for step in steps),
    }
    terminal.result("\n".join(_text(done)), document)
    return EXIT_OK if document["passed"] else EXIT_FAILED


def _text(done: dict[SelfCheck, list[Step]]) -> list[str]:
    lines = []
    for check, steps in done.items():
        right = sum(step.passed for step in steps)
        lines.append(f"{check.name}: {check.title}: {right} of {len(steps)}")
        width = max((len(step.case) for step in steps), default=0)
        for step in steps:
            mark = "+" if step.passed else "-"
            lines.append(f"  {mark} {step.case:<{width}}  {step.expected}")
            if not step.passed:
                lines.append(f"    {'':<{width}}  found: {step.found}")
    return lines
