from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.scheduler import Counts, Scheduler, counts
from probe.errors import NoData
from probe.model import Device

SECOND = 10**9
RECORDED = Path(__file__).parents[1] / "devices/recordings/linux_psi_schedstat.txt"
STATUS = "Name:\tpump (1)\nvoluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}\n"
FIGHT = """
import os, threading
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
def spin():
    while True: pass
for _ in range(3): threading.Thread(target=spin, daemon=True).start()
print("up", flush=True)
import sys; sys.stdin.read()
"""


@pytest.fixture
def fighters() -> Iterator[subprocess.Popen[str]]:
    """Three processes on one core, so that each waits for the others."""
    code = FIGHT.replace("range(3)", "range(1)")
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for each in pair:
        assert each.stdout is not None
        assert each.stdout.readline() == "up\n"
    yield pair[0]
    for each in pair:
        each.kill()
        each.communicate(timeout=30)


def tree(root: Path, waited: str, voluntary: int, involuntary: int) -> None:
    folder = root / "proc" / "7" / "task" / "7"
    folder.mkdir(parents=True, exist_ok=True)
    rest = " ".join(["0"] * 17)
    (root / "proc" / "7" / "stat").write_text(f"7 (p) S 1 {rest} 55 0\n")
    (folder / "schedstat").write_text(f"1000 {waited} 5\n")
    (folder / "status").write_text(STATUS.format(voluntary, involuntary))


def values(collector: Scheduler, t_ns: int) -> dict[tuple[str, str], float | None]:
    return {(each.track, each.label): each.value for each in collector.sample(t_ns)}


def test_waits_and_switches_come_from_two_readings(tmp_path: Path) -> None:
    tree(tmp_path, "0", 10, 20)
    collector = Scheduler()
    collector.start(Device("tree", root=tmp_path, program_pid=7))
    assert values(collector, 0) == {}
    tree(tmp_path, str(SECOND // 2), 14, 20)
    label = "pump (1):7"
    assert values(collector, 2 * SECOND) == {
        ("scheduler.wait", label): 25.0,
        ("scheduler.voluntary", label): 2.0,
        ("scheduler.involuntary", label): 0.0,
    }
    tree(tmp_path, "3", 14, 21)
    assert values(collector, 3 * SECOND)["scheduler.wait", label] is None
    tree(tmp_path, "x", 14, 21)
    assert values(collector, 4 * SECOND) == {}
    collector.stop()
    collector.stop()


def test_a_recorded_schedstat_is_understood() -> None:
    row = RECORDED.read_text(encoding="utf-8").splitlines()[-1]
    assert counts(row, STATUS.format(3, 4)) == Counts(54_201, 3, 4)


def test_threads_that_fight_for_a_core_wait(fighters: subprocess.Popen[str]) -> None:
    collector = Scheduler()
    collector.start(Device("here", program_pid=fighters.pid))
    folder = Path(f"/proc/{fighters.pid}/task")
    busy = max(int(entry.name) for entry in folder.iterdir())

    def waited_ns() -> int:
        return int((folder / str(busy) / "schedstat").read_text().split()[1])

    low = waited_ns()
    values(collector, 0)
    first, deadline = waited_ns(), time.monotonic() + 60
    while (least := waited_ns() - first) < SECOND // 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    found = values(collector, SECOND)  # as if it had been a second: percent are 10 ms
    most = waited_ns() - low
    collector.stop()
    share = next(
        value for (track, label), value in found.items()
        if track == "scheduler.wait" and label.endswith(f":{busy}")
    )  # fmt: skip
    assert share is not None
    assert SECOND // 5 <= least <= round(share * SECOND / 100) <= most


def test_a_program_that_is_over_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="schedstat: cannot be read"):
        Scheduler().start(Device("tree", root=tmp_path, program_pid=7))
    tree(tmp_path, "0", 1, 1)
    (tmp_path / "proc/7/task/7/schedstat").write_text("0 0 0\n")
    with pytest.raises(NoData, match="counts nothing"):
        Scheduler().start(Device("tree", root=tmp_path, program_pid=7))
    with pytest.raises(NoData, match="no program"):
        Scheduler().start(Device("tree", root=tmp_path))


def test_the_real_files_of_this_thread_are_understood() -> None:
    own = Path(f"/proc/self/task/{os.getpid()}")
    found = counts((own / "schedstat").read_text(), (own / "status").read_text())
    assert found is not None
    assert found.voluntary + found.involuntary > 0


@given(st.text(), st.text())
def test_any_texts_are_counts_or_are_not(schedstat: str, status: str) -> None:
    assert counts(schedstat, STATUS.format(1, 2)) is None or len(schedstat.split()) == 3
    assert counts("1 2 3", status) is None


@given(st.integers(0, 2**63), st.integers(0, 2**63), st.integers(0, 2**63), st.integers(0, 99))
def test_whole_files_are_read_and_cut_ones_say_nothing_false(
    waited: int, voluntary: int, involuntary: int, kept: int
) -> None:
    status = STATUS.format(voluntary, involuntary)
    found = counts(f"5 {waited} 6", status)
    assert found == Counts(waited, voluntary, involuntary)
    cut = counts(f"5 {waited} 6", status[:kept])
    assert cut is None or str(involuntary).startswith(str(cut.involuntary))
