"""What is done when the program has ended? What was seen is written; the tapes become tables."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from typing import TYPE_CHECKING

from probe import spent, store, tables
from probe.errors import EnvironmentUnmet, Interrupted
from probe.homes import document_without_homes, without_homes
from probe.opening import clock_pair
from probe.session import INTERRUPTED, Session

if TYPE_CHECKING:
    from pathlib import Path

    from probe.child import Child
    from probe.sampling import Sampling


def conclude(session: Session, child: Child, sampling: Sampling) -> None:
    """Write what was seen; then turn the tapes into tables.

    Raises `EnvironmentUnmet` where they cannot be written; it says where the tapes are kept.
    """
    manifest = session.manifest
    outcome = manifest["program"]["outcome"]
    states = {"ended": "complete", "stopped": "complete", INTERRUPTED: "interrupted"}
    manifest["state"] = states.get(outcome, "program failed")
    manifest["clocks"].update(clock_pair("end"))
    harness = manifest["harness"]
    of_ours = spent.of_everything_ns() - (child.cpu_ns or 0)  # tools of collectors count as ours
    harness["cpu_ns"] = of_ours - harness["cpu_ns"]
    harness["wall_ns"] = time.monotonic_ns() - manifest["clocks"]["start_monotonic_ns"]
    manifest["collectors"] = sampling.documents()
    manifest["program"].update(
        exit_code=child.exit_code,
        signal=child.signal_name,
        ended_ns=child.ended_ns,
        cpu_ns=child.cpu_ns,
        stderr_tail=child.error_tail,
    )
    _leave(session, sampling)
    sampling.conclude()  # takes a while, where much was put off
    manifest["collectors"] = sampling.documents()
    _leave(session, sampling)
    try:
        _write_own_tables(session, sampling, session.path)
        tables.finalise(session.path, manifest)  # on disk it is "running" until its tables are
    except EnvironmentUnmet as error:
        error.remedy = (
            f"the tapes are kept in {session.tapes}; make room, "
            f"then `liveprobe audit {session.path}`"
        )
        raise
    store.discard_tapes(session.path, manifest["id"], session.tapes)


def _leave(session: Session, sampling: Sampling) -> None:
    """Put what is known by now where whoever finishes the Run in our stead begins."""
    with contextlib.suppress(EnvironmentUnmet):
        _write_own_tables(session, sampling, session.tapes)
        store.write_json(session.tapes / store.MANIFEST, session.manifest)


def _write_own_tables(session: Session, sampling: Sampling, path: Path) -> None:
    import pandas as pd

    samples = pd.DataFrame(sampling.rows(), columns=["track", "label", "t_ns", "value"])
    rows = [
        {
            "t_ns": e.t_ns,
            "kind": e.kind,
            "text": without_homes(e.text),
            "attributes": json.dumps(document_without_homes(dict(e.attributes))),
        }
        for e in [*session.events, *sampling.events]
    ]
    events = pd.DataFrame(rows, columns=["t_ns", "kind", "text", "attributes"])
    store.write_table(path, "samples", samples)
    store.write_table(path, "events", events)


def cut_off(session: Session, sampling: Sampling) -> Interrupted:
    """Leave a Run that can be finished while this process goes on; return what says how."""
    if store.read_manifest(session.path)["state"] != "running":
        return Interrupted("when all was written", session.path, whole=True)
    sampling.spill(session.tapes / store.SPILL)
    session.manifest["harness"]["pid"] = None  # it is not at work on it any more
    with contextlib.suppress(EnvironmentUnmet):
        store.write_json(session.path / store.MANIFEST, {**session.manifest, "state": "running"})
    return Interrupted("before its tables were written", session.path)


def discard_if_nothing(session: Session) -> bool:
    """Remove what a run leaves whose program never began; say whether it was so."""
    if session.manifest["program"]["pid"] is not None:
        return False
    shutil.rmtree(session.tapes, ignore_errors=True)
    shutil.rmtree(session.path, ignore_errors=True)
    return True
