"""Can a scenario's clip and model be used? Asked before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from probe.pipeline import infer
from probe.pipeline.container import open_clip
from probe.pipeline.generator import understand
from probe.pipeline.model_input import inspect

if TYPE_CHECKING:
    from probe.scenario import Scenario


def check(scenario: Scenario) -> None:
    """Open the clip and load the model, without decoding or running anything.

    Raises `InputError` for the first that cannot be used. A camera or a stream is not opened: the
    program does that, and says what is wrong with it. A command brings its own inputs.
    """
    if scenario.mode == "command":
        return
    size = (0, 0)
    if scenario.mode == "live" and scenario.source.kind == "clip":
        container, stream = open_clip(Path(scenario.source.clip))
        size = (stream.codec_context.height, stream.codec_context.width)
        container.close()
    model = infer.load(scenario.stage.infer)
    if scenario.mode == "generate":
        understand(model, scenario.generate.steps)
    else:
        inspect(model.inputs, scenario.stage.preprocess, size, str(model.path))
