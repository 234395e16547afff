"""What happened to each frame, as arrays: the rows behind every chart over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe.model import Fate
from reports.charts.stages_named import in_order

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from reports.page.subject import Subject

RENDERED: Final = (Fate.ON_TIME.value, Fate.LATE.value)
FATES: Final = tuple(fate.value for fate in Fate)
MS_NS: Final = 1e6


@dataclass(frozen=True)
class Frames:
    """Every source frame in the order of its schedule, warm-up and drain included.

    Times are seconds from the window's start, durations ms; NaN is not known. `work` is one column
    for each of `stages` and holds the time inside them; `wait` is the time in queues; `display` is
    the wait from the sink to the refresh. `aside` names stages that run beside the response.
    """

    number: NDArray[np.int64]
    t_s: NDArray[np.float64]
    latency_ms: NDArray[np.float64]
    lost: NDArray[np.bool_]
    fate: NDArray[np.int64]
    measured: NDArray[np.bool_]
    stages: tuple[str, ...]
    aside: tuple[str, ...]
    work: NDArray[np.float64]
    wait: NDArray[np.float64]
    display: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.t_s)

    def rows(self, chosen: NDArray[Any]) -> Frames:
        """Return only the chosen frames (a mask or row numbers)."""
        return Frames(
            self.number[chosen],
            self.t_s[chosen],
            self.latency_ms[chosen],
            self.lost[chosen],
            self.fate[chosen],
            self.measured[chosen],
            self.stages,
            self.aside,
            self.work[chosen],
            self.wait[chosen],
            self.display[chosen],
        )

    @property
    def answering(self) -> list[int]:
        """Numbers of the columns of `work` that lie between capture and the answer."""
        return [k for k, name in enumerate(self.stages) if name not in self.aside]


def _floats(column: pd.Series[Any]) -> NDArray[np.float64]:
    return column.to_numpy(dtype="float64", na_value=np.nan)


def frames_of(subject: Subject) -> Frames | None:
    """Return the frames of a Run, or None where no frame has a scheduled time."""
    table = subject.run.table("frames")
    table = table[table["scheduled_ns"].notna() & table["frame"].notna()]
    if not len(table):
        return None
    table = table.sort_values("scheduled_ns", kind="stable")
    number = table["frame"].to_numpy(dtype="int64")
    scheduled = table["scheduled_ns"].to_numpy(dtype="int64")
    rendered = _floats(table["rendered_ns"])
    fate = table["fate"].to_numpy(dtype="object", na_value=Fate.IN_FLIGHT.value)
    codes = np.array([FATES.index(name) if name in FATES else -1 for name in FATES])
    known = dict(zip(FATES, codes, strict=True))
    fates = np.array([known.get(name, -1) for name in fate], dtype=np.int64)
    lost = ~np.isin(fates, [known[name] for name in RENDERED]) | ~np.isfinite(rendered)
    stages, work, wait = _spans(subject, number)
    return Frames(
        number=number,
        t_s=(scheduled - subject.origin_ns) / 1e9,
        latency_ms=np.where(lost, np.nan, (rendered - scheduled) / MS_NS),
        lost=lost,
        fate=fates,
        measured=table["measured"].to_numpy(dtype="bool", na_value=False),
        stages=stages,
        aside=_aside(subject),
        work=work,
        wait=wait,
        display=np.where(lost, np.nan, (rendered - _floats(table["delivered_ns"])) / MS_NS),
    )


def _aside(subject: Subject) -> tuple[str, ...]:
    return ("encode",) if subject.fact("encode", "place") == "beside-render" else ()


def _spans(
    subject: Subject, number: NDArray[np.int64]
) -> tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Add up the spans of each frame: ms in each stage, and ms of waiting before the stages."""
    import pandas as pd

    table = subject.run.table("spans")
    table = table[table["frame"].notna() & table["stage"].notna() & table["end_ns"].notna()]
    codes, found = pd.factorize(table["stage"])
    names = [str(name) for name in found]
    order = in_order(names)
    column = np.array([order.index(name) for name in names], dtype=np.int64)
    sorter = np.argsort(number, kind="stable")
    frame = table["frame"].to_numpy(dtype="int64")
    place = np.searchsorted(number, frame, sorter=sorter)
    row = sorter[np.minimum(place, len(number) - 1)]
    ours = number[row] == frame
    row, codes, table = row[ours], codes[ours], table[ours]
    size = (len(number), len(order))
    work = (_floats(table["end_ns"]) - _floats(table["start_ns"])) / MS_NS
    cell = row * max(size[1], 1) + (column[codes] if len(column) else codes)
    total = np.bincount(cell, weights=work, minlength=size[0] * size[1]).reshape(size)
    seen = np.bincount(cell, minlength=size[0] * size[1]).reshape(size)
    aside = np.isin(codes, [names.index(name) for name in _aside(subject) if name in names])
    queue = np.nan_to_num(_floats(table["queue_ns"]) / MS_NS) * ~aside
    wait = np.bincount(row, weights=queue, minlength=size[0])
    touched = np.bincount(row, minlength=size[0]) > 0
    return tuple(order), np.where(seen > 0, total, np.nan), np.where(touched, wait, np.nan)
