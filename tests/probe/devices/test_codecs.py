from __future__ import annotations

from pathlib import Path

import pytest

from probe.devices.codecs import codecs, is_camera, of_pyav
from probe.devices.local import inventory
from probe.model import Device

DEVICES = Path(__file__).parents[2] / "devices"


def of(board: str) -> list[str]:
    return [each["name"] for each in codecs(Device("tree", DEVICES / board))]


def test_each_board_has_its_codecs() -> None:
    assert of("raspberry-pi-5-hailo10h") == ["rpivid (HEVC)"]
    assert of("rock-5b") == ["Rockchip MPP"]
    assert of("jetson-orin-nano") == ["Jetson NVDEC"]
    assert of("laptop-core-ultra") == ["VA-API (xe)"]
    assert of("laptop-ryzen-ai") == ["VA-API (amdgpu)"]
    assert of("pc-nvidia") == ["NVDEC and NVENC"]
    assert of("bare-vm") == []


def test_it_is_said_from_what_they_are_inferred() -> None:
    (found,) = codecs(Device("tree", DEVICES / "laptop-core-ultra"))
    assert found["inferred_from"] == ("the driver xe of renderD128; iHD_drv_video.so was not found")
    assert found["node"] == "/dev/dri/renderD128"


def test_a_library_that_is_there_is_told(tmp_path: Path) -> None:
    uevent = tmp_path / "sys/class/drm/renderD128/device/uevent"
    uevent.parent.mkdir(parents=True)
    uevent.write_text("DRIVER=amdgpu\n")
    library = tmp_path / "usr/lib/x86_64-linux-gnu/dri/radeonsi_drv_video.so"
    library.parent.mkdir(parents=True)
    library.touch()
    (found,) = codecs(Device("tree", tmp_path))
    assert found["inferred_from"].endswith("radeonsi_drv_video.so is there")


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("Integrated Camera: USB Camera", True), ("vi-output, imx219 9-0010", True),
        ("rpivid", False), ("rpi-hevc-dec", False), ("pispbe-input", False), ("", True),
        ("rp1-cfe-csi2_ch0", False), ("bcm2835-codec-decode", False), ("rkisp_mainpath", False),
    ],
)  # fmt: skip
def test_codecs_and_stages_of_an_isp_are_no_cameras(name: str, camera: bool) -> None:
    assert is_camera(name) == camera


@pytest.mark.parametrize(
    ("name", "sensor"),
    [
        ("imx708_wide", True), ("ov5647 10-0036", True), ("imx219 9-0010", True),
        ("pispbe", False), ("ov", False), ("dw9807 4-000c", False), ("csi2", False),
    ],
)  # fmt: skip
def test_a_sensor_behind_an_isp_is_a_camera(tmp_path: Path, name: str, sensor: bool) -> None:
    file = tmp_path / "sys/class/video4linux/v4l-subdev0/name"
    file.parent.mkdir(parents=True)
    file.write_text(f"{name}\n")
    assert inventory(Device("tree", tmp_path))["cameras"] == ([name] if sensor else [])


def test_pyav_tells_software_from_hardware() -> None:
    found = of_pyav()
    assert found is not None
    assert {"h264", "mjpeg"} <= set(found["software"])
    assert not set(found["software"]) & set(found["hardware"])
    assert all("_" in name for name in found["hardware"])
