"""Encode what is shown, without delay: one picture in, one packet out."""

from __future__ import annotations

from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, cast

import av
import av.error
from av.codec.context import CodecContext, ThreadType
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from probe.errors import EnvironmentUnmet
from probe.pipeline.item import InvalidFrame, Item
from probe.pipeline.planes import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from av.container.output import OutputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from probe.scenario import EncodePart

TIME_BASE: Final = Fraction(1, 1_000_000)
KEY_EVERY_S: Final = 2
_LIVE: Final = {"preset": "ultrafast", "tune": "zerolatency"}
_FULL_RANGE: Final = 2
_WORST_CRF, _BEST_Q, _WORST_Q = 51, 2, 31
FRAGMENTS: Final = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "flush_packets": "1",
}
"""An MP4 of fragments can be played after a program was killed."""


class Encode:
    """x264 ultrafast, zerolatency, no B-frames, one thread; or motion JPEG.

    The encoder keeps the size that it was opened with: a picture of another size is scaled to it
    (H.264 in 4:2:0 has even sides, so an odd size grows by one).
    """

    name = "encode"

    def __init__(self, context: VideoCodecContext) -> None:
        self.context = context
        self._scaler = VideoReformatter()
        self._begun_ns: int | None = None
        self._last = -1
        self._wanted = (context.width, context.height, context.pix_fmt)
        if not context.is_open:
            context.open()

    def work(self, item: Item) -> Sequence[Item]:
        """Encode the frame's picture; its packets travel on with it."""
        if item.picture is None:
            raise InvalidFrame("no picture")
        picture = self._fitting(item.picture)
        picture.pts = self._time(item.scheduled_ns)
        picture.time_base = TIME_BASE
        # A decoded picture brings its own type along, which x264 would obey.
        picture.pict_type = PictureType.NONE
        item.coded = self.context.encode(picture)
        item.bytes = sum(packet.size for packet in item.coded)
        return (item,)

    def finish(self) -> Sequence[Item]:
        """Hold nothing: zerolatency gives each packet at once."""
        return ()

    def _fitting(self, picture: VideoFrame) -> VideoFrame:
        if (picture.width, picture.height, picture.format.name) == self._wanted:
            return picture
        return self._scaler.reformat(
            picture,
            width=self.context.width,
            height=self.context.height,
            format=self.context.pix_fmt,
            interpolation="BILINEAR",
            dst_color_range=_FULL_RANGE if self.context.name == "mjpeg" else None,
            threads=1,
        )

    def _time(self, scheduled_ns: int) -> int:
        if self._begun_ns is None:
            self._begun_ns = scheduled_ns
        self._last = max(self._last + 1, (scheduled_ns - self._begun_ns) // 1000)
        return self._last


def open_encoder(part: EncodePart, picture: VideoFrame, rate: Fraction) -> VideoCodecContext:
    """Return an encoder that is not yet open, for pictures like `picture`."""
    name = "libx264" if part.codec == "h264" else "mjpeg"
    context = cast("VideoCodecContext", CodecContext.create(name, "w"))
    set_up(context, part, picture, rate)
    return context


def set_up(
    context: VideoCodecContext, part: EncodePart, picture: VideoFrame, rate: Fraction
) -> None:
    """Set an encoder's size, format and options for pictures like `picture`."""
    h264 = part.codec == "h264"
    context.width = picture.width + (picture.width & 1 if h264 else 0)
    context.height = picture.height + (picture.height & 1 if h264 else 0)
    name = picture.format.name if picture.format.name in PLAIN else "yuv420p"
    context.pix_fmt = name if h264 else "yuvj420p"
    context.color_range = picture.color_range if h264 else _FULL_RANGE
    context.colorspace = picture.colorspace
    context.time_base = TIME_BASE
    context.framerate = rate
    context.thread_count = 1
    context.thread_type = ThreadType.NONE
    if h264:
        context.max_b_frames = 0
        context.gop_size = max(1, round(rate * KEY_EVERY_S))
        context.options = {**_LIVE, "crf": str(part.crf)}
    else:
        quality = _BEST_Q + round((_WORST_Q - _BEST_Q) * part.crf / _WORST_CRF)
        context.qmin = context.qmax = quality


class Film:
    """An MP4 in the Run's folder, written as packets come.

    Raises `EnvironmentUnmet` when it cannot be written: a full disk, a folder without permission.
    """

    def __init__(self, path: Path, part: EncodePart, picture: VideoFrame, rate: Fraction) -> None:
        self.path = path
        self._container: OutputContainer = av.open(str(path), "w", format="mp4", options=FRAGMENTS)
        name = "libx264" if part.codec == "h264" else "mjpeg"
        self._stream = cast("VideoStream", self._container.add_stream(name, rate=rate))
        set_up(self._stream.codec_context, part, picture, rate)
        self._stream.time_base = TIME_BASE
        with self._writing():
            self._container.start_encoding()

    @property
    def context(self) -> VideoCodecContext:
        """The encoder whose packets go into the film."""
        return self._stream.codec_context

    def write(self, packets: Sequence[Any]) -> None:
        """Add packets."""
        with self._writing():
            for packet in packets:
                packet.stream = self._stream
                self._container.mux(packet)

    def close(self) -> None:
        """Finish the file."""
        with self._writing():
            self._container.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, av.error.FFmpegError) as error:
            raise EnvironmentUnmet(
                f"{self.path}: cannot be written: {error.strerror}",
                remedy="make room on the disk, or choose another folder with -o",
            ) from error


def fact(part: EncodePart, place: str, context: VideoCodecContext | None) -> dict[str, Any]:
    """Return what the Run says about encoding; `place` is where it truly stands."""
    stated: dict[str, Any] = {"place": place, "asked": part.place, "codec": part.codec}
    if part.codec == "h264":
        stated["options"] = {**_LIVE, "crf": part.crf}
    if place != part.place:
        stated["reason"] = "a file takes coded pictures"
    if context is not None:
        stated.update(
            width=context.width,
            height=context.height,
            pixel_format=context.pix_fmt,
            threads=1,
            b_frames=0,
        )
    return stated
