from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.disk import Disk, Traffic, traffic
from probe.errors import NoData
from probe.model import Device

SECOND = 10**9
TEXT = (
    "rchar: 9\nwchar: 8\nsyscr: 7\nsyscw: 6\n"
    "read_bytes: {}\nwrite_bytes: {}\ncancelled_write_bytes: 3\n"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "proc" / "7"
    folder.mkdir(parents=True)
    rest = " ".join(["0"] * 17)
    (folder / "stat").write_text(f"7 (p) S 1 {rest} 55 0\n")
    (folder / "io").write_text(TEXT.format(4096, 0))
    return tmp_path


def values(collector: Disk, t_ns: int) -> dict[tuple[str, str], float | None]:
    return {(each.track, each.label): each.value for each in collector.sample(t_ns)}


def test_rates_come_from_two_readings(tree: Path) -> None:
    collector = Disk()
    collector.start(Device("tree", root=tree, program_pid=7))
    assert values(collector, 0) == {}
    (tree / "proc/7/io").write_text(TEXT.format(4096 + 8192, 100))
    assert values(collector, 2 * SECOND) == {
        ("disk.read", "p:7"): 4096.0,
        ("disk.written", "p:7"): 50.0,
    }
    (tree / "proc/7/io").write_text(TEXT.format(0, 200))
    assert values(collector, 3 * SECOND) == {
        ("disk.read", "p:7"): None,
        ("disk.written", "p:7"): 100.0,
    }
    (tree / "proc/7/io").unlink()
    assert values(collector, 4 * SECOND) == {}
    collector.stop()
    collector.stop()


def test_what_this_process_writes_is_seen(tmp_path: Path) -> None:
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()
    if kind in {"tmpfs", "ramfs", "overlayfs"}:
        pytest.skip(f"what is written to a {kind} is not counted")
    collector = Disk()
    collector.start(Device("here", program_pid=os.getpid()))
    values(collector, 0)
    with (tmp_path / "written").open("wb") as file:
        file.write(bytes(8 * 2**20))
        file.flush()
        os.fsync(file.fileno())
    found = values(collector, SECOND)
    collector.stop()
    written = sum(value or 0 for (track, _), value in found.items() if track == "disk.written")
    assert 8 * 2**20 <= written < 64 * 2**20


def test_what_may_not_be_read_is_no_data(tree: Path) -> None:
    (tree / "proc/7/io").unlink()
    with pytest.raises(NoData, match="io: No such file") as caught:
        Disk().start(Device("tree", root=tree, program_pid=7))
    assert "as the program's user" in (caught.value.remedy or "")
    with pytest.raises(NoData, match="no program"):
        Disk().start(Device("tree", root=tree))


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 130))
def test_a_cut_file_says_nothing_false(read: int, written: int, kept: int) -> None:
    text = TEXT.format(read, written)
    assert traffic(text) == Traffic(read, written)
    found = traffic(text[:kept])
    assert found is None or (found.read == read and str(written).startswith(str(found.written)))


@given(st.text())
def test_any_text_is_a_count_or_is_not(text: str) -> None:
    found = traffic(text)
    assert found is None or (str(found.read) in text and str(found.written) in text)
