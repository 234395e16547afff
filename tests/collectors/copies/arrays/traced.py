"""What a tracer sees of the first copy, at which the hooks are tested: this file alone."""

import sys
from types import FrameType

import numpy as np

seen = set()


def tracer(frame: FrameType, event: str, _: object) -> None:
    seen.add((event, frame.f_code.co_filename == __file__))


class Single(np.float32):
    """Made before the hooks of scalar types are in."""


sys.settrace(tracer)
sys.setprofile(tracer)
copied = np.zeros((300, 300), np.uint8).T.copy()
sys.setprofile(None)
sys.settrace(None)
print(sorted(seen))
print(type(np.float32.__new__(Single, 1.5)).__name__, Single(2.5))
