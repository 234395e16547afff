"""Which samples of a Run does a metric of the device mean, and of which lines are they?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from probe import measured
from probe.tape import NULL
from probe.verdict import power

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from probe.metrics import Metric
    from probe.verdict.evidence import Evidence

QUANTITIES: Final = {"power": "watts", "temperature": "celsius", "clock": "hertz"}
"""Metrics of a quantity rather than of a track: of temperatures every track in this unit is meant,
of clocks `CORES`, of power the one line that covers the device (`probe.verdict.power`)."""
CLOCK: Final = "clock"
CORES: Final = ("cpu.clock", "raspberry_pi.clock")
"""Engines, GPUs and memories have clocks as well, which stand still while nobody uses them. What
cpufreq states on a Raspberry Pi it only asked for: its firmware knows."""


def tracks(evidence: Evidence) -> dict[str, str]:
    """Return the tracks of the Run's collectors with their units, those without samples as well."""
    listed = [each.get("tracks") or () for each in evidence.manifest.get("collectors") or ()]
    return {str(track["name"]): str(track["unit"]) for found in listed for track in found}


@dataclass(frozen=True)
class Samples:
    """The finite samples that a metric means, in the window, and of which lines they are.

    `whole` are times and values of the run, what said nothing as NaN, where it is one line.
    """

    unit: str
    source: str | None
    lines: list[str]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    whole: tuple[NDArray[np.int64], NDArray[np.float64]]


def samples(metric: Metric, evidence: Evidence) -> Samples | str:
    """Return the samples of a metric; a text says why there are none."""
    units, source = tracks(evidence), None
    if metric.series == "track":
        chosen = {str(metric.subject): units.get(str(metric.subject), "")}
    elif metric.series == "power":
        line = power.of_device(evidence)
        if isinstance(line, str):
            return line
        chosen, source = {line.track: power.UNIT}, line.source
    else:
        chosen = _meant(str(metric.series), units)
    window, table = evidence.window, evidence.run.table("samples")
    mine = table[table["track"].isin(list(chosen)).fillna(value=False)]
    if metric.line is not None:
        mine = mine[(mine["label"] == metric.line).fillna(value=False)]
    if window is None or mine.empty:
        return f"no collector of this Run read {metric.subject or _named(str(metric.series))}"
    times = measured.integers(mine["t_ns"])
    values = mine["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    kept = (times >= window.start_ns) & (times < window.end_ns) & np.isfinite(values)
    if not kept.any():
        return "nothing was read in the window"
    labels = mine["label"].fillna("")
    own = ((labels == labels[kept].iloc[0]) & (times != NULL)).to_numpy(dtype=np.bool_)
    return Samples(
        metric.unit or next(iter(chosen.values())),
        source,
        _lines(mine[kept]),
        times[kept],
        values[kept],
        (times[own], values[own]),
    )


def _meant(quantity: str, units: Mapping[str, str]) -> dict[str, str]:
    unit = QUANTITIES[quantity]
    return {
        name: own
        for name, own in units.items()
        if own == unit and (quantity != CLOCK or name in CORES)
    }


def _named(quantity: str) -> str:
    return CORES[0] if quantity == CLOCK else f"{quantity}, in {QUANTITIES[quantity]}"


def _lines(rows: pd.DataFrame) -> list[str]:
    pairs = rows[["track", "label"]].drop_duplicates().fillna("")
    return [
        f"{track}[{label}]" if label else str(track)
        for track, label in pairs.itertuples(index=False)
    ]
