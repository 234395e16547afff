from __future__ import annotations

from typing import Any

import pytest

from probe import stated


def manifest(facts: Any) -> dict[str, Any]:
    return {"program": {"facts": facts}}


@pytest.mark.parametrize("facts", [None, [], "x", 3])
def test_facts_that_are_no_object_state_nothing(facts: Any) -> None:
    assert stated.fact(manifest(facts), "model") is None
    assert stated.table(manifest(facts), "model") == {}
    assert stated.providers(manifest(facts)) is None


@pytest.mark.parametrize("run", [{}, {"program": None}, {"program": {}}])
def test_a_program_without_facts_states_nothing(run: dict[str, Any]) -> None:
    assert stated.model_bytes(run) is None


def test_both_lists_of_providers_are_needed() -> None:
    said = {"providers": {"asked": ["A", "B"], "got": ["B"]}}
    assert stated.providers(manifest(said)) == (("A", "B"), ("B",))
    assert stated.providers(manifest({"providers": {"asked": ["A"], "got": []}})) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (7, 7),
        (0, None),
        (-1, None),
        (True, None),
        (7.0, None),
        (2**62, None),
        ("7", None),
        (None, None),
    ],
)
def test_a_count_is_a_whole_number_above_zero(value: Any, found: int | None) -> None:
    assert stated.count(value) == found
    assert stated.model_bytes(manifest({"model": {"bytes": value}})) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [(60, 60.0), (59.94, 59.94), (0, None), (-1, None), (True, None), ("60", None), (None, None)],
)
def test_a_refresh_rate_is_a_number_above_zero(value: Any, found: float | None) -> None:
    assert stated.refresh_hz(manifest({"display": {"refresh_hz": value}})) == found
