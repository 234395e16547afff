"""Write what is made from code: `make docs`. A test says when it is out of date."""

from __future__ import annotations

from pathlib import Path

import collectors
from probe import judge
from probe.console import explain_text, support_text

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> None:
    """Write the page of the audits that ship here, and that of what is measured where."""
    pages = {
        "audits.md": explain_text.page(judge.shipped()),
        "support.md": support_text.page(collectors.shipped()),
    }
    for name, text in pages.items():
        (DOCS / name).write_text(text, encoding="utf-8")
        print(DOCS / name)


if __name__ == "__main__":
    main()
