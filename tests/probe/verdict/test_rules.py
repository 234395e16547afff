"""Each rule of METHOD: a Run that breaks it, that it is named, and what is to be done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from probe import judge
from probe.store import TABLES, Run
from probe.verdict import rules, schema

Make = Callable[..., Path]
Change = Callable[[Run], Mapping[str, pd.DataFrame]]
VALIDATOR = jsonschema.Draft202012Validator(schema.schema())


def negative_latency(run: Run) -> dict[str, pd.DataFrame]:
    frames = run.table("frames").copy()
    frames.loc[frames.index[frames["measured"]][100], "rendered_ns"] -= 10**9
    return {"frames": frames}


def nameless_outputs(run: Run) -> dict[str, pd.DataFrame]:
    outputs = run.table("outputs").copy()
    outputs.loc[outputs.index[-3:], "frame"] = pd.NA
    return {"outputs": outputs}


def inference_alone(run: Run) -> dict[str, pd.DataFrame]:
    spans = run.table("spans")
    return {"spans": spans[spans["stage"] == "infer"]}


@dataclass(frozen=True)
class Broken:
    """A kind of Run, what is changed in it, and what the rule then says.

    `first` is the rule that the verdict names, where another broke before.
    """

    kind: str
    outcome: str
    remedy: str
    conditions: Mapping[str, Any] = field(default_factory=dict)
    change: Change | None = None
    first: int | None = None
    mode: str = "live"


BROKEN: dict[int, Broken | str] = {
    1: Broken("closed-loop", "refuted", "give frame k out at t0 + k/f", mode="command"),
    2: Broken("live", "inconclusive", "run 10 s longer (300 frames at 30 fps; --duration 16s)",
              {"seconds": 6.0}),
    3: Broken("late", "refuted", "what it holds is a p99 within 90 ms"),
    4: Broken("live", "inconclusive", "708 s longer (7,080 frames at 10 fps; --duration 1308s)",
              {"seconds": 600.0, "fps": 10.0}, first=3),
    5: Broken("crashed", "inconclusive", "find out why it crashed", {"seconds": 60.0}),
    6: "a scenario always declares a warm-up, and a short one limits validity only",
    7: Broken("live", "inconclusive", "standard", first=0),
    8: Broken("live", "not testable", "", first=0),
    9: "one Run has no repeats to cool down between",
    10: Broken("live", "not testable", 'frame= to probe.mark("delivered")',
               change=nameless_outputs),
    11: Broken("live", "not testable", 'frame= to probe.mark("delivered")',
               change=nameless_outputs, first=10),
    12: Broken("blocky", "refuted", "give each output out when it is made",
               {"deadline_ms": 600.0}),
    13: Broken("live", "not testable", "", first=0),
    14: Broken("live", "inconclusive", "CLOCK_MONOTONIC", change=negative_latency),
    15: Broken("live", "inconclusive", "probe.stage", change=inference_alone, mode="command"),
}  # fmt: skip
"""A text says why no Run breaks a rule; 0 as `first` that the rule decides another thing."""
BREAKABLE = {number: each for number, each in BROKEN.items() if isinstance(each, Broken)}


def judged(broken: Broken, made_run: Make) -> dict[str, Any]:
    run = Run.open(made_run(broken.kind, **broken.conditions))
    if broken.change is not None or run.manifest["mode"] != broken.mode:
        kept = {name: run.table(name) for name in TABLES if run.has(name)}
        changed = broken.change(run) if broken.change is not None else {}
        run = Run.of({**run.manifest, "mode": broken.mode}, {**kept, **changed})
    document = json.loads(json.dumps(judge.judge(run), allow_nan=False))
    VALIDATOR.validate(document)
    return dict(document)


def test_all_fifteen_are_broken_here_or_say_why_not() -> None:
    assert [rule.number for rule in rules.RULES] == list(BROKEN) == list(range(1, 16))


@pytest.mark.parametrize("number", BREAKABLE)
def test_a_broken_rule_is_named_and_says_what_to_do(number: int, made_run: Make) -> None:
    broken = BREAKABLE[number]
    found = judged(broken, made_run)
    said = found["rules"][number - 1]
    assert (said["rule"], said["outcome"], said["applies"]) == (number, broken.outcome, True)
    assert said["reason"]
    assert said["remedy"]
    assert broken.remedy in said["remedy"]
    if broken.first == 0:
        assert said["decides"] != "real_time"
        return
    assert found["real_time"]["rule"] == (broken.first or number)
    assert found["real_time"]["outcome"] == broken.outcome
    assert said["remedy"] in found["real_time"]["remedy"]


def test_a_short_warm_up_holds_and_says_what_to_do(made_run: Make) -> None:
    said = judge.judge(Run.open(made_run("live", warmup_s=1.0)))["rules"][5]
    assert (said["outcome"], said["remedy"]) == (
        "supported", "warm up for 5 s (--set run.warmup=5s)",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["live", "generator", "silent", "stalled", "interrupted"])
def test_what_applies_and_does_not_hold_has_a_remedy(kind: str, made_run: Make) -> None:
    for said in judge.judge(Run.open(made_run(kind)))["rules"]:
        if said["applies"] and said["outcome"] != "supported":
            assert said["remedy"], said["rule"]
        assert said["applies"] or said["remedy"] is None


def test_deep_mode_is_sent_to_measure_without_it(made_run: Make) -> None:
    run = Run.open(made_run("late"))
    kept = {name: run.table(name) for name in TABLES if run.has(name)}
    writes = pd.DataFrame({"frame": [1], "stage": ["infer"], "written_bytes": [1]})
    answer = judge.judge(Run.of(run.manifest, {**kept, "writes": writes}))["real_time"]
    assert (answer["outcome"], answer["rule"]) == ("inconclusive", 3)
    assert "--copies on" in answer["remedy"]


@pytest.mark.parametrize("kind", ["crashed", "interrupted"])
def test_a_run_that_was_cut_short_is_open_for_that_before_anything_else(
    kind: str, made_run: Callable[..., Path]
) -> None:
    found = judge.judge(Run.open(made_run(kind)))["real_time"]
    assert (found["outcome"], found["rule"]) == ("inconclusive", 5)
    assert "longer" not in found["remedy"]  # what is left of it says nothing of its rest
