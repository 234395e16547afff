"""The loop that the examples share: frames of the built-in clip, marked, worked on, and hashed.

An example is run as ``python example.py fault|remedy CLIP``: its two functions do the same work,
and print the same hash.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

import probe

FRAMES = 8
Work = Callable[[int, Any], Any]


def pictures() -> Iterator[Any]:
    """Yield the first frames of the clip: yuv420p, 1280 x 720."""
    with av.open(sys.argv[2]) as clip:
        for k, picture in enumerate(clip.decode(video=0)):
            if k == FRAMES:
                return
            yield picture


def play(fault: Work, remedy: Work, source: Callable[[], Iterator[Any]] = pictures) -> None:
    """Give each frame to the function that was asked for; print the hash of all it returns."""
    work = {"fault": fault, "remedy": remedy}[sys.argv[1]]
    digest = hashlib.sha256()
    frames = source()
    for k in range(FRAMES):
        probe.frame(k, scheduled_ns=time.perf_counter_ns())
        with probe.stage("decode", frame=k) as step:
            picture = next(frames)
            step.bytes_out = decoded_bytes(picture)
        with probe.stage("work", frame=k):
            result = work(k, picture)
        digest.update(result)
        probe.mark("delivered", frame=k)
    print(digest.hexdigest())


def decoded_bytes(picture: Any) -> int:
    """Return the bytes of a decoded picture without padding."""
    if isinstance(picture, np.ndarray):
        return int(picture.nbytes)
    return int(picture.width * picture.height * 3 // 2)


def plane(picture: Any, number: int = 0, pixel_bytes: int = 1) -> NDArray[np.uint8]:
    """Return a plane as a view (height, width in bytes), whatever its stride."""
    found = picture.planes[number]
    rows = np.frombuffer(found, np.uint8).reshape(-1, found.line_size)
    return rows[: found.height, : found.width * pixel_bytes]
