from __future__ import annotations

import errno
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.bandwidth import Bandwidth
from collectors.bandwidth.attachment import threads
from collectors.bandwidth.counter import Counter, open_counter
from collectors.bandwidth.meter import MULTIPLEXED
from collectors.bandwidth.pmu import Pmu, Words
from collectors.bandwidth.refusal import refused
from collectors.bandwidth.sources import (
    CONTROLLERS,
    CORES,
    CPU_READ,
    READ,
    WRITTEN,
    Family,
    Target,
    controllers,
    targets,
)
from probe.errors import NoData, OtherDevice
from probe.kernel_file import read_integer
from probe.model import Device, Notice, Sample

DEVICES = Path(__file__).parents[2] / "devices"
PMUS = Path("/sys/bus/event_source/devices")
S = 10**9
FAULTS = Family(re.compile("software"), {CPU_READ: (("config=2",),)}, of_program=True)
"""Page faults in place of cache misses: the kernel's own counter, opened and read the same way."""
PROGRAM = """
import mmap, os, sys, threading
def touch(pages):
    with mmap.mmap(-1, pages * mmap.PAGESIZE) as area:
        area.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(pages):
            area[page * mmap.PAGESIZE] = 1
waiting, go = threading.Event(), threading.Event()
def old():
    waiting.set()
    go.wait()
    touch(1000)
first = threading.Thread(target=old)
first.start()
waiting.wait()
print("ready", flush=True)
sys.stdin.readline()
go.set()
first.join()
second = threading.Thread(target=touch, args=(2000,))
second.start()
second.join()
child = os.fork()
if child == 0:
    touch(4000)
    os._exit(0)
os.waitpid(child, 0)
print("done", flush=True)
sys.stdin.readline()
"""
LATE = """
import mmap, sys, threading
go = threading.Event()
def touch():
    started.set()
    go.wait()
    with mmap.mmap(-1, 3000 * mmap.PAGESIZE) as area:
        area.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(3000):
            area[page * mmap.PAGESIZE] = 1
def done():
    print("done", flush=True)
sys.stdin.readline()
done()
sys.stdin.readline()
started = threading.Event()
late = threading.Thread(target=touch)
late.start()
started.wait()
done()
sys.stdin.readline()
go.set()
late.join()
done()
"""


@contextmanager
def program() -> Iterator[subprocess.Popen[str]]:
    """A program that has two threads, and faults 7000 pages when it is given a line."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "ready\n"
        yield child
        child.stdin.close()
        child.wait(timeout=30)


def tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline() == "done\n"


def started(collector: Bandwidth, pid: int) -> Bandwidth:
    """Start on this machine; skip where it forbids to count."""
    try:
        collector.start(Device("here", program_pid=pid))
    except NoData as absent:
        if "perf_event_open" in absent.message:
            pytest.skip(absent.message)
        raise
    return collector


def test_faults_of_all_threads_and_children_are_counted_once() -> None:
    with program() as child:
        collector = started(Bandwidth(cores=FAULTS), child.pid)
        assert list(collector.sample(S)) == []
        tell(child)
        found = [each for each in collector.sample(2 * S) if isinstance(each, Sample)]
        collector.stop()
    assert [(each.track, each.label) for each in found] == [
        (CPU_READ, "software"),
        (MULTIPLEXED, "software cpu_read"),
    ]
    assert found[0].value is not None
    faults = found[0].value / 64
    # 1000 by a thread that was there, 2000 by one that came, 4000 by a child, some of their own
    assert 7000 <= faults < 7000 * 1.5
    assert found[1].value == pytest.approx(0.0, abs=0.1)
    [fact] = collector.facts()["counters"]
    assert fact["threads"] == 2
    assert json.loads(json.dumps(collector.facts())) == collector.facts()


def test_a_program_that_sleeps_reads_nothing() -> None:
    with program() as child:
        collector = started(Bandwidth(cores=FAULTS), child.pid)
        for step in itertools.count():
            found = [each for each in collector.sample(step * S) if isinstance(each, Sample)]
            assert all(each.value is not None for each in found)
            if [each.track for each in found] == [CPU_READ]:  # at no time was a thread of it on
                break
            time.sleep(0.01)  # until it is quiet; the test's own time limit ends it
        collector.stop()
    assert found[0].value == 0.0


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_thread_that_starts_while_counters_are_opened_is_counted_once(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LATE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        calls = 0

        def opening(attribute: bytes, *, tid: int, cpu: int) -> Counter:
            """Open as always; at the first time a thread starts before it or after."""
            nonlocal calls
            calls += 1
            if calls == 1 and when == "before":
                tell(child)
            counter = open_counter(attribute, tid=tid, cpu=cpu)
            if calls == 1 and when == "after":
                tell(child)
            return counter

        tell(child)  # it is there
        monkeypatch.setattr("collectors.bandwidth.attachment.open_counter", opening)
        collector = started(Bandwidth(cores=FAULTS), child.pid)
        list(collector.sample(S))
        tell(child)  # the thread faults
        value = next(iter(collector.sample(2 * S))).value
        collector.stop()
    assert calls == 3  # one thread, then it and the other
    assert value is not None
    assert 3000 <= value / 64 < 3000 * 1.5


def test_a_program_that_is_over_is_told() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait(timeout=60)
    collector = Bandwidth(memory=(), cores=FAULTS)
    with pytest.raises(NoData):
        collector.start(Device("here", program_pid=done.pid))
    assert "not there" in collector.lacking()[CPU_READ].message
    assert threads(Device("here", program_pid=done.pid)) == set()


def test_a_program_that_ends_while_it_is_attached_leaves_no_counter_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started(Bandwidth(cores=FAULTS), os.getpid()).stop()  # or it is skipped
    opened = []

    def opening(attribute: bytes, *, tid: int, cpu: int) -> Counter:
        """Open as always; after the first its program is over."""
        counter = open_counter(attribute, tid=tid, cpu=cpu)
        opened.append(tid)
        child.kill()
        child.wait(timeout=60)
        return counter

    before = len(list(Path("/proc/self/fd").iterdir()))
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        [target] = targets(Device("here"), FAULTS)
        monkeypatch.setattr("collectors.bandwidth.attachment.open_counter", opening)
        collector = Bandwidth()
        collector._program(Device("here", program_pid=child.pid), [target, target])
    assert opened == [child.pid]
    assert "not there" in collector.lacking()[CPU_READ].message
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert collector.facts()["counters"] == []


def test_without_a_program_there_is_nothing_to_count() -> None:
    collector = Bandwidth(memory=(), cores=FAULTS)
    with pytest.raises(NoData):
        collector.start(Device("here"))
    assert "no program" in collector.lacking()[CPU_READ].message


def test_a_whole_machine_is_counted_once_for_each_cpu_of_the_mask() -> None:
    number = read_integer(PMUS / "software" / "type")
    cpu = min(os.sched_getaffinity(0))
    one = Pmu("software", number or 1, (cpu,), PMUS / "software")
    target = Target(
        READ, one, ("config=0",), (Words(0), Words(0)), 1.0
    )  # the clock of the CPU, twice
    collector = Bandwidth()
    collector._machine(Device("here"), [target])
    if collector.facts()["refused"]:
        pytest.skip(collector.lacking()[READ].message)
    assert set(collector.lacking()) == {WRITTEN}
    assert list(collector.sample(S)) == []
    found = [each for each in collector.sample(2 * S) if isinstance(each, Sample)]
    assert (found[0].track, found[0].label) == (READ, "software")
    assert found[0].value is not None
    assert found[0].value > 0
    collector._notices = [Notice("once")]
    assert Notice("once") in list(collector.sample(3 * S))
    assert Notice("once") not in list(collector.sample(4 * S))
    collector.stop()
    collector.stop()
    assert list(collector.sample(5 * S)) == []
    collector._machine(Device("here"), [replace(target, unsettled=1)])
    assert [len(list(collector.sample(step * S))) for step in range(3)] == [0, 0, 2]
    collector.stop()
    # a CPU that is not there is a refusal, beside one that is
    two = replace(target, pmu=Pmu("software", number or 1, (cpu, 8000), PMUS / "software"))
    collector._machine(Device("here"), [two])
    assert READ not in collector.lacking()
    assert [fact["cpu"] for fact in collector.facts()["counters"]] == [cpu, cpu, cpu]
    assert collector.facts()["refused"][0].startswith("software cpu8000 bandwidth.read: ")
    collector.stop()


def test_stopping_gives_every_descriptor_back() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    collector = started(Bandwidth(cores=FAULTS), os.getpid())
    assert len(list(Path("/proc/self/fd").iterdir())) > before
    collector.stop()
    collector.stop()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_too_few_descriptors_leave_none_open_and_say_how_to_get_more() -> None:
    started(Bandwidth(cores=FAULTS), os.getpid()).stop()
    with program() as child:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        before = len(list(Path("/proc/self/fd").iterdir()))
        room = max(int(each.name) for each in Path("/proc/self/fd").iterdir()) + 2
        collector = Bandwidth(memory=(), cores=FAULTS)
        holes = []
        while len(holes) == 0 or holes[-1] < room - 1:
            holes.append(os.dup(0))
        os.close(holes.pop())
        resource.setrlimit(resource.RLIMIT_NOFILE, (room, hard))
        try:
            collector._program(
                Device("here", program_pid=child.pid), list(targets(Device("here"), FAULTS))
            )
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for each in holes:
                os.close(each)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        why = collector.lacking()[CPU_READ]
        collector.stop()
    assert "ulimit -n" in (why.remedy or "")


def found_on(board: str) -> dict[tuple[str, str], Target]:
    device = Device("tree", DEVICES / board)
    every = [*controllers(device), *targets(device, CORES)]
    return {(each.pmu.name, each.track): each for each in every}


def test_a_laptop_of_intel_counts_at_both_controllers() -> None:
    found = found_on("laptop-core-ultra")
    assert {key: each.words for key, each in found.items()} == {
        ("uncore_imc_free_running_0", READ): (Words(0x20FF),),
        ("uncore_imc_free_running_0", WRITTEN): (Words(0x30FF),),
        ("uncore_imc_free_running_1", READ): (Words(0x20FF),),
        ("uncore_imc_free_running_1", WRITTEN): (Words(0x30FF),),
    }
    assert {each.bytes_each for each in found.values()} == {64.0}
    assert {each.pmu.cpus for each in found.values()} == {(0,)}


def test_a_laptop_of_amd_counts_bursts_of_each_channel() -> None:
    found = found_on("laptop-ryzen-ai")
    assert len(found) == 8
    assert found["amd_umc_3", READ].words == (Words(0x10A),)
    assert found["amd_umc_3", WRITTEN].words == (Words(0x20A),)
    assert {each.bytes_each for each in found.values()} == {64.0}


def test_cores_of_arm_are_an_estimate_of_reads_alone() -> None:
    found = found_on("raspberry-pi-5")
    assert {key: each.events for key, each in found.items()} == {
        ("armv8_cortex_a76", CPU_READ): ("l3d_cache_refill",)
    }
    assert set(found_on("rock-5b")) == {
        ("armv8_cortex_a55", CPU_READ),
        ("armv8_cortex_a76", CPU_READ),
    }


@pytest.mark.parametrize(
    ("board", "track", "pmus"),
    [
        ("laptop-core-ultra", READ, "uncore_imc_free_running_0, uncore_imc_free_running_1"),
        ("laptop-ryzen-ai", WRITTEN, "amd_umc_0, amd_umc_1, amd_umc_2, amd_umc_3"),
        ("raspberry-pi-5", CPU_READ, "armv8_cortex_a76"),
        ("rock-5b", CPU_READ, "armv8_cortex_a55, armv8_cortex_a76"),
    ],
)
def test_a_tree_has_no_counters_but_says_which_would_be_read(
    board: str, track: str, pmus: str
) -> None:
    collector = Bandwidth()
    with pytest.raises(NoData):
        collector.start(Device("tree", DEVICES / board))
    why = collector.lacking()[track]
    assert re.search(rf"captured tree .*: {pmus}$", why.message)
    assert not isinstance(why, OtherDevice)
    assert "on the device itself" in (why.remedy or "")
    collector.stop()


def test_a_vendors_kernel_shows_no_counters_of_rockchips_controller(tmp_path: Path) -> None:
    collector = Bandwidth()
    with pytest.raises(NoData, match="memory controller"):
        collector.start(Device("tree", DEVICES / "rock-5b"))
    assert "mainline" in (collector.lacking()[READ].remedy or "")
    rockchip(tmp_path)
    with pytest.raises(NoData, match=r"captured tree .*: rockchip_ddr$"):
        Bandwidth().start(Device("tree", tmp_path))


@pytest.mark.parametrize(
    ("board", "other", "remedy"),
    [
        ("bare-vm", False, "virtual machine"),
        ("pc-nvidia", False, "modprobe amd_uncore"),
        ("jetson-orin-nano", False, "no driver"),
    ],
)
def test_what_could_be_done_depends_on_the_processor(board: str, other: bool, remedy: str) -> None:
    collector = Bandwidth()
    with pytest.raises(NoData, match=r"memory controller|of the cores") as caught:
        collector.start(Device("tree", DEVICES / board))
    assert isinstance(caught.value, OtherDevice) is other
    assert set(collector.lacking()) == {READ, WRITTEN, CPU_READ}
    assert remedy in (collector.lacking()[READ].remedy or "")


def put(root: Path, pmu: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / "sys/bus/event_source/devices" / pmu / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def rockchip(root: Path) -> None:
    """rockchip_ddr as the driver shows it (Linux: drivers/devfreq/event/rockchip-dfi.c)."""
    files = {
        "type": "12",
        "cpumask": "0",
        "format/event": "config:0-7",
        "events/cycles": "event=0x0",
    }
    for name, number in (("read-bytes", 1), ("write-bytes", 2), ("bytes", 11)):
        files[f"events/{name}"] = f"event={number:#x}"
        files[f"events/{name}.scale"] = "9.536743164e-07"
        files[f"events/{name}.unit"] = "MB"
    for channel, kind in itertools.product(range(4), ("read", "write")):
        number = 3 + 2 * channel + (kind == "write")
        files[f"events/{kind}-bytes{channel}"] = f"event={number:#x}"
    put(root, "rockchip_ddr", files)


def test_rockchips_counter_counts_bytes_of_all_channels_once(tmp_path: Path) -> None:
    rockchip(tmp_path)
    read, written = controllers(Device("tree", tmp_path))
    assert (read.track, read.words, read.unsettled) == (READ, (Words(1),), 1)
    assert (written.track, written.words) == (WRITTEN, (Words(2),))
    assert read.bytes_each == pytest.approx(1.0, rel=1e-9)


def test_half_channels_of_a_server_are_added_up(tmp_path: Path) -> None:
    files = {"type": "30", "cpumask": "0,64", "format/event": "config:0-7",
             "format/umask": "config:8-15"}  # fmt: skip
    for half, event in enumerate(("0x05", "0x06")):
        for kind, mask in (("read", "0xcf"), ("write", "0xf0")):
            name = f"events/cas_count_{kind}_sch{half}"
            files |= {name: f"event={event},umask={mask}", f"{name}.unit": "MiB",
                      f"{name}.scale": "6.103515625e-5"}  # fmt: skip
    put(tmp_path, "uncore_imc_0", files)
    read, _ = controllers(Device("tree", tmp_path))
    assert read.words == (Words(0xCF05), Words(0xCF06))
    assert read.pmu.cpus == (0, 64)
    assert read.bytes_each == 64.0


def test_the_same_memory_is_counted_by_one_kind_of_counter(tmp_path: Path) -> None:
    common = {"cpumask": "0", "format/event": "config:0-7", "format/umask": "config:8-15"}
    put(tmp_path, "uncore_imc_0", {**common, "type": "9", "events/cas_count_read": "event=0x04"})
    names = [each.pmu.name for each in controllers(Device("tree", tmp_path))]
    assert names == ["uncore_imc_0"]
    put(tmp_path, "uncore_imc_free_running_0",
        {**common, "type": "10", "events/read": "event=0xff,umask=0x20"})  # fmt: skip
    names = [each.pmu.name for each in controllers(Device("tree", tmp_path))]
    assert names == ["uncore_imc_free_running_0"]


@pytest.mark.parametrize(
    "other", [{}, {"scale": "1", "unit": "MiB"}, {"scale": "6.103515625e-5", "unit": "?"}]
)
def test_half_of_what_is_to_be_added_up_is_nothing(tmp_path: Path, other: dict[str, str]) -> None:
    files = {"type": "30", "cpumask": "0", "format/event": "config:0-7"}
    names = [f"events/cas_count_read_sch{half}" for half in (0, 1)]
    files |= {names[0]: "event=0x05", f"{names[0]}.scale": "6.103515625e-5"}
    files |= {f"{names[0]}.unit": "MiB"}
    if other:
        files |= {names[1]: "event=0x06"}
        files |= {f"{names[1]}.{part}": text for part, text in other.items()}
    put(tmp_path, "uncore_imc_0", files)
    assert controllers(Device("tree", tmp_path)) == []


@pytest.mark.parametrize("mask", ["", "x", "0-99999999", "4-0"])
def test_a_controller_that_names_no_cpu_is_none(tmp_path: Path, mask: str) -> None:
    rockchip(tmp_path)
    put(tmp_path, "rockchip_ddr", {"cpumask": mask})
    assert controllers(Device("tree", tmp_path)) == []


def test_a_cluster_that_cannot_count_spoils_the_sum(tmp_path: Path) -> None:
    common = {"format/event": "config:0-15"}
    put(
        tmp_path,
        "armv8_cortex_a76",
        {**common, "type": "9", "events/l3d_cache_refill": "event=0x2a"},
    )
    put(tmp_path, "armv8_cortex_a55", {**common, "type": "8"})
    device = Device("tree", tmp_path)
    collector = Bandwidth()
    collector._program(device, list(targets(device, CORES)))
    assert "armv8_cortex_a55 counts no reads" in collector.lacking()[CPU_READ].message


def test_the_last_level_cache_stands_in_for_the_l3(tmp_path: Path) -> None:
    files = {"type": "8", "format/event": "config:0-15"}
    put(tmp_path, "armv8_pmuv3_0", {**files, "events/ll_cache_miss_rd": "event=0x0037"})
    [found] = targets(Device("tree", tmp_path), CORES)
    assert (found.events, found.words) == (("ll_cache_miss_rd",), (Words(0x37),))


@pytest.mark.parametrize(
    ("code", "of_program", "said", "remedy"),
    [
        (errno.EACCES, False, "perf_event_paranoid is 2", "perf_event_paranoid=0 "),
        (errno.EPERM, True, "perf_event_paranoid is 2", "perf_event_paranoid=2 "),
        (errno.ENOENT, False, "No such file", "hardware or the kernel"),
        (errno.EMFILE, True, "Too many open files", "ulimit"),
        (errno.EBUSY, False, "busy", "perf"),
        (errno.ENOSYS, False, "not implemented", "CONFIG_PERF_EVENTS"),
        (errno.EIO, False, "error", "by hand"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(
    tmp_path: Path, code: int, of_program: bool, said: str, remedy: str
) -> None:
    paranoid = tmp_path / "proc/sys/kernel/perf_event_paranoid"
    paranoid.parent.mkdir(parents=True)
    paranoid.write_text("2\n")
    error = OSError(code, os.strerror(code))
    why = refused(Device("tree", tmp_path), error, "amd_umc_0", of_program=of_program)
    assert why.message.startswith("amd_umc_0: ")
    assert said in why.message
    assert remedy in (why.remedy or "")
    if code == errno.EACCES:
        assert "CAP_PERFMON" in (why.remedy or "")


def test_this_machine_gives_counters_or_says_why_not() -> None:
    collector, here = Bandwidth(), Device("here", program_pid=os.getpid())
    try:
        collector.start(here)
    except NoData as absent:
        why = absent
    else:
        why = None
        list(collector.sample(S))
        for each in collector.sample(2 * S):
            assert isinstance(each, Notice) or each.value is None or each.value >= 0
    collector.stop()
    missing = {READ, WRITTEN, CPU_READ}
    assert why is None or (why.remedy and set(collector.lacking()) == missing)


def test_a_real_counter_that_sysfs_names_keeps_the_time_that_is_known() -> None:
    """The time-stamp counter of x86, by the kernel's own files: its rate is BogoMIPS / 2."""
    stated = re.search(r"^bogomips\s*: ([0-9.]+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    if stated is None or read_integer(PMUS / "msr" / "type") is None:
        pytest.skip("no PMU msr here")
    clock = Family(re.compile("msr"), {CPU_READ: (("tsc",),)}, of_program=True)
    collector = started(Bandwidth(memory=(), cores=clock), os.getpid())
    [meter] = collector._meters
    [line] = meter.lines
    assert line.advance() is None
    sum(range(10**6))
    gained = line.advance()
    collector.stop()
    assert gained is not None
    hertz = gained.value / (gained.running_ns / 1e9)
    assert hertz == pytest.approx(float(stated[1]) / 2 * 1e6, rel=0.02)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_a_user_without_rights_counts_the_program_but_not_its_time_in_the_kernel() -> None:
    """Also what such a user is told of the machine's counters."""
    level = read_integer(Path("/proc/sys/kernel/perf_event_paranoid"))
    if level != 2:
        pytest.skip(f"kernel.perf_event_paranoid is {level}, not 2")
    code = (
        "import ctypes, json, os, re, sys\n"
        "from pathlib import Path\n"
        "from collectors.bandwidth import Bandwidth\n"
        "from collectors.bandwidth.pmu import Pmu, Words\n"
        "from collectors.bandwidth.sources import CPU_READ, READ, Family, Target\n"
        "from probe.model import Device\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "own = Family(re.compile('software'), {CPU_READ: (('config=2',),)}, of_program=True)\n"
        "here = Device('here', program_pid=os.getpid())\n"
        "one = Bandwidth(memory=(), cores=own)\n"
        "one.start(here)\n"
        "two = Bandwidth()\n"
        "pmu = Pmu('software', 1, (0,), Path('/'))\n"
        "two._machine(here, [Target(READ, pmu, ('x',), (Words(0),), 1.0)])\n"
        "why = two.lacking()[READ]\n"
        "print(json.dumps([one.facts()['counters'][0]['kernel'], why.message, why.remedy]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    kernel, message, remedy = json.loads(done.stdout)
    assert kernel is False
    assert (
        message == "software: perf_event_open: Permission denied (kernel.perf_event_paranoid is 2)"
    )
    assert "CAP_PERFMON" in remedy


def test_every_family_says_what_is_read() -> None:
    assert all(set(each.events) == {READ, WRITTEN} for each in CONTROLLERS)
    assert set(CORES.events) == {CPU_READ}
