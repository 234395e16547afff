from __future__ import annotations

import math
import re
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.power import Power
from collectors.power.pmic import MOST_AMPERES, MOST_VOLTS, adc
from collectors.power.rapl import joules
from collectors.power.source import MOST_WATTS, of_micro, of_product, together
from probe import tool
from probe.errors import NoData, OtherDevice
from probe.model import Device, Launch, Sample

SECOND = 10**9
DEVICES = Path(__file__).parents[1] / "devices"
RECORDED = DEVICES / "recordings"
CAP = "/sys/class/powercap"
HWMON = "/sys/class/hwmon"
SUPPLY = "/sys/class/power_supply"
RANGE = 262_143_328_850
PMIC = "recorded/vcgencmd pmic_read_adc.txt"


def put(root: Path, path: str, text: object) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def tree(tmp_path: Path, board: str) -> Path:
    root = tmp_path / board
    shutil.copytree(DEVICES / board, root, symlinks=True)
    return root


def started(root: Path, total: str | None = None) -> Power:
    collector = Power()
    options = {"power": {"total": total}}
    assert collector.attach(Launch(("program",), {}, root, options)) == {}
    collector.start(Device("tree", root=root))
    return collector


def samples(collector: Power, t_ns: int = 0) -> list[Sample]:
    found = list(collector.sample(t_ns))
    assert all(isinstance(each, Sample) for each in found)
    return found


def values(collector: Power, t_ns: int = 0) -> dict[tuple[str, str], float | None]:
    return {(each.track, each.label): each.value for each in samples(collector, t_ns)}


def totals(collector: Power, t_ns: int = 0) -> dict[str, float | None]:
    return {
        label: value for (track, label), value in values(collector, t_ns).items()
        if track == "power.total"
    }  # fmt: skip


def counter(root: Path, zone: str, name: str, energy: object, span: int = RANGE) -> None:
    put(root, f"{CAP}/{zone}/name", name)
    put(root, f"{CAP}/{zone}/energy_uj", energy)
    put(root, f"{CAP}/{zone}/max_energy_range_uj", span)


def battery(root: Path, name: str, **files: object) -> None:
    for file, text in {"type": "Battery", "present": 1, **files}.items():
        put(root, f"{SUPPLY}/{name}/{file}", text)


def test_a_counter_gives_nothing_first_and_then_the_mean_stamped_in_between(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    counter(tmp_path, "intel-rapl:0:0", "core", 400_000)
    collector = started(tmp_path)
    assert samples(collector, SECOND) == []
    counter(tmp_path, "intel-rapl:0", "package-0", 31_000_000)
    counter(tmp_path, "intel-rapl:0:0", "core", 20_400_000)
    assert samples(collector, 3 * SECOND) == [
        Sample("power.domain", "package-0", 15.0, 2 * SECOND),
        Sample("power.domain", "package-0 core", 10.0, 2 * SECOND),
        Sample("power.total", "RAPL package", 15.0, 2 * SECOND),
    ]
    collector.stop()
    collector.stop()


def test_a_counter_that_begins_anew_is_a_wrap_and_one_that_was_set_back_is_no_value(
    tmp_path: Path,
) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", RANGE - 4_000_000)
    collector = started(tmp_path)
    samples(collector)
    counter(tmp_path, "intel-rapl:0", "package-0", 6_000_000)
    assert totals(collector, SECOND) == {"RAPL package": 10.0}
    counter(tmp_path, "intel-rapl:0", "package-0", 1_000)  # 262 kJ in a second
    assert totals(collector, 2 * SECOND) == {"RAPL package": None}
    collector.stop()


@pytest.mark.parametrize("text", ["", "nan", "4.5", "-1", "262143328851", "9" * 40, "1 2"])
def test_what_is_no_count_of_energy_is_a_gap(tmp_path: Path, text: str) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", RANGE - 1)
    collector = started(tmp_path)
    samples(collector)
    counter(tmp_path, "intel-rapl:0", "package-0", text)
    assert totals(collector, SECOND) == {"RAPL package": None}
    counter(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    samples(collector, 2 * SECOND)
    counter(tmp_path, "intel-rapl:0", "package-0", 8_000_000)
    assert totals(collector, 3 * SECOND) == {"RAPL package": 3.0}
    collector.stop()


def test_no_domain_is_added_that_another_holds(tmp_path: Path) -> None:
    zones = {
        "intel-rapl:0": ("package-0", 20), "intel-rapl:0:0": ("core", 12),
        "intel-rapl:0:1": ("dram", 3), "intel-rapl:1": ("package-1", 10),
        "intel-rapl:1:0": ("dram", 2), "intel-rapl-mmio:0": ("package-0", 20),
    }  # fmt: skip
    for zone, (name, _) in zones.items():
        counter(tmp_path, zone, name, 1_000_000)
    collector = started(tmp_path)
    samples(collector)
    for zone, (name, joule) in zones.items():
        counter(tmp_path, zone, name, 1_000_000 + joule * 1_000_000)
    found = values(collector, SECOND)
    assert found == {
        ("power.domain", "package-0"): 20.0, ("power.domain", "package-0 core"): 12.0,
        ("power.domain", "package-0 dram"): 3.0, ("power.domain", "package-1"): 10.0,
        ("power.domain", "package-1 dram"): 2.0,
        ("power.total", "RAPL packages and dram"): 35.0,
    }  # fmt: skip
    assert collector.facts()["total"]["covers"] == "the processor's packages and its memory"
    collector.stop()


def test_the_platform_domain_is_the_total_where_it_counts(tmp_path: Path) -> None:
    root = tree(tmp_path, "laptop-core-ultra")
    collector = started(root)
    samples(collector)
    counter(root, "intel-rapl:0", "package-0", 65_997_277_274 + 9_000_000)
    counter(root, "intel-rapl:1", "psys", 95_997_277_274 + 14_000_000)
    found = values(collector, SECOND)
    assert found["power.total", "RAPL psys"] == pytest.approx(14.0)
    assert found["power.domain", "package-0"] == pytest.approx(9.0)
    assert found["power.domain", "package-0 uncore"] == 0.0  # graphics may rest
    assert found["power.domain", "package-0 core"] == 0.0
    assert [key for key in found if key[0] == "power.total"] == [("power.total", "RAPL psys")]
    assert "Full; only one that discharges" in collector.lacking()["power.battery"].message
    collector.stop()


def test_a_recorded_counter_wraps_where_its_range_ends(tmp_path: Path) -> None:
    text = (RECORDED / "rapl_powercap_info.txt").read_text()
    span = int(re.findall(r"max_energy_range_uj: ([0-9]+)", text)[0])
    energy = int(re.findall(r"^ *energy_uj: ([0-9]+)", text, re.MULTILINE)[0])
    counter(tmp_path, "intel-rapl:0", "package-0", energy, span)
    collector = started(tmp_path)
    samples(collector)
    counter(tmp_path, "intel-rapl:0", "package-0", span - 1_000_000, span)
    samples(collector, 3600 * SECOND)
    counter(tmp_path, "intel-rapl:0", "package-0", 64_000_000, span)
    assert totals(collector, 3601 * SECOND) == {"RAPL package": 65.0}
    collector.stop()


def test_the_channels_of_a_recorded_jetson_are_its_rails(tmp_path: Path) -> None:
    text = (RECORDED / "jetson_sysfs_orin_nano.txt").read_text()
    labels = re.findall(r"in([0-9])_label=(.+?)(?= in[0-9]_label|$)", text, re.MULTILINE)
    assert len(labels) == 4
    put(tmp_path, "/proc/device-tree/compatible", "nvidia,p3768\0nvidia,tegra234\0")
    put(tmp_path, f"{HWMON}/hwmon1/name", "ina3221")
    for number, label in labels:
        put(tmp_path, f"{HWMON}/hwmon1/in{number}_label", label)
        put(tmp_path, f"{HWMON}/hwmon1/in{number}_input", 5000)
        put(tmp_path, f"{HWMON}/hwmon1/curr{number}_input", 100 * int(number))
    collector = started(tmp_path)
    assert values(collector) == {
        ("power.rail", "VDD_IN"): 0.5, ("power.rail", "VDD_CPU_GPU_CV"): 1.0,
        ("power.rail", "VDD_SOC"): 1.5, ("power.total", "VDD_IN"): 0.5,
    }  # fmt: skip
    collector.stop()


def test_a_platform_domain_that_never_counted_is_not_counted_on(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    counter(tmp_path, "intel-rapl:1", "psys", 0)
    collector = started(tmp_path)
    samples(collector)
    counter(tmp_path, "intel-rapl:0", "package-0", 6_000_000)
    found = values(collector, SECOND)
    assert found["power.total", "RAPL package"] == 5.0
    assert found["power.domain", "psys"] is None
    collector.stop()


def test_a_package_that_uses_nothing_is_a_counter_that_stands_still(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    collector = started(tmp_path)
    samples(collector)
    assert totals(collector, SECOND) == {"RAPL package": None}
    collector.stop()


def test_counters_that_only_root_may_read_say_so(tmp_path: Path) -> None:
    put(tmp_path, f"{CAP}/intel-rapl:0/name", "package-0")
    (tmp_path / CAP.lstrip("/") / "intel-rapl:0/energy_uj").symlink_to(
        "energy_uj"
    )  # root reads all
    with pytest.raises(NoData, match="energy_uj") as caught:
        started(tmp_path)
    assert "root" in (caught.value.remedy or "")
    assert "CVE-2020-8694" in (caught.value.remedy or "")


def test_a_sum_without_a_package_is_no_total(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    put(tmp_path, f"{CAP}/intel-rapl:1/name", "package-1")
    collector = started(tmp_path)
    samples(collector)
    counter(tmp_path, "intel-rapl:0", "package-0", 6_000_000)
    assert values(collector, SECOND) == {("power.domain", "package-0"): 5.0}
    assert "no line covers the device" in collector.lacking()["power.total"].message
    collector.stop()


def test_a_processor_without_counters_is_another_device_and_a_machine_without_any_says_so(
    tmp_path: Path,
) -> None:
    with pytest.raises(NoData, match="no power sensor and no battery") as caught:
        started(tmp_path)
    assert "power_meter" in (caught.value.remedy or "")
    put(tmp_path, "/proc/cpuinfo", "processor : 0\nvendor_id\t: GenuineIntel")
    with pytest.raises(NoData, match=re.escape("powercap/intel-rapl:*")) as caught:
        started(tmp_path)
    assert not isinstance(caught.value, OtherDevice)
    assert "modprobe intel_rapl_msr" in (caught.value.remedy or "")
    put(tmp_path, "/proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t: fpu hypervisor")
    with pytest.raises(NoData, match=re.escape("powercap/intel-rapl:*")) as caught:
        started(tmp_path)
    assert "measure on the device itself" in (caught.value.remedy or "")


@given(
    st.integers(0, RANGE), st.one_of(st.none(), st.integers(-(2**64), 2**65)),
    st.one_of(st.none(), st.integers(0, 2**64)),
)  # fmt: skip
def test_energy_is_the_difference_or_the_rest_of_the_range(
    before: int, now: int | None, span: int | None
) -> None:
    found = joules(before, now, span)
    if now is None or now < 0 or (span is not None and max(now, before) > span):
        assert found is None
    elif now >= before:
        assert found == (now - before) / 1e6
    elif span is None:
        assert found is None
    else:
        assert found == (span - before + now) / 1e6


@pytest.mark.parametrize(
    ("file", "watts"),
    [("rpi5_pmic_read_adc.txt", 10.7999), ("rpi5_pmic_read_adc_idle.txt", 1.8985),
     ("rpi5_pmic_read_adc_load.txt", 7.2398)],
)  # fmt: skip
def test_the_rails_of_a_raspberry_pi_add_up_as_recorded(
    tmp_path: Path, file: str, watts: float
) -> None:
    put(tmp_path, "/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    put(tmp_path, PMIC, (RECORDED / file).read_text())
    collector = started(tmp_path)
    found = values(collector)
    assert found["power.total", "PMIC, 12 rails"] == pytest.approx(watts, abs=5e-5)
    assert len([key for key in found if key[0] == "power.rail"]) == 12
    supply = found["power.voltage", "EXT5V"]
    assert supply is not None
    assert 5 < supply < 5.2
    leaves = collector.facts()["total"]["leaves_out"]
    assert all(each in leaves for each in ("5 V rail", "USB", "HAT", "NVMe"))
    collector.stop()


def test_a_tool_that_hangs_holds_up_no_sensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0")
    put(tmp_path, f"{HWMON}/hwmon0/name", "ina219")
    put(tmp_path, f"{HWMON}/hwmon0/power1_input", 2_500_000)
    (tmp_path / "answer").write_text((RECORDED / "rpi5_pmic_read_adc.txt").read_text())
    script = tmp_path / "vcgencmd"
    script.write_text(f"#!/bin/sh\nmv {tmp_path}/answer {tmp_path}/given\n"
                      f"cat {tmp_path}/given; exec sleep $(cat {tmp_path}/hang)\n")  # fmt: skip
    script.chmod(0o755)
    put(tmp_path, "hang", 0)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(tool, "HERE", tmp_path)  # its tools are asked, as on this machine
    collector = started(tmp_path)
    put(tmp_path, "hang", 600)
    begun = time.monotonic_ns()
    for k in range(8):
        found = samples(collector, k * SECOND // 4)
        assert Sample("power.rail", "ina219", 2.5) in found
        told = [each for each in found if "PMIC" in each.label]
        assert len(told) == (1 if k == 0 else 0)
        assert all(each.t_ns is not None and each.t_ns < begun for each in told), "its own time"
    collector.stop()


def test_pairs_are_made_by_name_whatever_the_order(tmp_path: Path) -> None:
    lines = (RECORDED / "rpi5_pmic_read_adc_load.txt").read_text().splitlines()
    put(tmp_path, "/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0")
    put(tmp_path, PMIC, "\n".join(reversed(lines)))
    collector = started(tmp_path)
    assert totals(collector)["PMIC, 12 rails"] == pytest.approx(7.2398, abs=5e-5)
    collector.stop()


@pytest.mark.parametrize(
    ("old", "new"),
    [("VDD_CORE_V volt(15)=0.86173300V", "VDD_CORE_V volt(15)=nanV"),
     ("VDD_CORE_V volt(15)=0.86173300V", "VDD_CORE_V volt(15)=0,86173300V"),
     ("VDD_CORE_A current(7)=6.22421000A", "VDD_CORE_A current(7)=4294967295A"),
     ("VDD_CORE_A current(7)=6.22421000A", "VDD_CORE_A current(7)="),
     ("VDD_CORE_A current(7)=6.22421000A", "VDD_CORE_A current(7)=6.22421000V"),
     ("VDD_CORE_V volt(15)=0.86173300V", "VDD_CORE_V volt(15)=1V\nVDD_CORE_V volt(15)=2V")],
)  # fmt: skip
def test_a_rail_that_cannot_be_read_is_missing_and_the_sum_with_it(
    tmp_path: Path, old: str, new: str
) -> None:
    root = tree(tmp_path, "raspberry-pi-5")
    collector = started(root)
    text = (root / PMIC).read_text()
    assert old in text
    (root / PMIC).write_text(text.replace(old, new))
    found = values(collector)
    assert found["power.rail", "VDD_CORE"] is None
    assert found["power.rail", "DDR_VDD2"] == pytest.approx(0.2490571)
    assert found["power.total", "PMIC, 12 rails"] is None
    (root / PMIC).write_text("")
    assert set(values(collector, 2 * SECOND).values()) == {None}
    collector.stop()


@pytest.mark.parametrize(
    "answer", ['error=1 error_msg="Command not registered"', "", "VDD_CORE_A current(7)=1.0A"]
)
def test_a_firmware_without_rails_says_so(tmp_path: Path, answer: str) -> None:
    put(tmp_path, "/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4")
    put(tmp_path, PMIC, answer)
    with pytest.raises(NoData, match="pmic_read_adc") as caught:
        started(tmp_path)
    assert "Raspberry Pi 5" in (caught.value.remedy or "")


def test_what_lacks_of_a_pi_is_said_of_its_rails_too(tmp_path: Path) -> None:
    put(tmp_path, "/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0")
    put(tmp_path, "/sys/class/hwmon/hwmon0/name", "rpi_volt")
    collector = Power()
    with pytest.raises(NoData, match="vcgencmd") as caught:
        collector.start(Device("tree", tmp_path))
    lacking = collector.lacking()
    assert lacking["power.rail"] is lacking["power.voltage"]
    assert caught.value.message == lacking["power.rail"].message  # once, of all of them
    assert not isinstance(lacking["power.rail"], OtherDevice)
    collector.stop()


@given(st.text(max_size=300))
def test_any_text_is_parsed_to_what_it_says_or_to_nothing(text: str) -> None:
    for value in adc(text).values():
        assert value is None or abs(value) <= max(MOST_VOLTS, MOST_AMPERES)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z0-9]{1,6}(_[A-Z0-9]{1,4})?", fullmatch=True),
        st.tuples(st.floats(0, 60), st.floats(0, 60)), max_size=12,
    )
)  # fmt: skip
def test_what_is_printed_is_read_back(rails: dict[str, tuple[float, float]]) -> None:
    lines = [f" {rail}_A current({k})={v[0]:.8f}A" for k, (rail, v) in enumerate(rails.items())]
    lines += [f"{rail}_V volt({k})={v[1]:.8f}V" for k, (rail, v) in enumerate(rails.items())]
    found = adc("\n".join(lines))
    assert found == {
        (rail, kind): float(f"{v['AV'.index(kind)]:.8f}") for rail, v in rails.items()
        for kind in "AV"
    }  # fmt: skip


def test_a_jetson_is_what_goes_in_and_no_sum(tmp_path: Path) -> None:
    collector = started(tree(tmp_path, "jetson-orin-nano"))
    assert values(collector) == {
        ("power.rail", "VDD_IN"): pytest.approx(5.016 * 1.216),
        ("power.rail", "VDD_CPU_GPU_CV"): pytest.approx(5.016 * 0.288),
        ("power.rail", "VDD_SOC"): pytest.approx(5.008 * 0.384),
        ("power.total", "VDD_IN"): pytest.approx(5.016 * 1.216),
    }
    facts = collector.facts()
    assert facts["shunts_micro_ohm"] == {f"ina3221 {k}": 5000 for k in (1, 2, 3)}
    assert facts["total"]["line"] == "VDD_IN"
    collector.stop()


OLD: str = "/sys/bus/i2c/drivers/ina3221x"


def test_the_rails_of_an_old_jetson_are_read_through_its_own_driver(tmp_path: Path) -> None:
    put(tmp_path, "/proc/device-tree/compatible", "nvidia,p3450-0000\0nvidia,tegra210\0")
    names = ("POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU")
    for channel, (name, milliwatts) in enumerate(zip(names, (3482, 126, 760), strict=True)):
        put(tmp_path, f"{OLD}/6-0040/iio:device0/rail_name_{channel}", name)
        put(tmp_path, f"{OLD}/6-0040/iio:device0/in_power{channel}_input", milliwatts)
    put(tmp_path, f"{OLD}/6-0041/iio_device/rail_name_0", "NC")
    put(tmp_path, f"{OLD}/6-0041/iio_device/in_power0_input", 5)
    put(tmp_path, f"{OLD}/bind", "")
    collector = started(tmp_path)
    assert values(collector) == {
        ("power.rail", "POM_5V_IN"): 3.482,
        ("power.rail", "POM_5V_GPU"): 0.126,
        ("power.rail", "POM_5V_CPU"): 0.76,
        ("power.total", "POM_5V_IN"): 3.482,
    }
    put(tmp_path, f"{OLD}/6-0040/iio:device0/in_power0_input", 2**32 - 1)
    put(tmp_path, f"{OLD}/6-0040/iio:device0/in_power1_input", "nan")
    later = values(collector, SECOND)
    assert (later["power.total", "POM_5V_IN"], later["power.rail", "POM_5V_GPU"]) == (None, None)
    collector.stop()


def triple(root: Path, chip: int, rails: list[tuple[str, object, object]]) -> None:
    put(root, f"{HWMON}/hwmon{chip}/name", "ina3221")
    for number, (label, millivolts, milliamperes) in enumerate(rails, start=1):
        put(root, f"{HWMON}/hwmon{chip}/in{number}_label", label)
        put(root, f"{HWMON}/hwmon{chip}/in{number}_input", millivolts)
        put(root, f"{HWMON}/hwmon{chip}/curr{number}_input", milliamperes)
    put(root, f"{HWMON}/hwmon{chip}/in7_label", "sum of shunt voltages")
    put(root, f"{HWMON}/hwmon{chip}/in7_input", 9999)


def test_a_jetson_without_an_input_rail_is_the_sum_of_those_that_do_not_feed_each_other(
    tmp_path: Path,
) -> None:
    put(tmp_path, "/proc/device-tree/compatible", "nvidia,p3737\0nvidia,tegra234\0")
    triple(tmp_path, 3, [("VDD_GPU_SOC", 20000, 150), ("VDD_CPU_CV", 20000, 100),
                         ("VIN_SYS_5V0", 4968, 1000)])  # fmt: skip
    triple(tmp_path, 4, [("NC", 4968, 4000), ("VDDQ_VDD2_1V8AO", 4968, 220), ("NC", 0, 0)])
    collector = started(tmp_path)
    found = values(collector)
    assert found["power.total", "VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0"] == pytest.approx(9.968)
    assert found["power.rail", "VDDQ_VDD2_1V8AO"] == pytest.approx(1.09296)
    assert len(found) == 5
    triple(tmp_path, 3, [("VDD_GPU_SOC", 20000, ""), ("VDD_CPU_CV", 20000, 100),
                         ("VIN_SYS_5V0", 4968, 1000)])  # fmt: skip
    assert list(totals(collector, SECOND).values()) == [None]
    collector.stop()


def test_a_rail_of_unknown_meaning_is_no_total_until_the_scenario_says_so(tmp_path: Path) -> None:
    for chip, name, micro in ((2, "ina226", 6_250_000), (5, "ina219", 1_000_000)):
        put(tmp_path, f"{HWMON}/hwmon{chip}/name", name)
        put(tmp_path, f"{HWMON}/hwmon{chip}/power1_input", micro)
        put(tmp_path, f"{HWMON}/hwmon{chip}/shunt_resistor", 2000)
    bus = tmp_path / "sys/devices/i2c/1-0040"
    bus.mkdir(parents=True)
    (tmp_path / f"{HWMON}/hwmon2/device".lstrip("/")).symlink_to(bus)
    collector = started(tmp_path)
    rails = {("power.rail", "ina226 0x40"): 6.25, ("power.rail", "ina219"): 1.0}
    assert values(collector) == rails
    why = collector.lacking()["power.total"]
    assert "ina226 0x40" in why.message
    assert "power.total" in (why.remedy or "")
    assert collector.facts() == {
        "total": None, "shunts_micro_ohm": {"ina226 0x40": 2000, "ina219": 2000}
    }  # fmt: skip
    collector.stop()
    named = started(tmp_path, "ina226 0x40")
    assert values(named) == {**rails, ("power.total", "ina226 0x40"): 6.25}
    assert "power.total" not in named.lacking()
    named.stop()
    unknown = started(tmp_path, "ina999")
    assert values(unknown) == rails
    assert "ina999" in unknown.lacking()["power.total"].message
    assert "ina219" in (unknown.lacking()["power.total"].remedy or "")
    unknown.stop()


def test_two_sensors_of_one_name_are_told_apart_and_power_is_made_of_both_quantities(
    tmp_path: Path,
) -> None:
    for chip in (1, 10, 2):
        put(tmp_path, f"{HWMON}/hwmon{chip}/name", "ina219")
        put(tmp_path, f"{HWMON}/hwmon{chip}/in1_input", 5000)
        put(tmp_path, f"{HWMON}/hwmon{chip}/curr1_input", chip * 100)
    collector = started(tmp_path)
    assert values(collector) == {
        ("power.rail", "ina219"): 0.5, ("power.rail", "ina219 #2"): 1.0,
        ("power.rail", "ina219 #3"): 5.0,
    }  # fmt: skip
    collector.stop()


def test_a_chip_that_counts_energy_is_read_as_mean_power(tmp_path: Path) -> None:
    put(tmp_path, f"{HWMON}/hwmon2/name", "ina228")
    put(tmp_path, f"{HWMON}/hwmon2/energy1_input", 5_000_000)
    put(tmp_path, f"{HWMON}/hwmon3/name", "ltc2947")  # its power is read, and not its energy too
    put(tmp_path, f"{HWMON}/hwmon3/energy1_input", 7)
    put(tmp_path, f"{HWMON}/hwmon3/power1_input", 2_000_000)
    collector = started(tmp_path)
    assert values(collector) == {("power.rail", "ltc2947"): 2.0}
    put(tmp_path, f"{HWMON}/hwmon2/energy1_input", 8_000_000)
    found = samples(collector, 2 * SECOND)
    assert [(s.label, s.value, s.t_ns) for s in found] == [
        ("ina228 energy1", 1.5, SECOND), ("ltc2947", 2.0, None)
    ]  # fmt: skip
    put(tmp_path, f"{HWMON}/hwmon2/energy1_input", 4)  # it was set back
    assert values(collector, 4 * SECOND)["power.rail", "ina228 energy1"] is None
    collector.stop()


def test_an_input_is_taken_before_its_average(tmp_path: Path) -> None:
    put(tmp_path, f"{HWMON}/hwmon0/name", "amdgpu")
    put(tmp_path, f"{HWMON}/hwmon0/power1_average", 1_000_000)
    put(tmp_path, f"{HWMON}/hwmon0/power1_input", 2_000_000)
    put(tmp_path, f"{HWMON}/hwmon0/power1_label", "PPT")
    put(tmp_path, f"{HWMON}/hwmon0/power1_cap", 9_000_000)
    collector = started(tmp_path)
    assert values(collector) == {("power.rail", "amdgpu PPT"): 2.0}
    collector.stop()


def test_the_power_of_an_npu_is_its_own_collectors_alone(tmp_path: Path) -> None:
    collector = started(tree(tmp_path, "laptop-ryzen-ai"))
    assert {label for track, label in values(collector) if track == "power.rail"} == {"amdgpu PPT"}
    assert not [label for _, label in values(collector, SECOND) if "xdna" in label]
    assert all("xdna" not in row.source for row in Power.support)
    collector.stop()


def test_a_battery_that_discharges_is_the_machine_whatever_the_sign(tmp_path: Path) -> None:
    root = tree(tmp_path, "laptop-ryzen-ai")
    collector = started(root)
    found = values(collector)
    assert found["power.total", "battery"] == found["power.battery", "BAT1"] == 19.35
    assert ("power.battery", "hidpp_battery_0") not in found
    put(root, f"{SUPPLY}/BAT1/current_now", 2_000_000)
    assert totals(collector, SECOND) == {"battery": 30.96}
    put(root, f"{SUPPLY}/ACAD/online", 1)
    plugged = values(collector, 2 * SECOND)
    assert plugged["power.total", "battery"] is None
    put(root, f"{SUPPLY}/BAT1/status", "Charging")
    charging = values(collector, 3 * SECOND)
    assert charging["power.battery", "BAT1"] is None
    assert charging["power.total", "battery"] is None
    collector.stop()


def test_a_battery_on_the_mains_gives_nothing_until_it_discharges(tmp_path: Path) -> None:
    root = tree(tmp_path, "laptop-core-ultra")
    collector = started(root)
    assert not [key for key in values(collector) if key[0] == "power.battery"]
    assert "unplug" in (collector.lacking()["power.battery"].remedy or "")
    assert not [label for _, label in values(collector, SECOND) if label == "BAT0 power1"]
    put(root, f"{SUPPLY}/BAT0/status", "Discharging")
    put(root, f"{SUPPLY}/BAT0/power_now", 12_500_000)
    assert values(collector, 2 * SECOND)["power.battery", "BAT0"] == 12.5
    put(root, f"{SUPPLY}/BAT0/power_now", 0)
    assert values(collector, 3 * SECOND)["power.battery", "BAT0"] is None
    collector.stop()


def test_of_two_batteries_the_one_that_rests_adds_nothing_and_one_that_charges_spoils_the_sum(
    tmp_path: Path,
) -> None:
    battery(tmp_path, "BAT0", status="Discharging", power_now=-9_000_000)
    battery(tmp_path, "BAT1", status="Not charging", power_now=0)
    battery(tmp_path, "BAT2", status="Discharging", power_now=1, present=0)
    collector = started(tmp_path)
    assert values(collector) == {("power.battery", "BAT0"): 9.0, ("power.total", "battery"): 9.0}
    put(tmp_path, f"{SUPPLY}/BAT1/status", "Discharging")
    put(tmp_path, f"{SUPPLY}/BAT1/power_now", 3_000_000)
    assert totals(collector, SECOND) == {"battery": 12.0}
    put(tmp_path, f"{SUPPLY}/BAT1/status", "Charging")
    assert totals(collector, 2 * SECOND) == {"battery": None}
    collector.stop()


@pytest.mark.parametrize(
    "text", ["4294967295", "2147483647", "-2147483648", "", "nan", "999999999999999"]
)
def test_a_gauge_that_does_not_know_is_a_gap(tmp_path: Path, text: str) -> None:
    battery(tmp_path, "BAT0", status="Discharging", voltage_now=12_000_000, current_now=text)
    collector = started(tmp_path)
    assert set(values(collector).values()) == {None}
    collector.stop()


def test_a_gauge_without_a_flow_says_so(tmp_path: Path) -> None:
    battery(tmp_path, "BAT0", status="Discharging", voltage_now=12_000_000)
    with pytest.raises(NoData, match="power_now") as caught:
        started(tmp_path)
    assert "power_meter" in (caught.value.remedy or "")


def test_sources_are_read_at_their_own_period(tmp_path: Path) -> None:
    root = tree(tmp_path, "laptop-ryzen-ai")
    collector = started(root)
    samples(collector, 0)
    quarter = {track for track, _ in values(collector, SECOND // 4)}
    assert quarter == {"power.rail"}
    assert {track for track, _ in values(collector, SECOND - 10**6)} >= {"power.battery"}
    collector.stop()


def test_what_is_not_here_is_told_apart_from_what_could_be(tmp_path: Path) -> None:
    collector = started(tree(tmp_path, "raspberry-pi-5"))
    lacking = collector.lacking()
    assert {track for track, why in lacking.items() if isinstance(why, OtherDevice)} == {
        "power.battery", "power.domain"
    }  # fmt: skip
    assert set(lacking) == {"power.battery", "power.domain"}
    collector.stop()


@given(st.one_of(st.none(), st.integers(-(2**65), 2**65)))
def test_microwatts_are_watts_or_nothing(value: int | None) -> None:
    found = of_micro(value)
    assert found is None or (found == (value or 0) / 1e6 and abs(found) <= MOST_WATTS)


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_a_product_is_watts_or_nothing(volts: int, amperes: int) -> None:
    found = of_product(volts, amperes, 1e6)
    assert found is None or (found == volts * amperes / 1e6 and abs(found) <= MOST_WATTS)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1000)), max_size=5))
def test_a_sum_without_a_part_is_no_sum(parts: list[float | None]) -> None:
    found = together(parts)
    if not parts or None in parts:
        assert found is None
    else:
        assert found == pytest.approx(math.fsum(each or 0 for each in parts))
