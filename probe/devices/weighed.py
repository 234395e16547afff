"""Is the harness's weight known here? Where a calibration of the default collectors is kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import probe
from probe import calibration
from probe.devices.surroundings import LIMITED, MISSING, OK, Surrounding
from probe.neighbours import ours
from probe.verdict import weight

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME: Final = "harness weighed"
REMEDY: Final = "`liveprobe calibrate` weighs it, in about four minutes"


def weighed(inventory: Mapping[str, Any], folder: Path | None = None) -> Surrounding:
    """Say what is known of this device with the collectors and copies of a run that sets none."""
    names = [each.name for each in ours("collectors").discover()]
    entry = calibration.stored(inventory, names, "on", folder)
    document = entry["document"]
    if document is None:
        return Surrounding(NAME, MISSING, entry["reason"] or "never calibrated here", REMEDY)
    now_s = time.time()
    told = calibration.told(calibration.age_days(document, now_s))
    old = calibration.stale(
        document, kernel=inventory.get("kernel"), version=probe.__version__, now_s=now_s
    )
    if old is not None:
        return Surrounding(NAME, LIMITED, f"calibrated {told} ago; that {old}", REMEDY)
    found = weight.shifts(document["shifts"])
    met = weight.worst(found)
    shifts = ", ".join(found[name].text() for name in weight.LIMITS_PCT)
    remedy = weight.advice(document)
    state = OK if remedy is None else LIMITED
    return Surrounding(NAME, state, f"calibrated {told} ago: {met.value}: {shifts}", remedy)
