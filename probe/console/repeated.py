"""From a scenario, or the folder of a series, to all of its judged Runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from probe.console import judged
from probe.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PROGRAM,
    PRECEDENCE,
    Interrupted,
    ProbeError,
    RunError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from probe.console.judged import Judged
    from probe.course import Progress
    from probe.limits import Limit
    from probe.scenario.file import Loaded


@dataclass(frozen=True)
class Repeated:
    """The Runs that were measured, in order, each judged beside all others.

    `of` is how many were asked for. `complaint` is what stopped the program, or kept the next
    repeat from being measured; `interrupted` says that somebody stopped it between two, `left` what
    was left undone then.
    """

    members: tuple[Judged, ...]
    of: int
    complaint: ProbeError | None = None
    interrupted: bool = False
    left: Interrupted | None = None

    @property
    def exit_code(self) -> int:
        """The exit code that all Runs together ask for."""
        codes = {one.exit_code for one in self.members}
        if self.complaint is not None:
            codes.add(self.complaint.exit_code)
        if self.interrupted:
            codes.add(EXIT_INTERRUPTED)
        # a complaint of usage comes after all that was measured
        return next((code for code in PRECEDENCE if code in codes), max(codes, default=EXIT_OK))


def measured(
    loaded: Loaded,
    folder: Path,
    progress: Callable[[Progress], None] | None = None,
    told: Callable[[Judged], None] | None = None,
) -> Repeated:
    """Measure a scenario as often as it asks, and judge each Run; `told` is given each at once.

    An interrupt or an error ends a series, and keeps the Runs that it has; it is raised where there
    is none. A program that failed is measured again, but not where it never gave anything to
    measure. Raises as `probe.console.judged.measured`.
    """
    scenario = judged.ready(loaded)
    from probe import opening, series

    found: list[Judged] = []
    complaint: ProbeError | None = None
    left: Interrupted | None = None
    interrupted = False

    def each(path: Path) -> bool:
        one = judged.concluded(path)
        found.append(one)
        if told is not None:
            told(one)
        return _goes_on(one)

    origin = opening.Origin(loaded.text, custom=loaded.custom, overrides=loaded.overrides)
    try:
        if scenario.run.repeats == 1:
            each(series.measure_once(scenario, folder, origin=origin, progress=progress))
        else:
            series.measure(scenario, folder, each, origin=origin, progress=progress)
    except KeyboardInterrupt as stop:
        interrupted, left = True, _left_undone(stop, each)
        if not found:
            raise left or stop from None
    except ProbeError as error:
        complaint = error
        if not found:
            raise
    try:
        if len(found) > 1:  # each sees all others now
            found = [replace(judged.judged(one.path), complaint=one.complaint) for one in found]
    except KeyboardInterrupt:
        when = "before the repeats were judged beside each other"
        interrupted, left = True, left or Interrupted(when, found[0].path.parent)
    complaint = complaint or next((one.complaint for one in found if one.complaint), None)
    return Repeated(tuple(found), scenario.run.repeats, complaint, interrupted, left)


def _left_undone(stop: KeyboardInterrupt, each: Callable[[Path], bool]) -> Interrupted | None:
    """Judge the Run that was whole when somebody interrupted; return what is left undone."""
    if not isinstance(stop, Interrupted):
        return None
    if not stop.whole:
        return stop
    try:
        each(stop.path)
    except Interrupted as again:
        return again
    return None


def members_at(path: Path) -> list[Path]:
    """Return the repeats of the series in a folder, in their order; none where `path` is a Run.

    Raises `RunError` where there is neither, or Runs that are not of one series.
    """
    from probe import store

    paths = judged.runs_at(path)
    if paths == [path]:
        return []
    told = [store.read_manifest(each).get("series") for each in paths]
    known = [each if isinstance(each, dict) else {} for each in told]
    if len({str(each.get("id")) for each in known}) > 1 or not known[0].get("id"):
        raise RunError(
            f"{path}: a folder of {len(paths)} Runs that are not the repeats of one series",
            remedy="give one Run, or the folder of one series",
        )
    order = [int(each.get("index") or 0) for each in known]
    return [each for _, each in sorted(zip(order, paths, strict=True))]


def again(paths: Sequence[Path], *, write: bool = True, limits: Sequence[Limit] = ()) -> Repeated:
    """Judge all repeats of a series, each beside all others; raises as `judged.judged`."""
    for path in paths:
        judged.recovered(path)
    found = [judged.judged(path, write=write, limits=limits) for path in paths]
    told = found[0].verdict["series"]
    return Repeated(tuple(found), told["of"] if told else len(found))


def _goes_on(one: Judged) -> bool:
    """Say whether measuring once more can tell anything."""
    if one.complaint is not None or one.run.manifest["state"] == "interrupted":
        return False
    return not (one.exit_code == EXIT_PROGRAM and one.run.manifest["window"] is None)
