"""Sync drift is a slope with an interval, from 20 s on."""

from __future__ import annotations

import pytest

from probe import cases, measured
from probe.drift import Drift, drift_of


def told(latency_ms: list[float | None]) -> Drift | str:
    return drift_of(measured.frames_of(cases.live_run(latency_ms)))


def test_a_rise_is_told_in_ms_per_minute() -> None:
    found = told([20 + 6 * k / 1500 for k in range(600)])
    assert not isinstance(found, str)
    assert found.trend.slope == pytest.approx(6, rel=0.01)
    assert found.trend.low <= found.trend.slope <= found.trend.high


@pytest.mark.parametrize(
    ("latency_ms", "said"),
    [
        ([20.0] * 500, None),  # 20 s of them: the last is due before they are over
        ([20.0] * 400, "frames over 16.0 s were answered, 20 s needed"),
        ([20.0, *[None] * 498, 20.0], "2 frames were answered, 90 are needed"),
        ([None] * 500, "frames over 0.0 s were answered, 20 s needed"),
    ],
)
def test_below_twenty_seconds_there_is_no_slope(
    latency_ms: list[float | None], said: str | None
) -> None:
    found = told(latency_ms)
    assert (found if isinstance(found, str) else None) == said
