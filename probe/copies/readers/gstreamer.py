"""What does GStreamer say of its own copies? The log of its category GST_PERFORMANCE.

With ``GST_DEBUG=GST_PERFORMANCE:5`` a pipeline logs each plane that it copies because a buffer did
not fit ("copy plane 0, w:322 h:240"; the width is in bytes) and each merge of a buffer's memories
("copy for merge"). Conversions are not in it. Lines begin with the time since `gst_init`, the pid
and the address of the thread; the log is anchored at the file's last write, so that its times are
good to some milliseconds.

Source: video-frame.c and gstbuffer.c of GStreamer 1.22, whose logs this was run on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

PATTERN: Final = "gstreamer*.log"
"""Logs in a tape folder."""
MOST_LINES: Final = 2_000_000
COLUMNS: Final = ("pid", "t_ns", "rows", "row_bytes", "bytes", "detail")
_LINE: Final = re.compile(
    r"^(?:\x1b\[[\d;]*m)*(\d+):(\d\d):(\d\d)\.(\d{9})\s+"  # time since gst_init
    r"(?:\x1b\[[\d;]*m)*\s*(\d+)(?:\x1b\[[\d;]*m)*\s+0x[0-9a-f]+\s.*?GST_PERFORMANCE\s+(.*)$"
)
_BEGIN: Final = re.compile(rb"^(?:\x1b\[[\d;]*m)*\d+:\d\d:\d\d\.\d{9}\s", re.MULTILINE)
_PLANE: Final = re.compile(r"copy plane (\d+), w:(\d+) h:(\d+)")
_MERGE: Final = re.compile(r"copy for merge|memory merge|merging? .*bytes")


def is_log(head: bytes) -> bool:
    """Say whether a file that begins with `head` is a log of GStreamer, of any category."""
    return _BEGIN.search(head) is not None


def read(file: Path, wall_to_monotonic_ns: int = 0) -> pd.DataFrame:
    """Return the copies that a log tells of, one row each, columns `COLUMNS`.

    `wall_to_monotonic_ns` is added to the file's time of last write (CLOCK_REALTIME). A merge tells
    no bytes: they are null. Lines of other kinds are passed over; raises `OSError` only.
    """
    told: list[tuple[int, int, int | None, int | None, int | None, str]] = []
    last = 0
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines):
            if number >= MOST_LINES:
                break
            found = _LINE.match(line)
            if found is None:
                continue
            hours, minutes, seconds, rest, pid, message = found.groups()
            last = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 10**9 + int(rest)
            told += _told(int(pid), last, message)
    began_ns = file.stat().st_mtime_ns - last + wall_to_monotonic_ns
    rows = [(pid, began_ns + since, *more) for pid, since, *more in told]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {key: "string" if key == "detail" else "Int64" for key in COLUMNS}
    )


def _told(
    pid: int, since: int, message: str
) -> list[tuple[int, int, int | None, int | None, int | None, str]]:
    plane = _PLANE.search(message)
    if plane is not None:
        index, row_bytes, rows = (int(text) for text in plane.groups())
        detail = f"GStreamer copies plane {index}"
        return [(pid, since, rows, row_bytes, rows * row_bytes, detail)]
    if _MERGE.search(message):
        return [(pid, since, None, None, None, "GStreamer merges the memories of a buffer")]
    return []
