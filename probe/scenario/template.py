"""A commented scenario to begin with: every key that its mode reads, its default, its limits."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any, Final

from probe.scenario import BUILTIN, Scenario
from probe.scenario.problems import Key, allowed, key_text, node

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATES: Final = ("live", "generate")
_TABLES: Final[dict[str, tuple[Key, ...]]] = {
    "live": (
        ("run",),
        ("source",),
        ("stage", "decode"),
        ("stage", "preprocess"),
        ("stage", "infer"),
        ("stage", "postprocess"),
        ("stage", "encode"),
        ("stage", "render"),
        ("program",),
        ("copies",),
        ("pyspy",),
        ("operators",),
        ("power",),
        ("power_meter",),
        ("delivery",),
    ),
    "generate": (
        ("run",),
        ("stage", "infer"),
        ("stage", "postprocess"),
        ("stage", "encode"),
        ("generate",),
        ("program",),
        ("copies",),
        ("pyspy",),
        ("operators",),
        ("power",),
        ("power_meter",),
        ("delivery",),
    ),
}
_SET: Final[dict[str, dict[Key, Any]]] = {
    "live": {
        ("run", "duration"): "24s",
        ("source", "clip"): BUILTIN + "people_720p30",
        ("stage", "infer", "model"): BUILTIN + "segmenter_fp32",
        ("stage", "postprocess", "kind"): "background-blur",
    },
    "generate": {
        ("run", "duration"): "20s",
        ("stage", "infer", "model"): BUILTIN + "generator_fp32",
        ("stage", "postprocess", "kind"): "image",
    },
}
_NOT_HERE: Final = frozenset({("program", "command")})
_COLUMN: Final = 40
_WIDTH: Final = 100


def template(mode: str, name: str) -> str:
    """Return the TOML text of a scenario of `mode`, one of `TEMPLATES`.

    What is set there differs from the default; each other key stands as a comment, as its default.
    """
    head = [
        f"# A scenario of liveprobe: measure it with `liveprobe run {name}.toml`.",
        "# A key behind # has its default; take the # away to change it. Durations are written",
        '# "500ms", "6s" or "10m". Paths are relative to this file.',
        "",
        "version = 1",
        f"name = {json.dumps(name)}",
        'title = ""',
        f'mode = "{mode}"',
        *_entry(mode, ("limits",)),
    ]
    for table in _TABLES[mode]:
        head += ["", f"[{key_text(table)}]"]
        for leaf in node(table)["properties"]:
            if (*table, leaf) not in _NOT_HERE:
                head += _entry(mode, (*table, leaf))
    return "\n".join(head) + "\n"


def _entry(mode: str, key: Key) -> list[str]:
    chosen = _SET[mode].get(key)
    value = chosen if chosen is not None else _default(key)
    mark = "" if chosen is not None else "# "
    line = f"{mark}{key[-1]} = {'' if value is None else _toml(key, value)}".rstrip()
    comment = _comment(node(key))
    beside = f"{line:<{_COLUMN}}# {comment}"
    if len(beside) <= _WIDTH or not comment:
        return [beside if comment else line]
    words = textwrap.TextWrapper(
        _WIDTH - _COLUMN - len("# "), subsequent_indent="  ", break_on_hyphens=False
    )
    first, *rest = [f"# {part}" for part in words.wrap(comment)]
    return [f"{line:<{_COLUMN}}{first}", *(" " * _COLUMN + part for part in rest)]


def _comment(found: Mapping[str, Any]) -> str:
    words = [found["description"]] if found.get("description") else []
    evident = found.get("title") == "duration" or "pattern" in found
    if not evident and (found.get("type") not in ("boolean", "string") or "enum" in found):
        words.append(allowed(found))
    return "; ".join(words)


def _default(key: Key) -> Any:  # noqa: ANN401 - any value of a scenario
    found: Any = Scenario(name="template").document()
    for part in key:
        found = found[part]
    return found


def _toml(key: Key, value: Any) -> str:  # noqa: ANN401 - any value of a scenario
    if node(key).get("title") == "duration" and isinstance(value, int):
        return json.dumps(_duration(value))
    return json.dumps(value)  # for texts, numbers, truths and lists, TOML writes what JSON does


def _duration(value_ns: int) -> str:
    for unit, factor in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if value_ns % factor == 0:
            return f"{value_ns // factor}{unit}"
    return f"{value_ns}ns"
