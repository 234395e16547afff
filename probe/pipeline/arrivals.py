"""Packets of a camera or a network stream, stamped the moment they arrive.

A V4L2 camera was not seen on hardware; the kernel's virtual one was (vivid, Linux 6.1). Its path is
that of a stream, but for the schedule: the driver's timestamp where that is CLOCK_MONOTONIC, or the
arrival where the driver dates it later than that (vivid hands a frame out before its end).
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av.error
import numpy as np
from av.video.frame import VideoFrame

import probe
from probe.errors import InputError
from probe.pipeline.container import open_source, prepare_decoder
from probe.pipeline.pacing import SECOND_NS, now_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.container.input import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

    from probe.scenario import SourcePart

_SAME_CLOCK_NS: Final = 10 * SECOND_NS
"""A driver's timestamp further than this from CLOCK_MONOTONIC is of another clock."""
_JUMP_NS: Final = SECOND_NS
"""A pts further back than this begins a new count (a sender that started again)."""
_MOST_WAITING_BYTES: Final = 256 * 2**20
"""Packets that wait for the decoder; beyond, the source is given up: it cannot be followed."""
_POLL_S: Final = 0.1
_GREY: Final = 128


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet with its unwrapped pts, when it came, and when its frame was due."""

    packet: Packet[Any]
    pts: int
    arrived_ns: int
    scheduled_ns: int


class Arrivals:
    """Reads a live source in a thread of its own, so that a busy decoder delays no stamp.

    `period_ns` is a camera's frame period, by which gaps are found (None for a stream, which may
    vary). Raises `InputError` when the source cannot be opened.
    """

    def __init__(self, part: SourcePart, threads: int) -> None:
        self.part = part
        self.camera = part.kind == "camera"
        self.container, self.stream = _open(part)
        prepare_decoder(self.context, threads)
        self._depth = 0
        self.time_base = self.stream.time_base or Fraction(1, 1_000_000)
        rate = self.stream.average_rate or self.stream.guessed_rate
        asked = Fraction(part.fps).limit_denominator(1_000_000) if part.fps else None
        # What a camera agreed to counts: it may give less than it was asked for.
        self.rate = rate or asked if self.camera else asked or rate
        self.period_ns = float(SECOND_NS / self.rate) if self.camera and self.rate else None
        self.driver_clock = False
        self._offset = 0
        self._last: int | None = None
        self._count = 0
        self._waiting: queue.Queue[tuple[Packet[Any], int] | None] = queue.Queue()
        self._read_bytes = self._taken_bytes = 0  # one thread writes each
        self._wanted = threading.Event()
        self._over, self._ending = threading.Event(), threading.Lock()
        if self.camera:  # it runs since it was opened: what it takes before the start is let go
            self._begin_to_read()

    @property
    def depth(self) -> int:
        """How far packets come out of order, as far as the decoder knows by now; never less."""
        self._depth = max(self._depth, self.context.reorder_depth)
        return self._depth

    @property
    def context(self) -> VideoCodecContext:
        """The decoder."""
        return self.stream.codec_context

    def ticks_ns(self, ticks: int) -> int:
        """Return a difference of pts in ns."""
        return int(ticks * self.time_base * SECOND_NS)

    def packets(self, stop: threading.Event, over: Callable[[], bool]) -> Iterator[Arrival]:
        """Yield packets from the first key picture on, until the source ends or `stop` is set.

        A source that marks no key picture within its timeout is taken as it comes (it may refresh
        its picture bit by bit). While nothing comes, `over` is asked whether to go on waiting.
        """
        self._wanted.set()
        if not self.camera:
            self._begin_to_read()
        try:
            yield from self._taken(stop, over)
        finally:
            self._over.set()

    def _taken(self, stop: threading.Event, over: Callable[[], bool]) -> Iterator[Arrival]:
        begun, patient_ns = False, now_ns() + self.part.timeout
        last_ns = now_ns()
        while not stop.is_set():
            try:
                entry = self._waiting.get(timeout=_POLL_S)
            except queue.Empty:
                if over():
                    return
                if self.camera and now_ns() - last_ns > self.part.timeout:
                    self._end(f"it gave no picture for {self.part.timeout / SECOND_NS:g} s")
                    return
                continue
            if entry is None:
                return
            packet, arrived_ns = entry
            last_ns = arrived_ns
            self._taken_bytes += packet.size
            begun = begun or packet.is_keyframe or arrived_ns > patient_ns
            if begun:
                yield self._stamp(packet, arrived_ns)

    def blank(self) -> VideoFrame:
        """Return a grey picture of the size and format that the source states, to warm up on."""
        context = self.context
        if not (context.width and context.height):
            raise InputError(
                f"{self.container.name}: it does not say how large its pictures are",
                remedy="check that the source sends video that is complete (with its headers)",
            )
        picture = VideoFrame(context.width, context.height, context.pix_fmt or "yuv420p")
        for plane in picture.planes:
            np.frombuffer(plane, np.uint8)[:] = _GREY  # type: ignore[call-overload]
        return picture

    def fact(self) -> dict[str, Any]:
        """Return what the Run says about this source."""
        context = self.context
        return {
            "kind": self.part.kind,
            "width": context.width,
            "height": context.height,
            "fps": float(self.rate) if self.rate else None,
            "asked_fps": self.part.fps,
            "frames": None,
            "pixel_format": context.pix_fmt,
            "codec": context.name,
            "container": self.container.format.name,
            "range": {1: "limited", 2: "full"}.get(context.color_range),
            "rotation": 0,
            "reorder_depth": self.depth,
            "variable_rate": None,
            "preloaded": False,
            "schedule": "driver or arrival time" if self.camera else "arrival time",
        }

    def _read(self) -> None:
        why = "the source ended"
        try:
            for packet in self.container.demux(self.stream):
                if self._over.is_set():  # nobody takes what comes now, and it is no end to tell
                    return
                if self._read_bytes - self._taken_bytes > _MOST_WAITING_BYTES:
                    why = f"decoding fell {_MOST_WAITING_BYTES >> 20} MiB behind the source"
                    break
                if packet.size and self._wanted.is_set():
                    self._read_bytes += packet.size
                    self._waiting.put((packet, now_ns()))
        except av.error.FFmpegError as error:
            why = f"the source failed: {error.strerror}"
        self._end(why)
        self._waiting.put(None)

    def _begin_to_read(self) -> None:
        threading.Thread(target=self._read, name="arrivals", daemon=True).start()

    def _end(self, why: str) -> None:
        """Put on the tape why it ended: once, and only while somebody takes from it."""
        with self._ending:
            if not self._over.is_set():
                probe.mark("source_ended", text=why)
            self._over.set()

    def _stamp(self, packet: Packet[Any], arrived_ns: int) -> Arrival:
        pts = self._unwrapped(packet)
        if not self.camera or packet.pts is None:
            return Arrival(packet, pts, arrived_ns, arrived_ns)
        taken_ns = self.ticks_ns(packet.pts)
        self.driver_clock = abs(arrived_ns - taken_ns) < _SAME_CLOCK_NS and taken_ns <= arrived_ns
        return Arrival(packet, pts, arrived_ns, taken_ns if self.driver_clock else arrived_ns)

    def _unwrapped(self, packet: Packet[Any]) -> int:
        """Return a pts that does not jump back, when a sender starts again or has no times."""
        stated = packet.pts if packet.pts is not None else packet.dts
        self._count += 1
        if stated is None:
            return self._count
        pts = stated + self._offset
        if self._last is not None and self.ticks_ns(self._last - pts) > _JUMP_NS:
            self._offset += self._last - pts + 1
            pts = self._last + 1
        self._last = pts if self._last is None else max(pts, self._last)
        return pts


def _open(part: SourcePart) -> tuple[InputContainer, VideoStream]:
    timeout_s = part.timeout / SECOND_NS
    if part.kind == "stream":
        if part.url is None:
            raise InputError("a stream needs an address", remedy="set source.url")
        options = {"fflags": "nobuffer", "protocol_whitelist": _PROTOCOLS}
        return open_source(part.url, form=part.format, options=options, timeout_s=timeout_s)
    options = {}
    if part.size is not None:
        options["video_size"] = f"{part.size[0]}x{part.size[1]}"
    if part.fps is not None:
        options["framerate"] = f"{part.fps:g}"
    if part.format is not None:
        options["input_format"] = part.format
    return _open_camera(part.device, options, timeout_s)


def _open_camera(
    device: str, options: dict[str, str], timeout_s: float
) -> tuple[InputContainer, VideoStream]:
    """Open a V4L2 node and wait for its first picture, aside: a driver that has none holds us up.

    FFmpeg waits in the kernel and asks nobody; the thread ends with the process.
    """
    opened: list[tuple[InputContainer, VideoStream] | InputError] = []

    def wait() -> None:
        try:
            opened.append(open_source(device, form="v4l2", options=options, timeout_s=timeout_s))
        except InputError as error:
            opened.append(error)

    thread = threading.Thread(target=wait, name="camera", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not opened:
        raise InputError(
            f"{device}: it gave no picture within {timeout_s:g} s",
            remedy="check its cable and signal; source.timeout says how long to wait",
        )
    if isinstance(opened[0], InputError):
        raise opened[0]
    return opened[0]


_PROTOCOLS: Final = "rtsp,rtp,udp,tcp,http,https,tls,crypto,srtp"
"""What a stream may speak; never ``file:``, so that a hostile playlist reads nothing here."""
