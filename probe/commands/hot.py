"""`liveprobe hot`: where in the code is the time of each stage?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from probe.console.terminal import Terminal, speaking
from probe.errors import EXIT_ENVIRONMENT, EXIT_OK

if TYPE_CHECKING:
    from probe.hotspots import HotSpots

GROUPS = ("stage", "function")


@click.command(short_help="Print the hot functions of a Run, by stage.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--by",
    type=click.Choice(GROUPS),
    default="stage",
    show_default=True,
    help="Functions below their stage, or of all stages together.",
)
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    metavar="N",
    help="Functions that are shown, of each stage; 0 is all.",
)
@speaking
def command(*, terminal: Terminal, run: Path, by: str, top: int) -> int:
    """Print in which functions the stages of the Run in directory RUN spent their time.

    Shares are of the samples of the stage, of wall time, with 95 % intervals; self is the function
    and native code that it called, total also what it called in Python. The samples stand in
    profile.speedscope.json in the Run, for https://www.speedscope.app. A program that says no stage
    is told of by thread. Exit code 4: the code could not be sampled; 0 where nobody asked for it.
    """
    from probe.console import hot_text, judged
    from probe.hotspots import HotSpots, hot_spots_of

    found = hot_spots_of(judged.recovered(run))
    if not isinstance(found, HotSpots):
        text = f"no hot functions: {found.reason}\n  {found.remedy}"
        document = {"hot": None, "reason": found.reason, "remedy": found.remedy}
        terminal.result(text, document)
        return EXIT_ENVIRONMENT if found.asked else EXIT_OK
    terminal.result("\n".join(hot_text.lines(found, by, top)), {"hot": _document(found)})
    return EXIT_OK


def _document(found: HotSpots) -> dict[str, Any]:
    stages = [
        {
            "stage": each.stage,
            "samples": each.samples,
            "expected": each.expected,
            "functions": [
                {**f._asdict(), "own": f.own._asdict(), "total": f.total._asdict()}
                for f in each.functions
            ],
        }
        for each in found.stages
    ]
    return {**found._asdict(), "stages": stages}
