from __future__ import annotations

import pytest

from probe.course import Course, Phase
from probe.scenario import Scenario

SECOND = 10**9
BOUNDS = {"warmup_ns": 2 * SECOND, "duration_ns": 6 * SECOND, "drain_ns": 2 * SECOND}


def course(mode: str = "live", **bounds: int | None) -> Course:
    program = {"command": ["true"]} if mode == "command" else {}
    times = {"load": "30s", "hang": "5s"}
    scenario = Scenario.model_validate(
        {"name": "t", "mode": mode, "run": times, "program": program}
    )
    return Course(scenario, {**BOUNDS, **bounds})


@pytest.mark.parametrize(
    ("since", "phase"),
    [
        (0, Phase.WARM_UP),
        (2 * SECOND - 1, Phase.WARM_UP),
        (2 * SECOND, Phase.MEASURING),
        (8 * SECOND, Phase.DRAINING),
        (50 * SECOND, Phase.DRAINING),
    ],
)
def test_a_run_goes_through_its_phases(since: int, phase: Phase) -> None:
    assert course().progress(100, 0, 100 + since).phase is phase


def test_until_the_first_frame_a_run_loads() -> None:
    assert course().progress(None, 0, 29 * SECOND).phase is Phase.LOADING


def test_a_program_that_never_begins_is_overdue_after_its_time_to_load() -> None:
    assert course().overdue(None, 0, 30 * SECOND) is None
    found = course().overdue(None, 0, 30 * SECOND + 1)
    assert found is not None
    assert found[0] == "timed out"


def test_ours_ends_by_itself_and_a_command_is_stopped() -> None:
    assert course().overdue(0, 0, 15 * SECOND) is None
    late = course().overdue(0, 0, 15 * SECOND + 1)
    stopped = course("command").overdue(0, 0, 10 * SECOND + 1)
    assert late is not None
    assert stopped is not None
    assert (late[0], stopped[0]) == ("timed out", "stopped")


def test_a_command_without_a_bound_goes_on() -> None:
    open_ended = course("command", duration_ns=None)
    assert open_ended.overdue(0, 0, 10**15) is None
    assert open_ended.progress(0, 0, 10**15).total_ns is None


def test_silence_is_allowed_until_there_is_something_to_expect() -> None:
    assert course().silence_allowed_ns(0, None) == 30 * SECOND
    assert course().silence_allowed_ns(9, None) == 5 * SECOND
    assert course("command").silence_allowed_ns(9, None) is None
    assert course("command").silence_allowed_ns(9, 1) == 5 * SECOND
