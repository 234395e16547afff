from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.thermal import Thermal
from probe.celsius import COLDEST, HOTTEST, of_milli
from probe.errors import NoData, OtherDevice
from probe.kernel_file import KernelFile, integer
from probe.model import Device

DEVICES = Path(__file__).parents[1] / "devices"


def readings(root: Path) -> dict[str, float | None]:
    collector = Thermal()
    collector.start(Device("tree", root))
    try:
        found = collector.sample(0)
        return {each.label: each.value for each in found if each.track == "thermal.temperature"}
    finally:
        collector.stop()


def zone(root: Path, number: int, kind: str, temperature: str) -> Path:
    folder = root / f"sys/class/thermal/thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "type").write_text(f"{kind}\n")
    (folder / "temp").write_text(f"{temperature}\n")
    return folder / "temp"


def test_raspberry_pi_has_its_zone_once_and_the_other_chip() -> None:
    # hwmon0 (cpu_thermal) is the kernel's twin of the zone cpu-thermal
    assert readings(DEVICES / "raspberry-pi-5") == {"cpu-thermal": 59.3, "rp1_adc temp1": 51.236}


def test_rk3588_zones_go_by_type() -> None:
    found = readings(DEVICES / "rock-5b")
    assert found["npu-thermal"] == 43.461
    assert len(found) == 7


def test_the_zones_of_two_kernels_of_a_real_rk3588_are_read(tmp_path: Path) -> None:
    text = (DEVICES / "recordings/rk3588_thermal_zones.txt").read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    for number, (kind, celsius) in enumerate(rows):
        zone(tmp_path / "vendor", number, kind, celsius.replace(".", "") + "00")
    assert readings(tmp_path / "vendor") == {
        "soc-thermal": 44.3, "bigcore0-thermal": 45.3, "bigcore1-thermal": 45.3,
        "littlecore-thermal": 45.3, "center-thermal": 43.4, "gpu-thermal": 42.5,
        "npu-thermal": 43.4,
    }  # fmt: skip
    mainline = text.splitlines()[-1].partition("): ")[2].split(", ")
    for number, kind in enumerate(mainline):
        zone(tmp_path / "mainline", number, kind, "43400")
    assert readings(tmp_path / "mainline") == dict.fromkeys(
        ["package-thermal", "bigcore0-thermal", "bigcore2-thermal", "littlecore-thermal",
         "center-thermal", "gpu-thermal", "npu-thermal"], 43.4,
    )  # fmt: skip


def test_laptop_sensors_are_told_apart_and_sentinels_are_missing() -> None:
    assert readings(DEVICES / "laptop-hwmon") == {
        "acpitz": 20.0,
        "INT3400 Thermal": None,  # -274000: the kernel's invalid temperature
        "x86_pkg_temp": 47.0,
        "acpitz #2": 43.5,
        "nvme Composite": 36.85,
        "coretemp Package id 0": 47.0,
        "coretemp Core 0": 45.0,
        "coretemp Core 8": 46.0,
        "nvme Composite #2": 41.85,
        "iwlwifi_1 temp1": None,  # the interface is down
    }


def test_a_machine_without_sensors_is_told_to_load_their_driver(tmp_path: Path) -> None:
    with pytest.raises(NoData) as caught:
        Thermal().start(Device("tree", tmp_path))
    assert "modprobe coretemp" in (caught.value.remedy or "")


def test_a_bare_machine_says_what_was_looked_for() -> None:
    with pytest.raises(NoData) as caught:
        Thermal().start(Device("tree", DEVICES / "bare-vm"))
    assert "thermal_zone*/temp" in caught.value.message
    assert "temp*_input" in caught.value.message
    assert "virtual machine" in (caught.value.remedy or "")


def unopenable(path: Path) -> None:
    """Put a socket in place of a file: nobody can open it, not even root."""
    path.unlink()
    os.mknod(path, stat.S_IFSOCK | 0o600)


def test_a_sensor_that_cannot_be_opened_leaves_the_others(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", "40000")
    unopenable(zone(tmp_path, 1, "gpu-thermal", "50000"))
    assert readings(tmp_path) == {"cpu-thermal": 40.0}


def test_sensors_that_nobody_may_open_are_not_called_absent(tmp_path: Path) -> None:
    unopenable(zone(tmp_path, 0, "cpu-thermal", "40000"))
    with pytest.raises(NoData, match=r"1 temperature sensors, none readable: .*temp") as caught:
        readings(tmp_path)
    assert "mount /sys" in (caught.value.remedy or "")


def test_a_sensor_that_fails_on_every_read_is_a_gap(tmp_path: Path) -> None:
    path = zone(tmp_path, 0, "cpu-thermal", "40000")
    path.unlink()
    path.mkdir()  # opens, and gives EISDIR on every read as a dead sensor gives EIO
    assert readings(tmp_path) == {"cpu-thermal": None}


def test_a_reading_follows_the_file_through_the_kept_descriptor(tmp_path: Path) -> None:
    path = zone(tmp_path, 0, "cpu-thermal", "40000")
    collector = Thermal()
    collector.start(Device("tree", tmp_path))
    path.write_text("71000\n")
    assert [sample.value for sample in collector.sample(1)] == [71.0]
    path.write_text("")
    assert [sample.value for sample in collector.sample(2)] == [None]
    collector.stop()
    assert list(collector.sample(3)) == []


def test_stopping_gives_every_descriptor_back() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    collector = Thermal()
    collector.start(Device("tree", DEVICES / "laptop-hwmon"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 10
    collector.stop()
    collector.stop()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("millidegrees", "expected"),
    [
        (None, None), (0, 0.0), (-256_000, None), (-274_000, None), (255_000, None),
        (-55_000, -55.0), (150_000, 150.0), (150_001, None), (2**63, None),
    ],
)  # fmt: skip
def test_only_what_a_chip_can_mean_is_a_temperature(
    millidegrees: int | None, expected: float | None
) -> None:
    assert of_milli(millidegrees) == expected


@settings(deadline=None)
@given(st.one_of(st.text(), st.integers().map(str), st.binary().map(lambda b: b.decode("latin1"))))
def test_no_content_of_a_file_makes_up_a_temperature(text: str) -> None:
    value = of_milli(integer(text))
    if value is not None:
        assert COLDEST <= value <= HOTTEST
        assert int(text) == round(value * 1000)


def test_a_kernel_file_reads_what_is_there_now(tmp_path: Path) -> None:
    path = tmp_path / "temp"
    path.write_bytes(b" 12\n\0")
    file = KernelFile(path)
    assert (file.read(), file.read_integer()) == ("12", 12)
    file.close()
    file.close()
    assert file.read() is None


def test_fans_turn_and_trip_points_are_stated(tmp_path: Path) -> None:
    def put(path: str, text: object) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    zone, chip = "sys/class/thermal/thermal_zone0", "sys/class/hwmon/hwmon2"
    put(f"{zone}/type", "cpu-thermal")
    put(f"{zone}/temp", 59300)
    for number, (kind, value) in enumerate(
        [("critical", 110000), ("active", 50000), ("active", 60000), ("hot", -274000)]
    ):
        put(f"{zone}/trip_point_{number}_type", kind)
        put(f"{zone}/trip_point_{number}_temp", value)
    put(f"{chip}/name", "pwmfan")
    put(f"{chip}/fan1_input", 3000)
    collector = Thermal()
    collector.start(Device("pi", root=tmp_path))
    assert collector.lacking() == {}
    assert [(each.label, each.value) for each in collector.sample(0)] == [
        ("cpu-thermal", 59.3),
        ("pwmfan fan1", 3000.0),
    ]
    put(f"{chip}/fan1_input", 4294967295)
    assert [each.value for each in collector.sample(0)] == [59.3, None]
    collector.stop()
    trips = {"critical": 110.0, "active": 50.0, "hot": None}
    assert collector.facts() == {"trip_points": {"cpu-thermal": trips}}


def test_a_board_without_a_fan_lacks_nothing(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("soc")
    (zone / "temp").write_text("1000")
    collector = Thermal()
    collector.start(Device("board", root=tmp_path))
    assert isinstance(collector.lacking()["thermal.fan"], OtherDevice)
    collector.stop()
