"""What the device took, and what a frame cost, in a line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe import metrics
from probe.verdict.evidence import Evidence
from probe.verdict.readings import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probe.store import Run

NAMES: Final = ("power.mean", "energy.per_frame")


def lines(run: Run, verdict: Mapping[str, Any]) -> list[str]:
    """Return the mean power and the energy of a frame; nothing where nobody read the device's."""
    evidence = Evidence(run)
    power, energy = (reading(metrics.find(name), evidence, verdict) for name in NAMES)
    if power.value is None:
        return []
    text = f"mean {power.value:.3g} W"
    text += "" if energy.value is None else f", {energy.value:.3g} J a frame"
    origin = "; ".join(filter(None, (power.source, power.gap)))
    return [f"  power     {text} ({origin})"]
