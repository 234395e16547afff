"""Built-in inputs made by the project: a clip and four models, described in `ASSETS.toml`."""

from __future__ import annotations

from pathlib import Path

NAMES = (
    "people_720p30.mp4",
    "segmenter_fp32.onnx",
    "segmenter_int8.onnx",
    "stylizer_fp32.onnx",
    "generator_fp32.onnx",
)


class UnknownAssetError(KeyError):
    """No built-in asset has this name."""

    def __str__(self) -> str:
        """Return the sentence itself, without KeyError's quotes."""
        return str(self.args[0])


def path(name: str) -> Path:
    """Return the file of the built-in asset `name`; raise UnknownAssetError otherwise."""
    if name not in NAMES:
        message = f"no built-in asset {name!r}; there are {', '.join(NAMES)}"
        raise UnknownAssetError(message)
    return Path(__file__).with_name(name)
