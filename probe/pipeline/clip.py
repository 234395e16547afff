"""What is in a clip? Its packets, its pictures' times, and how far its decoder is fed ahead."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av.error

import probe
from probe.errors import InputError
from probe.pipeline.container import open_clip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container.input import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


_LARGEST_PTS: Final = 2**53
"""Ticks; a clip that claims more would overflow a decoder's times after some loops."""


_MATRICES: Final = {1: "BT.709", 5: "BT.601", 6: "BT.601", 9: "BT.2020", 10: "BT.2020"}
_ASSUMED: Final = "not stated, taken as BT.601"
"""What libswscale does with such a picture, whatever its size; a player may take HD for BT.709."""


def timed(packet: Packet[Any]) -> bool:
    """Tell whether a packet has a time that can be played."""
    return packet.pts is not None and abs(packet.pts) <= _LARGEST_PTS


@dataclass(slots=True)
class Coded:
    """A packet of a clip: its pts, and whether a picture of it is to be shown."""

    packet: Packet[Any]
    pts: int
    shown: bool = True


@dataclass
class Clip:
    """A clip, opened and measured. `coded` is empty where the clip is streamed from disk.

    `ticks` are the pts of its first pictures in the order of display, `depth` the number of packets
    that its decoder needs beyond a picture's own place before it gives that picture.
    """

    path: Path
    container: InputContainer
    stream: VideoStream
    time_base: Fraction
    coded: list[Coded] = field(default_factory=list)
    streamed: bool = False
    ticks: list[int] = field(default_factory=list)
    depth: int = 0
    rate: Fraction = Fraction(25)
    variable: bool = False
    first: VideoFrame | None = None
    measured: int = 0
    last_ticks: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def context(self) -> VideoCodecContext:
        """The decoder, flushed and ready."""
        return self.stream.codec_context

    def first_picture(self) -> VideoFrame:
        """Return the first picture that could be decoded; `load` sees to it that there is one."""
        if self.first is None:
            raise InputError(f"{self.path}: no picture", remedy="copy or convert the clip again")
        return self.first

    def packets(self) -> Iterator[Coded]:
        """Yield the packets of one pass through the clip, in the order of decoding."""
        if not self.streamed:
            yield from self.coded
            return
        container, stream = open_clip(self.path)
        try:
            for packet in container.demux(stream):
                if packet.size and timed(packet):
                    yield Coded(packet, packet.pts or 0, shown=not packet.is_discard)
        except av.error.FFmpegError as error:
            probe.mark("source_damaged", text=f"a pass ended early: {error.strerror}")
        finally:
            container.close()

    def fact(self) -> dict[str, Any]:
        """Return what the Run says about this source."""
        picture = self.first
        stated = self.stream.average_rate
        return {
            "kind": "clip",
            "width": picture.width if picture else None,
            "height": picture.height if picture else None,
            "fps": float(self.rate),
            "frames": None if self.streamed else len(self.ticks),
            "pixel_format": picture.format.name if picture else None,
            "codec": self.context.name,
            "container": self.container.format.name,
            "range": {1: "limited", 2: "full"}.get(picture.color_range if picture else 0),
            "matrix": _MATRICES.get(picture.colorspace if picture else 2, _ASSUMED),
            "rotation": picture.rotation if picture else 0,
            "reorder_depth": self.depth,
            "reorder_measured_on": self.measured,
            "variable_rate": self.variable,
            "preloaded": not self.streamed,
            "stated": {"frames": self.stream.frames, "fps": float(stated) if stated else None},
            "notes": self.notes,
        }
