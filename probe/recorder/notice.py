"""What the recorder tells the user of a program: one line on stderr, once for each topic."""

from __future__ import annotations

import contextlib
import os

_said: set[str] = set()


def say_once(topic: str, message: str) -> None:
    """Print one line on stderr, once per process and topic; a closed stderr is no error."""
    if topic in _said:
        return
    _said.add(topic)
    with contextlib.suppress(OSError):
        os.write(2, f"liveprobe: {message}\n".encode(errors="replace"))
