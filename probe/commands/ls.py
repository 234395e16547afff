"""`liveprobe ls`: which Runs are there, and what became of them?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from probe.console.terminal import Terminal, speaking
from probe.errors import RunError

COLUMNS = ("created", "scenario", "mode", "state", "regime", "validity", "path")


@click.command(short_help="List Runs.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@speaking
def command(*, terminal: Terminal, folder: Path) -> int:
    """List the Runs in FOLDER (`runs` if none is given), oldest first."""
    if not folder.is_dir():
        raise RunError(
            f"{folder}: no such folder", remedy="`liveprobe run` makes ./runs; or give another"
        )
    from probe import store

    # the repeats of a series stand in a folder of their own
    found = [file for depth in ("*", "*/*") for file in folder.glob(f"{depth}/{store.MANIFEST}")]
    rows = [_row(file.parent) for file in found]
    rows.sort(key=lambda row: (row["created"] or "", row["path"]))
    if not rows:
        terminal.say(f"{folder}: no Runs")
    terminal.result(_table(rows), {"runs": rows})
    return 0


def _row(path: Path) -> dict[str, Any]:
    from probe import store

    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row["path"] = str(path)
    try:
        manifest = store.read_manifest(path)
    except RunError as error:
        return row | {"state": "unreadable", "problem": error.message}
    row |= {key: manifest.get(key) for key in ("created", "mode", "state")}
    row["scenario"] = (manifest.get("scenario") or {}).get("name")
    if manifest.get("state") == "running" and not store.being_measured(manifest):
        row["state"] = "cut short"
    return row | _judgement(path / store.VERDICT)


def _judgement(file: Path) -> dict[str, Any]:
    try:
        verdict = json.loads(file.read_text(encoding="utf-8"))
        return {"regime": verdict["regime"], "validity": verdict["validity"]["status"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # not judged, or by another version: `audit` tells


def _table(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    cells = [[str(row[name] or "-") for name in COLUMNS] for row in rows]
    cells.insert(0, [name.upper() for name in COLUMNS])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )
