"""Pixels are widened to float32 for the model, which could take them as they are."""

from typing import Any

import models
import numpy as np
from av.video.reformatter import VideoReformatter
from onnx import TensorProto
from playing import plane, play

SCALER = VideoReformatter()
WIDE = models.pooling("NHWC", TensorProto.FLOAT)
NARROW = models.pooling("NHWC")


def fault(k: int, picture: Any) -> Any:
    return WIDE.run(None, {"pixels": scaled(picture).astype(np.float32)})[0]  # fault


def remedy(k: int, picture: Any) -> Any:
    return NARROW.run(None, {"pixels": scaled(picture)})[0]


def scaled(picture: Any) -> Any:
    small = SCALER.reformat(picture, width=640, height=360, format="rgb24")
    return plane(small, pixel_bytes=3).reshape(1, 360, 640, 3)


play(fault, remedy)
