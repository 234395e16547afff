"""How far is a run? Redrawn for a watcher, lines for a log, nothing while it measures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from probe.console.terminal import Terminal
    from probe.course import Progress

REDRAW_S: Final = 0.25
LINE_S: Final = 10.0
MEASURING: Final = "measuring"


class Display:
    """Shows the engine's `Progress`; a context manager that leaves the terminal clean.

    While the run is in its measured window nothing is drawn, so that the display does not disturb
    what is measured; ``--progress plain`` asks for lines there too.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._phase = ""
        self._repeat: tuple[int, int] | None = None
        self._next_s = 0.0
        self._status: Any = None
        mode = terminal.progress if terminal.verbosity >= 0 else "off"
        self._redraws = mode == "auto" and terminal.live
        self._lines = mode == "plain" or (mode == "auto" and not terminal.live)
        self._always = mode == "plain"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def __call__(self, progress: Progress) -> None:
        """Show one progress of the engine, if it is time to."""
        begins = (progress.phase.value, progress.repeat) != (self._phase, self._repeat)
        if begins:
            self._phase, self._repeat = progress.phase.value, progress.repeat
            self._stop()
            self._announce(progress)
        if self._phase == MEASURING and not self._always:
            return
        now = time.monotonic()
        if now < self._next_s and not begins:
            return
        self._next_s = now + (REDRAW_S if self._redraws else LINE_S)
        if self._redraws:
            self._redraw(progress)
        elif self._lines and not begins:
            self._terminal.say(text(progress))

    def _announce(self, progress: Progress) -> None:
        if not (self._redraws or self._lines):
            return
        if self._phase == MEASURING and not self._always:
            length = "" if progress.total_ns is None else f" for {progress.total_ns / 1e9:g} s"
            said = f"measuring{length}, quietly: a display would disturb it"
            self._terminal.say(_of_repeat(progress) + said)
        elif self._lines:
            self._terminal.say(text(progress))

    def _redraw(self, progress: Progress) -> None:
        if self._status is None:
            from rich.live import Live

            self._status = Live(console=self._terminal.console, auto_refresh=False, transient=True)
            self._status.start()
        self._status.update(text(progress), refresh=True)

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def text(progress: Progress) -> str:
    """Write one progress: ``repeat 2 of 5: soak 62 of 300 s: soc 61.2 C, still rising``.

    Of a single run that waits for nothing it is ``warm-up 2 of 5 s``.
    """
    elapsed = f"{_of_repeat(progress)}{progress.phase.value} {progress.elapsed_ns / 1e9:.0f}"
    total = "" if progress.total_ns is None else f" of {progress.total_ns / 1e9:g}"
    return f"{elapsed}{total} s" + (f": {progress.note}" if progress.note else "")


def _of_repeat(progress: Progress) -> str:
    return "" if progress.repeat is None else "repeat {} of {}: ".format(*progress.repeat)
