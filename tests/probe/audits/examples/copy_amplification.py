"""Each frame is copied and widened at full size before it is made smaller."""

from typing import Any

import numpy as np
from playing import plane, play


def fault(k: int, picture: Any) -> Any:
    whole = picture.to_ndarray()
    luma = whole[:720].astype(np.float32)  # fault
    return luma[::2, ::2].copy()


def remedy(k: int, picture: Any) -> Any:
    return plane(picture)[::2, ::2].astype(np.float32)


play(fault, remedy)
