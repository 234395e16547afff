"""Is a run that is as much longer as was said long enough, and is a shorter one not?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe import cases, judge, statistics
from probe.model import Outcome
from probe.store import Run
from probe.verdict.evidence import Evidence
from probe.verdict.needed import as_before, clean, longer, refuted, supported, tier_after

Make = Callable[..., Path]
PERIODS = 25
"""Frames a second of `cases.live_run`."""


def case(missed: list[bool]) -> Evidence:
    return Evidence(cases.live_run([80.0 if late else 20.0 for late in missed]))


@pytest.mark.parametrize(
    ("conditions", "more"),
    [({"seconds": 6.0}, 10), ({"seconds": 15.0, "fps": 24.0}, 5),
     ({"seconds": 600.0, "fps": 10.0}, 708)],
)  # fmt: skip
def test_a_run_made_as_much_longer_is_supported_and_a_second_less_is_not(
    conditions: dict[str, float], more: int, made_run: Make
) -> None:
    found = longer(Evidence(Run.open(made_run("live", **conditions))), clean, supported)
    assert found is not None
    assert found.seconds == more
    outcomes = []
    for seconds in (more - 1, more):
        asked = {**conditions, "seconds": conditions["seconds"] + seconds}
        verdict = judge.judge(Run.open(made_run("live", **asked)))
        assert verdict["fates"]["on_time"] == verdict["released"]
        outcomes.append(verdict["real_time"]["outcome"])
    assert outcomes == ["inconclusive", "supported"]


@settings(max_examples=40)
@given(st.lists(st.booleans(), min_size=30, max_size=400), st.integers(5, 40))
def test_so_many_more_frames_without_a_miss_are_the_fewest_whole_seconds(
    coins: list[bool], rarely: int
) -> None:
    missed = [late and k % rarely == 0 for k, late in enumerate(coins)]
    evidence = case(missed)
    if evidence.answer.outcome is not Outcome.INCONCLUSIVE:
        return
    found = longer(evidence, clean, supported)
    assert found is not None
    for seconds, outcome in ((found.seconds, True), (found.seconds - 1, False)):
        more = [*missed, *[False] * (seconds * PERIODS)]
        sample = statistics.sample_of(np.array(more), tier_after(evidence, seconds))
        assert (statistics.answer(sample).outcome is Outcome.SUPPORTED) is outcome
    assert evidence.answer.still_needed is not None


@pytest.mark.parametrize(("every", "question"), [(300, supported), (40, refuted)])
def test_a_process_that_goes_on_as_before_is_told_when_it_was_said(
    every: int, question: Callable[[statistics.Sample], bool]
) -> None:
    """The further frames miss by chance, at the measured rate: not each run tells, but many do."""
    evidence = case([k % every == 7 for k in range(330)])
    found = longer(evidence, as_before, question)
    assert found is not None
    rng = np.random.default_rng(5)
    frames = 330 + found.frames
    told = sum(
        question(statistics.sample_of(rng.random(frames) < 1 / every, evidence.tier))
        for _ in range(400)
    )
    assert told / 400 > 0.3


def test_at_the_limit_no_length_tells() -> None:
    evidence = case([k % 100 == 50 for k in range(400)])
    assert longer(evidence, as_before, supported) is None
    assert longer(evidence, as_before, refuted) is None


def test_nothing_measured_has_no_length() -> None:
    assert longer(Evidence(cases.silent_run()), clean, supported) is None


def test_a_quick_run_that_would_grow_to_the_standard_tier_is_asked_for_what_that_needs(
    made_run: Make,
) -> None:
    # 599 s at 0.75 fps are 449 frames: 13 s more would do, were the run not a standard one then
    evidence = Evidence(Run.open(made_run("live", seconds=599.0, fps=0.75)))
    found = longer(evidence, clean, supported)
    assert found is not None
    assert found.frames > 13_072 - 459
