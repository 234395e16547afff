"""Runs collectors beside the program: times each call, fences each failure."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from probe.errors import NoData, OtherDevice, SwitchedOff
from probe.model import (
    Attaching,
    Collector,
    Device,
    Event,
    Lacking,
    Launch,
    Notice,
    Sample,
    Stating,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

WAIT_S: Final = 3.0
"""A collector that does not return from a call within this is left behind, and said so."""
ATTACH_WAIT_S: Final = 20.0
"""The same before the program starts: a collector may try out there what it will put into it."""


@dataclass
class _Record:
    """What one collector did: its outcome, its cost, its readings."""

    collector: Collector
    outcome: str = "ok"
    reason: str | None = None
    remedy: str | None = None
    calls: int = 0
    cpu_ns: int = 0
    wall_ns: int = 0
    slowest_ns: int = 0
    spilled: int = 0
    facts: dict[str, Any] | None = None
    lacking: dict[str, dict[str, str | None]] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)
    rows: list[tuple[str, str, int, float | None]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the collector's entry in run.json."""
        collector = self.collector
        document = {
            "name": collector.name,
            "outcome": self.outcome,
            "reason": self.reason,
            "remedy": self.remedy,
            "lacking": self.lacking,
            "samples": len(self.rows),
            "tracks": [dataclasses.asdict(track) for track in collector.tracks],
            "period_ns": collector.period_ns,
            "sensitive": collector.sensitive,
            "calls": self.calls,
            "cpu_ns": self.cpu_ns,
            "wall_ns": self.wall_ns,
            "slowest_ns": self.slowest_ns,
        }
        return document if self.facts is None else {**document, "facts": self.facts}


class Sampling:
    """A set of collectors, each on a thread of its own, from `start` to `stop`.

    Those that work inside the program are attached before it starts. Sensitive collectors start
    last and stop first. A reading is stamped with the middle of its call. Rows are (track, label,
    t_ns, value).
    """

    def __init__(self, collectors: Sequence[Collector]) -> None:
        ordered = sorted(collectors, key=lambda collector: (collector.sensitive, collector.name))
        self._records = [_Record(collector) for collector in ordered]
        self._threads: dict[str, threading.Thread] = {}
        self._attached: set[str] = set()
        self._over = {record.collector.name: threading.Event() for record in self._records}
        self.events: list[Event] = []

    def attach(self, launch: Launch) -> dict[str, str]:
        """Let collectors that work inside the program prepare it, before it starts.

        Returns what to add to the program's environment. One that cannot be there is not started.
        """
        added: dict[str, str] = {}
        for record in self._records:
            collector = record.collector
            if not isinstance(collector, Attaching):
                continue
            given: dict[str, str] = {}
            self._attached.add(collector.name)
            call = partial(_attach, collector, launch, given)
            thread = threading.Thread(target=self._fenced, args=(record, call), daemon=True)
            thread.start()
            thread.join(ATTACH_WAIT_S)
            if thread.is_alive():
                self._failed(record, f"it was not attached within {ATTACH_WAIT_S:g} s")
            if record.outcome == "ok":
                added |= given
        return added

    def start(self, device: Device) -> None:
        """Start every collector that finds its source, one after another."""
        for record in self._records:
            if record.outcome != "ok":  # it could not be attached
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
        """Stop every collector; a last reading is taken first. Safe twice."""
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
            elif isinstance(record.collector, Stating) and record.outcome == "ok":
                self._fenced(record, partial(_state, record, record.collector))

    def _stop_alone(self, record: _Record) -> None:
        """Stop a collector that has no thread: on one of its own, for that call may hang too."""
        call = partial(self._fenced, record, record.collector.stop)
        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(WAIT_S)
        if thread.is_alive():
            self._failed(record, f"its stop did not return within {WAIT_S:g} s")

    def spill(self, file: Path) -> None:
        """Append the readings since the last call to `file`, one JSON array a line.

        What a killed harness had read is found there. A file that takes no more is left as it is.
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
        """Return the collectors' entries for run.json."""
        return [record.document() for record in self._records]

    def _live(self, record: _Record, device: Device, begun: threading.Event) -> None:
        """Start, read and stop one collector, all on its own thread: no call meets another."""
        found = self._fenced(record, partial(_start, record.collector, device))
        if found:
            self._begun_late(record)
        if record.outcome in ("ok", "no data") and isinstance(record.collector, Lacking):
            found &= self._fenced(record, partial(_lack, record, record.collector))
        begun.set()
        if found:
            self._loop(record)
        self._fenced(record, record.collector.stop)

    def _begun_late(self, record: _Record) -> None:
        """Count a collector that was given up before it started: what it reads now is measured."""
        if record.outcome == "failed" and not self._over[record.collector.name].is_set():
            record.outcome, record.reason, record.remedy = "ok", None, None
            self._notice(record, f"{record.collector.name}: started late", {}, time.monotonic_ns())

    def _loop(self, record: _Record) -> None:
        over, period_ns = self._over[record.collector.name], record.collector.period_ns
        due = time.monotonic()
        while True:
            last = over.is_set()
            if not self._fenced(record, partial(self._sample, record)):
                return
            if last:
                return
            if period_ns is None:
                over.wait()
                continue
            due = max(due + period_ns / 1e9, time.monotonic())
            over.wait(due - time.monotonic())

    def _sample(self, record: _Record) -> None:
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

    def _keep(self, record: _Record, seen: Sequence[Sample | Notice], middle: int) -> None:
        for each in seen:
            t_ns = middle if each.t_ns is None else each.t_ns
            if isinstance(each, Notice):
                self._notice(record, each.text, each.attributes, t_ns)
            else:
                self._watch(record, each, t_ns)
                record.rows.append((each.track, each.label, t_ns, each.value))

    def _watch(self, record: _Record, reading: Sample, t_ns: int) -> None:
        """Put on record when a source begins to give no value, and when it gives one again."""
        key = (reading.track, reading.label)
        if (reading.value is None) == (key in record.gone):
            return
        name = f"{reading.track} {reading.label}".rstrip()
        if reading.value is None:
            record.gone.add(key)
            self._notice(record, f"{name}: no value any more", {}, t_ns)
        else:
            record.gone.discard(key)
            self._notice(record, f"{name}: values again", {}, t_ns)

    def _notice(self, record: _Record, text: str, attributes: Mapping[str, Any], t_ns: int) -> None:
        with_owner = {**attributes, "collector": record.collector.name}
        self.events.append(Event(t_ns, "collector", text, with_owner))

    def _fenced(self, record: _Record, call: Callable[[], object]) -> bool:
        """Call into a collector and time it; what it raises becomes its outcome, never ours."""
        before, cpu = time.monotonic_ns(), time.thread_time_ns()
        try:
            call()
        except NoData as absent:
            record.outcome = _outcome(absent)
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

    def _failed(self, record: _Record, why: str) -> None:
        if record.outcome == "ok":
            record.outcome, record.reason = "failed", why
            record.remedy = "report it with `liveprobe doctor --json`; the run is not affected"
        text = f"{record.collector.name}: {why}"
        self.events.append(Event(time.monotonic_ns(), "collector", text))


def _start(collector: Collector, device: Device) -> None:
    """Start a collector; a source that may not be read is a missing one."""
    try:
        collector.start(device)
    except PermissionError as refused:
        raise NoData(
            f"{refused.filename or collector.name}: {refused.strerror}",
            remedy="run liveprobe as root, or as a user who may read it",
        ) from refused


def _outcome(absent: NoData) -> str:
    if isinstance(absent, OtherDevice):
        return "other device"
    return "off" if isinstance(absent, SwitchedOff) else "no data"


def _lack(record: _Record, collector: Lacking) -> None:
    record.lacking = {
        track: {"outcome": _outcome(why), "reason": why.message, "remedy": why.remedy}
        for track, why in collector.lacking().items()
    }


def _attach(collector: Attaching, launch: Launch, given: dict[str, str]) -> None:
    given.update(collector.attach(launch))


def _state(record: _Record, collector: Stating) -> None:
    record.facts = json.loads(json.dumps(dict(collector.facts()), allow_nan=False))
