from __future__ import annotations

import pytest

from reports.page import numbers

SPACE = numbers.NBSP


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (119.24, f"119.2{SPACE}ms"),
        (0.0, f"0.0{SPACE}ms"),
        (0.048, f"0.048{SPACE}ms"),
        (0.48, f"0.48{SPACE}ms"),
        (-2.94, f"{numbers.MINUS}2.9{SPACE}ms"),
        (1380.4, f"1.38{SPACE}s"),
        ("lost", "lost"),
        (None, "not measured"),
    ],
)
def test_a_duration_has_sensible_digits_and_its_unit(value: object, text: str) -> None:
    assert numbers.ms(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(30.04, f"30.0{SPACE}s"), (59.9, f"59.9{SPACE}s"), (364.2, "6:04"), (3723, "1:02:03")],
)
def test_a_length_of_time_reads_as_a_clock_from_a_minute_on(seconds: float, text: str) -> None:
    assert numbers.clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0:00.0"), (-0.04, "0:00.0"), (59.97, "1:00.0"), (72.31, "1:12.3")]
)
def test_a_moment_carries_over_and_has_no_negative_zero(seconds: float, text: str) -> None:
    assert numbers.clock_fine(seconds) == text


def test_a_share_that_is_not_nothing_never_reads_as_nothing() -> None:
    assert numbers.percent(0.00001) == f"under{SPACE}0.1{SPACE}%"
    assert numbers.percent(0) == f"0.0{SPACE}%"
    assert numbers.percent(None) == "not measured"


def test_counts_have_groups_and_the_right_plural() -> None:
    assert numbers.plural(1, "frame") == "1 frame"
    assert numbers.plural(18_000, "frame") == "18,000 frames"


def test_a_sentence_keeps_names_that_begin_it() -> None:
    assert numbers.sentence("quick tier.") == "Quick tier"
    assert numbers.sentence("p99 is late") == "p99 is late"


def test_no_json_value_reads_as_python_does() -> None:
    values = {"a": None, "b": True, "c": [1.5, None], "d": {"e": False}, "f": []}
    text = numbers.scalar(values)
    assert text == "a not stated; b yes; c 1.50, not stated; d e no; f none"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (33_177_600, "33.18"),
        (2_764_800, "2.76"),
        (196_608, "0.20"),
        (99_999, "0.100"),
        (16_384, "0.016"),
        (400, f"under{SPACE}0.001"),
        (0, "0.00"),
        (1.5e12, "1,500,000.00"),
        (None, "not measured"),
    ],
)
def test_megabytes_have_the_digits_that_they_need(size: float | None, text: str) -> None:
    assert numbers.megabytes(size) == text
