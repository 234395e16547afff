"""How a scenario is read: TOML text, overrides by path, all problems at once."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from probe.errors import ScenarioError, UsageError
from probe.scenario import BUILTIN, Scenario
from probe.scenario.problems import Key, given, key_text, known_paths, node, problems, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LARGEST_BYTES: Final = 256 * 1024
"""A scenario is a page of text; what is larger was given by mistake or to do harm."""
_MOST_LINES: Final = 2000
"""Longer files get no line numbers: finding them parses the file once a line."""

COMMAND_TEXT: Final = """\
version = 1
name = "command"
title = "a command under observation"
mode = "command"
"""
"""What `liveprobe run -- COMMAND` measures where no scenario is named."""

INPUTS: Final[dict[str, Key]] = {"clip": ("source", "clip"), "model": ("stage", "infer", "model")}
"""The keys that hold a path."""
REPORTS: Final[tuple[Key, ...]] = (("copies", "read"), ("operators", "read"))
"""The keys that hold a list of paths."""
METER: Final[Key] = ("power_meter", "path")
"""The key of the file that an external meter writes."""

Change = tuple[Key, Any, str]
"""One override: its key, its value, and the value as it was written."""

_UNUSED: Final = {
    "live": ("generate",),
    "generate": ("source", "stage.decode", "expect"),
    "command": ("source", "stage", "generate", "expect", "program.faults"),
}
"""What a mode never reads: set in a file it would promise a condition that does not exist."""


@dataclass(frozen=True)
class Loaded:
    """A scenario with where it came from.

    `text` is the TOML file's. `path` is None for the scenario of a bare command. `overrides` are
    ``key=value`` as given, an input's value cut to its file name. `custom`: not as it shipped.
    """

    scenario: Scenario
    text: str
    path: Path | None
    overrides: tuple[str, ...]
    custom: bool


def load(
    reference: str | None,
    *,
    folder: Path,
    overrides: Sequence[str] = (),
    clip: str | None = None,
    model: str | None = None,
    command: Sequence[str] = (),
    limits: Sequence[str] = (),
) -> Loaded:
    """Read the scenario that `reference` names: one shipped in `folder`, or a path.

    `overrides` are ``key=value``; `clip` and `model` replace the inputs; `command` is the program
    of mode "command", for which `reference` may be None. `limits` are asked beside the scenario's:
    they change no condition, so that it stays as it shipped. Paths in the file are relative to it,
    those in the arguments to the working directory. Raises `ScenarioError` with every problem.
    """
    path = None if reference is None else find(reference, folder)
    text = COMMAND_TEXT if path is None else read_text(path)
    title = path.name if path is not None and path.parent != folder else (reference or "command")
    document = parse(text, title)
    changes = [_split(item) for item in overrides]
    given_inputs = {"clip": clip, "model": model}
    changes += [
        (INPUTS[name], text, text) for name, text in given_inputs.items() if text is not None
    ]
    changed = {key for key, _, _ in changes}
    wrong = _apply(document, changes)
    if clip is not None and isinstance(document.get("source"), dict):
        document["source"]["kind"] = "clip"
    if command:
        document["mode"] = "command"
        _table(document, ("program",))["command"] = list(command)
    if limits and isinstance(document.setdefault("limits", []), list):
        document["limits"] += limits
    _locate(document, changed, base=path.parent if path else Path())
    wrong += _never_read(document)
    scenario = _validated(document, wrong, title, text, changed)
    said = tuple(f"{key_text(key)}={_said(key, written)}" for key, _, written in changes)
    return Loaded(scenario, text, path, said, bool(said) or not _shipped(text, folder))


def names(folder: Path) -> list[str]:
    """Return the names of the scenarios in `folder`, sorted."""
    return sorted(file.stem for file in folder.glob("*.toml"))


def find(reference: str, folder: Path) -> Path:
    """Return the file of a shipped name or a path; raises `ScenarioError` when there is none."""
    if reference in names(folder):
        return folder / f"{reference}.toml"
    path = Path(reference)
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:  # too long for a name, or in a folder that may not be looked into
        raise ScenarioError(
            f"{reference[:80]}: {error.strerror}", remedy="name a TOML file, or one that ships"
        ) from error
    if path.is_file():
        return path
    listing = f"`liveprobe run` takes one of {', '.join(names(folder))}, or a TOML file"
    if path.is_dir():
        raise ScenarioError(f"{reference}: a directory, not a scenario file", remedy=listing)
    if os.path.lexists(path) and path.exists():
        raise ScenarioError(f"{reference}: not a regular file", remedy=listing)
    close = difflib.get_close_matches(reference, names(folder), n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ScenarioError(f"{reference}: no scenario and no file of that name{hint}", remedy=listing)


def read_text(
    path: Path,
    *,
    kind: str = "scenario",
    remedy: str = "`liveprobe init FILE` writes one to begin with",
) -> str:
    """Read a TOML file of at most `LARGEST_BYTES`; raises `ScenarioError` with what to do.

    `kind` is what the file is to be, `remedy` what shows how one is written.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ScenarioError(
            f"{path}: cannot be read: {error.strerror or error}",
            remedy="give a TOML file that you may read",
        ) from error
    if len(data) > LARGEST_BYTES:
        raise ScenarioError(
            f"{path}: larger than {LARGEST_BYTES // 1024} KiB, so it is no {kind}", remedy=remedy
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ScenarioError(
            f"{path}: not UTF-8 text (line {line}, byte 0x{data[error.start]:02x})",
            remedy=f"save it as UTF-8; {remedy}",
        ) from error


def parse(text: str, title: str) -> dict[str, Any]:
    """Parse TOML; raises `ScenarioError` with line and column."""
    remedy = "`liveprobe init FILE` writes a commented scenario to compare with"
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ScenarioError(f"{title}: nested too deeply to be a scenario", remedy=remedy) from None
    except ValueError as error:  # TOMLDecodeError, and int() of thousands of digits
        raise ScenarioError(f"{title}: not TOML: {error}", remedy=remedy) from error


def _split(item: str) -> Change:
    """Split ``key=value``; the value is TOML, or the bare text where it is not."""
    path, equals, value = item.partition("=")
    path = path.strip()
    if not equals or not path:
        raise UsageError(
            f"--set {given(item)}: not KEY=VALUE",
            remedy="write for example --set stage.infer.threads=2 or --set run.duration=6s",
        )
    return tuple(path.split(".")), _value(value.strip()), value.strip()


def _value(text: str) -> Any:  # noqa: ANN401 - any TOML value, typed by the schema afterwards
    if "\n" in text or "\r" in text:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _apply(document: dict[str, Any], changes: Sequence[Change]) -> list[tuple[Key, str]]:
    wrong = []
    for key, value, _ in changes:
        if key_text(key) not in known_paths():
            wrong.append((key, unknown(key)))
        elif "properties" in node(key):
            wrong.append((key, f"is a table: set its keys, as in --set {_first_below(key)}=..."))
        else:
            _table(document, key[:-1])[str(key[-1])] = value
    return wrong


def _first_below(key: Key) -> str:
    return next(path for path in known_paths() if path.startswith(key_text(key) + "."))


def _table(document: dict[str, Any], key: Key) -> dict[str, Any]:
    """Return the table at `key`, made where missing; a lost one where the file has no table."""
    found = document
    for part in key:
        inner = found.setdefault(str(part), {})
        found = inner if isinstance(inner, dict) else {}
    return found


def _locate(document: dict[str, Any], changed: set[Key], base: Path) -> None:
    """Make the inputs' paths absolute: relative to `base`, or to here where `changed`."""
    for key in (*INPUTS.values(), METER, *REPORTS):
        if not _holds(document, key):
            continue
        start = Path() if key in changed else base
        table, name = _table(document, key[:-1]), str(key[-1])
        value = table[name]
        if isinstance(value, list):
            table[name] = [_absolute(each, start) for each in value]
        elif key not in REPORTS:
            table[name] = _absolute(value, start)


def _absolute(value: Any, start: Path) -> Any:  # noqa: ANN401 - the schema checks it afterwards
    if not isinstance(value, str) or not _is_path(value):
        return value
    return os.path.abspath(start / os.path.expanduser(value))  # noqa: PTH100, PTH111 - a link or a "~nobody" stays as given


def _is_path(value: str) -> bool:
    return bool(value) and not value.startswith(BUILTIN) and "://" not in value


def _holds(document: object, key: Key) -> bool:
    found = document
    for part in key:
        if isinstance(part, int):
            if not isinstance(found, list) or part >= len(found):
                return False
            found = found[part]
        else:
            if not isinstance(found, dict) or part not in found:
                return False
            found = found[part]
    return True


def _never_read(document: Mapping[str, Any]) -> list[tuple[Key, str]]:
    mode = document.get("mode", "live")
    unused = _UNUSED.get(mode, ()) if isinstance(mode, str) else ()
    keys = [tuple(path.split(".")) for path in unused]
    return [
        (key, f'mode "{mode}" does not use this; leave it out')
        for key in keys
        if _holds(document, key)
    ]


def _validated(
    document: dict[str, Any],
    wrong: list[tuple[Key, str]],
    title: str,
    text: str,
    changed: set[Key],
) -> Scenario:
    scenario = None
    try:
        scenario = Scenario.model_validate(document)
    except ValidationError as error:
        wrong = wrong + problems(error)
    if scenario is not None and not wrong:
        return scenario
    lines = line_numbers(text, [key for key, _ in wrong if key not in changed])
    said = tuple((key_text(key), what + _where(key, changed, lines)) for key, what in wrong)
    count = "1 problem" if len(said) == 1 else f"{len(said)} problems"
    raise ScenarioError(
        f"{title}: {count}",
        said,
        remedy="`liveprobe schema scenario` prints every key with what it allows",
    )


def _where(key: Key, changed: set[Key], lines: Mapping[Key, int]) -> str:
    if key in lines:
        return f" (line {lines[key]})"
    options = {inner: f"--{name} or --set" for name, inner in INPUTS.items()}
    inside = [own for own in changed if key[: len(own)] == own or (key and own[: len(key)] == key)]
    return f" (from {options.get(inside[0], '--set')})" if inside else ""


def line_numbers(text: str, keys: Sequence[Key]) -> dict[Key, int]:
    """Return the line of each key in a TOML text, from 1; a key that is not there is left out.

    Exact for any TOML: a key begins after the longest parsable beginning of the file without it.
    """
    lines = text.splitlines(keepends=True)
    found: dict[Key, int] = {}
    if len(lines) > _MOST_LINES:
        return found
    begin = 1
    for count in range(1, len(lines) + 1):
        missing = [key for key in keys if key not in found]
        if not missing:
            break
        try:
            part = tomllib.loads("".join(lines[:count]))
        except (ValueError, RecursionError):
            continue
        found.update({key: begin for key in missing if key and _holds(part, key)})
        begin = count + 1
    return found


def _said(key: Key, written: str) -> str:
    """Return what goes on record: of a path its file name, for folders are private."""
    if key in REPORTS:
        found = _value(written)
        names = [Path(str(each)).name for each in found] if isinstance(found, list) else []
        return json.dumps(names)
    if key in (*INPUTS.values(), METER) and _is_path(written):
        return Path(written).name
    return written


def _shipped(text: str, folder: Path) -> bool:
    return any(text == read_text(folder / f"{name}.toml") for name in names(folder))
