"""What is generated from code says what the code says."""

from __future__ import annotations

from pathlib import Path

from probe import judge
from probe.console import explain_text

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_page_of_audits_is_up_to_date() -> None:
    written = (DOCS / "audits.md").read_text(encoding="utf-8")
    assert written == explain_text.page(judge.shipped()), "`make docs` writes it anew"
