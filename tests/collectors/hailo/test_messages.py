from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.hailo import lines
from collectors.hailo.messages import BEYOND_PERCENT, Document, parse

RECORDED = Path(__file__).parents[2] / "devices/recordings/hailo_protomon_synthetic.txt"
EXAMPLE = bytes.fromhex(RECORDED.read_text(encoding="utf-8").splitlines()[2])


def varint(number: int) -> bytes:
    """Write a number as protobuf's encoding has it (negative ones take ten bytes)."""
    number &= (1 << 64) - 1
    out = bytearray()
    while True:
        out.append(number & 127 | (128 if number > 127 else 0))
        number >>= 7
        if not number:
            return bytes(out)


def field(number: int, value: bytes | str | float) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def device(name: str, share: float, kind: str = "HAILO8") -> bytes:
    return field(4, field(1, name) + field(2, share) + field(3, kind))


def model(name: str, rate: float, share: float) -> bytes:
    return field(2, field(1, name) + field(2, rate) + field(3, share))


def queue(model_name: str, stream: str, mean: float, longest: int, capacity: int = 4) -> bytes:
    inner = field(1, stream) + field(2, 1) + field(3, capacity) + field(6, longest)
    return field(3, field(1, model_name) + field(2, inner + field(7, mean)))


def test_the_serialised_example_is_understood() -> None:
    document = parse(EXAMPLE)
    assert document is not None
    assert document.devices == (("0001:01:00.0", "HAILO8L", 43.1),)
    assert document.models == (("yolov8s", 29.97, 43.1),)
    assert {(each.track, each.label): each.value for each in lines.samples(document)} == {
        ("hailo.occupancy", "HAILO8L"): 43.1,
        ("hailo.model_occupancy", "yolov8s"): 43.1,
        ("hailo.model_rate", "yolov8s"): 29.97,
        ("hailo.queue", "yolov8s/input_layer1 H2D"): 0.62,
        ("hailo.queue_longest", "yolov8s/input_layer1 H2D"): 2.0,
        ("hailo.queue", "yolov8s/yolov8_nms_postprocess D2H"): 0.31,
        ("hailo.queue_longest", "yolov8s/yolov8_nms_postprocess D2H"): 1.0,
    }
    assert set(lines.capacities(document).values()) == {4}


def test_what_means_nothing_is_missing() -> None:
    document = parse(
        field(1, "7")
        + device("a", math.nan)
        + device("b", 20000.0)
        + device("c", -1.0)
        + model("no outputs", 1.7976931348623157e308, math.inf)
        + queue("m", "m/in", -1.0, -1, capacity=-4)
    )
    assert document is not None
    assert {each.occupancy for each in document.devices} == {None}
    assert document.models == (("no outputs", None, None),)
    assert document.queues == (("m", "m/in", False, None, None, None),)
    assert lines.capacities(document) == {}


def test_a_model_on_two_devices_adds_up_and_one_without_devices_says_nothing() -> None:
    both = parse(field(1, "7") + model("m", 10.0, 180.0) + device("b", 90.0) + device("a", 90.0))
    assert both is not None
    assert both.models[0].occupancy == 180.0
    assert [each.label for each in lines.samples(both)][:2] == ["HAILO8", "HAILO8 #2"]
    old = parse(field(1, "7") + model("m", 10.0, 18.0))  # a field of another meaning before 4.17
    assert old is not None
    assert old.models == (("m", 10.0, None),)
    idle = parse(field(1, "7") + model("m", 10.0, 0.0))
    assert idle is not None
    assert idle.models == (("m", 10.0, None),)


def test_names_are_one_short_line_and_of_another_program_say_so() -> None:
    document = parse(
        field(1, "7") + model("a\nb\x1b[1m" + "x" * 500, 1.0, 1.0) + device("", 1.0, "")
    )
    assert document is not None
    labels = [each.label for each in lines.samples(document, other=True)]
    assert labels[0] == "Hailo (other program)"
    assert labels[1].startswith("a?b?[1mxxx")
    assert all(len(label) < 200 and label.isprintable() for label in labels)
    far = parse(field(1, "7") + queue("model", "stream", 1.0, 1) + device("a", 1.0))
    assert far is not None
    assert "model stream D2H" in lines.capacities(far)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\0", EXAMPLE[:-1], EXAMPLE[:20], b"\x0a\x02\xff\xfe"]
)
def test_what_is_no_report_gives_none(data: bytes) -> None:
    assert parse(data) is None


def sane(document: Document | None) -> None:
    """No value of a report is outside of what it can mean."""
    for each in lines.samples(document) if document is not None else ():
        assert each.value is None or 0 <= each.value < math.inf
        if each.track == "hailo.occupancy":
            assert each.value is None or each.value <= BEYOND_PERCENT


@given(st.binary(max_size=300))
def test_any_bytes_are_a_report_or_are_not(data: bytes) -> None:
    sane(parse(data))


@settings(deadline=None)
@given(st.integers(0, len(EXAMPLE)), st.integers(0, len(EXAMPLE) - 1), st.binary(max_size=9))
def test_a_spoilt_report_makes_up_no_value(cut: int, place: int, put: bytes) -> None:
    sane(parse(EXAMPLE[:cut]))
    sane(parse(EXAMPLE[:place] + put + EXAMPLE[place + len(put) :]))


@given(st.floats(), st.floats(), st.integers(-(2**31), 2**31 - 1))
def test_what_is_told_is_what_was_written(share: float, rate: float, longest: int) -> None:
    document = parse(
        field(1, "1") + model("m", rate, share) + queue("m", "m/s", rate, longest)
        + device("d", share)
    )  # fmt: skip
    assert document is not None
    told = {document.devices[0].occupancy, document.models[0].occupancy} - {None}
    assert told <= {share}
    assert document.models[0].rate in {None, rate}
    assert document.queues[0].longest in {None, float(longest)}
    assert (document.devices[0].occupancy is not None) == (0 <= share <= BEYOND_PERCENT)
