from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.hailo.messages import BEYOND_PERCENT, parse
from collectors.hailo.monitor import FOLDER, SHARED, STALE_NS, Monitor, percent
from probe.model import Device

RECORDED = Path(__file__).parents[2] / "devices/recordings/hailo_protomon_synthetic.txt"
EXAMPLE = bytes.fromhex(RECORDED.read_text(encoding="utf-8").splitlines()[2])
SECOND = 10**9


class Tree:
    """A device with monitor files whose times are set, not waited for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / FOLDER.lstrip("/")
        self.folder.mkdir(parents=True)
        self.written = 0

    def process(self, pid: int) -> None:
        (self.root / "proc" / str(pid)).mkdir(parents=True)

    def write(self, name: str, data: bytes) -> Path:
        return self._put(self.folder / name, data)

    def share(self, text: str) -> None:
        file = self.root / SHARED.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        self._put(file, text.encode())

    def _put(self, file: Path, data: bytes) -> Path:
        self.written += SECOND
        file.write_bytes(data)
        os.utime(file, ns=(self.written, self.written))
        return file

    def monitor(self) -> Monitor:
        return Monitor(Device("tree", self.root))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def pids(monitor: Monitor, t_ns: int) -> list[tuple[str, bool]]:
    return [(pid, document is not None) for pid, document in monitor.read(t_ns)]


def test_a_file_counts_while_it_is_rewritten(tree: Tree) -> None:
    tree.process(42)
    tree.write("42", EXAMPLE)  # left behind by an earlier process of this number
    monitor = tree.monitor()
    assert pids(monitor, 0) == []
    tree.write("42", EXAMPLE)
    assert pids(monitor, SECOND) == [("42", True)]
    assert pids(monitor, SECOND + STALE_NS) == []
    assert pids(monitor, SECOND + STALE_NS + 1) == [("42", False)]
    assert pids(monitor, 9 * SECOND) == []
    tree.write("42", EXAMPLE)
    assert pids(monitor, 10 * SECOND) == [("42", True)]


def test_a_file_that_is_renamed_over_the_old_one_is_new(tree: Tree) -> None:
    tree.process(42)
    first = tree.write("42", EXAMPLE)
    monitor = tree.monitor()
    fresh = tree.write("42.tmp", EXAMPLE)
    assert pids(monitor, 0) == []
    stamp = first.stat().st_mtime_ns
    os.utime(fresh, ns=(stamp, stamp))  # even of the same time: another inode took the name
    fresh.rename(first)
    assert pids(monitor, 1) == [("42", True)]


def test_files_of_dead_processes_are_left_alone(tree: Tree) -> None:
    monitor = tree.monitor()
    tree.write("42", EXAMPLE)
    assert pids(monitor, 0) == []
    tree.process(42)
    assert pids(monitor, 1) == [("42", True)]
    (tree.root / "proc/42").rmdir()
    assert pids(monitor, 2) == [("42", False)]
    assert pids(monitor, 3) == []


def test_a_half_written_file_is_read_again_later(tree: Tree) -> None:
    tree.process(42)
    monitor = tree.monitor()
    tree.write("42", EXAMPLE[:-3])
    assert pids(monitor, 0) == []
    (tree.folder / "42").write_bytes(b"")
    assert pids(monitor, 1) == []
    tree.write("42", EXAMPLE)
    assert pids(monitor, 2) == [("42", True)]
    tree.write("42", EXAMPLE[:-3])  # caught in the middle: the last report stands, for a while
    assert pids(monitor, 3) == []
    assert pids(monitor, 3 * SECOND) == [("42", False)]


WRITER = """
import os, sys, time
from pathlib import Path
file, reports = Path(sys.argv[1]) / str(os.getpid()), [bytes.fromhex(each) for each in sys.argv[2:]]
print(os.getpid(), flush=True)
while True:
    for report in reports:  # as HailoRT 4.21 and older do: emptied, then filled
        with file.open("wb", buffering=0) as out:
            out.write(report[:60])
            out.write(report[60:])
        time.sleep(0.001)
"""


def test_a_process_that_rewrites_its_file_in_place_is_never_read_half(tree: Tree) -> None:
    (tree.root / "proc").symlink_to("/proc")
    monitor = tree.monitor()
    longer = EXAMPLE.replace(b"HAILO8L", b"HAILO8X")
    command = [sys.executable, "-c", WRITER, str(tree.folder), EXAMPLE.hex(), longer.hex()]
    expected = {parse(EXAMPLE), parse(longer)}
    seen = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline()
            deadline = time.monotonic() + 60
            while seen < 30 and time.monotonic() < deadline:
                for _, document in monitor.read(0):
                    assert document in expected
                    seen += 1
        finally:
            child.kill()
    assert seen >= 30
    assert pids(monitor, 0) == [(str(child.pid), False)]


def test_what_others_put_into_the_folder_does_no_harm(tree: Tree, tmp_path: Path) -> None:
    for number in range(1, 5):
        tree.process(number)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(EXAMPLE)
    monitor = tree.monitor()
    os.mkfifo(tree.folder / "1")  # opening it would wait for a writer for ever
    (tree.folder / "2").symlink_to(elsewhere)
    (tree.folder / "3").mkdir()
    for name in ("4.tmp", "0", "-4", "٤", "4 ", "99999999999"):
        tree.write(name, EXAMPLE)
    assert pids(monitor, 0) == []
    assert pids(Monitor(Device("none", tmp_path / "nowhere")), 0) == []


def test_the_shared_number_serves_where_no_process_reports(tree: Tree) -> None:
    tree.share("12.000000\n")
    monitor = tree.monitor()
    assert list(monitor.shared(0)) == []
    tree.share("43.100000\n")
    assert list(monitor.shared(SECOND)) == [43.1]
    assert list(monitor.shared(SECOND + 1)) == []
    assert list(monitor.shared(4 * SECOND)) == [None]
    assert list(monitor.shared(5 * SECOND)) == []
    tree.share("50.000000\n")
    assert list(monitor.shared(6 * SECOND)) == [50.0]
    tree.process(42)
    tree.write("42", EXAMPLE)
    assert pids(monitor, 6 * SECOND) == [("42", True)]
    tree.share("51.000000\n")
    assert list(monitor.shared(6 * SECOND)) == [None]
    assert list(monitor.shared(7 * SECOND)) == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"43.100000\n", 43.1), (b"0.000000", 0.0), (b"100.000000\n", 100.0), (b"", None),
     (b"43,1\n", None), (b"nan\n", None), (b"-1.0\n", None), (b"20000.000000\n", None),
     (b"1.0\n1.0\n", None), (b"inf", None), (b"1e1", None)],
)  # fmt: skip
def test_the_shared_number_is_a_share(data: bytes, expected: float | None) -> None:
    assert percent(data) == expected


@given(st.one_of(st.binary(), st.floats().map(lambda each: f"{each:f}\n".encode())))
def test_no_content_makes_up_a_share(data: bytes) -> None:
    value = percent(data)
    if value is not None:
        assert 0 <= value <= BEYOND_PERCENT
        assert float(data) == value
