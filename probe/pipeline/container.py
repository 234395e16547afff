"""How is a media file opened that somebody hostile may have made? With limits, and no network."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING, Any, Final

import av
import av.error
from av.codec.context import CodecContext, ThreadType
from av.stream import Disposition

from probe.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from av.container.input import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

LARGEST_SIDE: Final = 8192
LARGEST_PICTURE: Final = LARGEST_SIDE * LARGEST_SIDE
"""Pixels; decoders refuse more (FFmpeg's max_pixels), whatever a stream says midway."""
_NOT_VIDEO: Final = frozenset({"tty", "image2", "concat", "hls", "dash", "lavfi", "webvtt"})
"""Demuxers that make pictures of text, of single files, or that open further files by name."""
_CAMERA: Final = {
    errno.EACCES: "let this user read it: group video (sudo usermod -aG video $USER, log in again)",
    errno.EBUSY: "another program has the camera: end it (fuser -v names it)",
    errno.ENOENT: "set source.device to the camera's node: `liveprobe doctor` names the cameras",
    errno.EINVAL: "ask for what it offers (v4l2-ctl --list-formats-ext) in source.format and .size",
}
_TRY: Final = "check it with a player, or convert it: ffmpeg -i IN -c:v libx264 OUT.mp4"


def open_clip(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open a clip and choose its first real video stream.

    Raises `InputError` when it is missing, no regular file, empty, no media, or has no video.
    Only the file itself is opened: no playlists, no protocols but ``file:``.
    """
    _regular(path)
    try:
        container = av.open(
            f"file:{path.absolute()}",
            options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except av.error.FFmpegError as error:
        raise InputError(
            f"{path}: not a readable video file ({_reason(error)})", remedy=_TRY
        ) from error
    try:
        return container, _video_stream(container, str(path))
    except InputError:
        container.close()
        raise


def open_source(
    url: str, *, form: str | None, options: dict[str, str], timeout_s: float
) -> tuple[InputContainer, VideoStream]:
    """Open a camera or a network stream; raises `InputError` when it gives nothing in time."""
    try:
        container = av.open(
            url,
            format=form,
            options=options,
            metadata_errors="replace",
            timeout=(timeout_s, timeout_s),
        )
    except av.error.FFmpegError as error:
        raise InputError(
            f"{url}: cannot be opened ({_reason(error)})", remedy=_remedy(form, error)
        ) from error
    try:
        return container, _video_stream(container, url)
    except InputError:
        container.close()
        raise


def prepare_decoder(context: VideoCodecContext, threads: int) -> None:
    """Set up a decoder that holds back no picture longer than the order of the pictures asks.

    Frame threading would delay each picture by the number of threads, so slices are the only
    threads; dav1d is told the same in its own words.
    """
    context.thread_type = ThreadType.SLICE
    context.thread_count = threads
    options = {"max_pixels": str(LARGEST_PICTURE)}
    if context.name == "libdav1d":
        options["max_frame_delay"] = "1"
    context.options = options


def _regular(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or 'cannot be read'}", remedy="check the path of the clip"
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: a directory, not a clip", remedy="name one file inside it")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: not a regular file", remedy="for a device set source.kind")
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty", remedy="copy or download the clip again")


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    if _NOT_VIDEO & set(container.format.name.split(",")) or container.format.name.endswith(
        "_pipe"
    ):
        raise InputError(f"{name}: not a video ({container.format.long_name})", remedy=_TRY)
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        kinds: list[str] = sorted({stream.type for stream in container.streams}) or ["nothing"]
        raise InputError(
            f"{name}: no video stream (it holds {', '.join(kinds)})", remedy="choose a video clip"
        )
    stream = streams[0]
    _decodable(stream, name)
    return stream


def _decodable(stream: VideoStream, name: str) -> None:
    context: Any = stream.codec_context
    if not isinstance(context, CodecContext):
        raise InputError(f"{name}: no decoder for its video stream", remedy=_TRY)
    width, height = stream.codec_context.width, stream.codec_context.height
    if max(width, height) > LARGEST_SIDE:
        raise InputError(
            f"{name}: pictures of {width}x{height} are over the limit of "
            f"{LARGEST_SIDE}x{LARGEST_SIDE}",
            remedy="scale the clip down first",
        )


def _remedy(form: str | None, error: av.error.FFmpegError) -> str:
    camera = _CAMERA.get(error.errno or 0) if form == "v4l2" else None
    return camera or "check that it is on and reachable; source.timeout says how long to wait"


def _reason(error: av.error.FFmpegError) -> str:
    return error.strerror or type(error).__name__
