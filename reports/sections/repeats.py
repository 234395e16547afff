"""What do the other repeats of its series say? A line each, with the way to its report."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports.page import numbers, status

if TYPE_CHECKING:
    from reports.page.status import Status
    from reports.page.subject import Subject

_FOLDER: Final = re.compile(r"[\w][\w.-]*", re.ASCII)
"""The id of a Run is the name of its folder; anything else is no way to a report."""
_LASTS: Final = {"supported": "sustained", "refuted": "not sustained"}


@dataclass(frozen=True)
class RepeatRow:
    """A repeat as the series sees it; `href` is empty for the Run of this page."""

    index: str
    run: str
    href: str
    status: Status
    regime: str
    lasts: str


@dataclass(frozen=True)
class Repeats:
    """The repeats that stand beside each other, and what keeps them from being certified."""

    heading: str
    rows: tuple[RepeatRow, ...]
    missing: str


def repeats(subject: Subject) -> Repeats | None:
    """Return the series of a Run as it was when this Run was judged; None for a single one."""
    found = subject.verdict.get("series")
    if not found:
        return None
    members = found.get("members") or []
    of, agreeing = found.get("of"), found.get("agreeing")
    own = f"repeat {found.get('index')} of {of}"
    agree = f"{agreeing} of {numbers.plural(len(members), 'repeat')} here agree"
    word = "certified" if found.get("certified") else "not certified"
    return Repeats(
        f"{own}; {agree}; {word}",
        tuple(_row(each, str(subject.verdict.get("run"))) for each in members),
        "; ".join(str(each) for each in found.get("missing") or ()),
    )


def _row(member: dict[str, Any], own: str) -> RepeatRow:
    run = str(member.get("run"))
    linked = run != own and _FOLDER.fullmatch(run)
    return RepeatRow(
        index=str(member.get("index")),
        run=run,
        href=f"../{run}/report.html" if linked else "",
        status=status.of_outcome(member.get("outcome")),
        regime=str(member.get("regime") or "none judged"),
        lasts=_LASTS.get(str(member.get("sustained")), "not told whether it lasts"),
    )
