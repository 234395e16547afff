from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.hailo import LAST_WRITER, Hailo
from collectors.hailo.chips import IDENTIFIED, IDENTIFY, chips, identified
from collectors.hailo.monitor import FOLDER, SHARED
from probe.errors import NoData, OtherDevice
from probe.model import Device, Launch, Notice, Sample
from probe.tool import recording

BOARDS = Path(__file__).parents[2] / "devices"
RECORDED = BOARDS / "recordings/hailo_protomon_synthetic.txt"
EXAMPLE = bytes.fromhex(RECORDED.read_text(encoding="utf-8").splitlines()[2])
SECOND = 10**9


def put(root: Path, path: str, text: object) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def chip(root: Path, kind: str = "0x2864", driver: str | None = "hailo") -> None:
    folder = "/sys/bus/pci/devices/0000:01:00.0"
    put(root, f"{folder}/vendor", "0x1e60")
    put(root, f"{folder}/device", kind)
    if driver:
        put(root, f"{folder}/uevent", f"DRIVER={driver}")


def process(root: Path, pid: int, parent: int) -> None:
    fields = " ".join(["S", str(parent), *["0"] * 17, "100"])
    put(root, f"/proc/{pid}/stat", f"{pid} (python) {fields}")


def report(root: Path, pid: int, written: int, data: bytes = EXAMPLE) -> None:
    file = root / FOLDER.lstrip("/") / str(pid)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    os.utime(file, ns=(written, written))


@pytest.fixture
def collector() -> Iterator[Hailo]:
    made = Hailo()
    yield made
    made.stop()
    made.stop()


def labels(found: object) -> set[str]:
    return {each.label for each in found if isinstance(each, Sample)}  # type: ignore[attr-defined]


def test_a_report_of_the_program_becomes_lines(tmp_path: Path, collector: Hailo) -> None:
    chip(tmp_path)
    process(tmp_path, 7, 1)
    process(tmp_path, 42, 7)
    collector.start(Device("pi", tmp_path, program_pid=7))
    assert "hailo_platform" in collector.lacking()["hailo.temperature"].message
    report(tmp_path, 42, 1)
    found = list(collector.sample(0))
    assert Sample("hailo.occupancy", "HAILO8L", 43.1) in found
    assert Sample("hailo.model_rate", "yolov8s", 29.97) in found
    assert list(collector.sample(SECOND // 2)) == []
    gone = list(collector.sample(3 * SECOND))
    assert {each.value for each in gone if isinstance(each, Sample)} == {None}
    assert labels(gone) == labels(found)
    assert list(collector.sample(4 * SECOND)) == []
    facts = collector.facts()
    assert facts["architectures"] == ["HAILO8L"]
    assert facts["queue_capacity"]["yolov8s/input_layer1 H2D"] == 4


def test_a_line_that_a_report_leaves_out_is_a_gap(tmp_path: Path, collector: Hailo) -> None:
    chip(tmp_path)
    process(tmp_path, 7, 1)
    collector.start(Device("pi", tmp_path, program_pid=7))
    report(tmp_path, 7, 1)
    before = labels(collector.sample(0))
    report(tmp_path, 7, 2, b"\x0a\x017\x22\x0c\x0a\x01a\x1a\x07HAILO8L")
    found = {each.label: each.value for each in collector.sample(1) if isinstance(each, Sample)}
    assert found.keys() == before
    assert [label for label, value in found.items() if value is not None] == ["HAILO8L"]


def test_another_program_on_the_chip_is_told_apart(tmp_path: Path, collector: Hailo) -> None:
    chip(tmp_path)
    process(tmp_path, 7, 1)
    process(tmp_path, 99, 1)
    collector.start(Device("pi", tmp_path, program_pid=7))
    for written in (1, 2):
        report(tmp_path, 99, written)
        found = list(collector.sample(written))
        assert all(label.endswith("(other program)") for label in labels(found))
        notices = [each for each in found if isinstance(each, Notice)]
        assert len(notices) == (1 if written == 1 else 0)


def test_the_shared_number_stands_in(tmp_path: Path, collector: Hailo) -> None:
    chip(tmp_path)
    collector.start(Device("pi", tmp_path))
    put(tmp_path, SHARED, "12.500000")
    assert list(collector.sample(0)) == [Sample("hailo.occupancy", LAST_WRITER, 12.5)]


def test_the_boards(collector: Hailo) -> None:
    collector.start(Device("pi", BOARDS / "raspberry-pi-5"))
    assert collector.lacking().keys() == {"hailo.power"}
    assert "no power sensor" in collector.lacking()["hailo.power"].message
    temperatures = [each for each in collector.sample(0) if isinstance(each, Sample)]
    assert [each.value for each in temperatures] == [41.21126937866211, 41.0089225769043]
    collector.stop()
    facts = collector.facts()
    assert facts["architectures"] == ["HAILO8L"]
    assert facts["chips"][0]["driver"] == "hailo"
    assert "GT/s" in facts["chips"][0]["link_speed"]
    assert facts["chips"][0]["link_width"] == 1


def test_what_a_hailo_10h_cannot_tell_is_said(collector: Hailo) -> None:
    collector.start(Device("pi", BOARDS / "raspberry-pi-5-hailo10h"))
    lacking = collector.lacking()
    assert lacking.keys() == {track.name for track in Hailo.tracks}
    assert "scheduler runs on the card" in lacking["hailo.occupancy"].message
    assert all(each.remedy for each in lacking.values())
    assert list(collector.sample(0)) == []
    assert collector.facts()["identity"] == {"architecture": "HAILO10H", "firmware": "5.1.1"}


@pytest.mark.parametrize("board", ["bare-vm", "rock-5b", "laptop-hwmon"])
def test_other_devices_are_other_devices(board: str, collector: Hailo) -> None:
    with pytest.raises(OtherDevice, match="no Hailo"):
        collector.start(Device("other", BOARDS / board))


def test_a_chip_without_a_driver_has_a_remedy(tmp_path: Path, collector: Hailo) -> None:
    chip(tmp_path, "0x45c4", driver=None)
    with pytest.raises(NoData, match="without a driver") as caught:
        collector.start(Device("pi", tmp_path))
    assert not isinstance(caught.value, OtherDevice)
    assert "hailo-h10-all" in (caught.value.remedy or "")
    put(tmp_path, "/sys/class/hailo_chardev/hailo0/board_location", "0000:01:00.0")
    assert chips(Device("pi", tmp_path))[0].driver == "hailo_chardev"


def test_a_machine_without_a_hailo_starts_the_program_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = Launch(("python",), {}, tmp_path, {})
    monkeypatch.setattr("collectors.hailo.HERE", Device("none", tmp_path))
    with pytest.raises(OtherDevice):
        Hailo().attach(launch)
    chip(tmp_path)
    assert Hailo().attach(launch) == {"HAILO_MONITOR": "1"}
    named = Launch(("python",), {"HAILO_MONITOR": "1"}, tmp_path, {})
    assert Hailo().attach(named) == {}


def test_what_was_asked_before_the_program_is_asked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: Hailo
) -> None:
    chip(tmp_path)
    put(tmp_path, "/recorded/hailo_platform.txt", '{"chips": {"0000:01:00.0": {"ts0": 40}}}')
    device = Device("tree", tmp_path)
    monkeypatch.setattr("collectors.hailo.HERE", device)
    collector.attach(Launch(("python",), {}, tmp_path, {}))
    control = collector._control
    collector.start(device)
    assert collector._control is control
    assert [each.value for each in collector.sample(0) if isinstance(each, Sample)] == [40.0]


def test_the_recorded_identities_are_understood_without_their_serial_numbers() -> None:
    file = BOARDS / "recordings/hailo_identify.txt"
    text = file.read_text(encoding="utf-8").splitlines()
    blocks = "\n".join(row for row in text if not row.startswith("#")).split("=====")
    found = [
        {name: match[1] for name, pattern in IDENTIFIED.items() if (match := pattern.search(each))}
        for each in blocks
    ]
    assert found == [
        {"architecture": "HAILO8L", "firmware": "4.23.0"},
        {"architecture": "HAILO8", "firmware": "4.20.0"},
        {},
    ]


def test_the_recorded_hailo_10h_is_known_by_its_ids_and_by_its_firmware(tmp_path: Path) -> None:
    text = (BOARDS / "recordings/rpi5_hailo10h_recon.txt").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^(\w+)<<EOF\n(.*?)^EOF$", text, re.MULTILINE | re.DOTALL))
    put(tmp_path, f"/recorded/{recording(IDENTIFY)}", blocks["identify"])
    assert identified(Device("pi", tmp_path)) == {"architecture": "HAILO10H", "firmware": "5.1.1"}
    address, vendor, device = re.findall(r"^(\S+) .*\[(\w{4}):(\w{4})\]", blocks["pcie"])[0]
    put(tmp_path, f"/sys/bus/pci/devices/{address}/vendor", f"0x{vendor}")
    put(tmp_path, f"/sys/bus/pci/devices/{address}/device", f"0x{device}")
    (found,) = chips(Device("pi", tmp_path))
    assert (found.name, found.package, found.address) == (
        "Hailo-10H", "hailo-h10-all", "0001:01:00.0",
    )  # fmt: skip
