"""The Run as a Perfetto trace, for https://ui.perfetto.dev and its trace processor.

Below the program stand a track for each stage (and thread, where a stage has several) with a slice
for each execution, instants for scheduled, delivered and presented pictures and for fates, and a
counter for each line that was sampled. A flow follows each frame through its slices and instants.
Copies are instants on the tracks of their threads, with bytes and lines, each with an arrow from
the copy that wrote what it read.
All times are CLOCK_MONOTONIC, tied to wall time by clock snapshots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe.export import whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

    from probe.export.perfetto.story import Story
    from probe.store import Run

SUFFIX: Final = ".pftrace"
DESCRIPTION: Final = "a trace for ui.perfetto.dev: stages, frames, queues and sensors on one clock"


def export(run: Run, path: Path) -> None:
    """Write the trace to the file `path`. Raises `EnvironmentUnmet` when the disk does not take it.

    Rows without a time, samples without a value, and spans that end before they start cannot be
    drawn and are left out; where a nanosecond value or a count is missing, so is its annotation.
    """
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

    from probe.export.perfetto.story import Story

    story = Story(run)
    story.tell()
    head = pb.Trace(packet=list(_head(story)))
    with whole(path) as partial, partial.open("wb") as file:
        file.write(head.SerializeToString())
        for body in story.bodies:
            file.write(body.data)


def _head(story: Story) -> Iterator[pb.TracePacket]:
    """Yield what must come first: clocks, defaults and names, descriptions, the Run's identity."""
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

    from probe.export.perfetto.events import NEEDS_STATE, SEQUENCE

    manifest = story.run.manifest
    yield from _clocks(manifest.get("clocks") or {})
    about = _identity(manifest, track=story.tracks.line("run"))
    first = pb.TracePacket(trusted_packet_sequence_id=SEQUENCE, first_packet_on_sequence=True)
    first.sequence_flags = pb.TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
    first.trace_packet_defaults.timestamp_clock_id = pb.BUILTIN_CLOCK_MONOTONIC
    first.interned_data.CopyFrom(story.words.data())
    yield first
    for track in story.tracks.descriptions:
        yield pb.TracePacket(trusted_packet_sequence_id=SEQUENCE, track_descriptor=track)
    about.trusted_packet_sequence_id, about.sequence_flags = SEQUENCE, NEEDS_STATE
    yield about


def _clocks(clocks: Mapping[str, Any]) -> Iterator[pb.TracePacket]:
    """Yield a snapshot of monotonic and wall time for start and end."""
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

    for when in ("start", "end"):
        monotonic, wall = clocks.get(f"{when}_monotonic_ns"), clocks.get(f"{when}_wall_ns")
        if isinstance(monotonic, int) and isinstance(wall, int):
            packet = pb.TracePacket()
            packet.clock_snapshot.primary_trace_clock = pb.BUILTIN_CLOCK_MONOTONIC
            for identity, time in (
                (pb.BUILTIN_CLOCK_MONOTONIC, monotonic),
                (pb.BUILTIN_CLOCK_REALTIME, wall),
            ):
                packet.clock_snapshot.clocks.add(clock_id=identity, timestamp=max(time, 0))
            yield packet


def _identity(manifest: Mapping[str, Any], track: int) -> pb.TracePacket:
    """Return an instant at the start that says what was measured, where and by what."""
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

    from probe.export.perfetto.tracks import clean

    packet = pb.TracePacket()
    packet.timestamp = max(int((manifest.get("clocks") or {}).get("start_monotonic_ns") or 0), 0)
    event = packet.track_event
    event.type, event.track_uuid, event.name = pb.TrackEvent.TYPE_INSTANT, track, "liveprobe"
    scenario, device = manifest.get("scenario") or {}, manifest.get("device") or {}
    facts = {key: manifest.get(key) for key in ("liveprobe", "id", "state", "mode", "created")}
    facts |= {"scenario": scenario.get("name"), "custom": scenario.get("custom")}
    facts |= {f"device.{key}": device.get(key) for key in ("name", "board", "soc", "cpu", "kernel")}
    for key, value in facts.items():
        if value is not None:
            event.debug_annotations.add(name=key, string_value=clean(value))
    return packet
