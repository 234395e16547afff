from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.memory import Memory, faults, sizes
from probe.errors import NoData
from probe.model import Device

SECOND = 10**9
HOLD = """
import sys
sys.stdin.readline()
held = bytearray(64 * 2**20)
for k in range(0, len(held), 4096): held[k] = 1
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def values(collector: Memory, t_ns: int) -> dict[tuple[str, str], float | None]:
    return {(each.track, each.label): each.value for each in collector.sample(t_ns)}


def test_what_a_real_program_takes_is_seen(program: subprocess.Popen[str]) -> None:
    assert program.stdin is not None
    assert program.stdout is not None
    collector = Memory()
    collector.start(Device("here", program_pid=program.pid))
    label = next(key[1] for key in values(collector, SECOND) if key[0] == "memory.rss")
    before = values(collector, 2 * SECOND)
    program.stdin.write("\n")
    program.stdin.flush()
    assert program.stdout.readline() == "held\n"
    after = values(collector, 32 * SECOND)
    collector.stop()
    taken = 64 * 2**20
    pages = taken / mmap.PAGESIZE
    grown = (after["memory.rss", label] or 0) - (before["memory.rss", label] or 0)
    assert 0.9 * taken < grown < 1.5 * taken
    assert (after["memory.peak", label] or 0) >= (after["memory.rss", label] or 0)
    # A kernel with transparent huge pages faults once for 512 pages.
    assert pages / 512 / 30 <= (after["memory.minor_faults", label] or 0)
    assert (after["memory.minor_faults", label] or 0) < 2 * pages
    resident = psutil.Process(program.pid).memory_full_info()
    assert after["memory.pss", label] == pytest.approx(resident.pss, rel=0.1)
    assert after["memory.rss", label] == pytest.approx(resident.rss, rel=0.05)


def test_the_proportional_share_is_read_ever_more_rarely(tmp_path: Path) -> None:
    collector = Memory()
    collector.start(Device("here", program_pid=os.getpid()))
    with_share = [
        any(track == "memory.pss" for track, _ in values(collector, t_ns))
        for t_ns in [k * SECOND for k in range(70)]
    ]
    collector.stop()
    assert [k for k, read in enumerate(with_share) if read] == [0, 5, 15, 35, 65]


def test_what_the_machine_has_left_agrees_with_psutil() -> None:
    collector = Memory()
    collector.start(Device("here"))
    left = values(collector, 0)["memory.available", ""]
    collector.stop()
    assert left == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_without_proc_there_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="meminfo: No such file"):
        Memory().start(Device("tree", root=tmp_path))


def test_a_counter_that_goes_back_is_missing_and_a_process_may_vanish(tmp_path: Path) -> None:
    folder = tmp_path / "proc" / "7"
    folder.mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("MemAvailable:   100 kB\n")

    def write(minor: str) -> None:
        rest = " ".join(["0"] * 9)
        (folder / "stat").write_text(f"7 (p) S 1 0 0 0 0 0 {minor} 0 3 {rest} 55 0\n")

    collector = Memory()
    collector.start(Device("tree", root=tmp_path, program_pid=7))
    write("100")
    assert values(collector, 0) == {("memory.available", ""): 102400.0}
    write("300")
    assert values(collector, 2 * SECOND)["memory.minor_faults", "p:7"] == 100.0
    write("1")
    assert values(collector, 3 * SECOND)["memory.minor_faults", "p:7"] is None
    write("x")
    assert ("memory.minor_faults", "p:7") not in values(collector, 4 * SECOND)
    (folder / "stat").unlink()
    (tmp_path / "proc" / "meminfo").write_text("")
    assert values(collector, 5 * SECOND) == {("memory.available", ""): None}
    collector.stop()
    collector.stop()


@given(st.text())
def test_any_text_gives_no_size_that_it_does_not_hold(text: str) -> None:
    for name, size in sizes(text).items():
        assert name in text
        assert str(int(size) // 1024) in text


@given(st.text())
def test_any_text_is_a_stat_or_is_not(text: str) -> None:
    found = faults(text)
    assert found is None or str(found.minor) in text
