from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from probe import cases, judge, store
from probe.errors import ProbeError
from probe.model import Finding, FindingOutcome
from probe.store import Run
from probe.verdict import schema
from probe.verdict.evidence import Evidence
from probe.verdict.validity import WATCHED

VALIDATOR = jsonschema.Draft202012Validator(schema.schema())
KINDS = (
    "live", "late", "dropping", "blocky", "generator", "offline", "stalled", "mixed", "bursty",
    "frozen", "in-flight", "out-of-order", "interrupted", "crashed", "late-release", "closed-loop",
    "silent",
)  # fmt: skip
Make = Callable[..., Path]


def judged(run: Run) -> dict[str, Any]:
    """Return the verdict as a script reads it, checked against its schema."""
    document = json.loads(json.dumps(judge.judge(run), allow_nan=False))
    errors = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]
    assert not errors
    return dict(document)


def rule(found: dict[str, Any], number: int) -> dict[str, Any]:
    return next(each for each in found["rules"] if each["rule"] == number)


def findings(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["audit"]: each for each in found["findings"]}


def changed(run: Run, manifest: dict[str, Any] | None = None, **tables: pd.DataFrame) -> Run:
    """Return the Run in memory with some tables and manifest entries replaced."""
    kept = {name: run.table(name) for name in store.TABLES if run.has(name)}
    return Run.of({**run.manifest, **(manifest or {})}, {**kept, **tables})


@pytest.fixture
def live(made_run: Make) -> Run:
    return Run.open(made_run("live"))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.schema())
    assert not VALIDATOR.is_valid({"schema": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_gets_a_whole_verdict(kind: str, made_run: Make) -> None:
    run = Run.open(made_run(kind))
    found = judged(run)
    if found["fates"] is not None:
        assert sum(found["fates"].values()) == found["released"]
        assert found["released"] == int(run.table("frames")["measured"].sum())
    if found["regime_share"] is not None:
        assert sum(found["regime_share"].values()) == pytest.approx(1)
        assert found["regime_share"][found["regime"]] == max(found["regime_share"].values())
    assert judged(Run.open(made_run(kind))) == found


def test_a_live_run_in_numbers(live: Run) -> None:
    found = judged(live)
    assert found["released"] == 900
    assert found["fates"]["on_time"] == 900
    assert found["tier"] == "quick"
    assert found["real_time_held_s"] == 30
    assert found["deadline_ms"] == 50
    assert found["block_size"] == 1
    assert found["rate_fps"] == pytest.approx(30, rel=0.01)
    assert found["speed"] == pytest.approx(1, rel=0.01)
    assert abs(found["drift_ms_per_min"]) < 1
    frames = live.table("frames")
    latency = (frames["rendered_ns"] - frames["scheduled_ns"])[frames["measured"]] / 1e6
    ordered = np.sort(latency.to_numpy(dtype=float))
    assert found["latency_ms"]["p50"] == pytest.approx(ordered[449])
    assert found["latency_ms"]["p99"] == pytest.approx(ordered[890])
    assert found["latency_ms"]["p99_upper"] == pytest.approx(ordered[897])  # 2 of 900 may exceed
    assert found["latency_ms"]["max"] == pytest.approx(ordered[-1])
    assert found["slack_p99_ms"] == pytest.approx(50 - ordered[890])
    assert found["rendered_latency_ms"] == found["latency_ms"]
    shares = [stage["share"] for stage in found["stages"]]
    assert sum(shares) == pytest.approx(1)
    infer = next(stage for stage in found["stages"] if stage["stage"] == "infer")
    assert infer["p50_ms"] == pytest.approx(13, rel=0.05)
    assert infer["n"] == 900
    assert found["in_flight_mean"] == pytest.approx(1.1, abs=0.2)
    assert found["copies"] is found["overhead"] is found["claims"] is found["black_box"] is None


def test_dropped_frames_do_not_flatter(made_run: Make) -> None:
    found = judged(Run.open(made_run("dropping")))
    assert found["fates"]["dropped"] > 500
    assert found["latency_ms"]["p99"] == found["latency_ms"]["max"] == "lost"
    assert found["slack_p99_ms"] is None
    assert found["rendered_latency_ms"]["p99"] < 50
    assert found["rendered_latency_ms"]["n"] == found["fates"]["on_time"]
    lost = findings(found)["lost_frames"]
    assert (lost["outcome"], lost["stage"]) == ("failed", "infer")
    assert findings(found)["late_frames"]["outcome"] == "passed"


def test_late_frames_are_traced_to_their_stage(made_run: Make) -> None:
    found = judged(Run.open(made_run("mixed")))
    late = findings(found)["late_frames"]
    assert (late["outcome"], late["stage"]) == ("failed", "infer")
    assert late["cost_ms_per_frame"] > 1
    start = found["window"]["start_ns"]
    assert late["from_ns"] == pytest.approx(start + 15e9, abs=1e9)
    assert found["regimes"][0]["regime"] == "real-time"
    assert found["regimes"][1]["from_ns"] == pytest.approx(start + 15e9, abs=2e9)
    assert found["real_time_held_s"] == pytest.approx(15, abs=2)


def test_blocks_are_seen_though_the_rate_is_right(made_run: Make) -> None:
    found = judged(Run.open(made_run("blocky")))
    assert found["block_size"] == 12
    assert found["rate_fps"] == pytest.approx(30)
    assert rule(found, 12)["outcome"] == "refuted"
    block = findings(found)["block_delivery"]
    assert block["outcome"] == "failed"
    assert block["evidence"]["least_wait_of_first_ms"] == pytest.approx(11 * 1000 / 30)


def test_a_generator_is_measured_as_one(made_run: Make) -> None:
    found = judged(Run.open(made_run("generator")))
    answer = found["real_time"]
    assert (answer["outcome"], answer["rule"], answer["reason"]) == (
        "refuted", None, "no live input",
    )  # fmt: skip
    assert 'mode = "live"' in answer["remedy"]
    assert found["released"] is found["fates"] is found["latency_ms"] is None
    assert found["real_time_held_s"] is found["rate_fps"] is None
    assert found["speed"] == pytest.approx(1.6, rel=0.1)
    assert found["block_size"] == 12
    generation = found["generation"]
    assert generation["ms_per_frame_p50"] == pytest.approx(1000 / 24 / 1.6, rel=0.05)
    assert {each["outputs"] for each in generation["requests"]} == {96}
    assert all(each["media_s"] == 4 for each in generation["requests"])
    assert len(generation["blocks"]) == 8 * len(generation["requests"])
    assert {each["outcome"] for each in found["findings"]} <= {"not measured", "passed"}
    assert judge.exit_code(Run.open(made_run("generator")).manifest, found) == 0
    offline = judged(Run.open(made_run("offline")))
    assert offline["speed"] == pytest.approx(0.4, rel=0.1)


def test_frames_that_never_got_a_fate_are_lost(made_run: Make) -> None:
    found = judged(Run.open(made_run("in-flight")))
    assert found["fates"]["in_flight"] == 15
    assert rule(found, 5)["outcome"] == "supported"
    assert "15 of them in flight" in rule(found, 5)["reason"]
    assert found["regime_share"]["stalled"] > 0


def test_too_few_frames_are_insufficient(made_run: Make) -> None:
    found = judged(Run.open(made_run("live", seconds=6.0)))
    assert found["released"] == 180
    assert found["latency_ms"]["p99"] is found["latency_ms"]["p99_upper"] is None
    assert found["latency_ms"]["p95"] is not None
    assert found["slack_p99_ms"] is None
    assert (found["real_time"]["outcome"], found["real_time"]["rule"]) == ("inconclusive", 2)
    assert "459" in found["real_time"]["reason"]


def test_ten_minutes_are_the_standard_tier(made_run: Make) -> None:
    found = judged(Run.open(made_run("live", seconds=600.0, fps=10.0)))
    assert found["tier"] == "standard"
    assert rule(found, 7)["outcome"] == "supported"
    # 6,000 frames without a miss are worth 6,000 / 19: a p99 needs 459
    assert (found["real_time"]["outcome"], found["real_time"]["rule"]) == ("inconclusive", 3)
    assert "count as 315 independent ones" in rule(found, 4)["reason"]
    assert found["latency_ms"]["p99_upper"] is None
    assert not any("quick" in reason for reason in found["validity"]["reasons"])


def test_an_interrupted_run_is_judged_up_to_there(made_run: Make) -> None:
    run = Run.open(made_run("interrupted"))
    found = judged(run)
    assert found["released"] == 601
    assert found["validity"]["status"] == "limited"
    assert "interrupted" in found["validity"]["reasons"][0]
    assert rule(found, 5)["outcome"] == "inconclusive"
    assert judge.exit_code(run.manifest, found) == 130


def test_a_crash_is_told_and_supports_nothing(made_run: Make) -> None:
    run = Run.open(made_run("crashed"))
    found = judged(run)
    assert "SIGSEGV" in found["validity"]["reasons"][0]
    assert found["real_time"]["outcome"] != "supported"
    assert judge.exit_code(run.manifest, found) == 5


def test_late_release_limits_validity(made_run: Make) -> None:
    found = judged(Run.open(made_run("late-release")))
    assert found["validity"]["status"] == "limited"
    assert any("released late" in reason for reason in found["validity"]["reasons"])


def test_requests_of_unknown_rate_have_no_speed(made_run: Make) -> None:
    made = Run.open(made_run("generator"))
    program = {**made.manifest["program"], "facts": {}}
    found = judged(changed(made, {"mode": "command", "program": program}))
    assert found["real_time"]["reason"] == "no live input"
    assert found["regime"] is found["speed"] is None
    assert found["generation"]["requests"][0]["outputs"] == 96
    assert found["generation"]["requests"][0]["media_s"] is None


def test_an_expectation_that_was_never_checked_limits_validity(live: Run) -> None:
    expectation = {"source_index": 999, "box": None, "area": 0.2, "tolerance": 0.05}
    resolved = {**live.manifest["scenario"]["resolved"], "expect": [expectation]}
    found = judged(changed(live, {"scenario": {**live.manifest["scenario"], "resolved": resolved}}))
    assert findings(found)["wrong_output"]["outcome"] == "not measured"
    assert any("picture 999" in reason for reason in found["validity"]["reasons"])


def test_a_silent_command_is_told_what_to_say(made_run: Make) -> None:
    run = Run.open(made_run("silent"))
    found = judged(run)
    assert "probe.frame" in found["real_time"]["remedy"]
    assert 'probe.mark("delivered"' in found["real_time"]["remedy"]
    assert judge.exit_code(run.manifest, found) == 0
    assert findings(found)["late_frames"]["outcome"] == "not measured"


def test_outputs_without_frames_are_not_testable(live: Run) -> None:
    run = changed(live, {"mode": "command"}, frames=store.empty_table("frames"))
    found = judged(run)
    assert found["real_time"]["outcome"] == "not testable"
    assert found["regime"] is None
    assert "does not say where its outputs come from" in found["real_time"]["reason"]


def unanswered(live: Run) -> Run:
    """Return the Run as if nothing had ever come out."""
    frames = live.table("frames").assign(
        delivered_ns=pd.NA, rendered_ns=pd.NA, fate_ns=pd.NA, fate="in flight"
    )
    samples = live.table("samples").iloc[:0]
    return changed(live, frames=frames, outputs=store.empty_table("outputs"), samples=samples)


def test_frames_without_outputs_are_not_testable_in_a_command(live: Run) -> None:
    found = judged(changed(unanswered(live), {"mode": "command"}))
    assert found["real_time"]["outcome"] == "not testable"
    assert found["regime"] is None


def test_a_reference_run_without_any_output_is_stalled(live: Run) -> None:
    found = judged(unanswered(live))
    assert found["regime"] == "stalled"
    assert found["real_time"]["outcome"] == "refuted"
    assert found["rate_fps"] == 0


def test_without_a_schedule_nobody_knows_whether_the_source_waits(live: Run) -> None:
    frames = live.table("frames").assign(scheduled_ns=pd.NA)
    found = judged(changed(live, {"mode": "command"}, frames=frames))
    assert (found["real_time"]["outcome"], found["real_time"]["rule"]) == ("not testable", 1)
    assert "scheduled_ns" in found["real_time"]["remedy"]


def test_inference_alone_is_never_live(live: Run) -> None:
    spans = live.table("spans")
    found = judged(changed(live, {"mode": "command"}, spans=spans[spans["stage"] == "infer"]))
    assert (found["real_time"]["outcome"], found["real_time"]["rule"]) == ("inconclusive", 15)


def test_a_live_run_without_a_measured_frame_is_invalid(live: Run) -> None:
    frames = live.table("frames").assign(measured=False)
    run = changed(live, frames=frames)
    found = judged(run)
    assert found["validity"]["status"] == "invalid"
    assert found["real_time"]["outcome"] == "not testable"
    assert judge.exit_code(run.manifest, found) == 3


def spoilt(live: Run, column: str, shift_ns: int) -> Run:
    frames = live.table("frames").copy()
    row = frames.index[frames["measured"]][100]
    frames.loc[row, column] += shift_ns
    return changed(live, frames=frames)


@pytest.mark.parametrize(
    ("column", "shift_ns", "word"),
    [
        ("rendered_ns", -(10**9), "negative latency"),
        ("delivered_ns", 10**9, "shown before they were delivered"),
        ("captured_ns", 10**9, "delivered before they were captured"),
        ("captured_ns", -(10**8), "released before their scheduled time"),
        ("scheduled_ns", -(10**9), "scheduled before an earlier one"),
    ],
)
def test_times_that_cannot_be_make_it_invalid(
    live: Run, column: str, shift_ns: int, word: str
) -> None:
    run = spoilt(live, column, shift_ns)
    found = judged(run)
    assert found["validity"]["status"] == "invalid"
    assert any(word in reason for reason in found["validity"]["reasons"])
    assert (found["real_time"]["outcome"], found["real_time"]["rule"]) == ("inconclusive", 14)
    assert judge.exit_code(run.manifest, found) == 3


def test_more_rendered_than_released_is_invalid(live: Run) -> None:
    frames = live.table("frames")
    found = judged(changed(live, frames=frames.drop(frames.index[500])))
    assert found["validity"]["reasons"][0] == "1 outputs of frames that were never released"


def test_a_stage_that_ends_before_it_begins_is_invalid(live: Run) -> None:
    spans = live.table("spans").copy()
    spans.loc[spans.index[7], "end_ns"] -= 10**9
    found = judged(changed(live, spans=spans))
    assert any("end before they begin" in reason for reason in found["validity"]["reasons"])


@pytest.mark.parametrize(("factor", "status"), [(1.05, "limited"), (1.25, "invalid")])
def test_the_gauge_must_agree_with_the_frames(live: Run, factor: float, status: str) -> None:
    samples = live.table("samples").copy()
    gauge = samples["track"] == "program.in_flight"
    samples.loc[gauge, "value"] *= factor
    found = judged(changed(live, samples=samples))
    assert found["validity"]["status"] == status
    assert any("Little" in reason for reason in found["validity"]["reasons"]) == (factor > 1.1)


def test_little_counts_lost_frames_too(made_run: Make) -> None:
    for kind in ("dropping", "stalled", "late", "in-flight"):
        found = judged(Run.open(made_run(kind)))
        assert found["validity"]["status"] == "limited", kind
        assert "by the frames at the same moments" in rule(found, 14)["reason"], kind


@pytest.mark.parametrize(
    ("tapes", "word"),
    [
        ({"lost": 3}, "3 records were lost"),
        ({"torn": 1}, "1 records were torn"),
        ({"stopped": 1}, "disk was full"),
        ({"rejected": [["x.tape", "not a tape"]]}, "1 tapes could not be read"),
    ],
)
def test_damaged_tapes_limit_validity(live: Run, tapes: dict[str, Any], word: str) -> None:
    found = judged(changed(live, {"tapes": tapes}))
    assert any(word in reason for reason in found["validity"]["reasons"])


def test_a_short_warm_up_and_a_short_window_are_told(made_run: Make, live: Run) -> None:
    found = judged(Run.open(made_run("live", warmup_s=1.0, seconds=20.0)))
    assert any("1 s of warm-up" in reason for reason in found["validity"]["reasons"])
    assert "quick tier only" in rule(found, 6)["reason"]
    bounds = {**live.manifest["bounds"], "duration_ns": 60 * 10**9}
    cut = judged(changed(live, {"bounds": bounds}))
    assert any("30.0 s of 60 s" in reason for reason in cut["validity"]["reasons"])


def test_a_wrong_output_fails_and_nothing_else_does(made_run: Make, live: Run) -> None:
    late = judged(Run.open(made_run("late")))
    assert judge.exit_code(live.manifest, late) == 0
    expectation = {"source_index": 40, "box": None, "area": 0.2, "tolerance": 0.05}
    resolved = {**live.manifest["scenario"]["resolved"], "expect": [expectation]}
    scenario = {**live.manifest["scenario"], "resolved": resolved}
    for area, outcome, code in ((0.21, "passed", 0), (0.4, "failed", 1)):
        outputs = live.table("outputs").assign(result=json.dumps({"area": area}))
        found = judged(changed(live, {"scenario": scenario}, outputs=outputs))
        wrong = findings(found)["wrong_output"]
        assert wrong["outcome"] == outcome
        assert wrong["evidence"]["checked"] == 3  # picture 40 of 300 comes round three times
        assert judge.exit_code(live.manifest, found) == code


@pytest.mark.parametrize(
    ("state", "status", "limits", "claims", "code"),
    [
        ("complete", "valid", [], None, 0),
        ("complete", "limited", ["passed"], ["supported"], 0),
        ("complete", "limited", ["failed"], None, 1),
        ("complete", "limited", [], ["partly", "refuted"], 1),
        ("complete", "invalid", ["failed"], None, 3),
        ("program failed", "invalid", ["failed"], None, 5),
        ("interrupted", "invalid", ["failed"], ["refuted"], 130),
    ],
)
def test_exit_codes_by_precedence(
    state: str, status: str, limits: list[str], claims: list[str] | None, code: int
) -> None:
    found = {
        "validity": {"status": status},
        "real_time": {"outcome": "refuted"},
        "limits": [{"outcome": outcome} for outcome in limits],
        "claims": claims and [{"outcome": outcome} for outcome in claims],
        "findings": [{"audit": "late_frames", "outcome": "failed"}],
    }
    assert judge.exit_code({"state": state}, found) == code


def test_the_audits_are_found_by_walking() -> None:
    here = Path(judge.__file__).parent / "audits"
    files = {file.stem for file in here.glob("*.py")} - {"__init__"}
    assert {audit.id for audit in judge.audits()} >= files
    assert [audit.id for audit in judge.audits()] == sorted(audit.id for audit in judge.audits())


def test_the_copies_of_a_run_stand_in_its_verdict(live: Run) -> None:
    assert judged(live)["copies"] is None
    frames = live.table("frames")
    numbers = frames["frame"][frames["measured"]].to_numpy(dtype=np.int64)
    copies = pd.DataFrame(
        {"t_ns": 0, "frame": numbers, "stage": "decode", "kind": "memcpy", "bytes": 1_000,
         "duration_ns": 2_000_000, "site": 0, "grade": "measured", "measured": True}
    )  # fmt: skip
    found = judged(changed(live, {"copies": {"mode": "on", "processes": []}}, copies=copies))
    assert found["copies"] == {
        "memcpy_bytes_per_frame": 1_000.0, "convert_bytes_per_frame": 0.0,
        "transfer_bytes_per_frame": 0.0, "materialize_bytes_per_frame": 0.0,
        "count_per_frame": 1.0, "ms_per_frame": 2.0, "avoidable_bytes_per_frame": 0.0,
        "unattributed_bytes_per_frame": 0.0, "frame_equivalents": None, "explained_ratio": None,
        "blind": 0,
    }  # fmt: skip
    nobody = changed(
        live, {"copies": {"mode": "on", "processes": []}, "mode": "command", "window": None},
        copies=copies.assign(frame=pd.NA), frames=store.empty_table("frames"),
        outputs=store.empty_table("outputs"), spans=store.empty_table("spans"),
    )  # fmt: skip
    assert judged(nobody)["copies"]["memcpy_bytes_per_frame"] is None


def test_two_audits_of_the_same_id_raise() -> None:
    first = judge.audits()[0]
    with pytest.raises(ProbeError, match=r"two audits have the id .*here and there"):
        judge.by_id([("here", first), ("there", first)])
    with pytest.raises(ProbeError, match="nowhere: holds no audit"):
        judge.by_id([("nowhere", None)])


def test_an_audit_without_its_tables_is_not_measured() -> None:
    whole = cases.live_run([20.0] * 30)
    run = Run.of(whole.manifest, {"frames": whole.table("frames")})
    found: dict[str, Finding] = {each.audit: each for each in judge.findings(run)}
    assert found["late_frames"].outcome is FindingOutcome.NOT_MEASURED
    assert found["late_frames"].evidence == {"missing": ["spans"]}
    assert found["block_delivery"].outcome is FindingOutcome.PASSED
    untraced = found["redundant_copies"]
    assert untraced.title == "Bytes copied twice: copies were not traced"
    assert untraced.remedy == "measure again with --copies on"


@pytest.mark.parametrize(("kind", "outcome"), [("late", "inconclusive"), ("live", "supported")])
def test_a_deep_run_refutes_nothing_by_its_latencies_and_says_why(
    kind: str, outcome: str, made_run: Make
) -> None:
    run = Run.open(made_run(kind))
    assert judged(run)["real_time"]["outcome"] == {"late": "refuted", "live": "supported"}[kind]
    writes = pd.DataFrame({"frame": [1], "stage": ["infer"], "written_bytes": [1]})
    found = judged(changed(run, writes=writes))
    assert found["real_time"]["outcome"] == outcome
    assert found["validity"]["status"] == "limited"
    assert WATCHED in found["validity"]["reasons"]
    assert WATCHED not in judged(run)["validity"]["reasons"]
    if kind == "late":
        assert found["real_time"]["rule"] == 3
        assert "deep mode delayed frames" in found["real_time"]["reason"]


def test_an_audit_sees_only_what_it_declared() -> None:
    run = cases.live_run([20.0] * 30)
    block = next(audit for audit in judge.audits() if audit.id == "block_delivery")
    with pytest.raises(KeyError, match="not declared"):
        run.only(block.requires).table("spans")


def scheduled(due_ns: NDArray[np.int64], answered_ns: NDArray[np.int64]) -> Evidence:
    run = cases.live_run([20.0] * len(due_ns))
    table = run.table("frames").assign(
        scheduled_ns=due_ns, captured_ns=due_ns, delivered_ns=answered_ns, rendered_ns=answered_ns
    )
    return Evidence(Run.of(run.manifest, {"frames": table}))


def test_a_loop_that_reads_a_file_between_two_answers_is_closed() -> None:
    rng = np.random.default_rng(3)
    service = rng.integers(12_000_000, 16_000_000, 200)
    reading = rng.integers(4_000_000, 4_300_000, 200)
    due = 10**9 + np.concatenate(([0], np.cumsum(service + reading)[:-1]))
    assert scheduled(due, due + service).closed_loop


@pytest.mark.parametrize("jitter_ns", [0, 1, 2_000_000])
@pytest.mark.parametrize("rising_ns", [0, 50_000])
def test_a_source_with_its_own_times_is_open(jitter_ns: int, rising_ns: int) -> None:
    rng = np.random.default_rng(4)
    due = 10**9 + np.arange(200) * 33_333_333 + rng.integers(0, jitter_ns + 1, 200)
    service = rng.integers(12_000_000, 16_000_000, 200) + np.arange(200) * rising_ns
    assert not scheduled(due, due + service).closed_loop


def test_a_wrong_output_is_told_where_an_invalid_measurement_is_silenced() -> None:
    wrong = {"audit": "wrong_output", "outcome": FindingOutcome.FAILED.value}
    verdict = {"limits": [], "claims": None, "findings": [wrong]}
    assert judge.failed(verdict)
    assert not judge.failed({**verdict, "findings": [{**wrong, "audit": "late_frames"}]})
