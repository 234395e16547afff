from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from probe import sampling as sampling_module
from probe import spent, tool
from probe.errors import NoData, OtherDevice, SwitchedOff
from probe.model import Device, Launch, Notice, Sample, Source, Track
from probe.sampling import Sampling

CALLS: list[str] = []
BURNING = [sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.05: pass"]


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


class AtHome(Steady):
    name = "at-home"

    def start(self, device: Device) -> None:
        raise NoData("/home/eve/.venv/bin/x: no such tool", remedy="see '/home/eve/x'")


def test_no_home_folder_is_in_what_a_collector_says() -> None:
    sampling = Sampling([AtHome()])
    sampling.start(Device("here"))
    sampling.stop()
    document = sampling.documents()[0]
    assert document["reason"] == "~/.venv/bin/x: no such tool"
    assert document["remedy"] == "see '~/x'"


def test_once_it_is_over_no_further_collector_is_started() -> None:
    sampling = Sampling([Steady(), Absent()])
    CALLS.clear()
    sampling.start(Device("here"), lambda: True)
    sampling.stop()
    assert CALLS == []
    assert {each["outcome"] for each in sampling.documents()} == {"no data"}
    assert {each["reason"] for each in sampling.documents()} == {"the run was over before it began"}


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


def test_a_call_that_took_long_is_a_gap_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    steady = Steady()
    sampling = Sampling([steady])
    sampling.start(Device("here"))
    monkeypatch.setattr(sampling_module, "WAIT_S", 0.0)
    assert steady.thrice.wait(30)
    steady.count = 0
    steady.thrice.clear()
    assert steady.thrice.wait(30)
    monkeypatch.undo()
    sampling.stop()
    assert any("nothing was read meanwhile" in each.text for each in sampling.events)


class Late(Steady):
    name = "late"
    free: ClassVar[threading.Event] = threading.Event()

    def start(self, device: Device) -> None:
        self.free.wait(30)


def test_a_collector_that_starts_late_counts_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling_module, "WAIT_S", 0.05)
    late = Late()
    sampling = Sampling([late])
    sampling.start(Device("here"))
    assert sampling.documents()[0]["outcome"] == "failed"
    monkeypatch.undo()
    Late.free.set()
    assert late.thrice.wait(30)
    sampling.stop()
    document = sampling.documents()[0]
    assert (document["outcome"], document["reason"], document["remedy"]) == ("ok", None, None)
    told = [each.text for each in sampling.events if "start" in each.text]
    assert told == ["late: its start did not return within 0.05 s", "late: started late"]


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
    assert broken["samples"] == 4  # what it gave before it failed counts
    assert fine["outcome"] == "ok"
    crashes = [event for event in sampling.events if "Input/output error" in event.text]
    assert [event.kind for event in crashes] == ["collector"]


class Attached(Steady):
    """Adds a word to the program's environment, and states what it saw."""

    name = "attached"

    def attach(self, launch: Launch) -> dict[str, str]:
        CALLS.append(f"attach {self.name} {launch.command[0]}")
        return {"WORD": str(launch.tapes)}

    def facts(self) -> dict[str, object]:
        CALLS.append(f"facts {self.name}")
        return {"taken": self.count > 0, "of": (1, 2)}


class Named(Attached):
    name = "named"


class Unattachable(Attached):
    name = "unattachable"

    def attach(self, launch: Launch) -> dict[str, str]:
        raise NoData("nothing to attach", remedy="build it")


class Unwanted(Attached):
    name = "unwanted"

    def attach(self, launch: Launch) -> dict[str, str]:
        raise SwitchedOff("copies.mode is off", remedy="switch it on")


class Clumsy(Attached):
    name = "clumsy"

    def attach(self, launch: Launch) -> dict[str, str]:
        raise ValueError("no such path")


class Speechless(Attached):
    name = "speechless"

    def facts(self) -> dict[str, object]:
        return {"set": {1, 2}}


LAUNCH = Launch(("program",), {}, Path("/tapes"), {})


def test_a_collector_inside_the_program_is_attached_started_stopped_and_heard() -> None:
    CALLS.clear()
    sampling = Sampling([Attached(), Steady()])
    assert sampling.attach(LAUNCH) == {"WORD": "/tapes"}
    sampling.start(Device("here", program_pid=7))
    sampling.stop()
    sampling.conclude()
    assert [call for call in CALLS if call.endswith("attached") or "attached " in call] == [
        "attach attached program", "start attached 7", "stop attached", "facts attached",
    ]  # fmt: skip
    sampling.stop()
    sampling.conclude()
    assert CALLS.count("facts attached") == CALLS.count("stop attached") == 1
    attached, steady = sampling.documents()
    assert attached["facts"] == {"taken": True, "of": [1, 2]}
    assert "facts" not in steady


def test_what_cannot_be_attached_is_not_started_and_says_why() -> None:
    CALLS.clear()
    sampling = Sampling([Unattachable(), Unwanted(), Clumsy()])
    assert sampling.attach(LAUNCH) == {}
    sampling.start(Device("here", program_pid=7))
    sampling.stop()
    outcomes = {each["name"]: each for each in sampling.documents()}
    assert {name: each["outcome"] for name, each in outcomes.items()} == {
        "unattachable": "no data", "unwanted": "off", "clumsy": "failed",
    }  # fmt: skip
    assert outcomes["unattachable"]["remedy"] == "build it"
    assert outcomes["unwanted"]["reason"] == "copies.mode is off"
    assert "no such path" in outcomes["clumsy"]["reason"]
    assert [event.text for event in sampling.events] == ["clumsy: ValueError: no such path"]
    assert not [call for call in CALLS if call.startswith(("start", "facts"))]
    assert sorted(CALLS) == ["stop clumsy", "stop unattachable", "stop unwanted"]


def test_what_was_attached_to_a_program_that_never_started_is_stopped() -> None:
    CALLS.clear()
    sampling = Sampling([Attached()])
    sampling.attach(LAUNCH)
    sampling.stop()
    sampling.stop()
    assert CALLS == ["attach attached program", "stop attached"]


class Stuck(Attached):
    name = "stuck"
    free: ClassVar[threading.Event] = threading.Event()

    def stop(self) -> None:
        self.free.wait(30)


def test_a_stop_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling_module, "WAIT_S", 0.05)
    sampling = Sampling([Stuck()])
    sampling.attach(LAUNCH)
    sampling.stop()
    Stuck.free.set()
    document = sampling.documents()[0]
    assert document["outcome"] == "failed"
    assert "its stop did not return" in document["reason"]


def test_facts_that_are_no_json_are_a_failure_of_the_collector_alone() -> None:
    sampling = Sampling([Speechless()])
    sampling.attach(LAUNCH)
    sampling.start(Device("here"))
    sampling.stop()
    sampling.conclude()
    document = sampling.documents()[0]
    assert document["outcome"] == "failed"
    assert "facts" not in document


def test_collectors_read_one_after_another_at_multiples_of_their_periods(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampling = Sampling([Steady(), Attached()])
    _, second = sampling._records
    mine = sampling_module.STAGGER_NS
    beat = 10**10 + mine
    for now, left in [
        (10**10, mine + 10**9),
        (beat, 10**9),
        (beat + 1, 10**9 - 1),
        (beat + 7 * 10**8, 3 * 10**8),
        (beat + 8 * 10**8, 12 * 10**8),
    ]:
        monkeypatch.setattr(time, "monotonic_ns", lambda now=now: now)
        assert sampling._until_beat_ns(second, 10**9) == left


class Cut(Steady):
    """Fails in the middle, with what it put off."""

    name = "cut"

    def sample(self, t_ns: int) -> list[Sample]:
        raise OSError("gone")

    def work_out(self) -> list[Sample]:
        return [Sample("cut.value", "", 1.0, 5)]

    def facts(self) -> dict[str, int]:
        return {"never": 1}


def test_what_was_put_off_before_a_failure_counts() -> None:
    sampling = Sampling([Cut()])
    sampling.start(Device("here"))
    sampling.stop()
    sampling.conclude()
    assert sampling.rows() == [("cut.value", "", 5, 1.0)]
    (document,) = sampling.documents()
    assert (document["outcome"], "facts" in document) == ("failed", False)


class Endless(Steady):
    name = "endless"

    def work_out(self) -> Iterator[Sample]:
        yield Sample("endless.value", "", 1.0, 5)
        raise KeyboardInterrupt


def test_what_was_half_worked_out_does_not_count() -> None:
    sampling = Sampling([Endless()])
    sampling.start(Device("here"))
    sampling.stop()
    before = len(sampling.rows())
    with pytest.raises(KeyboardInterrupt):
        sampling.conclude()
    assert len(sampling.rows()) == before


class Later(Steady):
    """Works out what it read when the program has ended."""

    name = "later"
    tracks = (Track("later.value", "count", "Value"),)

    def sample(self, t_ns: int) -> list[Sample]:
        return []

    def work_out(self) -> Iterator[Sample | Notice]:
        until = time.thread_time_ns() + 20_000_000
        while time.thread_time_ns() < until:
            pass
        yield Sample("later.value", "a", 7.0, 5)
        yield Notice("something was lost", {}, 6)
        yield Sample("later.value", "a", None, 8)
        raise ValueError("cut")


def test_what_is_worked_out_later_counts_and_costs_the_program_nothing() -> None:
    sampling = Sampling([Later()])
    sampling.start(Device("here"))
    sampling.stop()
    assert sampling.rows() == []
    sampling.conclude()
    sampling.conclude()
    assert sampling.rows() == [("later.value", "a", 5, 7.0), ("later.value", "a", 8, None)]
    assert [(event.t_ns, event.text) for event in sampling.events[:2]] == [
        (6, "something was lost"), (8, "later.value a: no value any more"),
    ]  # fmt: skip
    (document,) = sampling.documents()
    assert document["cpu_after_ns"] >= 20_000_000
    assert document["cpu_ns"] < 20_000_000
    assert (document["outcome"], document["reason"]) == ("failed", "ValueError: cut")


class Slow(Attached):
    name = "slow"
    free: ClassVar[threading.Event] = threading.Event()

    def attach(self, launch: Launch) -> dict[str, str]:
        self.free.wait(30)
        return {"WORD": "too late"}


def test_a_collector_that_does_not_attach_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling_module, "ATTACH_WAIT_S", 0.05)
    sampling = Sampling([Slow(), Attached()])
    assert sampling.attach(LAUNCH) == {"WORD": "/tapes"}
    Slow.free.set()
    sampling.stop()
    fine, slow = sampling.documents()
    assert (fine["outcome"], slow["outcome"]) == ("ok", "failed")
    assert "not attached within" in slow["reason"]


def test_once_it_is_over_no_further_collector_is_attached() -> None:
    CALLS.clear()
    sampling = Sampling([Attached(), Named()])
    assert sampling.attach(LAUNCH, lambda: bool(CALLS)) == {"WORD": "/tapes"}
    assert CALLS == ["attach attached program"]


class Once(Steady):
    """Read at the start and at the end alone."""

    name = "once"
    period_ns: ClassVar[int | None] = None  # type: ignore[assignment,misc]


def test_a_source_without_a_period_is_read_at_the_start_and_at_the_end() -> None:
    once, steady = Once(), Steady()
    sampling = Sampling([once, steady])
    sampling.start(Device("here"))
    assert steady.thrice.wait(30)
    sampling.stop()
    assert once.count == 2
    documents = {each["name"]: each for each in sampling.documents()}
    assert documents["once"]["period_ns"] is None


class Asking(Once):
    """Asks a tool that computes for 50 ms, and ends one that computed as long."""

    name = "asking"

    def start(self, device: Device) -> None:
        self.device, self.running = device, subprocess.Popen(BURNING)

    def sample(self, t_ns: int) -> Iterable[Sample]:
        tool.ask(self.device, BURNING, timeout_s=60)
        return ()

    def stop(self) -> None:
        assert spent.wait(self.running, 60)


def test_the_tools_of_a_collector_are_its_cost() -> None:
    sampling = Sampling([Asking(), Once()])
    sampling.start(Device("here"))
    sampling.stop()
    asking, once = sampling.documents()
    assert asking["outcome"] == "ok"
    assert asking["cpu_ns"] >= 3 * 50_000_000
    assert once["cpu_ns"] < 50_000_000


class Telling(Steady):
    """States its own times, and what happened."""

    name = "telling"

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:
        self.count += 1
        value = None if 2 <= self.count <= 3 else 1.0
        yield Sample("telling.value", "a", value, t_ns=self.count)
        yield Sample("telling.slow", "c", value if self.count >= 2 else None, t_ns=self.count)
        yield Sample("telling.sleeping", "d", value, t_ns=self.count, asleep=value is None)
        yield Sample("telling.absent", "b", None)
        if self.count == 2:
            yield Notice("plugged out", {"port": 1}, t_ns=77)
        if self.count >= 5:
            self.thrice.set()


def test_a_source_may_state_its_own_times_and_what_happened() -> None:
    telling = Telling()
    sampling = Sampling([telling])
    sampling.start(Device("here"))
    assert telling.thrice.wait(30)
    sampling.stop()
    times = [t_ns for track, _, t_ns, _ in sampling.rows() if track == "telling.value"]
    assert times == list(range(1, telling.count + 1))
    told = [each for each in sampling.events if each.text == "plugged out"]
    assert [(each.t_ns, each.kind) for each in told] == [(77, "collector")]
    assert told[0].attributes == {"port": 1, "collector": "telling"}


def test_a_source_that_stops_giving_values_and_gives_them_again_is_on_record_once() -> None:
    telling = Telling()
    sampling = Sampling([telling])
    sampling.start(Device("here"))
    assert telling.thrice.wait(30)
    sampling.stop()
    texts = [(each.t_ns, each.text) for each in sampling.events if "value" in each.text]
    assert [each for each in texts if "absent" not in each[1]] == [
        (1, "telling.slow c: no value yet"),
        (2, "telling.value a: no value any more"),
        (4, "telling.value a: values again"),
        (4, "telling.slow c: values now"),
    ]
    assert [text for _, text in texts if "absent" in text] == ["telling.absent b: no value yet"]
    assert sampling.documents()[0]["asleep"] == {"telling.sleeping": 2}, "a state, and no event"


class Several(Steady):
    """Has several sources and found but one."""

    name = "several"

    def lacking(self) -> dict[str, NoData]:
        absent = NoData("no zone", remedy="load it")
        return {"several.power": OtherDevice("not a Pi"), "several.heat": absent}


class Choosing(Steady):
    """Reads one of its tracks from one place of several, and more seldom there."""

    name = "choosing"
    tracks = (
        Track("choosing.rail", "watts", "Rails"),
        Track("choosing.slow", "watts", "Slow", period_ns=5),
        Track("choosing.plain", "watts", "Plain"),
    )

    def sources(self) -> dict[str, Source]:
        return {"choosing.rail": Source("vcgencmd", 10**9), "choosing.slow": Source("/proc/slow")}


def test_where_and_how_often_a_track_was_read_is_on_record() -> None:
    sampling = Sampling([Choosing()])
    sampling.start(Device("here"))
    sampling.stop()
    (document,) = sampling.documents()
    assert [(each["source"], each["period_ns"]) for each in document["tracks"]] == [
        ("vcgencmd", 10**9), ("/proc/slow", 5), (None, 1_000_000),
    ]  # fmt: skip


class Foreign(Steady):
    name = "foreign"

    def start(self, device: Device) -> None:
        raise OtherDevice("no Hailo here")


def test_what_is_for_other_devices_is_told_from_what_is_missing() -> None:
    several = Several()
    sampling = Sampling([several, Foreign()])
    sampling.start(Device("here"))
    assert several.thrice.wait(30)
    sampling.stop()
    foreign, found = sampling.documents()
    assert (foreign["outcome"], foreign["reason"]) == ("other device", "no Hailo here")
    assert found["outcome"] == "ok"
    assert found["lacking"] == {
        "several.power": {"outcome": "other device", "reason": "not a Pi", "remedy": None},
        "several.heat": {"outcome": "no data", "reason": "no zone", "remedy": "load it"},
    }


class Refused(Steady):
    name = "refused"

    def start(self, device: Device) -> None:
        raise PermissionError(13, "Permission denied", "/sys/kernel/debug/load")


def test_a_source_that_may_not_be_read_is_missing_and_not_broken() -> None:
    sampling = Sampling([Refused()])
    sampling.start(Device("here"))
    sampling.stop()
    (document,) = sampling.documents()
    assert document["outcome"] == "no data"
    assert document["reason"] == "/sys/kernel/debug/load: Permission denied"
    assert "as root" in document["remedy"]
    assert sampling.events == []
