from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from probe.scenario import Scenario, drain_ns
from probe.scenario.problems import allowed, known_paths, nearest, node, schema
from probe.scenario.types import parse_duration


def scenario(**tables: Any) -> Scenario:
    return Scenario.model_validate({"name": "t", **tables})


def refused(**tables: Any) -> list[tuple[str, ...]]:
    with pytest.raises(ValidationError) as caught:
        scenario(**tables)
    return [tuple(map(str, detail["loc"])) for detail in caught.value.errors()]


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [
        ("500ms", 500_000_000),
        ("6s", 6_000_000_000),
        ("10m", 600_000_000_000),
        ("1.5 h", 5_400_000_000_000),
        ("20ns", 20),
        ("3us", 3_000),
        (1.5, 1_500_000_000),
        (6, 6_000_000_000),
        (0, 0),
    ],
)
def test_durations_become_nanoseconds(written: object, nanoseconds: int) -> None:
    assert parse_duration(written) == nanoseconds


@pytest.mark.parametrize(
    "written",
    [
        "6", "s", "-6s", "6 sec", "1e3s", "", "٣s", True, None, -1, [6], {"s": 6},
        float("nan"), float("inf"), 10**400, "9" * 20 + "h", "8d", 7 * 24 * 3600 + 1,
    ],
)  # fmt: skip
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("run", "seed", "7"),
        ("run", "seed", True),
        ("run", "seed", 7.0),
        ("run", "duration", 0),
        ("run", "deadline", "0ms"),
        ("source", "loop", "true"),
        ("source", "loop", 1),
        ("source", "fps", 0),
        ("source", "fps", "60"),
        ("source", "fps", float("inf")),
        ("source", "fps", True),
        ("source", "clip", 3),
        ("source", "clip", ""),
        ("source", "clip", "a\x1b[2J"),
        ("source", "policy", "newest"),
        ("source", "queue", 0),
        ("source", "speed", 2),
        ("copies", "mode", True),
        ("copies", "mode", "yes"),
        ("copies", "every", 0),
        ("copies", "bytes", 255),
        ("copies", "bytes", "16k"),
        ("copies", "read", "profile.json"),
        ("operators", "inferences", -1),
        ("operators", "inferences", 30.0),
        ("operators", "read", "profile.json"),
    ],
)
def test_types_do_not_bend_and_values_have_bounds(table: str, key: str, value: object) -> None:
    assert refused(**{table: {key: value}}) == [(table, key)]


@pytest.mark.parametrize(
    "sink", ["vsync", "vsync:0", "vsync:501", "vsync:-60", "screen", "vsync:60\n"]
)
def test_a_sink_that_is_none_is_refused(sink: str) -> None:
    assert refused(stage={"render": {"sink": sink}}) == [("stage", "render", "sink")]


@pytest.mark.parametrize(
    "tables",
    [
        {"source": {"kind": "stream"}},
        {"source": {"clip": "rtsp://camera/1"}},
        {"stage": {"preprocess": {"mean": [0.0, 0.0]}}},
        {"stage": {"preprocess": {"channels": "GRAY", "std": [1.0, 1.0, 1.0]}}},
        {"stage": {"preprocess": {"std": [0.0]}}},
        {"stage": {"preprocess": {"range": [255, 0]}}},
        {"stage": {"render": {"sink": "null", "path": "a.mp4"}}},
        {"stage": {"render": {"sink": "file", "path": "../a.mp4"}}},
        {"stage": {"upscale": {}}},
        {"mode": "command"},
        {"program": {"command": ["true"]}},
        {"program": {"faults": ["cast-forced", "cast-forced"]}},
        {"program": {"faults": ["all-of-them"]}},
        {"mode": "generate", "stage": {"postprocess": {"kind": "boxes"}}},
        {"expect": [{"source_index": 0, "tolerance": 0.5}]},
        {"expect": [{"source_index": 0, "tolerance": 0.5, "box": [5, 5, 1, 1]}]},
        {"expect": [{"source_index": 0, "tolerance": 0.5, "area": 0.2}]},
    ],
)
def test_combinations_that_cannot_be(tables: dict[str, Any]) -> None:
    assert refused(**tables)


def test_lists_become_tuples_and_whole_numbers_numbers() -> None:
    made = scenario(source={"size": [640, 480], "fps": 60}, stage={"preprocess": {"mean": [127]}})
    assert made.source.size == (640, 480)
    assert made.source.fps == 60.0
    assert made.stage.preprocess.mean == [127.0]


def test_a_document_reads_back_as_the_same_scenario() -> None:
    made = scenario(
        run={"duration": "6s", "warmup": 0},
        source={"size": [640, 480]},
        stage={"postprocess": {"kind": "boxes"}},
        expect=[{"source_index": 40, "box": [1, 2, 3, 4], "tolerance": 0.5}],
    )
    document = json.loads(json.dumps(made.document()))
    assert document["run"]["duration"] == 6_000_000_000
    assert Scenario.of_document(document) == made


def test_the_source_goes_on_long_enough_for_late_frames() -> None:
    assert drain_ns(scenario()) == 2_000_000_000
    assert drain_ns(scenario(run={"deadline": "1s"})) == 10_000_000_000


def test_the_schema_accepts_what_the_models_accept_and_refuses_a_typo() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    good = {"name": "t", "run": {"duration": "6s", "warmup": 2.5}, "source": {"size": [640, 480]}}
    jsonschema.validate(good, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "t", "run": {"durration": "6s"}}, schema())


def test_every_key_says_in_words_what_it_allows() -> None:
    assert len(known_paths()) > 60
    for path in known_paths():
        words = allowed(node(tuple(path.split("."))))
        assert "another value" not in words, path
    assert allowed(node(("stage", "infer", "threads"))) == "a whole number from 1 to 256"
    assert allowed(node(("source", "size"))) == "a list of 2 whole numbers from 1 to 16384"
    assert allowed(node(("source", "policy"))) == 'one of "latest", "block"'
    assert "500ms" in allowed(node(("run", "warmup")))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("run.durration", "run.duration"),
        ("stage.inferr.threads", "stage.infer.threads"),
        ("threads", "stage.infer.threads"),
        ("infer.threads", "stage.infer.threads"),
        ("source.looop", "source.loop"),
    ],
)
def test_a_typo_finds_what_was_meant(typed: str, meant: str) -> None:
    assert meant in nearest(tuple(typed.split(".")))


@settings(deadline=None)
@given(st.integers(0, 7 * 24 * 3600 * 10**9))
def test_every_duration_survives_its_document(nanoseconds: int) -> None:
    document = scenario().document()
    document["run"]["warmup"] = nanoseconds
    assert Scenario.of_document(document).run.warmup == nanoseconds


def test_copies_are_traced_unless_somebody_says_otherwise() -> None:
    copies = Scenario(name="t").copies
    assert (copies.mode, copies.every, copies.bytes, copies.read) == ("on", 60, 16_384, [])
    assert Scenario(name="t").program.faults == []
