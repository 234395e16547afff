"""`liveprobe schema`: the JSON Schema of what liveprobe reads and writes."""

from __future__ import annotations

import json

import click

from probe.console.terminal import Terminal, speaking


@click.command(short_help="Print the JSON Schema of a scenario or a verdict.")
@click.argument("document", type=click.Choice(["scenario", "verdict"]))
@speaking
def command(*, terminal: Terminal, document: str) -> int:
    """Print the JSON Schema of a scenario file or of verdict.json."""
    from probe.scenario import problems
    from probe.verdict import schema

    found = problems.schema() if document == "scenario" else schema.schema()
    terminal.result(json.dumps(found, indent=1), found)
    return 0
