"""Which files does a scenario mean? Its clip and its model, found before anything is started."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from probe.errors import InputError
from probe.scenario import BUILTIN, Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping


def resolve(scenario: Scenario, builtin: Mapping[str, Path]) -> Scenario:
    """Return the scenario with its inputs as absolute paths of files that are there.

    `builtin` has the file of each built-in name. Raises `InputError` for a built-in that does not
    exist, and for a path that is missing, empty, not readable or no file.
    """
    if scenario.mode == "command":
        return scenario
    infer = scenario.stage.infer
    model = _input_file("model", infer.model, builtin)
    stage = scenario.stage.model_copy(update={"infer": infer.model_copy(update={"model": model})})
    source = scenario.source
    if scenario.mode == "live" and source.kind == "clip":
        clip = _input_file("clip", source.clip, builtin)
        source = source.model_copy(update={"clip": clip})
    return scenario.model_copy(update={"stage": stage, "source": source})


def _input_file(what: str, value: str, builtin: Mapping[str, Path]) -> str:
    option = f"give another {what} with --{what} FILE"
    if value.startswith(BUILTIN):
        found = builtin.get(value.removeprefix(BUILTIN))
        if found is None:
            known = ", ".join(BUILTIN + name for name in builtin)
            raise InputError(f"{value}: not built in; there are {known}", remedy=option)
        return str(found)
    path = Path(value)
    try:
        size = path.stat().st_size
    except OSError as error:
        close = _files_like(path)
        hint = f"; did you mean {close}?" if close else ""
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{what} {value}: {reason}{hint}", remedy=option) from error
    if not path.is_file():
        kind = "a directory" if path.is_dir() else "not a regular file"
        raise InputError(f"{what} {value}: {kind}", remedy=option)
    if size == 0:
        raise InputError(f"{what} {value}: empty (0 bytes)", remedy=option)
    if not os.access(path, os.R_OK):
        raise InputError(f"{what} {value}: you may not read it", remedy=option)
    return value


def _files_like(path: Path) -> str | None:
    try:
        beside = sorted(file.name for file in path.parent.iterdir())
    except OSError:
        return None
    close = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.75)
    return close[0] if close else None
