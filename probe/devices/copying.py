"""How much of a program's copying can be seen here? A small program is traced, and its tape read.

What the interposer says of itself on that tape (its notes) is what a run would find: whether it
loads, which Python lines it can tell, which of numpy's loops it sees, whether deep mode works.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from probe import tape
from probe.devices.surroundings import LIMITED, MISSING, OK, Surrounding
from probe.errors import NoData
from probe.model import Device, Launch
from probe.neighbours import ours
from probe.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WAIT_S: Final = 20.0
TRIED: Final = """
import numpy
bytes(bytearray(1 << 20))
numpy.ones((600, 600), "u1").T.astype("f4").copy()
"""
"""A plain copy, a strided cast and another copy, of more than the least size that is recorded."""
COPYING: Final = """
import select, sys
block = bytearray(1 << 20)
while not select.select([sys.stdin], [], [], 0.01)[0]:
    bytes(block)
"""
"""Copies a hundred times a second, until its stdin is closed."""
HERE: Final = Path("/")


def launch(tapes: Path, mode: str = "on") -> Launch:
    """Return how a program of the doctor's is started."""
    options = Scenario.model_validate({"name": "doctor", "copies": {"mode": mode}}).document()
    environment = {**os.environ, tape.ENVIRONMENT: str(tapes)}
    return Launch((sys.executable,), environment, tapes, options)


@contextmanager
def program(environment: Mapping[str, str]) -> Iterator[int]:
    """Run a program that copies, in this environment, and yield its pid."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", COPYING],
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def copying(device: Device) -> list[Surrounding]:
    """Return what can be seen of copies; nothing where the device is not this machine."""
    if device.root != HERE:
        return []
    found = {each.name: each for each in ours("collectors").discover()}
    if "copies" not in found:
        return []
    collector, name = cast("Any", found["copies"]()), "copies"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liveprobe-")))
        stack.callback(collector.stop)
        try:
            added = collector.attach(launch(folder, "deep"))
        except NoData as absent:
            return [Surrounding(name, MISSING, absent.message, absent.remedy)]
        failed = _try({**launch(folder).environment, **added})
        if failed:
            return [Surrounding(name, MISSING, failed, "report it; `--copies off` does without")]
        notes = _notes(folder)
    if not notes:
        why = "a program under the interposer left no tape of it"
        return [Surrounding(name, MISSING, why, "report it; `--copies off` does without")]
    return [
        Surrounding(name, OK, "the interposer is built, loads and records"),
        of_python(notes.get("python", [])),
        of_numpy(notes.get("hook", [])),
        _deep(notes.get("deep", [])),
        _gstreamer(),
    ]


def _try(environment: Mapping[str, str]) -> str | None:
    """Run the small program; return what went wrong, if anything did."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", TRIED],
            env=dict(environment),
            check=False,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
    except subprocess.TimeoutExpired:
        return f"a program under the interposer did not end within {WAIT_S:g} s"
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines()
    return f"a program under the interposer ended with {done.returncode}: {' '.join(said[-1:])}"


def _notes(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the interposer's notes by key, from all its tapes."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in tape.read_all(folder)[0]:
        if each.header.writer != tape.WRITER_INTERPOSER:
            continue
        found.setdefault("tape", [])
        for record in each.records[each.records["kind"] == tape.NOTE]:
            key, text = each.names.get(int(record["name"])), each.names.get(int(record["a"]), "")
            said = json.loads(text) if text.startswith("{") else {}
            found.setdefault(str(key), []).append(said)
    return found


def of_python(notes: list[dict[str, Any]]) -> Surrounding:
    """Return which lines of Python can be told, by the interposer's notes."""
    name = "lines of copies"
    said = notes[-1] if notes else {}
    version, frames = said.get("version") or sys.version.split()[0], said.get("frames")
    if frames == "walk":
        return Surrounding(name, OK, f"Python {version}: every frame can be walked")
    why = said.get("why") or "the interposer did not say"
    remedy = "run the program with CPython 3.11, 3.12 or 3.13"
    return Surrounding(name, LIMITED, f"Python {version}: none ({why})", remedy)


def of_numpy(notes: list[dict[str, Any]]) -> Surrounding:
    """Return which of numpy's own loops are seen, by the interposer's notes."""
    name = "copies of numpy"
    off = [note for note in notes if note.get("state") not in ("on", "ok")]
    if notes and not off:
        return Surrounding(name, OK, f"{len(notes)} of its loops are seen")
    if not notes:
        reason, remedy = "no hook was tried", "numpy 2.0 or newer is needed"
        return Surrounding(name, LIMITED, reason, remedy)
    which = ", ".join(
        f"{note.get('hook')} ({note.get('why') or note.get('state')})" for note in off
    )
    return Surrounding(name, LIMITED, f"not seen: {which}", "report it with the version of numpy")


def _deep(notes: list[dict[str, Any]]) -> Surrounding:
    name = "deep mode of copies"
    said = notes[-1] if notes else {}
    if said.get("state") in ("on", "ok"):
        return Surrounding(name, OK, "written pages can be compared with copies")
    why = said.get("why") or "the interposer did not say"
    return Surrounding(name, LIMITED, str(why), "Linux 6.7 or newer, with userfaultfd")


def _gstreamer() -> Surrounding:
    name = "copies of GStreamer"
    if ctypes.util.find_library("gstreamer-1.0") is None:
        return Surrounding(name, OK, "GStreamer is not installed: none to see")
    return Surrounding(name, OK, "GStreamer reports its own")
