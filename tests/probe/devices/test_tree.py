"""Trees that are none, and trees that somebody made to be hard to read."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from probe.devices import tree
from probe.devices.codecs import codecs
from probe.devices.doctor import examine
from probe.devices.local import inventory
from probe.errors import UsageError
from probe.kernel_file import KernelFile, read_text
from probe.model import Device

DEVICES = Path(__file__).parents[2] / "devices"
FILES = (
    "proc/stat", "proc/cpuinfo", "proc/meminfo", "proc/pressure/cpu", "etc/os-release",
    "proc/device-tree/model", "proc/device-tree/compatible", "proc/sys/kernel/osrelease",
    "sys/class/dmi/id/sys_vendor", "sys/class/hwmon/hwmon0/name",
    "sys/class/hwmon/hwmon0/temp1_input", "sys/class/thermal/thermal_zone0/type",
    "sys/class/thermal/thermal_zone0/temp", "sys/class/video4linux/video0/name",
    "sys/bus/pci/devices/0000:01:00.0/vendor", "sys/bus/pci/devices/0000:01:00.0/device",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq",
    "sys/class/devfreq/fdab0000.npu/cur_freq", "sys/class/powercap/intel-rapl:0/energy_uj",
    "sys/class/drm/renderD128/device/uevent", "sys/module/nvidia/version",
)  # fmt: skip


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv(tree.ROOT, raising=False)
    return monkeypatch


def test_without_the_variable_it_is_this_machine(bare: pytest.MonkeyPatch) -> None:
    assert tree.chosen() == Device("local")
    bare.setenv(tree.ROOT, "")
    assert tree.chosen() == Device("local")
    bare.setenv(tree.ROOT, "/")
    assert tree.chosen() == Device("local")


def test_a_tree_is_a_device_with_its_program(bare: pytest.MonkeyPatch) -> None:
    bare.setenv(tree.ROOT, str(DEVICES / "raspberry-pi-5"))
    assert tree.chosen() == Device("tree", (DEVICES / "raspberry-pi-5").resolve(), 4242)
    bare.setenv(tree.ROOT, str(DEVICES / "bare-vm"))
    assert tree.chosen().program_pid is None


def test_a_program_that_is_not_in_the_tree_is_none(tmp_path: Path) -> None:
    (tmp_path / "recorded").mkdir()
    (tmp_path / "recorded/program_pid.txt").write_text("77\n")
    assert tree.program(tmp_path) is None
    (tmp_path / "proc/77").mkdir(parents=True)
    assert tree.program(tmp_path) == 77


@pytest.mark.parametrize(
    ("name", "said"),
    [("missing", "does not exist"), ("file", "is no folder"), ("empty", "neither proc/ nor sys/"),
     ("loop", "is no folder")],
)  # fmt: skip
def test_what_is_no_tree_says_so(
    tmp_path: Path, bare: pytest.MonkeyPatch, name: str, said: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    bare.setenv(tree.ROOT, str(tmp_path / name))
    with pytest.raises(UsageError, match=said) as raised:
        tree.chosen()
    assert tree.ROOT in raised.value.message
    assert "unset" in (raised.value.remedy or "")


def test_links_that_lead_to_this_machine_are_named(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "sys/inside").mkdir(parents=True)
    (tmp_path / "sys/link").symlink_to("inside")
    (tmp_path / "sys/loop").symlink_to("loop")
    (tmp_path / "sys/nowhere").symlink_to("/no/such/place")
    (tmp_path / "etc/os-release").symlink_to("/proc/version")
    (tmp_path / "proc/7/exe").symlink_to("/proc/version")
    assert tree.leaving(tmp_path) == ["/etc/os-release"]
    assert examine(Device("tree", tmp_path), wait_s=0)["leaving_tree"] == ["/etc/os-release"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0\xff\xfe\x80" * 50, id="binary"),
        pytest.param(b"cp", id="truncated"),
        pytest.param("Température : 59,3 °C\nΔ ٣٤\n".encode(), id="localised"),
        pytest.param(b"nan\n", id="nan"),
        pytest.param(b"-256000\n", id="sentinel"),
        pytest.param(b"4294967295\n", id="UINT32_MAX"),
        pytest.param(b"9" * 5000, id="digits"),
    ],
)
def test_files_of_rubbish_are_no_crash(tmp_path: Path, data: bytes) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    document = examine(Device("tree", tmp_path), wait_s=0)
    assert [row["track"] for row in document["tracks"] if row["state"] == "failed"] == []
    readings = {row["track"]: row for row in document["tracks"]}
    assert readings["thermal.temperature"]["state"] != "measured"


def test_fifos_and_loops_hold_nobody_up(tmp_path: Path) -> None:
    for number, name in enumerate(FILES):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if number % 2:
            (tmp_path / name).symlink_to((tmp_path / name).name)
        else:
            os.mkfifo(tmp_path / name)
    (tmp_path / "sys/class/thermal/thermal_zone1").symlink_to("..")
    device = Device("tree", tmp_path)
    found: list[object] = []
    reader = threading.Thread(
        target=lambda: found.extend([inventory(device), codecs(device)]), daemon=True
    )
    reader.start()
    reader.join(20)
    assert len(found) == 2, "a FIFO without a writer blocks whoever opens it to read"
    assert examine(device, wait_s=0)["device"]["cpu"] is None


def test_a_fifo_reads_as_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert not read_text(tmp_path / "fifo")
    file = KernelFile(tmp_path / "fifo")
    assert file.read() is None
    file.close()
