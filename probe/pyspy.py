"""One process of py-spy: started, told to end, and what it looked like from outside meanwhile.

py-spy does not say when it made its recording, to which all its times refer. What is seen here from
outside brackets that moment (`probe.stacks.clock`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probe import spent
from probe.kernel_file import integer, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_LOOK_S: Final = 0.25
"""How long its second thread is waited for; it comes within 10 ms on a machine that has time."""
LOOK_S: Final = 0.0002
SOON_S: Final = 0.8
"""How long the writing of its file is watched at once; 38 MiB of 20 threads took 0.6 s."""
END_S: Final = 2.2
LAST_S: Final = 0.5
YOUNG_S: Final = 1.0
"""How long it may take to write its file, since it was asked, when the run is over; how long it is
waited for in any case; and how much longer than it sampled it may take. A collector has 3 s for
that, and when it is stopped a reading or two that wait for the file may come before."""
LOG_BYTES: Final = 64 * 1024
LONGEST: Final = 200
SAMPLING: Final = "Sampling process"
"""What py-spy 0.4.3 prints when it has found the program's interpreter."""
TICK_S: Final = 0.01
"""What one unit of /proc/<pid>/stat means to user space on every Linux (USER_HZ is 100)."""
USER_FIELD: Final = 11
"""Place of utime among the fields after the name (proc(5): 14); stime comes next."""


class Recording:
    """A running py-spy, which writes `file` when it ends, and says what it has to say in `log`."""

    def __init__(self, words: Sequence[str], file: Path, log: Path) -> None:
        """Start it; raises `OSError` where the system does not let it start."""
        self.file, self.log = file, log
        # Before, for it may be far already when we come to look again.
        self.notes: dict[str, Any] = {"file": file.name, "started_ns": time.monotonic_ns()}
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [*words, "--output", os.fspath(file)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C", "RUST_BACKTRACE": "0"},
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.cpu_s = 0.0
        self._asked_ns: int | None = None
        self._wait_for_threads()

    @property
    def exit_code(self) -> int | None:
        """Return its exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    @property
    def said(self) -> str:
        """Return what it printed so far, as far as that is of a sensible length."""
        return read_text(self.log, LOG_BYTES) or ""

    def running(self) -> bool:
        """Say whether it runs; its CPU time is read before it is forgotten by the kernel."""
        if self.exit_code is not None:
            return False
        self._weigh()
        if not spent.ended(self._process):
            return True
        self.notes.update(ended_ns=time.monotonic_ns(), log=self.said[-LOG_BYTES:])
        return False

    def ask_to_end(self, patience_s: float = SOON_S) -> bool:
        """Ask it once to write its file, and watch that; say whether it has ended by then."""
        if not self.running():
            return True
        until_ns = time.monotonic_ns() + round(patience_s * 1e9)
        if self._asked_ns is None:
            self._asked_ns = time.monotonic_ns()
            self._signal(signal.SIGINT)
        while self._watched() and time.monotonic_ns() < until_ns:
            time.sleep(LOOK_S if "filled_ns" not in self.notes else 10 * LOOK_S)
        return not self.running()

    def end(self) -> None:
        """Ask it to write its file; one that takes too long is killed.

        What it has written by then is a recording that breaks off.
        """
        now = time.monotonic_ns()
        asked_ns = now if self._asked_ns is None else self._asked_ns
        sampled_s = (asked_ns - self.notes["started_ns"]) / 1e9
        left_s = min(END_S, sampled_s + YOUNG_S) - (now - asked_ns) / 1e9
        if not self.ask_to_end(max(LAST_S, left_s)):
            self._signal(signal.SIGKILL)
            spent.wait(self._process, LAST_S)  # or it hangs in the kernel
            self.notes.update(killed=True, ended_ns=time.monotonic_ns(), log=self.said[-LOG_BYTES:])

    @property
    def sampled(self) -> bool:
        """Say whether it got so far as to look at the program."""
        return SAMPLING in self.said

    @property
    def why(self) -> str:
        """Say how it ended, where it left no file."""
        if self.notes.get("killed"):
            return "py-spy did not write its file in time"
        code = self.exit_code
        if code is not None and code < 0:
            return f"py-spy was ended by signal {-code}"
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        return f"py-spy wrote no file: {lines[-1][:LONGEST]}" if lines else "py-spy wrote no file"

    def _signal(self, number: signal.Signals) -> None:
        """Signal it while its number is its own, for `send_signal` would take its end from us."""
        with suppress(ProcessLookupError):  # where SIGCHLD is ignored, none is waited for
            os.kill(self.pid, number)

    def _watched(self) -> bool:
        """Note what has become of its file; say whether it still runs."""
        now = time.monotonic_ns()
        if "filled_ns" not in self.notes:
            try:
                size = self.file.stat().st_size
            except OSError:
                self.notes["absent_ns"] = now
            else:
                if size:
                    self.notes["filled_ns"] = time.monotonic_ns()
        return self.running()

    def _wait_for_threads(self) -> None:
        until_ns = self.notes["started_ns"] + round(FIRST_LOOK_S * 1e9)
        while time.monotonic_ns() < until_ns:
            with suppress(OSError):
                if len(os.listdir(f"/proc/{self.pid}/task")) > 1:  # noqa: PTH208 - names alone
                    self.notes["threads_ns"] = time.monotonic_ns()
                    return
            if spent.ended(self._process):
                self.notes.update(ended_ns=time.monotonic_ns(), log=self.said[-LOG_BYTES:])
                return
            time.sleep(LOOK_S)

    def _weigh(self) -> None:
        """Read the CPU time that it used so far."""
        fields = (read_text(Path(f"/proc/{self.pid}/stat")) or "").rpartition(")")[2].split()
        ticks = [integer(each) for each in fields[USER_FIELD : USER_FIELD + 2]]
        known = [each for each in ticks if each is not None]
        if len(known) == len(ticks) == 2:  # noqa: PLR2004 - user and system time
            self.cpu_s = max(self.cpu_s, sum(known) * TICK_S)
