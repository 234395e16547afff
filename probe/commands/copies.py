"""`liveprobe copies`: every byte that a Run moved, by line, stage, kind or module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from probe.console.table_options import table_options
from probe.console.terminal import Terminal, speaking
from probe.errors import EXIT_ENVIRONMENT, EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probe.ledger import Ledger

GROUPS = ("line", "stage", "kind", "module")
AGAIN = "measure it again with --copies on"


@click.command(short_help="Print the copies of a Run, by line.")
@click.argument("run", type=click.Path(path_type=Path))
@table_options(GROUPS)
@speaking
def command(*, terminal: Terminal, run: Path, by: str, top: int) -> int:
    """Print the copy ledger of the Run in directory RUN: what moved, where, and for how much.

    Bytes are those written to destinations; ms is time inside the copying function; avoidable are
    bytes that a copy moved before, with no change of format between. Exit code 4: the copies of
    this Run could not be traced; 0 where nobody asked for it.
    """
    from probe.console import judged, ledger_text
    from probe.ledger import ledger_of

    opened = judged.recovered(run)
    ledger = ledger_of(opened)
    if ledger is None:
        return _untraced(terminal, opened.manifest)
    text = ledger_text.lines(ledger, by, top, terminal.width)
    terminal.result("\n".join(text), _document(ledger, by))
    return EXIT_OK


def _untraced(terminal: Terminal, manifest: Mapping[str, Any]) -> int:
    from probe.ledger import blind_of

    wanted, why, remedy = _why_untraced(manifest)
    blind = [each._asdict() for each in blind_of(manifest)]
    text = [f"copies were not traced: {why}"]
    text += [f"  blind to {each['exe'] or '?'} ({each['pid']}): {each['why']}" for each in blind]
    document = {"ledger": None, "reason": why, "remedy": remedy, "blind": blind}
    terminal.result("\n".join([*text, f"  {remedy}"]), document)
    return EXIT_ENVIRONMENT if wanted else EXIT_OK


def _why_untraced(manifest: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Return whether copies were to be traced, why they were not, and what to do."""
    entries = {each.get("name"): each for each in manifest.get("collectors") or ()}
    entry = entries.get("copies")
    if entry is None:
        why = "the collector copies took no part in this Run"
        return False, why, f"{AGAIN}, and with copies among run.collectors"
    outcome, reason = entry.get("outcome"), entry.get("reason")
    if outcome == "off":
        return False, str(reason), AGAIN
    if outcome != "ok":
        return True, str(reason or outcome), str(entry.get("remedy") or "see `liveprobe doctor`")
    if manifest.get("copies"):
        return True, "the table copies.parquet is not in the Run any more", AGAIN
    why = "no process of the program left a tape of the interposer"
    return True, why, "`liveprobe doctor` says whether it works here"


def _document(ledger: Ledger, by: str) -> dict[str, Any]:
    """Return the ledger as JSON values; rows by what was asked for."""
    groups: dict[str, Mapping[Any, Any]] = {
        "stage": ledger.stages,
        "kind": ledger.kinds,
        "module": ledger.modules,
    }
    rows: list[dict[str, Any]] = (
        [{**line._asdict(), "name": line.name} for line in ledger.lines]
        if by == "line"
        else [{by: name, **total._asdict()} for name, total in groups[by].items()]
    )
    explained = ledger.explained
    return {
        "ledger": {
            "per": ledger.per,
            "frames": ledger.frames,
            "whole_run": ledger.whole_run,
            "inferred": ledger.inferred,
            "total": ledger.total._asdict(),
            "decoded_bytes": ledger.decoded_bytes,
            "frame_equivalents": ledger.frame_equivalents,
            "explained_ratio": ledger.explained_ratio,
            "explained": None if explained is None else [each._asdict() for each in explained],
            "unattributed_bytes_per_frame": ledger.unattributed_bytes_per_frame,
            "by": by,
            "rows": rows,
            "edges": [each._asdict() for each in ledger.edges],
            "buffers": [each._asdict() for each in ledger.buffers],
            "in_graph": [each._asdict() for each in ledger.in_graph],
            "small_copies": ledger.small_copies,
            "small_bytes": ledger.small_bytes,
            "lost": ledger.lost,
            "stopped": ledger.stopped,
        },
        "blind": [each._asdict() for each in ledger.blind],
    }
