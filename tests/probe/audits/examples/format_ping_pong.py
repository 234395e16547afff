"""The luma becomes float32, and bytes again."""

from typing import Any

import numpy as np
from playing import plane, play


def fault(k: int, picture: Any) -> Any:
    values = plane(picture).astype(np.float32)
    return values.astype(np.uint8)  # fault


def remedy(k: int, picture: Any) -> Any:
    return np.ascontiguousarray(plane(picture))


play(fault, remedy)
