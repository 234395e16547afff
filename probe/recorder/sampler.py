"""Lets the harness's sampler look into this process, where Yama leaves that to ancestors alone.

Only while sampling was asked for: then the harness names itself in `LIVEPROBE_PTRACER`. The kernel
then lets in that process and its descendants, of which py-spy is one (prctl(2), PR_SET_PTRACER).
The interposer does the same where it is preloaded. A forked child has to say it anew.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

VARIABLE: Final = "LIVEPROBE_PTRACER"
PR_SET_PTRACER: Final = 0x59616D61
MOST_PID: Final = 2**22
"""The highest process id that Linux gives."""


def let_in() -> None:
    """Let the process in that the variable names; nothing happens without one, or without Yama."""
    said = os.environ.get(VARIABLE, "")
    if not (said.isascii() and said.isdecimal() and 0 < int(said[:10]) <= MOST_PID):
        return
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):  # a C library without it: the sampler says why it cannot
        return
    prctl(PR_SET_PTRACER, ctypes.c_ulong(int(said[:10])), 0, 0, 0)
