"""What does an audit ask? Its own words: as text for a terminal, as JSON, as a page of the docs."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from probe.model import Audit, Case, Finding

WIDTH: Final = 100
_INDENT: Final = "  "
HEAD: Final = """# Audits

What each audit asks of a Run, why, where its thresholds come from, and what to do about what it
finds. `liveprobe audit RUN --only ID` asks one of them, `liveprobe audit --explain ID` prints what
stands here. The worked cases are tests: small Runs, and what the audit says of each.

This page is made from the audits themselves by `make docs`; change them, not it.
"""


def question(audit: Audit) -> str:
    """Return what an audit asks: the docstring of the file that it stands in, else its title."""
    module = inspect.getmodule(audit.judge)
    return inspect.cleandoc((module.__doc__ if module else None) or audit.title)


def document(audit: Audit) -> dict[str, Any]:
    """Return an audit as JSON values."""
    return {
        "audit": audit.id,
        "title": audit.title,
        "asks": question(audit),
        "why": audit.why,
        "source": audit.source,
        "remedy": audit.remedy,
        "reads": list(audit.reads),
        "related": list(audit.related),
        "cases": [
            {"case": case.title, "outcomes": [each.value for each in case.expected]}
            for case in audit.cases
        ],
    }


def lines(audit: Audit) -> list[str]:
    """Return an audit as lines of text."""
    text = [f"{audit.id}: {audit.title}", "", *question(audit).splitlines()]
    for name, said in (
        ("why", audit.why),
        ("source", audit.source),
        ("what to do", audit.remedy),
        ("reads", _reads(audit)),
        ("other sides of the same fault", ", ".join(audit.related)),
    ):
        if not said:
            continue
        text += ["", f"{name}:", *_indented(said)]
    text += ["", "worked cases:"]
    return [*text, *(f"{_INDENT}{_said(case):<14} {case.title}" for case in audit.cases)]


def _indented(said: str) -> list[str]:
    return textwrap.wrap(said, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)


def findings(found: Sequence[Finding], begin_ns: int | None = None) -> list[str]:
    """Return findings as lines: outcome, audit and title, where it was, what to do about it.

    Times are told from `begin_ns` on, the start of the measured window; without it they are not.
    """
    text = []
    for each in found:
        text.append(f"{each.outcome.value:<12} {each.audit}: {each.title}")
        if each.outcome.value in ("failed", "warning") and (where := _where(each, begin_ns)):
            text.append(f"{'':<12} where: {where}")
        if each.outcome.value != "passed":
            text.append(f"{'':<12} what to do: {each.remedy}")
    return text or ["nothing to say: what was asked does not apply to this Run"]


def _where(finding: Finding, begin_ns: int | None) -> str:
    """Return the stage, the stretch of the window and the cost, as far as they are known."""
    parts = [] if finding.stage is None else [f"stage {finding.stage}"]
    if begin_ns is not None and finding.from_ns is not None and finding.to_ns is not None:
        since, until = ((each - begin_ns) / 1e9 for each in (finding.from_ns, finding.to_ns))
        parts.append(f"{since:.1f} to {until:.1f} s of the window")
    if finding.cost_ms_per_frame is not None:
        parts.append(f"{finding.cost_ms_per_frame:.3g} ms a frame")
    return ", ".join(parts)


def page(audits: Iterable[Audit]) -> str:
    """Return the page of the documentation about these audits, as Markdown."""
    every = list(audits)
    contents = [f"| [{each.id}](#{each.id}) | {_cell(each.title)} |" for each in every]
    parts = [HEAD, "\n".join(["| audit | finds |", "|---|---|", *contents]) + "\n"]
    return "\n".join([*parts, *(_section(each) for each in every)])


def _section(audit: Audit) -> str:
    cases = [f"| {_cell(case.title)} | {_said(case)} |" for case in audit.cases]
    return "\n".join(
        [
            f"## {audit.id}", "", f"**{audit.title}.**", "", question(audit), "",
            f"- **Why**: {audit.why}", f"- **Source**: {audit.source}",
            f"- **What to do**: {audit.remedy}", f"- **Reads**: {_reads(audit)}", *_beside(audit),
            "",
            "| case | says |", "|---|---|", *cases, "",
        ]
    )  # fmt: skip


def _beside(audit: Audit) -> list[str]:
    links = ", ".join(f"[{each}](#{each})" for each in audit.related)
    return [f"- **Other sides of the same fault**: {links}"] if links else []


def _reads(audit: Audit) -> str:
    return ", ".join(["run.json", *audit.reads])


def _said(case: Case) -> str:
    return ", ".join(each.value for each in case.expected) or "nothing"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
