"""What other runtimes say of their own copies, from files that they left or that the user names.

The log of GStreamer and the export of Nsight Systems tell of copies; those that the interposer saw
as well are left out. A profile of ONNX Runtime tells of operators (`probe.operators`).
"""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from probe.copies.kinds import CUPTI, GSTREAMER
from probe.copies.methods import DOMAINS, METHODS
from probe.copies.readers import cupti, gstreamer
from probe.copies.readers.matching import unseen
from probe.copies.records import MOST_BYTES, MOST_NS, Copies
from probe.copies.sites import Caller
from probe.errors import ProbeError
from probe.operators.profile import is_profile
from probe.tape import NULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from probe.copies.records import Texts
    from probe.copies.sites import Sites
    from probe.tape import Tape

HEAD_BYTES: Final = 4_096
MOST_FILES: Final = 100
UNKNOWN_KIND: Final = (
    "neither an SQLite export of Nsight Systems, nor a profile of ONNX Runtime, nor a log of"
    " GStreamer"
)
_CUDA: Final = [
    number for number, method in METHODS.items() if method.name.startswith(("cudaMem", "cuMem"))
]


@dataclass
class Reports:
    """What was read: copies that are told of, and (file name, why) of what could not be."""

    gstreamer: list[pd.DataFrame] = field(default_factory=list)
    cupti: list[pd.DataFrame] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)

    @property
    def without_bytes(self) -> int:
        """Number of copies that a runtime tells of without saying how many bytes."""
        return sum(int(told["bytes"].isna().sum()) for told in self.gstreamer)


def reports_of(path: Path, folder: Path, manifest: Mapping[str, Any]) -> Reports:
    """Read what runtimes left in the tape `folder` of the Run at `path`, and `copies.read`."""
    clocks = manifest.get("clocks") or {}
    offset = int(clocks.get("start_monotonic_ns", 0)) - int(clocks.get("start_wall_ns", 0))
    reports = Reports()
    asked = _asked(path, manifest)
    for file in _files(folder, asked):
        try:
            _check_kind(file)
            with file.open("rb") as stream:
                head = stream.read(HEAD_BYTES)
            if head.startswith(cupti.MAGIC):
                reports.cupti.append(cupti.read(file, offset))
            elif is_profile(head):
                continue
            elif file in asked and not gstreamer.is_log(head):
                reports.rejected.append((file.name, UNKNOWN_KIND))
            else:
                reports.gstreamer.append(gstreamer.read(file, offset))
        except (ProbeError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            reports.rejected.append((file.name, why or str(error)))
    return reports


def _asked(path: Path, manifest: Mapping[str, Any]) -> list[Path]:
    """Return the files that the scenario names; one of a bundle lies in the Run itself."""
    resolved = (manifest.get("scenario") or {}).get("resolved") or {}
    named = (resolved.get("copies") or {}).get("read") or []
    return [inside if (inside := path / str(name)).is_file() else Path(str(name)) for name in named]


def _files(folder: Path, asked: Sequence[Path]) -> list[Path]:
    left = sorted(folder.glob(gstreamer.PATTERN))
    found = [*(file for file in left if file.is_file()), *asked]
    return list(dict.fromkeys(found))[:MOST_FILES]


def _check_kind(file: Path) -> None:
    """Raise `OSError` for what is no plain file: a device or a pipe may never end."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError(errno.EINVAL, "not a plain file")


def told_copies(
    reports: Reports, seen: Copies, tapes: Sequence[Tape], sites: Sites, texts: Texts
) -> list[Copies]:
    """Return the copies that were told of and that the interposer did not see."""
    threads = {(tape.header.pid, tape.header.tid): k for k, tape in enumerate(tapes)}
    process = np.array([tape.header.pid for tape in tapes] + [-1])
    found = []
    for told in reports.gstreamer:
        mine = _seen(seen, process, set(told["pid"].dropna()))
        new = told[unseen(told, mine[mine["rows"].notna()], ("pid", "rows", "row_bytes"))]
        new = new[unseen(new, mine[mine["rows"].isna()], ("pid", "bytes"))]
        new = new.assign(end_ns=new["t_ns"], source="cpu", destination="cpu")
        found.append(_copies(new, threads, GSTREAMER, sites.number(_caller("GStreamer")), texts))
    for told in reports.cupti:
        mine = _seen(seen, process, None)
        new = told[unseen(told, mine[mine["method"].isin(_CUDA)], ("bytes",))]
        found.append(_copies(new, threads, CUPTI, sites.number(_caller("CUPTI")), texts))
    return found


def _caller(runtime: str) -> Caller:
    return Caller(runtime, 0, "", "")


def _seen(copies: Copies, process: NDArray[np.int64], pids: Iterable[int] | None) -> pd.DataFrame:
    pid = process[copies.tape]
    chosen = np.isin(pid, list(pids)) if pids is not None else np.ones(len(pid), dtype=bool)
    columns: dict[str, NDArray[Any]] = {
        "pid": pid, "t_ns": copies.start, "bytes": copies.bytes, "rows": copies.rows_moved,
        "row_bytes": copies.row_bytes, "method": copies.method,
    }  # fmt: skip
    plain = {name: values[chosen].astype(np.int64) for name, values in columns.items()}
    return pd.DataFrame({
        name: pd.arrays.IntegerArray(values, values == NULL) for name, values in plain.items()
    })  # fmt: skip


def _copies(
    told: pd.DataFrame, threads: Mapping[tuple[int, int], int], method: int, site: int, texts: Texts
) -> Copies:
    sane = (told["bytes"] > 0) & (told["bytes"] < MOST_BYTES) & (told["t_ns"] >= 0)
    sane &= (told["end_ns"] >= told["t_ns"]) & (told["end_ns"] < MOST_NS)
    told = told[sane.fillna(value=False).astype(bool)]
    count = len(told)

    def numbers(name: str) -> NDArray[np.int64]:
        if name not in told:
            return np.full(count, NULL)
        return np.asarray(told[name].astype("Int64").to_numpy(na_value=NULL), dtype=np.int64)

    def domains(name: str) -> NDArray[np.uint8]:
        known = [DOMAINS.index(each) if each in DOMAINS else 0 for each in told[name]]
        return np.array(known, dtype=np.uint8)

    callers = zip(numbers("pid").tolist(), numbers("tid").tolist(), strict=True)
    blank = np.zeros(count, dtype=np.int64)
    return Copies(
        tape=np.array([threads.get(each, -1) for each in callers], dtype=np.int32),
        method=np.full(count, method, dtype=np.uint16),
        nested=np.zeros(count, dtype=bool),
        site=np.full(count, site, dtype=np.int32),
        start=numbers("t_ns"),
        end=numbers("end_ns"),
        bytes=numbers("bytes"),
        destination=blank,
        source=blank,
        faults=np.full(count, NULL),
        source_domain=domains("source"),
        domain=domains("destination"),
        rows_moved=numbers("rows"),
        row_bytes=numbers("row_bytes"),
        destination_stride=np.full(count, NULL),
        source_stride=np.full(count, NULL),
        detail=np.array([texts.number(str(each)) for each in told["detail"]], dtype=np.int32),
    )
