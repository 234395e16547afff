"""The nouns as frozen types. No I/O, no thresholds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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
    """How a number came to be known."""

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

    A track says what a value is, never what is too much.
    """

    name: str
    unit: str
    title: str
    grade: Grade = Grade.MEASURED
    kind: UtilisationKind | None = None


@dataclass(frozen=True)
class Sample:
    """One reading of a track at a time; `value` None means that the source gave no value."""

    track: str
    label: str
    value: float | None


@dataclass(frozen=True)
class Event:
    """Something that happened at a time. `attributes` are JSON values."""

    t_ns: int
    kind: str
    text: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


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
    """Turns one source of truth into samples; it never judges, logs, or reads a clock."""

    name: str
    tracks: tuple[Track, ...]
    period_ns: int
    sensitive: bool

    def start(self, device: Device) -> None:
        """Open the source, or raise `NoData` that names what was looked for."""

    def sample(self, t_ns: int) -> Iterable[Sample]:
        """Yield what was read; `t_ns` is the engine's time of the call."""

    def stop(self) -> None:
        """Release everything; always called, safe twice."""


@dataclass(frozen=True)
class Launch:
    """How the engine is about to start the program.

    `tapes` is where the program writes; what a collector leaves there is turned into tables.
    `options` are the scenario's, as JSON (`Scenario.document`).
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    tapes: Path
    options: Mapping[str, Any]


@runtime_checkable
class Attaching(Protocol):
    """A collector that works inside the program, and so must be there before it starts."""

    def attach(self, launch: Launch) -> Mapping[str, str]:
        """Return what to add to the program's environment, or raise `NoData`."""


@runtime_checkable
class Stating(Protocol):
    """A collector that has more to say of a run than samples."""

    def facts(self) -> Mapping[str, Any]:
        """Return JSON values for its entry in run.json; called once, after `stop`."""


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
    side of the same fault, each of which names this one.
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

    @property
    def reads(self) -> tuple[str, ...]:
        """The tables that `judge` may read; it sees no others."""
        return (*self.requires, *self.optional)
