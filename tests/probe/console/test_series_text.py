from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from probe.console import series_text
from probe.console.judged import Judged
from probe.console.repeated import Repeated
from probe.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PROGRAM, EnvironmentUnmet, UsageError
from probe.series import Longest
from probe.store import Run

S = 10**9


def repeat(
    index: int, *, outcome: str = "supported", tier: str = "standard", **manifest: Any
) -> Judged:
    missing = ["4 of 5 runs agree: no best-of"]
    told = {"id": "a", "of": 5, "agreeing": 4, "certified": False, "missing": missing}
    verdict = {
        "regime": "real-time", "real_time": {"outcome": outcome}, "tier": tier,
        "validity": {"status": "limited", "reasons": ["a reason"]}, "limits": [], "claims": None,
        "findings": [], "latency_ms": {"p50": 33.2, "p99": "lost"}, "rate_fps": 30.0,
        "generation": None, "series": told,
    }  # fmt: skip
    document = {"state": "complete", "series": {"index": index}, **manifest}
    return Judged(Path(f"runs/x5/repeat-{index}"), Run.of(document, {}), verdict)


def test_a_repeat_stands_in_a_line() -> None:
    assert series_text.line(repeat(2)) == (
        "repeat 2  real-time (real-time inference supported); p50 33.2 ms, p99 lost; 30.0 fps: "
        "repeat-2"
    )


def test_what_they_agree_on_stands_first() -> None:
    lines = series_text.lines(Repeated(tuple(repeat(k) for k in (1, 2)), 2))
    assert lines[0] == "all 2 repeats are real-time (real-time inference supported)"
    assert lines[3] == "  tier      standard, not certified"
    assert lines[4].strip() == "- 4 of 5 runs agree: no best-of"
    assert lines[-1].strip() == "- a reason (in 2)"


def test_what_they_do_not_agree_on_is_counted() -> None:
    members = (repeat(1), repeat(2), repeat(3, outcome="refuted"))
    assert series_text.lines(Repeated(members, 5))[0] == (
        "the repeats do not agree: 2 real-time (real-time inference supported), 1 real-time "
        "(real-time inference refuted); 3 of 5 repeats were measured"
    )


def test_quick_repeats_are_not_told_all_that_certified_takes() -> None:
    lines = series_text.lines(Repeated((repeat(1, tier="quick"),), 5))
    assert not any("best-of" in line for line in lines)


@pytest.mark.parametrize(
    ("member", "more", "code"),
    [
        ({}, {}, EXIT_OK),
        ({"state": "program failed"}, {}, EXIT_PROGRAM),
        ({"state": "program failed"}, {"interrupted": True}, EXIT_INTERRUPTED),
        ({}, {"complaint": EnvironmentUnmet("no room")}, EnvironmentUnmet.exit_code),
        ({"state": "program failed"}, {"complaint": EnvironmentUnmet("no room")}, EXIT_PROGRAM),
        ({}, {"complaint": UsageError("gone")}, UsageError.exit_code),
    ],
)
def test_exit_codes_combine(member: dict[str, Any], more: dict[str, Any], code: int) -> None:
    assert Repeated((repeat(1), repeat(2, **member)), 2, **more).exit_code == code


def test_the_longest_time_is_told_in_its_parts() -> None:
    certified = Longest(5 * 607 * S, 5 * 1800 * S, 4 * 300 * S)
    assert series_text.longest(certified, repeats=5) == (
        "at most 3 h 41 min, loading apart: 51 min of measuring, up to 2 h 30 min of soak, up to "
        "20 min of cool-down"
    )
    assert series_text.longest(Longest(None, 0, 0), repeats=3) == "until the command ends, 3 times"
