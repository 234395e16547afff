"""What did the device take, and what did a frame cost? By the one line that covers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probe import metrics
from probe.verdict.evidence import Evidence
from probe.verdict.readings import reading
from reports.page import numbers
from reports.page.privacy import redacted

if TYPE_CHECKING:
    from reports.page.subject import Subject

NAMES: Final = {"power.mean": "power, mean", "energy.per_frame": "energy of a frame"}
UNITS: Final = {"watts": "W", "joules": "J"}
DIGITS: Final = 3


def rows(subject: Subject) -> list[tuple[str, str | None, str]]:
    """Return (metric, value with its unit or None, where it comes from or why it is not there)."""
    evidence = Evidence(subject.run)
    found = []
    for name, shown in NAMES.items():
        metric = metrics.find(name)
        read = reading(metric, evidence, subject.verdict)
        value = None if read.value is None else f"{read.value:.{DIGITS}g}"
        text = None if value is None else f"{value}{numbers.NBSP}{UNITS[metric.unit]}"
        said = [part for part in (read.why, read.source, read.gap) if part]
        found.append((shown, text, redacted("; ".join(said))))
    return found


def line(subject: Subject) -> tuple[str, str] | None:
    """Return the line of the first screen, and where it comes from; None where nobody read it."""
    (_, power, basis), (_, energy, _) = rows(subject)
    if power is None:
        return None
    return f"power: mean {power}" + (f", {energy} a frame" if energy else ""), basis
