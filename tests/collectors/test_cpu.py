from __future__ import annotations

import itertools
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.cpu import CoreTimes, Cpu, core_times, shares, thread_time, threads
from probe.errors import NoData
from probe.kernel_file import KernelFile
from probe.model import Device, Sample

DEVICES = Path(__file__).parents[1] / "devices"
SECOND = 1_000_000_000
DEADLINE_S = 60.0

BUSY = """
import subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
def spin():
    open(f"/proc/self/task/{threading.get_native_id()}/comm", "w").write("spin) (ner")
    while True: pass
threading.Thread(target=spin, daemon=True).start()
print(child.pid, flush=True)
sys.stdin.read()
child.kill()
"""


def by_label(samples: list[Sample], track: str) -> dict[str, float | None]:
    return {sample.label: sample.value for sample in samples if sample.track == track}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Copy the Raspberry Pi, so that its files can change."""
    return Path(shutil.copytree(DEVICES / "raspberry-pi-5", tmp_path / "root"))


@pytest.fixture
def program() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a program with a busy thread and a busy child; give it and the child's pid."""
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.communicate(timeout=DEADLINE_S)


def advance(tree: Path, path: str, old: str, new: str) -> None:
    file = tree / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_nothing_is_said_of_a_counter_before_its_second_reading(tree: Path) -> None:
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=4242))
    first = list(collector.sample(0))
    collector.stop()
    assert {sample.track for sample in first} == {"cpu.clock"}
    assert by_label(first, "cpu.clock") == {"cpu0-3": 2_400_000_000.0}


def test_shares_of_cores_processes_and_threads(tree: Path) -> None:
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=4242))
    list(collector.sample(0))
    # 100 ticks later: core 0 was busy for 60, stolen for 15, idle for 25; the thread ran for 50
    advance(tree, "proc/stat", "cpu0 10711 80 3310 478010 700 0 640 0",
            "cpu0 10761 80 3320 478030 705 0 640 15")  # fmt: skip
    advance(tree, "proc/4242/task/4250/stat", " 580 90 ", " 620 100 ")
    advance(tree, "proc/4242/stat", " 700 120 ", " 750 130 ")
    samples = list(collector.sample(SECOND))
    collector.stop()
    assert by_label(samples, "cpu.core")["cpu0"] == pytest.approx(60.0)
    assert by_label(samples, "cpu.stolen")["cpu0"] == pytest.approx(15.0)
    assert by_label(samples, "cpu.core")["cpu1"] is None  # its counters stood still
    assert by_label(samples, "cpu.process") == {
        "python3:4242": pytest.approx(60.0),
        "ffmpeg:4300": 0.0,
    }
    assert by_label(samples, "cpu.thread") == {
        "python3:4242": 0.0,
        "infer (2) ) x:4250": pytest.approx(50.0),
        "decode:4251": 0.0,
        "ffmpeg:4300": 0.0,
    }


def test_a_core_that_is_switched_off_keeps_the_others_names(tree: Path) -> None:
    shutil.copy(DEVICES / "rock-5b/proc/stat", tree / "proc/stat")
    collector = Cpu()
    collector.start(Device("tree", tree))
    list(collector.sample(0))
    samples = list(collector.sample(SECOND))
    collector.stop()
    assert list(by_label(samples, "cpu.core")) == [f"cpu{n}" for n in (0, 1, 2, 3, 4, 5, 7)]


def test_three_clock_domains_have_the_names_of_their_cores() -> None:
    collector = Cpu()
    collector.start(Device("tree", DEVICES / "rock-5b"))
    samples = list(collector.sample(0))
    collector.stop()
    clocks = by_label(samples, "cpu.clock")
    assert clocks == {"cpu0-3": 1.8e9, "cpu4-5": 2.4e9, "cpu6-7": 2.4e9}


def test_a_thread_and_a_process_may_vanish_between_readings(tree: Path) -> None:
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=4242))
    list(collector.sample(0))
    shutil.rmtree(tree / "proc/4242/task/4251")
    shutil.rmtree(tree / "proc/4300")
    second = list(collector.sample(SECOND))
    assert set(by_label(second, "cpu.thread")) == {"python3:4242", "infer (2) ) x:4250"}
    assert set(by_label(second, "cpu.process")) == {"python3:4242"}
    shutil.rmtree(tree / "proc/4242")
    third = list(collector.sample(2 * SECOND))
    collector.stop()
    assert {sample.track for sample in third} <= {"cpu.core", "cpu.stolen", "cpu.clock"}


def test_a_counter_that_goes_back_is_missing_once(tree: Path) -> None:
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=4242))
    list(collector.sample(0))
    advance(tree, "proc/4242/task/4250/stat", " 580 90 ", " 5 0 ")
    second = list(collector.sample(SECOND))
    third = list(collector.sample(2 * SECOND))
    collector.stop()
    assert by_label(second, "cpu.thread")["infer (2) ) x:4250"] is None
    assert by_label(third, "cpu.thread")["infer (2) ) x:4250"] == 0.0


def test_a_program_that_is_over_before_the_start_costs_only_its_tracks(tree: Path) -> None:
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=9999))
    list(collector.sample(0))
    samples = list(collector.sample(SECOND))
    collector.stop()
    assert by_label(samples, "cpu.process") == {}
    assert by_label(samples, "cpu.core") != {}


def test_psutil_has_its_own_path_back_after_stop(tree: Path) -> None:
    before = psutil.PROCFS_PATH
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=4242))
    assert str(tree / "proc") == psutil.PROCFS_PATH
    collector.stop()
    collector.stop()
    assert before == psutil.PROCFS_PATH


def test_no_proc_stat_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="proc/stat") as caught:
        Cpu().start(Device("tree", tmp_path))
    assert "mount /proc" in (caught.value.remedy or "")


def test_a_real_program_with_a_busy_thread_and_a_busy_child(
    program: tuple[subprocess.Popen[str], int],
) -> None:
    process, child = program
    collector = Cpu()
    collector.start(Device("here", program_pid=process.pid))
    first = psutil.Process(process.pid).cpu_times()
    began = time.monotonic_ns()
    list(collector.sample(began))
    spent, limit = 0.0, time.monotonic() + DEADLINE_S
    while spent < 0.5:  # until it surely ran, however busy the machine is
        assert time.monotonic() < limit
        now = psutil.Process(process.pid).cpu_times()
        spent = now.user + now.system - first.user - first.system
    ended = time.monotonic_ns()
    samples = list(collector.sample(ended))
    after = psutil.Process(process.pid).cpu_times()
    collector.stop()

    shares_seen = by_label(samples, "cpu.process")
    mine = next(v for k, v in shares_seen.items() if k.endswith(f":{process.pid}"))
    assert any(label.endswith(f":{child}") for label in shares_seen)
    assert mine is not None
    used = mine / 100 * (ended - began) / 1e9
    # between what it had used before the second reading and after it, give or take two ticks
    assert spent - 0.04 <= used <= after.user + after.system - first.user - first.system + 0.04
    busy = [v for k, v in by_label(samples, "cpu.thread").items() if k.startswith("spin) (ner:")]
    assert len(busy) == 1
    assert busy[0] == pytest.approx(mine, abs=100 * 0.05 / ((ended - began) / 1e9))


def test_real_cores_agree_with_psutil() -> None:
    file = KernelFile(Path("/proc/stat"), 2**18)
    before = psutil.cpu_times(percpu=True)
    mine = core_times(file.read() or "")
    after = psutil.cpu_times(percpu=True)
    file.close()
    assert len(mine) == len(before) == os.sysconf("SC_NPROCESSORS_ONLN")
    for low, core, high in zip(before, mine.values(), after, strict=True):
        assert 100 * low.steal - 1 <= core.stolen <= 100 * high.steal + 1
        busy = core.total - core.idle - core.stolen
        fields = ("user", "nice", "system", "irq", "softirq")
        assert 100 * sum(getattr(low, f) for f in fields) - 3 <= busy
        assert busy <= 100 * sum(getattr(high, f) for f in fields) + 3


def test_real_threads_of_this_process() -> None:
    found = dict(threads(Path("/proc/self/task")))
    comm = Path(f"/proc/self/task/{os.getpid()}/comm").read_text().strip()
    assert found[os.getpid()].name == comm
    assert list(threads(Path("/proc/self/no-such-folder"))) == []


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_stat_or_is_not(text: str) -> None:
    for label, core in core_times(text).items():
        assert label.startswith("cpu")
        assert isinstance(core.total, int)
    thread_time(text)


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\0\n"), max_size=15), st.integers(0, 2**62))
def test_any_name_of_a_thread_is_read_back(name: str, ticks: int) -> None:
    fields = " ".join(["S", *["0"] * 10, str(ticks), "7", *["0"] * 37])
    thread = thread_time(f"12 ({name}) {fields}")
    assert thread is not None
    assert thread.name == name
    assert thread.cpu_s == pytest.approx((ticks + 7) / 100)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**40), min_size=6, max_size=6))
def test_shares_are_percentages_or_missing(numbers: list[int]) -> None:
    before, now = CoreTimes(*numbers[:3]), CoreTimes(*numbers[3:])
    for share in shares(before, now):
        assert share is None or (0 <= share <= 100 and math.isfinite(share))


def test_a_cut_line_is_left_out() -> None:
    whole = (DEVICES / "bare-vm/proc/stat").read_text()
    for length in itertools.islice(range(len(whole)), 0, None, 7):
        assert set(core_times(whole[:length])) <= {"cpu0", "cpu1"}
    assert core_times("cpu0 1 2 x 4\ncpu1 1 2 3\ncpu2 1 2 3 4\n") == {"cpu2": CoreTimes(10, 4, 0)}
