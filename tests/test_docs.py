"""What is generated from code says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import collectors
from probe import judge
from probe.console import explain_text, support_text

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_page_of_audits_is_up_to_date() -> None:
    written = (DOCS / "audits.md").read_text(encoding="utf-8")
    assert written == explain_text.page(judge.shipped()), "`make docs` writes it anew"


def test_the_support_matrix_is_up_to_date() -> None:
    written = (DOCS / "support.md").read_text(encoding="utf-8")
    assert written == support_text.page(collectors.shipped()), "`make docs` writes it anew"


def test_every_track_stands_in_the_support_matrix() -> None:
    assert support_text.unstated(collectors.shipped()) == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    reached, next_ones = set[str](), set(re.findall(r"\]\(docs/([a-z0-9-]+\.md)", text))
    while next_ones:
        reached |= next_ones
        pages = [(DOCS / name).read_text(encoding="utf-8") for name in next_ones]
        linked = {each for page in pages for each in re.findall(r"\]\(([a-z0-9-]+\.md)", page)}
        next_ones = linked - reached
    assert reached == {page.name for page in DOCS.glob("*.md")}


def test_pages_that_are_linked_are_there() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([a-z0-9-]+\.(?:md|png))", page.read_text("utf-8")):
            assert (DOCS / target).is_file(), f"{page.name} links {target}"
