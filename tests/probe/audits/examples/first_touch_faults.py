"""Frames of 35 MB are made into new bytes each time: from 32 MiB on malloc keeps none."""

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
from playing import FRAMES, play

PR_SET_THP_DISABLE = 41
ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)  # a huge page faults once for 512
BUFFER = bytearray(8192 * 4320)
LUMA = np.frombuffer(BUFFER, np.uint8).reshape(4320, 8192)


def pictures() -> Iterator[Any]:
    ramp = np.arange(8192, dtype=np.uint8)
    picture = np.empty((4320, 8192), np.uint8)
    for k in range(FRAMES):
        np.add(ramp, np.uint8(k), out=picture)
        yield picture


def fault(k: int, picture: Any) -> Any:
    return picture.tobytes()  # fault


def remedy(k: int, picture: Any) -> Any:
    np.copyto(LUMA, picture)
    return BUFFER


play(fault, remedy, pictures)
