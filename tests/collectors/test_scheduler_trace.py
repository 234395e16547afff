from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from collectors import scheduler_trace
from collectors.scheduler_trace import DROPPED, OVERRUN, SchedulerTrace, kept, losses
from collectors.scheduler_trace import waits as pairing
from collectors.scheduler_trace.ring import Gap, Switch, Waking
from collectors.scheduler_trace.waits import Waits
from probe.errors import NoData
from probe.model import Device, Notice, Sample

HERE = next((place for place in map(Path, scheduler_trace.PLACES) if (place / "instances").is_dir()
             and os.access(place / "instances", os.W_OK)), None)  # fmt: skip
needs_tracefs = pytest.mark.skipif(HERE is None, reason="needs root and a mounted tracefs")
START_NS = 100_000_000_000
WAKE = Waking(START_NS + 10_000, 50, 7)
GAIN = Switch(START_NS + 30_000, b"swapper/1", 0, 0, b"infer", 7)
LOSE = Switch(START_NS + 500_000, b"infer", 7, 0x100, b"kworker/0:1", 9)
BACK = Switch(START_NS + 2_500_000, b"kworker/0:1", 9, 1, b"infer", 7)
SLEEP = LOSE._replace(state=1)
RUNS = Waking(START_NS + 10_000, 7, 8)
LATE_WAKE = WAKE._replace(t_ns=GAIN.t_ns + 100_000)
RUNS_ON = RUNS._replace(t_ns=LATE_WAKE.t_ns + 5_000)
LOST = Gap(START_NS + 20_000, 21)
FIGHT = """
import os, sys, threading
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
def spin():
    while True: pass
threading.Thread(target=spin, daemon=True).start()
threading.Thread(target=spin, daemon=True).start()
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def fighter() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", FIGHT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def waits(*events: Switch | Waking | Gap) -> list[tuple[str, float | None, int | None]]:
    found = Waits().after(events, {7})
    return [(each.label, each.value, each.t_ns) for each in found if isinstance(each, Sample)]


def test_a_wait_goes_from_the_waking_to_the_run() -> None:
    assert waits(WAKE, GAIN) == [("infer:7 < idle", pytest.approx(20e-6), START_NS + 30_000)]


def test_who_took_the_core_is_named() -> None:
    assert list(Waits().after([LOSE, BACK], {7, 9})) == [
        Sample(
            "scheduler_trace.wait", "infer:7 < kworker/0:1:9", pytest.approx(2e-3), BACK.t_ns
        )
    ]  # fmt: skip


def test_another_program_is_named_without_its_number() -> None:
    assert waits(LOSE, BACK) == [("infer:7 < kworker/0", pytest.approx(2e-3), BACK.t_ns)]
    assert waits(WAKE, BACK)[0][0] == "infer:7 < kworker/0"


def test_the_harness_is_told_from_other_programs() -> None:
    (found,) = Waits().after([LOSE, BACK], {7}, harness={9})
    assert isinstance(found, Sample)
    assert found.label == "infer:7 < liveprobe"
    (its_own,) = Waits().after([LOSE, BACK], {7, 9}, harness={7, 9})
    assert isinstance(its_own, Sample)
    assert its_own.label == "infer:7 < kworker/0:1:9"


def test_a_thread_waits_whatever_mark_the_kernel_sets_on_one_that_lost_its_core() -> None:
    for state in (0, 0x100, 0x800, 0x1000):
        assert waits(LOSE._replace(state=state), BACK) == waits(LOSE, BACK)


def test_lost_events_end_every_wait() -> None:
    found = list(Waits().after([WAKE, LOST, GAIN], {7}))
    assert found == [Notice("events of the scheduler were lost", {"events": 21})]
    unknown = list(Waits().after([Gap(START_NS, None)], {7}))
    assert unknown == [Notice("events of the scheduler were lost", {"events": None})]


@pytest.mark.parametrize(
    ("events", "without_end", "without_begin"),
    [
        ((WAKE, GAIN, SLEEP, WAKE, GAIN), 0, 0),
        ((WAKE, SLEEP, WAKE, GAIN), 1, 0),
        ((LOSE, SLEEP), 1, 0),
        ((WAKE, RUNS), 1, 0),
        ((WAKE, WAKE, GAIN), 1, 0),
        ((LOSE, WAKE), 1, 0),
        ((WAKE, LOST), 1, 0),
        ((SLEEP, LOST, GAIN), 0, 0),
        ((SLEEP, BACK), 0, 1),
        ((SLEEP, SLEEP), 0, 1),
        ((SLEEP, RUNS), 0, 1),
        ((SLEEP._replace(state=0x20), BACK), 0, 0),
        ((GAIN, BACK), 0, 0),
        ((BACK, LOSE, GAIN), 1, 0),
        ((GAIN, LATE_WAKE, RUNS_ON, SLEEP), 0, 0),
        ((GAIN, LATE_WAKE, BACK), 0, 1),
    ],
)
def test_waits_of_which_the_kernel_leaves_an_end_out_are_counted(
    events: tuple[Switch | Waking | Gap, ...], without_end: int, without_begin: int
) -> None:
    paired = Waits()
    assert all((each.value or 0) >= 0 for each in paired.after(events, {7})
               if isinstance(each, Sample))  # fmt: skip
    assert (paired.without_end, paired.without_begin) == (without_end, without_begin)


def test_losses_are_added_up_over_the_cores(tmp_path: Path) -> None:
    for core, text in enumerate([
        "entries: 4\noverrun: 30\ncommit overrun: 2\nbytes: 9\ndropped events: 0\n",
        "entries: 4\noverrun: 12\ncommit overrun: 0\ndropped events: 5\nread events: 7\n",
    ]):  # fmt: skip
        (tmp_path / "per_cpu" / f"cpu{core}").mkdir(parents=True)
        (tmp_path / "per_cpu" / f"cpu{core}" / "stats").write_text(text)
    assert losses(tmp_path) == {OVERRUN: 44, DROPPED: 5}
    assert losses(tmp_path / "gone") == {OVERRUN: 0, DROPPED: 0}


def test_waits_are_recorded_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "MOST_WAITS", 2)
    found = list(Waits().after([WAKE, GAIN, SLEEP] * 5, {7}))
    assert [type(each) for each in found] == [Sample, Sample, Notice]


def test_a_thread_that_was_not_seen_to_wait_has_no_wait() -> None:
    assert waits(BACK) == []
    assert waits(SLEEP, BACK) == []
    assert waits(WAKE._replace(woken=8), GAIN._replace(into=8)) == []


def test_what_is_woken_twice_ran_and_slept_between() -> None:
    late = WAKE._replace(t_ns=WAKE.t_ns + 10_000)
    assert waits(WAKE, late, GAIN)[0][1] == pytest.approx(10e-6)


@pytest.mark.parametrize("proof", [SLEEP, RUNS])
def test_a_run_that_was_not_seen_to_begin_ends_the_wait_unknown(proof: Switch | Waking) -> None:
    assert waits(WAKE, proof, BACK) == []
    again = WAKE._replace(t_ns=BACK.t_ns - 100_000)
    slept = SLEEP._replace(t_ns=LOSE.t_ns + 50_000)
    found = waits(WAKE, proof, slept, again, BACK)
    assert [value for _, value, _ in found] == [pytest.approx(100e-6)]
    assert waits(LOSE, proof._replace(t_ns=LOSE.t_ns + 100_000), BACK) == []


def test_what_is_woken_as_it_leaves_its_core_waits_from_then_on() -> None:
    expected = ("infer:7 < kworker/0", pytest.approx(2e-3), BACK.t_ns)
    assert waits(GAIN, LATE_WAKE, SLEEP, BACK) == [expected]
    assert waits(GAIN, LATE_WAKE, LOSE, BACK) == [expected]


def test_what_is_woken_and_runs_on_did_not_wait() -> None:
    assert waits(GAIN, LATE_WAKE, RUNS_ON, SLEEP, BACK) == []


def test_what_wakes_itself_does_not_wait() -> None:
    assert waits(WAKE._replace(running=7), BACK) == []


def test_what_lost_its_core_and_was_woken_waits_for_an_unknown_time() -> None:
    assert waits(LOSE, WAKE._replace(t_ns=BACK.t_ns - 100_000), BACK) == []


def test_names_may_hold_anything() -> None:
    odd = GAIN._replace(into_name=b"a:9 < b\0old")
    assert [label for label, _, _ in waits(WAKE, odd)] == ["a:9 < b:7 < idle"]


@needs_tracefs
def test_exact_waits_add_up_to_what_the_kernel_counts(fighter: subprocess.Popen[str]) -> None:
    def counted() -> dict[str, int]:
        entries = Path(f"/proc/{fighter.pid}/task").iterdir()
        return {e.name: int((e / "schedstat").read_text().split()[1]) for e in entries}

    collector = SchedulerTrace()
    collector.start(Device("here", program_pid=fighter.pid))
    assert HERE is not None
    before, begin_ns = counted(), time.monotonic_ns()
    seen: list[Sample | Notice] = []
    deadline = time.monotonic() + 60
    grown = 0
    while grown < 500_000_000 and time.monotonic() < deadline:
        time.sleep(0.05)
        seen += collector.sample(time.monotonic_ns())
        after = counted()
        grown = sum(after.values()) - sum(before.values())
    seen += collector.sample(time.monotonic_ns())
    collector.stop()
    assert not seen
    seen += collector.work_out()
    assert not [each for each in seen if isinstance(each, Notice)]
    exact: dict[str, float] = defaultdict(float)
    takers = set()
    for each in seen:
        if isinstance(each, Sample) and each.value is not None:
            who, _, taker = each.label.partition(" < ")
            if (each.t_ns or 0) >= begin_ns:  # the kernel counts a wait when it ends, too
                exact[who.rpartition(":")[2]] += each.value
            takers.add(taker.rpartition(":")[2])
            assert each.value >= 0
            assert each.t_ns is not None
            assert each.t_ns <= time.monotonic_ns()
    busy = [tid for tid in after if after[tid] - before[tid] > 100_000_000]
    assert busy
    for tid in busy:  # a wait that is open at either end is in one of them alone
        assert exact[tid] == pytest.approx((after[tid] - before[tid]) / 1e9, rel=0.3)
    assert takers & set(after)
    assert not list((HERE / "instances").glob(f"liveprobe-{os.getpid()}-*"))
    said = collector.facts()
    assert said["waits"] == sum(isinstance(each, Sample) for each in seen)
    assert said["events_overrun"] == said["events_dropped"] == 0


@needs_tracefs
def test_a_core_that_the_harness_took_is_its(fighter: subprocess.Popen[str]) -> None:
    collector = SchedulerTrace()
    collector.start(Device("here", program_pid=fighter.pid))
    mine, before = threading.get_native_id(), os.sched_getaffinity(0)
    lost = re.compile(r"^nonvoluntary_ctxt_switches:\s+(\d+)", re.MULTILINE)

    def lost_the_core() -> int:
        found = lost.search(Path(f"/proc/self/task/{mine}/status").read_text())
        return int(found[1]) if found else 0

    deadline = time.monotonic() + 60
    try:
        os.sched_setaffinity(mine, {min(before)})  # where the program's threads are
        assert list(collector.sample(time.monotonic_ns())) == []
        first = lost_the_core()
        while lost_the_core() < first + 5 and time.monotonic() < deadline:
            pass
        assert list(collector.sample(time.monotonic_ns())) == []
    finally:
        os.sched_setaffinity(mine, before)
        collector.stop()
    takers = {each.label.partition(" < ")[2] for each in collector.work_out()
              if isinstance(each, Sample)}  # fmt: skip
    assert "liveprobe" in takers


@needs_tracefs
@pytest.mark.parametrize(("overwrite", "kind"), [("1", OVERRUN), ("0", DROPPED)])
def test_a_buffer_that_runs_over_is_said(
    overwrite: str, kind: str, fighter: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_trace, "BUFFER_KIB", 4)
    collector = SchedulerTrace()
    collector.start(Device("here", program_pid=fighter.pid))
    assert HERE is not None
    (own,) = (HERE / "instances").glob(f"liveprobe-{os.getpid()}-*")
    (own / "options" / "overwrite").write_text(overwrite)
    deadline = time.monotonic() + 60
    while losses(own)[kind] == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    seen = [*collector.sample(time.monotonic_ns())]
    collector.stop()
    seen = [*seen, *collector.work_out()]
    assert {each.text for each in seen if isinstance(each, Notice)} == {pairing.LOST}
    said = collector.facts()
    assert (said["events_overrun"] > 0, said["events_dropped"] > 0) == (
        kind == OVERRUN,
        kind == DROPPED,
    )


def switched(fighter: subprocess.Popen[str]) -> int:
    """Return how often the program's threads got a core."""
    entries = Path(f"/proc/{fighter.pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[2]) for each in entries)


@needs_tracefs
def test_where_too_much_happens_it_is_recorded_in_windows(
    fighter: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_trace, "MOST_BYTES_PER_S", 1)
    monkeypatch.setattr(scheduler_trace, "LEAST_SHARE", 0.2)  # in the mean four pauses to a window
    collector = SchedulerTrace(lambda: 0.0)  # two, the fewest
    collector.start(Device("here", program_pid=fighter.pid))
    begin = time.monotonic_ns()
    with monkeypatch.context() as patched:
        patched.setattr(scheduler_trace, "LEAST_JUDGED_NS", 10**12)
        assert list(collector.sample(begin)) == [], "too early to judge"
    notices, ends = [], []
    for _ in range(4):
        deadline, before = time.monotonic() + 60, switched(fighter)
        earliest = time.monotonic() + scheduler_trace.LEAST_JUDGED_NS / 1e9
        while time.monotonic() < deadline and (
            switched(fighter) < before + 20 or time.monotonic() < earliest
        ):
            time.sleep(0.01)
        ends.append(time.monotonic_ns())
        notices += list(collector.sample(ends[-1]))
    collector.stop()
    samples = list(collector.work_out())
    (said,) = notices
    assert isinstance(said, Notice)
    assert said.attributes["bytes_per_s"] > 0
    facts = collector.facts()
    assert facts["windows_ns"] == [[begin, ends[0]], [ends[2], ends[3]]]
    assert facts["watched_ns"] == [begin, ends[3]]
    times = [each.t_ns for each in samples if isinstance(each, Sample)]
    assert all(t is not None and (t <= ends[0] or ends[2] < t <= ends[3]) for t in times)
    assert any(t <= ends[0] for t in times if t)
    assert any(t > ends[2] for t in times if t)


@pytest.mark.parametrize(
    ("size_bytes", "mean"), [(1, 0.0), (160 * 1024, 0.0), (5 * 80 * 1024, 1.5), (2**30, 9.0)]
)
def test_pauses_are_as_long_as_it_takes_in_the_mean_and_never_long(
    size_bytes: int, mean: float
) -> None:
    rng = np.random.default_rng(7)
    drawn = [SchedulerTrace(rng.random)._drawn_pauses(size_bytes, 10**9) for _ in range(4000)]
    assert sum(drawn) / len(drawn) == pytest.approx(mean, abs=0.15)
    assert max(drawn) <= 1.5 * mean + 1
    assert min(drawn) >= int(mean / 2)


@needs_tracefs
def test_where_there_is_no_more_room_the_recording_ends_and_what_is_there_counts(
    fighter: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 1)
    collector = SchedulerTrace()
    collector.start(Device("here", program_pid=fighter.pid))
    deadline, before = time.monotonic() + 60, switched(fighter)
    while switched(fighter) < before + 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    (said,) = collector.sample(time.monotonic_ns())
    assert said.text == scheduler_trace.FULL
    assert list(collector.sample(time.monotonic_ns())) == []
    collector.stop()
    assert [each for each in collector.work_out() if isinstance(each, Sample)]
    facts = collector.facts()
    assert [end for _, end in facts["windows_ns"]] == [facts["full_ns"]]


def test_a_disk_that_is_full_keeps_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "r+"))
    full = kept.Kept()
    with pytest.raises(OSError, match="No space"):
        full.add(1, frozenset(), [b"page"])
    ((batch, found),) = full.batches()
    assert (batch.sizes, found) == ((), [])
    full.close()


def test_where_no_file_can_be_made_memory_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    monkeypatch.setattr(kept, "SHARED_MEMORY", Path("/no/such/folder"))
    own = kept.Kept()
    assert own.add(1, frozenset({7}), [b"one", b"three"]) == 8
    own.end()
    ((batch, found),) = own.batches()
    assert (*batch.ours, batch.last, found) == (7, True, [b"one", b"three"])
    own.close()
    own.close()


def test_a_wait_that_goes_on_when_the_recording_pauses_is_none() -> None:
    paired = Waits()
    assert list(paired.after([WAKE], {7})) == []
    paired.pause()
    assert list(paired.after([GAIN], {7})) == []
    assert (paired.cut, paired.without_end, paired.without_begin) == (1, 0, 0)


@needs_tracefs
def test_what_a_killed_harness_left_is_removed() -> None:
    assert HERE is not None
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait(30)
    left = HERE / "instances" / f"liveprobe-{gone.pid}-1"
    left.mkdir()
    collector = SchedulerTrace()
    collector.start(Device("here", program_pid=os.getpid()))
    collector.stop()
    collector.stop()
    assert not left.exists()


@needs_tracefs
def test_what_is_still_read_stays_though_its_harness_is_not_seen() -> None:
    assert HERE is not None
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait(30)
    other = HERE / "instances" / f"liveprobe-{gone.pid}-2"
    other.mkdir()
    enable = other / "events" / "sched" / "sched_switch" / "enable"
    enable.write_text("1")
    try:
        with (other / "trace_pipe").open("rb"):
            collector = SchedulerTrace()
            collector.start(Device("here", program_pid=os.getpid()))
            collector.stop()
            assert enable.read_text().startswith("1")
    finally:
        other.rmdir()


def test_without_tracefs_there_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="no tracefs") as caught:
        SchedulerTrace().start(Device("tree", root=tmp_path, program_pid=7))
    assert "as root" in (caught.value.remedy or "")
