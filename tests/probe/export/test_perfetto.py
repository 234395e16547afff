from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

from probe.errors import EnvironmentUnmet
from probe.export.perfetto import export, packets
from probe.store import Run

MS = 1_000_000
START = 2_000 * 10**9
WALL = 1_795_226_400 * 10**9
HOSTILE = "</script>\x00\x1b[31m\u202e %s {0} " + "n" * 300

MANIFEST: dict[str, Any] = {
    "schema": 1,
    "liveprobe": "0.1.0",
    "id": "a-run",
    "state": "complete",
    "mode": "live",
    "created": "2026-11-21T02:15:00Z",
    "scenario": {"name": "live-background-blur", "custom": False},
    "device": {"name": "raspberry-pi-5", "board": "Raspberry Pi 5", "kernel": "6.12"},
    "clocks": {
        "start_monotonic_ns": START, "start_wall_ns": WALL,
        "end_monotonic_ns": START + 10**10, "end_wall_ns": WALL + 10**10 + 5,
    },
    "program": {"pid": 4242},
    "collectors": [
        {"name": "thermal", "tracks": [{"name": "thermal.temperature", "unit": "celsius"}]},
        {"name": "memory", "tracks": [{"name": "memory.rss", "unit": "bytes"}]},
    ],
}  # fmt: skip


@dataclass
class Trace:
    """What a trace viewer makes of the bytes: names looked up, slices closed, tracks named."""

    packets: list[pb.TracePacket]
    paths: dict[int, str] = field(default_factory=dict)
    descriptors: dict[int, pb.TrackDescriptor] = field(default_factory=dict)
    slices: list[tuple[str, str, int, int, tuple[int, ...], dict[str, Any]]] = field(
        default_factory=list
    )
    instants: list[tuple[str, str, int, tuple[int, ...], dict[str, Any]]] = field(
        default_factory=list
    )
    counters: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    arrow_ends: dict[int, int] = field(default_factory=dict)
    """Time of the event at which a flow ends, by the flow."""
    open: int = 0


def read(path: Path) -> Trace:
    """Read a trace as the trace processor does: a stable sort by time, a stack for each track."""
    message = pb.Trace()
    message.ParseFromString(path.read_bytes())
    trace = Trace(list(message.packet))
    interned: dict[str, dict[int, Any]] = {}
    for packet in trace.packets:
        if packet.HasField("interned_data"):
            data = packet.interned_data
            interned = {
                "names": {entry.iid: entry.name for entry in data.event_names},
                "categories": {entry.iid: entry.name for entry in data.event_categories},
                "annotations": {entry.iid: entry.name for entry in data.debug_annotation_names},
                "texts": {
                    entry.iid: entry.str.decode() for entry in data.debug_annotation_string_values
                },
            }
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid not in trace.descriptors
            trace.descriptors[track.uuid] = track
            above = trace.paths.get(track.parent_uuid, "")
            trace.paths[track.uuid] = f"{above}/{track.name}" if above else track.name or "program"
    stacks: dict[int, list[tuple[str, int, tuple[int, ...], dict[str, Any]]]] = defaultdict(list)
    events = [packet for packet in trace.packets if packet.HasField("track_event")]
    for packet in sorted(events, key=lambda packet: packet.timestamp):
        event, now = packet.track_event, packet.timestamp
        assert packet.trusted_packet_sequence_id == 1
        assert event.track_uuid in trace.descriptors
        place = trace.paths[event.track_uuid]
        name = event.name or interned["names"].get(event.name_iid, "")
        said = {
            note.name or interned["annotations"][note.name_iid]: (
                interned["texts"][note.string_value_iid]
                if note.HasField("string_value_iid")
                else note.string_value or note.int_value
            )
            for note in event.debug_annotations
        }
        flows = tuple(event.flow_ids)
        for flow in event.terminating_flow_ids:
            assert flow not in trace.arrow_ends, "each arrow has one head"
            trace.arrow_ends[flow] = now
        if event.type == pb.TrackEvent.TYPE_SLICE_BEGIN:
            stacks[event.track_uuid].append((name, now, flows, said))
        elif event.type == pb.TrackEvent.TYPE_SLICE_END:
            begun = stacks[event.track_uuid].pop()
            assert not stacks[event.track_uuid], "slices of one track never nest"
            trace.slices.append((place, begun[0], begun[1], now, *begun[2:]))
        elif event.type == pb.TrackEvent.TYPE_INSTANT:
            trace.instants.append((place, name, now, flows, said))
        else:
            trace.counters[place].append((now, event.double_counter_value))
    trace.open = sum(map(len, stacks.values()))
    return trace


def exported(tmp_path: Path, tables: dict[str, pd.DataFrame], **manifest: Any) -> tuple[Run, Trace]:
    run = Run.of(MANIFEST | manifest, tables)
    export(run, tmp_path / "trace.pftrace")
    return run, read(tmp_path / "trace.pftrace")


def made(seed: int, frames: int = 400) -> dict[str, pd.DataFrame]:
    """Make tables of a live run with nulls, ties, drops, a frame in flight, two infer threads."""
    rng = np.random.default_rng(seed)
    scheduled = START + np.arange(frames, dtype=np.int64) * 33_333_333
    spans, rows, outputs = [], [], []
    for k in range(frames):
        now, fate = int(scheduled[k]), "on time"
        for stage in ("capture", "infer", "render"):
            thread = f"{stage}:{5000 + k % 2}" if stage == "infer" else f"{stage}:4{len(stage)}00"
            took = int(rng.choice([0, 1, 5 * MS, int(rng.integers(1, 30 * MS))]))
            spans.append(
                {
                    "frame": k if rng.random() > 0.05 else None,
                    "stage": stage,
                    "thread": thread,
                    "start_ns": now,
                    "end_ns": now + took,
                    "queue_ns": int(rng.integers(0, 10**6)) if rng.random() > 0.3 else None,
                    "bytes_in": None if stage == "capture" else 921_600,
                    "raised": bool(rng.random() < 0.02),
                }
            )
            now += took
            if stage == "infer" and rng.random() < 0.1:
                fate = "dropped"
                break
        late = fate == "on time" and rng.random() < 0.1
        rendered = None if fate == "dropped" or k == frames - 1 else now
        rows.append(
            {
                "frame": k,
                "scheduled_ns": int(scheduled[k]),
                "captured_ns": int(scheduled[k]) + 40_000,
                "rendered_ns": rendered,
                "delivered_ns": rendered,
                "fate": "in flight" if k == frames - 1 else "late" if late else fate,
                "fate_stage": "render" if fate == "dropped" else None,
                "fate_reason": HOSTILE if fate == "dropped" else None,
                "fate_ns": rendered,
            }
        )
        if rendered is not None:
            outputs.append({"output": k, "frame": k, "delivered_ns": now, "presented_ns": now + MS})
    samples = [
        {"track": track, "label": label, "t_ns": START + 250 * MS * i, "value": value}
        for i in range(40)
        for track, label, value in (
            ("thermal.temperature", "cpu-thermal", 40.0 + i / 8 if i % 7 else None),
            ("memory.rss", "", 1e8 + i),
            ("program.queue", "infer", float(i % 3)),
            ("program.in_flight", None, float(i % 5)),
            ("other.thing", HOSTILE, float("nan") if i == 3 else -1.5),
        )
    ]
    events = [
        {"t_ns": START, "kind": "program", "text": HOSTILE, "attributes": '{"a": 1}'},
        {"t_ns": START + 5, "kind": "tape", "text": None, "attributes": None},
        {"t_ns": None, "kind": "tape", "text": "no time", "attributes": None},
    ]
    return {
        "frames": pd.DataFrame(rows),
        "outputs": pd.DataFrame(outputs),
        "spans": pd.DataFrame(spans),
        "samples": pd.DataFrame(samples),
        "events": pd.DataFrame(events),
    }


def missing_left_out(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not pd.isna(value)}


@pytest.mark.parametrize("seed", [1, 2])
def test_every_span_is_a_slice_with_its_times_flow_and_annotations(
    tmp_path: Path, seed: int
) -> None:
    run, trace = exported(tmp_path, made(seed))
    expected = []
    for span in run.table("spans").to_dict("records"):
        known = not pd.isna(span["frame"])
        said = {key: span[key] for key in ("frame", "queue_ns", "bytes_in", "bytes_out")}
        said["raised"] = 1 if span["raised"] else pd.NA
        expected.append(
            (span["stage"], span["start_ns"], span["end_ns"],
             (span["frame"] + 1,) if known else (), missing_left_out(said))
        )  # fmt: skip
    assert trace.open == 0
    found = [each[1:] for each in trace.slices]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert any(not each[3] for each in expected)
    assert any(each[1] == each[2] for each in expected)


def test_a_stage_has_one_track_and_more_where_it_has_more_threads(tmp_path: Path) -> None:
    _, trace = exported(tmp_path, made(1))
    tracks = {place for place, *_ in trace.slices}
    assert tracks == {
        "program/pipeline/capture",
        "program/pipeline/infer (infer:5000)",
        "program/pipeline/infer (infer:5001)",
        "program/pipeline/render",
    }


def test_every_frame_has_an_instant_of_its_fate(tmp_path: Path) -> None:
    run, trace = exported(tmp_path, made(3))
    frames, spans = run.table("frames"), run.table("spans")
    ends = spans.dropna(subset=["frame"]).groupby("frame")["end_ns"].max()
    expected = []
    for frame in frames.to_dict("records"):
        known = not pd.isna(frame["fate_ns"])
        at = frame["fate_ns"] if known else ends.get(frame["frame"], frame["captured_ns"])
        source = "fate" if known else "last span" if frame["frame"] in ends else "captured"
        reason = pd.NA if pd.isna(frame["fate_reason"]) else HOSTILE
        said = {"frame": frame["frame"], "stage": frame["fate_stage"], "reason": reason}
        expected.append(
            (frame["fate"], at, (frame["frame"] + 1,),
             missing_left_out(said | {"time is": source}))
        )  # fmt: skip
    found = [each[1:] for each in trace.instants if each[0].endswith("/fates")]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert {"in flight", "dropped", "on time"} <= {each[0] for each in found}


@pytest.mark.parametrize(
    ("name", "table", "column"),
    [
        ("scheduled", "frames", "scheduled_ns"),
        ("delivered", "outputs", "delivered_ns"),
        ("presented", "outputs", "presented_ns"),
    ],
)
def test_pictures_are_instants_on_the_flow_of_their_frame(
    tmp_path: Path, name: str, table: str, column: str
) -> None:
    run, trace = exported(tmp_path, made(4))
    rows = run.table(table).sort_values(column, kind="stable")
    found = [each for each in trace.instants if each[0] == f"program/pipeline/{name}"]
    assert [(each[2], each[3]) for each in found] == [
        (t, (frame + 1,)) for t, frame in zip(rows[column], rows["frame"], strict=True)
    ]


def test_a_flow_follows_a_frame_from_schedule_to_fate(tmp_path: Path) -> None:
    run, trace = exported(tmp_path, made(5))
    frame = int(run.table("outputs")["frame"].iloc[10])
    spans = run.table("spans")
    stages = len(spans[spans["frame"] == frame])
    on_flow = [each for each in trace.slices if frame + 1 in each[4]]
    points = {each[0].rpartition("/")[2] for each in trace.instants if frame + 1 in each[3]}
    assert len(on_flow) == stages
    assert points == {"scheduled", "delivered", "presented", "fates"}


def test_samples_are_counters_with_units_and_gaps(tmp_path: Path) -> None:
    run, trace = exported(tmp_path, made(6))
    samples = run.table("samples")
    assert set(trace.counters) == {
        "program/collector: thermal/thermal.temperature cpu-thermal",
        "program/collector: memory/memory.rss",
        "program/collector: program/program.queue infer",
        "program/collector: program/program.in_flight",
        f"program/collector: other/other.thing {HOSTILE}",
    }
    for place, points in trace.counters.items():
        track = place.rpartition("/")[2] if HOSTILE not in place else "other.thing"
        rows = samples[(samples["track"] == track.partition(" ")[0]) & samples["value"].notna()]
        rows = rows[np.isfinite(rows["value"].to_numpy(dtype=float))]
        assert points == list(zip(rows["t_ns"], rows["value"], strict=True))
    units = {
        trace.paths[uuid].rpartition("/")[2].partition(" ")[0]: track.counter
        for uuid, track in trace.descriptors.items()
        if track.HasField("counter")
    }
    assert units["thermal.temperature"].unit_name == "°C"
    assert units["memory.rss"].unit == pb.CounterDescriptor.UNIT_SIZE_BYTES
    assert units["program.queue"].unit == pb.CounterDescriptor.UNIT_COUNT


def test_events_are_instants_by_kind(tmp_path: Path) -> None:
    _, trace = exported(tmp_path, made(7))
    found = [each for each in trace.instants if "/event: " in each[0]]
    assert found == [
        ("program/event: program", HOSTILE, START, (), {"attributes": '{"a": 1}'}),
        ("program/event: tape", "tape", START + 5, (), {}),
    ]


def test_clocks_processes_threads_and_identity_are_described(tmp_path: Path) -> None:
    _, trace = exported(tmp_path, made(8))
    snapshots = [p.clock_snapshot for p in trace.packets if p.HasField("clock_snapshot")]
    assert [{c.clock_id: c.timestamp for c in s.clocks} for s in snapshots] == [
        {pb.BUILTIN_CLOCK_MONOTONIC: START, pb.BUILTIN_CLOCK_REALTIME: WALL},
        {pb.BUILTIN_CLOCK_MONOTONIC: START + 10**10, pb.BUILTIN_CLOCK_REALTIME: WALL + 10**10 + 5},
    ]
    assert all(s.primary_trace_clock == pb.BUILTIN_CLOCK_MONOTONIC for s in snapshots)
    first = next(p for p in trace.packets if p.HasField("trace_packet_defaults"))
    assert first.trace_packet_defaults.timestamp_clock_id == pb.BUILTIN_CLOCK_MONOTONIC
    assert first.sequence_flags == pb.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
    process = next(d.process for d in trace.descriptors.values() if d.HasField("process"))
    assert (process.pid, process.process_name) == (4242, "live-background-blur")
    threads = {d.thread.tid: d.thread for d in trace.descriptors.values() if d.HasField("thread")}
    assert threads[5001].thread_name == "infer"
    assert {thread.pid for thread in threads.values()} == {4242}
    about = next(each[4] for each in trace.instants if each[1] == "liveprobe")
    assert about["liveprobe"] == "0.1.0"
    assert about["scenario"] == "live-background-blur"
    assert about["device.name"] == "raspberry-pi-5"


def test_executions_that_overlap_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    times = [(0, 50), (10, 20), (15, 60), (20, 30), (60, 70), (55, 56)]
    spans = pd.DataFrame(
        [
            {"frame": k, "stage": "infer", "thread": "loop:9", "start_ns": START + a,
             "end_ns": START + b}
            for k, (a, b) in enumerate(times)
        ]
    )  # fmt: skip
    _, trace = exported(tmp_path, {"spans": spans})
    assert sorted((s[2] - START, s[3] - START) for s in trace.slices) == sorted(times)
    tracks = [uuid for uuid, path in trace.paths.items() if path.endswith("/infer")]
    assert len(tracks) == 3


def test_spans_that_cannot_be_drawn_are_left_out(tmp_path: Path) -> None:
    bad = [(None, START), (START, None), (START, START - 1), (-5, START)]
    spans = pd.DataFrame(
        [{"stage": "infer", "thread": "x:1", "start_ns": a, "end_ns": b} for a, b in bad]
        + [{"stage": "infer", "thread": None, "start_ns": START, "end_ns": START}]
    )
    _, trace = exported(tmp_path, {"spans": spans})
    assert [each[2:4] for each in trace.slices] == [(START, START)]


def test_a_generating_run_has_flows_by_request(tmp_path: Path) -> None:
    spans = pd.DataFrame(
        [{"frame": 3, "stage": "infer", "thread": "g:7", "start_ns": START, "end_ns": START + 9}]
    )
    outputs = pd.DataFrame([{"output": 0, "request": 3, "delivered_ns": START + 9}])
    _, trace = exported(tmp_path, {"spans": spans, "outputs": outputs}, mode="generate")
    assert trace.slices[0][4:] == ((4,), {"request": 3})
    delivered = next(each for each in trace.instants if each[1] == "delivered")
    assert delivered[3:] == ((4,), {"request": 3, "output": 0})


def copied(**more: Any) -> dict[str, pd.DataFrame]:
    """Make copies on the thread of a stage, on a pool's thread, and on no thread that is known."""
    spans = pd.DataFrame(
        [{"frame": 0, "stage": "infer", "thread": "infer:5000", "start_ns": START,
          "end_ns": START + 9 * MS}]
    )  # fmt: skip
    sites = pd.DataFrame(
        [
            {"site": 7, "file": "/srv/app/blur.py", "line": 41, "function": "prepare",
             "expression": "x.copy()", "module": "/lib/libnp.so", "symbol": "copy_loop"},
            {"site": 8, "module": "/lib/libswscale.so.9", "symbol": HOSTILE},
        ]
    )  # fmt: skip
    copies = pd.DataFrame(
        [
            {"t_ns": START + 1, "thread": "infer:5000", "kind": "memcpy", "bytes": 1_382_400,
             "site": 7, "method": "memcpy", "frame": 0, "stage": "infer", "duration_ns": 500,
             "rows": 720, "row_bytes": 1920, "destination_stride": 1920, "source_stride": 1984,
             "domains": "cpu>cpu", "faults": 3, "grade": "measured"},
            {"t_ns": START + 2, "thread": "infer:5000", "kind": "convert", "bytes": 999,
             "site": 8, "source_copy": 0, "detail": "uint8 > float32"},
            {"t_ns": START + 3, "thread": "pool:5009", "kind": "memcpy", "bytes": 64_000,
             "site": 9, "source_copy": 0},
            {"t_ns": START + 4, "thread": None, "kind": None, "bytes": None, "source_copy": 3},
            {"t_ns": None, "thread": "infer:5000", "kind": "memcpy", "bytes": 5, "site": 7},
            {"t_ns": START + 5, "thread": ":", "kind": "transfer", "bytes": 3 * 10**9,
             "source_copy": 4},
        ]
    )  # fmt: skip
    return {"spans": spans, "sites": sites, "copies": copies, **more}


def test_copies_are_instants_on_their_threads_with_bytes_and_lines(tmp_path: Path) -> None:
    _, trace = exported(tmp_path, copied())
    found = {each[2] - START: each for each in trace.instants if each[1].startswith("copy ")}
    assert sorted(found) == [1, 2, 3, 4, 5], "a copy without a time is left out"
    threads = {uuid: d.thread.tid for uuid, d in trace.descriptors.items() if d.HasField("thread")}
    tracks = {
        packet.timestamp - START: packet.track_event.track_uuid
        for packet in trace.packets
        if packet.track_event.type == pb.TrackEvent.TYPE_INSTANT
    }
    assert [threads.get(tracks[k]) for k in (1, 2, 3, 4, 5)] == [5000, 5000, 5009, None, None]
    assert found[1][1] == "copy memcpy 1.4 MB"
    assert found[1][4] == {
        "frame": 0, "bytes": 1_382_400, "duration_ns": 500, "rows": 720, "row_bytes": 1920,
        "destination_stride": 1920, "source_stride": 1984, "faults": 3, "stage": "infer",
        "kind": "memcpy", "method": "memcpy", "domains": "cpu>cpu", "grade": "measured",
        "line": "blur.py:41", "expression": "x.copy()", "function": "prepare",
        "caller": "libnp.so copy_loop",
    }  # fmt: skip
    assert found[2][1] == "copy convert 999 bytes"
    assert found[2][4] == {
        "bytes": 999, "kind": "convert", "detail": "uint8 > float32",
        "caller": f"libswscale.so.9 {HOSTILE}",
    }  # fmt: skip
    assert found[3][1] == "copy memcpy 64.0 kB"
    assert found[4][1:2] == ("copy of unknown size",)
    assert found[5][1] == "copy transfer 3.0 GB"


def test_an_arrow_leads_from_each_copy_to_each_that_read_what_it_wrote(tmp_path: Path) -> None:
    _, trace = exported(tmp_path, copied())
    copies = [each for each in trace.instants if each[1].startswith("copy ")]
    arrows = sorted(
        (each[2] - START, trace.arrow_ends[flow] - START) for each in copies for flow in each[3]
    )
    assert arrows == [(1, 2), (1, 3)], "none from itself, none from a copy that is not drawn"
    assert len(trace.arrow_ends) == len(arrows)
    frames = {flow for each in trace.slices for flow in each[4]}
    assert not frames & set(trace.arrow_ends)


def test_threads_of_several_processes_are_not_told_to_be_the_programs(tmp_path: Path) -> None:
    _, trace = exported(tmp_path, copied(), copies={"processes": [{"pid": 4242}, {"pid": 5009}]})
    threads = {d.thread.tid for d in trace.descriptors.values() if d.HasField("thread")}
    assert threads == {5000}
    assert any(each[0] == "program/copies on other threads/pool:5009" for each in trace.instants)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-2, 40), min_size=1, max_size=40))
def test_arrows_are_those_of_the_table_up_to_eight_a_copy(
    tmp_path_factory: pytest.TempPathFactory, sources: list[int]
) -> None:
    table = pd.DataFrame(
        [
            {"t_ns": START + k, "thread": "a:5", "kind": "memcpy", "bytes": 10, "source_copy": s}
            for k, s in enumerate(sources)
        ]
    )
    _, trace = exported(tmp_path_factory.mktemp("arrows"), {"copies": table})
    found = {
        (each[2] - START, trace.arrow_ends[flow] - START) for each in trace.instants
        for flow in each[3]
    }  # fmt: skip
    wanted = {(s, k) for k, s in enumerate(sources) if 0 <= s < len(sources) and s != k}
    assert found <= wanted
    for source in range(len(sources)):
        readers = sorted(k for s, k in wanted if s == source)
        assert sorted(k for s, k in found if s == source) == readers[:8]


def test_operators_that_were_timed_in_the_run_are_slices(tmp_path: Path) -> None:
    ops = pd.DataFrame(
        [
            {"frame": 3, "node": "c1", "op": "Conv", "provider": "CPU", "start_ns": START + 5,
             "end_ns": START + 9, "output_bytes": 640},
            {"frame": 3, "node": "r", "op": "ReorderOutput", "provider": "CPU",
             "start_ns": START + 9, "end_ns": START + 10},
            {"frame": None, "node": "other pass", "op": "Cast", "start_ns": 1, "end_ns": 2},
        ]
    )  # fmt: skip
    _, trace = exported(tmp_path, {"ops": ops})
    assert [each[1:] for each in trace.slices] == [
        ("Conv", START + 5, START + 9, (),
         {"frame": 3, "output_bytes": 640, "node": "c1", "provider": "CPU"}),
        ("ReorderOutput", START + 9, START + 10, (), {"frame": 3, "node": "r", "provider": "CPU"}),
    ]  # fmt: skip


def test_operators_of_a_pass_before_the_run_stand_apart_with_what_encloses_them(
    tmp_path: Path,
) -> None:
    common = {"provider": "CPU", "run": 0}
    ops = pd.DataFrame(
        [
            {**common, "node": "l", "op": "Loop", "start_ns": 5, "end_ns": 9},
            {**common, "node": "e", "op": "Exp", "start_ns": 6, "end_ns": 8, "parent": "l"},
            {**common, "node": "nobody knows when", "op": "Exp"},
        ]
    )
    _, trace = exported(tmp_path, {"ops": ops})
    assert sorted((each[1:] for each in trace.slices), key=lambda each: each[1]) == [
        ("Loop", 5, 9, (), {"run": 0, "node": "l", "provider": "CPU"}),
        ("Exp", 6, 8, (), {"run": 0, "node": "e", "provider": "CPU", "parent": "l"}),
    ]
    assert all("without a frame" in str(each[0]) for each in trace.slices)


def waited(**more: Any) -> dict[str, pd.DataFrame]:
    """Make a stage on a plain thread, and waits of it and of a thread that no stage names."""
    spans = pd.DataFrame(
        [{"frame": k, "stage": "infer", "thread": "python:5000", "start_ns": START + k * 40 * MS,
          "end_ns": START + k * 40 * MS + 20 * MS} for k in range(3)]
    )  # fmt: skip
    rows = [
        ("python:5000 < cc1plus:77", START + 15 * MS, 0.012),
        ("python:5000 < idle", START + 41 * MS, 0.000_002),
        ("python:5001 < python:5000", START + 21 * MS, 0.02),
        ("python:5000 < cc1plus:77", START + 60 * MS, None),
        ("python:5000 < cc1plus:77", 5, 0.1),
        ("python:5000", START, 0.1),
        ("python:5000 < cc1plus:77", START, -0.1),
        ("python:5000 < cc1plus:77", None, 0.1),
        (None, START, 0.1),
    ]
    samples = pd.DataFrame(
        [
            {"track": "scheduler_trace.wait", "label": label, "t_ns": t_ns, "value": value}
            for label, t_ns, value in rows
        ]
        + [{"track": "cpu.thread", "label": "python:5000", "t_ns": START, "value": 80.0}]
    )
    return {"spans": spans, "samples": samples, **more}


def test_times_in_which_no_waits_were_recorded_are_slices(tmp_path: Path) -> None:
    facts = {"windows_ns": [[START, START + MS], [START + 5 * MS, START + 6 * MS]],
             "watched_ns": [START, START + 9 * MS]}  # fmt: skip
    entry = {"name": "scheduler_trace", "outcome": "ok", "tracks": [], "facts": facts}
    _, trace = exported(tmp_path, waited(), collectors=[entry])
    found = [each[1:] for each in trace.slices if each[1] == "no waits recorded"]
    assert [(each[1] - START, each[2] - START) for each in found] == [
        (MS, 5 * MS), (6 * MS, 9 * MS),
    ]  # fmt: skip


def test_waits_for_a_core_are_slices_of_the_thread_that_say_who_had_it(tmp_path: Path) -> None:
    _, trace = exported(tmp_path, waited())
    found = [each[1:] for each in trace.slices if each[1] == "waits for a core"]
    ms = [(each[1] - START) / MS for each in found]
    assert ms == pytest.approx([3.0, 1.0, 40.998])
    assert [(each[2] - START) / MS for each in found] == [15, 21, 41]
    assert [each[4] for each in found] == [
        {"who had it": "cc1plus:77"},
        {"who had it": "infer python:5000"},
        {"who had it": "idle"},
    ]
    threads = {uuid: d.thread for uuid, d in trace.descriptors.items() if d.HasField("thread")}
    begun = [
        packet.track_event.track_uuid
        for packet in trace.packets
        if packet.track_event.type == pb.TrackEvent.TYPE_SLICE_BEGIN
        and packet.track_event.track_uuid in threads
    ]
    assert sorted(threads[uuid].tid for uuid in begun) == [5000, 5000, 5001]
    names = {thread.tid: thread.thread_name for thread in threads.values()}
    assert names == {5000: "infer python", 5001: "python"}
    assert set(trace.counters) == {"program/collector: cpu/cpu.thread infer python:5000"}, (
        "a wait is no counter"
    )


def test_waits_of_a_program_without_a_number_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    _, trace = exported(tmp_path, waited(), program={})
    waits = {each[0] for each in trace.slices if each[1] == "waits for a core"}
    assert {place.rpartition("/")[2] for place in waits} == {"infer python:5000", "python:5001"}
    assert all("waits for a core" in place for place in waits)


def test_what_a_collector_saw_happen_is_an_instant(tmp_path: Path) -> None:
    said = '{"cores": "cpu0-3", "collector": "throttle"}'
    events = [{"t_ns": START + MS, "kind": "collector", "text": "clock capped", "attributes": said}]
    _, trace = exported(tmp_path, {"events": pd.DataFrame(events)})
    found = [each for each in trace.instants if "/event: " in each[0]]
    assert found == [
        ("program/event: collector", "clock capped", START + MS, (), {"attributes": said})
    ]


@pytest.mark.parametrize("pid", [None, 0, -1, 2**40, "4242"])
def test_a_run_with_nothing_or_with_rubbish_in_its_manifest_is_still_a_trace(
    tmp_path: Path, pid: Any
) -> None:
    manifest = {
        "schema": 1, "program": {"pid": pid}, "clocks": None, "collectors": None,
        "scenario": {"name": "half a \ud800 pair"}, "id": "\udfff",
    }  # fmt: skip
    run = Run.of(manifest, {})
    export(run, tmp_path / "trace.pftrace")
    trace = read(tmp_path / "trace.pftrace")
    assert trace.slices == []
    assert not any(d.HasField("process") for d in trace.descriptors.values())


def test_hostile_numbers_and_threads_survive(tmp_path: Path) -> None:
    threads = ["", ":", "a:b:77", "x:99999999999999999999999", "y:²", HOSTILE, "z:-4"]
    frames = [-1, -(2**62), 2**62, 0, 127, 128, 2**31]
    spans = pd.DataFrame(
        [
            {"frame": frame, "stage": HOSTILE, "thread": thread, "start_ns": START + k,
             "end_ns": 2**62, "queue_ns": -frame, "bytes_in": frame}
            for k, (thread, frame) in enumerate(zip(threads, frames, strict=True))
        ]
    )  # fmt: skip
    _, trace = exported(tmp_path, {"spans": spans})
    assert sorted(s[5]["frame"] for s in trace.slices) == sorted(frames)
    assert sorted(s[5]["queue_ns"] for s in trace.slices) == sorted(-f for f in frames)
    assert {s[1] for s in trace.slices} == {HOSTILE}
    tids = {d.thread.tid for d in trace.descriptors.values() if d.HasField("thread")}
    assert tids == {77}


def test_a_place_that_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentUnmet, match="cannot be written") as caught:
        export(Run.of(MANIFEST, {}), tmp_path / "file" / "trace.pftrace")
    assert caught.value.remedy
    export(Run.of(MANIFEST, {}), tmp_path / "trace.pftrace")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "trace.pftrace"]


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_padded_varints_are_read_back_by_the_package(values: list[int]) -> None:
    column = np.array(values, dtype=np.int64)
    width = packets.width_of(column)
    pieces = packets.message(4, packets.varying(4, "v", width)) + packets.fixed(47, "flow")
    rows = packets.Template(pieces).fill({"v": column, "flow": column})
    together = pb.TrackEvent()
    together.ParseFromString(rows.tobytes())
    assert [note.int_value for note in together.debug_annotations] == values
    assert list(together.flow_ids) == [value % 2**64 for value in values]
    for row, value in zip(rows, values, strict=True):
        one = pb.TrackEvent()
        one.ParseFromString(row.tobytes())
        assert one.debug_annotations[0].int_value == value


@settings(deadline=None)
@given(st.lists(st.sampled_from([3, 5, 8]), max_size=40))
def test_rows_of_several_lengths_go_to_their_places(lengths: list[int]) -> None:
    expected = [bytes([k % 251] * length) for k, length in enumerate(lengths)]
    groups = []
    for length in sorted(set(lengths)):
        places = np.flatnonzero(np.array(lengths) == length)
        rows = np.frombuffer(b"".join(expected[k] for k in places), np.uint8)
        groups.append((places, rows.reshape(-1, length)))
    assert packets.interleaved(groups).tobytes() == b"".join(expected)


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1))
def test_a_plain_varint_is_the_shortest(value: int) -> None:
    note = pb.DebugAnnotation(uint_value=value)
    assert packets.key(3, 0) + packets.plain(value) == note.SerializeToString()
