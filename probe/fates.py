"""What became of each frame, and which outputs came together?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe.model import Fate

if TYPE_CHECKING:
    from numpy.typing import NDArray

BURST_GAP: Final = 0.25
"""Outputs closer than this share of a frame period came together (METHOD: block size)."""


def bursts(times_ns: NDArray[np.int64], period_ns: float) -> NDArray[np.int64]:
    """Return the number of the burst of each delivery, from 0 in order of time.

    `times_ns` may be in any order; the result is in the order of `times_ns`. A burst goes on while
    the next delivery follows within `BURST_GAP` of `period_ns`.
    """
    order = np.argsort(times_ns, kind="stable")
    gaps = np.diff(times_ns[order])
    numbers = np.zeros(len(times_ns), dtype=np.int64)
    numbers[order[1:]] = np.cumsum(gaps >= BURST_GAP * period_ns)
    return numbers


def period_ns(times_ns: NDArray[np.int64]) -> float | None:
    """Return the median distance of scheduled times; None from fewer than two distinct ones."""
    apart = np.diff(np.sort(times_ns))
    apart = apart[apart > 0]
    return float(np.median(apart)) if len(apart) else None


def with_fates(
    frames: pd.DataFrame, outputs: pd.DataFrame, losses: pd.DataFrame, deadline_ns: int
) -> pd.DataFrame:
    """Return `frames` with delivered_ns, rendered_ns, block and exactly one fate a frame.

    `frames` has one row a frame. `outputs` has the columns of the table of that name. `losses` has
    one row a mark: `frame`, `fate` (invalid, duplicate or dropped), `stage`, `reason`, `t_ns`. What
    the program called invalid or duplicate stays so. A frame whose first output was shown after a
    newer frame's is stale; else it is on time or late by `deadline_ns` after its scheduled time
    (its captured time where the program never said a schedule); else dropped where that was said;
    else in flight.
    """
    first = _first_outputs(outputs)
    table = frames.drop(
        columns=[
            "delivered_ns",
            "rendered_ns",
            "block",
            "fate",
            "fate_stage",
            "fate_reason",
            "fate_ns",
        ],
        errors="ignore",
    ).merge(first, on="frame", how="left")
    said = losses.drop_duplicates("frame").rename(
        columns={"fate": "said", "stage": "fate_stage", "reason": "fate_reason", "t_ns": "fate_ns"}
    )
    table = table.merge(said, on="frame", how="left")
    table["fate"] = _fates(table, deadline_ns)
    lost = table["fate"].isin([Fate.DROPPED, Fate.INVALID, Fate.DUPLICATE])
    table.loc[~lost, ["fate_stage", "fate_reason", "fate_ns"]] = pd.NA
    table["fate_ns"] = table["fate_ns"].mask(~lost, table["rendered_ns"])
    return table.drop(columns=["said", "stale"])


def _first_outputs(outputs: pd.DataFrame) -> pd.DataFrame:
    """Return the first output of each frame: its times, its block, and whether it came stale."""
    shown = outputs.dropna(subset=["frame"]).sort_values(
        ["presented_ns", "delivered_ns", "frame"], na_position="last", kind="stable"
    )
    first = shown.drop_duplicates("frame")[["frame", "delivered_ns", "presented_ns", "block"]]
    newest = first["frame"].where(first["presented_ns"].notna()).cummax()
    stale = (first["presented_ns"].notna() & (first["frame"] < newest)).fillna(value=False)
    return first.rename(columns={"presented_ns": "rendered_ns"}).assign(stale=stale.astype(bool))


def _fates(table: pd.DataFrame, deadline_ns: int) -> NDArray[Any]:
    since = table["scheduled_ns"].fillna(table["captured_ns"])
    shown = table["rendered_ns"].notna().to_numpy(dtype=bool)
    in_time = ((table["rendered_ns"] - since) <= deadline_ns).fillna(value=False).to_numpy(bool)
    stale = table["stale"].fillna(value=False).to_numpy(dtype=bool)
    said = table["said"].fillna("").to_numpy(dtype=object)
    fate = np.full(len(table), Fate.IN_FLIGHT.value, dtype=object)
    fate[said == Fate.DROPPED.value] = Fate.DROPPED.value
    fate[shown] = Fate.LATE.value
    fate[shown & in_time] = Fate.ON_TIME.value
    fate[shown & stale] = Fate.STALE.value
    for final in (Fate.DUPLICATE.value, Fate.INVALID.value):
        fate[said == final] = final
    return fate
