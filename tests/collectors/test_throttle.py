from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.throttle import Throttle
from collectors.throttle.boards import FLAGS, flags, is_set
from collectors.throttle.kernel import PASSIVE, lost_percent
from probe.errors import NoData, OtherDevice
from probe.model import Device

SECOND = 10**9
RECORDED = Path(__file__).parents[1] / "devices" / "recordings"


def put(root: Path, path: str, text: object) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def values(collector: Throttle) -> dict[tuple[str, str], float | None]:
    return {(each.track, each.label): each.value for each in collector.sample(0)}


@pytest.fixture
def started(tmp_path: Path) -> Throttle:
    """A collector that a test starts on `tmp_path` when it has written its tree."""
    return Throttle()


def test_a_cap_of_the_clock_is_a_lost_share(tmp_path: Path, started: Throttle) -> None:
    policy = "/sys/devices/system/cpu/cpufreq/policy4"
    put(tmp_path, f"{policy}/cpuinfo_max_freq", 2_400_000)
    put(tmp_path, f"{policy}/scaling_max_freq", 2_400_000)
    put(tmp_path, f"{policy}/related_cpus", "4 5 6 7")
    started.start(Device("tree", root=tmp_path))
    assert values(started) == {("throttle.capped", "cpu4-7"): 0.0}
    put(tmp_path, f"{policy}/scaling_max_freq", 1_800_000)
    assert values(started) == {("throttle.capped", "cpu4-7"): 25.0}
    put(tmp_path, f"{policy}/scaling_max_freq", "")
    assert values(started) == {("throttle.capped", "cpu4-7"): None}
    assert isinstance(started.lacking()["throttle.firmware"], OtherDevice)
    assert "cooling_device" in started.lacking()["throttle.cooling"].message
    started.stop()
    started.stop()


def test_passive_cooling_counts_and_fans_do_not(tmp_path: Path, started: Throttle) -> None:
    for number, (kind, state, most) in enumerate(
        [("pwm-fan", 4, 4), ("cpufreq-cpu0", 1, 4), ("Processor", 0, 10), ("Processor", 5, 10)]
    ):
        folder = f"/sys/class/thermal/cooling_device{number}"
        put(tmp_path, f"{folder}/type", kind)
        put(tmp_path, f"{folder}/cur_state", state)
        put(tmp_path, f"{folder}/max_state", most)
    started.start(Device("tree", root=tmp_path))
    assert values(started) == {
        ("throttle.cooling", "cpufreq-cpu0"): 25.0,
        ("throttle.cooling", "Processor 1"): 0.0,
        ("throttle.cooling", "Processor 2"): 50.0,
    }
    put(tmp_path, "/sys/class/thermal/cooling_device1/cur_state", 99)
    assert values(started)["throttle.cooling", "cpufreq-cpu0"] is None
    started.stop()


@pytest.mark.parametrize(
    ("kind", "slows"),
    [("thermal-cpufreq-0", True), ("cpufreq-cpu3", True), ("thermal-devfreq-0", True),
     ("devfreq-fb000000.gpu", True), ("Processor", True), ("pwm-fan", False), ("Fan", False),
     ("LCD", False), ("rpi-poe-fan", False), ("", False)],
)  # fmt: skip
def test_what_slows_something_down(kind: str, slows: bool) -> None:
    assert (PASSIVE.fullmatch(kind) is not None) == slows


def test_only_what_is_new_in_the_run_is_the_runs(tmp_path: Path, started: Throttle) -> None:
    put(tmp_path, "/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    answer = "/recorded/vcgencmd get_throttled.txt"
    put(tmp_path, answer, "throttled=0x50000")
    started.start(Device("pi", root=tmp_path))
    zeros = {("throttle.firmware", flag): 0.0 for flag in FLAGS}
    assert values(started) == zeros
    put(tmp_path, answer, "throttled=0x50005")
    now = {"under-voltage": 1.0, "throttled": 1.0}
    assert values(started) == zeros | {("throttle.firmware", k): v for k, v in now.items()}
    put(tmp_path, answer, "throttled=0x70000")
    assert values(started) == zeros | {("throttle.firmware", "clock capped"): 1.0}
    put(tmp_path, answer, 'error=1 error_msg="Command not registered"')
    assert set(values(started).values()) == {None}
    started.stop()
    # of these, what came and went between two readings left no trace: the run says so
    assert started.facts() == {"occurred_before": ["under-voltage", "throttled"]}


def test_where_no_flag_had_occurred_no_event_can_be_missed(
    tmp_path: Path, started: Throttle
) -> None:
    assert started.facts() == {}
    put(tmp_path, "/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    put(tmp_path, "/recorded/vcgencmd get_throttled.txt", "throttled=0x2")
    started.start(Device("pi", root=tmp_path))
    started.stop()
    assert started.facts() == {"occurred_before": []}


def test_a_raspberry_pi_whose_firmware_does_not_answer_says_so(tmp_path: Path) -> None:
    put(tmp_path, "/proc/device-tree/model", "Raspberry Pi 4 Model B\0")
    put(tmp_path, "/sys/class/hwmon/hwmon2/name", "rpi_volt")
    put(tmp_path, "/sys/class/hwmon/hwmon2/in0_lcrit_alarm", 0)
    collector = Throttle()
    collector.start(Device("pi", root=tmp_path))
    assert values(collector) == {("throttle.voltage", "supply"): 0.0}
    why = collector.lacking()["throttle.firmware"]
    assert "vcgencmd: not recorded" in why.message
    assert why.remedy is not None
    put(tmp_path, "/sys/class/hwmon/hwmon2/in0_lcrit_alarm", 1)
    assert values(collector) == {("throttle.voltage", "supply"): 1.0}
    put(tmp_path, "/sys/class/hwmon/hwmon2/in0_lcrit_alarm", 7)
    assert values(collector) == {("throttle.voltage", "supply"): None}
    collector.stop()


def test_over_current_counts_from_the_start(tmp_path: Path, started: Throttle) -> None:
    folder = "/sys/class/hwmon/hwmon3"
    put(tmp_path, f"{folder}/name", "soctherm_oc")
    put(tmp_path, f"{folder}/oc1_event_cnt", 0)
    put(tmp_path, f"{folder}/oc3_event_cnt", 27390)
    started.start(Device("jetson", root=tmp_path))
    assert set(values(started).values()) == {0.0}
    put(tmp_path, f"{folder}/oc3_event_cnt", 27400)
    assert values(started) == {
        ("throttle.over_current", "under-voltage"): 0.0,
        ("throttle.over_current", "instantaneous over-current"): 10.0,
    }
    put(tmp_path, f"{folder}/oc3_event_cnt", 3)
    assert values(started)["throttle.over_current", "instantaneous over-current"] is None
    started.stop()


def test_a_second_over_current_sensor_leaves_no_file_open(
    tmp_path: Path, started: Throttle
) -> None:
    for number, count in ((3, 5), (4, 100)):
        put(tmp_path, f"/sys/class/hwmon/hwmon{number}/name", "soctherm_oc")
        put(tmp_path, f"/sys/class/hwmon/hwmon{number}/oc1_event_cnt", count)
    before = len(list(Path("/proc/self/fd").iterdir()))
    started.start(Device("jetson", root=tmp_path))
    put(tmp_path, "/sys/class/hwmon/hwmon3/oc1_event_cnt", 7)
    assert values(started) == {("throttle.over_current", "under-voltage"): 2.0}
    started.stop()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_trip_points_that_a_coral_passed_are_counted(tmp_path: Path, started: Throttle) -> None:
    folder = "/sys/class/apex/apex_0"
    for number, trip in enumerate((85000, 90000, 95000)):
        put(tmp_path, f"{folder}/trip_point{number}_temp", trip)
    put(tmp_path, f"{folder}/temp", 84800)
    started.start(Device("coral", root=tmp_path))
    assert values(started) == {("throttle.trips", "apex_0"): 0.0}
    put(tmp_path, f"{folder}/temp", 90000)
    assert values(started) == {("throttle.trips", "apex_0"): 2.0}
    for none in ("", -89700, 255000):  # refused; off the bus; no such temperature
        put(tmp_path, f"{folder}/temp", none)
        assert values(started) == {("throttle.trips", "apex_0"): None}
    started.stop()


def test_where_nothing_tells_there_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="cpufreq/policy") as caught:
        Throttle().start(Device("vm", root=tmp_path))
    assert "cpufreq driver" in (caught.value.remedy or "")
    assert "Raspberry" not in caught.value.message


def test_the_recorded_answers_of_real_boards_are_understood() -> None:
    text = (RECORDED / "rpi5_get_throttled.txt").read_text(encoding="utf-8")
    rows = [line.split("\t")[0] for line in text.splitlines() if not line.startswith("#")]
    assert [flags(row) for row in rows] == [0, 0x50000, 0x50005, 0xE0000]
    text = (RECORDED / "rpi5_vcgencmd_misc.txt").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    assert [flags(row) for row in rows] == [None, 0, None]  # temperature, flags, clock
    refused = text.partition("unknown to the firmware: ")[2].partition(" (")[0]
    assert refused == 'error=1 error_msg="Command not registered"'
    assert flags(refused) is None


@given(st.text())
def test_any_answer_is_a_number_of_flags_or_is_not(text: str) -> None:
    found = flags(text)
    assert found is None or f"{found:x}" in text.lower()


@given(st.integers(0, 2**20 - 1), st.integers(0, 2**20 - 1))
def test_a_flag_is_set_now_or_newly_occurred(before: int, now: int) -> None:
    for bit in range(4):
        expected = now >> bit & 1 or (now >> (bit + 16) & 1 and not before >> (bit + 16) & 1)
        assert is_set(bit, before, now) == bool(expected)


@given(st.one_of(st.none(), st.integers(-(2**40), 2**40)), st.integers(1, 2**40))
def test_a_lost_share_is_a_share(allowed: int | None, highest: int) -> None:
    share = lost_percent(allowed, highest)
    assert share is None or 0 <= share <= 100
