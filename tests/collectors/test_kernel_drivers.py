"""What the kernel's own drivers show of chips whose registers are known (recorded in a VM)."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collectors.power import Power
from collectors.thermal import Thermal
from probe.devices.local import inventory
from probe.model import Device, Sample

if TYPE_CHECKING:
    from probe.model import Collector

RECORDED = Path(__file__).parents[1] / "devices" / "recordings" / "linux61_simulated_chips.txt"
I2C = "sys/devices/i2c-0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Lay the recording out as it was: folders, files, and the links between them."""
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        path, arrow, link = line.partition(" -> ")
        if line.startswith("#"):
            continue
        name, _, content = (path, "", "") if arrow else line.partition(": ")
        place = tmp_path / name.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if arrow:
            place.symlink_to(link)
        else:
            place.write_text(f"{content}\n", encoding="utf-8")
    return tmp_path


def started(collector: Collector, root: Path) -> Collector:
    collector.start(Device("tree", root))
    return collector


def read(collector: Collector, second: int = 0) -> dict[str, float | None]:
    found = [each for each in collector.sample(second * 10**9) if isinstance(each, Sample)]
    assert len(found) == len({(each.track, each.label) for each in found})
    return {each.label: each.value for each in found}


def test_watts_are_those_that_the_registers_mean(root: Path) -> None:
    """Data sheets: power LSB of INA219 and INA226 20 and 25 times the current's; INA3221 8 mV."""
    assert read(started(Power(), root)) == {
        "ina219 0x40": 1500 * 20 * 1.0e-3,  # current LSB: 40.96 mV / (4096 * 10 mOhm) = 1 mA
        "ina226 0x41": pytest.approx(979 * 25 * 0.25e-3),
        "ina3221 0x42 1": 5.0 * 1.0,  # 250 * 40 uV over 10 mOhm
        "ina3221 0x42 2": 12.0 * 2.0,
        "ina3221 0x42 3": pytest.approx(3.304 * -0.2),  # it flows back
        "test_battery": pytest.approx(11.4 * 1.6),
    }


def test_resistors_are_stated_and_a_charger_leaves_no_total(root: Path) -> None:
    collector = Power()
    started(collector, root)
    facts = collector.facts()
    shunts = facts["shunts_micro_ohm"]
    assert set(shunts.values()) == {10_000}
    assert [each.partition(" ")[0] for each in shunts] == ["ina219", "ina226", *["ina3221"] * 3]
    assert facts["total"] is None


def test_temperatures_are_those_that_the_registers_mean_each_once(root: Path) -> None:
    """A battery's zone has two twins: one of the zone, one of the supply, which has a label."""
    assert read(started(Thermal(), root)) == {
        "test_battery": 2.6,
        "lm75 temp1": 0x2D80 / 256,
        "tmp102 temp1": 0x19A0 / 128,  # the driver chooses 13 bits
        "max6650 fan1": 1800.0,
    }


def test_of_the_nodes_of_a_camera_one_is_the_camera(root: Path) -> None:
    assert inventory(Device("tree", root))["cameras"] == ["vivid-000-vid-cap"]


def test_a_sensor_whose_driver_is_bound_anew_is_read_again_whatever_its_number(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel gives ENODEV for a file that it took away, as was seen in the VM."""
    pread = os.pread

    def as_sysfs(descriptor: int, size: int, offset: int) -> bytes:
        if os.fstat(descriptor).st_nlink == 0:
            raise OSError(errno.ENODEV, "No such device")
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", as_sysfs)
    chips = {"0-0041": "hwmon5", "0-0048": "hwmon7"}
    power, thermal = started(Power(), root), started(Thermal(), root)

    def both(second: int) -> dict[str, float | None]:
        return read(power, second) | read(thermal, second)

    before = both(0)
    saved = root / "saved"
    for address, number in chips.items():
        shutil.copytree(root / I2C / address / "hwmon" / number, saved / address, symlinks=True)
        shutil.rmtree(root / I2C / address / "hwmon" / number)
    gone = {"ina226 0x41": None, "lm75 temp1": None}
    for second in (2, 4):
        assert both(second) == before | gone
    for address in chips:
        shutil.move(saved / address, root / I2C / address / "hwmon" / "hwmon12")
    assert both(6) == before | gone  # it is found now
    assert both(8) == before
    power.stop()
    thermal.stop()
