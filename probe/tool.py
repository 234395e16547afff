"""How does a collector ask a tool of the device (`vcgencmd`, `xrt-smi`) without hanging on it?

A device that is a captured tree answers with recordings: the file `<root>/recorded/<words>.txt`
holds what the tool printed, its words joined by blanks, every ``/`` in them by ``_``.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from probe import spent
from probe.errors import NoData
from probe.kernel_file import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probe.model import Device

HERE: Final = Path("/")
RECORDED: Final = "recorded"
PIPE_BYTES: Final = 64 * 1024
TIMEOUT_S: Final = 2.0
"""Tools that are spawned get 2 s (facts/devices.md, section 10: sampling plan)."""
MOST_BYTES: Final = 4 * 2**20
"""No tool that is asked for a few numbers prints more: one that does is broken, and ended."""
LOOK_S: Final = 0.05
"""How often it is looked whether the answer is still wanted."""
GONE_WAIT_S: Final = 0.5
"""How long a killed tool is waited for: one that a broken driver holds cannot be killed."""


def is_here(device: Device) -> bool:
    """Say whether the device is this machine, and not a captured tree."""
    return device.root == HERE


def ask(
    device: Device,
    words: Sequence[str],
    *,
    timeout_s: float = TIMEOUT_S,
    over: threading.Event | None = None,
) -> str:
    """Run a tool of the device and return what it printed, in the C locale.

    Raises `NoData` where the tool is not there, may not run, fails, takes too long, or prints more
    than `MOST_BYTES`; nothing of it is left behind. No shell is involved. Once it is `over`, the
    tool is ended, and that is no answer either.
    """
    if not is_here(device):
        return _recorded(device, words)
    return _ask_here(words, timeout_s, over or threading.Event())


def tried(
    words: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a program of this machine; return its exit status and what it wrote to stderr.

    Raises `OSError` where it does not start, `subprocess.TimeoutExpired` where it does not end.
    """
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            list(words),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        try:
            if not spent.wait(child, seconds):
                raise subprocess.TimeoutExpired(list(words), seconds)
        finally:
            _end(child)
        said.seek(0)
        return child.returncode, said.read(MOST_BYTES).decode("utf-8", "replace")


def recording(words: Sequence[str]) -> str:
    """Return the name of the file that holds a tool's answer in a captured tree."""
    return " ".join(words).replace("/", "_") + ".txt"


def _recorded(device: Device, words: Sequence[str]) -> str:
    text = read_text(device.path(f"/{RECORDED}/{recording(words)}"), MOST_BYTES)
    if text is None:
        raise NoData(
            f"{words[0]}: not recorded in {device.root}",
            remedy=f"put what `{' '.join(words)}` prints into {RECORDED}/{recording(words)}",
        )
    return text


def _ask_here(words: Sequence[str], timeout_s: float, over: threading.Event) -> str:
    found = shutil.which(words[0])
    if found is None:
        raise NoData(f"{words[0]}: no such tool on the PATH", remedy=f"install {words[0]}")
    shown = " ".join(words)
    try:
        child = subprocess.Popen(
            [found, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as error:
        raise NoData(f"{shown}: {error.strerror}", remedy=f"make {found} runnable") from error
    try:
        printed = _printed(child, shown, timeout_s, over)
    finally:
        _end(child)
    text = printed.decode("utf-8", "replace").strip()
    if child.returncode:
        last = text.splitlines()[-1] if text else "it printed nothing"
        raise NoData(
            f"{shown}: exit status {child.returncode}: {last}", remedy=f"try `{shown}` by hand"
        )
    return text


def _printed(
    child: subprocess.Popen[bytes], shown: str, timeout_s: float, over: threading.Event
) -> bytes:
    """Read what a tool prints until it has ended; it may print and take so much, no more."""
    until, pipe, printed = time.monotonic() + timeout_s, child.stdout, bytearray()
    if pipe is None:
        raise TypeError("a tool is read through a pipe")
    ready = select.poll()  # `select` knows no descriptor above 1023
    ready.register(pipe, select.POLLIN)
    while (left_s := until - time.monotonic()) > 0 and not over.is_set():
        if not ready.poll(1000 * min(left_s, LOOK_S)):
            continue
        part = os.read(pipe.fileno(), PIPE_BYTES)
        printed += part
        if len(printed) > MOST_BYTES:
            raise NoData(
                f"{shown}: it printed more than {MOST_BYTES >> 20} MiB",
                remedy=f"try `{shown}` by hand: it should print a few lines",
            )
        if not part:
            if spent.wait(child, max(0.0, until - time.monotonic())):
                return bytes(printed)
            break
    remedy = f"try `{shown}` by hand: it should answer at once"
    raise NoData(f"{shown}: no answer within {timeout_s:g} s", remedy=remedy)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the tool and all that it started, as far as they are still in its group."""
    with suppress(ProcessLookupError, PermissionError):  # it is over, or became another user's
        os.killpg(child.pid, signal.SIGKILL)
    if child.stdout is not None:
        child.stdout.close()
    spent.wait(child, GONE_WAIT_S)
