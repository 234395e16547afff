"""What does HailoRT write into a monitor file? `ProtoMon`, described here at run time.

The numbers of the fields are those of HailoRT's scheduler_mon.proto (the same from 4.17 to 5.2), as
a serialised example shows them; number 5, which is zero there, is from the file itself. No value of
a real chip was at hand.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Final, NamedTuple

INFO: Final = "ProtoMonInfo"
CHIP: Final = "ProtoMonDeviceInfo"
STREAM: Final = "ProtoMonStreamFramesInfo"
NETWORK: Final = "ProtoMonNetworkFrames"
MONITOR: Final = "ProtoMon"
SCHEMA: Final = {
    INFO: (("network_name", 1, "string"), ("fps", 2, "double"), ("utilization", 3, "double")),
    CHIP: (("device_id", 1, "string"), ("utilization", 2, "double"), ("device_arch", 3, "string")),
    STREAM: (
        ("stream_name", 1, "string"), ("stream_direction", 2, "int32"),
        ("buffer_frames_size", 3, "int32"), ("pending_frames_count", 4, "int32"),
        ("min_pending_frames_count", 5, "int32"), ("max_pending_frames_count", 6, "int32"),
        ("avg_pending_frames_count", 7, "double"),
    ),
    NETWORK: (("network_name", 1, "string"), ("streams_frames_infos", 2, STREAM)),
    MONITOR: (
        ("pid", 1, "string"), ("networks_infos", 2, INFO), ("net_frames_infos", 3, NETWORK),
        ("device_infos", 4, CHIP),
    ),
}  # fmt: skip
"""Name, number and type of each field; a field whose type is a message may come many times. The
direction is an enumeration, which is an int32 on the wire."""
BEYOND_PERCENT: Final = 105.0
"""HailoRT divides two clock readings: a full second may come out as slightly more than one."""
FASTEST_PER_S: Final = 1e6
"""No chip gives so many frames a second; a model without outputs has the largest double."""
LONGEST_QUEUE: Final = 1_000_000
NAME_LENGTH: Final = 120


class Chip(NamedTuple):
    """A device: `occupancy` in percent of the time since the report before."""

    address: str
    architecture: str
    occupancy: float | None


class Model(NamedTuple):
    """A model (network group): frames a second of its slowest output, share of time in flight."""

    name: str
    rate: float | None
    occupancy: float | None


class Queue(NamedTuple):
    """A stream of a model: frames that wait, on average and at most, and room for how many."""

    model: str
    stream: str
    into_chip: bool
    mean: float | None
    longest: float | None
    capacity: int | None


class Document(NamedTuple):
    """One report of one process."""

    devices: tuple[Chip, ...]
    models: tuple[Model, ...]
    queues: tuple[Queue, ...]


def parse(data: bytes) -> Document | None:
    """Parse a monitor file; None for what is no complete report.

    A report without devices is one that is being written, or of a HailoRT before 4.17, whose third
    number of a model was something else: its models have no occupancy.
    """
    from google.protobuf.message import DecodeError

    message = _monitor_class()()
    try:
        message.ParseFromString(data)
    except (DecodeError, RuntimeError):
        return None
    if not message.pid:
        return None
    chips = tuple(
        Chip(_words(each.device_id), _words(each.device_arch), _percent(each.utilization))
        for each in message.device_infos
    )
    models = tuple(
        Model(
            _words(each.network_name),
            _within(each.fps, FASTEST_PER_S),
            _percent(each.utilization, len(chips)),
        )
        for each in message.networks_infos
    )
    queues = tuple(
        _queue(_words(network.network_name), each)
        for network in message.net_frames_infos
        for each in network.streams_frames_infos
    )
    return Document(chips, models, queues)


def _queue(model: str, stream: Any) -> Queue:  # noqa: ANN401 - a message that is made at run time
    capacity = stream.buffer_frames_size
    longest = stream.max_pending_frames_count
    return Queue(
        model,
        _words(stream.stream_name),
        stream.stream_direction == 0,
        _within(stream.avg_pending_frames_count, LONGEST_QUEUE),
        _within(float(longest), LONGEST_QUEUE),
        capacity if 0 < capacity <= LONGEST_QUEUE else None,
    )


def _within(value: float, most: float) -> float | None:
    """Return a number from 0 to `most`; -1 is HailoRT's word for none."""
    return value if math.isfinite(value) and 0 <= value <= most else None


def _percent(value: float, devices: int = 1) -> float | None:
    """Return a share of time; a model on several devices adds up their shares."""
    return _within(value, BEYOND_PERCENT * devices) if devices else None


def _words(text: str) -> str:
    """Return a name of the program's choosing as one short line."""
    return "".join(each if each.isprintable() else "?" for each in text[:NAME_LENGTH]).strip()


@functools.cache
def _monitor_class() -> Any:  # noqa: ANN401 - a class that is made at run time
    """Make the class of the outermost message; protobuf is imported when the first file is read."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    plain = {"string": kinds.TYPE_STRING, "double": kinds.TYPE_DOUBLE, "int32": kinds.TYPE_INT32}
    file = descriptor_pb2.FileDescriptorProto(name="hailo_monitor.proto", syntax="proto3")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for label, number, kind in fields:
            field = message.field.add(name=label, number=number)
            if kind in plain:
                field.type, field.label = plain[kind], kinds.LABEL_OPTIONAL
            else:
                field.type, field.label = kinds.TYPE_MESSAGE, kinds.LABEL_REPEATED
                field.type_name = f".{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(MONITOR))
