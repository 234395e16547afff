"""What happens inside the model's graph? Profiled inferences, in a pass of their own, before a run.

Only ONNX Runtime sees its operators, where it put them, and its reorders, casts and transposes, and
its profiler is too dear for a measured run. So the model is loaded once more with the profiler on,
before anything is measured. Its inferences take turns with those of the plain session, which says
what profiling costs. The profile stays beside the tapes with a statement: providers, the nodes that
each was given, both clocks, what the runtime logged.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnxruntime as ort

from probe.operators import log
from probe.pipeline import infer
from probe.pipeline.infer import ORT_ERRORS, options
from probe.pipeline.model_input import TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from probe.pipeline.infer import Model
    from probe.scenario import InferPart

COPIES: Final = "LIVEPROBE_COPIES"
WANTED: Final = "LIVEPROBE_OPERATORS"
"""How many inferences are to be profiled; set by the collector `onnxruntime`."""
FOLDER: Final = "LIVEPROBE_TAPE"
WARM: Final = 2
"""The first inference allocates what the others reuse."""
LONGEST_NS: Final = 10**9
"""What all inferences of the pass may take: a run shall begin soon. Our own number."""
MOST_EVENTS: Final = 100_000
"""About 100 MB: the profile lies in memory with the tapes."""
WARNINGS: Final = 2
MOST_LOG: Final = 2**20
MOST_NODES: Final = 20_000


def wanted() -> int:
    """Return how many inferences of this process are to be profiled."""
    if not os.environ.get(FOLDER):
        return 0
    asked = os.environ.get(WANTED, "")
    if asked.isascii() and asked.isdigit():
        return int(asked)
    return int(os.environ.get(COPIES, "") not in {"", "off"})  # they want the moves in the graph


def profile(
    model: Model,
    part: InferPart,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    feeds: Mapping[str, NDArray[Any]] | None = None,
) -> Path | None:
    """Leave ``onnxruntime-<pid>.json`` and a statement in the tape folder; None if not possible.

    `feeds` is what the model is run on; of inputs that are not in there zeros of `shapes`, where
    what nobody knows counts as 1. A pass that fails costs the table `ops`, never the run.
    """
    most = wanted()
    if not most:
        return None
    folder = Path(os.environ[FOLDER])
    given = {**_zeros(model, shapes or {}), **(feeds or {})}
    said: dict[str, Any] = {
        "asked": model.asked, "got": model.got, "runtime": f"onnxruntime {ort.__version__}",
        "warm": WARM,
    }  # fmt: skip
    target = folder / f"onnxruntime-{os.getpid()}.json"
    try:
        raw = _passed(model, part, given, most, said)
        raw.rename(target)
        said["profile"] = target.name
    except ORT_ERRORS as error:
        said["failed"] = str(error).partition("\n")[0]
    except OSError:
        return None
    with contextlib.suppress(OSError):
        file = folder / f"operators-{os.getpid()}.json"
        file.write_text(json.dumps(said), encoding="utf-8")
    return target if "profile" in said else None


def _passed(
    model: Model,
    part: InferPart,
    feeds: Mapping[str, NDArray[Any]],
    most: int,
    said: dict[str, Any],
) -> Path:
    """Run the pass and return the profile's file; what is to be stated goes into `said`."""
    folder = Path(os.environ[FOLDER])
    asked = options(part)
    asked.enable_profiling = True
    asked.profile_file_prefix = str(folder / ".graph-pass")
    asked.log_severity_level = WARNINGS
    with contextlib.suppress(*ORT_ERRORS):  # a version that does not know it
        asked.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    clocks = [_clocks()]
    with _logged(folder / ".graph-pass.log", said):
        session = infer.session(model.path, asked, model.got)
    said["got"] = session.get_providers()
    said["assigned"] = assigned(session)
    begin = getattr(session, "get_profiling_start_time_ns", None)
    said["began_wall_ns"] = None if begin is None else begin()
    try:
        said["pairs"] = _in_turns(model, session, feeds, _count(most, said["assigned"]))
    finally:
        raw = Path(session.end_profiling())
    clocks.append(_clocks())
    said["clocks"] = clocks
    return raw


def _in_turns(
    model: Model, session: ort.InferenceSession, feeds: Mapping[str, NDArray[Any]], most: int
) -> list[list[int]]:
    """Run both sessions in turns, each first in half of the pairs; return ns without and with."""
    took = 0
    for _ in range(WARM):
        took = _took(session, model, feeds)
    pairs = []
    for number in range(max(1, min(most, LONGEST_NS // (2 * took + 1)))):
        order = (model.session, session) if number % 2 else (session, model.session)
        times = [_took(each, model, feeds) for each in order]
        pairs.append(times if number % 2 else times[::-1])
    return pairs


def _took(session: ort.InferenceSession, model: Model, feeds: Mapping[str, NDArray[Any]]) -> int:
    begun = time.perf_counter_ns()
    session.run(model.outputs, dict(feeds))
    return time.perf_counter_ns() - begun


def _count(most: int, parts: list[dict[str, Any]] | None) -> int:
    nodes = sum(len(part["nodes"]) for part in parts or ())
    return max(1, min(most, MOST_EVENTS // max(1, nodes)))


def assigned(session: Any) -> list[dict[str, Any]] | None:  # noqa: ANN401 - ONNX Runtime has no types
    """Return the model's own nodes by provider, [name, op, domain] each; None where not told.

    ONNX Runtime tells since 1.24 or so, where ``session.record_ep_graph_assignment_info`` is set.
    """
    tell = getattr(session, "get_provider_graph_assignment_info", None)
    if tell is None:
        return None
    found: dict[str, list[list[str]]] = {}
    try:
        for part in tell():
            nodes = found.setdefault(str(part.ep_name), [])
            nodes += [[node.name, node.op_type, node.domain] for node in part.get_nodes()]
    except (*ORT_ERRORS, AttributeError, TypeError):
        return None
    return [{"provider": name, "nodes": nodes[:MOST_NODES]} for name, nodes in found.items()]


@contextlib.contextmanager
def _logged(file: Path, said: dict[str, Any]) -> Iterator[None]:
    """Keep what is written on stderr meanwhile, and state the telling lines of it."""
    with file.open("w+b") as kept:
        before = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            kept.seek(0)
            said["log"] = log.reasons(kept.read(MOST_LOG).decode("utf-8", "replace"))
            file.unlink(missing_ok=True)


def _clocks() -> list[int]:
    """Return CLOCK_MONOTONIC and CLOCK_REALTIME, read together: the closest of a few readings."""
    best: tuple[int, list[int]] | None = None
    for _ in range(5):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = after - before, [(before + after) // 2, wall]
    return best[1] if best is not None else []


def _zeros(model: Model, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
    feeds: dict[str, NDArray[Any]] = {}
    for entry in model.inputs:
        stated = tuple(size if isinstance(size, int) and size > 0 else 1 for size in entry.shape)
        shape = shapes.get(entry.name, stated)
        feeds[entry.name] = np.zeros(shape, TYPES.get(entry.type, np.float32))
    return feeds
