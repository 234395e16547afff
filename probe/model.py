"""The nouns as frozen types. No I/O, no thresholds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from probe.errors import NoData
    from probe.store import Run

VERDICT_SCHEMA = 1


class Mode(StrEnum):
    """What drives a program."""

    LIVE = "live"
    GENERATE = "generate"
    COMMAND = "command"


class Regime(StrEnum):
    """What a stretch of time behaved like (METHOD: regimes of a window)."""

    REAL_TIME = "real-time"
    DEGRADED = "degraded real-time"
    FAST_GENERATION = "fast generation"
    OFFLINE = "offline"
    STALLED = "stalled"


class Fate(StrEnum):
    """What became of a source frame; every frame has exactly one."""

    ON_TIME = "on time"
    LATE = "late"
    DROPPED = "dropped"
    DUPLICATE = "duplicate"
    STALE = "stale"
    INVALID = "invalid"
    IN_FLIGHT = "in flight"


class Outcome(StrEnum):
    """The answer to one question of method."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTABLE = "not testable"


class FindingOutcome(StrEnum):
    """What an audit says."""

    FAILED = "failed"
    WARNING = "warning"
    PASSED = "passed"
    NOT_MEASURED = "not measured"


class ValidityStatus(StrEnum):
    """Whether the measurement itself can be trusted."""

    VALID = "valid"
    LIMITED = "limited"
    INVALID = "invalid"


class Tier(StrEnum):
    """How much a run may claim by its length and preparation (METHOD: rule 7)."""

    QUICK = "quick"
    STANDARD = "standard"
    CERTIFIED = "certified"


class Grade(StrEnum):
    """How a number came to be known; CONTRIBUTING ("Add a collector") has the rule."""

    MEASURED = "measured"
    DERIVED = "derived"
    INFERRED = "inferred"
    VENDOR_STATED = "vendor-stated"


class UtilisationKind(StrEnum):
    """What a utilisation means; none of them is arithmetic utilisation."""

    OCCUPANCY = "occupancy"
    BUSY_TIME = "busy time"
    COLUMN = "column"


@dataclass(frozen=True)
class Track:
    """A named series with a unit. `name` is `collector.quantity`; labels tell its lines apart.

    `period_ns` is the time between two readings of it, where that is not its collector's. A track
    says what a value is, never what is too much.
    """

    name: str
    unit: str
    title: str
    grade: Grade = Grade.MEASURED
    kind: UtilisationKind | None = None
    period_ns: int | None = None


@dataclass(frozen=True)
class Sample:
    """One reading of a track at a time; `value` None means that the source gave no value.

    `t_ns` is the time that the source itself states, in CLOCK_MONOTONIC; None means the time of the
    call that read it. `asleep` says that there is no value because what is measured sleeps, which
    is a state, and no failure of the source.
    """

    track: str
    label: str
    value: float | None
    t_ns: int | None = None
    asleep: bool = False


@dataclass(frozen=True)
class Notice:
    """Something that a collector saw happen, besides its samples; `t_ns` as of a `Sample`."""

    text: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    t_ns: int | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened at a time. `attributes` are JSON values."""

    t_ns: int
    kind: str
    text: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Seen(StrEnum):
    """On what the reading of a source was tried."""

    HARDWARE = "hardware"
    RECORDINGS = "recordings"
    FORMAT = "format"


@dataclass(frozen=True)
class Support:
    """Where a collector gets its tracks on one kind of device: a row of the support matrix.

    `device` names the kind ("any Linux", "Raspberry Pi 5"); `source` is the file, call or tool that
    is read; `needs` what a user has to give or install, empty where nothing. `seen` is the best
    proof that there is: real hardware, recordings of real devices (or of the kernel's own drivers
    on simulated chips), or the documented format alone.
    """

    device: str
    tracks: tuple[str, ...]
    source: str
    seen: Seen
    needs: str = ""


@dataclass(frozen=True)
class Source:
    """The place (files, call or tool) that a track is read from, out of several that there may be.

    `period_ns` is the time between two readings of it there, where it is not the track's.
    """

    place: str
    period_ns: int | None = None


@dataclass(frozen=True)
class Device:
    """The machine under test.

    `root` is where its filesystem begins: `/`, or a captured tree in a test.
    `program_pid` is the process that collectors of processes watch; None before it started.
    """

    name: str
    root: Path = Path("/")
    program_pid: int | None = None

    def path(self, absolute: str) -> Path:
        """Return `absolute` (such as ``/sys/class/thermal``) below this device's root."""
        return self.root / absolute.lstrip("/")


class Collector(Protocol):
    """Turns one source of truth into samples; it never judges, logs, or reads a clock.

    `period_ns` is the time between two readings; None reads at the start and at the end alone.
    Those of liveprobe also state their `support`, from which the matrix in the docs is made.
    """

    name: str
    tracks: tuple[Track, ...]
    period_ns: int | None
    sensitive: bool

    def start(self, device: Device) -> None:
        """Open the source, or raise `NoData` that names what was looked for."""

    def sample(self, t_ns: int) -> Iterable[Sample | Notice]:
        """Yield what was read and what happened; `t_ns` is the engine's time of the call."""

    def stop(self) -> None:
        """Release everything; always called, safe twice.

        May raise `NoData` where nothing was had to the end, and now it is known why.
        """


@dataclass(frozen=True)
class Launch:
    """How the engine is about to start the program.

    `tapes` is where the program writes; what a collector leaves there is turned into tables.
    `options` are the scenario's, as JSON (`Scenario.document`). `wall_offset_ns` is CLOCK_REALTIME
    minus CLOCK_MONOTONIC as the run began: what puts times of the wall clock into the run.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    tapes: Path
    options: Mapping[str, Any]
    wall_offset_ns: int | None = None


@runtime_checkable
class Supported(Protocol):
    """A collector that says on which devices it reads what."""

    support: tuple[Support, ...]


@runtime_checkable
class Attaching(Protocol):
    """A collector that works inside the program, and so must be there before it starts."""

    def attach(self, launch: Launch) -> Mapping[str, str]:
        """Return what to add to the program's environment, or raise `NoData`.

        It raises `Unmet` where the scenario asks for it by name: then the program is not started.
        """


@runtime_checkable
class Lacking(Protocol):
    """A collector of several sources, which may have found but some of them."""

    def lacking(self) -> Mapping[str, NoData]:
        """Return why a track will have no value here, by its name; called once, after `start`."""


@runtime_checkable
class Sourced(Protocol):
    """A collector that reads a track from one place or another, as the device has it."""

    def sources(self) -> Mapping[str, Source]:
        """Return what was opened, by the track's name; called once, after `start`."""


@runtime_checkable
class Deferring(Protocol):
    """A collector that takes what it reads as it is, and looks at it when nobody is disturbed."""

    def work_out(self) -> Iterable[Sample | Notice]:
        """Yield what it put off, each with its time; called once, after `stop`.

        The program has ended then. Of a harness that is killed before, it is lost.
        """


@runtime_checkable
class Stating(Protocol):
    """A collector that has more to say of a run than samples."""

    def facts(self) -> Mapping[str, Any]:
        """Return JSON values for its entry in run.json; called once, when all else is over."""


@dataclass(frozen=True)
class Finding:
    """One observed problem, with what proves it, what it costs, and what to do.

    `evidence` is JSON: counts, rows (frame numbers), times; `cost_*` None means not known.
    """

    audit: str
    title: str
    outcome: FindingOutcome
    evidence: Mapping[str, Any]
    remedy: str
    cost_ms_per_frame: float | None = None
    cost_bytes_per_frame: float | None = None
    stage: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    grade: Grade = Grade.MEASURED


@dataclass(frozen=True)
class Case:
    """A worked example of an audit: a small Run, and what the audit must say of it.

    `run` makes the Run in memory (`probe.store.Run.of`); `expected` is the outcome of each finding,
    in order; an empty tuple means that the audit finds nothing.
    """

    title: str
    run: Callable[[], Run]
    expected: tuple[FindingOutcome, ...]


@dataclass(frozen=True)
class Audit:
    """A pure question asked of a Run.

    `requires` names the tables that `judge` needs (`frames`, `spans`, ...); a Run that lacks one
    gives *not measured*; `optional` names those that it reads where they are there. `why` says why
    it matters; `source` where the thresholds come from. `related` names the audits that see another
    side of the same fault, each of which names this one. `of_time` says that it finds fault with
    how long things took, so that a pass that delays the program may be what it finds.
    """

    id: str
    title: str
    why: str
    source: str
    requires: tuple[str, ...]
    judge: Callable[[Run], list[Finding]]
    remedy: str
    cases: tuple[Case, ...]
    optional: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    of_time: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """The tables that `judge` may read; it sees no others."""
        return (*self.requires, *self.optional)
