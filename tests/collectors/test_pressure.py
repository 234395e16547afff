from __future__ import annotations

import shutil
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
