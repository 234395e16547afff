"""What differs between runs besides what was measured, and does it forbid to compare them?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from probe.measured import tier_of
from probe.model import ValidityStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from probe.store import Run

    Sides = Sequence[Sequence[tuple[Run, Mapping[str, Any]]]]
    Values = tuple[tuple[str, ...], ...]
    Read = Callable[[Mapping[str, Any]], Any]


class Bearing(StrEnum):
    """What a difference means for a comparison."""

    BLOCKS = "blocks"
    MAY_BIAS = "may bias"
    INTENDED = "as intended"
    NOTED = "noted"


@dataclass(frozen=True)
class Difference:
    """A condition that is not the same in all runs: its values a side, and what follows."""

    condition: str
    values: Values
    bearing: Bearing
    why: str


OUTSIDE: Final = (
    "limits", "title", "version", "expect", "run.seed", "run.repeats", "run.hang", "run.load",
    "run.collectors", "source.clip", "stage.infer.model", "program.command", "copies.read",
    "operators", "power", "power_meter",
)  # fmt: skip
"""Keys of a scenario that are no condition of what is measured, or stand elsewhere as a hash."""
_PACKAGES: Final = "its library may be faster or slower"
_MACHINE: Final = "another machine: say --vary device if that is what is compared"


def differences(sides: Sides, vary: Iterable[str] = ()) -> list[Difference]:
    """Return what differs between the runs, the worst first.

    `vary` names conditions (or the beginning of their names, as in ``stage.infer``) that are meant
    to differ: what is compared. Within one side nothing is meant to differ.
    """
    meant = tuple(vary)
    named = [
        _difference(name, _values(sides, read), bearing, why, meant)
        for name, read, bearing, why in _CONDITIONS
    ]
    found = [*_unusable(sides), *_scenario(sides, meant), *filter(None, named), *_order(sides)]
    return sorted(found, key=lambda each: list(Bearing).index(each.bearing))


def known(sides: Sides) -> list[str]:
    """Return the names of all conditions that may be named as what is compared."""
    keys = {key for side in sides for run, _ in side for key in _conditions(run.manifest)}
    return sorted({name for name, *_ in _CONDITIONS} | keys)


def _values(sides: Sides, read: Read) -> Values:
    """Return the distinct values of a condition, side by side."""
    return tuple(tuple(sorted({_text(read(run.manifest)) for run, _ in side})) for side in sides)


def _difference(
    name: str, values: Values, bearing: Bearing, why: str, meant: tuple[str, ...]
) -> Difference | None:
    if len({value for side in values for value in side}) <= 1:
        return None
    if not _is_meant(name, meant):
        return Difference(name, values, bearing, why)
    if any(len(side) > 1 for side in values):
        why = "it is what is compared, and one side has several"
        return Difference(name, values, Bearing.BLOCKS, why)
    return Difference(name, values, Bearing.INTENDED, "the thing compared")


def _is_meant(name: str, meant: tuple[str, ...]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in meant)


def _text(value: object) -> str:
    if value is None:
        return "not known"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _conditions(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of the scenario that are conditions, by their paths."""
    resolved = (manifest.get("scenario") or {}).get("resolved") or {}
    apart = tuple(f"{each}." for each in OUTSIDE)
    return {
        key: value
        for key, value in _flat(resolved, "")
        if key not in OUTSIDE and not key.startswith(apart)
    }


def _flat(table: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _scenario(sides: Sides, meant: tuple[str, ...]) -> list[Difference]:
    """Return the keys of the scenario that differ; every one breaks comparability."""
    read = [[_conditions(run.manifest) for run, _ in side] for side in sides]
    keys = sorted({key for side in read for each in side for key in each})
    found = []
    for key in keys:
        if all(key in each for side in read for each in side):
            bearing, why = Bearing.BLOCKS, "another scenario: the conditions are not the same"
        else:  # a key that an older version did not have yet
            bearing, why = Bearing.MAY_BIAS, "one of the versions does not know this condition"
        values = tuple(tuple(sorted({_text(each.get(key)) for each in side})) for side in read)
        found.append(_difference(key, values, bearing, why, meant))
    return [each for each in found if each is not None]


def _unusable(sides: Sides) -> list[Difference]:
    """Return what forbids to use a run's numbers: it is invalid, or was not measured to its end."""
    found = []
    validity = tuple(
        tuple(sorted({str(verdict["validity"]["status"]) for _, verdict in side})) for side in sides
    )
    if any(ValidityStatus.INVALID in side for side in validity):
        why = "a run is invalid: leave it out"
        found.append(Difference("validity", validity, Bearing.BLOCKS, why))
    state = _values(sides, lambda manifest: manifest.get("state"))
    if any(side != ("complete",) for side in state):
        why = "a run was not measured to its end: leave it out"
        found.append(Difference("state", state, Bearing.BLOCKS, why))
    return found


def _order(sides: Sides) -> list[Difference]:
    """Say where one side was measured wholly after another: a drift then looks like an effect."""
    times = [sorted(str(run.manifest.get("created") or "") for run, _ in side) for side in sides]
    base, others = times[0], times[1:]
    apart = [side for side in others if base[-1] < side[0] or side[-1] < base[0]]
    if not apart or min(map(len, times)) <= 1:
        return []
    values = tuple((f"{side[0]} to {side[-1]}",) for side in times)
    why = "not interleaved (A B B A): a drift of the machine counts as a difference"
    return [Difference("order", values, Bearing.MAY_BIAS, why)]


def _hash(name: str) -> Read:
    return lambda manifest: ((manifest.get("scenario") or {}).get("hashes") or {}).get(name)


def _of(part: str, *names: str) -> Read:
    def read(manifest: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
        found: Any = manifest.get(part)
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    return read


def _device(manifest: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    device = manifest.get("device") or {}
    return device.get("board") or device.get("name") or device.get("cpu")


def _collectors(manifest: Mapping[str, Any]) -> str:
    found = manifest.get("collectors") or ()
    return ", ".join(sorted(str(each["name"]) for each in found if each.get("outcome") == "ok"))


def _clocks_held(manifest: Mapping[str, Any]) -> bool | None:
    """Return True where they are; a run that does not say and one that says no are alike."""
    return _of("device", "clocks_held")(manifest) or None


def _program(manifest: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Return what a command is made of: its words and its files; ours is part of liveprobe."""
    if manifest.get("mode") != "command":
        return None
    command = _of("scenario", "resolved", "program", "command")(manifest) or []
    return [str(word).rpartition("/")[2] for word in command] + [_hash("code")(manifest)]


_CONDITIONS: Final[tuple[tuple[str, Read, Bearing, str], ...]] = (
    ("input", _hash("input"), Bearing.BLOCKS, "another input"),
    ("model", _hash("model"), Bearing.BLOCKS, "another model"),
    ("perturbations", _of("perturbations"), Bearing.BLOCKS, "other perturbations were applied"),
    ("program", _program, Bearing.NOTED, "the command under test is another one"),
    ("device", _device, Bearing.MAY_BIAS, _MACHINE),
    ("device.cpu", _of("device", "cpu"), Bearing.MAY_BIAS, _MACHINE),
    ("device.cores", _of("device", "cores"), Bearing.MAY_BIAS, _MACHINE),
    ("device.memory", _of("device", "memory_bytes"), Bearing.MAY_BIAS, _MACHINE),
    ("device.accelerators", _of("device", "accelerators"), Bearing.MAY_BIAS, _MACHINE),
    ("device.governor", _of("device", "governor"), Bearing.MAY_BIAS, "clocks are set otherwise"),
    ("device.clocks_held", _clocks_held, Bearing.MAY_BIAS,
     "clocks are set otherwise"),
    ("device.power_mode", _of("device", "power_mode"), Bearing.MAY_BIAS,
     "clocks and cores are capped otherwise"),
    ("device.clock_limit", _of("device", "clock_limit_hz"), Bearing.MAY_BIAS,
     "clocks are capped otherwise"),
    ("device.kernel", _of("device", "kernel"), Bearing.MAY_BIAS, "another kernel"),
    ("device.os", _of("device", "os"), Bearing.MAY_BIAS, "another system"),
    ("liveprobe", _of("liveprobe"), Bearing.MAY_BIAS, "another version measured"),
    ("tier", lambda manifest: tier_of(manifest).value, Bearing.MAY_BIAS, "not equally long"),
    ("collectors", _collectors, Bearing.MAY_BIAS, "what watches costs time"),
    ("providers", _of("program", "facts", "providers", "got"), Bearing.NOTED,
     "the runtime chose another provider"),
    ("python", _of("environment", "python"), Bearing.MAY_BIAS, "another interpreter"),
    *(
        (f"package.{name}", _of("environment", "packages", name), Bearing.MAY_BIAS, _PACKAGES)
        for name in ("numpy", "av", "onnxruntime")
    ),
    ("variables", _of("environment", "variables"), Bearing.MAY_BIAS,
     "variables that change what libraries do"),
)  # fmt: skip
"""Name, where it stands in a manifest, what a difference means, and why."""
