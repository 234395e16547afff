from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.power_meter import MOST_GAPS, PowerMeter
from collectors.power_meter.columns import MOST, layout, row, time_ns
from collectors.power_meter.tail import AT_ONCE, LONGEST_LINE
from probe import engine, store
from probe.errors import NoData, SwitchedOff, Unmet
from probe.model import Device, Launch, Notice, Sample
from probe.scenario import Scenario
from probe.scenario.file import load

SECOND = 10**9
BEGIN = 1_700_000_000 * SECOND
"""Epoch time at which the monotonic clock of these tests reads `UP`."""
UP = 5_000 * SECOND


def collector(file: Path, **options: Any) -> PowerMeter:
    table = {"path": str(file), **options}
    scenario = Scenario.model_validate({"name": "t", "power_meter": table}).document()
    made = PowerMeter()
    assert made.attach(Launch(("program",), {}, file.parent, scenario, BEGIN - UP)) == {}
    made.start(Device("here"))
    return made


def add(file: Path, *lines: str) -> None:
    with file.open("ab") as out:
        out.write("".join(f"{line}\n" for line in lines).encode())


def read(made: PowerMeter, at_s: float) -> tuple[list[tuple[str, float | None, float]], list[str]]:
    """Return (quantity, value, seconds since `UP`) of the samples, and the notices."""
    samples, notices = [], []
    for each in made.sample(UP + round(at_s * SECOND)):
        if isinstance(each, Notice):
            notices.append(each.text)
        else:
            assert isinstance(each, Sample)
            assert each.label == "meter"
            assert each.t_ns is not None
            quantity = each.track.removeprefix("power_meter.")
            samples.append((quantity, each.value, (each.t_ns - UP) / SECOND))
    return samples, notices


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "meter.csv"


def test_lines_are_read_as_they_come_at_the_times_that_they_state(log: Path) -> None:
    add(log, "time,volts,amps", "1699999999,5.0,9.9")
    made = collector(log)
    assert read(made, 0) == ([], [])  # what was there before is not the run's
    add(log, "1700000001.25,5.0,1.5")
    with log.open("ab") as out:
        out.write(b"1700000001.50,5.0,")
    assert read(made, 2) == (
        [("voltage", 5.0, 1.25), ("current", 1.5, 1.25), ("power", 7.5, 1.25)], []
    )  # fmt: skip
    add(log, "2.0")
    assert read(made, 3)[0][-1] == ("power", 10.0, 1.5)
    assert read(made, 4) == ([], [])
    made.stop()
    made.stop()
    facts = made.facts()
    assert facts["watts"] == "volts x amperes"
    assert facts["columns"] == {"time": 1, "volts": 2, "amps": 3}
    assert facts["wall_offset_ns"] == BEGIN - UP
    assert facts["least_lag_ns"] == 750_000_000
    assert facts["lines"] == {"read": 2}


@pytest.mark.parametrize(
    ("clock", "text"),
    [("auto", "1700000001.5"), ("auto", "1700000001500"), ("auto", "1700000001500000"),
     ("auto", "1700000001500000000"), ("s", "1700000001.5"), ("ms", "1700000001500.0"),
     ("us", "1.7000000015e15"), ("ns", "1700000001500000000"), ("monotonic", "5001500000000"),
     ("auto", "2023-11-14T22:13:21.5Z"), ("iso", "2023-11-14 22:13:21.500+00:00"),
     ("iso", "2023-11-15T00:13:21,5+02:00"), ("iso", "2023-11-14T17:13:21.5 -0500")],
)  # fmt: skip
def test_every_clock_comes_to_the_same_moment(log: Path, clock: str, text: str) -> None:
    add(log, "time;watts")
    made = collector(log, clock=clock)
    add(log, f'"{text}";3')
    assert read(made, 2) == ([("power", 3.0, 1.5)], [])
    made.stop()


def test_an_offset_moves_the_meters_times_and_says_what_zone_less_ones_are(log: Path) -> None:
    add(log, "time,watts")
    made = collector(log, offset_s=-7200.0)
    add(log, "2023-11-15T00:13:21,4")
    assert read(made, 2) == ([("power", 4.0, 1.0)], [])
    assert made.facts()["offset_s"] == -7200
    made.stop()
    made = collector(log)
    add(log, "2023-11-14T22:13:22,4")
    assert read(made, 2)[0] == []
    made.stop()


def test_times_that_cannot_be_of_the_run_are_left_out_and_said(log: Path) -> None:
    add(log, "time,watts")
    made = collector(log)
    add(log, "1699996401,4", "1700003602,4", "1700000001,4")
    samples, notices = read(made, 2)
    assert samples == [("power", 4.0, 1.0)]
    assert len(notices) == 1
    assert "3,601 s behind the run; set power_meter.offset_s" in notices[0]
    assert made.facts()["lines"] == {"of another time": 2, "read": 1}
    made.stop()


def test_time_that_goes_back_is_left_out(log: Path) -> None:
    add(log, "time,watts")
    made = collector(log)
    add(log, "1700000002,4", "1700000001,5", "1700000002,6", "1700000003,7")
    samples, notices = read(made, 3)
    assert [each[1] for each in samples] == [4.0, 7.0]
    assert notices == ["power meter: a line goes back in time, and is left out"]
    assert made.facts()["lines"] == {"back in time": 2, "read": 2}
    made.stop()


@pytest.mark.parametrize(
    "text", ["nan", "NaN", "", "-", "inf", "N/A", "1e9", "4294967295", "5.1 W", "0x10", "٣", "1_0"]
)
def test_what_is_no_number_is_a_gap(log: Path, text: str) -> None:
    add(log, "time,watts")
    made = collector(log)
    add(log, "1700000001,4", f"1700000002,{text}", f"1700000002.5,{text}", "1700000003,6")
    samples, _ = read(made, 3)
    assert samples == [("power", 4.0, 1.0), ("power", None, 2.0), ("power", 6.0, 3.0)]
    made.stop()


def test_decimal_commas_are_read_where_they_are_stated_and_else_a_gap(log: Path) -> None:
    log.write_bytes("\N{ZERO WIDTH NO-BREAK SPACE}Zeit;Leistung (W)\r\n".encode())
    options = {"time": "Zeit", "watts": "Leistung (W)"}
    made = collector(log, **options)
    add(log, "1700000001;5,12\r")
    samples, notices = read(made, 2)
    assert samples == [("power", None, 1.0)]
    assert "'5,12' is no number of watts; for decimal commas set power_meter.decimal" in notices[0]
    made.stop()
    made = collector(log, decimal=",", **options)
    add(log, "1700000001,5;5,12\r", "1700000002;1.234,5\r", "1700000003;1.234\r")
    assert [each[1:] for each in read(made, 4)[0]] == [(5.12, 1.5), (None, 2.0)]
    made.stop()


def test_commas_within_numbers_never_shift_the_columns(log: Path) -> None:
    add(log, "time,watts")
    made = collector(log)
    add(log, "1700000001,5,12", "1700000002,5")
    samples, notices = read(made, 3)
    assert samples == [("power", 5.0, 2.0)]
    assert "other columns than the first line" in notices[0]
    made.stop()


def test_columns_by_position_in_thousandths_and_without_a_header(log: Path) -> None:
    add(log, "1,1699999999000,5000,700")
    made = collector(log, time="2", volts="3", amps="4", milli=["volts", "amps"])
    add(log, "2,1700000001000,5000,800")
    assert read(made, 2)[0][-1] == ("power", 4.0, 1.0)
    made.stop()


@pytest.mark.parametrize(
    ("first", "options", "said"),
    [("t,watts", {}, "no column time"), ("time,power", {}, "no column watts"),
     ("time,volts", {}, "not both volts and amps"),
     ("time,power", {"watts": "Power"}, "column Power is not there"),
     ("time,p,p", {"watts": "p"}, "column p stands there twice"),
     ("time,watts", {"watts": "3"}, "column 3 is not there"),
     ("time,watts", {"decimal": ","}, "both parted by commas")],
)  # fmt: skip
def test_columns_that_are_not_there_are_said_with_the_first_line(
    log: Path, first: str, options: dict[str, Any], said: str
) -> None:
    add(log, first)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(NoData, match=said) as caught:
        collector(log, **options)
    assert caught.value.remedy
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    fifo, utf16 = tmp_path / "fifo", tmp_path / "utf16"
    os.mkfifo(fifo)
    utf16.write_bytes("time,watts\n".encode("utf-16"))
    endless = tmp_path / "endless"
    endless.write_bytes(b"x" * (LONGEST_LINE + 1))
    (tmp_path / "empty").touch()
    (tmp_path / "unfinished").write_text("time,wat")
    for name, said in {
        "none.csv": "No such file", "": "a directory", "fifo": "not a regular file",
        "utf16": "not text in UTF-8", "endless": "no whole line", "empty": "empty",
        "unfinished": "no whole line",
    }.items():  # fmt: skip
        with pytest.raises(NoData, match=said) as caught:
            collector(tmp_path / name)
        assert caught.value.remedy
        assert str(tmp_path.parent) not in str(caught.value)


def test_a_file_of_a_gigabyte_is_read_at_its_end_alone(log: Path) -> None:
    add(log, "time,watts")
    with log.open("ab") as out:
        out.truncate(10**9)  # a hole: nothing of it is on the disk
    made = collector(log)
    add(log, "", "1700000001,4")
    assert read(made, 2)[0] == [("power", 4.0, 1.0)]
    made.stop()


def test_more_than_can_be_read_at_once_is_read_later(log: Path) -> None:
    add(log, "time,watts")
    made = collector(log)
    lines = [f"{1_700_000_000_000_000 + k},4" for k in range(AT_ONCE // 16)]
    add(log, *lines)
    found: list[Any] = []
    while new := read(made, 10)[0]:
        found += new
    assert len(found) == len(lines)
    made.stop()


def test_a_line_without_an_end_is_left(log: Path) -> None:
    add(log, "time,watts")
    made = collector(log)
    with log.open("ab") as out:
        out.write(b"9" * (3 * LONGEST_LINE))
    assert read(made, 1) == ([], [])
    add(log, ",4", "1700000001,4")
    assert read(made, 2) == ([("power", 4.0, 1.0)], [])
    made.stop()


def test_a_log_that_begins_anew_is_read_on_where_its_columns_are_the_same(log: Path) -> None:
    add(log, "time,watts", "1699999998,9", "1699999999,9")
    made = collector(log)
    log.write_text("time,watts\n1700000001,4\n")
    samples, notices = read(made, 2)
    assert samples == [("power", 4.0, 1.0)]
    assert "was cut" in notices[0]
    fresh = log.with_name("new")
    add(fresh, "time,watts", "1700000003,5")
    fresh.rename(log)
    assert read(made, 4)[0] == [("power", 5.0, 3.0)]
    log.unlink()
    assert read(made, 5) == ([], [])
    add(fresh, "time,volts,watts", "1700000005,5,99")
    fresh.rename(log)
    samples, notices = read(made, 6)
    assert samples == []
    assert "other columns" in notices[0]
    add(log, "1700000006,5,99")
    assert read(made, 7) == ([], [])
    made.stop()


def test_gaps_again_and_again_are_counted_and_not_all_put_on_record(log: Path) -> None:
    add(log, "time,watts")
    made = collector(log)
    for k in range(3 * MOST_GAPS):
        add(log, f"{1_700_000_000 + k / 100:.3f},nan", f"{1_700_000_000.005 + k / 100:.3f},1")
    samples, _ = read(made, 10)
    assert sum(each[1] is None for each in samples) == MOST_GAPS
    assert made.facts()["lines"] == {"gaps": 3 * MOST_GAPS, "read": 3 * MOST_GAPS}
    made.stop()


def test_without_a_file_it_is_off_and_without_clocks_it_says_what_helps(log: Path) -> None:
    made = PowerMeter()
    with pytest.raises(SwitchedOff, match=r"power_meter\.path") as caught:
        made.attach(Launch(("program",), {}, log.parent, {}))
    assert "[power_meter]" in (caught.value.remedy or "")
    add(log, "time,watts")
    made.attach(Launch(("program",), {}, log.parent, {"power_meter": {"path": str(log)}}))
    with pytest.raises(NoData, match="clocks") as unknown:
        made.start(Device("here"))
    assert "monotonic" in (unknown.value.remedy or "")
    assert made.facts() == {}


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"", "empty"), (b"\0\1\n", "not text"), (b"a,b\n1,2\n", "column")],
)
def test_a_file_that_cannot_be_used_is_known_before_the_program_starts(
    log: Path, content: bytes | None, why: str
) -> None:
    if content is not None:
        log.write_bytes(content)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for options in ({"path": str(log)}, {"path": str(log.parent)}):
        with pytest.raises(Unmet, match=why if options["path"] == str(log) else "a directory"):
            PowerMeter().attach(Launch(("program",), {}, log.parent, {"power_meter": options}))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


METERED = """
import os, pathlib, time
log = os.path.realpath({log!r})
opened = pathlib.Path(f"/proc/{{os.getppid()}}/fd")
def is_read():
    return any(os.path.realpath(each) == log for each in opened.iterdir())
while not is_read():
    time.sleep(0.01)
with open(log, "a") as out:
    for _ in range(20):
        print(time.time_ns(), 5.1, 1.5, sep=",", file=out, flush=True)
        time.sleep(0.005)
"""


def test_a_meter_that_logs_beside_a_run_is_in_the_run(tmp_path: Path, log: Path) -> None:
    add(log, "time,volts,amps", f"{BEGIN},5,9")
    command = [sys.executable, "-c", METERED.format(log=str(log))]
    scenario = Scenario.model_validate(
        {"name": "t", "mode": "command", "program": {"command": command},
         "run": {"warmup": "0s", "collectors": ["power_meter"]},
         "power_meter": {"path": str(log)}}
    )  # fmt: skip
    run = store.Run.open(engine.measure(scenario, tmp_path / "runs"))
    samples, clocks = run.table("samples"), run.manifest["clocks"]
    power = samples[samples["track"] == "power_meter.power"]
    assert len(power) == 20
    assert set(power["value"].round(6)) == {7.65}
    assert (power["t_ns"] > clocks["start_monotonic_ns"]).all()
    assert (power["t_ns"] < clocks["end_monotonic_ns"]).all()
    (entry,) = run.manifest["collectors"]
    assert entry["outcome"] == "ok"
    assert entry["facts"]["lines"] == {"read": 20}


def test_a_meters_file_is_relative_to_the_scenario_and_goes_on_record_by_its_name(
    tmp_path: Path,
) -> None:
    file = tmp_path / "metered.toml"
    file.write_text('version = 1\nname = "metered"\n[power_meter]\npath = "logs/meter.csv"\n')
    loaded = load(str(file), folder=tmp_path)
    assert loaded.scenario.power_meter.path == str(tmp_path / "logs/meter.csv")
    loaded = load(str(file), folder=tmp_path, overrides=["power_meter.path=/srv/eve/m.csv"])
    assert loaded.overrides == ("power_meter.path=m.csv",)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAYS = st.integers(11_500, 48_000)


@given(DAYS, st.integers(0, 86_400 * 10**6 - 1), st.integers(-14 * 60, 14 * 60))
def test_iso_times_are_what_the_calendar_says(days: int, micros: int, minutes: int) -> None:
    moment = EPOCH + timedelta(days=days, microseconds=micros)
    text = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()
    since = (moment - EPOCH) // timedelta(microseconds=1)
    assert time_ns(text, layout("time,watts", {})) == since * 1000


@pytest.mark.parametrize(
    "text",
    ["2023-02-30T00:00:00Z", "2023-13-01T00:00:00Z", "2023-01-01T24:00:00Z", "1999-01-01T00:00:00Z",
     "2023-00-10T00:00:00Z", "2023-01-01", "12:00:00", "0", "-1700000000", "123456789",
     "5000000000", "17000000000000000000000", "1,7e9", "²", "now"],
)  # fmt: skip
def test_what_is_no_time_of_these_years_is_none(text: str) -> None:
    assert time_ns(text, layout("time,watts", {})) is None


@given(st.text(max_size=200), st.sampled_from([".", ","]))
def test_any_line_is_read_or_left(line: str, decimal: str) -> None:
    of = layout("time;watts;volts", {"decimal": decimal})
    for name, value in row(line, of).values.items():
        assert value is None or abs(value) <= MOST[name]


@given(st.text(min_size=1, max_size=100))
def test_any_first_line_is_a_layout_or_no_data(first: str) -> None:
    try:
        found = layout(first, {"time": "1", "watts": "2"})
    except NoData:
        return
    assert found.width >= 2


@given(st.floats(-9e4, 9e4), st.sampled_from([".", ","]))
def test_numbers_are_read_as_they_were_written(value: float, decimal: str) -> None:
    of = layout("time;watts", {"decimal": decimal})
    text = f"{value:.6f}".replace(".", decimal)
    assert row(f"1700000000;{text}", of).values["watts"] == float(f"{value:.6f}")
