from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.devices.accelerators import APEX, CORAL_SRAM, Accelerator
from probe.devices.local import NAME_LENGTH, inventory
from probe.devices.processors import processor
from probe.devices.versions import identified, version
from probe.model import Device

DEVICES = Path(__file__).parents[2] / "devices"
SECRETS = (
    "5ec7e70123456789", "0badc0de12345678", "studio-of-somebody", "PF5ABC12",
    "01234567-89ab-cdef-0123-456789abcdef",
)  # fmt: skip


def of(name: str) -> dict[str, Any]:
    return inventory(Device("tree", DEVICES / name))


def part(
    name: str, driver: str | None = None, node: str | None = None, **known: object
) -> dict[str, Any]:
    """Return an accelerator's entry; what is not given is not known."""
    unknown = dict.fromkeys(Accelerator.__annotations__)
    return {**unknown, "name": name, "driver": driver, "node": node, **known}


def gpu(
    chip: str | None, driver: str, node: str | None, name: str | None = None
) -> dict[str, str | None]:
    return {"name": name, "chip": chip, "driver": driver, "node": node}


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
        "physical_cores": None,
        "cores_present": None,
        "clock_limit_hz": [2_400_000_000],
        "memory_bytes": 8_245_568 * 1024,
        "os": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.12.25+rpt-rpi-2712",
        "governor": "ondemand",
        "clocks_held": None,
        "power_mode": None,
        "clocksource": "arch_sys_counter",
        "virtualised": False,
        "accelerators": [
            part(
                "Hailo-8 or 8L",
                "hailo",
                "/dev/hailo0",
                version="4.20.0",
                version_source="/sys/module/hailo_pci/version",
                link="PCIe Gen 3 x1",
            )
        ],
        "gpus": [gpu("brcm,2712-v3d", "v3d", "/dev/dri/renderD128")],
        "cameras": ["Integrated Camera: USB Camera"],
        "displays": ["HDMI-A-1"],
    }


def test_rock_has_two_kinds_of_cores_and_two_governors() -> None:
    found = of("rock-5b")
    assert found["name"] == "radxa-rock-5b"
    assert found["cpu"] == "4x Cortex-A55 + 3x Cortex-A76"
    assert found["governor"] == "ondemand, performance"
    (npu,) = found["accelerators"]
    assert (npu["name"], npu["driver"], npu["version"]) == ("Rockchip NPU", "RKNPU", "0.9.8")
    assert npu["version_source"] == "/sys/kernel/debug/rknpu/version"
    assert npu["sram_bytes"] == 384 * 1024


def test_a_core_that_is_off_and_threads_that_share_one_are_told_apart() -> None:
    rock, laptop, vm = of("rock-5b"), of("laptop-ryzen-ai"), of("bare-vm")
    names = ("cores", "physical_cores", "cores_present")
    assert [[each[name] for name in names] for each in (rock, laptop, vm)] == [
        [7, None, 8], [24, 12, None], [2, None, None],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "present"), [("0\n", 1), ("0-3", 4), ("0-1,4,6-7", 5), ("", None), ("7-0", None),
                          ("0-", None), ("-1", None), ("0-3;", None), ("9" * 50, None)],
)  # fmt: skip
def test_a_list_of_cores_is_counted_or_not_believed(
    tmp_path: Path, text: str, present: int | None
) -> None:
    write(tmp_path, "sys/devices/system/cpu/present", text)
    assert processor(Device("tree", tmp_path)).present == present


@pytest.mark.parametrize(
    ("speed", "width", "link"),
    [("8.0 GT/s PCIe", "1", "PCIe Gen 3 x1"), ("5 GT/s", "4", "PCIe Gen 2 x4"),
     ("Unknown", "0", None), ("Unknown speed", "255", None), ("8.0 GT/s PCIe", "", None)],
)  # fmt: skip
def test_a_card_tells_what_it_negotiated(
    tmp_path: Path, speed: str, width: str, link: str | None
) -> None:
    slot = "sys/bus/pci/devices/0000:01:00.0"
    for file, said in {"vendor": "0x1e60", "device": "0x2864", "current_link_speed": speed,
                       "current_link_width": width}.items():  # fmt: skip
        write(tmp_path, f"{slot}/{file}", f"{said}\n")
    (card,) = inventory(Device("tree", tmp_path))["accelerators"]
    assert card["link"] == link


def test_laptop_has_its_marketing_name_and_three_accelerators() -> None:
    found = of("laptop-hwmon")
    assert found["name"] == "lenovo-thinkpad-x1-carbon-gen-13"
    assert found["cpu"] == "Intel Core Ultra 7 258V"
    assert found["virtualised"] is False
    assert found["displays"] == ["eDP-1"]
    assert found["accelerators"] == [
        part("Intel NPU (Lunar Lake)", "intel_vpu", "/dev/accel/accel0"),
        part("NVIDIA GeForce RTX 4050 Laptop GPU", "nvidia"),
        part(
            "Coral Edge TPU (USB)",
            sram_bytes=8_000_000,
            sram_source=CORAL_SRAM[1],
            remedy="install libedgetpu1-std: it drives the stick over USB",
        ),
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


def test_this_machine_is_what_psutil_says_it_is() -> None:
    found = inventory(Device("here"))
    assert found["cores"] == psutil.cpu_count()
    assert 1 <= (found["physical_cores"] or 1) <= found["cores"]
    assert found["cores_present"] >= found["cores"]
    assert found["memory_bytes"] == psutil.virtual_memory().total
    assert found["kernel"] == os.uname().release
    limits = {each.max * 1e6 for each in psutil.cpu_freq(percpu=True) if each.max}
    assert not found["clock_limit_hz"] or set(found["clock_limit_hz"]) == limits


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        ("raspberry-pi-5-hailo10h", ("Hailo-10H", "hailo1x", "5.1.1", None)),
        ("jetson-orin-nano", ("NVIDIA Jetson GPU (Orin)", "gk20a", "R36.4.4", None)),
        ("laptop-core-ultra", ("Intel NPU (Lunar Lake)", "intel_vpu", None, None)),
        ("laptop-ryzen-ai", ("AMD XDNA NPU (Strix, Krackan)", "amdxdna", None, "1.0.0.166")),
        ("pc-nvidia", ("NVIDIA GeForce RTX 4070", "nvidia", "570.133.07", None)),
        ("raspberry-pi-coral", ("Coral Edge TPU (USB)", "libedgetpu (over USB)", None, None)),
    ],
)
def test_each_board_has_its_accelerator(
    board: str, expected: tuple[str, str, str | None, str | None]
) -> None:
    (found,) = of(board)["accelerators"]
    assert (found["name"], found["driver"], found["version"], found["firmware"]) == expected
    assert found["remedy"] is None


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        ("laptop-core-ultra", [gpu("8086:64a0", "xe", "/dev/dri/renderD128")]),
        ("laptop-ryzen-ai", [gpu("1002:150e", "amdgpu", "/dev/dri/renderD128")]),
        ("rock-5b", [gpu("arm,mali-bifrost", "mali", None)]),  # its other DRM device is the NPU
        ("pc-nvidia", []),  # it stands among the accelerators
        ("bare-vm", []),
    ],
)
def test_each_gpu_has_its_chip_and_its_driver(
    board: str, expected: list[dict[str, str | None]]
) -> None:
    assert of(board)["gpus"] == expected


def test_a_gpu_is_listed_once_and_by_its_name_where_there_is_one(tmp_path: Path) -> None:
    mali = "sys/devices/platform/fb000000.gpu"
    write(tmp_path, f"{mali}/uevent", "DRIVER=panthor\nOF_COMPATIBLE_0=rockchip,rk3588-mali\n")
    for place in ("sys/class/drm/renderD129", "sys/class/devfreq/fb000000.gpu"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "device").symlink_to(tmp_path / mali)
    write(tmp_path, "sys/class/drm/renderD128/device/uevent", "DRIVER=amdgpu\nPCI_ID=1002:744C\n")
    write(tmp_path, "sys/class/drm/renderD128/device/product_name", "Radeon Pro W7900\n")
    write(tmp_path, "sys/class/kgsl/kgsl-3d0/device/uevent", "DRIVER=kgsl-3d\n")
    write(tmp_path, "sys/class/kgsl/kgsl-3d0/gpu_model", "Adreno740v2\n")
    write(tmp_path, "sys/class/drm/renderD130/device/uevent", "MODALIAS=x\n")  # no driver: no GPU
    assert inventory(Device("tree", tmp_path))["gpus"] == [
        gpu("1002:744c", "amdgpu", "/dev/dri/renderD128", "Radeon Pro W7900"),
        gpu("rockchip,rk3588-mali", "panthor", "/dev/dri/renderD129"),
        gpu(None, "kgsl-3d", "/dev/kgsl-3d0", "Adreno740v2"),
    ]


def test_memory_on_a_chip_has_a_source_or_is_not_stated() -> None:
    for board in (each.name for each in DEVICES.iterdir() if (each / "proc").is_dir()):
        for found in of(board)["accelerators"]:
            assert (found["sram_bytes"] is None) == (found["sram_source"] is None)
            assert found["sram_bytes"] is None or "Hailo" not in found["name"]


@pytest.mark.parametrize(
    ("block", "expected"), [(0, ("Hailo-8L", "4.23.0")), (1, ("Hailo-8", "4.20.0"))]
)
def test_a_hailo_says_which_it_is(tmp_path: Path, block: int, expected: tuple[str, str]) -> None:
    recorded = (DEVICES / "recordings/hailo_identify.txt").read_text().split("\n=====\n")[block]
    write(tmp_path, "recorded/hailortcli fw-control identify.txt", recorded)
    assert identified(Device("tree", tmp_path)) == expected


def test_a_hailo_10h_says_so() -> None:
    found = identified(Device("tree", DEVICES / "raspberry-pi-5-hailo10h"))
    assert found == ("Hailo-10H", "5.1.1")


@pytest.mark.parametrize(
    "text", ["", "[HailoRT] [error] CHECK failed\n", "Device Architecture: HAILO\n", "\0\xff"]
)
def test_a_hailo_that_does_not_answer_stays_what_sysfs_says(tmp_path: Path, text: str) -> None:
    assert identified(Device("tree", tmp_path)) == (None, None)
    write(tmp_path, "recorded/hailortcli fw-control identify.txt", text)
    assert identified(Device("tree", tmp_path)) == (None, None)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12", "535.183.01"),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.16  Release",
            "570.86.16",
        ),
        ("NVRM version: NVIDIA UNIX Kernel Module", None),
        ("", None),
    ],
)
def test_nvidias_driver_states_its_version(tmp_path: Path, text: str, version: str | None) -> None:
    write(tmp_path, "proc/driver/nvidia/version", text)
    slot = "sys/bus/pci/devices/0000:01:00.0"
    for name, value in (("vendor", "0x10de"), ("class", "0x030200"), ("uevent", "DRIVER=nvidia")):
        write(tmp_path, f"{slot}/{name}", value)
    (found,) = inventory(Device("tree", tmp_path))["accelerators"]
    assert (found["version"], found["version_source"]) == (
        version, "/proc/driver/nvidia/version" if version else None,
    )  # fmt: skip


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
        part("Coral Edge TPU (PCIe)", sram_bytes=8_000_000, sram_source=CORAL_SRAM[1], remedy=APEX)
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


VERSION_FILES = (
    "proc/driver/nvidia/version", "etc/nv_tegra_release", "sys/kernel/debug/rknpu/version",
    "sys/module/nvidia/version", "sys/module/amdxdna/version",
    "recorded/hailortcli fw-control identify.txt",
)  # fmt: skip


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None
)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.from_regex(rb"RKNPU driver: v?[0-9.]{0,9}.{0,9}", fullmatch=True),
        st.from_regex(rb"# R[0-9]{1,3} \(release\), REVISION: [0-9.]{0,5}.{0,9}", fullmatch=True),
        st.from_regex(rb"NVRM version: .{0,9}Kernel Module {1,3}[0-9.]{0,9}.{0,9}", fullmatch=True),
        st.from_regex(rb"(Device Architecture: HAILO.{0,4}\n|Firmware Version: .{0,9}\n){1,2}"),
    )
)
def test_no_version_is_made_up(tmp_path: Path, data: bytes) -> None:
    for path in VERSION_FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    device, words = Device("tree", tmp_path), data.decode("utf-8", "replace")
    for driver in ("nvidia", "gk20a", "RKNPU", "amdxdna", "of-no-file"):
        stated, source = version(device, driver, tmp_path / "slot")
        assert (stated is None) == (source is None)
        assert stated is None or all(part in words for part in stated.split(".", 1))
    name, firmware = identified(device)
    assert name is None or name.replace("Hailo-", "HAILO") in words
    assert firmware is None or firmware in words
