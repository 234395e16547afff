"""Which line of a Run is the power of the whole device, and who says so?

One line alone, never a sum: rails hold each other (a package its cores, an input all rails).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from probe import measured

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from probe.measured import Window
    from probe.verdict.evidence import Evidence

DEVICE: Final = ("power_meter.power", "power.total")
"""Tracks of the whole device, the better one first: a meter in the supply leaves nothing out."""
UNIT: Final = "watts"


class Line(NamedTuple):
    """The line that stands for the device: its track, and what is to be said of its origin."""

    track: str
    source: str


def of_device(evidence: Evidence) -> Line | str:
    """Return the line that was read in the window; a text says why there is none."""
    window, samples = evidence.window, evidence.run.table("samples")
    watts = {name for name, unit, _ in _tracks(evidence.manifest) if unit == UNIT}
    if window is None or not watts or not samples["track"].isin(list(watts)).any():
        return "no collector of this Run read power, in watts"
    read = {track: _labels(samples, track, window) for track in DEVICE if track in watts}
    for track, labels in read.items():
        if len(labels) == 1:
            return Line(track, _source(evidence.manifest, track, labels[0]))
        if labels:
            why = f"it has {len(labels)} lines; name one, as in"
            return f"{why} track.{track}[{labels[0]}].mean"
    parts = samples[samples["track"].isin(list(watts)).fillna(value=False)]
    track, label = next(parts[["track", "label"]].fillna("").itertuples(index=False))
    return (
        "no line was read in the window that covers the whole device; name a part, as in "
        f"track.{track}[{label}].mean, or name the line that does as power.total in the scenario"
    )


def _labels(samples: pd.DataFrame, track: str, window: Window) -> list[str]:
    mine = samples[(samples["track"] == track).fillna(value=False)]
    times = measured.integers(mine["t_ns"])
    values = mine["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    kept = (times >= window.start_ns) & (times < window.end_ns) & np.isfinite(values)
    return [str(label) for label in mine["label"][kept].fillna("").drop_duplicates()]


def _source(manifest: Mapping[str, Any], track: str, label: str) -> str:
    """Return the line, its grade, and what it leaves out, where its collector says so."""
    grade = next((grade for name, _, grade in _tracks(manifest) if name == track), "")
    said = ""
    for collector in manifest.get("collectors") or ():
        total = (collector.get("facts") or {}).get("total")
        if collector.get("name") == track.partition(".")[0] and isinstance(total, dict):
            said = f"; leaves out {total['leaves_out']}" if total.get("leaves_out") else ""
    return f"{track}[{label}], {grade}{said}"


def _tracks(manifest: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    listed = [each.get("tracks") or () for each in manifest.get("collectors") or ()]
    return [
        (str(track["name"]), str(track["unit"]), str(track.get("grade") or "measured"))
        for found in listed
        for track in found
    ]
