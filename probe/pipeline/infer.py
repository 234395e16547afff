"""Run an ONNX model on each frame, with pools that do not spin and providers that are told."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probe.errors import InputError
from probe.pipeline.item import InvalidFrame, Item
from probe.pipeline.model_input import Described

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when the library is loaded

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from probe.scenario import InferPart

LARGEST_MODEL_BYTES: Final = 8 * 2**30
_QUIET: Final = 3
_LEVELS: Final = {
    "disable": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
ORT_ERRORS: Final = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""What ONNX Runtime raises for a model that it cannot load or run."""


@dataclass(frozen=True)
class Model:
    """An ONNX model, loaded. `asked` are execution providers, first choice first."""

    path: Path
    session: ort.InferenceSession
    inputs: tuple[Described, ...]
    outputs: tuple[str, ...]
    asked: tuple[str, ...]

    @property
    def got(self) -> tuple[str, ...]:
        """The execution providers that the session has now, first choice first."""
        return tuple(self.session.get_providers())

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run once; the outputs are the runtime's own memory, which plain `run` does not copy."""
        result: list[NDArray[Any]] = self.session.run(self.outputs, dict(feeds))
        return result

    def metadata(self) -> dict[str, str]:
        """Return the properties that the model's maker wrote into it."""
        return dict(self.session.get_modelmeta().custom_metadata_map)

    def fact(self) -> dict[str, Any]:
        """Return what the Run says about this model."""
        return {
            "file": self.path.name,
            "bytes": self.path.stat().st_size,
            "inputs": {entry.name: [entry.type, list(entry.shape)] for entry in self.inputs},
            "outputs": {
                entry.name: [entry.type, list(entry.shape)] for entry in self.session.get_outputs()
            },
            "runtime": f"onnxruntime {ort.__version__}",
        }

    def providers(self) -> dict[str, Any]:
        """Return what the Run says about the execution providers."""
        return {"asked": self.asked, "got": self.got}


def load(part: InferPart) -> Model:
    """Load the model of a scenario.

    Raises `InputError` when it is missing, no ONNX, damaged, needs operators that are not there,
    or none of the providers asked for is in this build.
    """
    path = Path(part.model)
    _check_file(path)
    available = ort.get_available_providers()
    providers = [name for name in part.providers if name in available]
    if not providers:
        raise InputError(
            f"{path}: no provider of those asked for ({', '.join(part.providers)}) is here",
            remedy=f"this ONNX Runtime has {', '.join(available)}",
        )
    ort.disable_telemetry_events()
    try:
        made = session(path, options(part), providers)
    except ORT_ERRORS as error:
        raise InputError(
            f"{path}: ONNX Runtime cannot load it: {_first_line(error)}", remedy=_remedy(error)
        ) from error
    inputs = tuple(Described(entry.name, entry.type, entry.shape) for entry in made.get_inputs())
    outputs = tuple(entry.name for entry in made.get_outputs())
    return Model(path, made, inputs, outputs, tuple(part.providers))


def session(
    path: Path, asked: ort.SessionOptions, providers: Sequence[str]
) -> ort.InferenceSession:
    """Make a session that keeps its providers: where one fails in a run, the run fails.

    ONNX Runtime would go on with others, and say so on stdout alone.
    """
    made = ort.InferenceSession(str(path), asked, providers=list(providers))
    made.disable_fallback()
    return made


def require_pictures(model: Model) -> None:
    """Raise `InputError` where an output holds no numbers, so that nothing of it could be shown."""
    for entry in model.session.get_outputs():
        if not entry.type.startswith("tensor(") or entry.type == "tensor(string)":
            raise InputError(
                f"{model.path}: output {entry.name!r} is {entry.type}, which cannot be shown",
                remedy='set stage.postprocess.kind to "raw", or export the model without it',
            )


class Infer:
    """Runs the model on the frame's buffer and gives the buffer back.

    A plain `run` copies neither a contiguous input nor an output on the CPU, where binding would
    add a copy of the outputs.
    """

    name = "infer"

    def __init__(self, model: Model, input_name: str) -> None:
        self.model = model
        self._input = input_name

    def work(self, item: Item) -> Sequence[Item]:
        """Turn the frame's tensor into the model's outputs."""
        if item.tensor is None:
            raise InvalidFrame("no input for the model")
        item.outputs = self.model.run({self._input: item.tensor})
        item.release()
        item.bytes = sum(getattr(output, "nbytes", 0) for output in item.outputs)
        return (item,)

    def finish(self) -> Sequence[Item]:
        """Hold nothing."""
        return ()


def options(part: InferPart) -> ort.SessionOptions:
    """Return how a session of the scenario's model is made."""
    asked = ort.SessionOptions()
    asked.intra_op_num_threads = part.threads
    asked.inter_op_num_threads = part.inter_threads
    asked.execution_mode = (
        ort.ExecutionMode.ORT_PARALLEL
        if part.inter_threads > 1
        else ort.ExecutionMode.ORT_SEQUENTIAL
    )
    asked.graph_optimization_level = _LEVELS[part.optimization]
    asked.log_severity_level = _QUIET
    spinning = "1" if part.spinning else "0"
    asked.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    asked.add_session_config_entry("session.inter_op.allow_spinning", spinning)
    return asked


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or 'cannot be read'}", remedy="check the path of the model"
        ) from error
    if path.is_dir():
        raise InputError(
            f"{path}: a directory, not a model", remedy="name the .onnx file inside it"
        )
    if size == 0:
        raise InputError(f"{path}: the file is empty", remedy="copy or export the model again")
    if size > LARGEST_MODEL_BYTES:
        raise InputError(
            f"{path}: {size} bytes are over the limit of {LARGEST_MODEL_BYTES}",
            remedy="choose a smaller model",
        )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].replace("[ONNXRuntimeError] : ", "").strip()


def _remedy(error: Exception) -> str:
    text = str(error).lower()
    if "opset" in text or "ir version" in text or "ir_version" in text:
        return "export the model for an older opset, or install a newer onnxruntime"
    if "registered" in text or "not implemented" in text or "no op " in text:
        return "it needs operators that this ONNX Runtime lacks: export it with standard ONNX only"
    return "copy or export the model again; the package onnx can check it: python -m onnx.checker"
