from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import collectors
import probe
from collectors.copies import Copies, library
from collectors.power import Power
from probe.console import doctor_text
from probe.devices import answer
from probe.devices import copying as copying_module
from probe.devices.copying import copying
from probe.devices.doctor import OTHER_DEVICE, check, examine
from probe.devices.kinds import of_device
from probe.devices.surroundings import (
    LIMITED,
    MISSING,
    OK,
    Surrounding,
    of_host,
    surroundings,
    tmpfs,
)
from probe.errors import Asleep, NoData, OtherDevice
from probe.model import Device, Sample, Seen, Source, Support, Track

DEVICES = Path(__file__).parents[2] / "devices"


class Broken:
    """A collector whose source gives rubbish."""

    name = "broken"
    tracks = (Track("broken.value", "1", "Value"),)
    period_ns = 10**9
    sensitive = False

    def start(self, device: Device) -> None:
        """Open nothing."""

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Fail as a parser does."""
        raise ValueError(f"no number at {t_ns > 0}")

    def stop(self) -> None:
        """Release nothing."""


def environment(device: Device, **found: object) -> dict[str, Surrounding]:
    return {each.name: each for each in surroundings(device, found)}


def test_every_track_of_every_collector_has_a_row() -> None:
    rows = check(Device("tree", DEVICES / "raspberry-pi-5", program_pid=4242), wait_s=0)
    tracks = {track.name for each in collectors.discover() for track in each.tracks}
    assert {row.track for row in rows} == tracks
    found = {row.track: row for row in rows}
    assert (found["thermal.temperature"].state, found["thermal.temperature"].lines) == (
        "measured",
        2,
    )
    assert found["cpu.clock"].grade == "inferred"
    assert found["cpu.clock"].period_ns == 1_000_000_000


def test_what_is_missing_says_why_and_what_to_do() -> None:
    rows = check(Device("tree", DEVICES / "bare-vm"), wait_s=0)
    found = {row.track: row for row in rows}
    thermal, clock = found["thermal.temperature"], found["cpu.clock"]
    assert thermal.state == clock.state == "no data"
    assert "thermal_zone" in (thermal.reason or "")
    assert thermal.remedy
    assert "scaling_cur_freq" in (clock.reason or "")
    assert clock.remedy


def test_a_collector_that_fails_is_a_row_and_no_crash() -> None:
    rows = check(Device("tree", DEVICES / "bare-vm"), wait_s=0, classes=[Broken])
    assert [(row.state, row.reason) for row in rows] == [
        ("failed", "ValueError: no number at True")
    ]


class Silent(Broken):
    """A collector that runs and reads nothing, of two sources."""

    name = "silent"
    tracks = (Track("silent.value", "1", "Value"), Track("silent.other", "1", "Other"))
    support = (Support("any Linux", ("silent.value",), "/proc/silence", Seen.FORMAT, "root"),)

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Give no value."""
        return [Sample("silent.value", "", None, t_ns)]

    def lacking(self) -> dict[str, NoData]:
        """Say that the other track is for another device."""
        return {"silent.other": OtherDevice("no such board")}


class Absent(Silent):
    """The same where its first source is not there."""

    def start(self, device: Device) -> None:
        """Find nothing."""
        raise NoData(f"{device.path('/proc/silence')}: no such file", remedy="load it")


class Sleeping(Silent):
    """Its device sleeps: one track says so in each reading, the other from the start."""

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Give no value, and say why."""
        return [Sample("silent.value", "", None, t_ns, asleep=True)]

    def lacking(self) -> dict[str, NoData]:
        """Say that nothing is asked now."""
        return {"silent.other": Asleep("the NPU sleeps", remedy="give it work to do")}


class Choosing(Silent):
    """A collector that says where it reads what, but for one track."""

    tracks = (*Silent.tracks, Track("silent.third", "1", "Third", period_ns=5 * 10**9))
    support = (Support("any Linux", ("silent.third",), "/proc/third", Seen.FORMAT),
               Support("Raspberry Pi", ("silent.third",), "vcgencmd", Seen.FORMAT))  # fmt: skip

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Give a value for each."""
        return [Sample(track.name, "", 1.0, t_ns) for track in self.tracks]

    def sources(self) -> dict[str, Source]:
        """Say what is open."""
        return {"silent.value": Source("/sys/a"), "silent.other": Source("tool", 2 * 10**9)}


def test_what_sleeps_is_a_state_with_a_reason() -> None:
    value, other = check(Device("here", program_pid=1), wait_s=0, classes=[Sleeping])
    assert (value.state, value.remedy) == ("asleep", "look again while a program uses it")
    assert "throughout the trial" in (value.reason or "")
    assert (other.state, other.reason) == ("asleep", "the NPU sleeps")


def test_a_track_is_told_with_what_it_is_read_from_here_and_how_often(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    board = Device("tree", tmp_path)
    rows = check(board, wait_s=0, classes=[Choosing])
    told = [(row.source, row.period_ns) for row in rows]
    assert told == [("/sys/a", 10**9), ("tool", 2 * 10**9), (None, 5 * 10**9)]
    absent = check(board, wait_s=0, classes=[Absent])
    assert [row.source for row in absent] == [None, None], "nothing was opened"


@pytest.mark.parametrize(
    ("board", "place", "period_ns"),
    [
        ("laptop-ryzen-ai", "/sys/class/hwmon/hwmon2/power1_input", 250_000_000),
        ("raspberry-pi-5", "vcgencmd pmic_read_adc", 10**9),
        ("jetson-orin-nano", "/sys/class/hwmon/hwmon1/in1_input and 2 more", 250_000_000),
    ],
)
def test_a_place_is_that_of_the_device_and_of_no_other(
    board: str, place: str, period_ns: int
) -> None:
    rows = check(Device("tree", DEVICES / board), wait_s=0, classes=[Power])
    row = next(each for each in rows if each.track == "power.rail")
    assert (row.source, row.period_ns) == (place, period_ns)


def test_where_a_collector_names_no_place_the_rows_of_this_kind_of_device_do() -> None:
    document = examine(Device("tree", DEVICES / "raspberry-pi-5"), wait_s=0)
    row = next(each for each in document["tracks"] if each["track"] == "throttle.capped")
    assert row["source"] == "/sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq"


def kinds(board: str, soc: str | None, cpu: str | None) -> set[str]:
    """Return the kinds of the support matrix that are this device by name."""
    rows = [{"device": row.device} for each in collectors.discover() for row in each.support]
    nothing: dict[str, Any] = {"board": None, "soc": None, "cpu": None, "accelerators": []}
    device = {**nothing, "board": board, "soc": soc, "cpu": cpu}
    found, anywhere = of_device(rows, device), of_device(rows, nothing)
    return {row["device"] for row in found if row not in anywhere}


PI = {"Raspberry Pi"}
ARM, AMD = "Arm cores (Raspberry Pi 5, RK3588)", "AMD processors, Zen 4 and newer"
V3D = "Raspberry Pi 4, Raspberry Pi 5 (V3D)"
X86 = "Intel and AMD processors"


@pytest.mark.parametrize(
    ("board", "soc", "cpu", "expected"),
    [
        ("Dell Inc. Inspiron 15 3520", None, "Intel Core i5-1235U", {X86, "Intel processors"}),
        ("Orange Pi 5", "rockchip,rk3588s", "4x Cortex-A55 + 4x Cortex-A76",
         {ARM, "RK3588, RK3568, RK3399", "Rockchip RK3588, RK356x"}),
        ("Supermicro H13SSL-N", None, "AMD EPYC 9354", {X86, AMD}),
        ("Firefly Aio", None, None, set()),
        ("Raspberry Pi 4 Model B Rev 1.5", "brcm,bcm2711", "4x Cortex-A72", PI | {V3D}),
        ("Raspberry Pi 5 Model B Rev 1.0", "brcm,bcm2712", "4x Cortex-A76",
         PI | {V3D, ARM, "Raspberry Pi 5"}),
        ("Framework Laptop 13", None, "AMD Ryzen AI 9 HX 370 w/ Radeon 890M",
         {X86, AMD, "AMD Ryzen AI"}),
        ("NVIDIA Jetson Orin Nano Developer Kit", "nvidia,tegra234", "6x Cortex-A78AE",
         {"Jetson", "Jetson up to Orin"}),
    ],
)  # fmt: skip
def test_a_kind_of_device_is_named_in_whole_words(
    board: str, soc: str | None, cpu: str | None, expected: set[str]
) -> None:
    assert kinds(board, soc, cpu) == expected


def test_a_track_without_a_value_in_the_trial_says_so() -> None:
    value, other = check(Device("here", program_pid=1), wait_s=0, classes=[Silent])
    assert (value.state, value.lines) == ("no value", 0)
    assert value.reason == "its collector runs, but gave no value in the trial"
    assert (other.state, other.reason) == (OTHER_DEVICE, "no such board")
    assert value.sources == [
        {"device": "any Linux", "source": "/proc/silence", "seen": "format", "needs": "root"}
    ]
    assert other.sources == []


def test_a_track_of_another_device_is_told_apart_though_nothing_was_found() -> None:
    value, other = check(Device("here", program_pid=1), wait_s=0, classes=[Absent])
    assert (value.state, value.remedy) == ("no data", "load it")
    assert other.state == OTHER_DEVICE


def test_paths_in_a_tree_are_told_as_on_the_device(tmp_path: Path) -> None:
    value, _ = check(Device("tree", tmp_path), wait_s=0, classes=[Absent])
    assert value.reason == "/proc/silence: no such file"


def test_this_machine_can_be_examined() -> None:
    document = examine(Device("local"), wait_s=0.05)
    again = json.loads(json.dumps(document, allow_nan=False))
    jsonschema.Draft202012Validator(answer.schema()).validate(again)
    assert again["tree"] is None
    assert "libx264" in again["codecs"]["pyav"]["software"]
    cores = next(row for row in document["tracks"] if row["track"] == "cpu.core")
    assert (cores["collector"], cores["kind"]) == ("cpu", "busy time")
    text = doctor_text.text(document, None, everything=True)
    for row in document["tracks"]:
        assert row["track"] in text


def test_the_text_says_once_what_to_do_and_what_is_missing_names_it() -> None:
    document = examine(Device("tree", DEVICES / "bare-vm"), wait_s=0)
    text = doctor_text.text(document, None).splitlines()
    assert text[0].startswith("vm-amd-epyc: board not stated")
    number, task = next(line.split(".  ", 1) for line in text if "virtual machine hides it" in line)
    assert (number.strip(), task) == (
        "1",
        "measure on the device itself: a virtual machine hides it",
    )
    (row,) = (line for line in text if line.startswith("  - thermal.temperature"))
    assert row.endswith("; to do: 1")


def test_the_last_values_of_the_trial_are_in_the_answer() -> None:
    rows = check(Device("tree", DEVICES / "raspberry-pi-5"), wait_s=0)
    (row,) = (each for each in rows if each.track == "thermal.temperature")
    assert row.values == [59.3, 51.236]
    assert len(row.values) == row.lines
    assert all(each.values == [] for each in rows if each.state != "measured")


class Hasty(Broken):
    """It reads a rate over 0.2 s, then one over a millisecond."""

    name = "hasty"
    tracks = (Track("hasty.rate", "1/s", "Rate"),)

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Give two readings, and none of another line."""
        return [Sample("hasty.rate", "a", 70.0, t_ns), Sample("hasty.rate", "a", 0.0, t_ns + 10**6),
                Sample("hasty.rate", "b", None, t_ns)]  # fmt: skip


def test_a_rate_over_no_time_is_not_the_value_that_is_shown() -> None:
    (row,) = check(Device("here", program_pid=1), wait_s=0, classes=[Hasty])
    assert (row.values, row.lines) == ([70.0], 1)


def test_accelerators_without_a_driver_are_told() -> None:
    document = examine(Device("tree", DEVICES / "laptop-hwmon"), wait_s=0)
    text = doctor_text.text(document, None)
    assert "Coral Edge TPU (USB): no driver; install libedgetpu1-std" in text
    assert "Intel NPU (Lunar Lake): driver intel_vpu, /dev/accel/accel0" in text


@pytest.mark.parametrize(
    ("scope", "state", "said"),
    [
        (None, OK, "does not restrict"), ("0", OK, "is 0"), ("1", OK, "lets the sampler in"),
        ("2", LIMITED, "only administrators"), ("3", LIMITED, "nobody"),
    ],
)  # fmt: skip
def test_ptrace_scope(tmp_path: Path, scope: str | None, state: str, said: str) -> None:
    if scope is not None:
        file = tmp_path / "proc/sys/kernel/yama/ptrace_scope"
        file.parent.mkdir(parents=True)
        file.write_text(f"{scope}\n")
    found = environment(Device("tree", tmp_path))["stack sampling"]
    assert found.state == state
    assert said in found.reason
    assert (found.remedy is None) == (state == OK)
    if scope == "3":  # it cannot be lowered until the next boot
        assert "sysctl" not in (found.remedy or "")


def test_room_for_tapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tmpfs(tmp_path / "missing").state == MISSING
    monkeypatch.setattr("probe.devices.surroundings.TMPFS_ROOM_BYTES", 0)
    assert tmpfs(tmp_path).state == OK
    monkeypatch.setattr("probe.devices.surroundings.TMPFS_ROOM_BYTES", 2**80)
    assert tmpfs(tmp_path).state == LIMITED


def test_clocks_governors_and_hypervisors(tmp_path: Path) -> None:
    device = Device("tree", tmp_path)
    good = environment(device, clocksource="tsc", governor="performance", virtualised=False)
    bad = environment(device, clocksource="hpet", governor="ondemand", virtualised=True)
    for name in ("clock source", "frequency governor", "hardware"):
        assert (good[name].state, good[name].remedy) == (OK, None)
        assert bad[name].state == LIMITED
        assert bad[name].remedy


def test_held_clocks_need_no_governor_and_a_jetson_has_its_own_way(tmp_path: Path) -> None:
    device = Device("tree", tmp_path)
    held = environment(device, governor="schedutil", clocks_held=True)["frequency governor"]
    assert (held.state, held.remedy) == (OK, None)
    jetson = environment(device, governor="schedutil", soc="nvidia,tegra234")["frequency governor"]
    assert jetson.remedy == "sudo jetson_clocks, if the product runs so too"


def test_a_runtime_and_a_recorder_are_looked_for(tmp_path: Path) -> None:
    screens = environment(Device("tree", tmp_path), displays=["HDMI-A-1"])
    assert "HDMI-A-1" in screens["display clock"].reason
    found = {each.name: each for each in of_host()}
    assert "CPUExecutionProvider" in found["ONNX Runtime"].reason
    built = list(Path(probe.__file__).parent.glob("recorder/_pen*.so"))
    assert (found["recorder"].state == OK) == bool(built)


@pytest.fixture
def interposer() -> Path:
    try:
        return library.built()
    except NoData as absent:
        pytest.skip(absent.message)


def test_copies_are_tried_on_a_program_that_copies(interposer: Path) -> None:
    assert interposer
    rows = {row.track: row for row in check(Device("here"), wait_s=0.3, classes=[Copies])}
    assert (rows["copies.traffic"].state, rows["copies.traffic"].lines) == ("measured", 1)
    found = {each.name: each for each in copying(Device("here"))}
    assert found["copies"].state == OK
    assert set(found) == {
        "copies", "lines of copies", "copies of numpy", "deep mode of copies",
        "copies of GStreamer",
    }  # fmt: skip
    for each in found.values():
        assert each.reason
        assert (each.remedy is None) == (each.state == OK)


def test_a_missing_interposer_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "HOME", tmp_path)
    (row,) = copying(Device("here"))
    assert (row.name, row.state) == ("copies", MISSING)
    assert row.remedy in {library.BUILD, library.BUILD_AGAIN}
    (track,) = check(Device("here"), wait_s=0, classes=[Copies])
    assert (track.state, track.remedy) == ("no data", row.remedy)


def test_copies_are_not_tried_on_another_device() -> None:
    assert copying(Device("tree", DEVICES / "bare-vm")) == []


@pytest.mark.parametrize(
    ("notes", "state", "said"),
    [
        ({}, LIMITED, "did not say"),
        ({"frames": "none", "why": "unknown version"}, LIMITED, "none (unknown version)"),
        ({"frames": "walk", "version": "3.12.1"}, OK, "Python 3.12.1: every frame"),
    ],
)
def test_the_interposers_notes_on_python_are_told(
    notes: dict[str, str], state: str, said: str
) -> None:
    row = copying_module.of_python([notes] if notes else [])
    assert row.state == state
    assert said in row.reason


def test_a_hook_of_numpy_that_is_off_is_named() -> None:
    on, off = {"hook": "astype", "state": "on"}, {"hook": "take", "state": "off", "why": "no slot"}
    assert copying_module.of_numpy([on, on]).state == OK
    row = copying_module.of_numpy([on, off])
    assert row.state == LIMITED
    assert "take (no slot)" in row.reason
    assert copying_module.of_numpy([]).state == LIMITED
