"""What does `tegrastats` print of the GPU, the engines and the memory?

It prints a line at every interval until it is ended. Boards and releases differ in nearly every
word, so that each word is read by itself. Understood are the lines recorded from TX2, Xavier NX,
Orin Nano, AGX Orin and Thor; not seen on hardware.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from collectors.jetson.sysfs import hertz, share
from probe import spent
from probe.errors import NoData
from probe.tool import GONE_WAIT_S, ask, is_here

if TYPE_CHECKING:
    from probe.model import Device

WORDS: Final = ("tegrastats", "--interval", "1000")
MEGAHERTZ: Final = 1_000_000
MOST_BYTES: Final = 64 * 1024
"""A line has about 500; what is longer without an end is no line of tegrastats'."""
VALUE: Final = re.compile(
    r"(?:(\d{1,6})%)?(?:@(?:(\d{1,6})|\[(\d{1,6}(?:,\d{1,6})*)\]))?", re.ASCII
)
"""`3%`, `3%@2133`, `0%@[0,0]`, `@[0,0,0]`, `@1691`: percent, then one clock or several in MHz."""
CLOCK: Final = re.compile(r"\d{1,6}", re.ASCII)
"""The clock of `VIC_FREQ 729`."""
ENGINE: Final = re.compile(r"((?:NVENC|NVDEC|NVJPG|VIC|OFA|NVDLA|DLA|PVA|MSENC)\d*)(?:_FREQ)?")

Readings = dict[tuple[str, str], float | None]


class Stream:
    """The lines of a running tegrastats; of a captured tree, the last line that was recorded.

    `over` is true once tegrastats has ended.
    """

    def __init__(self, child: subprocess.Popen[bytes] | None, recorded: str = "") -> None:
        self._child = child
        self._recorded = recorded
        self._waiting = b""
        self.over = False

    @classmethod
    def of(cls, device: Device) -> Stream:
        """Start tegrastats; raises `NoData` where there is none."""
        if not is_here(device):
            lines = [line for line in ask(device, WORDS).splitlines() if not line.startswith("#")]
            return cls(None, "".join(lines[-1:]))
        found = shutil.which(WORDS[0])
        if found is None:
            raise NoData(f"{WORDS[0]}: no such tool on the PATH")
        try:
            child = subprocess.Popen(
                [found, *WORDS[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as error:
            raise NoData(f"{found}: {error.strerror}") from error
        if child.stdout is not None:
            os.set_blocking(child.stdout.fileno(), False)
        return cls(child)

    def newest(self) -> str | None:
        """Return the last whole line since the last call, None where there is none; never waits."""
        if self._child is None or self._child.stdout is None:
            return None if self.over else self._recorded
        try:
            got = os.read(self._child.stdout.fileno(), MOST_BYTES)
        except BlockingIOError:
            return None
        self.over = not got
        *lines, self._waiting = (self._waiting + got).split(b"\n")
        self._waiting = self._waiting[-MOST_BYTES:]
        return lines[-1].decode("utf-8", "replace") if lines else None

    def close(self) -> None:
        """End tegrastats and what it started; safe twice."""
        self.over = True
        if self._child is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        if self._child.stdout is not None:
            self._child.stdout.close()
        spent.wait(self._child, GONE_WAIT_S)
        self._child = None


def parse(line: str) -> Readings:
    """Return (track, label) to value of one whole line; a word that is not understood is left out.

    Percent beyond 100 and absurd clocks are None.
    """
    readings: Readings = {}
    words = line.split()
    for name, value in pairwise(words):
        engine = ENGINE.fullmatch(name)
        if name == "EMC_FREQ":
            readings |= _labelled("jetson.emc", value, "emc", ())
        elif name == "GR3D_FREQ":
            readings |= _labelled("jetson.gpu", value, "gpu", ("gpc0", "gpc1", "gpc2"))
        elif engine is not None:
            label = engine[1].lower()
            if value == "off":
                readings |= {("jetson.engine", label): 0.0, ("jetson.engine_clock", label): 0.0}
            elif CLOCK.fullmatch(value):
                readings["jetson.engine_clock", label] = hertz(int(value) * MEGAHERTZ)
            else:
                readings |= _labelled("jetson.engine", value, label, ())
    return readings


def _labelled(track: str, word: str, label: str, several: tuple[str, ...]) -> Readings:
    """Return the readings of one word: percent on `track`, clocks on `track`_clock."""
    found = VALUE.fullmatch(word)
    if found is None:
        return {}
    readings: Readings = {}
    if found[1] is not None:
        readings[track, label] = share(int(found[1]), 100)
    clocks = [found[2]] if found[2] else (found[3] or "").split(",") if found[3] else []
    labels = (label,) if len(clocks) == 1 else several
    for each, clock in zip(labels, clocks, strict=False):
        readings[f"{track}_clock", each] = hertz(int(clock) * MEGAHERTZ)
    return readings
