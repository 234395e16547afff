"""What moves inside the model's graph? One profiled inference, in a pass of its own before the run.

Only ONNX Runtime sees its reorders, casts and transposes, and its profiler is too dear for a
measured run. So the model is loaded once more with the profiler on, before anything is measured,
runs twice on zeros, and the second inference is left as a profile beside the tapes. Which operators
a graph has, and how many bytes they give, does not depend on the picture.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnxruntime as ort

from probe.pipeline.infer import ORT_ERRORS, options
from probe.pipeline.model_input import TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from probe.pipeline.infer import Model
    from probe.scenario import InferPart

WANTED: Final = "LIVEPROBE_COPIES"
FOLDER: Final = "LIVEPROBE_TAPE"
RUNS: Final = 2
"""The first inference allocates what the others reuse."""


def wanted() -> bool:
    """Say whether the copies of this process are being traced."""
    return os.environ.get(WANTED, "") not in {"", "off"} and bool(os.environ.get(FOLDER))


def profile(
    model: Model, part: InferPart, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Path | None:
    """Leave ``onnxruntime-<pid>.json`` of one inference in the tape folder; None if not possible.

    `shapes` are those of inputs that the model leaves open; what nobody knows counts as 1. A pass
    that fails costs the table `ops`, never the run.
    """
    if not wanted():
        return None
    feeds = _zeros(model, shapes or {})
    folder = Path(os.environ[FOLDER])
    asked = options(part)
    asked.enable_profiling = True
    asked.profile_file_prefix = str(folder / ".graph-pass")
    try:
        session = ort.InferenceSession(str(model.path), asked, providers=list(model.got))
        for _ in range(RUNS):
            session.run(model.outputs, dict(feeds))
        raw = Path(session.end_profiling())
    except ORT_ERRORS:
        return None
    target = folder / f"onnxruntime-{os.getpid()}.json"
    try:
        events = json.loads(raw.read_text(encoding="utf-8"))
        target.write_text(json.dumps(_last(events)), encoding="utf-8")
    except (OSError, ValueError):
        return None
    finally:
        with contextlib.suppress(OSError):
            raw.unlink()
    return target


def _zeros(model: Model, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
    feeds: dict[str, NDArray[Any]] = {}
    for entry in model.inputs:
        stated = tuple(size if isinstance(size, int) and size > 0 else 1 for size in entry.shape)
        shape = shapes.get(entry.name, stated)
        feeds[entry.name] = np.zeros(shape, TYPES.get(entry.type, np.float32))
    return feeds


def _last(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events of the last inference: those that follow the end of the one before."""
    ends = [k for k, event in enumerate(events) if event.get("name") == "model_run"]
    return events if len(ends) < RUNS else events[ends[-2] + 1 : ends[-1] + 1]
