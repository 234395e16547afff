"""What `probe.stage`, `probe.frame` and `probe.mark` do when nobody listens: nothing.

The signatures are those of the recorder, and a stage keeps what is assigned to it, so that a
program that reads a value back behaves the same with and without liveprobe. What stands here is
used where the C extension was not built.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["frame", "mark", "stage"]


class Silence:
    """A stage that nobody records; it holds its attributes and does nothing with them."""

    __slots__ = ("bytes_in", "bytes_out", "frame", "queue_ns")

    frame: int | None
    queue_ns: int | None
    bytes_in: int | None
    bytes_out: int | None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let an exception pass."""


# A plain function that fills slots costs a third less than a class with __init__.
def stage(  # noqa: D103 - documented in probe.recorder.pen, whose signatures these are
    name: str,  # noqa: ARG001
    frame: int | None = None,
    *,
    queue_ns: int | None = None,
    bytes_in: int | None = None,
    bytes_out: int | None = None,
) -> Silence:
    silence = Silence()
    silence.frame = frame
    silence.queue_ns = queue_ns
    silence.bytes_in = bytes_in
    silence.bytes_out = bytes_out
    return silence


def frame(
    k: int,
    *,
    scheduled_ns: int | None = None,  # noqa: ARG001
    captured_ns: int | None = None,  # noqa: ARG001
    pts_ns: int | None = None,  # noqa: ARG001
    source_index: int | None = None,  # noqa: ARG001
) -> int:
    """Return `k`."""
    return k


def mark(
    name: str,
    frame: int | None = None,
    *,
    t_ns: int | None = None,
    value: float | None = None,
    stage: str | None = None,
    output: int | None = None,
    text: str | None = None,
) -> None:
    """Do nothing."""


if os.environ.get("LIVEPROBE_RECORDER") != "python":
    # A C recorder that nobody connected is as silent, at a third of the cost.
    try:  # noqa: SIM105 - importing contextlib would cost more than all the rest here
        from probe.recorder._pen import frame, mark, stage  # type: ignore[assignment]
    except ImportError:
        pass
