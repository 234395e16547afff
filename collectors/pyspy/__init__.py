"""Where in its code is the program? py-spy samples the stacks of its Python threads.

Works on Linux where py-spy has a wheel (x86-64, aarch64, armv7, i686), for programs in CPython and
all Python that they start. Off unless the scenario asks: `pyspy.mode` "nonblocking" reads the
stacks while the program runs on, "native" also finds C functions and pauses it for that, at 100 Hz
p99 rose by 71 % (facts of overheads): such a run says of itself that it was disturbed.

What py-spy writes goes beside the tapes; `probe.stacks` makes the tables of it. Every half minute
a new recording begins, so that none grows without bounds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from contextlib import suppress
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from collectors.pyspy.refusal import refused
from probe.errors import NoData, SwitchedOff, Unmet
from probe.family import Family, family
from probe.kernel_file import integer
from probe.model import Device, Launch, Notice, Sample, Seen, Support, Track, UtilisationKind
from probe.pyspy import Recording
from probe.tool import is_here, tried

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

NOTES: Final = "pyspy.json"
TRACER: Final = "LIVEPROBE_PTRACER"
"""Whom the program lets in where Yama restricts ptrace: the interposer and the SDK read it."""
SLICE_NS: Final = 30 * 10**9
MOST_RECORDINGS: Final = 40
"""20 minutes; a longer run is sampled for as long, and says so."""
MOST_BYTES: Final = 256 * 2**20
"""Of all recordings: they lie beside the tapes, in memory."""
PATIENCE_NS: Final = 10 * 10**9
"""A program may be a shell's script that starts Python later: py-spy is tried again until then."""
ASK_S: Final = 1.0
REMEDY: Final = "run it with --sample on, or --set pyspy.mode=nonblocking"


class Pyspy:
    """Busy share of the sampler itself; the stacks that it saw become tables."""

    name = "pyspy"
    tracks = (
        Track(
            "pyspy.sampler",
            "percent",
            "CPU time of the sampler py-spy",
            kind=UtilisationKind.BUSY_TIME,
        ),
    )
    period_ns = 500_000_000
    sensitive = True
    support = (
        Support(
            "Linux, programs in CPython",
            ("pyspy.sampler",),
            "py-spy record",
            Seen.HARDWARE,
            "--sample on; where Yama or a container restricts ptrace: CAP_SYS_PTRACE, or a"
            " program that imports probe",
        ),
    )

    def __init__(self) -> None:
        self._mode = "off"
        self._rate_hz = 100
        self._folder: Path | None = None
        self._tool = ""
        self._device = Device("local")
        self._family: Family | None = None
        self._current: Recording | None = None
        self._begun_ns = 0
        self._first_ns: int | None = None
        self._told = False
        self._before: tuple[int, float] | None = None
        self._ended_cpu_s = 0.0
        self._notes: list[dict[str, Any]] = []
        self._lost: list[dict[str, Any]] = []
        self._refused = 0
        self._why: NoData | None = None
        self._written = 0
        self._said = ""
        self._seen: dict[str, int] = {}

    def attach(self, launch: Launch) -> Mapping[str, str]:
        """Return what lets the sampler in; raises `SwitchedOff` where nobody asked for it.

        Raises `Unmet` where somebody did, and there is no sampler.
        """
        options = launch.options.get("pyspy") or {}
        self._mode = str(options.get("mode", "off"))
        self._rate_hz = int(options.get("rate", self._rate_hz))
        if self._mode == "off":
            raise SwitchedOff("pyspy.mode is off", remedy=REMEDY)
        self._tool = _found()
        self._folder = launch.tapes
        return {TRACER: str(os.getpid())}

    def start(self, device: Device) -> None:
        """Begin the first recording; raises `NoData` where there is nothing to sample."""
        if self._folder is None or not is_here(device):
            proc = device.path("/proc")
            raise SwitchedOff(f"{proc}: nobody is sampled: pyspy.mode is off", remedy=REMEDY)
        if device.program_pid is None:
            raise NoData("no program to watch", remedy="`liveprobe run` starts one")
        self._device, self._family = device, family(device)
        self._begin()

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:
        """Yield what the sampler used; begin a new recording where the last is over."""
        self._look_at_threads(t_ns)
        current = self._current
        if current is None:
            return
        if self._first_ns is None:
            self._first_ns = self._begun_ns = t_ns
        running = current.running()
        yield from self._share(t_ns)
        if running and t_ns - self._begun_ns < SLICE_NS:
            return
        if not current.ask_to_end():
            return
        kept = self._conclude(current)
        if not kept and not self._notes:
            why = self._reason()
            if t_ns - self._first_ns > PATIENCE_NS:
                self._why = None  # it is told now
                raise why
            self._why = why
        if len(self._notes) >= MOST_RECORDINGS or self._written > MOST_BYTES:
            size = f"{len(self._notes)} recordings of {self._written / 1e6:.0f} MB"
            yield Notice(f"sampling stopped: {size} are the most that is kept")
        elif self._alive():
            self._begin()
            self._begun_ns = t_ns

    def stop(self) -> None:
        """End the recording, and leave the notes; raises `NoData` where it was refused to the end.

        A run may be over before the patience is.
        """
        if self._current is not None:
            self._current.end()
            self._conclude(self._current)
        self._current = None
        why, self._why = self._why, None
        if why is not None and not self._notes and not self._lost:
            raise why

    def facts(self) -> Mapping[str, Any]:
        """Return mode, rate, version, CPU time, and what became of the recordings."""
        return {
            "mode": self._mode,
            "rate_hz": self._rate_hz,
            "version": _version(),
            "recordings": len(self._notes),
            "refused": self._refused,
            "lost": self._lost,
            "cpu_ns": round(self._ended_cpu_s * 1e9),
        }

    def _begin(self) -> None:
        if self._folder is None:
            return
        number = len(self._notes) + 1
        file, log = self._folder / f"pyspy-{number}.json", self._folder / f"pyspy-{number}.log"
        try:
            self._current = Recording(self._words(), file, log)
        except OSError as error:
            raise NoData(
                f"{self._tool}: {error.strerror}", remedy="make it runnable: pip install py-spy"
            ) from error
        self._leave_notes()

    def _words(self) -> list[str]:
        how = "--native" if self._mode == "native" else "--nonblocking"
        return [
            *(self._tool, "record", "--pid", str(self._device.program_pid), how),
            *("--format", "chrometrace", "--rate", str(self._rate_hz)),
            *("--idle", "--threads", "--subprocesses"),
        ]

    def _conclude(self, recording: Recording) -> bool:
        """Keep the notes of a recording that wrote its file; say whether it did."""
        self._ended_cpu_s += recording.cpu_s
        self._current, self._before = None, None
        size = recording.file.stat().st_size if recording.file.exists() else 0
        if size:
            self._written += size
            self._notes.append(recording.notes)
        elif recording.sampled:
            begun, ended = recording.notes["started_ns"], recording.notes.get("ended_ns")
            self._lost.append({"from_ns": begun, "to_ns": ended, "why": recording.why})
        else:
            self._refused += 1
            self._said = recording.said
        self._leave_notes()
        return size > 0

    def _leave_notes(self) -> None:
        """Write what was noted, each time anew: a killed harness leaves what it had.

        The recording that runs is in it, too: where this fails later, as on a full disk, what the
        sampler wrote is still found.
        """
        if self._folder is None:
            return
        running = [] if self._current is None else [self._current.notes]
        document = {
            "mode": self._mode,
            "rate_hz": self._rate_hz,
            "recordings": [*self._notes, *running],
            "lost": self._lost,
            "seen": self._seen,
        }
        file = self._folder / NOTES
        partial = file.with_suffix(".partial")
        try:
            partial.write_text(json.dumps(document), encoding="utf-8")
            partial.replace(file)
        except OSError:  # a full disk: the tapes say so, too
            with suppress(OSError):
                partial.unlink()

    def _share(self, t_ns: int) -> Iterator[Sample]:
        current = self._current
        if current is None:
            return
        if self._before is not None and t_ns > self._before[0]:
            used = current.cpu_s - self._before[1]
            yield Sample("pyspy.sampler", "", 100 * used / ((t_ns - self._before[0]) / 1e9))
        self._before = (t_ns, current.cpu_s)

    def _look_at_threads(self, t_ns: int) -> None:
        """Note which threads are alive: py-spy does not say when one has ended."""
        for member in self._family.members(t_ns) if self._family is not None else ():
            with suppress(OSError):
                for entry in (member.folder / "task").iterdir():
                    if integer(entry.name) is not None:
                        self._seen[f"{member.pid}:{entry.name}"] = t_ns

    def _alive(self) -> bool:
        return self._device.path(f"/proc/{self._device.program_pid}/exe").exists()

    def _reason(self) -> NoData:
        """Ask for one stack alone: with --subprocesses py-spy keeps its reason to itself."""
        words = [self._tool, "dump", "--nonblocking", "--pid", str(self._device.program_pid)]
        try:
            code, complaint = tried(words, ASK_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return refused(str(error), self._device, _version())
        said = complaint if code else self._said  # one stack it did get
        return refused(said, self._device, _version())


def _found() -> str:
    """Return py-spy of this environment, else one on the PATH; raises `Unmet` without."""
    own = sysconfig.get_path("scripts")
    tool = shutil.which("py-spy", path=own) or shutil.which("py-spy")
    if tool is None:
        raise Unmet(
            f"py-spy: neither in {own} nor on the PATH",
            remedy="pip install py-spy (it has wheels for x86-64, i686, aarch64 and armv7)",
        )
    return tool


def _version() -> str:
    try:
        return metadata.version("py-spy")
    except metadata.PackageNotFoundError:
        return "of unknown version"
