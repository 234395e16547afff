"""Two sets of runs with known differences: what is said of them, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from probe import judge, store
from probe.comparison import Side, compare, regressed, undecided
from probe.console import comparison_text
from probe.errors import UsageError
from probe.store import Run

Make = Callable[..., Path]
Judged = tuple[Run, Mapping[str, Any]]
NAMES = ("latency.p50", "latency.p95", "rate", "frames.missed", "stage.infer.p50", "power.mean")


def scattered(run: Run, rng: np.random.Generator, factor: float = 1.0, shift_ms: float = 0) -> Run:
    """Return the Run as another run of the same program: every latency a little longer or shorter.

    The scatter has heavy tails and is the same for all frames of a run, as a busy neighbour's is.
    The gauge of frames in flight goes: it would contradict the new times.
    """
    held = {name: run.table(name) for name in store.TABLES if run.has(name) and name != "samples"}
    slower = float(1 + 0.02 * rng.standard_t(3)) * factor
    frames, spans = held["frames"].copy(), held["spans"].copy()
    for end in ("delivered_ns", "rendered_ns"):
        since = frames[end] - frames["scheduled_ns"]
        later = (since.astype("Float64") * slower + shift_ms * 1e6).round().astype("Int64")
        frames[end] = frames["scheduled_ns"] + later
    work = (spans["end_ns"] - spans["start_ns"]).astype("Float64") * slower
    spans["end_ns"] = spans["start_ns"] + work.round().astype("Int64")
    return Run.of(run.manifest, {**held, "frames": frames, "spans": spans})


def judged(run: Run, **manifest: Any) -> Judged:
    made = Run(
        {**run.manifest, **manifest}, lambda name: run.table(name) if run.has(name) else None
    )
    return made, judge.judge(made)


def side(name: str, runs: list[Judged]) -> Side:
    return Side(name, tuple(runs))


@pytest.fixture(scope="module")
def live(made_run: Make) -> Run:
    return Run.open(made_run("live", seconds=10.0))


@pytest.fixture(scope="module")
def base(live: Run) -> Side:
    rng = np.random.default_rng(1)
    return side("base", [judged(scattered(live, rng)) for _ in range(4)])


@pytest.fixture(scope="module")
def same(live: Run) -> Side:
    rng = np.random.default_rng(2)
    return side("same", [judged(scattered(live, rng)) for _ in range(4)])


@pytest.fixture(scope="module")
def slower(live: Run) -> Side:
    rng = np.random.default_rng(3)
    return side("slower", [judged(scattered(live, rng, 1.0, 15.0)) for _ in range(4)])


def words(document: dict[str, Any], at: int = 0) -> dict[str, str]:
    return {each["metric"]: each["against"][at]["verdict"] for each in document["metrics"]}


def test_the_same_program_is_no_difference_in_anything(base: Side, same: Side) -> None:
    document = compare(base, [same])
    assert document["comparable"]
    assert set(words(document).values()) == {"no difference"}
    assert len(document["metrics"]) > 15
    assert not regressed(document)
    assert not undecided(document)


def test_a_slower_program_is_worse_and_the_other_way_round_better(base: Side, slower: Side) -> None:
    document = compare(base, [slower])
    found = {each["metric"]: each["against"][0] for each in document["metrics"]}
    p50 = found["latency.p50"]
    assert p50["verdict"] == "worse"
    assert p50["interval"][0] < 15 < p50["interval"][1]
    assert found["stage.infer.p50"]["verdict"] == "no difference"
    assert regressed(document)
    mirrored = compare(slower, [base])
    assert words(mirrored)["latency.p50"] == "better"
    assert not regressed(mirrored)


def test_every_run_stands_in_the_document_and_it_is_json(base: Side, slower: Side) -> None:
    document = compare(base, [slower], names=NAMES[:3])
    again = json.loads(json.dumps(document, allow_nan=False))
    assert [each["metric"] for each in again["metrics"]] == list(NAMES[:3])
    for row in again["metrics"]:
        assert [len(values) for values in row["values"]] == [4, 4]
        assert row["means"][0] == pytest.approx(np.mean(row["values"][0]))
        assert row["definition"]


def test_a_small_effect_may_be_called_none(base: Side, slower: Side) -> None:
    document = compare(base, [slower], names=["latency.p50"], least_percent=500)
    (row,) = document["metrics"]
    assert row["against"][0]["verdict"] == "no difference"
    assert "under 500 %" in row["against"][0]["reason"]


@pytest.mark.parametrize("runs", [1, 2, 3])
def test_too_few_runs_tell_nothing_whatever_they_say(base: Side, slower: Side, runs: int) -> None:
    one, other = Side("a", base.runs[:runs]), Side("b", slower.runs[:runs])
    document = compare(one, [other], names=NAMES[:2])
    for row in document["metrics"]:
        told = row["against"][0]
        assert (told["verdict"], told["interval"]) == ("insufficient runs", None)
        assert "at least 4 a side" in told["reason"]
    assert undecided(document)
    assert not regressed(document)


def test_a_metric_that_some_runs_lack_is_not_comparable_and_the_others_are(
    base: Side, same: Side
) -> None:
    run, _ = same.runs[0]
    short, verdict = judged(run)
    without = Run(
        short.manifest,
        lambda name: None if name == "spans" or not run.has(name) else run.table(name),
    )
    document = compare(
        base, [Side("b", ((without, verdict), *same.runs[1:]))],
        names=["latency.p50", "stage.infer.p50", "power.mean"],
    )  # fmt: skip
    assert words(document) == {
        "latency.p50": "no difference",
        "stage.infer.p50": "not comparable",
        "power.mean": "not comparable",
    }
    reason = document["metrics"][1]["against"][0]["reason"]
    assert "not measured in 1 of 8 runs" in reason


def other(change: Callable[[dict[str, Any]], None], runs: Side) -> Side:
    """Return the side with a change in each manifest."""
    made = []
    for run, verdict in runs.runs:
        manifest = json.loads(json.dumps(run.manifest))
        change(manifest)
        held = {name: run.table(name) for name in store.TABLES if run.has(name)}
        made.append((Run.of(manifest, held), verdict))
    return Side("other", tuple(made))


def set_at(*path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        found = manifest
        for part in path[:-1]:
            found = found.setdefault(part, {})
        found[path[-1]] = value

    return change


HASHES = ("scenario", "hashes")
RESOLVED = ("scenario", "resolved")


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        (set_at(*HASHES, "input", value="1" * 64), "input"),
        (set_at(*HASHES, "model", value="1" * 64), "model"),
        (set_at(*RESOLVED, "stage", "infer", "threads", value=2), "stage.infer.threads"),
        (set_at(*RESOLVED, "run", "duration", value=10**9), "run.duration"),
        (set_at("perturbations", value=[{"kind": "cpu"}]), "perturbations"),
        (set_at("state", value="interrupted"), "state"),
    ],
)
def test_what_breaks_comparability_blocks_every_metric(
    base: Side, same: Side, change: Callable[[dict[str, Any]], None], condition: str
) -> None:
    document = compare(base, [other(change, same)])
    assert not document["comparable"]
    assert condition in document["reason"]
    assert document["environment"][0]["bearing"] == "blocks"
    assert set(words(document).values()) == {"not comparable"}
    assert undecided(document)
    assert comparison_text.lines(document)[0].startswith("not comparable: ")


def test_an_invalid_run_blocks(base: Side, same: Side) -> None:
    (run, verdict), *rest = same.runs
    invalid = {**verdict, "validity": {"status": "invalid", "reasons": []}}
    document = compare(base, [Side("b", ((run, invalid), *rest))])
    assert "a run is invalid" in document["reason"]


def test_what_is_said_to_be_compared_is_as_intended(base: Side, same: Side) -> None:
    change = set_at(*RESOLVED, "stage", "infer", "threads", value=2)
    document = compare(base, [other(change, same)], vary=["stage.infer"])
    assert document["comparable"]
    bearing = {each["condition"]: each["bearing"] for each in document["environment"]}
    assert bearing["stage.infer.threads"] == "as intended"
    assert set(words(document).values()) == {"no difference"}


def test_a_side_that_mixes_what_is_compared_blocks(base: Side, same: Side) -> None:
    change = set_at(*RESOLVED, "stage", "infer", "threads", value=2)
    mixed = Side("b", (*other(change, same).runs[:2], *same.runs[2:]))
    document = compare(base, [mixed], vary=["stage.infer.threads"])
    assert not document["comparable"]
    assert "one side has several" in document["reason"]


@pytest.mark.parametrize(
    ("change", "condition", "bearing"),
    [
        (set_at("device", "board", value="Raspberry Pi 5"), "device", "may bias"),
        (set_at("device", "kernel", value="7.0"), "device.kernel", "may bias"),
        (set_at("environment", "packages", "numpy", value="9"), "package.numpy", "may bias"),
        (set_at("liveprobe", value="9.9"), "liveprobe", "may bias"),
        (set_at("created", value="2027-01-01T00:00:00Z"), "order", "may bias"),
    ],
)
def test_what_may_bias_is_listed_and_does_not_block(
    base: Side, same: Side, change: Callable[[dict[str, Any]], None], condition: str, bearing: str
) -> None:
    document = compare(base, [other(change, same)])
    assert document["comparable"]
    found = {each["condition"]: each["bearing"] for each in document["environment"]}
    assert found[condition] == bearing


@pytest.mark.parametrize(
    "change",
    [
        set_at(*RESOLVED, "limits", value=["rate>=29fps"]),
        set_at(*RESOLVED, "run", "seed", value=99),
        set_at(*RESOLVED, "source", "clip", value="/elsewhere/people.mp4"),
        set_at(*HASHES, "scenario", value="f" * 64),
    ],
)
def test_what_changes_no_condition_is_no_difference(
    base: Side, same: Side, change: Callable[[dict[str, Any]], None]
) -> None:
    assert compare(base, [other(change, same)])["environment"] == []


def test_lost_percentiles_are_worse_without_a_difference_in_ms(base: Side, live: Run) -> None:
    def losing(run: Run) -> Judged:
        frames = run.table("frames").copy()
        lost = np.arange(len(frames)) % 5 == 0
        frames.loc[lost, ["fate", "rendered_ns", "delivered_ns"]] = ["dropped", pd.NA, pd.NA]
        held = {name: run.table(name) for name in store.TABLES if run.has(name)}
        return judged(Run.of(run.manifest, {**held, "frames": frames}))

    rng = np.random.default_rng(8)
    dropping = side("dropping", [losing(scattered(live, rng)) for _ in range(4)])
    document = compare(base, [dropping], names=["latency.p95", "frames.lost", "rate"])
    assert words(document) == dict.fromkeys(("latency.p95", "frames.lost", "rate"), "worse")
    p95 = document["metrics"][0]
    assert p95["values"][1] == ["lost"] * 4
    assert p95["against"][0]["difference"] is None


def test_three_sides_are_each_compared_with_the_base(base: Side, same: Side, slower: Side) -> None:
    document = compare(base, [same, slower], names=["latency.p50"])
    assert (words(document, 0), words(document, 1)) == (
        {"latency.p50": "no difference"},
        {"latency.p50": "worse"},
    )
    text = "\n".join(comparison_text.lines(document))
    assert "same: no difference beyond noise (1 no difference)" in text
    assert "slower: worse (1 worse)" in text
    assert "C against A" in text


def test_an_unknown_metric_is_wrong_usage(base: Side, same: Side) -> None:
    with pytest.raises(UsageError, match="did you mean latency"):
        compare(base, [same], names=["latncy.p50"])


def test_a_live_side_and_a_generating_one_share_no_axis_but_the_device(
    make_runs: Any, base: Side, tmp_path: Path
) -> None:
    def generating(seed: int) -> Judged:
        path = make_runs.make_run("generator", tmp_path / str(seed), seconds=10.0, seed=seed)
        return judged(Run.open(path))

    other = side("generating", [generating(seed) for seed in range(4)])
    vary = ["name", "mode", "generate", "stage", "source", "run", "model", "input"]
    found = compare(base, [other], vary=vary)
    assert found["comparable"], found["reason"]
    told = words(found)
    assert {"speed", "block_size", "time_to_first_frame"} <= set(told)
    assert set(told.values()) == {"not comparable"}
    (speed,) = (each for each in found["metrics"] if each["metric"] == "speed")
    assert "two regimes" in speed["against"][0]["reason"]
    assert undecided(found)
    again = compare(other, [side("same kind", [generating(seed) for seed in range(4, 8)])])
    assert words(again)["speed"] != "not comparable"
    names = ["temperature.max", "latency.p50"]
    device = [
        side(each.name, [(Run.open(path), judge.judge(Run.open(path))) for path in paths])
        for each, paths in (
            (base, [make_runs.make_run("live", tmp_path / f"l{k}", seed=k) for k in range(4)]),
            (other, [tmp_path / str(seed) for seed in range(4)]),
        )
    ]
    found = words(compare(device[0], [device[1]], vary=vary, names=names))
    assert found["temperature.max"] != "not comparable"
    assert found["latency.p50"] == "not comparable"
