"""Which colour has a stage? Petroff-10, fixed by name, the same in every report."""

from __future__ import annotations

from typing import Final
from zlib import crc32

ORDER: Final = ("capture", "decode", "preprocess", "infer", "postprocess", "encode", "render")
"""The stages of the reference program, in the way of a frame."""
LIGHT: Final = {
    "capture": "#94a4a2",
    "decode": "#ffa90e",
    "preprocess": "#3f90da",
    "infer": "#832db6",
    "postprocess": "#e76300",
    "encode": "#b9ac70",
    "render": "#a96b59",
    "extra-0": "#92dadd",
    "extra-1": "#717581",
    "extra-2": "#c98bdb",
    "extra-3": "#7f9a45",
}
"""Colours on paper; `templates/report.css` has the same and their dark variants."""
LINES: Final = {
    "capture": "#657775",
    "decode": "#a86400",
    "preprocess": "#2575bf",
    "infer": "#832db6",
    "postprocess": "#be5200",
    "encode": "#62691a",
    "render": "#9a5f4e",
}
"""The same hues, dark enough on paper for a thin line and its name (4.5 to 1 or more)."""
_EXTRAS: Final = tuple(name for name in LIGHT if name.startswith("extra-"))


def slot(stage: str) -> str:
    """Return the name of a stage's colour, safe as a class; the same name has the same slot."""
    if stage in ORDER:
        return stage
    return _EXTRAS[crc32(stage.encode("utf-8", "surrogatepass")) % len(_EXTRAS)]


def of_line(label: str) -> str | None:
    """Return the stage of a line of a thread, ``infer`` of ``infer python``; None of others."""
    stage = label.partition(" ")[0].partition(":")[0]
    return stage if stage in LINES else None


def in_order(stages: list[str]) -> list[str]:
    """Return the stages in the way of a frame; those of other programs as they first appeared."""
    known = [stage for stage in ORDER if stage in stages]
    return known + [stage for stage in stages if stage not in ORDER]
