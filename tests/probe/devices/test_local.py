from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.devices.local import NAME_LENGTH, inventory
from probe.model import Device

DEVICES = Path(__file__).parents[2] / "devices"
SECRETS = (
    "5ec7e70123456789", "0badc0de12345678", "studio-of-somebody", "PF5ABC12",
    "01234567-89ab-cdef-0123-456789abcdef",
)  # fmt: skip


def of(name: str) -> dict[str, Any]:
    return inventory(Device("tree", DEVICES / name))


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_raspberry_pi() -> None:
    assert of("raspberry-pi-5") == {
        "name": "raspberry-pi-5",
        "board": "Raspberry Pi 5 Model B Rev 1.0",
        "soc": "brcm,bcm2712",
        "cpu": "4x Cortex-A76",
        "cores": 4,
        "clock_limit_hz": [2_400_000_000],
        "memory_bytes": 8_245_568 * 1024,
        "os": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.12.25+rpt-rpi-2712",
        "governor": "ondemand",
        "clocksource": "arch_sys_counter",
        "virtualised": False,
        "accelerators": [{"name": "Hailo-8 or 8L", "driver": "hailo", "node": "/dev/hailo0"}],
        "cameras": ["Integrated Camera: USB Camera"],
        "displays": ["HDMI-A-1"],
    }


def test_rock_has_two_kinds_of_cores_and_two_governors() -> None:
    found = of("rock-5b")
    assert found["name"] == "radxa-rock-5b"
    assert found["cpu"] == "4x Cortex-A55 + 3x Cortex-A76"
    assert found["governor"] == "ondemand, performance"
    assert found["accelerators"] == [{"name": "Rockchip NPU", "driver": "RKNPU", "node": None}]
    assert found["os"] is None


def test_laptop_has_its_marketing_name_and_three_accelerators() -> None:
    found = of("laptop-hwmon")
    assert found["name"] == "lenovo-thinkpad-x1-carbon-gen-13"
    assert found["cpu"] == "Intel Core Ultra 7 258V"
    assert found["virtualised"] is False
    assert found["displays"] == ["eDP-1"]
    assert found["accelerators"] == [
        {"name": "Intel NPU (Lunar Lake)", "driver": "intel_vpu", "node": "/dev/accel/accel0"},
        {"name": "NVIDIA GeForce RTX 4050 Laptop GPU", "driver": "nvidia", "node": None},
        {"name": "Coral Edge TPU (USB)", "driver": None, "node": None},
    ]


def test_a_virtual_machine_is_named_after_its_processor() -> None:
    found = of("bare-vm")
    assert (found["name"], found["board"], found["virtualised"]) == ("vm-amd-epyc", None, True)
    assert found["accelerators"] == found["cameras"] == found["displays"] == []


def test_an_empty_root_knows_nothing_and_says_so(tmp_path: Path) -> None:
    found = inventory(Device("tree", tmp_path))
    assert found.pop("name") == "linux"
    assert all(value is None or value == [] for value in found.values())


def test_this_machine_can_be_listed() -> None:
    found = inventory(Device("here"))
    assert found["cores"] >= 1
    assert found["memory_bytes"] > 2**20
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("name", ["raspberry-pi-5", "rock-5b", "laptop-hwmon", "bare-vm"])
def test_no_serial_number_or_host_name_is_in_it(name: str) -> None:
    everything = "".join(path.read_text() for path in (DEVICES / name).rglob("*") if path.is_file())
    text = json.dumps(of(name))
    assert name == "bare-vm" or any(secret in everything for secret in SECRETS)
    assert not any(secret in text for secret in SECRETS)


@pytest.mark.parametrize(
    ("vendor", "product", "board"),
    [
        ("Dell Inc.", "XPS 13 9340", "Dell Inc. XPS 13 9340"),
        ("Framework", "Framework Laptop 13", "Framework Laptop 13"),
        ("To Be Filled By O.E.M.", "To Be Filled By O.E.M.", None),
        ("ASUSTeK", "4c4c4544-0033-3510-8051-b7c04f4e4d32", None),
        ("ASUSTeK", "000123456789", None),
        ("HP", "System Product Name", None),
        ("Evil\x1b[31m", "Bo\nard", "Evil [31m Bo ard"),
    ],
)
def test_dmi_fields_are_believed_only_when_they_name_a_product(
    tmp_path: Path, vendor: str, product: str, board: str | None
) -> None:
    write(tmp_path, "sys/class/dmi/id/sys_vendor", vendor)
    write(tmp_path, "sys/class/dmi/id/product_name", product)
    assert inventory(Device("tree", tmp_path))["board"] == board


def test_a_mainboard_stands_in_for_a_product_without_a_name(tmp_path: Path) -> None:
    write(tmp_path, "sys/class/dmi/id/product_name", "System Product Name")
    write(tmp_path, "sys/class/dmi/id/board_vendor", "ASRock")
    write(tmp_path, "sys/class/dmi/id/board_name", "X670E Taichi")
    assert inventory(Device("tree", tmp_path))["name"] == "asrock-x670e-taichi"


def test_a_part_without_a_driver_is_still_seen(tmp_path: Path) -> None:
    write(tmp_path, "sys/bus/pci/devices/0000:01:00.0/vendor", "0x1ac1\n")
    write(tmp_path, "sys/bus/pci/devices/0000:01:00.0/device", "0x089a\n")
    assert inventory(Device("tree", tmp_path))["accelerators"] == [
        {"name": "Coral Edge TPU (PCIe)", "driver": None, "node": None}
    ]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(st.binary(max_size=300))
def test_hostile_files_make_no_hostile_names(tmp_path: Path, data: bytes) -> None:
    for path in ("proc/cpuinfo", "proc/meminfo", "proc/device-tree/model", "etc/os-release",
                 "proc/device-tree/compatible", "sys/class/dmi/id/product_name"):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    found = inventory(Device("tree", tmp_path))
    assert 0 < len(found["name"]) <= NAME_LENGTH
    assert set(found["name"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    json.dumps(found)
