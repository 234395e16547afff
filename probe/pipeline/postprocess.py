"""Make of the model's outputs what is shown, and say what they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from av.video.reformatter import VideoReformatter

from probe.errors import InputError
from probe.pipeline.boxes import Boxes
from probe.pipeline.images import Image
from probe.pipeline.item import InvalidFrame, Item
from probe.pipeline.masks import BackgroundBlur, DrawnMask
from probe.pipeline.planes import Sizes, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    from probe.pipeline.preprocess import Placement, Preprocess
    from probe.scenario import PostprocessPart

_write_json = json.JSONEncoder(separators=(",", ":")).encode
Outputs = Mapping[str, "NDArray[Any]"]


class Outcome(Protocol):
    """A way to show what a model said."""

    def __call__(
        self, picture: VideoFrame, outputs: Outputs, placement: Placement
    ) -> tuple[VideoFrame, dict[str, Any] | None]:
        """Return the picture to show and what the outputs were, as JSON values.

        Raises `InvalidFrame` when the outputs are not what this way needs.
        """


class Raw:
    """Shows the picture as it came, and says what shapes the outputs had."""

    def __call__(
        self,
        picture: VideoFrame,
        outputs: Outputs,
        placement: Placement,  # noqa: ARG002 - outcomes are called alike
    ) -> tuple[VideoFrame, dict[str, Any] | None]:
        """Return the picture itself, and ``outputs``: a shape for each name."""
        shapes = {name: list(getattr(value, "shape", ())) for name, value in outputs.items()}
        return picture, {"outputs": shapes}


class Postprocess:
    """Draws the outcome on the frame's picture; the outcome itself goes on the tape as JSON."""

    name = "postprocess"

    def __init__(self, outcome: Outcome, names: Sequence[str], preprocess: Preprocess) -> None:
        self._outcome = outcome
        self._names = names
        self._placement = preprocess.placement
        self._plain = VideoReformatter()
        self._sizes = Sizes()

    def work(self, item: Item) -> Sequence[Item]:
        """Replace the frame's picture by the one to show."""
        if item.picture is None:
            raise InvalidFrame("no picture")
        size = (item.picture.height, item.picture.width)
        picture = plain(item.picture, self._plain)
        outputs = dict(zip(self._names, item.outputs, strict=True))
        with np.errstate(invalid="ignore"):  # a model may say NaN; that is its outcome, not ours
            shown, outcome = self._outcome(picture, outputs, self._placement(size))
        item.picture, item.outputs = shown, ()
        item.outcome = None if outcome is None else _write_json(outcome)
        item.bytes = self._sizes.of(shown)
        return (item,)

    def finish(self) -> Sequence[Item]:
        """Hold nothing."""
        return ()


def choose(part: PostprocessPart, preprocess: Preprocess, names: Sequence[str]) -> Outcome:
    """Return the scenario's way to show outcomes; raises `InputError` for outputs not there."""
    layout = preprocess.spec.layout
    makers: dict[str, Callable[[], Outcome]] = {
        "background-blur": lambda: BackgroundBlur(part, _output(part, names), layout),
        "mask": lambda: DrawnMask(part, _output(part, names), layout),
        "image": lambda: Image(part, _output(part, names), layout, preprocess.part.channels),
        "boxes": lambda: Boxes(part, *_named(names, part.scores, part.boxes)),
        "raw": Raw,
    }
    return makers[part.kind]()


def _output(part: PostprocessPart, names: Sequence[str]) -> str:
    return names[0] if part.output is None else _named(names, part.output)[0]


def _named(names: Sequence[str], *wanted: str) -> tuple[str, ...]:
    for name in wanted:
        if name not in names:
            raise InputError(
                f"the model has no output {name!r}; it has {', '.join(names)}",
                remedy="set stage.postprocess.output, .scores and .boxes to names that it has",
            )
    return wanted
