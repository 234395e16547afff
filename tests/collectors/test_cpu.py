from __future__ import annotations

import itertools
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.cpu import Cpu
from collectors.cpu.cores import CoreTimes, core_times, shares
from collectors.cpu.spent import Threads, run_ns, stat_time
from probe.cpu_clock import of_process_ns
from probe.errors import NoData
from probe.family import Family, Member
from probe.kernel_file import KernelFile
from probe.model import Device, Sample
from probe.thread_files import MOST_OPEN

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


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def advance(tree: Path, path: str, old: str, new: str) -> None:
    file = tree / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_nothing_is_said_of_a_counter_before_its_second_reading(tree: Path) -> None:
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=4242))
    first = list(collector.sample(0))
    advance(tree, "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "2400000", "0")
    unknown = by_label(list(collector.sample(SECOND)), "cpu.clock")
    collector.stop()
    assert {sample.track for sample in first} == {"cpu.clock"}
    assert by_label(first, "cpu.clock") == {"cpu0-3": 2_400_000_000.0}
    assert unknown == {"cpu0-3": None}


def test_shares_of_cores_processes_and_threads(tree: Path) -> None:
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=4242))
    list(collector.sample(0))
    # 100 ticks later: core 0 was busy for 60, stolen for 15, idle for 25; the thread ran for 50
    advance(tree, "proc/stat", "cpu0 10711 80 3310 478010 700 0 640 0",
            "cpu0 10761 80 3320 478030 705 0 640 15")  # fmt: skip
    advance(tree, "proc/4242/task/4250/schedstat", "6700345678 ", "7201345678 ")
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
        "infer (2) ) x:4250": pytest.approx(50.1),  # a tick of 10 ms could not say it
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
    advance(tree, "proc/4242/task/4250/schedstat", "6700345678 ", "345678 ")
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


@pytest.mark.parametrize("kept", [None, "0 0 0\n"])
def test_a_kernel_that_keeps_no_nanoseconds_is_read_in_ticks_and_says_so(
    tree: Path, kept: str | None
) -> None:
    for file in tree.glob("proc/4242/task/*/schedstat"):
        file.unlink() if kept is None else file.write_text(kept)
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=4242))
    places = {track: source.place for track, source in collector.sources().items()}
    list(collector.sample(0))
    advance(tree, "proc/4242/task/4250/stat", " 580 90 ", " 620 100 ")
    samples = list(collector.sample(SECOND))
    collector.stop()
    assert by_label(samples, "cpu.thread")["infer (2) ) x:4250"] == pytest.approx(50.0)
    assert places["cpu.thread"] == "/proc/<pid>/task/*/stat, in steps of 10 ms"


def test_a_thread_of_a_number_used_again_and_one_that_was_renamed(tree: Path) -> None:
    folder = tree / "proc/4242/task/4251"
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=4242))
    list(collector.sample(0))
    (folder / "comm").write_text("encode\n")
    renamed = by_label(list(collector.sample(SECOND)), "cpu.thread")
    shutil.rmtree(folder)
    ended = by_label(list(collector.sample(2 * SECOND)), "cpu.thread")
    shutil.copytree(DEVICES / "raspberry-pi-5/proc/4242/task/4251", folder)
    fresh = by_label(list(collector.sample(3 * SECOND)), "cpu.thread")
    again = by_label(list(collector.sample(4 * SECOND)), "cpu.thread")
    collector.stop()
    assert renamed["encode:4251"] == 0.0
    assert "decode:4251" not in renamed
    assert not {"encode:4251", "decode:4251"} & {*ended, *fresh}
    assert again["decode:4251"] == 0.0


def test_more_threads_than_files_may_be_open(tmp_path: Path) -> None:
    count = MOST_OPEN + 44
    for tid in range(1, count + 1):
        (tmp_path / f"task/{tid}").mkdir(parents=True)
        (tmp_path / f"task/{tid}/comm").write_text("t\n")
        (tmp_path / f"task/{tid}/schedstat").write_text(f"{tid} 0 1\n")
    before = descriptors()
    threads, member = Threads(fine=True), Member(1, "p", 0, tmp_path)
    for t_ns in (0, 1):
        assert {tid: each.cpu_ns for tid, each in threads.of(member, t_ns)} == {
            tid: tid for tid in range(1, count + 1)
        }
        threads.forget_ended()
    opened = descriptors() - before
    shutil.rmtree(tmp_path / "task")
    assert list(threads.of(member, 2)) == []
    threads.forget_ended()
    assert (opened, descriptors() - before) == (MOST_OPEN, 0)
    threads.close()


def test_a_process_has_one_name_whoever_reads_it(tree: Path) -> None:
    comm = "gst-launch-1.0-"  # 15 letters: all that the kernel keeps of it
    advance(tree, "proc/4300/stat", "(ffmpeg)", f"({comm})")
    (tree / "proc/4300/cmdline").write_bytes(b"gst-launch-1.0-wrapper\0--flag\0")
    collector = Cpu()
    collector.start(Device("tree", tree, program_pid=4242))
    list(collector.sample(0))
    found = by_label(list(collector.sample(SECOND)), "cpu.process")
    collector.stop()
    members = Family(tree / "proc", 4242).members(0)
    assert set(found) == {each.label for each in members} == {"python3:4242", f"{comm}:4300"}


def test_no_proc_stat_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="proc/stat") as caught:
        Cpu().start(Device("tree", tmp_path))
    assert "mount /proc" in (caught.value.remedy or "")


def test_a_real_program_with_a_busy_thread_and_a_busy_child(
    program: tuple[subprocess.Popen[str], int],
) -> None:
    process, child = program
    tasks, limit = Path(f"/proc/{process.pid}/task"), time.monotonic() + DEADLINE_S
    spinner = None
    while spinner is None:  # until it has named itself
        assert time.monotonic() < limit
        named = [each for each in tasks.iterdir() if "spin)" in (each / "comm").read_text()]
        spinner = next(iter(named), None)
    counter = spinner / "schedstat"

    def ran_ns() -> int:
        return run_ns(counter.read_text()) or 0

    collector = Cpu()
    collector.start(Device("here", program_pid=process.pid))
    low = ran_ns()
    list(collector.sample(0))
    first = ran_ns()
    while ran_ns() - first < SECOND // 10:  # until it surely ran, however busy the machine is
        assert time.monotonic() < limit
    second = ran_ns()
    samples = list(collector.sample(SECOND))  # of a second: percent are 10 ms
    high = ran_ns()
    collector.stop()

    processes = by_label(samples, "cpu.process")
    mine = next(v for k, v in processes.items() if k.endswith(f":{process.pid}"))
    assert any(label.endswith(f":{child}") for label in processes)
    (busy,) = (v for k, v in by_label(samples, "cpu.thread").items() if k.startswith("spin) (ner:"))
    assert mine is not None
    assert busy is not None
    # exactly between what the kernel said just before and after: no step of a tick
    assert second - first <= round(busy * SECOND / 100) <= high - low
    assert second - first <= round(mine * SECOND / 100)


def test_a_process_counts_threads_that_have_ended() -> None:
    before = of_process_ns(os.getpid())

    def spin() -> None:
        begun = time.thread_time_ns()
        while time.thread_time_ns() - begun < SECOND // 50:
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    thread.join()
    after = of_process_ns(os.getpid())
    assert before is not None
    assert after is not None
    assert after - before >= SECOND // 50
    assert after <= time.process_time_ns()
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert of_process_ns(gone.pid) is None


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
    threads, folder = Threads(fine=True), Path("/proc/self")
    found = dict(threads.of(Member(os.getpid(), "", 0, folder), 0))
    assert list(threads.of(Member(1, "", 0, folder / "no-such-folder"), 0)) == []
    threads.close()
    comm = Path(f"/proc/self/task/{os.getpid()}/comm").read_text().strip()
    assert found[os.getpid()].name == comm


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_stat_or_is_not(text: str) -> None:
    for label, core in core_times(text).items():
        assert label.startswith("cpu")
        assert isinstance(core.total, int)
    stat_time(text)
    assert (run_ns(text) or 0) >= 0


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\0\n"), max_size=15), st.integers(0, 2**62))
def test_any_name_of_a_thread_is_read_back(name: str, ticks: int) -> None:
    fields = " ".join(["S", *["0"] * 10, str(ticks), "7", *["0"] * 37])
    thread = stat_time(f"12 ({name}) {fields}")
    assert thread is not None
    assert thread.name == name
    assert thread.cpu_ns == (ticks + 7) * 10_000_000


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
