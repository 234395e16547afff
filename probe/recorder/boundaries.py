"""Tells the copy interposer where a stage on a frame begins and ends, in its deep mode.

The interposer (`collectors/copies/deep.c`) exports two functions to whoever looks for them. Nobody
looks unless ``LIVEPROBE_COPIES=deep``; `_pen.c` finds the same two.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Boundaries(NamedTuple):
    """The interposer's functions, called with the interpreter lock held."""

    enter: Callable[[bytes, int], None]
    end: Callable[[], None]

    def begin(self, name: object, frame: object) -> bool:
        """Tell that a stage begins; False where its name or its frame cannot be told."""
        if not isinstance(name, str) or frame is None:
            return False
        try:
            number = int(frame.__index__())  # type: ignore[attr-defined]
            self.enter(name.encode(), min(max(number, -(2**63)), 2**63 - 1))
        except (AttributeError, TypeError, ValueError):
            return False
        return True


def boundaries_of_process() -> Boundaries | None:
    """Return the functions of an interposer in deep mode, None where there is none."""
    if os.environ.get("LIVEPROBE_COPIES") != "deep":
        return None
    import ctypes

    process = ctypes.PyDLL(None)
    try:
        enter, end = process.liveprobe_stage_enter, process.liveprobe_stage_exit
    except AttributeError:
        return None
    enter.argtypes, enter.restype = [ctypes.c_char_p, ctypes.c_int64], None
    end.argtypes, end.restype = [], None
    return Boundaries(enter, end)
