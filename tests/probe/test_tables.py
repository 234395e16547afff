from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from probe import store, tables, tape
from probe.errors import EnvironmentUnmet, RunError, RunVersionError

if TYPE_CHECKING:
    from tests.conftest import TapeMaker

MS = 10**6
SECOND = 10**9


def manifest(**changes: Any) -> dict[str, Any]:
    document = {
        "schema": 1,
        "id": "test",
        "state": "complete",
        "mode": "live",
        "scenario": {"resolved": {"generate": {"fps": 24.0}}},
        "bounds": {"warmup_ns": SECOND, "duration_ns": 2 * SECOND, "drain_ns": SECOND},
        "deadline_ns": 50 * MS,
        "program": {"outcome": "ended", "started_ns": 0, "ended_ns": 100 * SECOND},
        "tapes": {},
    }
    return {**document, **changes}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store.write_json(tmp_path / store.MANIFEST, manifest())
    return tmp_path


def live(maker: type[TapeMaker], folder: Path, count: int = 120) -> None:
    """Write two threads at 30 fps: capture schedules, render delivers 20 ms and shows 25 ms on."""
    capture = maker(folder / "tapes" / "1-1-1.tape", thread="capture")
    render = maker(folder / "tapes" / "1-2-1.tape", thread="render", tid=2)
    for k in range(count):
        due = 10 * SECOND + k * SECOND // 30
        capture.frame(k, due, due + 1000)
        render.span("render", due + 19 * MS, due + 20 * MS, k, queue=3 * MS)
        render.mark("delivered", due + 20 * MS, k, output=k, text='{"area": 0.5}')
        render.mark("presented", due + 25 * MS, k, output=k, value=1)
    capture.save()
    render.save()


def test_a_live_tape_becomes_frames_outputs_and_spans(
    tape_maker: type[TapeMaker], folder: Path
) -> None:
    live(tape_maker, folder)
    run = tables.finalise(folder)
    frames, outputs, spans = (run.table(name) for name in ("frames", "outputs", "spans"))
    assert len(frames) == len(outputs) == len(spans) == 120
    assert set(frames["fate"]) == {"on time"}
    assert run.manifest["window"] == {
        "first_ns": 10 * SECOND, "start_ns": 11 * SECOND, "end_ns": 13 * SECOND,
        "warmup_ns": SECOND, "drain_ns": SECOND,
    }  # fmt: skip
    assert frames["measured"].sum() == 60
    assert (frames["rendered_ns"] - frames["scheduled_ns"]).unique().tolist() == [25 * MS]
    assert outputs["repeat"].unique().tolist() == [1]
    assert outputs["block"].tolist() == list(range(120))
    assert outputs["result"].unique().tolist() == ['{"area": 0.5}']
    assert spans["queue_ns"].unique().tolist() == [3 * MS]
    assert spans["thread"].unique().tolist() == ["render:2"]
    assert run.manifest["program"]["load_ns"] == 10 * SECOND


def test_finalising_twice_gives_the_same_tables(tape_maker: type[TapeMaker], folder: Path) -> None:
    live(tape_maker, folder, 40)
    first = tables.finalise(folder)
    before = {name: first.table(name) for name in ("frames", "outputs", "spans", "events")}
    again = tables.finalise(folder)
    for name, table in before.items():
        assert table.equals(again.table(name)), name


def test_losses_keep_their_stage_and_reason(tape_maker: type[TapeMaker], folder: Path) -> None:
    writer = tape_maker(folder / "tapes" / "1-1-1.tape")
    for k in range(3):
        writer.frame(k, k * 33 * MS, k * 33 * MS)
    writer.mark("dropped", 5 * MS, 0, stage="infer", text="queue full")
    writer.mark("invalid", 6 * MS, 1, stage="decode", text="no picture")
    writer.save()
    frames = tables.finalise(folder).table("frames")
    assert frames["fate"].tolist() == ["dropped", "invalid", "in flight"]
    assert frames["fate_stage"].fillna("").tolist() == ["infer", "decode", ""]
    assert frames["fate_reason"].fillna("").tolist() == ["queue full", "no picture", ""]


def test_what_a_side_branch_left_out_is_an_event_and_no_fate(
    tape_maker: type[TapeMaker], folder: Path
) -> None:
    writer = tape_maker(folder / "tapes" / "1-1-1.tape")
    writer.frame(0, 0, 0)
    writer.mark("skipped", 5 * MS, 0, stage="encode", text="encode: queue full, beside")
    writer.save()
    run = tables.finalise(folder)
    assert run.table("frames")["fate"].tolist() == ["in flight"]
    assert run.table("events")["kind"].tolist() == ["skipped"]
    attributes = json.loads(run.table("events")["attributes"][0])
    assert attributes == {"frame": 0, "stage": "encode"}


def test_requests_samples_facts_and_events_find_their_place(
    tape_maker: type[TapeMaker], tmp_path: Path
) -> None:
    store.write_json(tmp_path / store.MANIFEST, manifest(mode="generate"))
    writer = tape_maker(tmp_path / "tapes" / "1-1-1.tape")
    writer.mark("request", SECOND, 0)
    for n in range(8):
        writer.mark("delivered", 2 * SECOND + n * 100_000, 0, output=n)
    writer.mark("in_flight", 3 * SECOND, value=4)
    writer.mark("queue", 3 * SECOND, value=2, stage="infer")
    writer.mark("fact:generate", 4 * SECOND, text=json.dumps({"fps": 24}))
    writer.mark("fact:broken", 4 * SECOND, text="{")
    writer.mark("lens cleaned", 5 * SECOND, 0, text="by hand")
    writer.save()
    run = tables.finalise(tmp_path)
    outputs, samples, events = (run.table(n) for n in ("outputs", "samples", "events"))
    assert outputs["request"].tolist() == [0] * 8
    assert outputs["frame"].isna().all()
    assert outputs["block"].tolist() == [0] * 8
    assert outputs["presented_ns"].equals(outputs["delivered_ns"])
    assert samples["track"].tolist() == ["program.in_flight", "program.queue"]
    assert samples["label"].tolist() == ["", "infer"]
    assert run.manifest["program"]["facts"] == {"generate": {"fps": 24}}
    assert events["kind"].tolist() == ["request", "tape", "lens cleaned"]
    assert json.loads(events["attributes"][0]) == {"request": 0}


@pytest.mark.parametrize(
    "text",
    ["NaN", "[1e999]", '"\\ud800"', '{"\\ud800": 1}', "1" * 5000, "[" * 900 + "]" * 900],
)
def test_a_fact_that_no_json_file_can_hold_is_an_event(
    tape_maker: type[TapeMaker], folder: Path, text: str
) -> None:
    writer = tape_maker(folder / "tapes" / "1-1-1.tape")
    writer.frame(0, SECOND, SECOND)
    writer.mark("fact:odd", SECOND, text=text)
    writer.save()
    run = tables.finalise(folder)
    assert run.manifest["program"]["facts"] == {}
    assert run.table("events")["kind"].tolist() == ["tape"]


def test_a_harness_that_died_measured_up_to_the_last_frame(
    tape_maker: type[TapeMaker], tmp_path: Path
) -> None:
    bounds = {"warmup_ns": SECOND, "duration_ns": 30 * SECOND, "drain_ns": SECOND}
    begun = {"outcome": "running", "started_ns": 0}
    said = manifest(state="running", bounds=bounds, program=begun)
    store.write_json(tmp_path / store.MANIFEST, said)
    live(tape_maker, tmp_path)
    window = tables.finalise(tmp_path).manifest["window"]
    assert window["end_ns"] == 10 * SECOND + 119 * SECOND // 30 + 1000


def test_a_run_is_unfinished_until_its_tapes_are_tables(
    tape_maker: type[TapeMaker], folder: Path
) -> None:
    assert not tables.unfinished(folder, store.read_manifest(folder))  # nothing to be made of
    live(tape_maker, folder)
    assert tables.unfinished(folder, store.read_manifest(folder))
    tables.finalise(folder)
    assert not tables.unfinished(folder, store.read_manifest(folder))


def test_outputs_without_numbers_are_matched_by_frame(
    tape_maker: type[TapeMaker], folder: Path
) -> None:
    writer = tape_maker(folder / "tapes" / "1-1-1.tape")
    for k in range(3):
        writer.frame(k, k * 33 * MS, k * 33 * MS)
        writer.mark("delivered", k * 33 * MS + 5, k)
        writer.mark("presented", k * 33 * MS + 9, k)
    writer.save()
    outputs = tables.finalise(folder).table("outputs")
    assert outputs["output"].tolist() == [0, 1, 2]
    assert (outputs["presented_ns"] - outputs["delivered_ns"]).tolist() == [4, 4, 4]


def test_a_program_without_a_schedule_counts_from_capture(
    tape_maker: type[TapeMaker], folder: Path
) -> None:
    writer = tape_maker(folder / "tapes" / "1-1-1.tape")
    writer.frame(0, None, 7 * SECOND)
    writer.mark("delivered", 7 * SECOND + 60 * MS, 0)
    writer.save()
    run = tables.finalise(folder)
    assert run.table("frames")["scheduled_ns"].isna().all()
    assert run.table("frames")["fate"].tolist() == ["late"]
    assert run.manifest["window"]["first_ns"] == 7 * SECOND


def test_a_silent_program_leaves_an_empty_run(folder: Path) -> None:
    run = tables.finalise(folder)
    assert run.manifest["window"] is None
    assert all(len(run.table(name)) == 0 for name in ("frames", "outputs", "spans"))


def test_rubbish_and_lost_records_are_said(tape_maker: type[TapeMaker], folder: Path) -> None:
    writer = tape_maker(folder / "tapes" / "1-1-1.tape", lost=9, state=tape.STOPPED)
    writer.frame(0, 0, 0)
    writer.records.append(writer.records[0][:56] + bytes(8))  # begun and never finished
    writer.save()
    (folder / "tapes" / "rubbish.tape").write_bytes(b"no tape at all" * 50)
    run = tables.finalise(folder)
    summary = run.manifest["tapes"]
    assert (summary["files"], summary["lost"], summary["torn"], summary["stopped"]) == (1, 9, 1, 1)
    assert summary["rejected"][0][0] == "rubbish.tape"
    assert len(run.table("events")) == 4
    assert len(run.table("frames")) == 1


def test_a_run_that_ended_early_is_measured_up_to_its_end(
    tape_maker: type[TapeMaker], tmp_path: Path
) -> None:
    ended = {"outcome": "crashed", "started_ns": 0, "ended_ns": 12 * SECOND}
    store.write_json(tmp_path / store.MANIFEST, manifest(program=ended))
    live(tape_maker, tmp_path, 55)
    window = tables.finalise(tmp_path).manifest["window"]
    assert (window["start_ns"], window["end_ns"]) == (11 * SECOND, 12 * SECOND)


def test_runs_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a Run"):
        tables.finalise(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match="not JSON"):
        tables.finalise(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(RunVersionError, match="schema 99"):
        tables.finalise(tmp_path)


def test_a_table_that_cannot_be_written_leaves_no_half_of_itself(folder: Path) -> None:
    (folder / "spans.partial").mkdir()  # stands where the new file would be written
    with pytest.raises(EnvironmentUnmet, match=r"spans\.parquet"):
        tables.finalise(folder)
    assert not (folder / "spans.parquet").exists()


def test_a_damaged_table_is_an_error_with_a_remedy(
    tape_maker: type[TapeMaker], folder: Path
) -> None:
    live(tape_maker, folder, 3)
    tables.finalise(folder)
    (folder / "frames.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(RunError, match="damaged"):
        store.Run.open(folder).table("frames")
