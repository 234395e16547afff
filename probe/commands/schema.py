"""`liveprobe schema`: the JSON Schema of what liveprobe reads and writes, and its metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from probe.console.terminal import Terminal, speaking

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command(short_help="Print the JSON Schema of a document; list the metrics.")
@click.argument(
    "document",
    type=click.Choice(
        ["scenario", "verdict", "claims", "verify", "comparison", "doctor", "metrics"]
    ),
)
@speaking
def command(*, terminal: Terminal, document: str) -> int:
    """Print the JSON Schema of a file or of a verb's --json, or all metrics that a limit may name.

    scenario and claims are files that you write; verdict is verdict.json; verify and comparison
    are what `verify` and `compare` print with --json, doctor likewise.
    """
    if document == "metrics":
        return _metrics(terminal)
    from probe import comparison_schema
    from probe.claims import file
    from probe.claims import schema as judged_claims
    from probe.devices import answer
    from probe.scenario import problems
    from probe.verdict import schema

    schemas: dict[str, Callable[[], dict[str, Any]]] = {
        "scenario": problems.schema,
        "verdict": schema.schema,
        "claims": file.schema,
        "doctor": answer.schema,
        "verify": judged_claims.schema,
        "comparison": comparison_schema.schema,
    }
    found = schemas[document]()
    terminal.result(json.dumps(found, indent=1), found)
    return 0


def _metrics(terminal: Terminal) -> int:
    """Print every metric with its unit and its definition."""
    from probe.metrics import METRICS

    width = max(len(each.name) for each in METRICS)
    lines = [f"{each.name:<{width}}  {each.unit:<8}  {each.definition}" for each in METRICS]
    listed = [
        {"name": each.name, "unit": each.unit, "better": each.better, "definition": each.definition}
        for each in METRICS
    ]
    terminal.result("\n".join(lines), {"metrics": listed})
    return 0
