from __future__ import annotations

import pytest

from probe import cases, cases_device
from probe.store import Run
from probe.verdict.evidence import Evidence
from probe.verdict.sanity import EARLY_NS, contradictions, impossible, little_of, remedies


def with_frame(k: int, **times: int) -> Run:
    """Return a Run in which frame k has these times, in ms after it was due."""
    run = cases.live_run([20.0] * 30)
    rows = cases_device.rows_of(run, "frames")
    for name, ms in times.items():
        rows[k][name] = cases.BEGIN_NS + k * cases.PERIOD_NS + ms * cases.MS
    return cases_device.holding(run, "frames", rows)


@pytest.mark.parametrize(
    ("times", "what", "worst_ms"),
    [
        ({"delivered_ns": 5, "rendered_ns": -3}, "negative latency", 3),
        ({"delivered_ns": 30}, "shown before they were delivered", 10),
        ({"captured_ns": 25}, "delivered before they were captured", 5),
        ({"captured_ns": -2}, "released before their scheduled time", 2),
    ],
)
def test_each_kind_of_contradiction_is_found_with_its_frame(
    times: dict[str, int], what: str, worst_ms: int
) -> None:
    found = [each for each in impossible(Evidence(with_frame(7, **times))) if what in each.what]
    (each,) = found
    assert (each.count, each.frame, each.worst_ns) == (1, 7, worst_ms * cases.MS)
    assert each.at_ns == cases.BEGIN_NS + 7 * cases.PERIOD_NS


def test_a_millisecond_before_its_time_is_two_clocks_read_apart() -> None:
    assert not impossible(Evidence(with_frame(7, captured_ns=-EARLY_NS // cases.MS)))


def test_an_answer_from_before_its_request_is_a_contradiction() -> None:
    run = cases.generating_run()
    asked = {"t_ns": cases.BEGIN_NS, "kind": "request", "text": "", "attributes": '{"request": 0}'}
    for early_ms, said in ((0, []), (400, ["1 requests answered before they were made"])):
        event = asked | {"t_ns": cases.BEGIN_NS + early_ms * cases.MS}
        evidence = Evidence(cases_device.holding(run, "events", [event]))
        assert contradictions(evidence) == said
        assert bool(remedies(evidence)) == bool(said)


def test_times_that_are_missing_contradict_nothing() -> None:
    run = cases.live_run([20.0, None] * 15)
    assert not contradictions(Evidence(run))


def test_a_frame_that_is_due_before_an_earlier_one_is_told() -> None:
    run = cases.live_run([20.0] * 30)
    rows = cases_device.rows_of(run, "frames")
    rows[8], rows[9] = {**rows[8], "frame": 9}, {**rows[9], "frame": 8}
    (each,) = impossible(Evidence(cases_device.holding(run, "frames", rows)))
    assert each.what == "frames scheduled before an earlier one"
    assert (each.frame, each.worst_ns) == (9, cases.PERIOD_NS)


@pytest.mark.parametrize(("factor", "broken"), [(1.0, False), (1.09, False), (1.2, True)])
def test_little_is_broken_from_a_tenth_on(factor: float, broken: bool) -> None:
    little = little_of(Evidence(cases_device.gauged_run(factor)))
    assert little is not None
    assert (little.beyond > 0) == broken


def test_a_gauge_of_nothing_at_all_agrees_with_nothing() -> None:
    little = little_of(Evidence(cases_device.gauged_run(0.0)))
    assert little is not None
    assert little.beyond > 0
