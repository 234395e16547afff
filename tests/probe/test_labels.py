from __future__ import annotations

from probe.labels import numbered


def test_the_second_line_of_a_name_bears_its_number() -> None:
    assert numbered(["acpitz", "x", "acpitz", "acpitz"]) == [
        "acpitz",
        "x",
        "acpitz #2",
        "acpitz #3",
    ]
