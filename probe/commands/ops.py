"""`liveprobe ops`: which operators of the model a Run saw, where they ran, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from probe.console.table_options import table_options
from probe.console.terminal import Terminal, speaking
from probe.errors import EXIT_ENVIRONMENT, EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUPS = ("op", "node", "provider")
AGAIN = "measure it again with --set operators.inferences=30"


@click.command(short_help="Print the model's operators of a Run.")
@click.argument("run", type=click.Path(path_type=Path))
@table_options(GROUPS)
@speaking
def command(*, terminal: Terminal, run: Path, by: str, top: int) -> int:
    """Print what an inference of the Run in directory RUN spends in each operator, and who ran it.

    Times are means over the inferences that were profiled, each node without the graphs inside it;
    names of nodes are those of the graph as the runtime fused it. Exit code 4: operators were to be
    looked at, and nothing was seen; 0 where nobody asked for it.
    """
    from probe.console import judged, operators_text
    from probe.operators.account import account_of

    opened = judged.recovered(run)
    summary = opened.manifest.get("operators") or {}
    accounts = account_of(opened.table("ops"))
    if not accounts:
        return _unseen(terminal, opened.manifest, summary)
    text = operators_text.lines(accounts, summary, by, top)
    sources = [
        {
            **account.document(),
            "by": by,
            "rows": [row._asdict() for row in account.rows(by)],
        }
        for account in accounts
    ]
    terminal.result("\n".join(text), {"operators": {**summary, "accounts": sources}})
    return EXIT_OK


def _unseen(terminal: Terminal, manifest: Mapping[str, Any], summary: Mapping[str, Any]) -> int:
    entries = {each.get("name"): each for each in manifest.get("collectors") or ()}
    entry = entries.get("onnxruntime") or {}
    outcome = entry.get("outcome")
    failed = (summary.get("failed") or [None])[0]
    why = failed or entry.get("reason") or "nothing looked at the operators of this Run"
    remedy = str(entry.get("remedy") or AGAIN)
    document = {"operators": None, "reason": str(why), "remedy": remedy}
    terminal.result(f"no operator was seen: {why}\n  {remedy}", document)
    return EXIT_OK if outcome in (None, "off") and not failed else EXIT_ENVIRONMENT
