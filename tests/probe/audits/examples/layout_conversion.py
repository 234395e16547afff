"""A picture is reordered to channels first by hand; the model could do it by a node of its own."""

from typing import Any

import models
import numpy as np
from av.video.reformatter import VideoReformatter
from playing import plane, play

SCALER = VideoReformatter()
PLAIN = models.pooling("NCHW")
TRANSPOSING = models.pooling("NHWC")


def fault(k: int, picture: Any) -> Any:
    tensor = np.ascontiguousarray(scaled(picture).transpose(2, 0, 1))  # fault
    return PLAIN.run(None, {"pixels": tensor[np.newaxis]})[0]


def remedy(k: int, picture: Any) -> Any:
    return TRANSPOSING.run(None, {"pixels": scaled(picture)[np.newaxis]})[0]


def scaled(picture: Any) -> Any:
    small = SCALER.reformat(picture, width=640, height=360, format="rgb24")
    return plane(small, pixel_bytes=3).reshape(360, 640, 3)


play(fault, remedy)
