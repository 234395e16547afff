"""Does what somebody claims hold here? The report of judged claims, to be passed on.

It never judges: it renders the document of `liveprobe verify --json`, and reads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from probe.claims.answers import RUNS_FOR_ONE
from probe.metrics import PER_FRAME
from reports.page import numbers
from reports.page.document import page
from reports.page.foreign import plain_document
from reports.page.privacy import redacted_document
from reports.sections import cited_runs, claims

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.sections.claims import ClaimView

TEMPLATE: Final = "claims_report.html.j2"
SHEETS: Final = ("claims_report.css",)


def render(document: Mapping[str, Any]) -> str:
    """Return the HTML of judged claims; `document` is as `probe.claims.judging.document` gives."""
    found = plain_document(redacted_document(dict(document)))
    file = found["file"]
    name = "claims.toml" if file is None else str(file["name"])
    runs = cited_runs.distinct(found["claims"])
    views = [claims.claim(each, k, name) for k, each in enumerate(found["claims"], 1)]
    values = {
        "title": (file or {}).get("title") or name,
        "subject": _subject(views, runs),
        "version": found["liveprobe"],
        "stamp": cited_runs.stamp(runs, str(found["liveprobe"])),
        "file": file,
        "name": name,
        "claims": views,
        "counts": _counts(views),
        "validity": cited_runs.validity(runs),
        "runs": cited_runs.rows(runs),
        "hashes": cited_runs.hashes(runs, file),
        "per_frame": numbers.sentence(PER_FRAME),
        "runs_for_one": RUNS_FOR_ONE,
    }
    return page(TEMPLATE, values, {"columns": [], "charts": {}, "fates": []}, "", sheets=SHEETS)


def _subject(views: Sequence[ClaimView], runs: Sequence[Mapping[str, Any]]) -> str:
    count = numbers.plural(len(views), "claim")
    where = f"checked on {cited_runs.devices(runs)}" if runs else "nothing measured"
    return f"{count}, {where}"


def _counts(views: Sequence[ClaimView]) -> str:
    words = [each.status.word for each in views]
    return ", ".join(f"{words.count(each)} {each}" for each in dict.fromkeys(words))
