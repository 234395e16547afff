"""A grey picture becomes RGB and yuv420p again, as for a display that takes yuv420p."""

from collections.abc import Iterator
from typing import Any

import av
from playing import plane, play

GREYS = (16, 35, 77, 89, 128, 152, 200, 235)
"""Greys that come back as they were; most colours do not."""


def greys() -> Iterator[Any]:
    for grey in GREYS:
        picture = av.VideoFrame(1280, 720, "yuv420p")
        for number, value in enumerate((grey, 128, 128)):
            plane(picture, number)[...] = value
        yield picture


def fault(k: int, picture: Any) -> Any:
    shown = picture.reformat(format="rgb24")
    return planes(shown.reformat(format="yuv420p"))  # fault


def remedy(k: int, picture: Any) -> Any:
    return planes(picture)


def planes(picture: Any) -> Any:
    return b"".join(plane(picture, number).tobytes() for number in range(3))


play(fault, remedy, greys)
