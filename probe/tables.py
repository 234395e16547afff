"""From tapes to tables: what a program wrote becomes the Parquet files of its Run."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe import store
from probe.copies.document import copies_of
from probe.copies.records import of_interposer
from probe.errors import RunError
from probe.fates import bursts, period_ns, with_fates
from probe.marks import Marks, marks_of
from probe.operators.document import operators_of
from probe.rows import frames_of, spans_of
from probe.stacks import speedscope
from probe.stacks.document import stacks_of
from probe.tape import STOPPED, SUFFIX, Tape, read_all

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["bursts", "finalise", "period_ns", "tape_folder", "unfinished"]

FALLBACK_PERIOD_NS: Final = 1e9 / 30
"""For bursts where neither a schedule nor a stated rate gives a frame period."""


def finalise(path: Path, manifest: dict[str, Any] | None = None) -> store.Run:
    """Write the tables of the Run at `path` from its tapes, and return the Run.

    The tapes may be whole or torn. Samples and events that the engine wrote beforehand are kept and
    joined with those of the program. The engine gives the `manifest` to conclude with; without it
    the Run is one that its engine could not finish, and is recovered: where it was `running` its
    state becomes `interrupted`. Raises `RunError` for a directory that is no Run or is still being
    measured, `EnvironmentUnmet` when the tables cannot be written.
    """
    if manifest is None:
        manifest = _abandoned(path)
    folder = tape_folder(path, manifest)
    tapes, rejected = read_all(folder)
    own = [tape for tape in tapes if not of_interposer(tape)]
    marks = marks_of(own)
    spans, frames = spans_of(own), frames_of(own)
    window = _window(manifest, frames, marks.requests)
    outputs = _outputs(marks, frames, manifest)
    frames = with_fates(frames, outputs, marks.losses, int(manifest["deadline_ns"]))
    frames["measured"] = _inside(frames["scheduled_ns"].fillna(frames["captured_ns"]), window)
    outputs["measured"] = _inside(outputs["delivered_ns"], window)
    manifest["window"] = window
    copies = copies_of(path, folder, manifest, tapes, frames)
    operators = operators_of(path, folder, manifest, spans, marks.facts)
    stacks = stacks_of(folder, spans, window)
    unread: list[tuple[Path | str, str]] = [*rejected, *copies.rejected, *operators.rejected]
    marks.events = _with_tape_events(marks.events, tapes, unread)
    tables = {
        "frames": frames,
        "outputs": outputs,
        "spans": spans,
        **copies.tables,
        **({"ops": operators.ops} if len(operators.ops) else {}),
        **stacks.tables,
        "samples": _joined(path, "samples", marks.samples),
        "events": _joined(path, "events", marks.events),
    }
    for name, table in tables.items():
        store.write_table(path, name, table)
    if stacks.tables:
        seen, named = stacks.tables["stack_samples"], stacks.tables["stacks"]
        profile = speedscope.document(seen, named, str(manifest["id"]))
        speedscope.write(path / speedscope.FILE, profile)
    manifest["stacks"] = stacks.summary
    manifest["copies"] = copies.summary
    manifest["operators"] = operators.summary
    manifest["tapes"] = _tape_summary(manifest, own, rejected)
    manifest["program"] = dict(manifest["program"], facts=marks.facts)
    if window is not None and manifest["program"].get("started_ns") is not None:
        manifest["program"]["load_ns"] = window["first_ns"] - manifest["program"]["started_ns"]
    store.write_json(path / store.MANIFEST, manifest)
    return store.Run.open(path)


def _abandoned(path: Path) -> dict[str, Any]:
    """Return the manifest of a Run that its engine did not finish, with what it left elsewhere."""
    manifest = store.read_manifest(path)
    if store.being_measured(manifest):
        raise RunError(f"{path}: is being measured now", remedy="wait until its run has ended")
    folder = tape_folder(path, manifest)
    if folder != path and (folder / store.MANIFEST).exists():  # the Run's disk was full
        left = store.Run.open(folder)
        if left.manifest.get("id") == manifest.get("id"):
            for name in ("samples", "events"):
                store.write_table(path, name, left.table(name))
            return dict(left.manifest)
    if manifest["state"] == "running":
        manifest["state"] = "interrupted"
        manifest["program"] = {**manifest["program"], "outcome": None}
        if not (path / "samples.parquet").exists():
            store.write_table(path, "samples", _spilled(folder / store.SPILL))
    return manifest


def _spilled(file: Path) -> pd.DataFrame:
    """Read what collectors had read when the harness died; a line that is cut short is left out."""
    rows = []
    with contextlib.suppress(OSError), file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):
                track, label, t_ns, value = json.loads(line)
                rows.append((str(track), str(label), int(t_ns), value and float(value)))
    return pd.DataFrame(rows, columns=["track", "label", "t_ns", "value"])


def unfinished(path: Path, manifest: dict[str, Any]) -> bool:
    """Say whether the tapes of the Run at `path` are still to become tables.

    So it is where the harness died while measuring, and where it could not write them afterwards.
    """
    if manifest.get("state") == "running":
        return True
    written = "records" in (manifest.get("tapes") or {})  # the last thing that `finalise` writes
    return not written and any(tape_folder(path, manifest).glob(f"*{SUFFIX}"))


def tape_folder(path: Path, manifest: dict[str, Any]) -> Path:
    """Return where the tapes of the Run at `path` are, or were."""
    inside = path / store.TAPES
    elsewhere = (manifest.get("tapes") or {}).get("folder")
    return Path(elsewhere) if elsewhere and not any(inside.glob(f"*{SUFFIX}")) else inside


def _outputs(marks: Marks, frames: pd.DataFrame, manifest: dict[str, Any]) -> pd.DataFrame:
    rows = marks.outputs.reset_index(drop=True)
    delivered = rows[rows["name"] == "delivered"].copy()
    presented = rows[rows["name"] == "presented"].copy()
    if not len(presented):  # no display clock: an output is shown when it is delivered
        presented = delivered.assign(value=pd.Series(pd.NA, index=delivered.index, dtype="Float64"))
    elif not len(delivered):
        delivered = presented.assign(text="")
    if delivered["output"].isna().any() or presented["output"].isna().any():
        for part in (delivered, presented):
            part["nth"] = part.groupby("frame", dropna=False).cumcount()
        keys = ["frame", "nth"]
    else:
        keys = ["output"]
        delivered, presented = delivered.drop_duplicates(keys), presented.drop_duplicates(keys)
    table = delivered.merge(
        presented[[*keys, "t_ns", "value"]], on=keys, how="left", suffixes=("", "_shown")
    )
    is_request = table["frame"].isin(marks.requests["frame"].dropna())
    numbers = pd.Series(np.arange(len(table)), index=table.index, dtype="Int64")
    outputs = pd.DataFrame(
        {
            "output": table["output"] if keys == ["output"] else numbers,
            "frame": table["frame"].mask(is_request),
            "request": table["frame"].where(is_request),
            "delivered_ns": table["t_ns"],
            "presented_ns": table["t_ns_shown"],
            "repeat": table["value_shown"].astype("Int64"),
            "result": table["text"].replace("", pd.NA),
        }
    )
    period = _period(frames, marks.facts, manifest)
    outputs["block"] = bursts(outputs["delivered_ns"].to_numpy(np.int64), period)
    return store.as_table("outputs", outputs)


def _period(frames: pd.DataFrame, facts: dict[str, Any], manifest: dict[str, Any]) -> float:
    """Return the frame period in ns: of the schedule, else of the clip that is generated."""
    found = period_ns(frames["scheduled_ns"].dropna().to_numpy(np.int64))
    if found:
        return found
    said = facts.get("generate")
    fps = said.get("fps") if isinstance(said, dict) else None
    if fps is None and manifest["mode"] == "generate":
        fps = manifest["scenario"]["resolved"]["generate"]["fps"]
    return 1e9 / fps if isinstance(fps, (int, float)) and fps > 0 else FALLBACK_PERIOD_NS


def _window(
    manifest: dict[str, Any], frames: pd.DataFrame, requests: pd.DataFrame
) -> dict[str, int] | None:
    """Return the measured window; None when nothing was released and nothing asked."""
    first = [
        int(times.min())
        for times in (frames["scheduled_ns"].fillna(frames["captured_ns"]), requests["t_ns"])
        if times.notna().any()
    ]
    if not first:
        return None
    bounds = manifest["bounds"]
    start = min(first) + int(bounds["warmup_ns"])
    last = max(
        (int(t.max()) for t in (frames["captured_ns"], requests["t_ns"]) if t.notna().any()),
        default=start,
    )
    ended = manifest["program"].get("ended_ns")
    end = last if ended is None else int(ended)  # a harness that died saw no end
    if bounds["duration_ns"] is not None:
        end = min(end, start + int(bounds["duration_ns"]))
    return {
        "first_ns": min(first),
        "start_ns": start,
        "end_ns": max(start, end),
        "warmup_ns": int(bounds["warmup_ns"]),
        "drain_ns": int(bounds["drain_ns"]),
    }


def _inside(times: pd.Series[Any], window: dict[str, int] | None) -> pd.Series[Any]:
    if window is None:
        return pd.Series(False, index=times.index, dtype="boolean")
    inside = (times >= window["start_ns"]) & (times < window["end_ns"])
    return inside.fillna(value=False).astype("boolean")


def _joined(path: Path, name: str, said: pd.DataFrame) -> pd.DataFrame:
    """Return the engine's rows of a table with the program's, in order of time."""
    run = store.Run.open(path)
    own = run.table(name)
    if name == "samples":
        own = own[~own["track"].str.startswith("program.")]
    else:
        own = own[own["kind"].isin(ENGINE_EVENTS)]
    joined = pd.concat([store.as_table(name, said), own], ignore_index=True)
    return joined.sort_values("t_ns", kind="stable", ignore_index=True)


ENGINE_EVENTS: Final = ("program", "collector", "sensor", "perturbation")
"""Kinds of events that the engine writes; all others come from tapes and are made anew."""


def _with_tape_events(
    events: pd.DataFrame, tapes: list[Tape], rejected: Sequence[tuple[Path | str, str]]
) -> pd.DataFrame:
    said = [(None, f"{Path(name).name} was not read: {why}") for name, why in rejected]
    for tape in tapes:
        who = f"{tape.path.name} ({tape.header.thread or 'unnamed thread'})"
        if tape.header.state == STOPPED:
            why = "the room for copies was used up" if of_interposer(tape) else "the disk was full"
            said.append((None, f"{who}: recording stopped: {why}"))
        if tape.header.lost:
            said.append((None, f"{who}: {tape.header.lost} records lost"))
        if tape.torn:
            said.append((None, f"{who}: {tape.torn} records torn when the program died"))
    extra = pd.DataFrame(said, columns=["t_ns", "text"]).assign(kind="tape", attributes="{}")
    return pd.concat(
        [store.as_table("events", events), store.as_table("events", extra)], ignore_index=True
    )


def _tape_summary(
    manifest: dict[str, Any], tapes: list[Tape], rejected: list[tuple[Path, str]]
) -> dict[str, Any]:
    return {
        **(manifest.get("tapes") or {}),
        "files": len(tapes),
        "records": sum(len(tape.records) for tape in tapes),
        "lost": sum(tape.header.lost for tape in tapes),
        "torn": sum(tape.torn for tape in tapes),
        "stopped": sum(tape.header.state == STOPPED for tape in tapes),
        "rejected": [[path.name, why] for path, why in rejected],
    }
