"""Of one fault, which audits speak? They agree, and none is accused of what another one did."""

from __future__ import annotations

import pandas as pd
import pytest

from probe import cases, cases_device, cases_pace, judge
from probe.model import Finding, FindingOutcome
from probe.store import Run

AUDITS = {audit.id: audit for audit in judge.shipped()}
FAILED, PASSED = FindingOutcome.FAILED, FindingOutcome.PASSED
ACCUSING = {FAILED, FindingOutcome.WARNING}
SECOND = 10**9


def asked(audit: str, run: Run) -> list[Finding]:
    return AUDITS[audit].judge(run.only(AUDITS[audit].reads))


def one(audit: str, run: Run) -> Finding:
    (found,) = asked(audit, run)
    return found


def in_blocks(size: int, count: int) -> Run:
    return cases.live_run([20.0 + 40.0 * (size - 1 - k % size) + k % size for k in range(count)])


def test_a_frozen_picture_is_no_silence() -> None:
    latencies = [*[20.0] * 60, *[None] * 50, *[20.0] * 60]
    run = cases_pace.repeating(cases.live_run(latencies), {59: 50})
    stall, freeze = one("pipeline_stall", run), one("frozen_output", run)
    assert (stall.outcome, freeze.outcome) == (PASSED, FAILED)
    assert "frozen_output" in stall.title
    assert freeze.evidence["longest"][0]["length_ms"] == pytest.approx(51 * 40)


def test_of_a_freeze_that_turns_silent_each_audit_tells_its_part() -> None:
    latencies = [*[20.0] * 60, *[None] * 100, *[20.0] * 60]
    run = cases_pace.repeating(cases.live_run(latencies), {59: 50})
    stall = one("pipeline_stall", run)
    assert stall.outcome is FAILED
    (row,) = stall.evidence["longest"]
    assert row["length_ms"] == pytest.approx(51 * 40)  # 101 steps without news, 50 of them repeats
    assert row["from_ns"] == cases.BEGIN_NS + (59 + 50) * cases.PERIOD_NS + 20 * cases.MS


def test_a_program_that_stood_still_released_nothing_and_a_stage_that_hung_did_not_stop_it() -> (
    None
):
    run = cases.live_run([*[20.0] * 60, *[None] * 40, *[20.0] * 60])
    (hung,) = one("pipeline_stall", run).evidence["longest"]
    frames = run.table("frames")
    woke = cases.BEGIN_NS + 100 * cases.PERIOD_NS
    held = frames["frame"].between(60, 99)
    stopped = frames.assign(captured_ns=frames["captured_ns"].mask(held, woke + 30 * cases.MS))
    (still,) = one("pipeline_stall", cases_pace.changed(run, frames=stopped)).evidence["longest"]
    assert hung["frames_due"] == still["frames_due"] == 41
    assert hung["source_silent_ms"] == pytest.approx(40)
    assert still["source_silent_ms"] == pytest.approx(41 * 40 - 20 + 30 - 40, abs=40)


def test_a_backlog_is_neither_jitter_nor_a_rate_that_holds() -> None:
    run = cases_pace.served_run([47.0] * 200)
    found = {each.audit: each for each in judge.findings(run, AUDITS.values())}
    accused = {name for name, each in found.items() if each.outcome in ACCUSING}
    assert accused == {"late_frames", "queue_buildup", "stage_over_budget"}
    assert found["jitter"].evidence["typical_spread_ms"] == pytest.approx(0, abs=0.1)
    assert "latency_is_not_throughput" not in found


def test_blocks_explain_the_rhythm_and_the_usual_interval_is_the_source_s() -> None:
    run = in_blocks(4, 80)
    for audit in ("jitter", "content_pacing"):
        found = one(audit, run)
        assert found.outcome is FAILED
        assert "blocks of 4" in found.title
    assert "usual 39 ms" in one("jitter", run).title  # 79 steps in 3043 ms


def test_intervals_that_take_turns_are_all_off() -> None:
    proof = one("jitter", cases.live_run([5.0, 47.0] * 50)).evidence
    assert proof["off"] == proof["intervals"] == 99


def test_a_delay_that_evens_a_spread_is_told_without_what_drifts() -> None:
    wave = [10.0, 20.0, 30.0, 40.0, 50.0, 40.0, 30.0, 20.0]
    steady = one("jitter", cases.live_run(wave * 20)).evidence
    drifting = cases.live_run([each + 2.0 * k for k, each in enumerate(wave * 20)])
    assert one("jitter", drifting).evidence["buffer_ms"] == pytest.approx(
        steady["buffer_ms"], abs=2.0
    )
    assert steady["buffer_ms"] == pytest.approx(20, abs=2.0)


def test_a_schedule_in_wall_time_is_the_clock_s_fault_and_makes_no_slow_loading() -> None:
    run = cases.live_run([20.0] * 60)
    wall = 1_795_226_400 * SECOND
    frames = run.table("frames").assign(scheduled_ns=lambda rows: rows["scheduled_ns"] + wall)
    program = {
        "outcome": "ended", "started_ns": cases.BEGIN_NS - SECOND, "load_ns": wall + SECOND,
        "ended_ns": cases.BEGIN_NS + 5 * SECOND, "facts": {},
    }  # fmt: skip
    late = cases_pace.changed(run, {"program": program}, frames=frames)
    assert one("clock_sanity", late).outcome is FAILED
    assert one("cold_start", late).outcome not in ACCUSING
    assert "not known" in one("cold_start", late).title


def test_stages_on_one_thread_hold_what_all_of_them_leave_time_for() -> None:
    work = {"decode": 15.0, "infer": 20.0, "draw": 10.0}
    found = one("stage_over_budget", cases_pace.in_a_row(work))
    assert found.outcome is FAILED
    assert found.stage == "infer"
    assert found.evidence["holds_fps"] == pytest.approx(1000 / 45)
    assert found.cost_ms_per_frame == pytest.approx(5.0)
    assert found.evidence["stages"] == pytest.approx(work)


def test_a_slow_stage_on_a_shared_thread_is_told_once_with_all_that_it_shares() -> None:
    found = one("stage_over_budget", cases_pace.in_a_row({"infer": 45.0, "draw": 5.0}))
    assert found.title.startswith("infer, draw share a thread and take 50.0 ms")


def test_frames_that_take_turns_on_a_thread_accuse_nobody() -> None:
    run = cases_pace.in_a_row({"decode": 10.0, "infer": 10.0}, own=True)
    spans = run.table("spans").assign(thread="loop:1")
    later = spans["end_ns"] + 70 * cases.MS
    waiting = spans.assign(end_ns=spans["end_ns"].mask(spans["stage"] == "infer", later))
    frames = run.table("frames")
    some = frames.assign(fate=frames["fate"].mask(frames["frame"] % 3 == 0, "dropped"))
    kept = waiting[waiting["frame"] % 3 != 0]
    told = asked("stage_over_budget", cases_pace.changed(run, frames=some, spans=kept))
    assert not [each for each in told if "share" in each.title]


def test_executions_without_a_thread_are_judged_stage_by_stage() -> None:
    run = cases_pace.in_a_row({"decode": 15.0, "infer": 15.0, "draw": 15.0})
    spans = run.table("spans").assign(thread=pd.NA)
    assert one("stage_over_budget", cases_pace.changed(run, spans=spans)).outcome is PASSED


def test_cold_frames_cost_what_warm_up_did_not_hide() -> None:
    cold = [400.0 - 40.0 * k for k in range(9)]
    run = cases_pace.warmed(cases.live_run([*cold, *[20.0] * 91]), 4)
    found = one("cold_start", run)
    assert found.evidence["cold_frames_measured"] == 5
    assert found.cost_ms_per_frame == pytest.approx(5 * 40 / 96)


def test_traffic_follows_the_inferences_that_ran_not_the_frames_that_came() -> None:
    run = cases_device.modelled_run(sram_bytes=2**20, model_bytes=2**21)
    every = one("sram_pressure", run).evidence
    half = [
        {"frame": k, "stage": "infer", "thread": "infer:1", "queue_ns": 0,
         "start_ns": cases.BEGIN_NS + k * cases.PERIOD_NS,
         "end_ns": cases.BEGIN_NS + k * cases.PERIOD_NS + cases.MS}
        for k in range(0, 60, 2)
    ]  # fmt: skip
    seen = one("sram_pressure", cases_device.holding(run, "spans", half)).evidence
    assert every["inferences_per_s"] == pytest.approx(25)
    assert seen["inferences_per_s"] == pytest.approx(12.5)
    assert seen["traffic_bytes_per_s"] == pytest.approx(every["traffic_bytes_per_s"] / 2)


def test_losses_to_a_slow_display_say_so() -> None:
    lost = cases.live_run([20.0, None] * 50)
    assert (
        "12.5 Hz cannot show 25 fps"
        in one("lost_frames", cases_pace.stated(lost, display={"refresh_hz": 12.5})).title
    )
    for hertz in (25.0, 24.98, 60.0, None, "60"):
        shown = one("lost_frames", cases_pace.stated(lost, display={"refresh_hz": hertz}))
        assert "cannot show" not in shown.title


def test_lateness_that_the_source_brought_is_the_source_s() -> None:
    work = {"decode": [4.0] * 100, "infer": [12.0] * 100}
    run = cases.live_run([20.0, 70.0] * 50, work_ms=work)
    late = run.table("frames")
    held = late["captured_ns"] + 50 * cases.MS
    late = late.assign(captured_ns=late["captured_ns"].mask(late["frame"] % 2 == 1, held))
    found = one("late_frames", cases_pace.changed(run, frames=late))
    assert found.stage == "capture"
    assert found.evidence["stages"]["capture"]["more_ms"] == pytest.approx(50)


def test_a_fate_that_nobody_knows_is_none(recwarn: pytest.WarningsRecorder) -> None:
    run = cases.live_run([20.0] * 60, lost={7: "eaten"})
    assert {each.audit for each in judge.findings(run) if each.outcome in ACCUSING} <= {
        "lost_frames"
    }
    assert not recwarn.list
