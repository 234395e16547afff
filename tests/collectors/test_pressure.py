from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.pressure import Pressure, stalls_us
from probe.errors import NoData
from probe.model import Device, Sample

TEXT = (
    "some avg10=1.53 avg60=1.20 avg300=0.30 total={}\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"
)
REAL = Path("/proc/pressure")
RECORDED = Path(__file__).parents[1] / "devices/recordings/linux_psi_schedstat.txt"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "proc" / "pressure"
    folder.mkdir(parents=True)
    for name in ("cpu", "memory", "io"):
        (folder / name).write_text(TEXT.format(1_000_000, 500_000))
    return tmp_path


def read(collector: Pressure, t_ns: int) -> dict[str, float | None]:
    samples = list(collector.sample(t_ns))
    assert all(isinstance(each, Sample) for each in samples)
    return {each.label: each.value for each in samples}


def test_shares_come_from_the_totals_and_the_first_reading_has_none(tree: Path) -> None:
    collector = Pressure()
    collector.start(Device("tree", root=tree))
    assert read(collector, 10**9) == {}
    (tree / "proc/pressure/memory").write_text(TEXT.format(1_250_000, 600_000))
    assert read(collector, 2 * 10**9) == {
        "cpu some": 0.0,
        "io some": 0.0,
        "io full": 0.0,
        "memory some": pytest.approx(25.0),
        "memory full": pytest.approx(10.0),
    }
    collector.stop()
    collector.stop()


def test_the_recorded_files_of_a_kernel_are_understood() -> None:
    parts = re.split(r"^==> (\S+).*\n", RECORDED.read_text("utf-8"), flags=re.MULTILINE)[1:]
    found = {path: stalls_us(text) for path, text in zip(parts[::2], parts[1::2], strict=True)}
    assert found == {
        "/proc/pressure/cpu": {"some": 671_246_175, "full": 0},
        "/proc/pressure/memory": {"some": 0, "full": 0},
        "/proc/pressure/io": {"some": 22_914_405, "full": 9_909_099},
        "/proc/self/schedstat": {},
    }


def test_a_total_that_went_back_or_away_is_missing(tree: Path) -> None:
    collector = Pressure()
    collector.start(Device("tree", root=tree))
    read(collector, 10**9)
    (tree / "proc/pressure/io").write_text(TEXT.format(5, 5))
    assert read(collector, 2 * 10**9)["io some"] is None
    (tree / "proc/pressure/io").write_text("")
    gone = read(collector, 3 * 10**9)
    assert gone["io some"] is None
    assert gone["io full"] is None
    assert "io some" not in read(collector, 4 * 10**9)
    collector.stop()


def test_a_kernel_that_keeps_none_is_no_data_with_what_to_boot(tree: Path) -> None:
    shutil.rmtree(tree / "proc/pressure")
    with pytest.raises(NoData, match="proc/pressure: No such file") as caught:
        Pressure().start(Device("tree", root=tree))
    assert "psi=1" in (caught.value.remedy or "")


def test_one_resource_is_enough(tree: Path) -> None:
    (tree / "proc/pressure/io").unlink()
    (tree / "proc/pressure/cpu").unlink()
    collector = Pressure()
    collector.start(Device("tree", root=tree))
    read(collector, 0)
    assert set(read(collector, 10**9)) == {"memory some", "memory full"}
    collector.stop()


@pytest.mark.skipif(not REAL.exists(), reason="this kernel keeps no pressure")
def test_the_real_files_are_understood() -> None:
    for name in ("cpu", "memory", "io"):
        text = (REAL / name).read_text()
        assert set(stalls_us(text)) >= {"some"}
        assert all(f"total={total}" in text for total in stalls_us(text).values())


@given(st.text())
def test_any_text_gives_no_total_that_it_does_not_hold(text: str) -> None:
    assert all(f"total={total}" in text.replace("=0", "=") or f"total={total}" in text
               for total in stalls_us(text).values())  # fmt: skip


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 120))
def test_whatever_is_cut_off_is_left_out(some: int, full: int, kept: int) -> None:
    text = TEXT.format(some, full)
    assert stalls_us(text) == {"some": some, "full": full}
    cut = stalls_us(text[:kept])
    assert set(cut) <= {"some", "full"}
    assert all(str({"some": some, "full": full}[kind]).startswith(str(total))
               for kind, total in cut.items())  # fmt: skip


SPIN = "print('up', flush=True)\nwhile True: pass"
THRASH = """
import mmap, sys
sys.stdin.readline()
with open(sys.argv[1], "wb") as file:  # written here, so that its pages count as this group's
    for _ in range(64): file.write(bytes(2**20))
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
    while True:
        for k in range(0, len(pages), 4096): pages[k]
"""
NARROW_BYTES = 16 * 2**20
PLACES = {"/sys/fs/cgroup": "memory.max", "/sys/fs/cgroup/memory": "memory.limit_in_bytes"}
"""Where control groups of memory are made, version 2 and 1, and the file of their limit."""


def totals(resource: str) -> int:
    return stalls_us((REAL / resource).read_text())["some"]


def share_while(resource: str, grown_us: int) -> tuple[float, float]:
    """Return what the collector says while the kernel's count grows, and what it must at least."""
    collector = Pressure()
    collector.start(Device("here"))
    read(collector, begun := time.monotonic_ns())
    before = totals(resource)
    deadline = time.monotonic() + 30
    while totals(resource) - before < grown_us and time.monotonic() < deadline:
        time.sleep(0.05)
    grown = totals(resource) - before
    found = read(collector, ended := time.monotonic_ns())[f"{resource} some"]
    collector.stop()
    assert grown >= grown_us, "the kernel saw no pressure"
    assert found is not None
    return found, 100 * grown * 1000 / (ended - begun)


@pytest.mark.skipif(not REAL.exists(), reason="this kernel keeps no pressure")
def test_programs_that_fight_for_a_core_are_pressure() -> None:
    core = min(os.sched_getaffinity(0))
    fighters = [
        subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) for _ in range(3)
    ]
    try:
        for each in fighters:
            assert each.stdout is not None
            each.stdout.readline()
            os.sched_setaffinity(each.pid, {core})
        share, least = share_while("cpu", 300_000)
    finally:
        for each in fighters:
            each.kill()
            each.communicate(timeout=30)
    assert 0.9 * least <= share <= 101


@pytest.fixture
def narrow() -> Iterator[Path]:
    """Make a control group that holds 16 MiB at most."""
    for place, limit in PLACES.items():
        group = Path(place) / f"liveprobe-test-{os.getpid()}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / limit).exists():  # the kernel made it: this is one
                break
            group.rmdir()
    else:
        pytest.skip("no control group of memory can be made here")
    (group / limit).write_text(str(NARROW_BYTES))
    yield group
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:  # it is busy until its last process is gone
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.05)


@pytest.mark.skipif(not REAL.exists(), reason="this kernel keeps no pressure")
def test_a_program_that_reads_its_pages_again_and_again_is_pressure(
    narrow: Path, tmp_path: Path
) -> None:
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()
    if kind in {"tmpfs", "ramfs"}:
        pytest.skip(f"pages of a {kind} cannot be read again from a disk")
    command = [sys.executable, "-c", THRASH, str(tmp_path / "pages")]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as reader:
        (narrow / "cgroup.procs").write_text(str(reader.pid))
        assert reader.stdin is not None
        reader.stdin.write(b"\n")
        reader.stdin.flush()
        try:
            share, least = share_while("memory", 100_000)
        finally:
            reader.kill()
    assert 0.9 * least <= share <= 101
