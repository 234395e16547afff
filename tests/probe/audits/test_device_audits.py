"""The numbers in the findings about claims, clocks and devices, each worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from probe import cases, cases_device, judge
from probe.model import Finding, FindingOutcome, Grade
from probe.store import Run

MIB = 2**20
NPU, CPU = "QNNExecutionProvider", "CPUExecutionProvider"
AUDITS = {audit.id: audit for audit in judge.shipped()}
HEAT = ("thermal.temperature", "cpu-thermal")


def found(audit: str, run: Run) -> Finding:
    asked = AUDITS[audit]
    (finding,) = asked.judge(run.only(asked.reads))
    return finding


def test_depth_is_latency_over_period() -> None:
    proof = found("latency_is_not_throughput", cases.live_run([320.0] * 60)).evidence
    assert proof["rate_fps"] == pytest.approx(25)
    assert proof["interval_ms"] == pytest.approx(40)
    assert proof["depth_frames"] == pytest.approx(8)


def test_queue_waits_and_work_stand_apart() -> None:
    run = cases.live_run([320.0] * 60, work_ms={"decode": [5.0] * 60, "infer": [30.0] * 60})
    proof = found("latency_is_not_throughput", run).evidence
    assert (proof["work_p50_ms"], proof["queue_p50_ms"]) == (35.0, 0.0)


def test_a_rate_that_loses_one_frame_of_twenty_still_reads_as_the_rate() -> None:
    lost = [320.0 if k % 20 else None for k in range(100)]
    assert found("latency_is_not_throughput", cases.live_run(lost)).outcome == "failed"


def test_a_closed_loop_is_told_its_speed_by_the_clips_own_time() -> None:
    proof = found("speed_as_live", cases_device.closed_loop(60, service_ms=10.0)).evidence
    assert proof["why"] == "closed loop"
    assert proof["speed"] == pytest.approx(4.0, rel=0.01)  # 40 ms of media each 10.01 ms


def test_a_live_scenario_that_answers_requests_is_speed_called_live() -> None:
    run = cases_device.stating(cases.generating_run(), {}, mode="live")
    finding = found("speed_as_live", run)
    assert finding.outcome is FindingOutcome.FAILED
    assert finding.evidence["why"] == "no live input"


@pytest.mark.parametrize("said", ["yes", 1, {"live": True}, None, False])
def test_only_a_plain_truth_states_that_a_generator_is_live(said: Any) -> None:
    run = cases_device.stating(cases.generating_run(), {"live": said})
    audit = AUDITS["speed_as_live"]
    assert audit.judge(run.only(audit.reads)) == []


def test_a_wrong_gauge_is_told_with_both_counts() -> None:
    proof = found("little_mismatch", cases_device.gauged_run(1.5)).evidence
    assert proof["gauge_frames"] == pytest.approx(1.5 * proof["counted_frames"])
    assert proof["difference_share"] == pytest.approx(0.5)
    assert proof["latency_mean_ms"] == pytest.approx(130)
    assert proof["rate_times_latency"] == pytest.approx(25 * 0.130, rel=0.01)
    assert proof["counted_frames"] == pytest.approx(proof["rate_times_latency"], rel=0.05)


@pytest.mark.parametrize("ns", [99_000_000, -99_000_000])
def test_clocks_a_little_apart_accuse_nobody(ns: int) -> None:
    clocks = {
        "start_monotonic_ns": cases.BEGIN_NS, "end_monotonic_ns": cases.BEGIN_NS + 10**10,
        "start_wall_ns": 10**18, "end_wall_ns": 10**18 + 10**10 + ns,
    }  # fmt: skip
    run = cases_device.stating(cases.live_run([20.0] * 30), {}, clocks=clocks)
    assert found("clock_sanity", run).outcome is FindingOutcome.PASSED


def test_each_contradiction_is_told_with_its_first_frame_and_its_worst() -> None:
    run = cases.live_run([20.0, 20.0, -5.0, 20.0, -7.0])
    finding = found("clock_sanity", run)
    negative = finding.evidence["contradictions"][0]
    assert (negative["what"], negative["count"]) == ("frames with negative latency", 2)
    assert (negative["first_frame"], negative["worst_ms"]) == (2, 7.0)
    assert finding.from_ns == cases.BEGIN_NS + 2 * cases.PERIOD_NS


def test_a_run_whose_harness_died_has_no_end_to_compare_with() -> None:
    clocks = {"start_monotonic_ns": cases.BEGIN_NS, "start_wall_ns": 10**18}
    run = cases_device.stating(cases.live_run([20.0] * 30), {}, clocks=clocks)
    finding = found("clock_sanity", run)
    assert finding.outcome is FindingOutcome.PASSED
    assert finding.evidence["wall_minus_monotonic_ms"] is None


def test_operators_on_the_processor_are_told_in_ms_of_one_inference() -> None:
    ops = [("QNN", NPU, 6.0), ("Resize", CPU, 3.0), ("Cast", CPU, 1.0)]
    finding = found("provider_mismatch", cases_device.provided_run([NPU], [NPU, CPU], ops))
    assert finding.cost_ms_per_frame == pytest.approx(4.0)
    assert (finding.evidence["on_processor"], finding.evidence["operators"]) == (2, 3)
    assert list(finding.evidence["heaviest"]) == ["Resize", "Cast"]


def test_another_accelerator_than_the_one_that_was_asked_for_is_named() -> None:
    wanted, other = "TensorrtExecutionProvider", "CUDAExecutionProvider"
    ops = [("Conv", other, 6.0), ("Resize", CPU, 3.0)]
    run = cases_device.provided_run([wanted, other], [wanted, other, CPU], ops)
    finding = found("provider_mismatch", run)
    assert finding.outcome is FindingOutcome.FAILED
    assert f"{other} and the processor ran all operators" in finding.title
    assert (finding.evidence["on_wanted"], finding.evidence["on_processor"]) == (0, 1)
    assert finding.evidence["processor_ms"] == pytest.approx(3.0)
    own_word = cases_device.provided_run(["TensorRT"], ["TensorRT", CPU], ops)
    assert found("provider_mismatch", own_word).outcome is FindingOutcome.WARNING


@pytest.mark.parametrize(
    "said",
    [None, [], {"asked": NPU, "got": CPU}, {"asked": [1], "got": [2]}, {"asked": [NPU]},
     {"asked": [], "got": [CPU]}],
)  # fmt: skip
def test_providers_of_another_shape_are_not_stated(said: Any) -> None:
    run = cases_device.stating(cases.live_run([20.0] * 30), {"providers": said})
    assert found("provider_mismatch", run).outcome is FindingOutcome.NOT_MEASURED


def test_a_sensor_that_moves_by_one_step_is_alive() -> None:
    run = cases_device.sensed_run(((30.0, 5.0), (90.0, 95.0)), {HEAT: (41.0, 42.0)})
    assert found("sensor_stuck", run).outcome is FindingOutcome.PASSED


def test_a_load_that_moves_by_less_than_half_of_the_cores_moves_no_sensor() -> None:
    run = cases_device.sensed_run(((30.0, 5.0), (90.0, 54.0)), {HEAT: 41.0})
    assert found("sensor_stuck", run).outcome is FindingOutcome.NOT_MEASURED


def test_a_stuck_sensor_is_told_with_its_value_and_the_load() -> None:
    run = cases_device.sensed_run(((30.0, 5.0), (90.0, 95.0)), {HEAT: 27.8})
    proof = found("sensor_stuck", run).evidence
    assert proof["values"] == {"cpu-thermal": 27.8}
    assert (proof["load_moved_percent"], proof["loaded_s"]) == (90.0, 90.0)


def test_weights_that_do_not_fit_are_read_for_each_frame() -> None:
    run = cases_device.modelled_run(sram_bytes=8 * MIB, model_bytes=20 * MIB)
    finding = found("sram_pressure", run)
    crossing = 3 * 256 * 256 + 256 * 256
    assert finding.grade is Grade.INFERRED
    assert finding.evidence["traffic_bytes_per_inference"] == crossing + 20 * MIB
    assert finding.evidence["traffic_bytes_per_s"] == pytest.approx(25 * (crossing + 20 * MIB))
    assert finding.evidence["tiles"] == 1
    assert finding.evidence["frame_bytes"] == 1280 * 720 * 3 // 2
    assert finding.evidence["lower_bound"]


def test_a_wide_layer_is_counted_in_tiles_and_written_out_and_read_back() -> None:
    outputs = (4 * MIB, 4 * MIB, 65_536)
    run = cases_device.modelled_run(sram_bytes=MIB, model_bytes=100_000, output_bytes=outputs)
    proof = found("sram_pressure", run).evidence
    assert proof["working_bytes"] == 8 * MIB
    assert proof["tiles"] == 16  # of half a MiB each
    assert proof["traffic_bytes_per_inference"] == 4 * 256 * 256 + 100_000 + 2 * 8 * MIB
    assert not proof["lower_bound"]


@pytest.mark.parametrize(
    ("shape", "known"),
    [
        ([1, 3, 64, 64], True),
        (["batch", 3, 64, 64], True),
        ([None, 3, 64, 64], True),
        ([1, 3, "height", 64], False),
        ([1, 3, -1, 64], False),
        ([], True),
        ([1, 2**40, 2**40], False),
        ([1, 10**400], False),
    ],
)
def test_only_the_batch_may_be_open(shape: list[Any], known: bool) -> None:
    run = cases_device.modelled_run(sram_bytes=MIB, model_bytes=1000, input_shape=shape)
    assert (found("sram_pressure", run).outcome is not FindingOutcome.NOT_MEASURED) == known


def test_the_wait_for_a_model_is_its_bits_over_the_rate() -> None:
    finding = found("model_delivery", cases_device.delivered_run(5_000_000, network_bps=20e6))
    assert finding.evidence["first_use_s"] == pytest.approx(2.0)


def test_a_limit_is_told_with_its_margin() -> None:
    run = cases_device.delivered_run(70, store_limit_bytes=100, device_limit_bytes=60)
    finding = found("model_delivery", run)
    assert finding.outcome is FindingOutcome.FAILED
    assert finding.evidence["store_margin_bytes"] == 30
    assert finding.evidence["device_margin_bytes"] == -10
    assert "more than the device takes" in finding.title
    assert "the store" not in finding.title


def test_the_providers_are_compared_though_no_operator_was_seen() -> None:
    run = cases_device.stating(
        cases.live_run([20.0] * 30), {"providers": {"asked": [NPU], "got": [CPU]}}
    )
    assert not run.has("ops")
    (finding,) = judge.findings(run, [AUDITS["provider_mismatch"]])
    assert finding.outcome is FindingOutcome.FAILED
