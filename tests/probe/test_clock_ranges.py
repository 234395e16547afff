from __future__ import annotations

from pathlib import Path

import pytest

from probe.clock_ranges import Range, emc_held, held, ranges
from probe.devices.local import inventory
from probe.model import Device

NANO = Path(__file__).parents[1] / "devices" / "jetson-orin-nano"
CPU = "sys/devices/system/cpu/cpufreq"
GPU = "sys/class/devfreq/57000000.gpu"


def put(root: Path, path: str, text: object) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(f"{text}\n")


def test_a_jetson_states_its_mode_and_between_which_clocks_it_may_choose() -> None:
    found = inventory(Device("tree", NANO))
    assert (found["power_mode"], found["clocks_held"]) == ("15W", False)


@pytest.mark.parametrize(("gpu", "locked"), [(921_600_000, True), (76_800_000, False)])
def test_clocks_are_held_where_all_have_one_value(tmp_path: Path, gpu: int, locked: bool) -> None:
    put(tmp_path, f"{CPU}/policy0/scaling_min_freq", 1_479_000)
    put(tmp_path, f"{CPU}/policy0/scaling_max_freq", 1_479_000)
    put(tmp_path, f"{GPU}/device/of_node/name", "gpu")
    put(tmp_path, f"{GPU}/min_freq", gpu)
    put(tmp_path, f"{GPU}/max_freq", 921_600_000)
    put(tmp_path, "sys/class/devfreq/other/min_freq", 1)
    put(tmp_path, "sys/class/devfreq/other/max_freq", 2)
    put(tmp_path, "sys/kernel/debug/bpmp/debug/clk/emc/mrq_rate_locked", int(locked))
    device = Device("tree", tmp_path)
    assert ranges(device) == [
        Range("policy0", 1_479_000_000, 1_479_000_000),
        Range("gpu", gpu, 921_600_000),
    ]
    assert (held(device), emc_held(device)) == (locked, locked)


@pytest.mark.parametrize(("least", "most"), [("", 5), (5, ""), (0, 5), (6, 5), ("x", 5), (-1, 5)])
def test_a_range_that_is_none_says_nothing(tmp_path: Path, least: object, most: object) -> None:
    put(tmp_path, f"{CPU}/policy0/scaling_min_freq", least)
    put(tmp_path, f"{CPU}/policy0/scaling_max_freq", most)
    device = Device("tree", tmp_path)
    assert (ranges(device), held(device), emc_held(device)) == ([], None, None)
