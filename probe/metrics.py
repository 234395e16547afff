"""Which numbers may a limit, a claim or a comparison name? Each with its unit and its definition.

Nothing is computed here: `probe.verdict.readings` reads the numbers from a Run. ``stage.STAGE.p95``
and ``track.TRACK.mean`` stand for one metric of every stage and every track.
"""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass, replace
from typing import Final

from probe.errors import UsageError

LOWER: Final = "lower"
HIGHER: Final = "higher"
SHARES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
"""Percentiles that can be named, as the share of values that lie at or below them."""
TRACK_STATISTICS: Final = ("mean", "min", "max")
TRACK: Final = re.compile(r"track\.([a-z0-9_.]+?)(?:\[(.+)\])?\.(mean|min|max)")
STAGE: Final = re.compile(r"stage\.(.+?)\.((?:queue\.)?(?:p[\d.]+|max)|share)")
_NEAR: Final = 3


@dataclass(frozen=True)
class Metric:
    """A number with a name.

    `unit` is the one in which it is stored and compared, empty where the track says it. `better` is
    `LOWER`, `HIGHER` or None. `series` and `statistic` say what it is taken from where it is a
    statistic of many values; `subject` is the stage, or the track and its line. `compared`: two
    sets of runs are compared on it unless others are named.
    """

    name: str
    unit: str
    better: str | None
    definition: str
    series: str | None = None
    statistic: str | None = None
    subject: str | None = None
    line: str | None = None
    compared: bool = False

    @property
    def of_device(self) -> bool:
        """Whether it says something of the device, whatever its program did."""
        return self.series in ("power", "temperature", "clock", "track")

    @property
    def share(self) -> float | None:
        """The share of values at or below it, where it is a percentile."""
        return SHARES.get(self.statistic or "")


def _statistics(
    series: str, better: str | None, definition: str, *, compared: tuple[str, ...] = ()
) -> list[Metric]:
    """Return the percentiles and the maximum of a series of times."""
    return [
        Metric(
            f"{series}.{name}", "ms", better, f"{name} of {definition}", series, name,
            compared=name in compared,
        )
        for name in (*SHARES, "max")
    ]  # fmt: skip


def _copies(name: str, definition: str, *, compared: bool = False) -> Metric:
    unit = "bytes" if "bytes" in name else "ms" if name.startswith("ms") else "count"
    return Metric(f"copies.{name}", unit, LOWER, definition, compared=compared)


METRICS: Final[tuple[Metric, ...]] = (
    *_statistics(
        "latency", LOWER,
        "response latency, from the scheduled time to the refresh that shows the frame, over all "
        "measured frames; a lost one counts as infinite",
        compared=("p50", "p95", "p99"),
    ),
    *_statistics(
        "rendered_latency", LOWER,
        "response latency over the rendered frames alone, which hides the lost ones",
    ),
    Metric("slack.p99", "ms", HIGHER, "deadline minus latency.p99"),
    Metric("rate", "fps", HIGHER, "unique rendered frames per second of the window",
           compared=True),
    Metric("rate.period", "ms", LOWER,
           "1000 / rate: mean time between unique rendered frames; it is no latency"),
    Metric("frames.on_time", "percent", HIGHER, "share of measured frames shown by the deadline"),
    Metric("frames.missed", "percent", LOWER,
           "share of measured frames with any fate but on time", compared=True),
    Metric("frames.late", "percent", LOWER, "share of measured frames shown after the deadline"),
    Metric("frames.lost", "percent", LOWER, "share of measured frames that were never answered"),
    *_statistics(
        "present.interval", LOWER,
        "time between two unique rendered frames that follow each other", compared=("p99",),
    ),
    *_statistics(
        "pacing.error", LOWER,
        "how far the interval between two rendered frames is from that of their schedule",
        compared=("p95",),
    ),
    Metric("drift", "ms/min", LOWER,
           "slope of latency up to delivery over time (Theil-Sen), from 20 s on"),
    Metric("block_size", "frames", LOWER, "outputs delivered together, of the median output",
           compared=True),
    Metric("speed", "x", HIGHER, "seconds of media made per second of wall time", compared=True),
    Metric("time_to_first_frame", "ms", LOWER,
           "from the first scheduled frame to the first output; without a live input the median "
           "over requests", compared=True),
    Metric("in_flight.mean", "frames", LOWER, "mean number of frames entered and without a fate"),
    Metric("real_time.held", "s", HIGHER,
           "from the start to the first 10 s with no real-time window"),
    Metric("real_time.share", "percent", HIGHER, "share of the time in the regime real-time",
           compared=True),
    *_statistics("request.first", LOWER, "time from a request to its first output"),
    *_statistics("request.duration", LOWER, "time from a request to its last output"),
    Metric("generation.rate", "fps", HIGHER,
           "pictures made per second without a live input: no frame rate of inference"),
    _copies("per_frame", "copies per frame", compared=True),
    _copies("bytes_per_frame", "bytes that copies write per frame, of all four kinds",
            compared=True),
    *(
        _copies(f"{kind}_bytes_per_frame", f"bytes per frame of copies of the kind {kind}")
        for kind in ("memcpy", "convert", "transfer", "materialize")
    ),
    _copies("avoidable_bytes_per_frame", "bytes per frame moved again with no change of format"),
    _copies("unattributed_bytes_per_frame", "bytes per frame of copies that belong to no stage"),
    _copies("ms_per_frame", "time inside copying functions per frame, over all threads"),
    _copies("frame_equivalents", "bytes that copies move for each decoded byte"),
    Metric("power.mean", "watts", LOWER,
           "mean power of the device over the time of the window in which it was read: an external "
           "meter's, else the widest line of its own sensors, never a sum of lines that hold each "
           "other", "power", "mean",
           compared=True),
    Metric("power.max", "watts", LOWER, "highest power of the device read in the window",
           "power", "max"),
    Metric("energy.per_frame", "joules", LOWER,
           "derived: power.mean times the time in which it was read, by the unique frames rendered "
           "in that time (without a live input by the pictures made in it); idle power is in it"),
    Metric("temperature.mean", "celsius", LOWER, "mean temperature in the window",
           "temperature", "mean"),
    Metric("temperature.max", "celsius", LOWER, "highest temperature of any sensor in the window",
           "temperature", "max", compared=True),
    Metric("clock.min", "hertz", HIGHER, "lowest clock of any core in the window", "clock", "min"),
    *(
        replace(each, subject="STAGE", compared=each.statistic == "p50")
        for each in _statistics("stage.STAGE", LOWER, "the stage's service time, waiting excluded")
    ),
    *(
        replace(each, subject="STAGE")
        for each in _statistics(
            "stage.STAGE.queue", LOWER, "the wait in the queue before the stage"
        )
    ),
    Metric("stage.STAGE.share", "percent", None, "the stage's share of the work of all stages",
           subject="STAGE"),
    *(
        Metric(f"track.TRACK.{name}", "", None,
               f"{name} of a collector's track in the window; TRACK[LINE] names one of its lines",
               "track", name, "TRACK")
        for name in TRACK_STATISTICS
    ),
)  # fmt: skip

AMBIGUOUS: Final = frozenset(
    {"frame_time", "frame.time", "per_frame", "ms_per_frame", "frame.ms", "frame_ms", "frametime",
     "time_per_frame", "frame.period", "frame.latency"}
)  # fmt: skip
PER_FRAME: Final = (
    "time per frame is two things: how long a frame takes to be answered (latency.p50, latency.p99)"
    " and how far frames are apart (rate.period = 1000 / rate); a pipeline of depth 8 at 30 fps has"
    " 33 ms between frames and answers 267 ms late"
)
_SYNONYMS: Final = {
    "fps": "rate", "framerate": "rate", "throughput": "rate", "jitter": "present.interval.p99",
    "dropped": "frames.lost", "drops": "frames.lost", "late": "frames.late",
    "missed": "frames.missed", "ttff": "time_to_first_frame", "watts": "power.mean",
    "energy": "energy.per_frame", "joules": "energy.per_frame",
    "power": "power.mean", "temp": "temperature.max", "temperature": "temperature.max",
    "block": "block_size", "xrt": "speed", "realtime": "real_time.share",
}  # fmt: skip


@functools.cache
def _known() -> dict[str, Metric]:
    return {each.name: each for each in METRICS}


def find(name: str) -> Metric:
    """Return the metric of this name; raises `UsageError` with the nearest names for any other."""
    known = _known()
    if name in known and known[name].subject is None:
        return known[name]
    found = _of_track(name) or _of_stage(name)
    if found is not None:
        return found
    if name in AMBIGUOUS:
        raise UsageError(f"{name}: {PER_FRAME}", remedy="name one of the two, or both")
    near = nearest(name)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(
        f"{_shown(name)}: no such metric{hint}", remedy="`liveprobe schema metrics` lists them all"
    )


def _shown(name: str) -> str:
    """Write a name that is none; letters that only look like others stand as their numbers."""
    strange = sorted({f"U+{ord(each):04X}" for each in name if not each.isascii()})
    return (name or "''") + (f" (it has {', '.join(strange)})" if strange else "")


def _of_track(name: str) -> Metric | None:
    match = TRACK.fullmatch(name)
    if match is None or match[1] == "TRACK":
        return None
    return replace(_known()[f"track.TRACK.{match[3]}"], name=name, subject=match[1], line=match[2])


def _of_stage(name: str) -> Metric | None:
    match = STAGE.fullmatch(name)
    family = None if match is None else _known().get(f"stage.STAGE.{match[2]}")
    if match is None or family is None or match[1] == "STAGE":
        return None
    return replace(family, name=name, subject=match[1])


def nearest(name: str) -> list[str]:
    """Return up to three names that the writer of `name` may have meant."""
    lowered = name.strip().lower()
    candidates = [_filled(each.name, lowered) for each in METRICS]
    below = [each for each in candidates if each.startswith(lowered + ".")]
    if len(below) > _NEAR:  # without a statistic: the usual ones
        usual = [each for each in below if each.endswith((".p50", ".p95", ".p99"))]
        below = usual or [each.name for each in METRICS if each.name in below and each.compared]
    meant = [_SYNONYMS[lowered.replace("_", "")]] if lowered.replace("_", "") in _SYNONYMS else []
    leaf = [each for each in candidates if each.rpartition(".")[2] == lowered]
    close = difflib.get_close_matches(lowered, candidates, n=_NEAR, cutoff=0.6)
    return list(dict.fromkeys([*meant, *below, *close, *leaf]))[:_NEAR]


def _filled(name: str, given: str) -> str:
    """Put the stage that was given into the name of a family."""
    parts = given.split(".")
    subject = parts[1] if len(parts) > 1 and parts[0] == "stage" and parts[1] else "infer"
    return name.replace("STAGE", subject)
