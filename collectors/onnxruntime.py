"""Which operators of the model ran where, and for how long? From ONNX Runtime's own profiler.

The profiler is too dear for a measured run, so the reference program profiles a few inferences in
a pass of its own, before the run; this collector asks for it. A program of one's own leaves its
profile in the tape folder (``profile_file_prefix`` below ``$LIVEPROBE_TAPE``), or the scenario
names it in ``operators.read``, as it does QNN's CSV and LiteRT's printout. The rows become the
table `ops` when the run ends; here are its sums, and what was asked for against what was given.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probe.errors import NoData, SwitchedOff, Unmet
from probe.model import Device, Grade, Launch, Sample, Seen, Support, Track

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_BYTES: Final = 16 * 2**20
"""What is read while the run ends, where a call may not take long; more is read afterwards."""
REMEDY: Final = (
    "make its session with enable_profiling = True and profile_file_prefix = "
    'os.environ["LIVEPROBE_TAPE"] + "/onnxruntime", and call end_profiling(); or name a profile '
    "with --set 'operators.read=[\"FILE\"]'"
)
STATED: Final = ("asked", "got", "seen_by", "assigned", "fallback", "accounts", "cost", "log")
"""What of the summary in run.json stands in this collector's facts, too."""


class OnnxRuntime:
    """Time of an inference by provider, and nodes by provider, once at the end of a run."""

    name = "onnxruntime"
    tracks = (
        Track("onnxruntime.time", "seconds", "Operators' time of an inference", Grade.DERIVED),
        Track("onnxruntime.nodes", "count", "Nodes that ran", Grade.DERIVED),
    )
    period_ns = None
    sensitive = False
    support = (
        Support(
            "ONNX Runtime on the CPU",
            ("onnxruntime.time", "onnxruntime.nodes"),
            "its profile: of a pass before the run, or of the program's own session",
            Seen.HARDWARE,
        ),
        Support(
            "ONNX Runtime on other providers",
            ("onnxruntime.time", "onnxruntime.nodes"),
            "its profile; times on a device can be those of the launch alone",
            Seen.RECORDINGS,
            "a build with the provider",
        ),
        Support(
            "Qualcomm QNN",
            ("onnxruntime.nodes",),
            "qnn-profiling-data.csv: cycles, which are shares and no times",
            Seen.FORMAT,
            "profiling_level=detailed, the file in operators.read",
        ),
        Support(
            "LiteRT",
            ("onnxruntime.time", "onnxruntime.nodes"),
            "what benchmark_model --enable_op_profiling=true prints",
            Seen.RECORDINGS,
            "the printout in operators.read",
        ),
    )

    def __init__(self) -> None:
        self._tapes: Path | None = None
        self._options: dict[str, Any] = {}
        self._mode = ""
        self._calls = 0
        self._summary: dict[str, Any] = {}

    def attach(self, launch: Launch) -> Mapping[str, str]:
        """Ask the program for a pass; raises `SwitchedOff` where the scenario wants none.

        Raises `Unmet` for a profile that is named and cannot be read, and is not to be written yet.
        """
        self._options = dict(launch.options.get("operators") or {})
        self._mode = str(launch.options.get("mode"))
        self._tapes = launch.tapes
        count = int(self._options.get("inferences", 0))
        if not count and not self._options.get("read"):
            raise SwitchedOff(
                "operators.inferences is 0", remedy="run it with --set operators.inferences=30"
            )
        wrong = _unreadable(self._options.get("read") or (), to_come=self._mode == "command")
        if wrong:
            remedy = "name a profile of ONNX Runtime, QNN's CSV or LiteRT's printout"
            raise Unmet(f"operators.read: {'; '.join(wrong)}", remedy=remedy)
        return {"LIVEPROBE_OPERATORS": str(count)}

    def start(self, device: Device) -> None:
        """Raise `NoData` where no model can run: on a captured tree, or without ONNX Runtime."""
        if device.root != Path("/"):
            raise NoData(
                f"{device.root} is a captured tree, on which no model runs",
                remedy="measure on the device itself",
            )
        if find_spec("onnxruntime") is None:
            raise NoData("no package onnxruntime", remedy="install onnxruntime")

    def sample(self, t_ns: int) -> Iterable[Sample]:  # noqa: ARG002 - the protocol's
        """Yield seconds and nodes of an inference by provider, at the end of the run."""
        self._calls += 1
        if self._tapes is None or self._calls == 1:
            return ()
        if _size(self._tapes, self._options) > MOST_BYTES:
            return ()  # run.json has it afterwards
        self._summary, rejected = _summary(self._tapes, self._options)
        if not self._summary:
            own = self._mode == "command"
            left_out = "; ".join(f"{name}: {why}" for name, why in rejected)
            if left_out:
                raise NoData(f"no profile could be read: {left_out}", remedy=REMEDY)
            raise NoData(
                "the program left no profile of its operators",
                remedy=REMEDY if own else "`liveprobe run` with a model, then `liveprobe ops`",
            )
        return _samples(self._summary)

    def stop(self) -> None:
        """Hold nothing."""

    def facts(self) -> Mapping[str, Any]:
        """Return what was asked for, what was given, nodes and time by provider, the cost."""
        return {name: self._summary.get(name) for name in STATED}


def _unreadable(names: Iterable[str], *, to_come: bool) -> list[str]:
    """Return which files cannot be what they are named for; `to_come`: the run may write them.

    Names with stars are of files that are not there yet.
    """
    from probe.operators.document import why_not

    files = [Path(name) for name in names if "*" not in Path(name).name]
    whys = {file: why_not(file) for file in files if not to_come or file.is_dir()}
    return [f"{file.name}: {why}" for file, why in whys.items() if why is not None]


def _size(tapes: Path, options: Mapping[str, Any]) -> int:
    """Return how many bytes of profiles there are."""
    from probe.operators.document import files

    found = files(tapes, tapes, {"scenario": {"resolved": {"operators": dict(options)}}})
    return sum(file.stat().st_size for file in found if file.is_file())


def _summary(
    tapes: Path, options: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return what the profiles say, empty where there are none, and (file, why) not read."""
    from probe.operators.document import operators_of

    manifest = {"scenario": {"resolved": {"operators": dict(options)}}}
    made = operators_of(tapes, tapes, manifest)
    return made.summary or {}, made.rejected


def _samples(summary: Mapping[str, Any]) -> Iterable[Sample]:
    """Yield a line for each provider of each source; of one source without the source's name."""
    accounts = summary.get("accounts") or []
    for account in accounts:
        for row in account["providers"]:
            alone = len(accounts) == 1
            label = row["name"] if alone else f"{row['name']} {account['source']}"
            if row["ms"] is not None:
                yield Sample("onnxruntime.time", label, row["ms"] / 1e3)
            yield Sample("onnxruntime.nodes", label, float(row["nodes"]))
