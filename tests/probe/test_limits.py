"""A limit as it is written, and what a Run says of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from collectors.cpu import Cpu
from collectors.jetson import Jetson
from probe import judge, limits, metrics, store
from probe.console import verdict_text
from probe.errors import ScenarioError, UsageError
from probe.model import Device, Sample
from probe.scenario.file import load
from probe.store import Run
from probe.verdict.evidence import Evidence
from probe.verdict.limits import rows
from probe.verdict.readings import reading
from probe.verdict.summary import Number, number

Make = Callable[..., Path]
DEVICES = Path(__file__).parents[1] / "devices"


def changed(run: Run, manifest: dict[str, Any] | None = None, **tables: pd.DataFrame) -> Run:
    """Return the Run in memory with some tables and manifest entries replaced."""
    kept = {name: run.table(name) for name in store.TABLES if run.has(name)}
    return Run.of({**run.manifest, **(manifest or {})}, {**kept, **tables})


def row(run: Run, text: str) -> dict[str, Any]:
    (found,) = judge.judge(run, [limits.parse(text)])["limits"]
    return dict(found)


@pytest.mark.parametrize(
    ("text", "metric", "op", "bound"),
    [
        ("latency.p99<50ms", "latency.p99", "<", 50.0),
        ("latency.p99.9 <= 0.05 s", "latency.p99.9", "<=", 50.0),
        ("stage.infer.p95<8ms", "stage.infer.p95", "<", 8.0),
        ("stage.infer.queue.p95<800us", "stage.infer.queue.p95", "<", 0.8),
        ("stage.my.own stage.p50<=1e2ms", "stage.my.own stage.p50", "<=", 100.0),
        ("rate>=30fps", "rate", ">=", 30.0),
        ("copies.frame_equivalents<=2", "copies.frame_equivalents", "<=", 2.0),
        ("copies.bytes_per_frame<2MB", "copies.bytes_per_frame", "<", 2e6),
        ("copies.per_frame<=1", "copies.per_frame", "<=", 1.0),
        ("power.mean<6W", "power.mean", "<", 6.0),
        ("power.mean<5900mW", "power.mean", "<", 5.9),
        ("present.interval.p99<20ms", "present.interval.p99", "<", 20.0),
        ("temperature.max<80C", "temperature.max", "<", 80.0),
        ("clock.min>1.5GHz", "clock.min", ">", 1.5e9),
        ("frames.missed<=1%", "frames.missed", "<=", 1.0),
        ("real_time.held>=10min", "real_time.held", ">=", 600.0),
        ("speed>=1.5x", "speed", ">=", 1.5),
        ("block_size<=1", "block_size", "<=", 1.0),
        ("drift<5ms/min", "drift", "<", 5.0),
    ],
)
def test_a_limit_is_read_in_the_unit_of_its_metric(
    text: str, metric: str, op: str, bound: float
) -> None:
    found = limits.parse(text)
    assert (found.metric.name, found.op) == (metric, op)
    assert found.bound(found.metric.unit) == pytest.approx(bound)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latncy.p99<50ms", "latency.p99"),
        ("latency<50ms", "latency.p50 or latency.p95 or latency.p99"),
        ("latency.p98<50ms", "latency.p9"),
        ("p99<50ms", "latency.p99"),
        ("fps>=30fps", "did you mean rate"),
        ("stage.infer.p96<8ms", "stage.infer.p9"),
        ("stage.STAGE.p95<8ms", "no such metric"),
        ("track.TRACK.mean<8", "no such metric"),
        ("power<6W", "power.mean"),
        ("watts<6W", "power.mean"),
        ("frame_time<40ms", "rate.period = 1000 / rate"),
        ("nonsense<1", "no such metric"),
    ],
)
def test_an_unknown_metric_names_the_nearest_ones(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        limits.parse(text)
    assert said in caught.value.message
    assert caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rate>=30", "rate is measured in fps, not a bare number"),
        ("latency.p99<50", "measured in ms"),
        ("latency.p99<50fps", "measured in ms"),
        ("latency.p99<50mss", "no such unit: mss"),
        ("copies.per_frame<=1ms", "measured in count"),
    ],
)
def test_a_unit_that_does_not_fit_is_refused_with_those_that_do(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        limits.parse(text)
    assert said in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text", ["", "latency.p99", "latency.p99=50ms", "<50ms", "latency.p99<", "latency.p99<ms",
             "latency.p99<1<2", "latency.p99<nan", "latency.p99<1e999ms", "a<" + "9" * 400],
)  # fmt: skip
def test_what_is_no_limit_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        limits.parse(text)
    assert caught.value.remedy


@hypothesis.given(st.text(max_size=60) | st.from_regex(r"[a-z.]{1,20}[<>]=?[\d.]{1,6}[a-z/%]{0,3}"))
def test_any_text_is_a_limit_or_a_usage_error(text: str) -> None:
    try:
        found = limits.parse(text)
    except UsageError:
        return
    assert math.isfinite(found.number)


def test_every_metric_has_a_definition_and_can_be_asked_of_every_kind_of_run(
    made_run: Make,
) -> None:
    for kind in ("live", "generator", "silent", "stalled"):
        evidence = Evidence(Run.open(made_run(kind)))
        verdict = judge.judge(evidence.run)
        for each in metrics.METRICS:
            name = each.name.replace("STAGE", "infer").replace("TRACK", "thermal.temperature")
            assert each.definition
            found = reading(metrics.find(name), evidence, verdict)
            assert (found.value is None) == bool(found.why), f"{kind}: {name}"
            assert found.value is None or not math.isnan(found.value)


def test_the_readings_are_the_numbers_of_the_verdict(made_run: Make) -> None:
    run = Run.open(made_run("bursty"))
    evidence, verdict = Evidence(run), judge.judge(run)

    def value(name: str) -> Number:
        return number(reading(metrics.find(name), evidence, verdict).value)

    for key in ("p50", "p95", "p99", "max"):
        assert value(f"latency.{key}") == verdict["latency_ms"][key]
        assert value(f"rendered_latency.{key}") == verdict["rendered_latency_ms"][key]
    assert value("rate") == verdict["rate_fps"]
    assert value("rate.period") == pytest.approx(1000 / verdict["rate_fps"])
    missed = 100 - 100 * verdict["fates"]["on_time"] / verdict["released"]
    assert value("frames.missed") == pytest.approx(missed)
    infer = next(each for each in verdict["stages"] if each["stage"] == "infer")
    assert value("stage.infer.p99") == infer["p99_ms"]
    assert value("stage.infer.queue.p50") == infer["queue_p50_ms"]
    assert value("stage.infer.share") == pytest.approx(infer["share"] * 100)


def test_presented_intervals_and_pacing_errors_come_from_unique_frames(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    evidence = Evidence(run)
    frames, window = run.table("frames"), run.manifest["window"]
    shown = frames[frames["rendered_ns"].between(window["start_ns"], window["end_ns"] - 1)]
    shown = shown.sort_values("rendered_ns")
    rendered = np.diff(shown["rendered_ns"].to_numpy(dtype=np.int64)) / 1e6
    due = np.diff(shown["scheduled_ns"].to_numpy(dtype=np.int64)) / 1e6
    verdict = judge.judge(run)
    interval = reading(metrics.find("present.interval.max"), evidence, verdict)
    pacing = reading(metrics.find("pacing.error.max"), evidence, verdict)
    assert interval.value == pytest.approx(rendered.max())
    assert pacing.value == pytest.approx(np.abs(rendered - due).max())


def test_a_limit_goes_by_the_observed_value_and_states_its_margin(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    p99 = judge.judge(run)["latency_ms"]["p99"]
    kept = row(run, "latency.p99<50ms")
    assert kept["outcome"] == "passed"
    assert kept["value"] == p99
    assert kept["margin"] == pytest.approx(50 - p99)
    missed = row(run, "latency.p99<20ms")
    assert missed["outcome"] == "failed"
    assert missed["margin"] == pytest.approx(20 - p99)
    at_least = row(run, "rate>=29fps")
    assert at_least["margin"] == pytest.approx(at_least["value"] - 29)
    exact = row(run, f"latency.p99<{p99!r}ms")
    assert (exact["outcome"], exact["margin"]) == ("failed", 0)


def test_beside_a_percentile_stands_whether_it_is_proven(made_run: Make) -> None:
    run = Run.open(made_run("live"))  # 900 frames, all on time: quick assumes independent misses
    assert row(run, "latency.p99<50ms")["answer"] == "supported"
    assert row(run, "latency.p99<1ms")["answer"] == "refuted"
    close = row(run, "latency.p99.9<1s")
    assert close["outcome"] == "not measured"
    assert "p99.9 needs 4603" in close["note"]
    assert row(run, "latency.max<1s")["answer"] is None
    open_still = row(run, "frames.missed<=0.1%")
    assert (open_still["outcome"], open_still["answer"]) == ("passed", "inconclusive")
    assert "more frames" in open_still["note"]


def test_too_few_frames_are_insufficient_and_no_percentile(made_run: Make) -> None:
    found = row(Run.open(made_run("live", seconds=5.0)), "latency.p99<50ms")
    assert found["outcome"] == "not measured"
    assert found["value"] is None
    assert "insufficient: 150 values, p99 needs 459" in found["note"]


def test_a_percentile_on_a_lost_frame_is_lost_and_fails(made_run: Make) -> None:
    found = row(Run.open(made_run("dropping")), "latency.p99<50ms")
    assert (found["value"], found["outcome"], found["margin"]) == ("lost", "failed", None)


def test_a_program_without_a_live_input_has_no_rate_of_inference(made_run: Make) -> None:
    run = Run.open(made_run("generator"))
    assert row(run, "rate>=10fps")["outcome"] == "not measured"
    assert "without a live input" in row(run, "latency.p50<50ms")["note"]
    assert row(run, "speed>=1x")["outcome"] == "passed"
    assert row(run, "generation.rate>=24fps")["outcome"] == "passed"
    few = row(run, "request.duration.p50<10s")
    assert few["outcome"] == ("passed" if few["n"] >= 7 else "not measured")


def test_tracks_are_read_in_their_own_unit_inside_the_window(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    window = run.manifest["window"]
    times = np.linspace(window["first_ns"], window["end_ns"] - 1, 400).astype(np.int64)
    inside = times >= window["start_ns"]
    watts = np.where(inside, 5.5, 99.0)
    samples = pd.DataFrame(
        {"track": "power.total", "label": "VDD_IN", "t_ns": times, "value": watts}
    )
    track = {"name": "power.total", "unit": "watts", "title": "Power", "grade": "derived"}
    told = {"collectors": [{"name": "power", "outcome": "ok", "tracks": [track]}]}
    with_power = changed(run, told, samples=samples)
    found = row(with_power, "power.mean<6W")
    assert (found["value"], found["outcome"], found["unit"]) == (5.5, "passed", "watts")
    assert found["note"] == "power.total[VDD_IN], derived"
    assert row(with_power, "track.power.total[VDD_IN].max<5500mW")["outcome"] == "failed"
    wrong = row(with_power, "track.power.total.mean<5C")
    assert wrong["outcome"] == "not measured"
    assert "measured in watts" in wrong["note"]
    two = pd.concat([samples, samples.assign(label="VDD_CPU")])
    several = row(changed(run, told, samples=two), "power.mean<6W")
    assert several["outcome"] == "not measured"
    assert "name one, as in track.power.total[VDD_IN].mean" in several["note"]
    assert row(run, "power.mean<6W")["outcome"] == "not measured"


def test_the_lowest_clock_of_a_core_is_none_of_the_engines(made_run: Make) -> None:
    run, tree = Run.open(made_run("live")), Device("orin", DEVICES / "jetson-orin-nano")
    at = run.manifest["window"]["start_ns"] + 1
    samples, told = [], []
    for collector in (Cpu(), Jetson()):
        collector.start(tree)
        read = [each for each in collector.sample(at) if isinstance(each, Sample)]
        samples += [(each.track, each.label, each.value, at) for each in read]
        collector.stop()
        tracks = [{"name": each.name, "unit": each.unit} for each in collector.tracks]
        told.append({"name": collector.name, "outcome": "ok", "tracks": tracks})
    table = pd.DataFrame(samples, columns=["track", "label", "value", "t_ns"])
    engines = table[table["track"] == "jetson.engine_clock"]
    assert 0.0 in set(engines["value"])  # nobody uses them
    found = row(changed(run, {"collectors": told}, samples=table), "clock.min>=500MHz")
    cores = table[table["track"] == "cpu.clock"]["value"]
    assert (found["value"], found["outcome"]) == (cores.min(), "passed")
    found = row(changed(run, {"collectors": told[1:]}, samples=engines), "clock.min>=500MHz")
    assert (found["outcome"], "read cpu.clock" in found["note"]) == ("not measured", True)


def test_copies_of_a_process_that_was_not_seen_decide_only_what_they_can(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    verdict = judge.judge(run)
    kinds = ("memcpy", "convert", "transfer", "materialize")
    verdict["copies"] = {
        **{f"{kind}_bytes_per_frame": 1e6 for kind in kinds}, "count_per_frame": 4.0, "blind": 1,
    }  # fmt: skip

    def outcome(text: str) -> str:
        return str(rows([limits.parse(text)], Evidence(run), verdict)[0]["outcome"])

    assert outcome("copies.per_frame<=5") == "not measured"
    assert outcome("copies.per_frame<=3") == "failed"
    assert outcome("copies.bytes_per_frame<=4MB") == "not measured"
    verdict["copies"]["blind"] = 0
    assert outcome("copies.per_frame<=5") == "passed"


def test_limits_of_a_scenario_are_judged_each_time_and_set_the_exit_code(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    scenario = {**run.manifest["scenario"]}

    def code(*texts: str) -> int:
        resolved = {**scenario["resolved"], "limits": list(texts)}
        with_limits = changed(run, {"scenario": {**scenario, "resolved": resolved}})
        verdict = judge.judge(with_limits)
        assert [each["metric"] for each in verdict["limits"]]
        return judge.exit_code(with_limits.manifest, verdict)

    assert code("latency.p99<50ms", "rate>=29fps") == 0
    assert code("latency.p99<50ms", "rate>=31fps") == 1
    assert code("rate>=31fps", "power.mean<6W") == 3
    assert code("from.the.future<1") == 3


def test_the_text_prints_value_limit_and_margin_together(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    asked = ["latency.p99<20ms", "rate>=29fps", "power.mean<6W"]
    verdict = judge.judge(run, [limits.parse(each) for each in asked])
    text = [line for line in verdict_text.lines(run.manifest, verdict) if "limit  " in line]
    p99 = verdict["latency_ms"]["p99"]
    assert text[0].startswith(
        f"  limit     latency.p99 < 20 ms: {p99:.2f} ms, missed by {p99 - 20:.2f} ms"
    )
    assert "holds by" in text[1]
    assert "power.mean < 6 W: not measured; no collector" in text[2]


def scenario_file(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text('version = 1\nname = "mine"\n' + text)
    return file


def test_a_scenario_holds_limits_and_more_can_be_asked_beside_them(tmp_path: Path) -> None:
    file = scenario_file(tmp_path, 'limits = ["latency.p99<50ms", "stage.infer.p95 < 8ms"]\n')
    loaded = load(str(file), folder=tmp_path, limits=["rate>=29fps"])
    assert loaded.scenario.limits == ["latency.p99<50ms", "stage.infer.p95 < 8ms", "rate>=29fps"]
    assert json.loads(json.dumps(loaded.scenario.document()))["limits"] == loaded.scenario.limits


def test_a_limit_changes_no_condition_so_the_scenario_stays_as_it_shipped() -> None:
    import scenarios

    loaded = load("live-background-blur", folder=scenarios.folder(), limits=["rate>=29fps"])
    assert not loaded.custom


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('limits = ["rate>=29fps",\n  "latncy.p99<50ms"]', "did you mean latency.p99"),
        ('limits = ["stage.infre.p95<8ms"]', "did you mean infer"),
        ('limits = ["rate>=29"]', "measured in fps"),
        ("limits = 5", "a list of texts"),
    ],
)
def test_a_wrong_limit_of_a_scenario_is_a_problem_with_its_key(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(str(scenario_file(tmp_path, text + "\n")), folder=tmp_path)
    ((key, problem),) = caught.value.problems
    assert said in problem
    assert key.startswith(("limits", "scenario"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latency.p99<-5ms", "never negative, so this never holds"),
        ("rate>=-1fps", "never negative, so this always holds"),
        ("frames.missed<=101%", "never outside 0 to 100 %, so this always holds"),
        ("frames.on_time>=101%", "never outside 0 to 100 %, so this never holds"),
        ("latency.p50<=1e99ms", "no measured number is so large"),
        ("latency.p50<50m", "no such unit: m"),
        ("l\N{CYRILLIC SMALL LETTER A}tency.p50<5ms", "it has U+0430"),
        ("copies<=2", "did you mean copies.per_frame"),
    ],
)
def test_a_limit_that_is_mistyped_is_told_what_is_wrong_with_it(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        limits.parse(text)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latency.p99==5ms", "write <= or >="),
        ("latency.p99\N{LESS-THAN OR EQUAL TO}5ms", "write <= for"),
        ("latency.p99<inf ms", "a finite one"),
        ("latency.p99<\N{FULLWIDTH DIGIT FIVE}ms", "write METRIC"),
    ],
)
def test_a_usual_slip_is_named(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        limits.parse(text)
    assert said in str(caught.value.remedy)


def test_a_long_text_that_is_no_limit_is_cut_in_the_message() -> None:
    with pytest.raises(UsageError) as caught:
        limits.parse("x" * 5000 + "<5ms")
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("text", "bound"), [("latency.p50<.5s", 500.0), ("slack.p99>=-5ms", -5.0),
                        ("latency.p50<50\N{GREEK SMALL LETTER MU}s", 0.05),
                        ("temperature.mean>-20C", -20.0)],
)  # fmt: skip
def test_what_people_write_is_read(text: str, bound: float) -> None:
    found = limits.parse(text)
    assert found.bound(found.metric.unit) == pytest.approx(bound)


def test_what_rounding_leaves_is_no_miss() -> None:
    limit = limits.parse("speed>=1x")
    assert limit.holds(0.99999999, 1.0)
    assert limit.margin(0.99999999, 1.0) == 0.0
    assert not limit.holds(0.9999, 1.0)
    assert not limits.parse("speed>1x").holds(1.00000001, 1.0)


def test_where_the_point_holds_and_the_bound_does_not_both_are_told(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    limit = judge.judge(run)["latency_ms"]["p50"] + 0.4
    found = row(run, f"latency.p50<{limit:.4f}ms")
    assert (found["outcome"], found["answer"]) == ("passed", "inconclusive")
    assert float(found["note"].partition("at most ")[2].split()[0]) > limit


def test_a_miss_that_is_not_certain_asks_for_no_frames_without_a_miss(made_run: Make) -> None:
    found = row(Run.open(made_run("bursty")), "latency.p99<50ms")
    assert (found["outcome"], found["answer"]) == ("failed", "inconclusive")
    assert "without a miss" not in found["note"]
    assert "missed as observed" in found["note"]


def test_a_rate_that_one_frame_decides_says_so(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    assert "one frame at the window's edge" in row(run, "rate>=30fps")["note"]
    assert row(run, "rate>=29.7fps")["note"] is None


def test_a_narrow_margin_is_printed_with_the_digits_that_it_needs(made_run: Make) -> None:
    run = Run.open(made_run("live"))
    speed = judge.judge(run)["speed"]
    verdict = judge.judge(run, [limits.parse(f"speed>={speed + 0.0004:.6f}x")])
    (line,) = [each for each in verdict_text.lines(run.manifest, verdict) if "limit  " in each]
    assert "missed by 0.0004" in line
