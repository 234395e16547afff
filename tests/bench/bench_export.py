"""How long does a Perfetto trace of ten minutes at 60 fps with 8 stages take, and how large is it?

288,000 spans, written by our exporter and by the perfetto package's own builder from the same
columns, alternating in one process. Prints medians and their ratio.

    python tests/bench/bench_export.py [--spans 288000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb
from perfetto.trace_builder.proto_builder import TraceProtoBuilder

from probe.export.perfetto import export
from probe.store import Run

STAGES = 8
FPS = 60
START = 10**12


def made(spans: int) -> Run:
    """Make a Run of nothing but spans: 8 stages a frame, each with queue wait and bytes."""
    rng = np.random.default_rng(7)
    frame = np.repeat(np.arange(spans // STAGES), STAGES)
    stage = np.tile(np.arange(STAGES), spans // STAGES)
    start = START + frame * (10**9 // FPS) + stage * 1_500_000
    table = pd.DataFrame(
        {
            "frame": frame,
            "stage": np.array([f"stage-{k}" for k in range(STAGES)])[stage],
            "thread": np.array([f"worker:{4000 + k}" for k in range(STAGES)])[stage],
            "start_ns": start,
            "end_ns": start + rng.integers(100_000, 1_400_000, len(frame)),
            "queue_ns": rng.integers(0, 100_000, len(frame)),
            "bytes_in": 921_600,
            "bytes_out": 921_600,
        }
    )
    return Run.of({"schema": 1, "scenario": {"name": "bench"}, "program": {"pid": 1}},
                  {"spans": table})  # fmt: skip


def by_the_package(run: Run, path: Path) -> None:
    """Write the same slices, names interned likewise, with one message an event."""
    spans = run.table("spans")
    names = {name: k + 1 for k, name in enumerate(spans["stage"].unique())}
    said = ("frame", "queue_ns", "bytes_in", "bytes_out")
    builder = TraceProtoBuilder()
    first = builder.add_packet()
    first.trusted_packet_sequence_id = 1
    first.sequence_flags = pb.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
    first.trace_packet_defaults.timestamp_clock_id = pb.BUILTIN_CLOCK_MONOTONIC
    for name, k in names.items():
        first.interned_data.event_names.add(iid=k, name=name)
        track = builder.add_packet().track_descriptor
        track.uuid, track.name = k, name
    for k, name in enumerate(said):
        first.interned_data.debug_annotation_names.add(iid=k + 1, name=name)
    columns = [spans[name].tolist() for name in ("stage", "start_ns", "end_ns", *said)]
    for stage, start, end, *values in zip(*columns, strict=True):
        for kind, when in ((pb.TrackEvent.TYPE_SLICE_BEGIN, start),
                           (pb.TrackEvent.TYPE_SLICE_END, end)):  # fmt: skip
            packet = builder.add_packet()
            packet.timestamp = when
            packet.trusted_packet_sequence_id = 1
            packet.sequence_flags = pb.TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
            event = packet.track_event
            event.type, event.track_uuid = kind, names[stage]
            if kind == pb.TrackEvent.TYPE_SLICE_BEGIN:
                event.name_iid = names[stage]
                event.flow_ids.append(values[0] + 1)
                for k, value in enumerate(values):
                    event.debug_annotations.add(name_iid=k + 1, int_value=value)
    path.write_bytes(builder.serialize())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=10 * 60 * FPS * STAGES)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    run = made(options.spans)
    writers = {"liveprobe": export, "TraceProtoBuilder": by_the_package}
    times: dict[str, list[float]] = {name: [] for name in writers}
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.rounds):
            for name in sorted(writers, reverse=bool(turn % 2)):
                path = Path(folder) / name
                before = time.process_time()
                writers[name](run, path)
                times[name].append(time.process_time() - before)
                sizes[name] = path.stat().st_size
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, seconds in medians.items():
        print(
            f"{name:18} {seconds:6.2f} s CPU  {sizes[name] / 1e6:6.1f} MB"
            f"  {sizes[name] / options.spans:5.1f} bytes a span"
            f"  ({', '.join(f'{each:.2f}' for each in times[name])})"
        )
    ratio = medians["TraceProtoBuilder"] / medians["liveprobe"]
    print(f"ratio              {ratio:6.1f} times faster, {options.spans} spans, "
          f"medians of {options.rounds}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
