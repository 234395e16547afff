from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.rknpu import DEBUG, PROC, Rknpu, loads, powered, rga_loads, version, volts
from probe.errors import NoData, OtherDevice
from probe.model import Device

BOARDS = Path(__file__).parents[1] / "devices"
RECORDED = BOARDS / "recordings/rk3588_rknpu_load.txt"
RGA = """num of scheduler = 3
================= load ==================
scheduler[0]: rga3_core0
         load = 0%
-----------------------------------
scheduler[1]: rga3_core1
         load = 37%
-----------------------------------
scheduler[2]: rga2
         load = 4294967295%
-----------------------------------
"""


def put(root: Path, path: str, text: object) -> Path:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")
    return file


def values(collector: Rknpu) -> dict[tuple[str, str], float | None]:
    return {(each.track, each.label): each.value for each in collector.sample(0)}


@pytest.fixture
def collector() -> Iterator[Rknpu]:
    made = Rknpu()
    yield made
    made.stop()
    made.stop()


def test_the_board(collector: Rknpu) -> None:
    collector.start(Device("rock", BOARDS / "rock-5b"))
    assert collector.lacking() == {}
    found = values(collector)
    assert {k[1]: v for k, v in found.items() if k[0] == "rknpu.load"} == {
        "Core0": 21.0, "Core1": 11.0, "Core2": 0.0,
    }  # fmt: skip
    assert found["rknpu.clock", "npu"] == 1e9
    assert (found["rknpu.voltage", "npu"], found["rknpu.powered", "npu"]) == (0.8, 1.0)
    assert {k[1] for k in found if k[0] == "rknpu.rga"} == {"rga3_core0", "rga3_core1", "rga2"}
    assert collector.facts() == {"driver": "RKNPU driver: v0.9.8"}


@pytest.mark.parametrize("text", ["", None, "0", "-800000", "8e5", "4294967295", "on please"])
def test_a_state_that_means_nothing_is_a_gap(text: str | None) -> None:
    assert (volts(text), powered(text)) == (None, None)


def test_the_recorded_loads_are_understood() -> None:
    rows = RECORDED.read_text(encoding="utf-8").splitlines()
    found = [loads(row.split("\t")[0]) for row in rows if not row.startswith("#")]
    assert found == [
        {"Core0": 0.0, "Core1": 0.0, "Core2": 0.0},
        {"Core0": 21.0, "Core1": 11.0, "Core2": 0.0},
        {"Core0": 63.0, "Core1": 65.0, "Core2": 64.0},
        {"Core0": 86.0, "Core1": 84.0, "Core2": 61.0},
        {"NPU": 37.0},
        {"Core0": 0.0, "Core1": 25.0, "Core2": 0.0},
    ]


def test_a_load_that_cannot_be_is_a_gap_and_comes_back(tmp_path: Path, collector: Rknpu) -> None:
    put(tmp_path, "/proc/device-tree/compatible", "radxa,rock-5b\0rockchip,rk3588\0")
    file = put(tmp_path, f"{DEBUG}/load", "NPU load:  Core0:  21%, Core1:  11%,")
    collector.start(Device("rk", tmp_path))
    assert "cur_freq" in collector.lacking()["rknpu.clock"].message
    file.write_text("NPU load:  Core0:  20000%, Core1:  11%,\n")
    assert values(collector) == {("rknpu.load", "Core0"): None, ("rknpu.load", "Core1"): 11.0}
    for text in ("", "NPU load: ", "NPU-Last: Kern0: 3%", "NPU load:  Core0"):
        file.write_text(text)
        assert set(values(collector).values()) == {None}
    file.write_text("NPU load:  Core0:  5%, Core1:   %,\n")
    assert values(collector) == {("rknpu.load", "Core0"): 5.0, ("rknpu.load", "Core1"): 0.0}


def test_a_file_that_says_nothing_yet_is_a_gap(tmp_path: Path, collector: Rknpu) -> None:
    file = put(tmp_path, f"{PROC}/load", "")
    clock = put(tmp_path, "/sys/class/devfreq/fde40000.npu/cur_freq", 0)
    collector.start(Device("rk", tmp_path))
    assert values(collector) == {("rknpu.load", "NPU"): None, ("rknpu.clock", "npu"): None}
    file.write_text("NPU load:  7%\n")
    clock.write_text("600000000\n")
    assert values(collector) == {("rknpu.load", "NPU"): 7.0, ("rknpu.clock", "npu"): 6e8}


def test_rga_loads_go_by_name() -> None:
    assert rga_loads(RGA) == {"rga3_core0": 0.0, "rga3_core1": 37.0, "rga2": None}
    assert rga_loads(None) == rga_loads("load = 3%") == {}


def test_an_old_driver_is_named(tmp_path: Path, collector: Rknpu) -> None:
    put(tmp_path, f"{DEBUG}/version", "RKNPU driver: v0.6.4")
    put(tmp_path, "/sys/class/devfreq/fdab0000.npu/cur_freq", 10**9)
    collector.start(Device("rk", tmp_path))
    assert "v0.6.4: states no load" in collector.lacking()["rknpu.load"].message
    assert values(collector) == {("rknpu.clock", "npu"): 1e9}


def test_the_mainline_driver_is_named(tmp_path: Path, collector: Rknpu) -> None:
    put(tmp_path, "/proc/device-tree/compatible", "radxa,rock-5b\0rockchip,rk3588\0")
    put(tmp_path, "/sys/class/accel/accel0/device/uevent", "DRIVER=rocket")
    with pytest.raises(NoData, match="rocket states no load") as caught:
        collector.start(Device("rk", tmp_path))
    assert "Rockchip's kernel" in (caught.value.remedy or "")


def test_debugfs_without_root_says_so(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root, to become somebody else")
    put(tmp_path, f"{DEBUG}/load", "NPU load:  Core0:  21%,")
    put(tmp_path, "/sys/class/devfreq/fdab0000.npu/cur_freq", 10**9)
    (tmp_path / DEBUG.lstrip("/")).parent.chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o005)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from collectors.rknpu import Rknpu; from probe.model import Device\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "each = Rknpu(); each.start(Device('rk', Path(sys.argv[1])))\n"
        "why = each.lacking()['rknpu.load']; print(why.message, '|', why.remedy)\n"
        "print([sample.value for sample in each.sample(0)]); each.stop()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Permission denied | run liveprobe as root" in done.stdout
    assert "[1000000000.0]" in done.stdout


@pytest.mark.parametrize("board", ["bare-vm", "raspberry-pi-5", "laptop-hwmon"])
def test_other_devices_are_other_devices(board: str, collector: Rknpu) -> None:
    with pytest.raises(OtherDevice):
        collector.start(Device("other", BOARDS / board))


def test_versions() -> None:
    assert version("RKNPU driver: v0.9.8") == (0, 9, 8)
    assert version("RKNPU driver: v0.9") is None
    assert version(None) is None


@given(st.text())
def test_no_content_makes_up_a_load(text: str) -> None:
    for found in (loads(text), loads(f"NPU load: {text}"), rga_loads(text)):
        assert all(value is None or 0 <= value <= 100 for value in found.values())
    version(text)


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=3), st.integers(0, 3))
def test_each_core_says_its_own(numbers: list[int], blanks: int) -> None:
    cores = "".join(f" Core{k}: {' ' * blanks}{n}%," for k, n in enumerate(numbers))
    expected = {f"Core{k}": float(n) if n <= 100 else None for k, n in enumerate(numbers)}
    assert loads(f"NPU load: {cores}\n") == expected
    if len(numbers) == 2:
        assert loads(f"NPU load: {numbers[0]}%")["NPU"] == expected["Core0"]
