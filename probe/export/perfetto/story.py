"""What a Run's tables say, as events on tracks: stages, frames, pictures, samples, events."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe.export.perfetto import tracks as tree
from probe.export.perfetto.copies import Copies
from probe.export.perfetto.events import Column, Line, counts
from probe.export.perfetto.waits import TRACK as WAITS
from probe.export.perfetto.waits import taken, unrecorded
from probe.export.perfetto.words import Words
from probe.thread_names import thread_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from probe.export.perfetto.packets import Bytes
    from probe.store import Run

KNOWN_TIMES: Final = ("fate", "delivered", "last span", "captured", "scheduled")
"""When a frame met its fate, as far as it is known: the first of these that is. A frame in flight
has no time of its fate; it stands where it was seen last."""

FOLLOWED: Final = ("frame", "request")
"""What a flow follows from track to track."""


class Story:
    """Collects the packets of a Run; `words` and `tracks` describe them afterwards."""

    def __init__(self, run: Run) -> None:
        manifest = run.manifest
        program = manifest.get("program") or {}
        scenario, device = manifest.get("scenario") or {}, manifest.get("device") or {}
        labels = [f"liveprobe {manifest.get('liveprobe')}", str(device.get("name"))]
        self.run = run
        self.words = Words()
        self.tracks = tree.Tracks(str(scenario.get("name")), program.get("pid"), labels)
        self.bodies: list[Bytes] = []
        self._names = thread_names(run)
        self._identity = "request" if manifest.get("mode") == "generate" else "frame"
        self._pipeline = self.tracks.group("pipeline")

    def tell(self) -> None:
        """Add everything; tracks stand in the order in which a frame meets them."""
        frames = self.run.table("frames")
        self._instants("scheduled", frames, "scheduled_ns", ("frame",))
        self._stages(self.run.table("spans"))
        self._copies()
        self._operators()
        outputs = self.run.table("outputs")
        for column in ("delivered_ns", "presented_ns"):
            columns = ("frame", "request", "output", "repeat")
            self._instants(column.removesuffix("_ns"), outputs, column, columns)
        self._fates(frames)
        self._events(self.run.table("events"))
        samples = self.run.table("samples")
        waits = samples["track"] == WAITS
        self._waits(samples[waits])
        self._samples(samples[~waits])

    def _stages(self, spans: pd.DataFrame) -> None:
        """Add a track for each stage and thread; more where executions of one overlap."""
        known = _forward(spans)
        for label in known["thread"].dropna().unique():
            self.tracks.thread(self._names.of(str(label)))
        threads = known.groupby("stage")["thread"].nunique(dropna=False)
        parts = known.groupby(["stage", "thread"], sort=False, dropna=False)
        for (stage, thread), part in parts:
            alone = threads.get(stage, 2) == 1
            name = str(stage) if alone else f"{stage} ({thread})"
            for some in _lanes(part):
                self._stage(name, str(stage), some)

    def _stage(self, track: str, stage: str, spans: pd.DataFrame) -> None:
        line = Line(self.tracks.line(track, self._pipeline), "stage", self.words)
        said = {self._identity: Column.of(spans["frame"]), "flow": Column.flows(spans["frame"])}
        for name in ("queue_ns", "bytes_in", "bytes_out"):
            said[name] = Column.of(spans[name])
        raised = spans["raised"].fillna(value=False)
        said["raised"] = Column.of(raised.astype("Int64").where(raised))
        self._slices(line, np.full(len(spans), self.words.one("names", stage)), spans, said)

    def _slices(
        self, line: Line, names: NDArray[np.int64], table: pd.DataFrame, said: dict[str, Column]
    ) -> None:
        starts, ends = _numbers(table["start_ns"]), _numbers(table["end_ns"])
        self.bodies.append(line.slices(names, starts, ends, said))

    def _copies(self) -> None:
        """Add copies on the tracks of their threads."""
        threads = {str(label) for label in self.run.table("spans")["thread"].dropna().unique()}
        self.bodies += Copies(self.run, self.words, self.tracks, threads).bodies()

    def _operators(self) -> None:
        """Add the model's operators: those of frames, and those of a pass before the run.

        Those without a frame and an inference are on a clock of their own, as older Runs have them.
        """
        ops = _forward(self.run.table("ops"))
        framed = ops["frame"].notna()
        parts = {
            "operators": ops[framed],
            "operators without a frame": ops[~framed & ops["run"].notna()],
        }
        for track, part in parts.items():
            for some in _lanes(part):
                if some.empty:
                    continue
                line = Line(self.tracks.line(track, self._pipeline), "operator", self.words)
                said = {name: Column.of(some[name]) for name in ("frame", "output_bytes", "run")}
                for name in ("node", "provider", "parent"):
                    said[name] = Column.words(self.words.many("texts", some[name]))
                names = self.words.many("names", some["op"].fillna("operator"))
                self._slices(line, names, some, said)

    def _fates(self, frames: pd.DataFrame) -> None:
        """Add an instant for each frame that has a fate, at the last time that is known of it."""
        when, source = _last_known(frames, self.run.table("spans"))
        known = when.notna() & frames["fate"].notna()
        frames, source, when = frames[known], source[known], when[known]
        if frames.empty:
            return
        line = Line(self.tracks.line("fates", self._pipeline), "fate", self.words)
        said = {"frame": Column.of(frames["frame"]), "flow": Column.flows(frames["frame"])}
        for name, texts in (
            ("stage", frames["fate_stage"]),
            ("reason", frames["fate_reason"]),
            ("time is", source),
        ):
            said[name] = Column.words(self.words.many("texts", texts))
        names = self.words.many("names", frames["fate"])
        self.bodies.append(line.instants(names, _numbers(when), said))

    def _instants(self, name: str, table: pd.DataFrame, column: str, said: tuple[str, ...]) -> None:
        """Add an instant of one name for each row that has a time in `column`."""
        known = table[_are_times(table[column])]
        if known.empty:
            return
        line = Line(self.tracks.line(name, self._pipeline), "frame", self.words)
        names = np.full(len(known), self.words.one("names", name), dtype=np.int64)
        columns = {each: Column.of(known[each]) for each in said}
        columns |= {f"flow of {n}": Column.flows(known[n]) for n in said if n in FOLLOWED}
        self.bodies.append(line.instants(names, _numbers(known[column]), columns))

    def _events(self, events: pd.DataFrame) -> None:
        """Add a track for each kind of event; its text, else its kind, is the name."""
        known = events[_are_times(events["t_ns"])]
        for kind, part in known.groupby("kind", sort=False, dropna=False):
            line = Line(self.tracks.line(f"event: {kind}"), "event", self.words)
            names = part["text"].replace("", None).fillna(str(kind)).astype("string")
            said = {"attributes": Column.words(self.words.many("texts", part["attributes"]))}
            numbers = self.words.many("names", names)
            self.bodies.append(line.instants(numbers, _numbers(part["t_ns"]), said))

    def _waits(self, samples: pd.DataFrame) -> None:
        """Add a slice for each wait for a core, on the track of the thread that waited."""
        others: int | None = None
        gaps = unrecorded(self.run.manifest)
        if len(gaps):
            others = self.tracks.group("waits for a core")
            line = Line(self.tracks.line("not recorded", others), "scheduler", self.words)
            names = np.full(len(gaps), self.words.one("names", "no waits recorded"))
            why = np.full(
                len(gaps), self.words.one("texts", "too many events, or no room for more")
            )
            self._slices(line, names, gaps, {"why": Column.words(why)})
        for thread, waits in taken(samples, self._names):
            uuid = self.tracks.thread(thread)
            if uuid is None:
                others = self.tracks.group("waits for a core") if others is None else others
                uuid = self.tracks.line(thread, others)
            for lane, some in enumerate(_lanes(waits)):
                track = uuid if lane == 0 else self.tracks.line(thread, self._pipeline)
                line = Line(track, "scheduler", self.words)
                who = self.words.many("texts", some["who had it"])
                names = np.full(len(some), self.words.one("names", "waits for a core"))
                self._slices(line, names, some, {"who had it": Column.words(who)})

    def _samples(self, samples: pd.DataFrame) -> None:
        """Add a counter for each line of each other track; a missing value is left out."""
        known = samples[_are_times(samples["t_ns"]) & np.isfinite(_floats(samples["value"]))]
        known = known.sort_values("t_ns", kind="stable")
        declared, groups = tree.units(self.run.manifest), dict[str, int]()
        for (track, label), part in known.groupby(["track", "label"], sort=True, dropna=False):
            owner = str(track).partition(".")[0]
            if owner not in groups:
                groups[owner] = self.tracks.group(f"collector: {owner}")
            name = str(track) if _is_blank(label) else f"{track} {self._names.of(str(label))}"
            unit = "count" if owner == "program" else declared.get(str(track))
            uuid = self.tracks.counter(name, unit, groups[owner])
            self.bodies.append(counts(uuid, _numbers(part["t_ns"]), _floats(part["value"])))


def _forward(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that can be drawn, those that do not end before they begin, by start."""
    forward = (table["end_ns"] >= table["start_ns"]).fillna(value=False).astype(bool)
    return table[_are_times(table["start_ns"]) & forward].sort_values("start_ns", kind="stable")


def _lanes(spans: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Split executions that overlap (they do in asynchronous code) into as few lines as hold them.

    A slice on a Perfetto track can only stand inside or outside another.
    """
    starts, ends = _numbers(spans["start_ns"]), _numbers(spans["end_ns"])
    if len(spans) == 0 or (np.maximum.accumulate(ends)[:-1] <= starts[1:]).all():
        yield spans
        return
    free: list[tuple[int, int]] = []
    lane = np.empty(len(spans), dtype=np.int64)
    for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        lane[row] = heapq.heappop(free)[1] if free and free[0][0] <= start else len(free)
        heapq.heappush(free, (end, int(lane[row])))
    for k in range(len(free)):
        yield spans[lane == k]


def _last_known(frames: pd.DataFrame, spans: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Return the last known time of each frame (Int64, ns) and which time that is."""
    import pandas as pd

    ends = spans.dropna(subset=["frame", "end_ns"]).groupby("frame")["end_ns"].max()
    times = {name: frames.get(f"{name}_ns") for name in KNOWN_TIMES}
    times["last span"] = frames["frame"].map(ends).astype("Int64")
    when = pd.Series(pd.NA, index=frames.index, dtype="Int64")
    source = pd.Series(pd.NA, index=frames.index, dtype="string")
    for name in KNOWN_TIMES:
        found = times[name]
        if found is not None:
            fresh = when.isna() & _are_times(found)
            when, source = when.mask(fresh, found), source.mask(fresh, name)
    return when, source


def _are_times(series: pd.Series[Any]) -> pd.Series[bool]:
    """Say which rows have a time that a clock gives; damaged tapes may hold others."""
    return (series >= 0).fillna(value=False).astype(bool)


def _numbers(series: pd.Series[Any]) -> NDArray[np.int64]:
    return series.to_numpy(dtype=np.int64)


def _floats(series: pd.Series[Any]) -> NDArray[np.float64]:
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _is_blank(label: Any) -> bool:  # noqa: ANN401 - a text or pandas' NA
    return not isinstance(label, str) or not label
