"""Rows of 1,950 bytes lie in memory with padding, and are copied to drop it."""

from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from playing import plane, play

SCALER = VideoReformatter()
TENSOR = np.empty((366, 1950), np.float32)
SCALE = np.float32(1 / 255)


def fault(k: int, picture: Any) -> Any:
    rows = np.ascontiguousarray(scaled(picture))  # fault
    return np.multiply(rows, SCALE, out=TENSOR)


def remedy(k: int, picture: Any) -> Any:
    return np.multiply(scaled(picture), SCALE, out=TENSOR)


def scaled(picture: Any) -> Any:
    small = SCALER.reformat(picture, width=650, height=366, format="rgb24")
    return plane(small, pixel_bytes=3)


play(fault, remedy)
