"""One tree of errors; each message says what, where, and what to do next.

    ProbeError               exit 70  a bug of ours if it reaches the user bare
    |-- UsageError           exit 2   an argument, a scenario, an input that cannot be used
    |   |-- ScenarioError    exit 2   all problems of a scenario file at once
    |   |   `-- ClaimsError           ... or of a file of claims
    |   |-- InputError       exit 2   a clip or a model that cannot be used
    |   `-- RunError         exit 2   a Run directory that cannot be read
    |       `-- RunVersionError       ... because it is of a newer version
    |-- EnvironmentUnmet     exit 4   the machine lacks what was asked for (sensor, room, right)
    |-- NoData               -        a collector found no source: data in the Run, no failure
    |   |-- OtherDevice      -        ... because this is another kind of device
    |   |-- SwitchedOff      -        ... because the scenario does not want it
    |   |-- Asleep           -        ... because what it measures sleeps now
    |   `-- Unmet            -        ... though the scenario asks for it by name: no run begins
    `-- TapeError            -        a file that is no tape, or a tape of a newer version

A program under test that dies or hangs is no error of this tree: the Run says so, and
`probe.judge.exit_code` makes it exit 5. Only ``probe.cli`` prints errors and turns them into exit
codes. `Interrupted` stands beside the tree: it is Ctrl-C, which nothing else of ours may catch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_ENVIRONMENT = 4
EXIT_PROGRAM = 5
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

PRECEDENCE = (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_PROGRAM,
    EXIT_ENVIRONMENT,
    EXIT_INCONCLUSIVE,
    EXIT_FAILED,
)
"""When several outcomes apply, the first of these is the exit code."""


class Interrupted(KeyboardInterrupt):
    """Somebody interrupted, and what was measured is kept in the Run at `path`.

    `whole` says that its tables are written, so that it can be judged at once. `verb` is the one
    that does what was left undone.
    """

    def __init__(self, when: str, path: Path, *, whole: bool = False, verb: str = "audit") -> None:
        super().__init__()
        self.message = f"interrupted {when}; what was measured is kept in {path}"
        self.remedy = f"`liveprobe {verb} {path}` goes on from there"
        self.path = path
        self.whole = whole


class ProbeError(Exception):
    """What happened, where, and what to do about it.

    `remedy` is one sentence that the user can act on; it is printed on a line of its own.
    """

    exit_code = EXIT_BUG

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(ProbeError):
    """An argument or a configuration that cannot be used."""

    exit_code = EXIT_USAGE


class ScenarioError(UsageError):
    """A scenario with problems; `problems` are (path, what is wrong) pairs, all of them."""

    def __init__(
        self, message: str, problems: tuple[tuple[str, str], ...] = (), *, remedy: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.problems = problems


class ClaimsError(ScenarioError):
    """A file of claims with problems."""


class InputError(UsageError):
    """A clip or a model that cannot be used."""


class RunError(UsageError):
    """A Run directory that cannot be read."""


class RunVersionError(RunError):
    """A Run that was written by a newer liveprobe."""


class EnvironmentUnmet(ProbeError):
    """The machine lacks what was asked for."""

    exit_code = EXIT_ENVIRONMENT


class NoData(ProbeError):
    """A collector found no source: the path, tool or permission it looked for is in the message."""


class OtherDevice(NoData):
    """A collector, or a track of one, is for another kind of device: nothing is missing here."""


class SwitchedOff(NoData):
    """A collector that the scenario asked to do nothing."""


class Asleep(NoData):
    """A track that has no value while what it measures sleeps, and is not woken for one."""


class Unmet(NoData):
    """What the scenario asks for by name, and cannot be had; known before the program starts.

    The engine then raises `EnvironmentUnmet`, and starts nothing.
    """


class TapeError(ProbeError):
    """A file that is not a tape, or a tape of a newer version."""
