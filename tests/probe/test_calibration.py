"""A calibration on disk: where it is kept, under which name, and when it no longer counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from probe import calibration
from probe.errors import EnvironmentUnmet
from probe.verdict.weight import weight

HELD = Path(__file__).parent / "verdict" / "calibrations" / "held.json"
INVENTORY = {
    "name": "test board", "board": "Test Board 5", "soc": "simulated", "cpu": "4 simulated cores",
    "cores": 4, "memory_bytes": 8 * 2**30 - 3 * 2**20, "kernel": "6.12.0",
    "governor": "performance", "accelerators": [],
}  # fmt: skip
SET = ["thermal", "cpu"]


@pytest.fixture
def held() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(HELD.read_text())
    return document


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"LIVEPROBE_STATE": "/state"}, "/state/calibrations"),
        ({"LIVEPROBE_STATE": "/state", "XDG_STATE_HOME": "/xdg"}, "/state/calibrations"),
        ({"XDG_STATE_HOME": "/xdg"}, "/xdg/liveprobe/calibrations"),
        ({"XDG_STATE_HOME": "relative"}, "~/.local/state/liveprobe/calibrations"),
        ({}, "~/.local/state/liveprobe/calibrations"),
    ],
)
def test_it_is_kept_where_the_user_or_xdg_says(environment: dict[str, str], place: str) -> None:
    assert calibration.home(environment) == Path(place).expanduser()


def test_what_was_kept_is_found_again(held: dict[str, Any], tmp_path: Path) -> None:
    assert calibration.stored(INVENTORY, SET, "on", tmp_path) == {"document": None, "reason": None}
    file = calibration.save(held, tmp_path / "new")
    assert file.name.startswith("test-board-")
    found = calibration.stored(INVENTORY, SET, "on", tmp_path / "new")
    assert found == {"document": held, "reason": None}
    assert [each.name for each in file.parent.iterdir()] == [file.name]  # nothing half-written


@pytest.mark.parametrize(
    "change",
    [{"cores": 2}, {"board": "Test Board 4"}, {"memory_bytes": 2**32}, {"virtualised": True},
     {"accelerators": [{"name": "hailo8l"}]}],
)  # fmt: skip
def test_another_device_has_none(
    change: dict[str, Any], held: dict[str, Any], tmp_path: Path
) -> None:
    calibration.save(held, tmp_path)
    found = calibration.stored({**INVENTORY, **change}, SET, "on", tmp_path)
    assert found["document"] is None


def test_another_set_and_other_copies_have_none(held: dict[str, Any], tmp_path: Path) -> None:
    calibration.save(held, tmp_path)
    assert calibration.stored(INVENTORY, ["cpu"], "on", tmp_path)["document"] is None
    assert calibration.stored(INVENTORY, SET, "deep", tmp_path)["document"] is None
    same = {**INVENTORY, "os": "Linux 2"}
    assert calibration.stored(same, SET, "on", tmp_path)["document"] == held


@pytest.mark.parametrize(
    "change", [{"governor": "powersave"}, {"clocks_held": True}, {"power_mode": "15W"}]
)
def test_clocks_that_are_set_otherwise_have_one_of_their_own(
    change: dict[str, Any], held: dict[str, Any], tmp_path: Path
) -> None:
    kept, now = calibration.save(held, tmp_path), {**INVENTORY, **change}
    found = calibration.stored(now, SET, "on", tmp_path)
    assert found == {
        "document": None,
        "reason": f"the stored calibration is of other clocks: governor performance ({kept.name})",
    }
    assert calibration.stored(now, ["cpu"], "on", tmp_path)["reason"] is None
    mine = held | {"device": calibration.identity(now)}
    calibration.save(mine, tmp_path)
    assert calibration.stored(now, SET, "on", tmp_path)["document"] == mine
    assert calibration.stored(INVENTORY, SET, "on", tmp_path)["document"] == held


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not JSON"),
        ("[" * 10**5, "is not JSON"),
        ("[]", "is damaged"),
        ("{}", "is damaged"),
        ('{"schema": 9}', "is of a newer liveprobe (schema 9)"),
        (" " * (calibration.LARGEST_BYTES + 1), "has more than 1 MiB"),
        (HELD.read_text().replace('"created": "2026', '"created": "x'), "is damaged"),
        (HELD.read_text().replace("0.6", "NaN"), "is damaged"),
        (HELD.read_text().replace("0.6", "1" + 400 * "0"), "is damaged"),
        (HELD.read_text().replace("Test Board 5", "Test Board 4"), "is of another device"),
    ],
)
def test_a_file_that_is_none_counts_as_absent_with_the_reason(
    text: str, why: str, held: dict[str, Any], tmp_path: Path
) -> None:
    file = calibration.save(held, tmp_path)
    file.write_text(text)
    found = calibration.stored(INVENTORY, SET, "on", tmp_path)
    assert found["document"] is None
    assert found["reason"] == f"the stored calibration {why} ({file.name})"


def test_a_folder_in_its_place_is_a_reason_too(held: dict[str, Any], tmp_path: Path) -> None:
    file = calibration.save(held, tmp_path)
    file.unlink()
    file.mkdir()
    assert "cannot be read" in calibration.stored(INVENTORY, SET, "on", tmp_path)["reason"]


def test_where_it_cannot_be_kept_it_says_what_to_do(held: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentUnmet) as caught:
        calibration.save(held, tmp_path / "file")
    assert str(tmp_path / "file") in caught.value.message
    assert "LIVEPROBE_STATE" in (caught.value.remedy or "")


def test_when_it_is_stale(held: dict[str, Any]) -> None:
    now_s = calibration.seconds(held["created"])

    def stale(days: float, **changes: Any) -> str | None:
        same: dict[str, Any] = {"kernel": "6.12.0", "version": "0.1.0"}
        return calibration.stale(held, now_s=now_s + days * 86_400, **(same | changes))

    assert stale(0) is None
    assert stale(calibration.FRESH_DAYS) is None
    assert stale(calibration.FRESH_DAYS + 1) == "is 31 days old, 30 days are allowed"
    assert stale(-0.01) is None  # a clock that was set back by a quarter of an hour
    assert stale(-2) == "is of the future, 30 days are allowed"
    assert "kernel" in (stale(1, kernel="6.12.1") or "")
    assert "version" in (stale(1, version="0.2.0") or "")


def test_an_age_in_words() -> None:
    words = [calibration.told(days) for days in (0.9, 1.9, 3.0)]
    assert words == ["less than a day", "1 day", "3 days"]


def test_one_of_fewer_pairs_does_not_replace_a_better_one(
    held: dict[str, Any], tmp_path: Path
) -> None:
    shifts = {name: values[:2] for name, values in held["shifts"].items()}
    short = {**held, "shifts": shifts, "interrupted": True}
    assert not calibration.better(short, tmp_path)
    calibration.save(held, tmp_path)
    assert calibration.better(short, tmp_path)
    assert calibration.better({**short, "interrupted": False}, tmp_path)
    assert not calibration.better(held, tmp_path)
    assert calibration.better({**held, "interrupted": True}, tmp_path)
    more = [*held["read"], "nvidia"]  # it found something now
    assert not calibration.better({**short, "read": more}, tmp_path)
    assert not calibration.better({**short, "kernel": "6.13.0"}, tmp_path)  # that one is stale


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@hypothesis.given(st.sampled_from(sorted(json.loads(HELD.read_text()))), JSON)
def test_no_damage_makes_the_rule_fail(field: str, value: Any) -> None:
    document = {**json.loads(HELD.read_text()), field: value}
    found = weight({"calibration": {"document": document, "reason": None}, "device": INVENTORY})
    assert found.reason
