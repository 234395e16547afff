"""Does a run still do at its end what it did at its start? METHOD: rule 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from probe import measured, statistics
from probe.model import Outcome
from probe.preparation import MINUTE_NS, SUSTAINED_LEAST_NS, SUSTAINED_RISE
from probe.verdict.evidence import Evidence
from probe.verdict.sampled import tracks

if TYPE_CHECKING:
    from numpy.typing import NDArray

MS_NS: Final = 1e6
THROTTLE: Final = r"throttle\..+|.+\.throttle"
"""Tracks of these names are above 0 while the device is slowed down: those of the collector
`throttle`, and a collector's own `throttle` (`nvidia.throttle`)."""
SHARE: Final = "percent"
"""A track in this unit is a share that is held back, which may be somebody's own cap: it counts
from its lowest reading in the Run."""


@dataclass(frozen=True)
class Sustained:
    """Does it still do in the last minute what it did in the first?

    `first_ms` and `last_ms` are the p50 of both minutes, inf where that frame was lost.
    """

    outcome: Outcome
    reason: str
    first_ms: float | None = None
    last_ms: float | None = None
    throttled: tuple[str, ...] = ()


def sustained(evidence: Evidence) -> Sustained:
    """Compare the last minute's p50 with the first one's, and look for a throttle flag.

    Of frames the response latency counts; without a live input the time that a block takes for each
    of its frames. It is asked by several, and computed once a Run.
    """
    return evidence.run.view(lambda run: _sustained(Evidence(run)), sustained)


def _sustained(evidence: Evidence) -> Sustained:
    flags = _throttled(evidence)
    if flags:
        said = f"throttled in the window: {', '.join(flags)}"
        return Sustained(Outcome.REFUTED, said, throttled=flags)
    at, values, begin, end = _timed(evidence)
    if end - begin < SUSTAINED_LEAST_NS:
        short = f"not told from {(end - begin) / 1e9:g} s whether it lasts: 120 s are needed"
        return Sustained(Outcome.INCONCLUSIVE, short)
    minutes = values[at < begin + MINUTE_NS], values[at >= end - MINUTE_NS]
    first, last = (statistics.percentile(np.sort(each), 0.5) for each in minutes)
    if first is None or last is None or not np.isfinite(first):
        return Sustained(Outcome.INCONCLUSIVE, "too little was answered to tell whether it lasts")
    sure = [_reach(each) for each in minutes]
    said = f"p50 {first:.1f} ms{sure[0]} in the first minute, {_ms(last)}{sure[1]} in the last"
    if last > first * (1 + SUSTAINED_RISE):
        return Sustained(Outcome.REFUTED, said, first, last)
    return Sustained(Outcome.SUPPORTED, said, first, last)


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if np.isfinite(value) else "lost"


def _reach(values: NDArray[np.float64]) -> str:
    """Return between which values the p50 of a minute lies at 95 %, its frames being dependent."""
    found = statistics.block_interval(values, _middle)
    if found is None or not np.isfinite(found.high):
        return ""
    return f" ({found.low:.1f} to {found.high:.1f} at 95 %)"


def _middle(values: NDArray[np.float64]) -> float:
    at = statistics.rank(len(values), 0.5) - 1
    return float(np.partition(values, at)[at])


def _timed(evidence: Evidence) -> tuple[NDArray[np.int64], NDArray[np.float64], int, int]:
    """Return times, values in ms, and the ends of the time in which they lie."""
    window, frames = evidence.window, evidence.frames
    if len(frames) and window is not None:
        return frames.due_ns, frames.latency_ns / MS_NS, window.start_ns, window.end_ns
    blocks = [block for each in evidence.requests for block in each.blocks]
    if not blocks:
        return np.array([], dtype=np.int64), np.array([]), 0, 0
    values = [(end - begin) / size / MS_NS for begin, end, size in blocks]
    at = np.array([end for _, end, _ in blocks], dtype=np.int64)
    return at, np.array(values), min(begin for begin, *_ in blocks), int(at.max()) + 1


def _throttled(evidence: Evidence) -> tuple[str, ...]:
    """Return the throttle flags that were up inside the window, by track and label."""
    window = evidence.window
    samples = evidence.run.table("samples")
    if window is None or not len(samples):
        return ()
    flags = samples["track"].str.fullmatch(THROTTLE).fillna(value=False).astype(bool)
    samples = samples[flags & samples["value"].notna()]
    times = measured.integers(samples["t_ns"])
    values = samples["value"].to_numpy(dtype=np.float64)
    lowest = samples.groupby(["track", "label"], dropna=False)["value"].transform("min")
    units = tracks(evidence)
    shares = np.array([units.get(str(track)) == SHARE for track in samples["track"]], dtype=bool)
    least = np.where(shares, lowest.to_numpy(dtype=np.float64), 0.0)
    up = samples[(times >= window.start_ns) & (times < window.end_ns) & (values > least)]
    named = {
        f"{track} {label or ''}".strip()
        for track, label in zip(up["track"], up["label"], strict=True)
    }
    return tuple(sorted(named))
