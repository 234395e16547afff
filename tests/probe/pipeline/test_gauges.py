"""Gauges are read where frames are, not always at the same place of their way."""

from __future__ import annotations

import numpy as np
import pytest

from probe.pipeline.gauges import PERIOD_NS, moment_ns


def test_one_sample_in_each_period() -> None:
    times = np.array([moment_ns(sample) for sample in range(2000)])
    assert np.array_equal(times // PERIOD_NS, np.arange(2000))


@pytest.mark.parametrize("fps", [10, 24, 25, 29.97, 30, 50, 60, 120])
@pytest.mark.parametrize("busy", [0.1, 0.4, 0.75])
def test_the_mean_over_samples_is_the_mean_over_time(fps: float, busy: float) -> None:
    # A program in which one frame is in flight for a share `busy` of each period.
    times = np.array([moment_ns(sample) for sample in range(480)]) / 1e9
    in_flight = (times * fps) % 1.0 < busy
    assert in_flight.mean() == pytest.approx(busy, abs=0.03)
