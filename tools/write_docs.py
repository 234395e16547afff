"""Write docs/audits.md from the audits: `make docs`. A test says when it is out of date."""

from __future__ import annotations

from pathlib import Path

from probe import judge
from probe.console import explain_text

TARGET = Path(__file__).resolve().parent.parent / "docs" / "audits.md"


def main() -> None:
    """Write the page of the audits that ship here."""
    TARGET.write_text(explain_text.page(judge.shipped()), encoding="utf-8")
    print(TARGET)


if __name__ == "__main__":
    main()
