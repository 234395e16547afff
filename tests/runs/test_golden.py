"""What must each kind of Run be called? Made as real tapes, read, judged, held to golden.json.

A golden verdict changes only with LIVEPROBE_ACCEPT=1, in a commit that says why.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from probe import judge
from probe.store import Run

GOLDEN = Path(__file__).with_name("golden.json")
CONDITIONS: dict[str, dict[str, Any]] = {
    "mixed": {"seconds": 240.0},
    "bursty": {"seconds": 240.0},
}
"""Two minutes live, then throttled into lateness; and bursts enough to be counted."""
DIGITS = 3


def expected() -> dict[str, dict[str, Any]]:
    return dict(json.loads(GOLDEN.read_text(encoding="utf-8")))


def seen(found: dict[str, Any]) -> dict[str, Any]:
    """Return what a golden verdict holds: what it was called, why, when, and what to do."""
    shares = found["regime_share"] or {}
    answer = found["real_time"]
    return {
        "regime": found["regime"],
        "shares": {name: round(part, DIGITS) for name, part in shares.items() if part},
        "real_time": answer["outcome"],
        "rule": answer["rule"],
        "reason": answer["reason"],
        "remedy": answer["remedy"],
        "held_s": found["real_time_held_s"],
        "course": found["course"],
        "not_holding": {
            each["rule"]: each["outcome"]
            for each in found["rules"]
            if each["decides"] == "real_time" and each["applies"] and each["outcome"] != "supported"
        },
    }


def test_every_kind_that_can_be_made_has_a_golden_verdict(make_runs: ModuleType) -> None:
    assert list(expected()) == list(make_runs.KINDS)


@pytest.mark.parametrize("kind", expected())
def test_each_kind_of_run_gets_its_golden_verdict(kind: str, made_run: Callable[..., Path]) -> None:
    found = seen(judge.judge(Run.open(made_run(kind, **CONDITIONS.get(kind, {})))))
    found = json.loads(json.dumps(found))
    if os.environ.get("LIVEPROBE_ACCEPT") == "1":
        document = {**expected(), kind: found}
        GOLDEN.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    assert found == expected()[kind]


def test_a_frozen_output_is_seen_though_the_outputs_go_on(made_run: Callable[..., Path]) -> None:
    run = Run.open(made_run("frozen"))
    outputs = run.table("outputs")
    assert len(outputs) == len(run.table("frames"))
    assert outputs["frame"].duplicated().sum() > 100
    found = {each["audit"]: each["outcome"] for each in judge.judge(run)["findings"]}
    assert found["frozen_output"] == "failed"
