"""Which of the audits of claims, clocks and devices accuse which kind of Run: no healthy one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from probe import judge
from probe.model import FindingOutcome
from probe.store import Run

AUDITS = {
    "latency_is_not_throughput", "speed_as_live", "provider_mismatch", "little_mismatch",
    "clock_sanity", "sensor_stuck", "sram_pressure", "model_delivery",
}  # fmt: skip
ACCUSED = {
    "live": set(),
    "late": {"latency_is_not_throughput"},
    "dropping": set(),
    "blocky": {"latency_is_not_throughput", "speed_as_live"},
    "generator": set(),
    "offline": set(),
    "stalled": set(),
    "mixed": set(),
    "bursty": set(),
    "in-flight": set(),
    "out-of-order": set(),
    "interrupted": set(),
    "crashed": set(),
    "late-release": set(),
    "closed-loop": {"speed_as_live"},
    "silent": set(),
}


@pytest.mark.parametrize("kind", ACCUSED)
def test_only_the_runs_that_deserve_it_are_accused(
    kind: str, made_run: Callable[..., Path]
) -> None:
    run = Run.open(made_run(kind))
    chosen = [audit for audit in judge.shipped() if audit.id in AUDITS]
    assert {audit.id for audit in chosen} == AUDITS
    found = judge.findings(run, chosen)
    accusing = {FindingOutcome.FAILED, FindingOutcome.WARNING}
    assert {each.audit for each in found if each.outcome in accusing} == ACCUSED[kind]
