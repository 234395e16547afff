"""Which bytes does the program copy? The interposer that is preloaded into it, on Linux with glibc.

The C library beside this file sees the calls that move bytes, and writes them on tapes of its own,
from which the tables `copies`, `sites` and `buffers` are made. This collector puts it into the
program's environment, reads the counters in the headers of its tapes while the program runs (for
the track), and looks at every process of the program's tree below `/proc`: one into which nothing
can be loaded is told as blind, with the reason.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collectors.copies import library
from collectors.copies.blindness import account
from collectors.copies.counters import Tally, Tapes
from collectors.copies.processes import Processes, of_file
from collectors.copies.programs import examine
from probe.errors import NoData, SwitchedOff
from probe.model import Device, Launch, Sample, Seen, Support, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from collectors.copies.programs import Elf

MOST_BYTES: Final = 2**30
"""Of all tapes of the interposer in one process; it stops there with a word."""
OF_FREE: Final = 2
OF_MEMORY: Final = 8
"""Parts of what is free, and of the device's memory, that they may take at most: the tapes lie in
memory, and to make tables of them and judge takes up to four times as much again (5 million copies:
539 MB of tapes, 1.8 GB: tests/bench/bench_finalise.py)."""
GST_CATEGORY: Final = "GST_PERFORMANCE:5"
"""Where GStreamer itself reports copies: "copy plane", "copy for merge"."""
ASAN_ORDER: Final = "verify_asan_link_order"


class Copies:
    """Bytes a second that the interposer recorded, by process, labelled `name:pid`.

    What it recorded becomes tables; what it could not see stands in the facts of its entry.
    """

    name = "copies"
    tracks = (Track("copies.traffic", "bytes/s", "Bytes copied by the program's processes"),)
    period_ns = 1_000_000_000
    sensitive = False
    support = (
        Support(
            "Linux with glibc or musl, x86-64 and aarch64",
            ("copies.traffic",),
            "the interposer's tapes (LD_PRELOAD)",
            Seen.HARDWARE,
            "a C compiler when liveprobe is installed",
        ),
    )

    def __init__(self) -> None:
        self._mode = "off"
        self._library: Path | None = None
        self._link_folder: Path | None = None
        self._command = ""
        self._root: int | None = None
        self._tapes: Tapes | None = None
        self._processes: Processes | None = None
        self._before: dict[int, tuple[int, int]] = {}
        self._over: set[int] = set()

    def attach(self, launch: Launch) -> Mapping[str, str]:
        """Return the environment in which the program's copies are recorded.

        Raises `SwitchedOff` where the scenario wants none, `NoData` without a usable interposer.
        """
        options = launch.options.get("copies") or {}
        self._mode = str(options.get("mode", "on"))
        if self._mode == "off":
            raise SwitchedOff("copies.mode is off", remedy="run it with --copies on")
        self._library = library.built()
        path, self._link_folder = library.placed(self._library, launch.tapes)
        library.try_out(path)
        self._tapes = Tapes(launch.tapes)
        search = launch.environment.get("PATH")
        self._command = shutil.which(launch.command[0], path=search) or "" if launch.command else ""
        return {
            **_preload(path, launch.environment),
            "LIVEPROBE_COPIES": self._mode,
            "LIVEPROBE_COPIES_EVERY": str(options.get("every", 60)),
            "LIVEPROBE_COPIES_BYTES": str(options.get("bytes", 16_384)),
            "LIVEPROBE_COPIES_LIMIT": str(_room(launch.tapes)),
            **_of_other_runtimes(launch),
            **_sanitizer(launch.environment),
        }

    def start(self, device: Device) -> None:
        """Take a first look at the program; raises `NoData` where there is no /proc."""
        proc = device.path("/proc")
        if not proc.is_dir():
            raise NoData(f"{proc}: no such folder", remedy="mount /proc")
        self._root = device.program_pid
        if self._root is not None and self._library is not None:
            self._processes = Processes(proc, self._root, self._library.name)
            self._processes.look()

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield the bytes a second of each traced process since the reading before."""
        tallies = self._read_tapes()
        if self._processes is not None:
            self._processes.look(also={tally.pid for tally in tallies if not tally.closed})
        yield from self._rates(tallies, t_ns)

    def stop(self) -> None:
        """Remove the link that was made for the loader, if one was."""
        library.withdraw(self._link_folder)
        self._link_folder = None

    def facts(self) -> Mapping[str, Any]:
        """Return mode, interposer, the processes seen, and those it is blind to."""
        names = {(tally.pid, tally.name) for tally in self._read_tapes()}
        tapes = {pid for pid, _ in names}
        seen = self._processes.seen() if self._processes is not None else []
        if not seen and self._root is not None and self._root not in tapes:
            seen = of_file(self._command, self._root)
        untaped = self._tapes.untaped() if self._tapes is not None else set()
        processes, blind = account(seen, tapes, self._built_for(), names, untaped - tapes)
        interposer = library.fingerprint(self._library) if self._library is not None else None
        return {
            "mode": self._mode,
            "interposer": interposer,
            "processes": processes,
            "blind": blind,
        }

    def _read_tapes(self) -> list[Tally]:
        return self._tapes.read() if self._tapes is not None else []

    def _rates(self, tallies: list[Tally], t_ns: int) -> Iterator[Sample]:
        """Yield the rate of each process; of one that is over no more after its first 0."""
        of_process: dict[int, list[Tally]] = {}
        for tally in tallies:
            if tally.pid not in self._over:
                of_process.setdefault(tally.pid, []).append(tally)
        for pid, own in of_process.items():
            total = sum(tally.bytes for tally in own)
            opened_ns = min(tally.opened_ns for tally in own)
            before, since_ns = self._before.get(pid, (0, opened_ns))
            if t_ns > since_ns and total >= before:
                rate = (total - before) / ((t_ns - since_ns) / 1e9)
                yield Sample("copies.traffic", f"{own[0].name}:{pid}", rate)
            self._before[pid] = (total, t_ns)
            if total == before and all(tally.closed for tally in own):
                self._over.add(pid)

    def _built_for(self) -> Elf | None:
        """Return what the interposer runs on: its own platform, and this Python's C library."""
        if self._library is None:
            return None
        with suppress(OSError):
            own, python = examine(self._library), examine(Path(sys.executable))
            if own is not None:
                return dataclasses.replace(own, loader=python.loader if python else None)
        return None


def _preload(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    before = environment.get("LD_PRELOAD", "")
    others = [each for each in before.replace(":", " ").split() if each != str(path)]
    return {"LD_PRELOAD": ":".join([str(path), *others])}


def _of_other_runtimes(launch: Launch) -> dict[str, str]:
    """Return what makes other runtimes report their own copies; the user's settings stay."""
    found = launch.environment
    added = {} if "ORT_DISABLE_TELEMETRY" in found else {"ORT_DISABLE_TELEMETRY": "1"}
    if "GST_DEBUG" not in found and "GST_DEBUG_FILE" not in found:
        added["GST_DEBUG"] = GST_CATEGORY
        added["GST_DEBUG_FILE"] = os.fspath(launch.tapes / "gstreamer-%p.log")
        added["GST_DEBUG_NO_COLOR"] = "1"
    return added


def _sanitizer(environment: Mapping[str, str]) -> dict[str, str]:
    """Let AddressSanitizer come second: it ends a program in which another library is preloaded."""
    options = environment.get("ASAN_OPTIONS", "")
    if ASAN_ORDER in options:
        return {}
    return {"ASAN_OPTIONS": ":".join(part for part in (options, f"{ASAN_ORDER}=0") if part)}


def _room(folder: Path) -> int:
    """Return how many bytes the tapes of a process may take."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    room = min(MOST_BYTES, memory // OF_MEMORY)
    with suppress(OSError):
        room = min(room, shutil.disk_usage(folder).free // OF_FREE)
    return room
