"""What a program states beside a profile: providers, assignment, clocks, and what profiling cost.

The reference pipeline leaves ``operators-<pid>.json`` in its tape folder. A program is foreign
input: what is missing or of another shape is nothing.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATTERN: Final = "operators-*.json"
MOST_BYTES: Final = 16 * 2**20
MOST_NODES: Final = 20_000
MOST_NS: Final = 2**62
PAIR: Final = 2
NODE: Final = 3
QUARTERS: Final = 4


@dataclass(frozen=True)
class Node:
    """A node of the model as it was given, and the provider that took it."""

    provider: str
    name: str
    op: str
    domain: str


@dataclass(frozen=True)
class Statement:
    """What was stated of one session.

    `profile` is the name of its file, `warm` how many inferences at its begin do not count.
    `pairs` are ns of an inference without and with the profiler, one after the other. `assigned` is
    None where the runtime's version cannot tell.
    """

    profile: str | None = None
    asked: tuple[str, ...] = ()
    got: tuple[str, ...] = ()
    runtime: str | None = None
    warm: int = 0
    began_wall_ns: int | None = None
    clocks: tuple[tuple[int, int], ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    assigned: tuple[Node, ...] | None = None
    log: tuple[str, ...] = ()
    failed: str | None = None


def read(file: Path) -> Statement:
    """Read a statement; raises `ValueError` for a file that is none, `OSError` as `open` does."""
    with file.open("rb") as stream:
        text = stream.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ValueError("too large for a statement of operators")
    try:
        said = json.loads(text)
    except RecursionError as error:
        raise ValueError("no statement of operators: too deep") from error
    if not isinstance(said, dict):
        raise ValueError("no statement of operators")  # noqa: TRY004 - a value of a file
    return Statement(
        profile=_text(said.get("profile")),
        asked=_texts(said.get("asked")),
        got=_texts(said.get("got")),
        runtime=_text(said.get("runtime")),
        warm=_number(said.get("warm")) or 0,
        began_wall_ns=_number(said.get("began_wall_ns")),
        clocks=_pairs(said.get("clocks")),
        pairs=_pairs(said.get("pairs")),
        assigned=_nodes(said.get("assigned")),
        log=_texts(said.get("log")),
        failed=_text(said.get("failed")),
    )


def cost(pairs: Sequence[tuple[int, int]]) -> dict[str, Any] | None:
    """Return what the profiler costs an inference: medians, and the middle half of the pairs.

    Each pair is an inference without and one with it, next to each other, in turns first.
    """
    if not pairs:
        return None
    excess = sorted(100 * (with_it / without - 1) for without, with_it in pairs if without)
    if not excess:
        return None
    parts = statistics.quantiles(excess, n=QUARTERS, method="inclusive") if excess[1:] else None
    return {
        "pairs": len(excess),
        "plain_ms": statistics.median(pair[0] for pair in pairs) / 1e6,
        "profiled_ms": statistics.median(pair[1] for pair in pairs) / 1e6,
        "excess_pct": statistics.median(excess),
        "excess_low_pct": parts[0] if parts else None,
        "excess_high_pct": parts[2] if parts else None,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _number(value: object) -> int | None:
    known = isinstance(value, int) and not isinstance(value, bool)
    return value if known and 0 <= value < MOST_NS else None  # type: ignore[operator, return-value]


def _pairs(value: object) -> tuple[tuple[int, int], ...]:
    found = []
    for each in value if isinstance(value, list) else ():
        if isinstance(each, list) and len(each) == PAIR:
            first, second = _number(each[0]), _number(each[1])
            if first and second:
                found.append((first, second))
    return tuple(found)


def _nodes(value: object) -> tuple[Node, ...] | None:
    if not isinstance(value, list):
        return None
    found: list[Node] = []
    for part in value:
        provider = _text(part.get("provider")) if isinstance(part, dict) else None
        nodes = part.get("nodes") if provider is not None else None
        found += [
            Node(provider or "", *each)
            for each in (nodes if isinstance(nodes, list) else ())
            if len(_texts(each)) == NODE
        ]
    return tuple(found[:MOST_NODES])
