"""When was a profile's inference on the run's clock, and of which frame?

A profile counts from its own begin, which is a time of CLOCK_REALTIME. Both clocks were read
together at the start and at the end of the run; how far the two pairs disagree is the part of the
error that a step or a slew of the wall clock makes, and it is stated.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from probe.operators.profile import Inference

STAMP: Final = re.compile(r"_(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)_(\d{1,3})\.json$")
"""How ONNX Runtime ends the name of a profile: when it began, in local time, to the ms."""
QUARTER_NS: Final = 15 * 60 * 10**9
"""Local times differ from UTC by multiples of this."""
STAMP_NS: Final = 10 * 10**6
"""How far a begin may be from what its file's name says, which is cut to the ms and made before it
(measured: 0.2 to 2.6 ms before, on a busy machine)."""
STATED_NS: Final = 100_000
"""The same of what the session tells (measured: 5 to 37 us, facts of devices)."""
ROUNDED_NS: Final = 2_000
"""A profile counts in us, and begins and lengths are rounded each for itself."""
INFER: Final = "infer"


@dataclass(frozen=True)
class Clock:
    """When a profile began, in CLOCK_MONOTONIC ns; None where nobody says.

    `known_by`: stated (by the session), name (of the file) or spans (the inferences lie in those of
    the program, so it cannot be elsewhere). `error_ns` is how far off it may be. `disagreement_ns`
    is by how much the wall clock moved against ours during the run.
    """

    began_ns: int | None
    known_by: str | None
    error_ns: int | None
    disagreement_ns: int | None

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


NOWHERE: Final = Clock(None, None, None, None)


def clock(began_wall_ns: int | None, pairs: Sequence[Sequence[int]], known_by: str) -> Clock:
    """Return when a profile began that began at a wall time.

    `pairs` are (CLOCK_MONOTONIC, CLOCK_REALTIME), each read together, earliest first.
    """
    good = [
        (int(pair[0]), int(pair[1]))
        for pair in pairs
        if len(pair) == 2 and all(_is_time(each) for each in pair)  # noqa: PLR2004 - two clocks
    ]
    if began_wall_ns is None or not good:
        return NOWHERE
    offsets = [own - wall for own, wall in good]
    moved = max(offsets) - min(offsets)
    error = (STAMP_NS if known_by == "name" else STATED_NS) + moved
    nearest = min(range(len(good)), key=lambda k: abs(good[k][1] - began_wall_ns))
    return Clock(began_wall_ns + offsets[nearest], known_by, error, moved)


def began_by_name(file: Path, pairs: Sequence[Sequence[int]]) -> int | None:
    """Return the wall time of a profile's begin by its name; None if it is not of this run.

    The name is in local time, so that of all zones is taken which falls into the run.
    """
    found = STAMP.search(file.name)
    good = [pair for pair in pairs if len(pair) == 2 and all(_is_time(each) for each in pair)]  # noqa: PLR2004
    if found is None or not good:
        return None
    try:
        read = datetime.strptime(found[1], "%Y-%m-%d_%H-%M-%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    local = int(read.timestamp()) * 10**9 + int(found[2]) * 10**6
    first, last = good[0][1], good[-1][1]
    zone = round((local - first) / QUARTER_NS)
    for quarters in (zone, zone - 1, zone + 1):
        began = local - quarters * QUARTER_NS
        if first - STAMP_NS <= began <= last + STAMP_NS:
            return began
    return None


def frames(
    began: Clock, inferences: Sequence[Inference], spans: pd.DataFrame
) -> tuple[Clock, NDArray[np.int64]]:
    """Return a better clock, where the spans bound it, and the frame of each inference or `NULL`.

    An inference is of the frame whose stage "infer" (of a program that has none: whose shortest
    stage) it lies in, on its own thread where the program tells threads. Within its error the clock
    is moved to where most inferences lie in a span; where two such places are, nobody knows.
    """
    found = np.full(len(inferences), NULL)
    if began.began_ns is None or not inferences or not len(spans):
        return began, found
    around, error = _Spans(spans), began.error_ns or 0
    fits = [
        fit
        for number, each in enumerate(inferences)
        for fit in around.fits(number, each, began.began_ns, error)
    ]
    place = _most(fits)
    if place is None:
        return began, found
    shift = (place[0] + place[1]) // 2
    for fit in sorted(fits, key=lambda fit: -fit.length):  # the shortest is the last, and stays
        if fit.low <= shift <= fit.high:
            found[fit.inference] = fit.frame
    if place[1] - place[0] < 2 * error:
        half = (place[1] - place[0] + 1) // 2
        began = Clock(began.began_ns + shift, "spans", half, began.disagreement_ns)
    return began, found


class _Fit(NamedTuple):
    """By how much a clock may be moved, from `low` to `high`, for an inference to lie in a span."""

    low: int
    high: int
    inference: int
    frame: int
    length: int


def _most(fits: Sequence[_Fit]) -> tuple[int, int] | None:
    """Return the one stretch of shifts in which most inferences fit; None for none or several."""
    ends = sorted(
        end for low, high in _merged(fits) for end in ((low, 0, 1), (high, 1, -1))
    )  # where one ends and another begins both fit
    most, count, places = 0, 0, list[tuple[int, int]]()
    for number, (at, _, change) in enumerate(ends):
        count += change
        if change > 0 and count >= most:
            upper = ends[number + 1][0]
            places = [*places, (at, upper)] if count == most else [(at, upper)]
            most = count
    return places[0] if len(places) == 1 else None


def _merged(fits: Sequence[_Fit]) -> Iterator[tuple[int, int]]:
    """Yield the stretches of each inference, those that overlap as one."""
    last: tuple[int, int, int] | None = None
    for fit in sorted(fits, key=lambda fit: (fit.inference, fit.low)):
        if last is not None and last[0] == fit.inference and fit.low <= last[2]:
            last = (last[0], last[1], max(last[2], fit.high))
            continue
        if last is not None:
            yield last[1:]
        last = (fit.inference, fit.low, fit.high)
    if last is not None:
        yield last[1:]


class _Spans:
    """The spans in which inferences may lie, by start."""

    def __init__(self, spans: pd.DataFrame) -> None:
        known = spans.dropna(subset=["start_ns", "end_ns"])
        own = known[known["stage"] == INFER]
        known = (own if len(own) else known).sort_values("start_ns", kind="stable")
        self.start, self.end, self.frame = (
            known[name].to_numpy(dtype=np.int64, na_value=NULL)
            for name in ("start_ns", "end_ns", "frame")
        )
        labels = known["thread"].fillna("").astype(str)
        self.tid = np.array([_tid(label) for label in labels], dtype=np.int64)
        self._longest = int((self.end - self.start).max()) if len(known) else 0

    def fits(
        self, number: int, inference: Inference, began_ns: int, error_ns: int
    ) -> Iterator[_Fit]:
        """Yield the spans in which an inference may lie, by a clock that is off by so much."""
        start, end = began_ns + inference.start_ns, began_ns + inference.end_ns
        room = error_ns + ROUNDED_NS
        first = int(np.searchsorted(self.start, start - self._longest - room))
        last = int(np.searchsorted(self.start, start + room, side="right"))
        rows = np.arange(first, last)
        if inference.tid is not None:
            mine = rows[self.tid[rows] == inference.tid]
            rows = mine if len(mine) else rows[self.tid[rows] == NULL]
        for row in rows.tolist():
            low = max(int(self.start[row]) - start - ROUNDED_NS, -error_ns)
            high = min(int(self.end[row]) - end + ROUNDED_NS, error_ns)
            if low <= high:
                length = int(self.end[row] - self.start[row])
                yield _Fit(low, high, number, int(self.frame[row]), length)


def _tid(label: str) -> int:
    number = label.rpartition(":")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 12 else NULL  # noqa: PLR2004


def _is_time(value: Any) -> bool:  # noqa: ANN401 - JSON
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**62


def clock_pairs(manifest: Mapping[str, Any]) -> list[list[int]]:
    """Return the pairs of clocks that the harness read at the start and at the end of a run."""
    said = manifest.get("clocks") or {}
    pairs: list[list[Any]] = [
        [said.get(f"{when}_monotonic_ns"), said.get(f"{when}_wall_ns")] for when in ("start", "end")
    ]
    return [pair for pair in pairs if all(_is_time(each) for each in pair)]
