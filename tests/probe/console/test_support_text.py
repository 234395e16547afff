from __future__ import annotations

from typing import ClassVar

from probe.console import support_text
from probe.model import Seen, Support, Track


class Stated:
    """A collector with two sources."""

    name = "stated"
    tracks = (
        Track("stated.a", "percent", "A | B"),
        Track("stated.b", "count", "B", period_ns=10**9),
    )
    period_ns = None
    sensitive = False
    support: ClassVar = (
        Support("Board X", ("stated.a",), "/sys/*/a_b", Seen.RECORDINGS, "root"),
        Support("any Linux", ("stated.a", "stated.c"), "/proc/<pid>", Seen.HARDWARE),
    )


def test_tracks_without_a_row_and_rows_without_a_track_are_found() -> None:
    assert support_text.unstated([Stated]) == ["stated.b", "stated.c"]  # type: ignore[list-item]


def test_the_page_says_what_was_not_seen_on_hardware() -> None:
    page = support_text.page([Stated])  # type: ignore[list-item]
    assert "| Board X | - | stated | - |" in page
    assert "| `stated.a` | /sys/\\*/a\\_b | recordings; not seen on hardware | root |" in page
    assert "| `stated.a`<br>`stated.c` | /proc/\\<pid\\> | hardware | nothing |" in page
    assert page.index("### any Linux") < page.index("### Board X")
    devices = "Board X (recordings); any Linux (hardware)"
    assert f"| A \\| B | percent | at start and end | measured | {devices} |" in page
    assert "| `stated.b` | B | count | 1 s | measured | not stated |" in page
