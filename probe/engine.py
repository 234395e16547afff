"""One run from start to finish: a program is started, watched, sampled, stopped; a Run remains."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe import calibration, store
from probe.child import Child, Watch
from probe.closing import conclude, cut_off, discard_if_nothing
from probe.course import Course, Phase, Progress
from probe.errors import EnvironmentUnmet, Interrupted, Unmet, UsageError
from probe.interrupts import held
from probe.model import Device, Launch
from probe.neighbours import ours
from probe.opening import Origin, bounds, load_folder, opened
from probe.sampling import Sampling
from probe.session import INTERRUPTED, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from probe.scenario import Scenario

POLL_S: Final = 0.25
LOAD_POLL_S: Final = 0.1
"""Of a program that is load alone: whoever ends it looks at temperatures then."""
LOOK_NS: Final = 10**9
LOOKS_PER_HANG: Final = 4
"""How often it is looked how far the tapes have come, once they have a frame: a look reads them."""
SPILL_NS: Final = 2 * 10**9
"""How often the collectors' readings are put where a killed harness leaves them."""
STOP_PATIENCE_S: Final = 3.0
"""How long a program may take to finish its tape after SIGTERM."""


def measure(
    scenario: Scenario,
    folder: Path,
    *,
    origin: Origin | None = None,
    device: Device | None = None,
    progress: Callable[[Progress], None] | None = None,
    prepared: Mapping[str, Any] | None = None,
) -> Path:
    """Run the scenario's program once and return the directory of the Run, made below `folder`.

    `prepared` goes into the manifest: what came before this run (`probe.series`). A program that
    fails, hangs or is interrupted does not raise: the manifest's `state` and `program.outcome` say
    so, and what was measured is kept. Raises `UsageError` for a program or a collector that cannot
    be used, `EnvironmentUnmet` when the Run cannot be written; its message then says where the
    tapes are. It also raises that, and starts nothing, where something cannot be had that the
    scenario asks for by name.

    An interrupt before the program has begun leaves nothing, and raises `KeyboardInterrupt`. One
    that comes when it has ended raises `Interrupted` when the Run is whole; a second one raises
    that at once, and the tapes are kept.
    """
    device = device or Device("local")
    sampling = Sampling(_collectors(scenario))
    with held() as wish:
        run = opened(scenario, folder, origin or Origin(), device, prepared or {})
        silent: Callable[[Progress], None] = lambda _: None  # noqa: E731 - shorter than a name
        session = Session(scenario, run.path, run.tapes, run.manifest, progress or silent, wish)
        try:
            _measured(session, sampling, device)
        except (EnvironmentUnmet, UsageError):
            discard_if_nothing(session)
            raise
        except KeyboardInterrupt as cut:
            if discard_if_nothing(session):
                raise
            raise cut_off(session, sampling) from cut
    if wish.asked and session.manifest["state"] != "interrupted":
        raise Interrupted("after the program had ended", session.path, whole=True)
    return session.path


def _measured(session: Session, sampling: Sampling, device: Device) -> None:
    session.wish.heed()
    session.manifest["calibration"] = calibration.stored(
        session.manifest["device"],
        sampling.names,
        calibration.inside(session.scenario.document()),
    )
    child = _go(session, sampling, device)
    session.progress(Progress(Phase.FINALISING, 0, None))
    conclude(session, child, sampling)


@dataclass(frozen=True)
class Exertion:
    """How a program that was run as load came to its end: as `program` in run.json says it."""

    outcome: str
    why: str


def exert(
    scenario: Scenario, until: Callable[[int | None], bool], *, device: Device | None = None
) -> Exertion:
    """Run the scenario's program as load, watched as if measured, and keep nothing of it.

    It is stopped when `until`, asked ten times a second with the time of its first frame (None
    before), says that it was enough; it may also end by itself. Raises as `measure`; an interrupt
    while it runs is its outcome, any other raises `KeyboardInterrupt`.
    """
    sampling = Sampling(_collectors(scenario))
    with held() as wish, load_folder() as path:
        manifest: dict[str, Any] = {"bounds": bounds(scenario), "program": {}}
        session = Session(scenario, path, path, manifest, lambda _: None, wish, until=until)
        child = _go(session, sampling, device or Device("local"))
    if manifest["program"]["outcome"] != INTERRUPTED:
        wish.heed()
    said = [event.text for event in session.events] + child.error_tail.splitlines()[-1:]
    return Exertion(manifest["program"]["outcome"], "; ".join(said))


def _go(session: Session, sampling: Sampling, device: Device) -> Child:
    """Run the program from its start to its end; nothing of it or of a collector is left."""
    try:
        child = _launch(session, sampling)
        try:
            _watch(session, child, sampling, device)
        finally:
            child.close()
    finally:
        sampling.stop()
    return child


def _collectors(scenario: Scenario) -> list[Any]:
    classes = {each.name: each for each in ours("collectors").discover()}
    wanted = scenario.run.collectors
    unknown = [] if wanted is None else sorted(set(wanted) - set(classes))
    if unknown:
        raise UsageError(
            f"run.collectors: there is no collector {', '.join(unknown)}",
            remedy=f"there are: {', '.join(sorted(classes))}",
        )
    return [classes[name]() for name in (classes if wanted is None else wanted)]


def _launch(session: Session, sampling: Sampling) -> Child:
    scenario = session.scenario
    if scenario.program.command is not None:
        command = list(scenario.program.command)
    else:
        resolved = session.path / "scenario.json"
        store.write_json(resolved, scenario.document())
        command = [sys.executable, "-P", "-m", "probe.pipeline", "--scenario", str(resolved)]
        command += ["--out", str(session.path)]
    options, offset_ns = scenario.document(), _wall_offset_ns(session.manifest)
    launch = Launch(tuple(command), dict(os.environ), session.tapes, options, offset_ns)
    added = sampling.attach(launch, lambda: session.wish.asked)
    session.wish.heed()
    _refuse(sampling.unmet)
    child = Child(command, session.tapes, session.path, added)
    program = session.manifest["program"]
    try:
        program.update(
            command=command, pid=child.pid, started_ns=child.started_ns, outcome="running"
        )
        store.write_json(session.path / store.MANIFEST, session.manifest)
    except BaseException:
        child.close()
        program["pid"] = None  # nobody watched it: there is nothing to keep
        raise
    return child


def _refuse(unmet: Sequence[tuple[str, Unmet]]) -> None:
    """Raise `EnvironmentUnmet` where something that was asked for by name cannot be had."""
    if not unmet:
        return
    told = (why.message if why.message.startswith(name) else f"{name}: {why.message}"
            for name, why in unmet)  # fmt: skip
    remedies = dict.fromkeys(why.remedy for _, why in unmet if why.remedy)
    raise EnvironmentUnmet(
        f"asked for, and not to be had: {'; '.join(told)}; nothing was started",
        remedy="; ".join(remedies) or None,
    )


def _wall_offset_ns(manifest: Mapping[str, Any]) -> int | None:
    """Return wall time less CLOCK_MONOTONIC as the Run states it; a load has no Run."""
    clocks = manifest.get("clocks")
    return None if clocks is None else clocks["start_wall_ns"] - clocks["start_monotonic_ns"]


def _watch(session: Session, child: Child, sampling: Sampling, device: Device) -> None:
    """Sample and wait until the program ends, hangs, is due to stop, or somebody interrupts."""
    wish = session.wish
    try:
        sampling.start(dataclasses.replace(device, program_pid=child.pid), lambda: wish.asked)
        outcome = _until_over(session, child, sampling)
    except KeyboardInterrupt:  # the second: the program is not waited for
        outcome = INTERRUPTED
    if outcome == INTERRUPTED:
        session.note(INTERRUPTED)
    session.manifest["program"]["outcome"] = outcome


def _until_over(session: Session, child: Child, sampling: Sampling) -> str:
    watch, course = Watch(session.tapes), Course(session.scenario, session.manifest["bounds"])
    seen, looked_ns, moved_ns, spilled_ns = 0, 0, child.started_ns, child.started_ns
    every_ns = min(LOOK_NS, session.scenario.run.hang // LOOKS_PER_HANG)
    while child.running():
        now = time.monotonic_ns()
        silence = course.silence_allowed_ns(seen, watch.first_ns)
        silent = silence is not None and now - moved_ns > silence
        if silent or watch.first_ns is None or now - looked_ns >= every_ns:
            looked_ns, records = now, watch.records()
            if records != seen:
                seen, moved_ns = records, now
        if now - spilled_ns > SPILL_NS:
            spilled_ns = now
            sampling.spill(session.tapes / store.SPILL)
        session.progress(course.progress(watch.first_ns, child.started_ns, now))
        if session.wish.asked:
            child.stop(STOP_PATIENCE_S)
            return INTERRUPTED
        if session.until is not None and session.until(watch.first_ns):
            return _end(session, child, "stopped", "stopped: it was load for long enough")
        late = course.overdue(watch.first_ns, child.started_ns, now)
        if late is not None:
            return _end(session, child, *late)
        silence = course.silence_allowed_ns(seen, watch.first_ns)
        if silence is not None and now - moved_ns > silence:
            why = f"no record for {silence / 1e9:g} s: the program hangs"
            return _end(session, child, "timed out", why)
        child.wait(POLL_S if session.until is None else LOAD_POLL_S)
    if child.exit_code == 0:
        return "ended"
    how = child.signal_name or f"exit status {child.exit_code}"
    session.note(f"the program ended with {how}")
    return "crashed"


def _end(session: Session, child: Child, outcome: str, why: str) -> str:
    session.note(why)
    child.stop(STOP_PATIENCE_S)
    return outcome
