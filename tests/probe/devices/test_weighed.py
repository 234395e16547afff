"""The doctor's line on the harness's weight."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import probe
from probe import calibration
from probe.devices.weighed import weighed
from probe.neighbours import ours

HELD = Path(__file__).parents[1] / "verdict" / "calibrations" / "held.json"
DAY_S = 86_400
INVENTORY: dict[str, Any] = {"name": "test board", "cores": 4, "kernel": "6.12.0"}


@pytest.fixture
def document() -> dict[str, Any]:
    """Return a calibration of these collectors on this device, made three days ago."""
    names = sorted(each.name for each in ours("collectors").discover())
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3 * DAY_S - 60))
    held: dict[str, Any] = json.loads(HELD.read_text())
    return held | {
        "device": calibration.identity(INVENTORY),
        "collectors": names,
        "created": made,
        "liveprobe": probe.__version__,
    }


def test_it_is_missing_until_it_was_measured(tmp_path: Path) -> None:
    found = weighed(INVENTORY, tmp_path)
    assert (found.state, found.reason) == ("missing", "never calibrated here")
    assert "liveprobe calibrate" in (found.remedy or "")


def test_it_says_when_and_what_it_came_to(document: dict[str, Any], tmp_path: Path) -> None:
    calibration.save(document, tmp_path)
    found = weighed(INVENTORY, tmp_path)
    assert (found.state, found.remedy) == ("ok", None)
    assert found.reason.startswith("calibrated 3 days ago: held: p50 +0.3 % (95 %: ")


def test_a_stale_one_is_limited(document: dict[str, Any], tmp_path: Path) -> None:
    calibration.save(document | {"kernel": "6.6.0"}, tmp_path)
    found = weighed(INVENTORY, tmp_path)
    assert found.state == "limited"
    assert "another kernel" in found.reason


def test_a_damaged_one_is_missing_with_the_reason(document: dict[str, Any], tmp_path: Path) -> None:
    calibration.save(document, tmp_path).write_text("{")
    found = weighed(INVENTORY, tmp_path)
    assert found.state == "missing"
    assert "is not JSON" in found.reason
