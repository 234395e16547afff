"""Runs collectors beside the program: times each call, fences each failure."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from probe.entry import Entry, outcome_of
from probe.errors import NoData, Unmet
from probe.homes import document_without_homes
from probe.model import (
    Attaching,
    Collector,
    Deferring,
    Device,
    Event,
    Lacking,
    Launch,
    Notice,
    Sample,
    Sourced,
    Stating,
)
from probe.spent import paid_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LOOK_S: Final = 0.05
"""How often it is looked whether a collector's call is still wanted."""
WAIT_S: Final = 3.0
"""A collector that does not return from a call within this is left behind, and said so."""
STAGGER_NS: Final = 37_000_000
"""How long after one collector the next one reads. All at once they cost less, and all of it falls
on one frame: of 30 frames a second that is one in thirty, which p99 shows. It is no multiple of the
time between frames at any common rate."""
LEAST_SHARE: Final = 0.25
"""Of its period must pass between two readings of a collector."""
ATTACH_WAIT_S: Final = 20.0
"""The same before the program starts: a collector may try out there what it will put into it."""


class Sampling:
    """A set of collectors, each on a thread of its own, from `start` to `stop`.

    Those that work inside the program are attached before it starts. Sensitive collectors start
    last and stop first. A reading is stamped with the middle of its call. Rows are (track, label,
    t_ns, value).
    """

    def __init__(self, collectors: Sequence[Collector]) -> None:
        ordered = sorted(collectors, key=lambda collector: (collector.sensitive, collector.name))
        self._records = [Entry(collector) for collector in ordered]
        self._threads: dict[str, threading.Thread] = {}
        self._attached: set[str] = set()
        self._ended: list[Entry] = []
        self._over = {record.collector.name: threading.Event() for record in self._records}
        self.events: list[Event] = []
        self.unmet: list[tuple[str, Unmet]] = []

    @property
    def names(self) -> list[str]:
        """Return the names of the collectors."""
        return [record.collector.name for record in self._records]

    def attach(self, launch: Launch, over: Callable[[], bool] = lambda: False) -> dict[str, str]:
        """Let collectors that work inside the program prepare it, before it starts.

        Returns what to add to the program's environment. One that cannot be there is not started;
        `unmet` has those that the scenario asked for by name. Once it is `over` nobody is waited
        for.
        """
        added: dict[str, str] = {}
        for record in self._records:
            collector = record.collector
            if not isinstance(collector, Attaching) or over():
                continue
            given: dict[str, str] = {}
            unmet: list[Unmet] = []
            self._attached.add(collector.name)
            call = partial(_attach, collector, launch, given, unmet)
            thread = threading.Thread(target=self._fenced, args=(record, call), daemon=True)
            thread.start()
            if not _ended(thread, ATTACH_WAIT_S, over) and not over():
                self._failed(record, f"it was not attached within {ATTACH_WAIT_S:g} s")
            self.unmet += [(collector.name, why) for why in unmet]
            if record.outcome == "ok":
                added |= given
        return added

    def start(self, device: Device, over: Callable[[], bool] = lambda: False) -> None:
        """Start every collector that finds its source, one after another.

        Once it is `over` no further one is started.
        """
        for record in self._records:
            if record.outcome != "ok":  # it could not be attached
                continue
            if over():
                record.outcome, record.reason = "no data", "the run was over before it began"
                continue
            name, begun = record.collector.name, threading.Event()
            thread = threading.Thread(
                target=self._live, args=(record, device, begun), name=name, daemon=True
            )
            self._threads[name] = thread
            thread.start()
            if not begun.wait(WAIT_S):
                self._failed(record, f"its start did not return within {WAIT_S:g} s")

    def stop(self) -> None:
        """Stop every collector; a last reading is taken first. Safe twice.

        Where somebody does not wait for that, all are told that it is over, and nobody waits.
        """
        try:
            self._stop()
        finally:
            for over in self._over.values():
                over.set()

    def _stop(self) -> None:
        for record in reversed(self._records):
            name = record.collector.name
            self._over[name].set()
            thread = self._threads.pop(name, None)
            if thread is None:
                if name in self._attached:  # and never started: the program was not
                    self._attached.discard(name)
                    self._stop_alone(record)
                continue
            self._attached.discard(name)
            thread.join(WAIT_S)
            if thread.is_alive():
                self._failed(record, f"a call did not return within {WAIT_S:g} s")
            else:
                self._ended.append(record)

    def conclude(self) -> None:
        """Let collectors work out what they put off, then say what they have to say; after `stop`.

        This costs the program nothing, and is not counted among what they cost it.
        """
        while self._ended:
            record = self._ended.pop()
            collector = record.collector
            cost = record.cpu_ns, record.wall_ns, record.slowest_ns
            if isinstance(collector, Deferring):
                self._fenced(record, partial(self._work_out, record, collector))
            if isinstance(collector, Stating) and record.outcome == "ok":
                self._fenced(record, partial(_state, record, collector))
            record.after_ns = record.cpu_ns - cost[0]
            record.cpu_ns, record.wall_ns, record.slowest_ns = cost

    def _stop_alone(self, record: Entry) -> None:
        """Stop a collector that has no thread: on one of its own, for that call may hang too."""
        call = partial(self._fenced, record, record.collector.stop)
        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(WAIT_S)
        if thread.is_alive():
            self._failed(record, f"its stop did not return within {WAIT_S:g} s")

    def spill(self, file: Path) -> None:
        """Append the readings since the last call to `file`, one JSON array a line.

        What a killed harness had read is found there, but for what collectors put off. A file that
        takes no more is left as it is.
        """
        lines = []
        for record in self._records:
            fresh = record.rows[record.spilled :]
            record.spilled += len(fresh)
            lines += [json.dumps(row) + "\n" for row in fresh]
        with contextlib.suppress(OSError), file.open("a", encoding="utf-8") as out:
            out.writelines(lines)

    def rows(self) -> list[tuple[str, str, int, float | None]]:
        """Return all readings so far."""
        return [row for record in self._records for row in list(record.rows)]

    def documents(self) -> list[dict[str, Any]]:
        """Return the collectors' entries for run.json, without home folders."""
        return [document_without_homes(record.document()) for record in self._records]

    def _live(self, record: Entry, device: Device, begun: threading.Event) -> None:
        """Start, read and stop one collector, all on its own thread: no call meets another."""
        found = self._fenced(record, partial(_start, record.collector, device))
        if found:
            self._begun_late(record)
        if record.outcome in ("ok", "no data") and isinstance(record.collector, Lacking):
            found &= self._fenced(record, partial(_lack, record, record.collector))
        if found and isinstance(record.collector, Sourced):
            found = self._fenced(record, partial(_place, record, record.collector))
        begun.set()
        if found:
            self._loop(record)
        self._fenced(record, record.collector.stop)

    def _until_beat_ns(self, record: Entry, period_ns: int) -> int:
        """Return how long it is until a collector is to read next.

        All keep to the multiples of their periods of CLOCK_MONOTONIC, one after another.
        """
        mine_ns = self._records.index(record) * STAGGER_NS
        left_ns = period_ns - (time.monotonic_ns() - mine_ns) % period_ns
        return left_ns if left_ns >= LEAST_SHARE * period_ns else left_ns + period_ns

    def _begun_late(self, record: Entry) -> None:
        """Count a collector that was given up before it started: what it reads now is measured."""
        if record.outcome == "failed" and not self._over[record.collector.name].is_set():
            record.outcome, record.reason, record.remedy = "ok", None, None
            self._notice(record, f"{record.collector.name}: started late", {}, time.monotonic_ns())

    def _loop(self, record: Entry) -> None:
        over, period_ns = self._over[record.collector.name], record.collector.period_ns
        while True:
            last = over.is_set()
            if not self._fenced(record, partial(self._sample, record)):
                return
            if last:
                return
            if period_ns is None:
                over.wait()
                continue
            over.wait(self._until_beat_ns(record, period_ns) / 1e9)

    def _sample(self, record: Entry) -> None:
        before = time.monotonic_ns()
        seen: list[Sample | Notice] = []
        record.calls += 1
        try:
            seen.extend(record.collector.sample(before))
        finally:  # what it gave before it failed was measured
            now = time.monotonic_ns()
            self._keep(record, seen, (before + now) // 2)
            if now - before > WAIT_S * 1e9:
                took = f"a call took {(now - before) / 1e9:.1f} s; nothing was read meanwhile"
                self._notice(record, f"{record.collector.name}: {took}", {}, now)

    def _work_out(self, record: Entry, collector: Deferring) -> None:
        now, before = time.monotonic_ns(), len(record.rows)
        try:
            for each in collector.work_out():
                self._keep(record, (each,), now)
        except KeyboardInterrupt:  # a part of them would read as all
            del record.rows[before:]
            raise

    def _keep(self, record: Entry, seen: Sequence[Sample | Notice], middle: int) -> None:
        for each in seen:
            t_ns = middle if each.t_ns is None else each.t_ns
            if isinstance(each, Notice):
                self._notice(record, each.text, each.attributes, t_ns)
            else:
                self._watch(record, each, t_ns)
                record.rows.append((each.track, each.label, t_ns, each.value))

    def _watch(self, record: Entry, reading: Sample, t_ns: int) -> None:
        """Put on record when a source begins to give no value, and when it gives one again."""
        key, name = (reading.track, reading.label), f"{reading.track} {reading.label}".rstrip()
        had = key in record.known
        if reading.asleep:
            record.asleep[reading.track] = record.asleep.get(reading.track, 0) + 1
        elif reading.value is None and key not in record.gone:
            record.gone.add(key)
            self._notice(record, f"{name}: no value {'any more' if had else 'yet'}", {}, t_ns)
        elif reading.value is not None:
            record.known.add(key)
            if key in record.gone:
                record.gone.discard(key)
                self._notice(record, f"{name}: {'values again' if had else 'values now'}", {}, t_ns)

    def _notice(self, record: Entry, text: str, attributes: Mapping[str, Any], t_ns: int) -> None:
        with_owner = {**attributes, "collector": record.collector.name}
        self.events.append(Event(t_ns, "collector", text, with_owner))

    def _fenced(self, record: Entry, call: Callable[[], object]) -> bool:
        """Call into a collector and time it; what it raises becomes its outcome, never ours."""
        before, cpu = time.monotonic_ns(), time.thread_time_ns()
        try:
            with paid_by(record.bill):
                call()
        except NoData as absent:
            record.outcome = outcome_of(absent)
            record.reason = absent.message
            record.remedy = absent.remedy
            return False
        except Exception as error:  # noqa: BLE001 - the one fence around a collector
            self._failed(record, f"{type(error).__name__}: {error}")
            return False
        finally:
            wall = time.monotonic_ns() - before
            record.cpu_ns += time.thread_time_ns() - cpu
            record.wall_ns += wall
            record.slowest_ns = max(record.slowest_ns, wall)
        return True

    def _failed(self, record: Entry, why: str) -> None:
        if record.outcome == "ok":
            record.outcome, record.reason = "failed", why
            record.remedy = "report it with `liveprobe doctor --json`; the run is not affected"
        text = f"{record.collector.name}: {why}"
        self.events.append(Event(time.monotonic_ns(), "collector", text))


def _ended(thread: threading.Thread, seconds: float, over: Callable[[], bool]) -> bool:
    """Wait for the end of a thread, until it is `over`; say whether it came."""
    until = time.monotonic() + seconds
    while thread.is_alive() and not over() and (left_s := until - time.monotonic()) > 0:
        thread.join(min(LOOK_S, left_s))
    return not thread.is_alive()


def _start(collector: Collector, device: Device) -> None:
    """Start a collector; a source that may not be read is a missing one."""
    try:
        collector.start(device)
    except PermissionError as refused:
        raise NoData(
            f"{refused.filename or collector.name}: {refused.strerror}",
            remedy="run liveprobe as root, or as a user who may read it",
        ) from refused


def _lack(record: Entry, collector: Lacking) -> None:
    record.lacking = {
        track: {"outcome": outcome_of(why), "reason": why.message, "remedy": why.remedy}
        for track, why in collector.lacking().items()
    }


def _place(record: Entry, collector: Sourced) -> None:
    record.sources = dict(collector.sources())


def _attach(
    collector: Attaching, launch: Launch, given: dict[str, str], unmet: list[Unmet]
) -> None:
    try:
        given.update(collector.attach(launch))
    except Unmet as absent:
        unmet.append(absent)
        raise


def _state(record: Entry, collector: Stating) -> None:
    record.facts = json.loads(json.dumps(dict(collector.facts()), allow_nan=False))
