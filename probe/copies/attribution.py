"""Which frame and which stage does an event belong to?

An event of a thread that says spans belongs to the innermost span of that thread in which it began;
outside of spans (a queue, a hand-over between stages) to none.

An event of any other thread, a pool's worker, belongs to the call that its library is busy with,
where exactly one thread of the process is inside one of that library's hooked entry points when the
event begins: to the span in which that call began. The library of an event is that of its native
caller (`probe.copies.entry_points`). Where no thread or several are inside, it belongs to none.
Codecs work ahead, beyond their calls and on several frames at once: a codec's worker gets the stage
of the call alone, no frame, and that only while no other codec of the process is open, whose worker
it might be. A scaler's own bytes are those that its library's workers write for it, too: a worker's
copy meanwhile is nested in it, as one of the calling thread is (`nested`).

A Run in which nobody says a span is a black box. Its stages are inferred from the entry point that
a thread, or as above a worker's library, is inside of; its frames by the decoder: an event belongs
to the frame that the busiest codec context of its process gave last or is about to give. Frames
count from 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from probe.copies.entry_points import (
    CODECS,
    LIBRARY_OF_METHOD,
    NO_LIBRARY,
    RECEIVE_FRAME,
    STAGES,
    Calls,
    Inside,
    Lives,
)
from probe.copies.records import groups
from probe.copies.timeline import NONE, Timeline
from probe.tape import NULL, SPAN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from probe.copies.records import Copies, Entries
    from probe.tape import Tape

NOWHERE: Final = -1
_EVER: Final = 2**63 - 1
Thread = tuple[int, int]
"""Process id, thread id."""


class Places(NamedTuple):
    """Where events belong: `stage` numbers `Attribution.stages`, -1 for none; `frame` `NULL`."""

    stage: NDArray[np.int64]
    frame: NDArray[np.int64]


class _Spans(NamedTuple):
    """The spans of one thread, or the calls that stand for them."""

    timeline: Timeline
    lives: Lives
    stage: NDArray[np.int64]
    frame: NDArray[np.int64]

    def at(self, times: NDArray[np.int64]) -> Places:
        """Return what a thread was at."""
        span = self.timeline.at(times)
        outside = span == NONE
        return Places(
            np.where(outside, NOWHERE, self.stage[span]),
            np.where(outside, NULL, self.frame[span]),
        )


class Attribution:
    """Answers for the events of a Run: `own` tapes of the program, `tapes` of the interposer.

    `libraries` has the library of each site's caller (`entry_points.library_of_module`).
    """

    def __init__(
        self,
        own: Sequence[Tape],
        tapes: Sequence[Tape],
        copies: Copies,
        entries: Entries,
        libraries: NDArray[np.int8],
    ) -> None:
        self._threads = [(tape.header.pid, tape.header.tid) for tape in tapes]
        opened = [tape.header.monotonic_ns for tape in tapes]
        self._libraries = np.append(libraries, np.int8(NO_LIBRARY))
        self._calls = Calls(copies, entries)
        self._spans, self.stages = _spans_said(own)
        self.black_box = not self._spans
        self._says = _that_say(self._threads, opened, self._spans)
        self._decoded: Mapping[int, NDArray[np.int64]] = {}
        if self.black_box:
            self.stages = list(dict.fromkeys(STAGES.values()))
            self._spans = self._spans_of_calls()
            self._decoded = _decoded(entries, self._threads)
        self._places = self._places_of_calls()
        self._inside = self._threads_inside(np.arange(len(self._calls.start)))
        self._counting = self._threads_inside(np.flatnonzero(self._calls.counts))
        self._codecs = self._calls.codecs(np.array([pid for pid, _ in self._threads] or [0]))

    def of(
        self, tape: NDArray[np.int32], site: NDArray[np.int32], times: NDArray[np.int64]
    ) -> Places:
        """Return where events belong that began at `times` on the threads of `tape`.

        A tape of -1 is nobody's: it belongs nowhere.
        """
        places = Places(np.full(len(times), NOWHERE), np.full(len(times), NULL))
        for number, rows in groups(tape):
            if number < 0:
                continue
            thread = self._threads[number]
            if thread in self._spans:
                places.stage[rows], places.frame[rows] = self._spans[thread].at(times[rows])
            if number not in self._says:
                left = rows[places.stage[rows] == NOWHERE]
                self._place_workers(thread[0], left, self._libraries[site], times, places)
            if self.black_box:
                places.frame[rows] = self._frame_at(thread[0], times[rows])
        return places

    def _place_workers(
        self,
        pid: int,
        rows: NDArray[np.int64],
        library: NDArray[np.int8],
        times: NDArray[np.int64],
        places: Places,
    ) -> None:
        for number, mine in groups(library[rows]):
            if (pid, number) not in self._inside:
                continue
            chosen = rows[mine]
            if number == CODECS:
                chosen = chosen[self._codecs[pid].count(times[chosen]) == 1]
            call = self._inside[pid, number].only(times[chosen])
            chosen, call = chosen[call >= 0], call[call >= 0]
            places.stage[chosen] = self._places.stage[call]
            places.frame[chosen] = NULL if number == CODECS else self._places.frame[call]

    def nested(self, copies: Copies) -> NDArray[np.bool_]:
        """Mask the copies of workers for an entry point that counts these bytes itself."""
        found = np.zeros(len(copies), dtype=bool)
        library = self._libraries[copies.site]
        for number, rows in groups(copies.tape):
            if number < 0 or number in self._says:
                continue
            pid, _ = self._threads[number]
            for each, mine in groups(library[rows]):
                if (pid, each) in self._counting:
                    chosen = rows[mine]
                    found[chosen] = self._counting[pid, each].count(copies.start[chosen]) > 0
        return found

    def _spans_of_calls(self) -> dict[Thread, _Spans]:
        """Return, for a black box, what its threads are at while inside entry points."""
        stage = self._calls.stages(self.stages)
        known = np.flatnonzero(stage >= 0)
        found = {}
        for number, mine in groups(self._calls.tape[known]):
            rows = known[mine]
            start, end = self._calls.start[rows], self._calls.end[rows]
            nobody = np.full(len(rows), NULL)
            found[self._threads[number]] = _Spans(
                Timeline(start, end), Lives(start, end), stage[rows], nobody
            )
        return found

    def _places_of_calls(self) -> Places:
        """Return where the calls of entry points belong themselves: by the spans they begin in."""
        places = Places(
            np.full(len(self._calls.start), NOWHERE), np.full(len(self._calls.start), NULL)
        )
        for number, rows in groups(self._calls.tape):
            if self._threads[number] in self._spans:
                found = self._spans[self._threads[number]].at(self._calls.start[rows])
                places.stage[rows], places.frame[rows] = found
        return places

    def _threads_inside(self, rows: NDArray[np.int64]) -> dict[tuple[int, int], Inside]:
        """Return who is inside which library, by process and library."""
        pid = np.array([pid for pid, _ in self._threads] or [0])[self._calls.tape[rows]]
        library = LIBRARY_OF_METHOD[self._calls.method[rows]]
        return {
            (process, number): self._calls.chosen(rows[mine][theirs])
            for process, mine in groups(pid)
            for number, theirs in groups(library[mine])
            if number != NO_LIBRARY
        }

    def _frame_at(self, pid: int, times: NDArray[np.int64]) -> NDArray[np.int64]:
        if pid not in self._decoded:
            return np.full(len(times), NULL)
        number = np.searchsorted(self._decoded[pid], times, "right") - 1
        return np.where(number < 0, NULL, number)


def _spans_said(own: Sequence[Tape]) -> tuple[dict[Thread, _Spans], list[str]]:
    """Return the spans of each thread that says any, and the names of their stages."""
    parts: dict[Thread, list[tuple[NDArray[Any], NDArray[np.int64]]]] = {}
    names: dict[str, int] = {}
    for tape in own:
        records = tape.records[tape.records["kind"] == SPAN]
        distinct, where = np.unique(records["name"], return_inverse=True)
        numbers = [
            names.setdefault(tape.names.get(int(each), f"?{each}"), len(names)) for each in distinct
        ]
        if len(records):
            stage = np.array(numbers, dtype=np.int64)[where]
            parts.setdefault((tape.header.pid, tape.header.tid), []).append((records, stage))
    return {thread: _spans(said) for thread, said in parts.items()}, list(names)


def _spans(said: Sequence[tuple[NDArray[Any], NDArray[np.int64]]]) -> _Spans:
    start, end, frame = (
        np.concatenate([records[name].astype(np.int64) for records, _ in said])
        for name in ("t0", "t1", "frame")
    )
    stage = np.concatenate([stage for _, stage in said])
    return _Spans(Timeline(start, end), Lives(start, end), stage, frame)


def _that_say(
    threads: Sequence[Thread], opened: Sequence[int], spans: Mapping[Thread, _Spans]
) -> set[int]:
    """Return the tapes whose thread says spans while it is theirs.

    The number of a thread that has ended may be given to another one, with a tape of its own.
    """
    found = set()
    until: dict[Thread, int] = {}
    for number in sorted(range(len(threads)), key=lambda each: -opened[each]):
        thread = threads[number]
        if thread in spans and spans[thread].lives.any(opened[number], until.get(thread, _EVER)):
            found.add(number)
        until[thread] = opened[number]
    return found


def _decoded(entries: Entries, threads: Sequence[Thread]) -> dict[int, NDArray[np.int64]]:
    """Return when each process began to receive the frames of its busiest codec context."""
    given = entries.rows((entries.method == RECEIVE_FRAME) & (entries.result == 0))
    pid = np.array([pid for pid, _ in threads] or [0])[given.tape]
    found = {}
    for process, rows in groups(pid):
        contexts, where = np.unique(given.handle[rows], return_inverse=True)
        busiest = rows[where == np.argmax(np.bincount(where, minlength=len(contexts)))]
        found[process] = np.sort(given.start[busiest])
    return found
