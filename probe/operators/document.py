"""From what runtimes left, and what the user names, to the table `ops` and its sums in run.json."""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe import store
from probe.errors import ProbeError
from probe.operators import litert, placing, profile, qnn, statement
from probe.operators.summary import summary_of
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.operators.profile import Profile
    from probe.operators.statement import Statement

HEAD_BYTES: Final = 65_536
MOST_FILES: Final = 100
BEGUN_BYTES: Final = 2
"""A profile that is no longer has just begun: its program died."""
MOST_ROWS: Final = 2_000_000
MOST_NS: Final = 2**62
SECOND_NS: Final = 10**9
UNKNOWN_KIND: Final = (
    "neither a profile of ONNX Runtime, nor QNN's CSV, nor LiteRT's table of operators"
)
FACT: Final = "onnxruntime"
"""``probe.mark("fact:onnxruntime", text='{"profiling_start_ns": n}')``, n as the session's
``get_profiling_start_time_ns()`` gives it, puts a program's own profile on the clock."""


@dataclass
class OperatorTables:
    """What is to be written: the table `ops`, what goes into run.json, (file, why) not read.

    `summary` is None where nobody told of an operator.
    """

    ops: pd.DataFrame
    summary: dict[str, Any] | None = None
    rejected: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class _Found:
    """What one file says."""

    ops: pd.DataFrame
    source: dict[str, Any]
    statement: Statement | None = None


def operators_of(
    path: Path,
    folder: Path,
    manifest: Mapping[str, Any],
    spans: pd.DataFrame | None = None,
    facts: Mapping[str, Any] | None = None,
) -> OperatorTables:
    """Read what lies in the tape `folder` of the Run at `path`, and ``operators.read``.

    `spans` is the finished table, to find frames in; `facts` are what the program states.
    """
    made = OperatorTables(store.empty_table("ops"))
    spans, facts = store.empty_table("spans") if spans is None else spans, facts or {}
    stated = _statements(folder, made.rejected)
    found: list[_Found] = []
    for file in files(path, folder, manifest):
        try:
            _check_kind(file)
            found.append(_read(file, stated.get(file.name), manifest, spans, facts))
        except (ProbeError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            made.rejected.append((file.name, why or str(error)))
    tables = [each.ops for each in found if len(each.ops)]
    if tables:
        made.ops = store.as_table("ops", pd.concat(tables, ignore_index=True)[:MOST_ROWS])
    if found or stated:
        sources, said = [each.source for each in found], list(stated.values())
        made.summary = {
            **summary_of(made.ops, sources, said, manifest, facts),
            "not_read": [[name, why] for name, why in made.rejected],
        }
    return made


def _check_kind(file: Path) -> None:
    """Raise `OSError` for what is no plain file: a device or a pipe may never end."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(errno.EINVAL, "not a plain file")


def _statements(folder: Path, rejected: list[tuple[str, str]]) -> dict[str, Statement]:
    """Return statements by the name of their profile; of a session without one, by their own."""
    found = {}
    for file in sorted(folder.glob(statement.PATTERN))[:MOST_FILES]:
        try:
            said = statement.read(file)
        except (OSError, ValueError) as error:
            rejected.append((file.name, str(error)))
            continue
        found[said.profile or file.name] = said
    return found


def files(path: Path, folder: Path, manifest: Mapping[str, Any]) -> list[Path]:
    """Return the profiles in the tape `folder` of the Run at `path`, and what the scenario names.

    A named file of a bundle lies in the Run. A name may have stars, for the runtime puts the time
    into it: then those are meant that were written since the run began.
    """
    resolved = (manifest.get("scenario") or {}).get("resolved") or {}
    asked, told = (
        [
            file
            for name in (resolved.get(part) or {}).get("read") or []
            for file in _named(path, str(name), manifest)
        ]
        for part in ("operators", "copies")
    )
    left = [
        file
        for file in sorted(folder.glob(profile.PATTERN))
        if file.is_file() and file.stat().st_size > BEGUN_BYTES
    ]
    profiles = [file for file in told if _kind(file) == "onnxruntime"]
    return list(dict.fromkeys([*left, *asked, *profiles]))[:MOST_FILES]


def _named(path: Path, name: str, manifest: Mapping[str, Any]) -> list[Path]:
    inside, file = path / name, Path(name)
    if "*" not in file.name or file.exists():
        return [inside if inside.is_file() else file]
    began_ns = (manifest.get("clocks") or {}).get("start_wall_ns") or 0
    found = sorted(each for each in file.parent.glob(file.name) if each.is_file())
    return [each for each in found if each.stat().st_mtime_ns >= began_ns][:MOST_FILES]


def why_not(file: Path) -> str | None:
    """Return why a file cannot be read as a profile; None for one that begins like one."""
    try:
        _check_kind(file)
        with file.open("rb"):
            pass
    except OSError as error:
        return error.strerror
    return UNKNOWN_KIND if _kind(file) is None else None


def _kind(file: Path) -> str | None:
    """Return which runtime wrote a file; None for what is none of theirs, or cannot be read."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return None
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError:
        return None
    if profile.is_profile(head):
        return "onnxruntime"
    if qnn.is_profile(head):
        return "qnn"
    return "litert" if litert.is_table(head) else None


def _read(
    file: Path,
    said: Statement | None,
    manifest: Mapping[str, Any],
    spans: pd.DataFrame,
    facts: Mapping[str, Any],
) -> _Found:
    with file.open("rb"):  # for the reason, where it may not be read
        kind = _kind(file)
    if kind == "onnxruntime":
        return _of_onnxruntime(file, said, manifest, spans, facts)
    source: dict[str, Any] = {"file": file.name, "runtime": kind, "clock": None}
    if kind == "qnn":
        found = qnn.read(file)
        source |= {"inferences": found.inferences, "damaged": found.damaged, "unit": "cycles"}
        return _Found(found.ops.assign(source=file.name), source)
    if kind == "litert":
        return _Found(litert.read(file).assign(source=file.name), source | {"inferences": 1})
    raise ProbeError(UNKNOWN_KIND)


def _of_onnxruntime(
    file: Path,
    said: Statement | None,
    manifest: Mapping[str, Any],
    spans: pd.DataFrame,
    facts: Mapping[str, Any],
) -> _Found:
    found = profile.read(file)
    warm = min(said.warm, len(found.inferences)) if said is not None else 0
    clock = _clock(file, said, manifest, facts)
    frame = np.full(len(found.inferences), NULL)
    if said is None:
        clock, frame = placing.frames(clock, found.inferences, spans)
    ops = _placed(found, clock, frame, warm)
    source = {
        "file": file.name,
        "runtime": "onnxruntime" if said is None else said.runtime or "onnxruntime",
        "inferences": len(found.inferences) - warm,
        "left_out_warm": warm,
        "of_frames": int(np.count_nonzero(frame != NULL)),
        "before_the_run": said is not None,
        "incomplete_nodes": int(ops["run"].isna().sum()),
        "dropped_events": found.dropped,
        "damaged": found.damaged,
        "whole": found.whole,
        "clock": clock.document(),
    }
    return _Found(ops.assign(source=file.name), source, said)


def _clock(
    file: Path, said: Statement | None, manifest: Mapping[str, Any], facts: Mapping[str, Any]
) -> placing.Clock:
    if said is not None:
        return placing.clock(said.began_wall_ns, said.clocks, "stated")
    pairs = placing.clock_pairs(manifest)
    named = placing.began_by_name(file, pairs)
    began = _stated_begin(file, facts)
    # where the name of the file tells another second, the statement is of another session
    if began is not None and (named is None or abs(named - began) < SECOND_NS):
        return placing.clock(began, pairs, "stated")
    return placing.clock(named, pairs, "name")


def _stated_begin(file: Path, facts: Mapping[str, Any]) -> int | None:
    fact = facts.get(FACT)
    began = fact.get("profiling_start_ns") if isinstance(fact, dict) else None
    if isinstance(began, dict):  # of several sessions, by the names of their files
        began = began.get(file.name)
    known = isinstance(began, int) and not isinstance(began, bool) and 0 < began < MOST_NS
    return began if known else None


def _placed(
    found: Profile, clock: placing.Clock, frame: NDArray[np.int64], warm: int
) -> pd.DataFrame:
    """Return the rows on the run's clock, without the first inferences, each with its frame."""
    ops = found.ops
    ops = ops[(ops["run"].isna() | (ops["run"] >= warm)).to_numpy(dtype=bool)]
    if warm and found.inferences:  # what stands before them is of them
        ended = found.inferences[warm - 1].end_ns
        ops = ops[
            (ops["run"].notna() | (ops["start_ns"] >= ended)).to_numpy(dtype=bool, na_value=False)
        ]
    run = ops["run"].to_numpy(dtype=np.int64, na_value=-1)
    of = np.append(frame, NULL)[run]
    times = {
        name: pd.Series(pd.NA, index=ops.index, dtype="Int64")
        if clock.began_ns is None
        else ops[name] + clock.began_ns
        for name in ("start_ns", "end_ns")
    }
    return ops.assign(
        frame=pd.array(np.where(of == NULL, 0, of), dtype="Int64"),
        run=ops["run"] - warm,
        **times,
    ).assign(frame=lambda table: table["frame"].mask(of == NULL))
