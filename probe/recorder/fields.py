"""What a field of a record can hold, and what becomes of a value that it cannot.

A program must behave under liveprobe as it does without. So a value of the wrong type or beyond 64
bits raises nothing: it is recorded as not said (NULL), with one line on stderr.
"""

from __future__ import annotations

import struct

from probe.recorder.notice import say_once
from probe.tape import FLAG_FLOAT, NULL

_FLOAT = struct.Struct("<d")
_BITS = struct.Struct("<q")


def whole(value: object) -> int:
    """Return `value` as an int64 (whatever has `__index__`), else NULL."""
    if value is None:
        return NULL
    try:
        number = int(value.__index__())  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        return unsaid(value, "an integer")
    if NULL <= number < -NULL:
        return number
    return unsaid(value, "within 64 bits")


def measured(value: object) -> tuple[int, int]:
    """Return (flags, bits) of the value of a mark: an int64, or else a float64's bits.

    The bits of -0.0 are those of NULL; it is recorded as 0.0.
    """
    if value is None or hasattr(value, "__index__"):
        return 0, whole(value)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return 0, unsaid(value, "a number")
    return FLAG_FLOAT, int(_BITS.unpack(_FLOAT.pack(number + 0.0))[0])


def unsaid(value: object, wanted: str) -> int:
    """Say once that a value is not what it should be; return NULL."""
    say_once("values", f"a {type(value).__name__} that is not {wanted} was left out of a record")
    return NULL
