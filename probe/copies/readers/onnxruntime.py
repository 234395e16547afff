"""Which operators of a model only move bytes? ONNX Runtime's own profile, as rows of `ops`.

A profile is a JSON array of events in the order of their ends, times in microseconds since the
profile began (CLOCK_REALTIME underneath). Nodes carry the names of the graph as it was optimised.
Of a model with control flow the outer node (`If`, `Loop`, `Scan`) holds the time of the inner ones,
which are listed too. ONNX Runtime stops a profile after a million events; what was dropped is lost.

Source: the profiles of ONNX Runtime 1.17 to 1.31 on the CPU; other providers: not seen on hardware.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from probe import store
from probe.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

PREFIX: Final = "onnxruntime"
"""Profiles in a tape folder are called ``onnxruntime*.json``."""
MOST_BYTES: Final = 512 * 2**20
SUFFIX: Final = "_kernel_time"
MOVES: Final = ("Memcpy", "Reorder", "Cast", "Transpose")
"""How the names of operators begin that move or reformat a tensor and compute nothing."""


def read(file: Path, began_ns: int | None = None) -> pd.DataFrame:
    """Return the table `ops` of a profile, one row a node's execution, `frame` null.

    `began_ns` is when the profile began (CLOCK_MONOTONIC); without it times count from its begin.
    Raises `InputError` when the file is no profile or is too large.
    """
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise InputError(
            f"{file}: {size / 2**20:.0f} MiB are too many for a profile",
            remedy=f"profile a shorter window: up to {MOST_BYTES // 2**20} MiB are read",
        )
    rows = [_row(event, began_ns or 0) for event in _events(file) if _is_node(event)]
    return store.as_table("ops", pd.DataFrame(rows, columns=list(store.TABLES["ops"])))


def is_profile(head: bytes) -> bool:
    """Say whether a file that begins with `head` looks like a profile of ONNX Runtime."""
    start = head.lstrip()
    return start.startswith(b"[") and b'"cat"' in start and b'"ph"' in start


def moves(ops: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `ops` whose operators only move or reformat a tensor."""
    return ops[ops["op"].str.startswith(MOVES).fillna(value=False).astype(bool)]


def _events(file: Path) -> list[Any]:
    remedy = "give the file that InferenceSession.end_profiling() returned"
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
        events = json.loads(_closed(text))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: no profile of ONNX Runtime: {error}", remedy=remedy) from error
    if not isinstance(events, list):
        raise InputError(f"{file}: no profile of ONNX Runtime: not a list", remedy=remedy)
    return events


def _closed(text: str) -> str:
    """Return the text as a whole array: the profile of a program that died has no end."""
    text = text.strip()
    if not text.startswith("[") or text.endswith("]"):
        return text
    return text[: text.rfind("\n")].rstrip().rstrip(",") + "]" if "\n" in text else "[]"


def _is_node(event: Any) -> bool:  # noqa: ANN401 - JSON
    return (
        isinstance(event, dict)
        and event.get("cat") == "Node"
        and str(event.get("name", "")).endswith(SUFFIX)
        and isinstance(event.get("args"), dict)
    )


def _row(event: dict[str, Any], began_ns: int) -> dict[str, Any]:
    said = event["args"]
    start = _whole(event.get("ts"))
    length = _whole(event.get("dur"))
    start_ns = None if start is None else began_ns + start * 1000
    return {
        "frame": None,
        "node": str(event["name"]).removesuffix(SUFFIX),
        "op": str(said.get("op_name") or "?"),
        "provider": str(said.get("provider") or "?"),
        "start_ns": start_ns,
        "end_ns": None if start_ns is None or length is None else start_ns + length * 1000,
        "output_bytes": _whole(said.get("output_size")),
    }


def _whole(value: Any) -> int | None:  # noqa: ANN401 - JSON
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < 2**62 else None
