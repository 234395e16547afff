"""Pixels are widened to float32 before they are scaled, in a pass of its own."""

from typing import Any

import numpy as np
from playing import plane, play

TENSOR = np.empty((720, 1280), np.float32)
SCALE = np.float32(1 / 255)


def fault(k: int, picture: Any) -> Any:
    values = plane(picture).astype(np.float32)  # fault
    return np.multiply(values, SCALE, out=TENSOR)


def remedy(k: int, picture: Any) -> Any:
    return np.multiply(plane(picture), SCALE, out=TENSOR)


play(fault, remedy)
