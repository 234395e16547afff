from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.coral import APEX, BEFORE_USE, IN_USE, USB, Coral
from probe.celsius import of_milli
from probe.errors import NoData, OtherDevice
from probe.kernel_file import integer
from probe.model import Device, Notice, Sample

BOARDS = Path(__file__).parents[1] / "devices"
RECORDED = BOARDS / "recordings/coral_ids.txt"


def put(root: Path, path: str, text: object) -> Path:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")
    return file


def module(root: Path, number: int = 0, temperature: object = 45050) -> str:
    folder = f"{APEX}/apex_{number}"
    put(root, f"{folder}/temp", temperature)
    put(root, f"{folder}/status", "ALIVE")
    put(root, f"{folder}/is_device_owned", 0)
    put(root, f"{folder}/device_owner", 0)
    put(root, f"{folder}/driver_version", "1.1")
    return folder


def stick(root: Path, port: str, ids: tuple[str, str], speed: object = 5000) -> Path:
    put(root, f"{USB}/{port}/idVendor", ids[0])
    put(root, f"{USB}/{port}/speed", speed)
    return put(root, f"{USB}/{port}/idProduct", ids[1]).parent


def process(root: Path, pid: int) -> None:
    put(root, f"/proc/{pid}/stat", f"{pid} (python) " + " ".join(["S", "1", *["0"] * 17, "100"]))


def told(found: object) -> tuple[dict[tuple[str, str], float | None], list[str]]:
    samples: dict[tuple[str, str], float | None] = {}
    notices = []
    for each in found:  # type: ignore[attr-defined]
        if isinstance(each, Sample):
            samples[each.track.partition(".")[2], each.label] = each.value
        elif isinstance(each, Notice):
            notices.append(each.text)
    return samples, notices


@pytest.fixture
def collector() -> Iterator[Coral]:
    made = Coral()
    yield made
    made.stop()
    made.stop()


def test_the_board_with_a_stick(collector: Coral) -> None:
    collector.start(Device("pi", BOARDS / "raspberry-pi-coral"))
    assert told(collector.sample(0)) == ({("in_use", "USB"): 1.0}, [])
    assert "no temperature" in collector.lacking()["coral.temperature"].message
    facts = collector.facts()
    assert facts["sticks_mbit_per_s"] == {"at_start": [5000], "at_end": [5000]}
    assert "inference" in facts["utilisation"]


def test_the_recorded_ids_are_those_that_are_looked_for() -> None:
    found = re.findall(r"^Bus .* ID (\w{4}):(\w{4}) ", RECORDED.read_text("utf-8"), re.MULTILINE)
    assert found == [BEFORE_USE, IN_USE]


def test_a_stick_that_enumerates_anew_is_an_event_and_a_gap(
    tmp_path: Path, collector: Coral
) -> None:
    old = stick(tmp_path, "1-2", BEFORE_USE, 480)
    collector.start(Device("pi", tmp_path))
    assert told(collector.sample(0)) == ({("in_use", "USB"): 0.0}, [])
    shutil.rmtree(old)
    samples, notices = told(collector.sample(1))
    assert samples == {("in_use", "USB"): None}
    assert notices == ["Coral on USB: a stick is gone"]
    stick(tmp_path, "2-2", IN_USE)
    samples, notices = told(collector.sample(2))
    assert samples == {("in_use", "USB"): 1.0}
    assert notices == ["Coral on USB enumerated anew: 18d1:9302, in use"]
    assert told(collector.sample(3)) == ({("in_use", "USB"): 1.0}, [])
    assert collector.facts()["sticks_mbit_per_s"] == {"at_start": [480], "at_end": [5000]}


def test_a_stick_that_changes_within_a_second_is_an_event(tmp_path: Path, collector: Coral) -> None:
    stick(tmp_path, "1-2", BEFORE_USE)
    stick(tmp_path, "1-3", IN_USE)
    collector.start(Device("pi", tmp_path))
    stick(tmp_path, "1-2", IN_USE)
    samples, notices = told(collector.sample(0))
    assert samples == {("in_use", "USB"): 1.0, ("in_use", "USB #2"): 1.0}
    assert len(notices) == 1


def test_a_module_on_pcie(tmp_path: Path, collector: Coral) -> None:
    folder = module(tmp_path)
    collector.start(Device("pc", tmp_path))
    assert isinstance(collector.lacking()["coral.in_use"], OtherDevice)
    assert told(collector.sample(0)) == (
        {("temperature", "apex_0"): 45.05, ("owned", "apex_0"): 0.0}, [],
    )  # fmt: skip
    put(tmp_path, f"{folder}/temp", -89450)
    put(tmp_path, f"{folder}/status", "DEAD")
    put(tmp_path, f"{folder}/is_device_owned", 7)
    assert told(collector.sample(1)) == (
        {("temperature", "apex_0"): None, ("owned", "apex_0"): None},
        ["apex_0: status DEAD, was ALIVE"],
    )
    put(tmp_path, f"{folder}/status", "LEBT")  # not the driver's word
    assert told(collector.sample(2))[1] == ["apex_0: status unknown, was DEAD"]
    assert collector.facts()["modules"]["apex_0"]["driver"] == "1.1"


def test_another_program_that_holds_the_module_is_told_once(
    tmp_path: Path, collector: Coral
) -> None:
    folder = module(tmp_path)
    process(tmp_path, 42)
    process(tmp_path, 99)
    put(tmp_path, f"{folder}/is_device_owned", 1)
    collector.start(Device("pc", tmp_path, program_pid=42))
    for owner, expected in ((42, []), (99, ["apex_0: another program holds it"]), (99, []),
                            (0, []), (99, ["apex_0: another program holds it"])):  # fmt: skip
        put(tmp_path, f"{folder}/device_owner", owner)
        samples, notices = told(collector.sample(0))
        assert samples["owned", "apex_0"] == 1.0
        assert notices == expected


def test_in_a_container_whoever_has_the_module_open_is_known_by_that(
    tmp_path: Path, collector: Coral
) -> None:
    folder = module(tmp_path)  # the driver knows processes by their numbers outside: 42 is 7042
    process(tmp_path, 42)
    put(tmp_path, f"{folder}/is_device_owned", 1)
    put(tmp_path, f"{folder}/device_owner", 7042)
    link = tmp_path / "proc/42/fd/5"
    link.parent.mkdir()
    link.symlink_to("/dev/apex_0")
    collector.start(Device("pc", tmp_path, program_pid=42))
    assert told(collector.sample(0))[1] == []
    link.unlink()
    assert told(collector.sample(1))[1] == []  # whose number it is, is known now
    put(tmp_path, f"{folder}/device_owner", 7099)
    assert told(collector.sample(2))[1] == ["apex_0: another program holds it"]
    link.symlink_to("/dev/apex_0")
    put(tmp_path, f"{folder}/device_owner", 7042)
    assert told(collector.sample(3))[1] == []


def test_a_module_without_its_driver_has_a_remedy(tmp_path: Path, collector: Coral) -> None:
    put(tmp_path, "/sys/bus/pci/devices/0000:03:00.0/vendor", "0x1ac1")
    put(tmp_path, "/sys/bus/pci/devices/0000:03:00.0/device", "0x089a")
    with pytest.raises(NoData, match="Coral on PCIe, without") as caught:
        collector.start(Device("pc", tmp_path))
    assert "gasket-dkms" in (caught.value.remedy or "")
    stick(tmp_path, "1-2", IN_USE)
    other = Coral()
    other.start(Device("pc", tmp_path))
    assert told(other.sample(0))[0] == {("in_use", "USB"): 1.0}
    assert "gasket-dkms" in (other.lacking()["coral.temperature"].remedy or "")
    other.stop()


def test_a_module_of_an_older_driver_lacks_its_temperature(
    tmp_path: Path, collector: Coral
) -> None:
    put(tmp_path, f"{APEX}/apex_0/status", "ALIVE")
    collector.start(Device("pc", tmp_path))
    assert "temp" in collector.lacking()["coral.temperature"].message
    assert told(collector.sample(0)) == ({}, [])


@pytest.mark.parametrize("board", ["bare-vm", "raspberry-pi-5", "rock-5b"])
def test_other_devices_are_other_devices(board: str, collector: Coral) -> None:
    with pytest.raises(OtherDevice):
        collector.start(Device("other", BOARDS / board))


def test_descriptors_come_back(tmp_path: Path) -> None:
    module(tmp_path, 0)
    module(tmp_path, 1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    collector = Coral()
    collector.start(Device("pc", tmp_path))
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 8
    collector.stop()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(collector.sample(0)) == []


@given(st.one_of(st.text(), st.integers().map(str)))
def test_no_content_makes_up_a_temperature(text: str) -> None:
    value = of_milli(integer(text))
    assert value is None or (-55 <= value <= 150 and round(value * 1000) == int(text))
