from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import pytest

from probe import sampling as sampling_module
from probe.errors import NoData
from probe.model import Device, Sample, Track
from probe.sampling import Sampling

CALLS: list[str] = []


class Steady:
    """Reads a counter and says each time when a third reading was taken."""

    name = "steady"
    tracks = (Track("steady.count", "1", "count"),)
    period_ns = 1_000_000
    sensitive = False
    thrice: ClassVar[threading.Event]

    def __init__(self) -> None:
        self.count = 0
        self.thrice = threading.Event()  # type: ignore[misc]

    def start(self, device: Device) -> None:
        CALLS.append(f"start {self.name} {device.program_pid}")

    def sample(self, t_ns: int) -> Iterable[Sample]:
        assert t_ns > 0
        self.count += 1
        if self.count >= 3:
            self.thrice.set()
        yield Sample("steady.count", "a", float(self.count))
        yield Sample("steady.count", "b", None)

    def stop(self) -> None:
        CALLS.append(f"stop {self.name}")


class Sensitive(Steady):
    name = "a-sensitive"
    sensitive = True


class Absent(Steady):
    name = "absent"

    def start(self, device: Device) -> None:
        raise NoData(f"{device.path('/sys/nothing')}: no such sensor", remedy="plug one in")


class Breaking(Steady):
    name = "breaking"

    def sample(self, t_ns: int) -> Iterable[Sample]:
        yield from super().sample(t_ns)
        if self.count == 2:
            raise OSError(5, "Input/output error")


def test_readings_are_taken_until_the_stop() -> None:
    steady = Steady()
    sampling = Sampling([steady])
    sampling.start(Device("here"))
    assert steady.thrice.wait(30)
    sampling.stop()
    taken = steady.count
    rows = sampling.rows()
    assert [value for _, label, _, value in rows if label == "a"] == list(range(1, taken + 1))
    assert all(value is None for _, label, _, value in rows if label == "b")
    times = [t_ns for _, label, t_ns, _ in rows if label == "a"]
    assert times == sorted(times)
    document = sampling.documents()[0]
    assert (document["outcome"], document["calls"]) == ("ok", taken)
    assert document["wall_ns"] >= document["slowest_ns"] > 0


def test_sensitive_collectors_start_last_and_stop_first() -> None:
    CALLS.clear()
    sampling = Sampling([Sensitive(), Steady()])
    sampling.start(Device("here", program_pid=7))
    sampling.stop()
    assert CALLS == ["start steady 7", "start a-sensitive 7", "stop a-sensitive", "stop steady"]
    sampling.stop()


def test_a_missing_source_is_data_not_a_failure() -> None:
    sampling = Sampling([Absent()])
    sampling.start(Device("here"))
    sampling.stop()
    document = sampling.documents()[0]
    assert document["outcome"] == "no data"
    assert document["reason"] == "/sys/nothing: no such sensor"
    assert document["remedy"] == "plug one in"
    assert sampling.rows() == []


def test_what_was_read_can_be_spilled_as_it_comes(tmp_path: Path) -> None:
    steady, file = Steady(), tmp_path / "samples.jsonl"
    sampling = Sampling([steady])
    sampling.start(Device("here"))
    assert steady.thrice.wait(30)
    sampling.spill(file)
    sampling.stop()
    sampling.spill(file)
    sampling.spill(tmp_path / "no folder" / "samples.jsonl")
    spilled = [tuple(json.loads(line)) for line in file.read_text().splitlines()]
    assert spilled == sampling.rows()


class Blocking(Steady):
    name = "blocking"
    free: ClassVar[threading.Event] = threading.Event()

    def start(self, device: Device) -> None:
        self.free.wait(30)


def test_a_collector_that_does_not_start_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling_module, "WAIT_S", 0.05)
    steady = Steady()
    sampling = Sampling([Blocking(), steady])
    sampling.start(Device("here"))
    assert steady.thrice.wait(30)
    thread = sampling._threads["blocking"]
    sampling.stop()
    Blocking.free.set()
    thread.join(30)
    blocked, fine = sampling.documents()
    assert blocked["outcome"] == "failed"
    assert "did not return" in blocked["reason"]
    assert fine["outcome"] == "ok"


def test_a_crash_ends_the_collector_and_nothing_else() -> None:
    steady, breaking = Steady(), Breaking()
    sampling = Sampling([breaking, steady])
    sampling.start(Device("here"))
    assert steady.thrice.wait(30)
    sampling._threads["breaking"].join(30)
    sampling.stop()
    broken, fine = sampling.documents()
    assert broken["outcome"] == "failed"
    assert "Input/output error" in broken["reason"]
    assert broken["samples"] == 2
    assert fine["outcome"] == "ok"
    assert [event.kind for event in sampling.events] == ["collector"]
