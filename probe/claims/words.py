"""What do the words of a claim mean, and which tests answer what they say?

"40 ms per frame", "real-time", "2 times real time" and "30 fps" are often taken for one another,
and are judged apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from probe import limits
from probe.metrics import PER_FRAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probe.limits import Limit

REAL_TIME: Final = "real-time"
"""What a statement holds where it says "real-time": METHOD's rules, and no number."""
CLOSE: Final = 0.05
"""A limit within 5 % of a number in the words is that number; further off, `reading` says why."""

_HYPHENS: Final = "-\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{EN DASH}\N{NO-BREAK SPACE} "
_LIVE: Final = rf"real[{_HYPHENS}]?time"
_NUMBER: Final = r"(?P<number>\d+(?:\.\d+)?)"
_PER_FRAME: Final = re.compile(
    r"\d\s*(?:[mu\N{MICRO SIGN}n]?s|[a-z]*seconds?|m?secs?)\s*(?:/|per|an?|each|every)\s*"
    rf"(?:frame|picture|image)|\bframe[{_HYPHENS}]?times?\b",
    re.IGNORECASE,
)
_TIMES: Final = re.compile(
    rf"(?:{_NUMBER}\s*(?:x|\N{{MULTIPLICATION SIGN}}|times)|\b(?:twice|double|half|faster|quicker))"
    rf"\s*(?:the\s+speed\s+of|as\s+fast\s+as|(?:faster\s+)?than)?\s*(?:{_LIVE}|playback)"
    rf"|\b{_LIVE}\s+factor|\bRTF\b",
    re.IGNORECASE,
)
_REAL_TIME: Final = re.compile(rf"\b{_LIVE}\b", re.IGNORECASE)
_FPS: Final = re.compile(
    rf"{_NUMBER}\s*(?:fps\b|frames?\s*(?:/|per|an?|each|every)\s*s(?:ec(?:ond)?)?\b)",
    re.IGNORECASE,
)
_KINDS: Final = {
    "ms per frame": _PER_FRAME,
    "N times real time": _TIMES,
    REAL_TIME: _REAL_TIME,
    "N fps": _FPS,
}
_MEANINGS: Final = {
    "ms per frame": PER_FRAME,
    "N times real time": "N times real time says how fast media is made; whether an answer comes in"
    " time is another question, which a latency answers",
    REAL_TIME: "real-time is a regime with rules (METHOD), and neither a rate nor a speed: outputs"
    " depend on the live input, in order, one at a time, and are in time",
    "N fps": "fps is a rate: unique rendered frames per second; 1 / rate is how far frames are"
    " apart and no latency (a pipeline of depth 8 at 30 fps answers 267 ms late)",
}
_LATENCIES: Final = ("latency", "rendered_latency", "stage.STAGE", "request.first",
                     "request.duration")  # fmt: skip
_RATES: Final = ("rate", "rate.period", "generation.rate")


def meanings(text: str) -> list[str]:
    """Return what words in `text` mean here that are often taken for something else."""
    return [_MEANINGS[kind] for kind in _kinds(text)]


def _kinds(text: str) -> list[str]:
    kinds = [name for name, pattern in _KINDS.items() if pattern.search(text)]
    if "N times real time" in kinds and len(_REAL_TIME.findall(text)) <= 1:
        kinds = [name for name in kinds if name != REAL_TIME]
    return kinds


def check(text: str, holds: list[str], reading: str | None) -> None:
    """Raise `ValueError` where the tests answer another question than the words ask.

    Also where they contradict each other, and where their number is not that of the words and no
    `reading` says why.
    """
    asked = [limits.parse(each) for each in holds if each != REAL_TIME]
    _check_together(asked)
    kinds = _kinds(text)
    if len(kinds) > 1:
        raise ValueError(
            f"it says {' and '.join(kinds)}, which are judged apart: make each a statement"
        )
    for kind in kinds:
        _check_fitting(kind, holds, asked)
        if reading is None:
            _check_number(kind, text, asked)


def _check_together(asked: Iterable[Limit]) -> None:
    """Raise `ValueError` where no value keeps to two limits on the same metric."""
    known = [(each, each.bound(each.metric.unit)) for each in asked if each.metric.unit]
    for upper, top in known:
        for lower, bottom in known:
            if upper.metric.name != lower.metric.name or not upper.at_most or lower.at_most:
                continue
            strict = "=" not in upper.op or "=" not in lower.op
            if bottom > top or (bottom == top and strict):
                raise ValueError(f"no value keeps to both {upper.text} and {lower.text}")


def _check_fitting(kind: str, holds: list[str], asked: list[Limit]) -> None:
    named = [each.metric for each in asked]
    series = {each.series or each.name for each in named} | {each.name for each in named}
    if kind == "ms per frame" and not series & {*_LATENCIES, "rate.period", "rate"}:
        raise ValueError(f"{PER_FRAME}; the author of this file says which, or both")
    if kind != REAL_TIME and REAL_TIME in holds:
        raise ValueError(
            f'it says {kind}; that something is "real-time" is another statement: make it one'
        )
    if kind == "N times real time" and holds and "speed" not in series:
        raise ValueError(
            "N times real time says how fast media is made, and nothing of an answer in time: "
            "judge it by speed, as in speed>=2x"
        )
    rules = REAL_TIME in holds or any(each.startswith("real_time.") for each in series)
    if kind == REAL_TIME and holds and not rules:
        raise ValueError(
            '"real-time" is a regime with rules, and neither a rate nor a speed: '
            'give holds = ["real-time"], and a statement of its own to each number'
        )
    if kind == "N fps" and holds and not series & set(_RATES):
        raise ValueError(
            "fps is a rate: give rate>=N fps, or generation.rate for pictures made without a live "
            "input, and a statement of its own to each other number"
        )


_COUNTED: Final = {"N fps": ("rate", "generation.rate"), "N times real time": ("speed",)}
"""Kinds of words with a number, and the metrics whose limits must be that number."""


def _check_number(kind: str, text: str, asked: list[Limit]) -> None:
    said = [float(match["number"]) for match in _KINDS[kind].finditer(text)
            if kind in _COUNTED and match["number"]]  # fmt: skip
    wrong = [
        each
        for each in asked
        if each.metric.name in _COUNTED.get(kind, ())
        and said
        and all(abs(each.number - number) > CLOSE * number for number in said)
    ]
    if wrong:
        words = " and ".join(f"{number:g}" for number in said)
        raise ValueError(
            f"the words say {words}, and {wrong[0].text} asks another number: "
            "say in reading why that is what they mean"
        )
