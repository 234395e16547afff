from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from probe import cases, judge
from probe.store import Run
from probe.verdict.evidence import Evidence
from probe.verdict.history import Change, course, latency_changes

Make = Callable[..., Path]


def evidence(*stretches: tuple[int, float], spread: float = 1.0, seed: int = 6) -> Evidence:
    """Return a Run at 25 fps of (seconds, latency in ms), one stretch after the other."""
    rng = np.random.default_rng(seed)
    latencies = [
        float(ms + spread * rng.standard_normal())
        for seconds, ms in stretches
        for _ in range(25 * seconds)
    ]
    return Evidence(cases.live_run(latencies))


def told(found: Evidence) -> str | None:
    return course(found, latency_changes(found))


def at_s(changes: Sequence[Change]) -> list[float]:
    return [(each.at_ns - cases.BEGIN_NS) / 1e9 for each in changes]


def test_a_run_that_is_throttled_after_two_minutes_says_when_and_from_what_to_what(
    made_run: Make,
) -> None:
    found = judge.judge(Run.open(made_run("mixed", seconds=240.0)))
    first, then = found["regimes"]
    assert (first["regime"], then["regime"]) == ("real-time", "degraded real-time")
    assert first["to_ns"] - first["from_ns"] == 120 * 10**9
    (change,) = found["latency_changes"]
    assert change["at_ns"] - found["window"]["start_ns"] == pytest.approx(120e9, abs=0.5e9)
    assert change["before_ms"] < 50 < change["after_ms"]
    assert found["course"] == (
        "real-time for 120 s, then degraded real-time for 120 s; latency rose from "
        f"{change['before_ms']:.1f} to {change['after_ms']:.1f} ms at 120 s"
    )


def test_a_level_that_passes_has_a_beginning_and_an_end() -> None:
    found = evidence((20, 20.0), (10, 35.0), (30, 20.0))
    changes = latency_changes(found)
    assert at_s(changes) == pytest.approx([20, 30], abs=0.3)
    assert changes[0].before_ms == pytest.approx(20, abs=0.5)
    assert changes[0].after_ms == changes[1].before_ms == pytest.approx(35, abs=0.5)
    low, high = f"{changes[0].before_ms:.1f}", f"{changes[0].after_ms:.1f}"
    assert told(found) == (
        f"real-time for 60 s; latency rose from {low} to {high} ms at 20 s, fell from {high} to "
        f"{changes[1].after_ms:.1f} ms at 30 s"
    )


def test_noise_and_steps_of_under_a_tenth_are_no_changes() -> None:
    assert told(evidence((60, 30.0), spread=3.0)) == "real-time for 60 s"
    assert latency_changes(evidence((30, 30.0), (30, 32.0))) == []


def test_many_small_steps_that_add_up_are_a_change() -> None:
    stretches = [(10, 30.0 * 1.06**step) for step in range(8)]
    changes = latency_changes(evidence(*stretches, spread=0.3))
    assert changes
    for each in changes:
        assert each.after_ms >= 1.1 * each.before_ms


def test_what_changes_all_the_time_is_counted() -> None:
    stretches = [(20, 80.0 if step % 2 else 20.0) for step in range(10)]
    sentence = told(evidence(*stretches))
    assert sentence is not None
    assert sentence.startswith(
        "real-time first, 9 changes of regime, first degraded real-time at 20 s; latency changed "
        "its level 9 times, most from "
    )


@pytest.mark.parametrize("run", [cases.silent_run, cases.generating_run])
def test_without_a_live_input_there_is_no_course(run: Callable[[], Run]) -> None:
    assert told(Evidence(run())) is None


def test_lost_frames_have_no_latency_to_change() -> None:
    found = Evidence(cases.live_run([None] * 100))
    assert latency_changes(found) == []
    assert told(found) == "stalled for 4 s"


def test_a_change_that_the_display_hides_is_none_of_the_response_latency() -> None:
    found = evidence((20, 10.0), (20, 14.0), spread=0.3)
    assert at_s(latency_changes(found)) == pytest.approx([20], abs=0.3)
    run = found.run
    frames = run.table("frames")
    frames["rendered_ns"] = frames["scheduled_ns"] + 20_000_000  # the refresh after both levels
    hidden = Run.of(run.manifest, {"frames": frames, "outputs": run.table("outputs")})
    assert latency_changes(Evidence(hidden)) == []
