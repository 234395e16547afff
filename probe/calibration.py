"""What does the harness weigh on this device, as once measured: a document in the user's state.

`liveprobe calibrate` writes it; a run of the same collectors on the same device takes it into its
manifest, and `probe.verdict.weight` judges by that (METHOD: rule 13). Nothing is judged here.

Its fields: `schema`, `liveprobe` (version), `kernel`, `created` (UTC), `device` (`identity`),
`collectors` (asked for, sorted), `read` (those that found their source), `copies` (mode),
`scenario` {name}, `conditions` {what the runs were like}, `shifts`, `costs`, `each`,
`interrupted`.

- `shifts` has, by name of `SHIFTS`, the change in percent from off to on, one value a pair, null
  where a pair has none; `noise` the same of off against off, or null.
- `costs` has, by collector, what its calls cost in a run: `cpu_ms_per_s` (with the tools that it
  started), `wall_ms_per_s`.
- `each` has the shifts of single collectors, where they were asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probe.errors import EnvironmentUnmet
from probe.store import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA: Final = 1
FRESH_DAYS: Final = 30
"""An older calibration is stale: our own number, about as often as systems are updated."""
SHIFTS: Final = ("p50", "p99", "throughput", "cpu")
"""Latency to delivery; loss of frames per second, free-running; the program's CPU per frame."""
OF_DEVICE: Final = ("name", "board", "soc", "cpu", "cores", "virtualised")
"""What of an inventory names the device; besides the accelerators and the memory in GiB."""
CLOCKS: Final = ("governor", "clocks_held", "power_mode")
"""What of an inventory sets its clocks: a harness weighs otherwise on cores that are clocked by
their load, and on those that a power mode holds down."""
STATE: Final = "LIVEPROBE_STATE"
"""The environment variable that says where state is kept, else as the XDG rules have it."""
ELSEWHERE: Final = f"set {STATE} to a folder with room that you may write to"
LARGEST_BYTES: Final = 2**20
_DAY_S: Final = 86_400
_STEP_S: Final = 3_600
_LONGEST_NAME: Final = 60
_FAR: Final = 1e12
"""No number in a calibration is as large; NaN compares false."""


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of calibrations: below `LIVEPROBE_STATE`, or where XDG keeps state."""
    own = environment.get(STATE)
    if own:
        return Path(own) / "calibrations"
    state = environment.get("XDG_STATE_HOME") or ""
    # The XDG rules let a relative path be ignored.
    above = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return above / "liveprobe" / "calibrations"


def identity(inventory: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells the device, with its clocks as they are set, from others.

    It is taken from the inventory, and nothing in it is personal.
    """
    memory = inventory.get("memory_bytes")
    return {
        **{field: inventory.get(field) for field in (*OF_DEVICE, *CLOCKS)},
        "memory_gib": None if memory is None else round(memory / 2**30),
        "accelerators": sorted(
            str(each.get("name")) for each in inventory.get("accelerators") or ()
        ),
    }


def inside(options: Mapping[str, Any]) -> str | None:
    """Return what works inside the program or on it: how copies are traced, and py-spy's mode.

    `options` are those of a resolved scenario (`Scenario.document`); None where they do not say.
    """
    copies = (options.get("copies") or {}).get("mode")
    sampler = (options.get("pyspy") or {}).get("mode") or "off"
    return copies if copies is None or sampler == "off" else f"{copies}, py-spy {sampler}"


def file_name(device: Mapping[str, Any], collectors: Iterable[str], copies: str | None) -> str:
    """Return under which name the calibration of a device and collector set is kept."""
    key = json.dumps([device, sorted(collectors), copies], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return f"{_slug(device)}-{digest}.json"


def _slug(device: Mapping[str, Any]) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", str(device.get("name") or "").lower()).strip("-")
    return slug[:_LONGEST_NAME] or "device"


def stored(
    inventory: Mapping[str, Any],
    collectors: Iterable[str],
    copies: str | None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Return {"document", "reason"}: the calibration of this device and set, or why there is none.

    A file that cannot be read, or is no calibration of these, counts as absent, with that reason.
    """
    device, names = identity(inventory), sorted(collectors)
    try:
        file = (folder or home()) / file_name(device, names, copies)
    except RuntimeError as error:
        return {"document": None, "reason": f"the stored calibration cannot be found: {error}"}
    document, wrong = read(file)
    if wrong is None and document is not None:
        wrong = unfit(document, device, names, copies)
    if wrong is None and document is None:
        file, wrong = _otherwise(file.parent, device, names, copies) or (file, None)
    if wrong is not None:
        return {"document": None, "reason": f"the stored calibration {wrong} ({file.name})"}
    return {"document": document, "reason": None}


def read(file: Path) -> tuple[dict[str, Any] | None, str | None]:
    """Return the calibration in a file, and what is wrong with it; neither where there is none."""
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    if len(data) > LARGEST_BYTES:
        return None, f"has more than {LARGEST_BYTES >> 20} MiB"
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None, "is not JSON"
    return (document, None) if whole(document) else (None, _why_not(document))


def save(document: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Keep a calibration, in place of an older one of the same device and set; return the file.

    Raises `EnvironmentUnmet` where it cannot be written.
    """
    where = place(folder)
    file = where / file_name(document["device"], document["collectors"], document["copies"])
    try:
        write_json(file, document)
    except EnvironmentUnmet as error:
        error.remedy = ELSEWHERE
        raise
    return file


def place(folder: Path | None = None) -> Path:
    """Return the folder of calibrations, made where there is none.

    Raises `EnvironmentUnmet` where nothing can be kept in it: asked before hours of measuring.
    """
    try:
        where = folder or home()
    except RuntimeError as error:
        said = f"where a calibration would be kept is not known: {error}"
        raise EnvironmentUnmet(said, remedy=ELSEWHERE) from error
    try:
        where.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=where):
            pass
    except OSError as error:
        said = f"{where}: no calibration can be kept there: {error.strerror}"
        raise EnvironmentUnmet(said, remedy=ELSEWHERE) from error
    return where


def unfit(
    document: Mapping[str, Any],
    device: Mapping[str, Any],
    collectors: Iterable[str],
    copies: str | None,
) -> str | None:
    """Say why a calibration is not of this device or collector set; None where it is."""
    if document["device"] != device:
        return "is of another device"
    if document["collectors"] != sorted(collectors) or document["copies"] != copies:
        return "is of another set of collectors"
    return None


def stale(
    document: Mapping[str, Any], *, kernel: str | None, version: str, now_s: float
) -> str | None:
    """Say why a calibration no longer counts: too old, another kernel or liveprobe; else None."""
    age = age_days(document, now_s)
    if not 0 <= age <= FRESH_DAYS:
        told = "of the future" if age < 0 else f"{age:.0f} days old"
        return f"is {told}, {FRESH_DAYS} days are allowed"
    if document["kernel"] != kernel:
        return f"is of another kernel ({document['kernel']})"
    if document["liveprobe"] != version:
        return f"is of another version of liveprobe ({document['liveprobe']})"
    return None


def age_days(document: Mapping[str, Any], now_s: float) -> float:
    """Return how old a calibration was at a time, in days; a clock step of an hour is no future."""
    age_s = now_s - seconds(document["created"])
    return max(age_s, 0.0) / _DAY_S if age_s > -_STEP_S else age_s / _DAY_S


def pairs(document: Mapping[str, Any]) -> int:
    """Return how many pairs of runs a calibration stands on."""
    return max((len(values) for values in document["shifts"].values()), default=0)


def better(document: Mapping[str, Any], folder: Path | None = None) -> bool:
    """Say whether one that still counts is kept already, and tells more.

    It weighed all collectors that this one did, and has more pairs, or as many where this one was
    cut short.
    """
    name = file_name(document["device"], document["collectors"], document["copies"])
    kept, _ = read((folder or home()) / name)
    if kept is None or not set(document["read"]) <= set(kept["read"]):
        return False
    if pairs(kept) < pairs(document) + (not document["interrupted"]):
        return False
    now_s, version = seconds(document["created"]), document["liveprobe"]
    return stale(kept, kernel=document["kernel"], version=version, now_s=now_s) is None


def told(days: float) -> str:
    """Write an age: `3 days`."""
    whole = int(days)
    if whole == 0:
        return "less than a day"
    return "1 day" if whole == 1 else f"{whole} days"


def seconds(created: str) -> float:
    """Return a time of `run.json` as seconds since 1970; raises `ValueError` for anything else."""
    from datetime import datetime

    return datetime.fromisoformat(created).timestamp()


def _otherwise(
    folder: Path, device: Mapping[str, Any], collectors: list[str], copies: str | None
) -> tuple[Path, str] | None:
    """Return what is kept of this device and set from while its clocks were set otherwise."""
    for file in sorted(folder.glob(f"{_slug(device)}-*.json")):
        document, _ = read(file)
        made = {} if document is None else document["device"]
        if document is None or _without_clocks(made) != _without_clocks(device):
            continue
        if unfit(document, made, collectors, copies) is None:
            return file, f"is of other clocks: {_set(made)}"
    return None


def _without_clocks(device: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in device.items() if field not in CLOCKS}


def _set(device: Mapping[str, Any]) -> str:
    """Write how the clocks were set: `governor powersave, power mode 15W`."""
    told = {"governor": device.get("governor"), "power mode": device.get("power_mode")}
    held = ["clocks held"] if device.get("clocks_held") else []
    words = [*(f"{name} {value}" for name, value in told.items() if value), *held]
    return ", ".join(words) or "how is not stated"


def _why_not(document: object) -> str:
    schema = document.get("schema") if isinstance(document, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        return f"is of a newer liveprobe (schema {schema})"
    return "is damaged"


_TYPES: Final = {
    "liveprobe": str, "created": str, "device": dict, "collectors": list, "read": list,
    "copies": str, "scenario": dict, "conditions": dict, "shifts": dict, "costs": dict,
    "each": dict, "interrupted": bool,
}  # fmt: skip


def whole(document: object) -> bool:
    """Say whether a document has all that readers of it count on."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return False
    if not all(isinstance(document.get(name), kind) for name, kind in _TYPES.items()):
        return False
    try:
        seconds(document["created"])
    except (ValueError, OverflowError):
        return False
    names = [*document["collectors"], *document["read"]]
    tables = [document["shifts"], document.get("noise") or {}, *document["each"].values()]
    return (
        all(isinstance(name, str) for name in names)
        and isinstance(document.get("kernel"), str | None)
        and isinstance(document["scenario"].get("name"), str)
        and isinstance(document["conditions"].get("frames"), list)
        and _numbers(document["conditions"]["frames"])
        and all(isinstance(table, dict) and _shifts(table) for table in tables)
        and all(isinstance(each, dict) and _numbers(each.values()) for each in _costs(document))
    )


def _costs(document: Mapping[str, Any]) -> list[Any]:
    return list(document["costs"].values())


def _shifts(table: Mapping[str, Any]) -> bool:
    return set(table) <= set(SHIFTS) and all(
        isinstance(values, list) and _numbers(value for value in values if value is not None)
        for values in table.values()
    )


def _numbers(values: Iterable[object]) -> bool:
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _FAR
        for value in values
    )
