"""From a scenario to a judged Run, and from a Run on disk to its verdict and its report."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probe.errors import (
    EXIT_ENVIRONMENT,
    EXIT_USAGE,
    EnvironmentUnmet,
    InputError,
    Interrupted,
    ProbeError,
    RunError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from probe.course import Progress
    from probe.limits import Limit
    from probe.scenario import Scenario
    from probe.scenario.file import Loaded
    from probe.store import Run

REPORT: Final = "report.html"


@dataclass(frozen=True)
class Judged:
    """A Run on disk with its verdict (the document of verdict.json).

    `complaint` is what stopped the reference program on the way: a full disk, a clip that breaks.
    """

    path: Path
    run: Run
    verdict: dict[str, Any]
    complaint: ProbeError | None = None

    @property
    def exit_code(self) -> int:
        """The exit code that this Run and its verdict ask for."""
        from probe import judge

        if self.complaint is not None:
            return self.complaint.exit_code
        return judge.exit_code(self.run.manifest, self.verdict)

    @property
    def live(self) -> bool:
        """Whether it stands on the live side of a report: all that is no generation."""
        return self.run.manifest["mode"] != "generate" and not self.verdict["generation"]


def ready(loaded: Loaded) -> Scenario:
    """Return the scenario with its inputs as files; raises `InputError` where there are none."""
    from probe.scenario.inputs import resolve
    from scenarios import assets

    builtin = {Path(name).stem: assets.path(name) for name in assets.NAMES}
    return resolve(loaded.scenario, builtin)


def measured(
    loaded: Loaded, folder: Path, progress: Callable[[Progress], None] | None = None
) -> Judged:
    """Measure a scenario once, and judge it; the Run is made below `folder`.

    It is soaked before if the scenario asks for that; its repeats are not made. A program that
    failed or was interrupted is judged as far as it came. Raises `InputError` when the reference
    program found the clip or the model unusable; else as `probe.engine.measure`.
    """
    scenario = ready(loaded)
    from probe import opening, series

    origin = opening.Origin(loaded.text, custom=loaded.custom, overrides=loaded.overrides)
    path = series.measure_once(scenario, folder, origin=origin, progress=progress)
    return concluded(path)


def concluded(path: Path) -> Judged:
    """Judge the Run that was just measured at `path`, with what its program complained of.

    Raises `InputError` where the program refused its input, and removes that Run: nothing came of
    it; `Interrupted` where somebody does not wait for the verdict.
    """
    try:
        run = recovered(path)
        complaint = _complaint(run.manifest)
        if isinstance(complaint, InputError) and _is_empty(run):
            shutil.rmtree(path, ignore_errors=True)  # it refused its input: no Run came of it
            raise complaint
        return dataclasses.replace(judged(path), complaint=complaint)
    except KeyboardInterrupt as stop:
        raise Interrupted("before it was judged", path) from stop


def judged(path: Path, *, write: bool = True, limits: Sequence[Limit] = ()) -> Judged:
    """Judge the Run at `path` by the rules of this version, and write its verdict.json.

    `limits` are asked beside those of its scenario. A Run whose harness died is recovered first.
    Raises `RunError` for what is no Run or is still being measured, `UsageError` for a limit on a
    stage or a track that it does not have, `EnvironmentUnmet` where the verdict cannot be written.
    """
    from probe import judge, store

    run = recovered(path)
    _check_limits(run, limits)
    verdict = judge.judge(run, limits)
    if write:
        store.write_json(path / store.VERDICT, verdict)
    return Judged(path, run, verdict)


def runs_at(path: Path) -> list[Path]:
    """Return the Run at `path`, or all Runs in that folder; raises `RunError` where there is none.

    The folder's Runs stand in the order of their names, which begin with their time.
    """
    from probe import store

    if path.is_file():
        raise RunError(
            f"{path}: a file; a Run is a folder", remedy="give the folder that holds run.json"
        )
    if not path.is_dir() or (path / store.MANIFEST).exists():
        store.read_manifest(path)
        return [path]
    found = sorted(file.parent for file in path.glob(f"*/{store.MANIFEST}"))
    if not found:
        raise RunError(
            f"{path}: neither a Run nor a folder of Runs",
            remedy="`liveprobe ls` lists the Runs below ./runs",
        )
    return found


def distinct(paths: Iterable[Path]) -> list[Path]:
    """Return the Runs at `paths`; raises `UsageError` for one, or a copy of one, given twice.

    Each is a sample: the same measurement twice would pass for two that agree.
    """
    from probe import store

    known: dict[tuple[object, ...], Path] = {}
    for path in paths:
        manifest = store.read_manifest(path)
        program = manifest.get("program") or {}
        who = (manifest.get("id"), program.get("pid"), program.get("started_ns"))
        if who in known:
            first = known[who]
            same = "given twice" if first.resolve() == path.resolve() else f"a copy of {first}"
            raise UsageError(f"{path}: {same}", remedy="each Run counts once: give it once")
        known[who] = path
    return list(known.values())


def _check_limits(run: Run, asked: Sequence[Limit]) -> None:
    if not asked:
        return
    from probe import limits
    from probe.verdict.evidence import Evidence
    from probe.verdict.readings import stages
    from probe.verdict.sampled import tracks

    evidence = Evidence(run)
    limits.check_names(asked, stages=stages(evidence), tracks=tracks(evidence))


def recovered(path: Path) -> Run:
    """Open the Run at `path`, finished first where that was cut short; raises as `judged`."""
    from probe import store, tables

    manifest = store.read_manifest(path)
    if tables.unfinished(path, manifest):
        run = tables.finalise(path)
        store.discard_tapes(path, str(manifest["id"]), tables.tape_folder(path, manifest))
        return run
    return store.Run.open(path)


def opened(path: Path) -> Judged:
    """Return the Run at `path` with the verdict that it has; one without is judged, in memory.

    Raises `RunError` for what is no Run or has a verdict that cannot be read.
    """
    from probe import store

    file = path / store.VERDICT
    if store.read_manifest(path)["state"] == "running" or not file.exists():
        return judged(path, write=False)
    try:
        verdict = json.loads(file.read_text(encoding="utf-8"))
        known = verdict["schema"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        again = f"`liveprobe audit {path}` writes it again"
        raise RunError(f"{file}: cannot be read: {error!r}", remedy=again) from error
    from probe.model import VERDICT_SCHEMA
    from probe.verdict.schema import schema

    if known != VERDICT_SCHEMA:
        again = f"`liveprobe audit {path}` judges it by the rules of this version"
        raise RunError(f"{file}: verdict of schema {known}, not {VERDICT_SCHEMA}", remedy=again)
    missing = [name for name in schema()["required"] if name not in verdict]
    if missing:
        again = f"`liveprobe audit {path}` writes it again"
        raise RunError(f"{file}: has no {', '.join(missing[:3])}", remedy=again)
    return Judged(path, store.Run.open(path), verdict)


def render(runs: list[Judged]) -> str:
    """Return the report of one Run, or of a live and a generating one side by side.

    Raises `UsageError` for two of a kind.
    """
    from reports import run_report

    live = [(one.run, one.verdict) for one in runs if one.live]
    generation = [(one.run, one.verdict) for one in runs if not one.live]
    if max(len(live), len(generation)) > 1:
        kind = "live" if len(live) > 1 else "without a live input"
        raise UsageError(
            f"both Runs are {kind}; a report shows one live and one generating Run side by side",
            remedy="write two reports, one for each Run",
        )
    return run_report.render(live[0] if live else None, generation[0] if generation else None)


def write_new(path: Path, text: str, *, force: bool) -> None:
    """Write a file whole or not at all; raises `UsageError` when it exists and `force` is not set.

    Raises `EnvironmentUnmet` where it cannot be written.
    """
    refuse_existing(path, force=force)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise EnvironmentUnmet(
            f"{path}: cannot be written: {error.strerror or error}",
            remedy="give a place with room that you may write to, with -o",
        ) from error


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise `UsageError` when `path` is there already and `force` is not set, or is a directory."""
    if path.is_dir():
        raise UsageError(f"{path}: a directory", remedy="give the name of a file, with -o FILE")
    if path.exists() and not force:
        raise UsageError(f"{path}: exists", remedy="add --force to replace it, or give another -o")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: no such folder", remedy="make it, or give another -o")


def _complaint(manifest: Mapping[str, Any]) -> ProbeError | None:
    """Return what the reference program said of an input (status 2) or of the machine (4)."""
    program: Mapping[str, Any] = manifest["program"]
    kind = {EXIT_USAGE: InputError, EXIT_ENVIRONMENT: EnvironmentUnmet}.get(program["exit_code"])
    if manifest["mode"] == "command" or kind is None:
        return None
    for line in reversed(str(program.get("stderr_tail") or "").splitlines()):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and isinstance(said.get("error"), str):
            return kind(said["error"], remedy=said.get("remedy"))
    return None


def _is_empty(run: Run) -> bool:
    return run.table("frames").empty and run.table("outputs").empty
