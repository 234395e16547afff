"""How is `hailo_platform` asked, in a process of its own?

`asked.py` is run by a Python that has it: this one, or the distribution's. In a captured tree the
recording `hailo_platform` holds one answer.
"""

from __future__ import annotations

import importlib.util
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from probe import spent
from probe.errors import NoData
from probe.tool import GONE_WAIT_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGE: Final = "hailo_platform"
DISTRIBUTION_PYTHON: Final = Path("/usr/bin/python3")
DISTRIBUTION_PACKAGES: Final = Path("/usr/lib/python3/dist-packages")
"""Where python3-hailort puts it: a virtual environment mostly does not see it."""
SCRIPT: Final = Path(__file__).with_name("asked.py")
MOST_BYTES: Final = 1 << 16
END_S: Final = 1.0
"""An answer takes milliseconds, and the interpreter ends soon after."""


class Asked(Protocol):
    """Who is asked; `timed` where the times of the answers are of this machine's clock."""

    timed: bool

    def ask(self) -> None:
        """Put the question."""

    def lines(self) -> Iterable[str]:
        """Return the answers that came; raises `EOFError` where no more will."""

    def wait(self, timeout_s: float) -> None:
        """Wait until there is an answer, or no more time."""

    def close(self) -> None:
        """Release it; safe twice."""


class Process:
    """A Python with `hailo_platform` that runs `asked.py`."""

    timed = True

    def __init__(self, interpreter: Path, addresses: list[str]) -> None:
        self._rest = b""
        self._child = subprocess.Popen(
            [str(interpreter), str(SCRIPT), *addresses],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment(interpreter),
            start_new_session=True,
            bufsize=0,
        )
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)

    def ask(self) -> None:
        """Put the question; raises `OSError` where nobody listens any more."""
        if self._child.stdin is not None:
            self._child.stdin.write(b"?")

    def lines(self) -> Iterator[str]:
        """Return the whole lines that came; raises `EOFError` when the process is over."""
        if self._child.stdout is None:
            raise EOFError
        with suppress(BlockingIOError):
            data = self._child.stdout.read(MOST_BYTES)
            if data == b"" or len(self._rest) > MOST_BYTES:
                raise EOFError
            self._rest += data or b""
        *whole, self._rest = self._rest.split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")

    def wait(self, timeout_s: float) -> None:
        """Wait for an answer, or for the end of the process."""
        if self._child.stdout is not None:
            ready = select.poll()  # `select` knows no descriptor above 1023
            ready.register(self._child.stdout, select.POLLIN)
            ready.poll(1000 * timeout_s)

    def close(self) -> None:
        """Let the process give the chip back and end; end it where it does not."""
        if self._child.stdin is not None:
            self._child.stdin.close()
        if not spent.wait(self._child, END_S):
            os.killpg(self._child.pid, signal.SIGKILL)
            spent.wait(self._child, GONE_WAIT_S)
        if self._child.stdout is not None:
            self._child.stdout.close()


class Recorded:
    """The answer in a captured tree: the same each time."""

    timed = False

    def __init__(self, text: str) -> None:
        self._text = text
        self._due = False

    def ask(self) -> None:
        """Take the answer out."""
        self._due = True

    def lines(self) -> Iterator[str]:
        """Return the answer, once for each question."""
        if self._due:
            self._due = False
            yield from self._text.splitlines()[:1]

    def wait(self, timeout_s: float) -> None:
        """Nothing is waited for."""

    def close(self) -> None:
        """Nothing is open."""


def python(package: str) -> Path:
    """Return a Python that has `hailo_platform`: this one, or the distribution's."""
    if importlib.util.find_spec(PACKAGE) is not None:
        return Path(sys.executable)
    if DISTRIBUTION_PYTHON.exists() and (DISTRIBUTION_PACKAGES / PACKAGE).is_dir():
        return DISTRIBUTION_PYTHON
    raise NoData(
        f"{PACKAGE}: neither in this Python ({sys.executable}) nor in {DISTRIBUTION_PACKAGES}",
        remedy=f"install it: sudo apt install {package}",
    )


def environment(interpreter: Path) -> dict[str, str]:
    """Return a process's environment in which HailoRT writes no files of its own."""
    dropped = {"HAILO_MONITOR", "HAILO_TRACE"}
    if str(interpreter) != sys.executable:  # what was set for this Python would mislead another
        dropped |= {"PYTHONPATH", "PYTHONHOME"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "HAILORT_LOGGER_PATH": "NONE"}
