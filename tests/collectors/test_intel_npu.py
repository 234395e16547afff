from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.intel_npu import FILES, IntelNpu, hertz, percent
from probe.errors import NoData, OtherDevice
from probe.kernel_file import integer
from probe.model import Device

BOARDS = Path(__file__).parents[1] / "devices"
RECORDED = BOARDS / "recordings/intel_npu_sysfs.txt"
SECOND = 10**9


def recorded() -> dict[str, str]:
    """Return the files of the recording: name to content."""
    text = RECORDED.read_text(encoding="utf-8")
    found = re.findall(r"^\$ cat \S*/(\w+)\n((?:(?![$#]).*\n)+)", text, re.MULTILINE)
    return dict(found)


def npu(root: Path, files: dict[str, str], number: int = 0) -> Path:
    folder = root / f"sys/class/accel/accel{number}/device"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def values(collector: IntelNpu, t_ns: int) -> dict[str, float | None]:
    found = list(collector.sample(t_ns))
    assert {each.label for each in found} <= {"NPU"}
    return {each.track.partition(".")[2]: each.value for each in found}


@pytest.fixture
def collector() -> Iterator[IntelNpu]:
    made = IntelNpu()
    yield made
    made.stop()
    made.stop()


def test_the_recorded_laptop(tmp_path: Path, collector: IntelNpu) -> None:
    folder = npu(tmp_path, recorded())
    collector.start(Device("laptop", tmp_path))
    assert collector.lacking() == {}
    assert values(collector, 0) == {"clock": None, "memory": 68714496.0}
    (folder / "npu_busy_time_us").write_text("1229473\n")
    (folder / "npu_current_frequency_mhz").write_text("1400\n")
    assert values(collector, SECOND) == {"occupancy": 25.0, "clock": 1.4e9, "memory": 68714496.0}
    stated = {"name": "Lunar Lake", "scheduler": None, "highest_hertz": 1.9e9}
    assert collector.facts() == {"npus": {"NPU": stated}}


def test_the_board(collector: IntelNpu) -> None:
    collector.start(Device("laptop", BOARDS / "laptop-core-ultra"))
    assert values(collector, 0) == {"clock": None, "memory": 68714496.0}
    assert [each.track for each in collector.sample(1) if each.asleep] == ["intel_npu.clock"]
    assert values(collector, SECOND)["occupancy"] == 0.0
    assert collector.facts()["npus"]["NPU"]["scheduler"] == "HW"


def test_a_counter_that_goes_back_or_leaps_is_a_gap(tmp_path: Path, collector: IntelNpu) -> None:
    folder = npu(tmp_path, recorded())
    collector.start(Device("laptop", tmp_path))
    told = []
    steps = ["1000000", "500000", "1000000", "1", "", "7", "1000007", "18446744073709551615"]
    for second, text in enumerate(steps):
        (folder / "npu_busy_time_us").write_text(text)
        told.append(values(collector, second * SECOND).get("occupancy", "nothing"))
    assert told == ["nothing", None, 50.0, None, None, "nothing", 100.0, None]


def test_an_older_kernel_lacks_what_it_does_not_state(tmp_path: Path, collector: IntelNpu) -> None:
    files = recorded()
    npu(tmp_path, {name: files[name] for name in ("uevent", "npu_busy_time_us")})
    collector.start(Device("laptop", tmp_path))
    assert collector.lacking().keys() == {"intel_npu.clock", "intel_npu.memory"}
    assert "newer kernel" in (collector.lacking()["intel_npu.clock"].remedy or "")
    assert values(collector, 0) == {}
    assert values(collector, SECOND) == {"occupancy": 0.0}


def test_a_kernel_that_states_nothing_is_no_data(tmp_path: Path, collector: IntelNpu) -> None:
    npu(tmp_path, {"uevent": recorded()["uevent"]})
    with pytest.raises(NoData, match="npu_busy_time_us: no such file"):
        collector.start(Device("laptop", tmp_path))


def test_an_npu_of_another_maker_is_not_taken(tmp_path: Path, collector: IntelNpu) -> None:
    npu(tmp_path, {"uevent": "DRIVER=amdxdna\n", "npu_busy_time_us": "1\n"})
    with pytest.raises(OtherDevice, match="no Intel NPU"):
        collector.start(Device("laptop", tmp_path))


def test_an_npu_without_its_driver_has_a_remedy(tmp_path: Path, collector: IntelNpu) -> None:
    slot = tmp_path / "sys/bus/pci/devices/0000:00:0b.0"
    slot.mkdir(parents=True)
    (slot / "vendor").write_text("0x8086\n")
    (slot / "device").write_text("0x7d1d\n")
    with pytest.raises(NoData, match="Meteor Lake") as caught:
        collector.start(Device("laptop", tmp_path))
    assert "modprobe intel_vpu" in (caught.value.remedy or "")


@pytest.mark.parametrize("board", ["bare-vm", "raspberry-pi-5", "laptop-ryzen-ai"])
def test_other_devices_are_other_devices(board: str, collector: IntelNpu) -> None:
    with pytest.raises(OtherDevice):
        collector.start(Device("other", BOARDS / board))


def test_a_second_npu_is_told_apart_and_descriptors_come_back(tmp_path: Path) -> None:
    for number in range(2):
        npu(tmp_path, recorded(), number)
    before = len(list(Path("/proc/self/fd").iterdir()))
    collector = IntelNpu()
    collector.start(Device("laptop", tmp_path))
    assert {each.label for each in collector.sample(0)} == {"NPU", "NPU #2"}
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 2 * len(FILES)
    collector.stop()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(collector.sample(1)) == []


@given(st.one_of(st.text(), st.integers().map(str)))
def test_no_content_makes_up_a_clock(text: str) -> None:
    value = hertz(integer(text))
    assert value is None or (0 < value <= 10e9 and value == int(text) * 1e6)


@given(st.integers(-(2**64), 2**64), st.integers(1, 2**40))
def test_a_share_is_a_share(busy_us: int, elapsed_ns: int) -> None:
    share = percent(busy_us, elapsed_ns)
    assert (share is not None) == (0 <= busy_us * 100_000 <= 110 * elapsed_ns)
    assert share is None or share == pytest.approx(min(100.0, busy_us * 100_000 / elapsed_ns))
