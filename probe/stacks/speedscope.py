"""The samples of a Run as a file of https://www.speedscope.app, one profile a thread.

The outermost frame of each stack is the stage. Files go by their path below the program's script,
the standard library or installed packages, else by their last name (`probe.stacks.places`).
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probe.errors import EnvironmentUnmet
from probe.stacks.places import readable, short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

FILE: Final = "profile.speedscope.json"
SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
OUTSIDE: Final = "outside of stages"
MOST_NUMBERS: Final = 16 * 10**6
"""Of frames in all profiles, each written where its stack is: about 100 MB."""


def document(samples: pd.DataFrame, stacks: pd.DataFrame, name: str) -> dict[str, Any]:
    """Return the tables `stack_samples` and `stacks` as speedscope's JSON; `name` is the Run's."""
    frames = _Frames()
    told = {
        int(stack): frames.numbers(text)
        for stack, text in zip(stacks["stack"], stacks["frames"], strict=True)
    }
    first_ns = int(samples["t_ns"].min()) if len(samples) else 0
    threads = list(samples.groupby("thread", sort=False, observed=True))
    most = MOST_NUMBERS // max(1, len(threads))
    profiles = [
        _profile(_name(str(thread), len(kept), len(rows)), _Rows(kept, told, frames), first_ns)
        for thread, rows in threads
        for kept in [_first(rows, told, most)]
    ]
    return {
        "$schema": SCHEMA,
        "name": name,
        "exporter": "liveprobe",
        "activeProfileIndex": 0,
        "shared": {"frames": frames.listed},
        "profiles": profiles,
    }


def write(file: Path, found: dict[str, Any]) -> None:
    """Write the file whole or not at all; raises `EnvironmentUnmet` where the disk is full."""
    partial = file.with_suffix(".partial")
    try:
        partial.write_text(json.dumps(found, separators=(",", ":")), encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise EnvironmentUnmet(
            f"{file}: cannot be written: {error.strerror or error}",
            remedy="make room, then `liveprobe audit` the Run: its tapes are kept",
        ) from error


class _Frames:
    """The frames of all profiles, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str | None, int | None], int] = {}
        self._told: dict[tuple[Any, ...], int] = {}

    def numbers(self, text: str) -> list[int]:
        """Return the frames of a stack of the table, outermost first."""
        found = []
        for file, line, function in reversed(json.loads(text)):
            number = self._told.get((file, line, function))
            if number is None:
                number = self.number(readable(function), file and short(file), line)
                self._told[file, line, function] = number
            found.append(number)
        return found

    def number(self, name: str, file: str | None = None, line: int | None = None) -> int:
        return self._known.setdefault((name, file, line), len(self._known))

    @property
    def listed(self) -> list[dict[str, Any]]:
        return [
            {"name": name}
            | ({} if file is None else {"file": file})
            | ({} if line is None else {"line": line})
            for name, file, line in self._known
        ]


def _name(thread: str, kept: int, of: int) -> str:
    return readable(thread) + (f" (the first {kept:,} of {of:,} samples)" if kept < of else "")


def _first(rows: pd.DataFrame, told: Mapping[int, Sequence[int]], most: int) -> pd.DataFrame:
    """Return the first rows of a thread, as far as their stacks have together `most` frames."""
    lengths = rows["stack"].map({number: len(stack) + 1 for number, stack in told.items()})
    return rows.iloc[: max(1, int((lengths.cumsum() <= most).sum()))]


class _Rows(NamedTuple):
    """The samples of a thread, the frames of each stack, and all frames."""

    rows: pd.DataFrame
    told: Mapping[int, list[int]]
    frames: _Frames


def _profile(name: str, seen: _Rows, first_ns: int) -> dict[str, Any]:
    """Return a thread's samples by time; where it was not sampled, a stack without frames."""
    rows, told, frames = seen
    stacks: list[list[int]] = []
    weights: list[int] = []
    start = at = int(rows["t_ns"].iloc[0])
    whole: dict[tuple[object, int], list[int]] = {}
    columns = (rows[name] for name in ("t_ns", "held_ns", "stage", "stack"))
    for t_ns, held_ns, stage, number in zip(*columns, strict=True):
        key = (stage if isinstance(stage, str) else None, int(number))
        if key not in whole:
            root = f"stage {key[0]}" if key[0] else OUTSIDE
            whole[key] = [frames.number(root), *told[key[1]]]
        if t_ns > at:
            stacks.append([])
            weights.append(int(t_ns) - at)
        stacks.append(whole[key])
        weights.append(int(held_ns))
        at = max(at, int(t_ns)) + int(held_ns)
    return {
        "type": "sampled",
        "name": name,
        "unit": "nanoseconds",
        "startValue": start - first_ns,
        "endValue": start - first_ns + sum(weights),
        "samples": stacks,
        "weights": weights,
    }
