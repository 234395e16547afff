from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.adreno import FOLDER, Adreno, busy_percent, stated_percent
from probe.errors import NoData, OtherDevice
from probe.model import Device


def put(root: Path, name: str, text: object) -> None:
    file = root / FOLDER.lstrip("/") / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="utf-8")


def values(collector: Adreno) -> dict[str, float | None]:
    return {each.track: each.value for each in collector.sample(0)}


def test_the_pair_of_a_window_is_a_share(tmp_path: Path) -> None:
    put(tmp_path, "gpubusy", " 250000 1000000")
    put(tmp_path, "gpu_busy_percentage", "99 %")  # the pair is finer, and comes first
    put(tmp_path, "gpuclk", 587_000_000)
    collector = Adreno()
    collector.start(Device("phone", tmp_path))
    assert collector.lacking() == {}
    assert values(collector) == {"adreno.utilisation": 25.0, "adreno.clock": 587e6}
    put(tmp_path, "gpubusy", "      0       0")
    put(tmp_path, "gpuclk", 0)
    assert values(collector) == {"adreno.utilisation": 0.0, "adreno.clock": 0.0}
    put(tmp_path, "gpubusy", "")
    put(tmp_path, "gpuclk", 2**64 - 1)
    assert values(collector) == {"adreno.utilisation": None, "adreno.clock": None}
    collector.stop()
    collector.stop()
    assert values(collector) == {}


def test_the_stated_percentage_stands_in(tmp_path: Path) -> None:
    put(tmp_path, "gpu_busy_percentage", "12 %")
    collector = Adreno()
    collector.start(Device("phone", tmp_path))
    assert values(collector) == {"adreno.utilisation": 12.0}
    assert "root" in (collector.lacking()["adreno.clock"].remedy or "")
    collector.stop()


def test_files_that_may_not_be_read_say_how(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER.lstrip("/")
    folder.mkdir(parents=True)
    with pytest.raises(NoData, match="gpubusy") as caught:
        Adreno().start(Device("phone", tmp_path))
    assert not isinstance(caught.value, OtherDevice)
    assert "root" in (caught.value.remedy or "")


def test_other_devices_have_no_kgsl(tmp_path: Path) -> None:
    with pytest.raises(OtherDevice, match="kgsl") as caught:
        Adreno().start(Device("pi", tmp_path))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5 10", 50.0), ("10 5", None), ("5 0", None), ("0 0", 0.0), ("5", None), ("5 10 15", None),
     ("-1 10", None), ("nan nan", None), ("5,10", None), ("٣ ٤", None), ("", None), (None, None)],
)  # fmt: skip
def test_pairs(text: str | None, expected: float | None) -> None:
    assert busy_percent(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12 %", 12.0), ("0 %", 0.0), ("100%", 100.0), ("37", 37.0), ("20000 %", None), ("-1 %", None),
     ("nan %", None), ("12,5 %", None), ("4294967295 %", None), ("", None), (None, None)],
)  # fmt: skip
def test_percentages(text: str | None, expected: float | None) -> None:
    assert stated_percent(text) == expected


@given(st.text() | st.tuples(st.integers(), st.integers()).map(lambda p: f"{p[0]} {p[1]}"))
def test_no_text_makes_up_a_share(text: str) -> None:
    for told in (busy_percent(text), stated_percent(text)):
        assert told is None or 0 <= told <= 100
    share = busy_percent(text)
    if share:
        busy, total = map(int, text.split())
        assert share == pytest.approx(100 * busy / total)
