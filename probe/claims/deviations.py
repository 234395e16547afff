"""In what does a Run differ from the conditions of a claim, and which way does that pull?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from probe.measured import STANDARD_NS, window_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from probe.claims.file import Conditions

_CLOSE: Final = 0.01
"""A rate within 1 % is the stated one: 29.97 is sold as 30."""


class Pull(StrEnum):
    """What a deviation does to a statement's answer."""

    EASIER = "easier"
    HARDER = "harder"
    UNKNOWN = "not known"
    BREAKS = "another thing"


@dataclass(frozen=True)
class Deviation:
    """A condition as it was stated and as it was here.

    Under easier conditions nothing is supported, under harder ones nothing refuted; of another
    thing (device, model) nothing can be said at all.
    """

    condition: str
    stated: str
    here: str
    pull: Pull


def deviations(conditions: Conditions, manifest: Mapping[str, Any]) -> list[Deviation]:
    """Return every stated condition that the Run did not meet, or does not tell."""
    found = [
        *_identity(conditions, manifest),
        *_source(conditions, manifest),
        *_length(conditions, manifest),
        *_ending(manifest),
        *_changes(conditions, manifest),
    ]
    return [each for each in found if each is not None]


def of_device(conditions: Conditions, device: Mapping[str, Any]) -> list[Deviation]:
    """Return in what a device is not the one of the claim; `device` is as in a manifest."""
    names = [device.get(key) for key in ("board", "name", "soc", "cpu")]
    chips = [each.get("name") for each in device.get("accelerators") or ()]
    return [
        each
        for each in (
            _named("device", conditions.device, names),
            _named("accelerator", conditions.accelerator, chips),
        )
        if each is not None
    ]


def _named(condition: str, stated: str | None, names: Iterable[object]) -> Deviation | None:
    """Compare word by word: ``Raspberry Pi 5`` is in ``Raspberry Pi 5 Model B Rev 1.0``."""
    here = [str(name) for name in names if name]
    if stated is None or any(_within(stated, name) for name in here):
        return None
    return Deviation(condition, stated, here[0] if here else "none", Pull.BREAKS)


def _within(stated: str, name: str) -> bool:
    words = name.casefold().replace("-", " ").split()
    return set(stated.casefold().replace("-", " ").split()) <= set(words)


def _identity(
    conditions: Conditions, manifest: Mapping[str, Any]
) -> list[Deviation | None]:  # fmt: skip
    found: list[Deviation | None] = [*of_device(conditions, manifest.get("device") or {})]
    if conditions.model is not None:
        file = (_facts(manifest, "model").get("file")) or "not known"
        value = ((manifest.get("scenario") or {}).get("hashes") or {}).get("model") or ""
        digest = conditions.model.removeprefix("sha256:")
        same = value.startswith(digest) if digest != conditions.model else file == digest
        if not same:
            found.append(Deviation("model", conditions.model, str(file), Pull.BREAKS))
    return found


def _facts(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = ((manifest.get("program") or {}).get("facts") or {}).get(name)
    return found if isinstance(found, dict) else {}


def _source(conditions: Conditions, manifest: Mapping[str, Any]) -> list[Deviation | None]:
    source = _facts(manifest, "source")
    found: list[Deviation | None] = []
    if conditions.resolution is not None:
        width, height = source.get("width"), source.get("height")
        size = width * height if isinstance(width, int) and isinstance(height, int) else None
        wanted = conditions.resolution[0] * conditions.resolution[1]
        stated = "x".join(map(str, conditions.resolution))
        found.append(_compared("resolution", stated, (f"{width}x{height}", size, wanted)))
    if conditions.rate is not None:
        fps = source.get("fps")
        known = float(fps) if isinstance(fps, (int, float)) else None
        said = (f"{fps:g} fps" if known is not None else "", known, conditions.rate)
        found.append(_compared("rate", f"{conditions.rate:g} fps", said))
    return found


def _compared(
    condition: str, stated: str, said: tuple[str, float | None, float]
) -> Deviation | None:
    here, value, wanted = said
    if value is None:
        return Deviation(condition, stated, "not known", Pull.UNKNOWN)
    if abs(value - wanted) <= _CLOSE * wanted:
        return None
    return Deviation(condition, stated, here, Pull.EASIER if value < wanted else Pull.HARDER)


def _length(conditions: Conditions, manifest: Mapping[str, Any]) -> list[Deviation | None]:
    window = window_of(manifest)
    length = 0 if window is None else window.length_ns
    wanted = conditions.duration or 0
    stated = f"{wanted / 1e9:g} s"
    if conditions.load == "sustained" and wanted < STANDARD_NS:
        wanted, stated = STANDARD_NS, f"sustained: {STANDARD_NS / 1e9:g} s at least (rule 7)"
    if length >= wanted * (1 - _CLOSE):
        return []
    return [Deviation("duration", stated, f"{round(length / 1e9, 2):g} s", Pull.EASIER)]


def _ending(manifest: Mapping[str, Any]) -> list[Deviation]:
    """Say where the Run was cut short: what would have come after it, nobody measured."""
    if manifest.get("state") == "complete":
        return []
    program = manifest.get("program") or {}
    outcome, signal = program.get("outcome"), program.get("signal")
    here = f"the program {outcome}" if outcome else "liveprobe itself was killed"
    if outcome == "interrupted":
        here = "it was interrupted"
    return [Deviation("ending", "to its end", f"{here}{f' ({signal})' if signal else ''}",
                      Pull.EASIER)]  # fmt: skip


def _changes(conditions: Conditions, manifest: Mapping[str, Any]) -> list[Deviation]:
    """Say which changes of the scenario are not those that the claim asks for, key by key."""
    if conditions.scenario is None:
        return []
    scenario = manifest.get("scenario") or {}
    made = _by_key(scenario.get("overrides") or ())
    asked = _by_key(conditions.overrides)
    found = [
        Deviation(key, asked.get(key, "as it ships"), made.get(key, "as it ships"), Pull.UNKNOWN)
        for key in sorted({*made, *asked} - _APART)
        if made.get(key) != asked.get(key)
    ]
    shipped = not conditions.scenario.endswith(".toml")
    if shipped and scenario.get("custom") and not made:
        found.append(Deviation("scenario", conditions.scenario, "its file changed", Pull.UNKNOWN))
    return found


_APART: Final = {"run.duration", "run.seed", "run.repeats", "stage.infer.model", "limits"}
"""Keys that change no condition, or that another condition compares."""


def _by_key(overrides: Iterable[object]) -> dict[str, str]:
    """Return the value of each key; of a path the file's name, as a Run records it."""
    pairs = [str(each).partition("=")[::2] for each in overrides]
    return {key.strip(): value.strip().rpartition("/")[2] for key, value in pairs}
