from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import scheduler_trace
from collectors.scheduler_trace import SchedulerTrace, Waits
from probe.errors import NoData
from probe.model import Device, Notice, Sample

HERE = next((place for place in map(Path, scheduler_trace.PLACES) if (place / "instances").is_dir()
             and os.access(place / "instances", os.W_OK)), None)  # fmt: skip
needs_tracefs = pytest.mark.skipif(HERE is None, reason="needs root and a mounted tracefs")
WAKE = (
    "   python3-50    [000] d..3.   100.000010: sched_waking: comm=infer pid=7 prio=120"
    " target_cpu=001"
)
LOSE = (
    "    infer-7     [001] d..2.   100.000500: sched_switch: prev_comm=infer prev_pid=7"
    " prev_prio=120 prev_state=R+ ==> next_comm=kworker/0:1 next_pid=9 next_prio=120"
)
GAIN = (
    " <idle>-0     [001] d..2.   100.000030: sched_switch: prev_comm=swapper/1 prev_pid=0"
    " prev_prio=120 prev_state=R ==> next_comm=infer next_pid=7 next_prio=120"
)
BACK = (
    "kworker/0:1-9     [001] d..2.   100.002500: sched_switch: prev_comm=kworker/0:1 prev_pid=9"
    " prev_prio=120 prev_state=S ==> next_comm=infer next_pid=7 next_prio=120"
)
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


def waits(*lines: str) -> list[tuple[str, float | None, int | None]]:
    paired = Waits()
    found = [each for line in lines for each in paired.after(line, {"7"})]
    return [(each.label, each.value, each.t_ns) for each in found if isinstance(each, Sample)]


def test_a_wait_goes_from_the_waking_to_the_run() -> None:
    assert waits(WAKE, GAIN) == [("infer:7 < idle", pytest.approx(20e-6), 100_000_030_000)]


def test_who_took_the_core_is_named() -> None:
    found = list(Waits().after(f"{LOSE}\n{BACK}", {"7", "9"}))
    assert found == [
        Sample(
            "scheduler_trace.wait", "infer:7 < kworker/0:1:9", pytest.approx(2e-3), 100_002_500_000
        )
    ]


def test_another_program_is_named_without_its_number() -> None:
    assert waits(LOSE, BACK) == [("infer:7 < kworker/0", pytest.approx(2e-3), 100_002_500_000)]
    assert waits(WAKE, BACK)[0][0] == "infer:7 < kworker/0"


def test_lines_together_say_what_each_says() -> None:
    lines = (WAKE, GAIN, "no event", LOSE, BACK, GAIN)
    assert waits("\n".join(lines)) == waits(*lines)
    assert len(waits(*lines)) == 2


def test_lost_events_end_every_wait() -> None:
    found = list(Waits().after(f"{WAKE}\nCPU:1 [LOST 21 EVENTS]\n{GAIN}", {"7"}))
    assert found == [Notice("events of the scheduler were lost", {"events": 21})]


def test_waits_are_recorded_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_trace, "MOST_WAITS", 2)
    found = list(Waits().after("\n".join([WAKE, GAIN] * 5), {"7"}))
    assert [type(each) for each in found] == [Sample, Sample, Notice]


def test_a_thread_that_was_not_seen_to_wait_has_no_wait() -> None:
    assert waits(BACK) == []
    assert waits(LOSE.replace("prev_state=R+", "prev_state=S"), BACK) == []
    assert waits(WAKE.replace("pid=7", "pid=8"), GAIN.replace("next_pid=7", "next_pid=8")) == []


def test_what_is_woken_twice_ran_and_slept_between() -> None:
    late = WAKE.replace("100.000010", "100.000020")
    assert waits(WAKE, late, GAIN)[0][1] == pytest.approx(10e-6)


SLEEP = LOSE.replace("prev_state=R+", "prev_state=S")
RUNS = WAKE.replace("python3-50", "infer-7").replace("pid=7", "pid=8")


@pytest.mark.parametrize("proof", [SLEEP, RUNS])
def test_a_run_that_was_not_seen_to_begin_ends_the_wait_unknown(proof: str) -> None:
    assert waits(WAKE, proof, BACK) == []
    again = WAKE.replace("100.000010", "100.002400")
    assert [value for _, value, _ in waits(WAKE, proof, again, BACK)] == [pytest.approx(100e-6)]
    assert waits(LOSE, proof.replace("100.0005", "100.0006"), BACK) == []


def test_what_wakes_itself_does_not_wait() -> None:
    assert waits(WAKE.replace("python3-50", "infer-7"), BACK) == []


def test_what_lost_its_core_and_was_woken_waits_for_an_unknown_time() -> None:
    assert waits(LOSE, WAKE.replace("100.000010", "100.002400"), BACK) == []


def test_names_may_hold_anything() -> None:
    odd = "a pid=7 ==> next_comm=b"
    lines = [WAKE.replace("comm=infer", f"comm={odd}"), GAIN.replace("_comm=infer", f"_comm={odd}")]
    assert [label for label, _, _ in waits(*lines)] == [f"{odd}:7 < idle"]


@needs_tracefs
def test_exact_waits_add_up_to_what_the_kernel_counts(fighter: subprocess.Popen[str]) -> None:
    def counted() -> dict[str, int]:
        entries = Path(f"/proc/{fighter.pid}/task").iterdir()
        return {e.name: int((e / "schedstat").read_text().split()[1]) for e in entries}

    collector = SchedulerTrace()
    collector.start(Device("here", program_pid=fighter.pid))
    assert HERE is not None
    list(collector.sample(time.monotonic_ns()))
    before = counted()
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
    assert not [each for each in seen if isinstance(each, Notice)]
    exact: dict[str, float] = defaultdict(float)
    takers = set()
    for each in seen:
        if isinstance(each, Sample) and each.value is not None:
            who, _, taker = each.label.partition(" < ")
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


@given(st.text())
def test_any_line_is_an_event_or_is_not(line: str) -> None:
    assert waits(line, BACK) == [] or "sched_waking" in line


@given(st.integers(0, len(GAIN)), st.integers(0, len(WAKE)))
def test_a_cut_line_makes_no_wait_up(first: int, second: int) -> None:
    found = waits(WAKE[:second], GAIN[:first])
    assert found == [] or found == waits(WAKE, GAIN)[: len(found)]
