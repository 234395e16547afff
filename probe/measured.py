"""What was measured, as plain arrays: the tables of a Run, each column converted once.

Times are int64 ns of CLOCK_MONOTONIC, `NULL` where there is none. Frames stand in the order of
their schedule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe.fates import period_ns
from probe.model import Fate, Tier
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from numpy.typing import NDArray

    from probe.store import Run

    T = TypeVar("T")
    N = TypeVar("N", bound=np.generic)

FATES: Final = tuple(Fate)
DENSE: Final = 8
"""Numbers are listed by their value while that takes at most so many places a number."""
LARGEST: Final = 2**62
"""So large a number, and `NULL`, may have no room for a neighbour in an int64."""
STANDARD_NS: Final = 600 * 10**9
"""Window of the standard tier: MLPerf's minimum (METHOD: rule 7)."""
WARMUP_NS: Final = 5 * 10**9
"""Warm-up of anything above the quick tier (METHOD: rule 6)."""


@dataclass(frozen=True)
class Frames:
    """Source frames in the order of their schedule; every array has one entry a frame.

    `due_ns` is the scheduled time, or the captured time where the program said no schedule;
    `fate` numbers `FATES`, -1 is none of them.
    """

    number: NDArray[np.int64]
    source_index: NDArray[np.int64]
    pts_ns: NDArray[np.int64]
    due_ns: NDArray[np.int64]
    scheduled_ns: NDArray[np.int64]
    captured_ns: NDArray[np.int64]
    delivered_ns: NDArray[np.int64]
    rendered_ns: NDArray[np.int64]
    fate_ns: NDArray[np.int64]
    fate: NDArray[np.int8]
    measured: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.number)

    @property
    def unfated(self) -> int:
        """Number of frames whose fate is none of `FATES`."""
        return int(np.count_nonzero(self.fate < 0))

    def rows(self, chosen: NDArray[Any]) -> Frames:
        """Return the chosen frames (a mask or row numbers)."""
        return Frames(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    @cached_property
    def answered(self) -> NDArray[np.bool_]:
        """Frames that were rendered in their order, late or not."""
        return locked(self.of(Fate.ON_TIME) | self.of(Fate.LATE))

    @cached_property
    def missed(self) -> NDArray[np.bool_]:
        """Frames with any fate but on time."""
        return locked(~self.of(Fate.ON_TIME))

    @cached_property
    def latency_ns(self) -> NDArray[np.float64]:
        """Response latency from the scheduled time; infinite for a frame that was lost."""
        latency = (self.rendered_ns - self.due_ns).astype(np.float64)
        return locked(np.where(self.answered, latency, np.inf))

    @property
    def of_in_flight(self) -> NDArray[np.bool_]:
        """Frames without a fate."""
        return self.of(Fate.IN_FLIGHT)

    def of(self, fate: Fate) -> NDArray[np.bool_]:
        """Return the mask of the frames with this fate."""
        return np.equal(self.fate, FATES.index(fate))

    @cached_property
    def period_ns(self) -> float | None:
        """Distance of two scheduled frames; None where fewer than two times are known."""
        return period_ns(self.due_ns)


@dataclass(frozen=True)
class Spans:
    """Executions of stages; `stage` numbers `stages`, which stand in order of first use."""

    stages: tuple[str, ...]
    stage: NDArray[np.integer[Any]]
    frame: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    queue_ns: NDArray[np.int64]

    def rows(self, chosen: NDArray[Any]) -> Spans:
        """Return the chosen executions (a mask or row numbers)."""
        columns = (self.stage, self.frame, self.start_ns, self.end_ns, self.queue_ns)
        return Spans(self.stages, *(column[chosen] for column in columns))


@dataclass(frozen=True)
class Outputs:
    """Output pictures in the order of delivery."""

    frame: NDArray[np.int64]
    request: NDArray[np.int64]
    delivered_ns: NDArray[np.int64]
    presented_ns: NDArray[np.int64]
    measured: NDArray[np.bool_]

    def rows(self, chosen: NDArray[Any]) -> Outputs:
        """Return the chosen outputs (a mask or row numbers)."""
        return Outputs(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class Window:
    """The measured window; `first_ns` is the first scheduled frame or request."""

    first_ns: int
    start_ns: int
    end_ns: int
    warmup_ns: int
    drain_ns: int

    @property
    def length_ns(self) -> int:
        """Length of the window."""
        return self.end_ns - self.start_ns


def integers(column: pd.Series[Any]) -> NDArray[np.int64]:
    """Return a nullable integer column as int64, `NULL` where it is null."""
    return column.to_numpy(dtype=np.int64, na_value=NULL)


def flags(column: pd.Series[Any]) -> NDArray[np.bool_]:
    """Return a nullable boolean column as bool, False where it is null."""
    return column.to_numpy(dtype=np.bool_, na_value=False)


def frames_of(run: Run) -> Frames:
    """Return the frames of a Run that have a time to be judged by."""
    return run.view(_frames)


def _frames(run: Run) -> Frames:
    columns = {
        name: integers(run.column("frames", name))
        for name in (
            "frame", "source_index", "pts_ns",
            "scheduled_ns", "captured_ns", "delivered_ns", "rendered_ns", "fate_ns",
        )
    }  # fmt: skip
    scheduled, captured = columns["scheduled_ns"], columns["captured_ns"]
    due = np.where(scheduled == NULL, captured, scheduled)
    fate = run.column("frames", "fate")
    fates = pd.Categorical(fate.where(fate.isin(FATES)), categories=list(FATES)).codes
    frames = Frames(
        columns["frame"],
        columns["source_index"],
        columns["pts_ns"],
        due,
        scheduled,
        captured,
        columns["delivered_ns"],
        columns["rendered_ns"],
        np.where(columns["rendered_ns"] == NULL, columns["fate_ns"], columns["rendered_ns"]),
        fates.astype(np.int8),
        flags(run.column("frames", "measured")),
    )
    order = np.argsort(due, kind="stable")
    return _shared(frames.rows(order[(due != NULL)[order]]))


def measured_frames_of(run: Run) -> Frames:
    """Return the measured frames of a Run: those scheduled inside the window."""
    return run.view(_measured_frames)


def _measured_frames(run: Run) -> Frames:
    every = frames_of(run)
    return _shared(every.rows(every.measured))


def spans_of(run: Run) -> Spans:
    """Return the finished stage executions of a Run."""
    return run.view(_spans)


def _spans(run: Run) -> Spans:
    codes, found = pd.factorize(run.column("spans", "stage"))
    spans = Spans(
        tuple(str(name) for name in found),
        codes.astype(np.int16 if len(found) <= np.iinfo(np.int16).max else np.int64),
        integers(run.column("spans", "frame")),
        integers(run.column("spans", "start_ns")),
        integers(run.column("spans", "end_ns")),
        integers(run.column("spans", "queue_ns")),
    )
    whole = (spans.stage >= 0) & (spans.start_ns != NULL) & (spans.end_ns != NULL)
    return _shared(spans if whole.all() else spans.rows(whole))


def measured_spans_of(run: Run) -> Spans:
    """Return the finished stage executions for the measured frames."""
    spans, mine = spans_of(run), run.view(_of_measured_frames)
    return spans if mine.all() else spans.rows(mine)


def _of_measured_frames(run: Run) -> NDArray[np.bool_]:
    return locked(among(spans_of(run).frame, measured_frames_of(run).number))


def among(values: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mask the values that are among the chosen numbers."""
    return places(chosen, values) >= 0


def places(numbers: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each wanted number stands first among `numbers`, -1 where it does not.

    Numbers of frames lie close to each other: then a list of places is looked into, else the sorted
    numbers are searched.
    """
    if not len(numbers):
        return np.full(len(wanted), -1, dtype=np.int64)
    low, high = int(numbers.min()), int(numbers.max())
    if high - low > DENSE * len(numbers) or max(-low, high) >= LARGEST:
        order = np.argsort(numbers, kind="stable")
        place = np.searchsorted(numbers, wanted, sorter=order)
        row = order[np.minimum(place, len(order) - 1)]
        return np.where(numbers[row] == wanted, row, -1)
    listed = np.full(high - low + 3, -1, dtype=np.int64)  # an end on either side for all others
    listed[numbers[::-1] - low + 1] = np.arange(len(numbers))[::-1]  # of equal ones, the first
    found: NDArray[np.int64] = listed[np.clip(wanted, low - 1, high + 1) - (low - 1)]
    return found


def outputs_of(run: Run) -> Outputs:
    """Return the outputs of a Run that were delivered."""
    return run.view(_outputs)


def _outputs(run: Run) -> Outputs:
    frame, request, delivered, presented = (
        integers(run.column("outputs", name))
        for name in ("frame", "request", "delivered_ns", "presented_ns")
    )
    shown = flags(run.column("outputs", "measured"))
    outputs = Outputs(frame, request, delivered, presented, shown)
    order = np.argsort(outputs.delivered_ns, kind="stable")
    return _shared(outputs.rows(order[(outputs.delivered_ns != NULL)[order]]))


def _shared(columns: T) -> T:
    """Lock columns that several audits look at: none may change what the next one sees."""
    for column in vars(columns).values():
        if isinstance(column, np.ndarray):
            locked(column)
    return columns


def locked(array: NDArray[N]) -> NDArray[N]:
    """Return an array that is computed once and looked at by several; nobody may change it."""
    array.setflags(write=False)
    return array


def window_of(manifest: Mapping[str, Any]) -> Window | None:
    """Return the measured window; None where nothing was released and nothing asked."""
    found = manifest.get("window")
    if not found:
        return None
    return Window(*(int(found[name]) for name in Window.__dataclass_fields__))


def deadline_ns(manifest: Mapping[str, Any]) -> int:
    """Return the deadline of a response."""
    return int(manifest["deadline_ns"])


def tier_of(manifest: Mapping[str, Any]) -> Tier:
    """Return the tier that a single run reaches: standard from 600 s on with a full warm-up.

    One run is never certified: that takes a soak and five runs of five (METHOD: rule 7).
    """
    window = window_of(manifest)
    if window is None or window.length_ns < STANDARD_NS or window.warmup_ns < WARMUP_NS:
        return Tier.QUICK
    return Tier.STANDARD


def live_window(manifest: Mapping[str, Any], frames: Frames) -> Window | None:
    """Return the part of the window in which a source gave frames; None without a window.

    A source that ended by itself before the window did is judged up to its end. A program that hung
    or died is not: its silence is its own.
    """
    window = window_of(manifest)
    period = frames.period_ns
    ended = (manifest.get("program") or {}).get("outcome") in ("ended", "stopped")
    if window is None or period is None or not ended:
        return window
    last = int(frames.due_ns[-1] + round(period))
    return replace(window, end_ns=max(window.start_ns, min(window.end_ns, last)))
