from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from collectors.bandwidth.pmu import (
    UNITS,
    WORDS,
    Field,
    Pmu,
    Words,
    cpus,
    encoded,
    field,
    pmus,
    scaled,
    terms,
)
from probe.model import Device

DEVICES = Path(__file__).parents[2] / "devices"
ANYTHING = st.one_of(
    st.text(max_size=40),
    st.text("config12:0-9,abxXeE.+umskvn=?", max_size=40),
    st.binary(max_size=40).map(lambda data: data.decode("utf-8", "replace")),
)


def pmu(root: Path, name: str) -> Pmu:
    return next(pmus(Device("tree", root), re.compile(re.escape(name))))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("config:0-7", Field("config", tuple(range(8)))),
        ("config:0-7,21", Field("config", (*range(8), 21))),
        ("config:0-7,32-35", Field("config", (*range(8), 32, 33, 34, 35))),
        ("config1:0", Field("config1", (0,))),
        ("config2:63", Field("config2", (63,))),
        ("config:21,0-1", Field("config", (0, 1, 21))),  # the lowest bit of a value comes first
        ("config:0-63", Field("config", tuple(range(64)))),
        ("config:7-0", None),
        ("config:0-64", None),
        ("config:100", None),
        ("config3:0-7", None),
        ("config:", None),
        ("config:0-", None),
        ("config: 0-7", None),
        ("config:٣", None),
        ("", None),
        ("event", None),
        ("config:0-7\0", None),
    ],
)
def test_a_format_says_which_bits_of_which_word(text: str, expected: Field | None) -> None:
    assert field(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event=0x3c", {"event": 0x3C}),
        ("event=0xff,umask=0x20", {"event": 255, "umask": 32}),
        ("event=0xB7, umask=0x01, offcore_rsp=0x1", {"event": 183, "umask": 1, "offcore_rsp": 1}),
        ("event=010", {"event": 10}),  # perf reads a decimal here, not an octal
        ("event=0x3c,inv", {"event": 0x3C, "inv": 1}),
        ("config=0x5", {"config": 5}),
        ("event=?", None),
        ("event=", None),
        ("event=-1", None),
        ("event=0x", None),
        ("event=1,event=2", None),
        ("event=1,,umask=2", None),
        ("event=1_0", None),
        ("event=0x11111111111111111", None),
        ("", None),
        ("=1", None),
    ],
)
def test_an_event_is_a_list_of_terms(text: str, expected: dict[str, int] | None) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event=0xff,umask=0x20", Words(0x20FF)),
        ("event=0x1ff", Words(0x1_0000_00FF)),  # AMD's cores: the high bits stand apart
        ("edge", Words(1 << 18)),
        ("event=0x0,long=1", Words(0, 1)),
        ("config=0x1234,config2=7", Words(0x1234, 0, 7)),
        ("umask=0x100", None),  # no room: not cut
        ("nothing=1", None),
    ],
)
def test_terms_go_where_the_formats_say(text: str, expected: Words | None) -> None:
    places = {
        "event": "config:0-7,32-35",
        "umask": "config:8-15",
        "edge": "config:18",
        "long": "config1:0",
    }
    fields = {name: found for name, text in places.items() if (found := field(text))}
    assert encoded(text, fields) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6.103515625e-5", 64 / 2**20),
        ("9.536743164e-07", 9.536743164e-07),
        ("1", 1.0),
        ("0", None),
        ("0e0", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("1e-99", 1e-99),
        ("6,1035e-5", None),  # a localised number is none of the kernel's
        ("", None),
        ("0x10", None),
    ],
)
def test_a_scale_is_a_positive_number(text: str, expected: float | None) -> None:
    assert scaled(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", (0,)), ("0,32", (0, 32)), ("0-3,8", (0, 1, 2, 3, 8)), ("", ()),
        ("3-0", None), ("99999", None), ("0-99999", None), ("a", None), ("0,", None), ("-1", None),
    ],
)  # fmt: skip
def test_a_mask_is_a_list_of_cpus(text: str, expected: tuple[int, ...] | None) -> None:
    assert cpus(text) == expected


def test_the_laptops_controllers_are_encoded_as_perf_does() -> None:
    one = pmu(DEVICES / "laptop-core-ultra", "uncore_imc_free_running_1")
    assert (one.name, one.type, one.cpus) == ("uncore_imc_free_running_1", 25, (0,))
    assert one.event("data_read") == Words(0x20FF)
    assert one.event("data_write") == Words(0x30FF)
    assert one.event("data_reads") is None
    assert one.bytes_each("data_read", 1.0) == 64.0


def test_an_event_that_the_kernel_does_not_name_is_given_by_its_terms() -> None:
    one = pmu(DEVICES / "laptop-ryzen-ai", "amd_umc_2")
    assert one.event("event=0x0a,rdwrmask=0x1") == Words(0x10A)
    assert one.event("event=0x0a,rdwrmask=0x2") == Words(0x20A)
    assert one.event("event=0x0a,rdwrmask=0x4") is None
    assert one.bytes_each("event=0x0a,rdwrmask=0x1", 64.0) == 64.0


def test_cores_count_what_a_thread_does_so_they_have_no_cpu_of_their_own() -> None:
    one = pmu(DEVICES / "raspberry-pi-5", "armv8_cortex_a76")
    assert (one.type, one.cpus) == (9, ())
    assert one.event("l3d_cache_refill") == Words(0x2A)
    assert one.bytes_each("l3d_cache_refill", 64.0) == 64.0


def put(root: Path, name: str, text: str) -> Path:
    folder = root / "sys/bus/event_source/devices/uncore_imc"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return folder


@pytest.mark.parametrize("number", ["", "-1", "2147483648", "99999999999999999999", "x", "1.0"])
def test_a_pmu_without_a_number_is_none(tmp_path: Path, number: str) -> None:
    put(tmp_path, "type", number)
    assert list(pmus(Device("tree", tmp_path), re.compile(".*"))) == []


@pytest.mark.parametrize(
    ("scale", "unit"), [("1", None), (None, "MiB"), ("x", "MiB"), ("1", "parsecs"), ("", "")]
)
def test_half_a_scale_is_none(tmp_path: Path, scale: str | None, unit: str | None) -> None:
    put(tmp_path, "type", "7\n")
    put(tmp_path, "events/data_reads", "event=0x01\n")
    if scale is not None:
        put(tmp_path, "events/data_reads.scale", scale)
    if unit is not None:
        put(tmp_path, "events/data_reads.unit", unit)
    assert pmu(tmp_path, "uncore_imc").bytes_each("data_reads", 64.0) is None


def test_a_term_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    put(tmp_path, "type", "7")
    put(tmp_path, "secret", "config:0-7")
    put(tmp_path, "format/event", "config:0-7")
    put(tmp_path, "events/data_reads", "event=0x01,../secret=0x02")
    assert pmu(tmp_path, "uncore_imc").event("data_reads") is None


def test_pmus_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("amd_umc_10", "amd_umc_2", "amd_umc_0", "uncore_imc"):
        folder = tmp_path / "sys/bus/event_source/devices" / name
        folder.mkdir(parents=True)
        (folder / "type").write_text("9\n")
    found = [each.name for each in pmus(Device("tree", tmp_path), re.compile(r".*"))]
    assert found == ["amd_umc_0", "amd_umc_2", "amd_umc_10", "uncore_imc"]


@settings(deadline=None)
@given(ANYTHING)
def test_no_format_is_made_up(text: str) -> None:
    found = field(text)
    if found is not None:
        assert found.word in WORDS
        assert text.startswith(f"{found.word}:")
        assert set(found.bits) <= set(range(64))
        named = {int(number) for number in re.findall("[0-9]+", text.partition(":")[2])}
        assert named <= set(found.bits)


@settings(deadline=None)
@given(ANYTHING)
def test_no_term_is_made_up(text: str) -> None:
    for name, value in (terms(text) or {}).items():
        assert name in text
        assert 0 <= value < 10**20
        assert value == 1 or f"{value}" in text or f"{value:x}" in text.lower()


@settings(deadline=None)
@given(ANYTHING)
def test_no_scale_and_no_cpu_is_made_up(text: str) -> None:
    scale, found = scaled(text), cpus(text)
    if scale is not None:
        assert math.isfinite(scale)
        assert scale == float(text) > 0
    if found:
        assert {int(number) for number in re.findall("[0-9]+", text)} <= set(found)
        assert found[-1] < 8192


@given(
    st.lists(st.integers(0, 63), min_size=1, max_size=16, unique=True),
    st.integers(0, 2**16 - 1),
    st.sampled_from(WORDS),
)
def test_what_was_put_into_a_word_can_be_read_back(bits: list[int], value: int, word: str) -> None:
    assume(value < 2 ** len(bits))
    text = f"{word}:{','.join(map(str, bits))}"
    found = field(text)
    assert found is not None
    words = encoded(f"it={value:#x}", {"it": found})
    assert words is not None
    filled = getattr(words, word)
    back = sum((filled >> bit & 1) << place for place, bit in enumerate(sorted(bits)))
    assert back == value
    assert filled & ~sum(1 << bit for bit in bits) == 0
    assert sum(words) == filled


def test_units_are_bytes() -> None:
    assert UNITS["MiB"] == 1048576
    # rockchip_ddr: a scale of 2^-20 with a unit of MB: it counts bytes
    assert UNITS["MB"] * 9.536743164e-07 == pytest.approx(1.0, rel=1e-9)
