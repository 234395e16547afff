"""Open a clip, hold its packets, and rehearse it: decode its beginning to learn how it plays.

Nothing that the container states is believed: frames are counted, rates come from the pictures'
times, and the depth of reordering is measured by decoding with the decoder that will play it.
"""

from __future__ import annotations

import itertools
import statistics
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av.error
from av.codec.context import Flags

from probe.errors import InputError
from probe.pipeline.clip import Clip, Coded, timed
from probe.pipeline.container import open_clip, prepare_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

PRELOAD_BYTES: Final = 256 * 2**20
"""Coded bytes that are held in memory; a longer clip is read from disk as it plays."""
PRELOAD_PACKETS: Final = 200_000
MEASURED_PACKETS: Final = 450
"""How many packets are decoded beforehand to learn depth and times (15 s at 30 fps)."""
_UNEVEN: Final = 0.05
"""Share of the frame period by which times may stray, beyond a tick, in a clip of constant rate."""
_LONGEST_LAST: Final = 10
"""A last picture that claims to last longer than this many others is not believed."""
_AGREES: Final = 0.005
"""The rate that the container states is used for its exactness where the times agree with it."""


def load(path: Path, threads: int) -> Clip:
    """Open a clip, hold its packets, and measure it.

    Raises `InputError` when no picture of it can be decoded.
    """
    container, stream = open_clip(path)
    prepare_decoder(stream.codec_context, threads)
    clip = Clip(path, container, stream, stream.time_base or Fraction(1, 90_000))
    packets = _preload(clip)
    untimed = not all(timed(packet) for packet in packets) or _repeated(packets)
    if untimed and clip.streamed:
        raise InputError(
            f"{path}: pictures have no times of their own, and the clip is too long to index",
            remedy="put it into a container with times: ffmpeg -i IN -c copy OUT.mp4",
        )
    if untimed:
        _time_by_decoding(clip, packets)
    else:
        clip.coded = [
            Coded(packet, packet.pts or 0, shown=not packet.is_discard) for packet in packets
        ]
    _measure(clip)
    _find_rate(clip)
    if clip.streamed:
        clip.coded.clear()
    return clip


def _preload(clip: Clip) -> list[Packet[Any]]:
    packets: list[Packet[Any]] = []
    held = 0
    try:
        for packet in clip.container.demux(clip.stream):
            if packet.size == 0:
                continue
            packets.append(packet)
            held += packet.size
            if held > PRELOAD_BYTES or len(packets) > PRELOAD_PACKETS:
                clip.streamed = True
                return packets[:MEASURED_PACKETS]
    except av.error.FFmpegError as error:
        clip.notes.append(f"reading stopped after {len(packets)} packets: {error.strerror}")
    if not packets:
        raise InputError(
            f"{clip.path}: its video stream holds no pictures",
            remedy="the file is cut off or damaged: copy it again",
        )
    return packets


def _repeated(packets: list[Packet[Any]]) -> bool:
    times = [packet.pts for packet in packets if not packet.is_discard]
    return len(set(times)) != len(times)


def _time_by_decoding(clip: Clip, packets: list[Packet[Any]]) -> None:
    """Give pictures the times that their packets lack: their order of display, at the stated rate.

    The decoder hands each packet's mark on to the picture that it makes, so that the order is the
    decoder's and no count of outputs is needed.
    """
    context = clip.context
    context.copy_opaque = True
    context.flags |= Flags.copy_opaque
    for number, packet in enumerate(packets):
        packet.opaque = number
    order = [
        picture.opaque
        for _, pictures, _ in _decode(context, packets)
        for picture in pictures
        if picture.opaque is not None
    ]
    context.flush_buffers()
    place = {number: k for k, number in enumerate(order)}
    rate = clip.stream.average_rate or clip.stream.guessed_rate or Fraction(25)
    clip.time_base = 1 / rate
    clip.coded = [
        Coded(packet, place.get(number, len(order) + number), shown=number in place)
        for number, packet in enumerate(packets)
    ]
    clip.notes.append("its pictures had no times of their own: the order of display was decoded")


def _decode(
    context: VideoCodecContext, packets: list[Packet[Any]]
) -> Iterator[tuple[int, list[VideoFrame], bool]]:
    """Yield after each packet its number from 1, its pictures, whether it failed; then the rest."""
    for count, packet in enumerate(packets, 1):
        try:
            yield count, context.decode(packet), False
        except av.error.FFmpegError:
            yield count, [], True
    try:
        yield len(packets) + 1, context.decode(None), False
    except av.error.FFmpegError:
        yield len(packets) + 1, [], True


def _measure(clip: Clip) -> None:
    """Decode the beginning (all of a VP8 clip, which has pictures that are never shown)."""
    hidden = clip.context.name.startswith("vp8")
    part = clip.coded if hidden else clip.coded[:MEASURED_PACKETS]
    whole = len(part) == len(clip.coded) and not clip.streamed
    for coded in part:
        coded.packet.pts = coded.pts
    seen: dict[int, int] = {}
    failed: set[int] = set()
    for count, pictures, broken in _decode(clip.context, [coded.packet for coded in part]):
        if broken and count <= len(part):
            failed.add(part[count - 1].pts)
        for picture in pictures:
            clip.first = clip.first or picture
            seen.setdefault(picture.pts or 0, count)
    clip.context.flush_buffers()
    if clip.first is None:
        raise InputError(
            f"{clip.path}: no picture could be decoded from {len(part)} packets "
            f"({clip.context.name})",
            remedy="the file is damaged or of an unknown kind: copy or convert it again",
        )
    if hidden:
        for coded in part:
            coded.shown = coded.shown and (coded.pts in seen or coded.pts in failed)
    clip.measured = len(part)
    clip.ticks = sorted(coded.pts for coded in clip.coded if coded.shown)
    clip.depth = _depth(part, seen, whole=whole)
    if not whole:
        clip.depth = max(clip.depth, clip.context.reorder_depth)


def _depth(part: list[Coded], seen: dict[int, int], *, whole: bool) -> int:
    shown = sorted(coded.pts for coded in part if coded.shown)
    fed = 0
    shown_after = {}
    for count, coded in enumerate(part, 1):
        fed += coded.shown
        shown_after[count] = fed
    end = len(part) + 1
    depth = 0
    for place, pts in enumerate(shown):
        after = seen.get(pts)
        if after == end:
            depth = max(depth, len(shown) - place if whole else 0)
        elif after is not None:
            depth = max(depth, shown_after[after] - 1 - place)
    return depth


def _find_rate(clip: Clip) -> None:
    """Learn the rate from the pictures' times; what the container states only refines it."""
    ticks = clip.ticks
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    stated = clip.stream.average_rate
    if not steps:
        clip.rate = stated or Fraction(25)
        clip.last_ticks = max(1, round(1 / (clip.rate * clip.time_base)))
        return
    median = statistics.median_low(steps)
    clip.variable = any(abs(step - median) > 1 + _UNEVEN * median for step in steps)
    mean = Fraction(ticks[-1] - ticks[0], len(steps))
    rate = 1 / (mean * clip.time_base)
    agrees = stated is not None and stated > 0 and abs(float(stated / rate) - 1) < _AGREES
    if stated is not None and stated > 0 and not agrees and not clip.variable:
        clip.notes.append(
            f"the container states {float(stated):.6g} fps, its pictures {float(rate):.6g}"
        )
    clip.rate = stated if agrees and stated is not None else rate.limit_denominator(1_000_000)
    clip.last_ticks = max(1, round(mean))
    if clip.variable:
        last = max((coded for coded in clip.coded if coded.shown), key=lambda coded: coded.pts)
        own = last.packet.duration or 0
        clip.last_ticks = own if 0 < own <= _LONGEST_LAST * median else max(1, median)
