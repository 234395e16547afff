"""What does one run say of latency, rate and cost, to be held against another one?

Latency is taken to delivery, from the scheduled time: a display's refresh would hide a shift of
less than its period.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from probe import measured, statistics
from probe.tape import NULL
from probe.verdict import weight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probe.store import Run


@dataclass(frozen=True)
class Reading:
    """What one run says; latencies in ms, None where unknown or lost; CPU in ms a frame."""

    p50: float | None
    p99: float | None
    rate: float | None
    cpu: float | None
    frames: int
    collectors: tuple[dict[str, Any], ...]
    span_s: float
    """What the costs of the collectors are spread over: from start to end of the run."""


def costs(runs: Sequence[Reading]) -> dict[str, dict[str, float]]:
    """Return what each collector that read something cost: ms of CPU and of time a second."""
    spent: dict[str, list[tuple[float, float]]] = {}
    for run in runs:
        for each in run.collectors:
            if each["outcome"] == "ok" and run.span_s > 0:
                per_s = each["cpu_ns"] / 1e6 / run.span_s, each["wall_ns"] / 1e6 / run.span_s
                spent.setdefault(each["name"], []).append(per_s)
    return {
        name: {
            "cpu_ms_per_s": float(np.median([cpu for cpu, _ in found])),
            "wall_ms_per_s": float(np.median([wall for _, wall in found])),
        }
        for name, found in sorted(spent.items())
    }


def reading(run: Run) -> Reading:
    """Return what a run says of latency, rate and cost."""
    frames = measured.frames_of(run)
    window = measured.live_window(run.manifest, frames)
    counted = frames.rows(frames.measured)
    given = counted.delivered_ns != NULL
    waits = np.where(given, (counted.delivered_ns - counted.due_ns) / 1e6, np.inf)
    ordered = np.sort(waits)
    times = frames.delivered_ns[frames.delivered_ns != NULL]
    rate = None
    if window is not None and window.length_ns > 0:
        inside = np.count_nonzero((times >= window.start_ns) & (times < window.end_ns))
        rate = float(inside) / (window.length_ns / 1e9)
    clocks, cpu_ns = run.manifest["clocks"], run.manifest["program"].get("cpu_ns")
    return Reading(
        p50=_nearest(ordered, 0.5),
        p99=_nearest(ordered, statistics.P99) if len(ordered) >= weight.LEAST_FRAMES else None,
        rate=rate,
        cpu=None if cpu_ns is None or not len(times) else cpu_ns / 1e6 / len(times),
        frames=len(counted),
        collectors=tuple(run.manifest["collectors"]),
        span_s=(clocks["end_monotonic_ns"] - clocks["start_monotonic_ns"]) / 1e9,
    )


def _nearest(ordered: np.ndarray[tuple[int], np.dtype[np.float64]], share: float) -> float | None:
    """Return a percentile by nearest rank; None where there is none, or it falls on a lost one."""
    if not len(ordered):
        return None
    value = float(ordered[statistics.rank(len(ordered), share) - 1])
    return value if math.isfinite(value) else None


def shift(name: str, before: Reading, after: Reading) -> float | None:
    """Return a shift in percent, positive for worse; None where either side has no value."""
    field_of = "rate" if name == "throughput" else name
    first, second = getattr(before, field_of), getattr(after, field_of)
    if first is None or second is None or first <= 0:
        return None
    share = float(second) / float(first)
    return 100 * (1 - share if name == "throughput" else share - 1)


def medians(runs: Sequence[Reading], free: Sequence[Reading]) -> dict[str, float | None]:
    """Return the medians over runs of a kind at the scenario's rate, and of those running free."""
    values = {
        "p50_ms": [run.p50 for run in runs],
        "p99_ms": [run.p99 for run in runs],
        "cpu_ms_per_frame": [run.cpu for run in runs],
        "free_fps": [run.rate for run in free],
    }
    return {
        name: None if not known else float(np.median(known))
        for name, found in values.items()
        for known in [[value for value in found if value is not None]]
    }
