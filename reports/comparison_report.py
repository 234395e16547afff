"""Which one holds the rate, at what latency, watts and degrees, for how long?

It never judges: it renders the document of `probe.comparison`, and what the Runs' verdicts say.
"""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any, Final

from probe import effects
from probe.comparison import NOMINAL_LEVEL
from probe.differences import Bearing
from reports.page import numbers
from reports.page.document import page
from reports.sections import compared_conditions, compared_metrics, compared_sides
from reports.sections.compared import GENERATION, LIVE, Compared
from reports.sections.generation import NOT_APPLYING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probe.comparison import Side
    from reports.sections.compared import Links

TEMPLATE: Final = "comparison_report.html.j2"
SHEET: Final = "comparison.css"


def render(document: Mapping[str, Any], sides: Sequence[Side], links: Links | None = None) -> str:
    """Return the HTML document of a comparison.

    `document` is what `probe.comparison.compare` gave for these `sides`; `links` has, by side and
    by run, the relative address of the run's own report, or None.
    """
    given = links or [[None] * len(side.runs) for side in sides]
    compared = Compared.of(document, sides, given)
    name, rest = compared_conditions.title(compared)
    views = compared_sides.sides(compared)
    values = {
        "title": f"{name}: {rest}",
        "name": name,
        "rest": rest,
        "stamp": compared_conditions.stamp(compared),
        "same": compared_conditions.same(compared),
        "trust": compared_conditions.trust(compared),
        "conditions": compared_conditions.conditions(compared),
        "blocking": compared_conditions.blocking(compared),
        "ways_out": compared_conditions.ways_out(compared),
        "shortage": compared_conditions.shortage(compared),
        "parties": compared.parties,
        "comparable": compared.document["comparable"],
        "least": float(compared.document["least_percent"]),
        "sides": views,
        "linked": any(link for side in given for link in side),
        "groups": compared_metrics.groups(compared),
        "counts": [_counts(each) for each in compared.document["summary"]],
        "not_applying": _not_applying(compared),
        "missing": _missing(compared),
        "computed": _computed(compared),
        "confidence": 100 * float(compared.document["confidence"]),
        "called": 100 * (1 - NOMINAL_LEVEL),
        "versions": compared_conditions.versions(compared),
        "rerun": _rerun(compared),
    }
    return page(TEMPLATE, values, {}, "", sheets=(SHEET,))


def _counts(summary: Mapping[str, Any]) -> str:
    return " · ".join(
        f"{number} {word}" for word, number in summary.items() if word != "side" and number
    )


def _not_applying(compared: Compared) -> list[tuple[str, str]]:
    """Return the metrics of a regime that no side, or not every side, was run for."""
    found: list[tuple[str, str]] = []
    generating = [party.letter for party in compared.parties if party.kind == GENERATION]
    living = [party.letter for party in compared.parties if party.kind == LIVE]
    if generating:
        who = numbers.listed(generating)
        found += [(name, f"{who}: {why}") for name, why in NOT_APPLYING]
    if living:
        who = numbers.listed(living)
        found.append(("generation rate, requests", f"{who}: live input, no clips on request"))
    return found


def _missing(compared: Compared) -> list[tuple[str, str]]:
    """Return what some runs did not measure, and why."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in compared.rows():
        for party, side in zip(compared.parties, row["missing"], strict=True):
            for why in dict.fromkeys(each for each in side if each):
                found.setdefault((str(row["metric"]), str(why)), []).append(party.letter)
    return [(f"{metric}, {numbers.listed(who)}", why) for (metric, why), who in found.items()]


def _computed(compared: Compared) -> list[str]:
    """Return, for each pair, how its test was counted."""
    found = []
    for other in compared.others:
        base = compared.base.count
        least = effects.least_p_value(base, other.count)
        ways = math.comb(base + other.count, base)
        if min(base, other.count) < effects.LEAST_RUNS:
            text = "one run says nothing of how runs scatter; nothing was computed"
        else:
            exact = ways <= effects.MOST_LABELINGS
            drawn = f"{effects.MOST_LABELINGS:,} of {ways:,} drawn, seed {effects.SEED}"
            how = f"all {ways:,} counted" if exact else drawn
            text = f"ways to exchange the runs: {how}; smallest p that can come out {least:.2g}"
        found.append(f"{other.letter} against A, {other.count} and {base} runs: {text}.")
    return found


def _rerun(compared: Compared) -> str:
    """Return the command, with the ids of the Runs in place of where they are kept."""
    ids = [
        " ".join(shlex.quote(str(run.manifest.get("id") or "RUN")) for run in party.subjects)
        for party in compared.parties
    ]
    words = ["liveprobe compare " + " \\\n  -- ".join(ids)]
    meant = [
        str(each["condition"])
        for each in compared.document["environment"]
        if each["bearing"] == Bearing.INTENDED
    ]
    words += [f"--vary {shlex.quote(each)}" for each in meant]
    least = compared.document["least_percent"]
    return " \\\n  ".join([*words, *([f"--min-effect {least:g}"] if least else [])])
