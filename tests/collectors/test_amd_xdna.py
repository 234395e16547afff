from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.amd_xdna import EXAMINE, AmdXdna, microwatts, watts
from collectors.amd_xdna.sensors import COLUMN, POWER, RECORD, TEMPERATURE, Node, parse
from probe.celsius import of_milli
from probe.errors import Asleep, NoData, OtherDevice
from probe.model import Device, Notice, Sample
from probe.tool import recording

BOARDS = Path(__file__).parents[1] / "devices"
RECORDED = BOARDS / "recordings/amd_xdna_xrt_smi.txt"
ALL_ONES = 2**32 - 1


def record(label: str, value: int, exponent: int, kind: int, units: str = "") -> bytes:
    return RECORD.pack(
        label.encode(), value, ALL_ONES, ALL_ONES, ALL_ONES, b"", units.encode(), exponent, kind
    )


def answer(*columns: int, milliwatts: int = 1250, celsius: int | None = None) -> bytes:
    """Return records in the order of the driver's own: power, temperature, columns."""
    records = [record("Total Power", milliwatts, -3, POWER, "mW")]
    if celsius is not None:
        records.append(record("Temperature", celsius, 0, TEMPERATURE, "C"))
    records += [
        record(f"Column {number} Utilization", share, 0, COLUMN, "%")
        for number, share in enumerate(columns)
    ]
    return b"".join(records)


def put(root: Path, path: str, data: object) -> Path:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data if isinstance(data, bytes) else f"{data}\n".encode())
    return file


def npu(root: Path, *, kernel: str = "7.0.3-generic", status: str | None = None) -> None:
    put(root, "/sys/class/accel/accel0/device/uevent", "DRIVER=amdxdna")
    put(root, "/proc/sys/kernel/osrelease", kernel)
    if status:
        put(root, "/sys/class/accel/accel0/device/power/runtime_status", status)


def hwmon(root: Path, microwatt: object = 1_250_000, millidegree: object = 45000) -> Path:
    folder = "/sys/class/hwmon/hwmon3"
    put(root, f"{folder}/name", "amdxdna")
    put(root, f"{folder}/temp1_input", millidegree)
    return put(root, f"{folder}/power1_input", microwatt)


def values(collector: AmdXdna) -> dict[str, float | None]:
    found = list(collector.sample(0))
    return {
        each.label if each.track == "amd_xdna.column" else each.track.partition(".")[2]: each.value
        for each in found
        if isinstance(each, Sample)
    }


@pytest.fixture
def collector() -> Iterator[AmdXdna]:
    made = AmdXdna()
    yield made
    made.stop()
    made.stop()


def test_the_newest_driver_tells_all(tmp_path: Path, collector: AmdXdna) -> None:
    npu(tmp_path)
    power = hwmon(tmp_path)
    node = put(tmp_path, "/dev/accel/accel0", answer(12, 0, 100))
    collector.start(Device("laptop", tmp_path))
    assert collector.lacking() == {}
    columns = {"column 0": 12.0, "column 1": 0.0, "column 2": 100.0}
    assert values(collector) == columns | {"power": 1.25, "temperature": 45.0}
    node.write_bytes(answer(12, ALL_ONES, 65535))
    power.write_text("65535000\n")
    gaps = {"column 0": 12.0, "column 1": None, "column 2": None, "power": None}
    assert values(collector) == gaps | {"temperature": 45.0}
    node.write_bytes(b"")
    power.write_text("")
    assert values(collector) == dict.fromkeys(columns) | {"power": None, "temperature": 45.0}


def test_without_hwmon_the_driver_itself_is_asked(tmp_path: Path, collector: AmdXdna) -> None:
    npu(tmp_path)
    put(tmp_path, "/dev/accel/accel0", answer(7, milliwatts=800, celsius=51))
    collector.start(Device("laptop", tmp_path))
    assert collector.lacking() == {}
    assert values(collector) == {"column 0": 7.0, "power": 0.8, "temperature": 51.0}


def test_a_sleeping_npu_is_not_woken(tmp_path: Path, collector: AmdXdna) -> None:
    npu(tmp_path, status="suspended")
    put(tmp_path, "/dev/accel/accel0", answer(7))
    hwmon(tmp_path)
    collector.start(Device("laptop", tmp_path))
    assert {track: type(why) for track, why in collector.lacking().items()} == {
        "amd_xdna.column": Asleep
    }
    assert values(collector) == {"power": 1.25, "temperature": 45.0}
    put(tmp_path, "/sys/class/accel/accel0/device/power/runtime_status", "active")
    assert values(collector)["column 0"] == 7.0
    put(tmp_path, "/sys/class/accel/accel0/device/power/runtime_status", "suspended")
    assert values(collector) == {"column 0": None, "power": 1.25, "temperature": 45.0}
    asleep = {
        each.track for each in collector.sample(0) if isinstance(each, Sample) and each.asleep
    }
    assert asleep == {"amd_xdna.column"}


@pytest.mark.parametrize("answers", [("1.534 Watts", 1.534), ("N/A", None)])
def test_a_tool_would_wake_a_sleeping_npu_and_waits_until_it_works(
    tmp_path: Path, collector: AmdXdna, answers: tuple[str, float | None]
) -> None:
    said, expected = answers
    npu(tmp_path, kernel="6.19.2-generic", status="suspended")
    collector.start(Device("laptop", tmp_path))  # a tree in which nothing was asked of the tool
    assert isinstance(collector.lacking()["amd_xdna.power"], Asleep)
    assert list(collector.sample(0)) == [Sample("amd_xdna.power", "NPU", None, asleep=True)]
    put(tmp_path, f"/recorded/{recording(EXAMINE)}", f"Power                    : {said}")
    assert values(collector) == {"power": None}
    put(tmp_path, "/sys/class/accel/accel0/device/power/runtime_status", "active")
    told = list(collector.sample(0))
    assert [each.value for each in told if isinstance(each, Sample)] == [expected]
    refused = "NPU: no hwmon device amdxdna; xrt-smi examine -r platform says Power: N/A"
    notices = [each.text for each in told if isinstance(each, Notice)]
    assert notices == ([] if expected else [refused])
    assert values(collector) == {"power": expected}


def test_an_older_kernel_is_not_asked_and_said(tmp_path: Path, collector: AmdXdna) -> None:
    npu(tmp_path, kernel="6.19.2-generic")
    put(tmp_path, "/dev/accel/accel0", answer(7))
    put(tmp_path, f"/recorded/{recording(EXAMINE)}", "Power                    : 1.534 Watts")
    collector.start(Device("laptop", tmp_path))
    assert collector.lacking().keys() == {"amd_xdna.column", "amd_xdna.temperature"}
    assert "7.0" in (collector.lacking()["amd_xdna.column"].remedy or "")
    assert values(collector) == {"power": 1.534}
    put(tmp_path, f"/recorded/{recording(EXAMINE)}", "Power                    : N/A")
    assert values(collector) == {"power": None}


def test_a_driver_without_columns_says_so(tmp_path: Path, collector: AmdXdna) -> None:
    npu(tmp_path)
    hwmon(tmp_path)
    put(tmp_path, "/dev/accel/accel0", answer())
    collector.start(Device("laptop", tmp_path))
    assert collector.lacking().keys() == {"amd_xdna.column"}


def test_a_node_that_is_not_there_has_a_remedy(tmp_path: Path, collector: AmdXdna) -> None:
    npu(tmp_path)
    hwmon(tmp_path)
    collector.start(Device("laptop", tmp_path))
    assert "No such file" in collector.lacking()["amd_xdna.column"].message
    assert "container" in (collector.lacking()["amd_xdna.column"].remedy or "")


def test_the_board(collector: AmdXdna) -> None:
    collector.start(Device("laptop", BOARDS / "laptop-ryzen-ai"))
    assert "amd_xdna.column" not in collector.lacking()
    found = values(collector)
    assert found["power"] == 1.84
    assert [found[f"column {number}"] for number in range(8)] == [62.0, 60.0] + [0.0] * 6
    assert collector.facts()["vbnv"] == "RyzenAI-npu4"


def test_where_nothing_tells_it_says_why(tmp_path: Path, collector: AmdXdna) -> None:
    npu(tmp_path, kernel="6.17.4-200.fc42.x86_64")
    put(tmp_path, f"/recorded/{recording(EXAMINE)}", "Power                    : N/A")
    with pytest.raises(NoData, match=r"no hwmon device amdxdna; xrt-smi .* says Power: N/A"):
        collector.start(Device("laptop", tmp_path))
    assert all(each.remedy for each in collector.lacking().values())


@pytest.mark.parametrize("board", ["bare-vm", "raspberry-pi-5", "laptop-core-ultra"])
def test_other_devices_are_other_devices(board: str, collector: AmdXdna) -> None:
    with pytest.raises(OtherDevice):
        collector.start(Device("other", BOARDS / board))


def test_an_npu_without_its_driver_has_a_remedy(tmp_path: Path, collector: AmdXdna) -> None:
    put(tmp_path, "/sys/bus/pci/devices/0000:c5:00.1/vendor", "0x1022")
    put(tmp_path, "/sys/bus/pci/devices/0000:c5:00.1/device", "0x1502")
    with pytest.raises(NoData, match="Phoenix") as caught:
        collector.start(Device("laptop", tmp_path))
    assert "modprobe amdxdna" in (caught.value.remedy or "")


def test_a_node_of_another_kind_answers_nothing() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    node = Node(Path("/dev/null"))  # a real device, which knows no such question
    assert node.read() is None
    node.close()
    node.close()
    assert node.read() is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_record_has_the_size_of_the_kernels() -> None:
    assert RECORD.size == 168


def test_the_recorded_answers_of_the_tool_have_no_power() -> None:
    rows = RECORDED.read_text(encoding="utf-8").splitlines()
    text = "\n".join(row for row in rows if not row.startswith("#"))
    assert {watts(block) for block in text.split("=====")} == {None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Power                    : 0.702 Watts\n", 0.702), ("Power : 3", 3.0), ("Power: nan", None),
     ("Power : 0.000", None), ("Power : 4294967295", None), ("Power Mode : 3", None),
     ("Power : 1,5 W", None), ("Leistung : 3 W", None), ("Power : -1", None), ("", None)],
)  # fmt: skip
def test_the_power_of_the_tool(text: str, expected: float | None) -> None:
    assert watts(text) == expected


@pytest.mark.parametrize("empty", [0xFFFF, ALL_ONES])
def test_an_empty_table_of_the_firmware_is_no_value(empty: int) -> None:
    assert parse(answer(empty, milliwatts=empty, celsius=empty)) == (None, None, {0: None})


def test_exponents_and_unknown_sensors() -> None:
    told = parse(
        record("Total Power", 12, -1, POWER)
        + record("Column 3 Utilization", 5, 1, COLUMN)
        + record("Column x Utilization", 5, 0, COLUMN)
        + record("Column 99999 Utilization", 5, 0, COLUMN)
        + record("Humidity", 5, 0, 9)
        + record("Temperature", 45, 127, TEMPERATURE)
    )
    assert told is not None
    assert told.watts == pytest.approx(1.2)
    assert (told.celsius, told.columns) == (None, {3: 50.0})


@given(st.binary(max_size=700))
def test_any_bytes_make_up_no_value(data: bytes) -> None:
    told = parse(data)
    assert (told is None) == (len(data) < RECORD.size)
    if told is not None:
        assert told.watts is None or 0 <= told.watts <= 100
        assert told.celsius is None or -55 <= told.celsius <= 150
        assert all(each is None or 0 <= each <= 100 for each in told.columns.values())


@given(st.lists(st.integers(0, ALL_ONES), max_size=8), st.integers(0, ALL_ONES), st.integers(0, 99))
def test_what_is_told_is_what_was_written(columns: list[int], power: int, cut: int) -> None:
    data = answer(*columns, milliwatts=power)
    told = parse(data + data[:cut])  # a cut record at the end is left out
    assert told is not None
    assert told.columns == {
        number: float(share) if share <= 100 else None for number, share in enumerate(columns)
    }
    known = power <= 100_000 and power not in {0xFFFF, ALL_ONES}
    assert told.watts == (pytest.approx(power / 1000) if known else None)


@given(st.text())
def test_no_text_makes_up_a_power(text: str) -> None:
    for told in (watts(text), watts(f"Power : {text}")):
        assert told is None or 0 < told <= 100


@given(st.one_of(st.none(), st.integers(-(2**64), 2**64)))
def test_no_number_makes_up_a_value(read: int | None) -> None:
    power, temperature = microwatts(read), of_milli(read)
    assert power is None or (0 <= power <= 100 and power == pytest.approx((read or 0) / 1e6))
    assert temperature is None or -55 <= temperature <= 150


def test_a_node_that_cannot_be_opened_says_why(tmp_path: Path, collector: AmdXdna) -> None:
    npu(tmp_path)
    hwmon(tmp_path)
    node = tmp_path / "dev/accel/accel0"
    node.parent.mkdir(parents=True)
    node.symlink_to(node.name)
    collector.start(Device("laptop", tmp_path))
    assert "symbolic links" in collector.lacking()["amd_xdna.column"].message
