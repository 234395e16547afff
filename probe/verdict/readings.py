"""What is a named metric's value in a Run, and how much does it stand on?

A reading is what was observed. Whether it would come out so again is asked of its `series` (values
in order of time, of which a percentile was taken) or its `parts` (the same mean over stretches of
the run).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import metrics, statistics
from probe.copies.methods import Kind
from probe.drift import drift_of
from probe.model import Fate, Regime
from probe.tape import NULL
from probe.verdict import energy, power, sampled, summary
from probe.verdict.series import MS_NS, NO_INPUT, SERIES, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from probe.metrics import Metric
    from probe.verdict.evidence import Evidence

    Reader = Callable[[Metric, Evidence, Mapping[str, Any]], "Reading"]

PARTS: Final = 10
"""A mean over the window is also taken over so many stretches of it: the fewest that batch means
are commonly made of (Law, Simulation Modeling and Analysis, 2015, 9.5.3)."""
LEAST_PERIODS: Final = 20
"""A stretch holds at least so many frame periods, as a window of METHOD does."""


@dataclass(frozen=True)
class Reading:
    """A metric's value in its `unit`; `value` is infinite where it falls on a lost frame.

    `value` None comes with `why`. `n` counts the values that it was taken from. `lower_bound`: part
    of what it counts was not seen, so that it is at least `value`. `exact`: it counts what happened
    and has no error of sampling. `missed` marks the frames of a share, in order of time. `source`
    names the line that it was read from, where there are several kinds of it; `gap` says where too
    much of the window passed without a reading.
    """

    value: float | None
    unit: str
    n: int | None = None
    why: str | None = None
    series: NDArray[np.float64] | None = None
    parts: NDArray[np.float64] | None = None
    missed: NDArray[np.bool_] | None = None
    lower_bound: bool = False
    exact: bool = False
    source: str | None = None
    gap: str | None = None


def reading(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
    """Read `metric` from a Run and its verdict; what is not there says why."""
    if metric.subject is not None and metric.series != "track":
        return _of_stage(metric, evidence)
    if metric.series in SERIES:
        return _statistic(metric, SERIES[metric.series](evidence))
    if metric.series == "track" or metric.series in sampled.QUANTITIES:
        return _of_track(metric, evidence)
    if metric.name.startswith("copies."):
        return _of_copies(metric, verdict)
    return _PLAIN[metric.name](metric, evidence, verdict)


def _absent(metric: Metric, why: str) -> Reading:
    return Reading(None, metric.unit, why=why)


def _statistic(metric: Metric, series: NDArray[np.float64] | str) -> Reading:
    """Take a percentile or the maximum of values in order of time, in ms; a text says why not."""
    if isinstance(series, str):
        return _absent(metric, series)
    ordered, share = np.sort(series), metric.share
    if not len(ordered):
        return _absent(metric, "there are no values to take it from")
    if share is None:
        return Reading(float(ordered[-1]), "ms", len(ordered))
    value = statistics.percentile(ordered, share)
    if value is None:
        need = statistics.frames_needed(share)
        why = f"insufficient: {len(ordered)} values, {metric.statistic} needs {need} (rule 2)"
        return replace(_absent(metric, why), n=len(ordered))
    return Reading(value, "ms", len(ordered), series=series)


def stages(evidence: Evidence) -> tuple[str, ...]:
    """Return the stages that a metric may name."""
    return evidence.spans.stages


def _of_stage(metric: Metric, evidence: Evidence) -> Reading:
    spans = summary.measured_spans(evidence)
    if metric.subject not in spans.stages:
        known = ", ".join(spans.stages) or "none"
        return _absent(metric, f"the Run has no stage {metric.subject}; it has {known}")
    mine = spans.stage == spans.stages.index(metric.subject)
    work = (spans.end_ns - spans.start_ns).astype(np.float64)
    if metric.statistic is None:
        total = float(work.sum())
        share = float(work[mine].sum()) / total * 100 if total > 0 else None
        why = None if share is not None else "no stage worked in the window"
        return Reading(share, metric.unit, int(np.count_nonzero(mine)), why)
    order = np.argsort(spans.start_ns[mine], kind="stable")
    chosen = work[mine][order]
    if ".queue." in metric.name.removeprefix(f"stage.{metric.subject}"):
        waits = spans.queue_ns[mine][order]
        chosen = waits[waits != NULL].astype(np.float64)
    return _statistic(metric, chosen / MS_NS)


def _of_track(metric: Metric, evidence: Evidence) -> Reading:
    found, window = sampled.samples(metric, evidence), evidence.window
    if isinstance(found, str) or window is None:
        return _absent(metric, str(found))
    values, n = found.values, len(found.values)
    if metric.statistic in ("min", "max"):
        value = values.min() if metric.statistic == "min" else values.max()
        return Reading(float(value), found.unit, n, source=found.source)
    if len(found.lines) > 1:
        why = f"it has {len(found.lines)} lines; name one, as in track.{found.lines[0]}.mean"
        return _absent(metric, why)
    if found.unit == power.UNIT:
        took = energy.drawn(*found.whole, window, PARTS)
        if took is None:
            return _absent(metric, energy.UNKNOWN)
        return Reading(
            took.mean, found.unit, n, parts=took.means, source=found.source, gap=took.gap
        )
    parts = _parts(found.times, values, window.start_ns, window.end_ns)
    return Reading(float(values.mean()), found.unit, n, parts=parts, source=found.source)


def _parts(
    times: NDArray[np.int64], values: NDArray[np.float64], start_ns: int, end_ns: int
) -> NDArray[np.float64] | None:
    """Return the means of `PARTS` equal stretches; None where one of them has no value."""
    which = np.minimum((times - start_ns) * PARTS // max(1, end_ns - start_ns), PARTS - 1)
    counts = np.bincount(which, minlength=PARTS)
    if (counts == 0).any():
        return None
    means: NDArray[np.float64] = np.bincount(which, weights=values, minlength=PARTS) / counts
    return means


def _of_copies(metric: Metric, verdict: Mapping[str, Any]) -> Reading:
    found = verdict.get("copies")
    if found is None:
        return _absent(metric, "copies were not traced")
    key = metric.name.removeprefix("copies.")
    if key == "bytes_per_frame":
        parts = [found[f"{kind.value}_bytes_per_frame"] for kind in Kind]
        value = None if None in parts else sum(parts)
    else:
        value = found["count_per_frame" if key == "per_frame" else key]
    if value is None:
        return _absent(metric, "no measured frame is known to divide by")
    return Reading(float(value), metric.unit, lower_bound=found["blind"] > 0, exact=True)


def _field(key: str, *, live: bool = False, exact: bool = False) -> Reader:
    """Return a reader of a number that stands in the verdict."""

    def read(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
        if live and not evidence.live:
            return _absent(metric, NO_INPUT)
        value = verdict.get(key)
        if value is None:
            return _absent(metric, "the verdict has no such number")
        return Reading(float(value), metric.unit, exact=exact)

    return read


def _drift(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
    found: Reading = _field("drift_ms_per_min", live=True)(metric, evidence, verdict)
    if not evidence.live:
        return found
    told = drift_of(evidence.frames)
    return _absent(metric, told) if isinstance(told, str) else replace(found, n=told.trend.points)


def _slack(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
    latency = verdict.get("latency_ms") or {}
    if latency.get("p99") == summary.LOST:
        return Reading(-math.inf, metric.unit, latency["n"])
    return _field("slack_p99_ms", live=True)(metric, evidence, verdict)


def _rate(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
    """Return unique frames per second, in whole and in stretches."""
    found = _field("rate_fps", live=True)(metric, evidence, verdict)
    window, rendered = evidence.window, shown(evidence)
    period = evidence.all_frames.period_ns
    if found.value is None or window is None or isinstance(rendered, str) or not period:
        return found
    if window.length_ns < PARTS * LEAST_PERIODS * period:
        return replace(found, n=len(rendered[0]))
    edges = np.linspace(window.start_ns, window.end_ns, PARTS + 1)
    counts = np.histogram(rendered[0], edges)[0] / (window.length_ns / 1e9 / PARTS)
    return replace(found, n=len(rendered[0]), parts=counts)


def _period(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
    rate = _rate(metric, evidence, verdict)
    if rate.value is None:
        return rate
    if rate.value == 0:
        return Reading(math.inf, metric.unit, 0)
    parts = rate.parts
    usable = parts is not None and bool((parts > 0).all())
    return replace(
        rate,
        value=1000 / rate.value,
        parts=1000 / parts if usable and parts is not None else None,
    )


def _share_of(*fates: Fate, but: bool = False) -> Reader:
    """Return a reader of the share of measured frames with one of these fates, or with none."""

    def read(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
        del verdict
        if not evidence.live:
            return _absent(metric, NO_INPUT)
        frames = evidence.frames
        hit = np.logical_or.reduce([frames.of(fate) for fate in fates])
        hit = ~hit if but else hit
        return Reading(float(hit.mean()) * 100, metric.unit, len(frames), missed=hit)

    return read


def _real_time(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
    shares = verdict.get("regime_share")
    if not evidence.live or shares is None:
        return _absent(metric, NO_INPUT if not evidence.live else "nothing came out")
    return Reading(float(shares[Regime.REAL_TIME]) * 100, metric.unit)


def _speed(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
    found: Reading = _field("speed")(metric, evidence, verdict)
    speeds = [
        each.media_ns / (each.to_ns - each.asked_ns)
        for each in evidence.requests
        if each.media_ns is not None and each.to_ns is not None and each.to_ns > each.asked_ns
    ]
    if found.value is None or not speeds:
        return found
    return replace(found, n=len(speeds), parts=np.array(speeds))


def _generated(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
    if not evidence.generates:
        return _absent(metric, "a live program makes no clips on request")
    made = [
        each.outputs / (each.to_ns - each.asked_ns) * 1e9
        for each in evidence.requests
        if each.to_ns is not None and each.to_ns > each.asked_ns
    ]
    took = sum(each.to_ns - each.asked_ns for each in evidence.requests if each.to_ns is not None)
    if not made or took <= 0:
        return _absent(metric, "no request was answered")
    outputs = sum(each.outputs for each in evidence.requests if each.to_ns is not None)
    del verdict
    return Reading(outputs / took * 1e9, metric.unit, len(made), parts=np.array(made))


def _energy(metric: Metric, evidence: Evidence, verdict: Mapping[str, Any]) -> Reading:
    """Return joules per frame: what the device took while it was read, by what came out then."""
    found, window = sampled.samples(_MEAN_POWER, evidence), evidence.window
    if isinstance(found, str) or window is None:
        return _absent(metric, str(found))
    took = energy.drawn(*found.whole, window, PARTS)
    if took is None or took.gap is not None:
        return _absent(metric, energy.UNKNOWN if took is None else str(took.gap))
    if evidence.generates:
        made, rate = evidence.outputs.delivered_ns, None
    else:
        rendered, rate = shown(evidence), _rate(metric, evidence, verdict)
        made = np.empty(0, np.int64) if isinstance(rendered, str) else rendered[0]
    frames = took.count(made)
    if not frames:
        return _absent(metric, "no frame came out in the window")
    parts = None
    if rate is not None and rate.parts is not None and took.means is not None:
        parts = took.means / rate.parts if bool((rate.parts > 0).all()) else None
    value = took.joules / frames
    return Reading(value, metric.unit, frames, parts=parts, source=f"derived: {found.source}")


_MEAN_POWER: Final = metrics.find("power.mean")
_PLAIN: Final[dict[str, Reader]] = {
    "slack.p99": _slack,
    "rate": _rate,
    "rate.period": _period,
    "frames.on_time": _share_of(Fate.ON_TIME),
    "frames.missed": _share_of(Fate.ON_TIME, but=True),
    "frames.late": _share_of(Fate.LATE),
    "frames.lost": _share_of(Fate.ON_TIME, Fate.LATE, but=True),
    "drift": _drift,
    "block_size": _field("block_size", exact=True),
    "speed": _speed,
    "time_to_first_frame": _field("time_to_first_frame_ms"),
    "in_flight.mean": _field("in_flight_mean"),
    "real_time.held": _field("real_time_held_s"),
    "real_time.share": _real_time,
    "generation.rate": _generated,
    "energy.per_frame": _energy,
}
