"""What the audits of time say of Runs with exact times: who is accused, and that nobody else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from probe import judge
from probe.model import Audit, Finding, FindingOutcome
from probe.store import TABLES, Run

Make = Callable[..., Path]
AUDITS = {
    audit.id: audit
    for audit in judge.audits()
    if audit.id
    in {
        "cold_start", "content_pacing", "duplicate_frames", "frozen_output", "jitter",
        "pipeline_stall", "queue_buildup", "stage_over_budget", "sync_drift",
    }
}  # fmt: skip
FAILED, WARNING = FindingOutcome.FAILED, FindingOutcome.WARNING
PASSED, NOT_MEASURED = FindingOutcome.PASSED, FindingOutcome.NOT_MEASURED
ACCUSED: dict[str, dict[str, FindingOutcome]] = {
    "live": {},
    "late": {"stage_over_budget": FAILED},
    "dropping": {"content_pacing": FAILED, "jitter": WARNING, "stage_over_budget": FAILED},
    "blocky": {"content_pacing": FAILED, "jitter": FAILED},
    "generator": {},
    "offline": {},
    "stalled": {
        "content_pacing": FAILED, "jitter": WARNING, "pipeline_stall": FAILED,
        "stage_over_budget": WARNING,
    },
    "mixed": {"stage_over_budget": WARNING},
    "bursty": {},
    "in-flight": {"pipeline_stall": WARNING},
    "out-of-order": {"jitter": FAILED},
    "interrupted": {},
    "crashed": {},
    "late-release": {},
    "closed-loop": {},
    "silent": {},
}  # fmt: skip


def asked(audit: Audit, run: Run) -> list[Finding]:
    return audit.judge(run.only(audit.reads))


def every(run: Run) -> Iterator[Finding]:
    for audit in AUDITS.values():
        yield from asked(audit, run)


def test_all_nine_are_here() -> None:
    assert len(AUDITS) == 9


@pytest.mark.parametrize("kind", ACCUSED)
def test_each_kind_is_accused_of_what_it_does_and_of_nothing_else(
    kind: str, made_run: Make
) -> None:
    found = list(every(Run.open(made_run(kind))))
    accused = {each.audit: each.outcome for each in found if each.outcome in (FAILED, WARNING)}
    assert accused == ACCUSED[kind]
    for each in found:
        if each.outcome in (FAILED, WARNING):
            assert each.cost_ms_per_frame is not None
            assert each.cost_ms_per_frame > 0
            assert each.from_ns is not None
            assert each.to_ns is not None
            assert each.from_ns < each.to_ns


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("fps", [10.0, 24.0, 60.0])
def test_no_live_run_is_accused(seed: int, fps: float, made_run: Make) -> None:
    run = Run.open(made_run("live", seed=seed, fps=fps, seconds=21.0, queue=1))
    found = {each.audit: each for each in every(run)}
    # at 60 fps 13 ms of inference fit, at 10 fps a window has 20 periods: the rules still hold
    assert {name for name, each in found.items() if each.outcome in (FAILED, WARNING)} == set()
    assert all(each.outcome is PASSED for each in found.values())


@pytest.mark.parametrize("kind", ["live", "generator", "closed-loop"])
@pytest.mark.parametrize("emptied", ["frames", "outputs", "spans", "samples", "events", None])
def test_a_run_without_a_table_of_rows_accuses_nobody(
    kind: str, emptied: str | None, made_run: Make
) -> None:
    run = Run.open(made_run(kind))
    tables = {name: run.table(name) for name in TABLES if run.has(name)}
    for name in tables if emptied is None else [emptied]:
        tables[name] = tables[name].iloc[:0]
    accused = {
        each.audit
        for each in every(Run.of(run.manifest, tables))
        if each.outcome in (FAILED, WARNING)
    }
    assert accused == set()


def test_times_are_judged_though_no_stage_is_known(made_run: Make) -> None:
    run = Run.open(made_run("stalled"))
    some = Run.of(run.manifest, {name: run.table(name) for name in ("frames", "outputs")})
    found = {each.audit: each for each in judge.findings(some) if each.audit in AUDITS}
    assert found["pipeline_stall"].outcome is FAILED
    assert found["pipeline_stall"].stage is None
    assert found["content_pacing"].outcome is FAILED
    assert found["stage_over_budget"].outcome is NOT_MEASURED


def test_a_run_without_a_window_accuses_nobody(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    tables = {name: run.table(name) for name in TABLES if run.has(name)}
    tables["frames"] = tables["frames"].assign(measured=False)
    for window in (None, {**run.manifest["window"], "end_ns": run.manifest["window"]["start_ns"]}):
        found = list(every(Run.of({**run.manifest, "window": window}, tables)))
        assert not [each for each in found if each.outcome in (FAILED, WARNING)]


@pytest.mark.parametrize(
    ("kind", "audit", "stage"),
    [
        ("stalled", "pipeline_stall", "infer"),
        ("stalled", "stage_over_budget", "infer"),
        ("dropping", "stage_over_budget", "infer"),
        ("dropping", "content_pacing", "infer"),
        ("late", "stage_over_budget", "infer"),
        ("in-flight", "pipeline_stall", None),
        ("out-of-order", "jitter", None),
    ],
)
def test_the_stage_that_did_it_is_named(
    kind: str, audit: str, stage: str | None, made_run: Make
) -> None:
    (found,) = asked(AUDITS[audit], Run.open(made_run(kind)))
    assert found.stage == stage


def test_what_a_stage_can_hold_is_what_came_out(made_run: Make) -> None:
    run = Run.open(made_run("dropping"))
    (found,) = asked(AUDITS["stage_over_budget"], run)
    assert found.evidence["holds_fps"] == pytest.approx(judge.judge(run)["rate_fps"], rel=0.01)


def test_a_drift_is_the_one_of_the_verdict(made_run: Make) -> None:
    run = Run.open(made_run("late"))
    (found,) = asked(AUDITS["sync_drift"], run)
    low, high = found.evidence["ms_per_min_99_pct"]
    assert low < found.evidence["ms_per_min"] < high
    assert found.evidence["ms_per_min"] == judge.judge(run)["drift_ms_per_min"]


def test_pauses_between_blocks_are_no_stalls_and_a_hang_is_as_long_as_it_was(
    made_run: Make,
) -> None:
    assert asked(AUDITS["pipeline_stall"], Run.open(made_run("blocky")))[0].outcome is PASSED
    (found,) = asked(AUDITS["pipeline_stall"], Run.open(made_run("stalled")))
    lengths = [row["length_ms"] for row in found.evidence["longest"]]
    assert np.allclose(lengths, 4_000, atol=60)
    assert found.evidence["busy"]["infer_ms"] == pytest.approx(
        found.evidence["share"] * 30_000, 0.05
    )
