"""Each remedy works: the fault is found with its line and bytes, the remedy makes it go, and what
comes out is the same.

The examples run as programs under the engine, with the interposer preloaded. Two audits have none:
`uncached_reads`, and crossings to a device, need hardware that is not here.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import scenarios
from collectors.copies import library
from probe import engine, judge
from probe.errors import NoData
from probe.model import Finding, FindingOutcome
from probe.scenario import Scenario
from probe.store import Run

EXAMPLES = Path(__file__).parent / "examples"
CLIP = Path(scenarios.__file__).parent / "assets" / "people_720p30.mp4"
FRAMES = 8
LUMA = 1280 * 720
DECODED = LUMA * 3 // 2
SMALL = 3 * 360 * 640
BAD = {FindingOutcome.FAILED, FindingOutcome.WARNING}


@dataclass(frozen=True)
class Example:
    """A program with a fault: its audit, what each copy of the line marked ``# fault`` moves, what
    that costs needlessly, and what else the evidence says.
    """

    program: str
    audit: str
    bytes: int
    needless: int
    evidence: dict[str, Any] = field(default_factory=dict)
    outcomes: frozenset[FindingOutcome] = frozenset({FindingOutcome.FAILED})


MAYBE = frozenset(BAD)
"""Where time decides whether it fails."""
WARNS = frozenset({FindingOutcome.WARNING})
FOUND = (
    Example("redundant_copies", "redundant_copies", LUMA, LUMA),
    Example(
        "format_ping_pong", "format_ping_pong", LUMA, LUMA + 4 * LUMA,
        {"detail": "float32 > uint8", "method": "ndarray.astype"},
    ),
    Example(
        "format_ping_pong_colours", "format_ping_pong", DECODED, DECODED + 2 * DECODED,
        {"detail": "rgb24 1280x720 > yuv420p 1280x720", "method": "sws_scale_frame"},
    ),
    Example(
        "stride_mismatch", "stride_mismatch", 366 * 1_950, 366 * 1_950,
        {"geometry": {"rows": 366, "row_bytes": 1_950, "destination_stride": 1_950,
                      "source_stride": 1_968}},
    ),
    Example(
        "layout_conversion", "layout_conversion", SMALL, SMALL,
        {"layouts": "NHWC > NCHW", "detail": "(3, 360, 640) from (360, 640, 3)"},
    ),
    Example(
        "dtype_widening", "dtype_widening", 4 * LUMA, 3 * LUMA,
        {"bytes_of_a_value": [1, 4], "uploaded": False}, WARNS,
    ),
    Example(
        "dtype_widening_graph", "dtype_widening", 4 * SMALL, 3 * SMALL,
        {"bytes_of_a_value": [1, 4]}, WARNS,
    ),
    Example("first_touch_faults", "first_touch_faults", 8_192 * 4_320, 8_192 * 4_320, {}, MAYBE),
    Example(
        "iobinding_misuse", "iobinding_misuse", 4 * SMALL // 4, 4 * SMALL // 4,
        {"call": "copy_outputs_to_cpu"},
    ),
)  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        library.built()
    except NoData as absent:
        pytest.skip(absent.message)
    return tmp_path_factory.mktemp("remedies")


def run(program: str, what: str, folder: Path) -> tuple[Run, str]:
    """Run an example; return its Run and the hash of what came out."""
    command = [sys.executable, str(EXAMPLES / f"{program}.py"), what, str(CLIP)]
    scenario = Scenario.model_validate({
        "name": f"{program}-{what}".replace("_", "-"), "mode": "command",
        "run": {"warmup": "0s", "collectors": ["copies"]},
        "program": {"command": command},
    })  # fmt: skip
    path = engine.measure(scenario, folder)
    said = (path / "program.out").read_text()
    made = Run.open(path)
    assert made.manifest["state"] == "complete", said
    assert int(made.table("frames")["measured"].sum()) == FRAMES
    return made, said.strip()


@functools.cache
def audits() -> dict[str, Any]:
    return {audit.id: audit for audit in judge.audits()}


def findings(made: Run, audit: str) -> list[Finding]:
    asked = audits()[audit]
    return list(asked.judge(made.only(asked.requires)))


def fault_line(program: str) -> int:
    lines = (EXAMPLES / f"{program}.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith("# fault"))


@pytest.mark.parametrize("example", FOUND, ids=[each.program for each in FOUND])
def test_the_fault_is_found_and_its_remedy_works(example: Example, folder: Path) -> None:
    faulty, before = run(example.program, "fault", folder)
    mended, after = run(example.program, "remedy", folder)
    file = str(EXAMPLES / f"{example.program}.py")
    found = [
        each
        for each in findings(faulty, example.audit)
        if (each.evidence.get("file"), each.evidence.get("line"))
        == (file, fault_line(example.program))
    ]
    assert len(found) == 1, findings(faulty, example.audit)
    (fault,) = found
    assert fault.outcome in example.outcomes
    assert fault.stage == "work"
    assert fault.cost_bytes_per_frame == example.needless
    expected = {
        "copies": FRAMES, "copies_per_frame": 1.0, "frames": FRAMES,
        "bytes_per_copy": example.bytes, "bytes": FRAMES * example.bytes,
        "sample_frames": [0, 1, 2, 3, 4], **example.evidence,
    }  # fmt: skip
    assert {key: fault.evidence.get(key) for key in expected} == expected
    left = [each for each in findings(mended, example.audit) if each.evidence.get("file") == file]
    assert not left, "the remedy leaves no such copy in the program"
    assert after == before, "and what comes out is the same"


def test_frames_through_a_pipe_are_found_and_shared_memory_mends_it(folder: Path) -> None:
    faulty, before = run("domain_crossings", "fault", folder)
    mended, after = run("domain_crossings", "remedy", folder)
    (fault,) = findings(faulty, "domain_crossings")
    assert fault.outcome is FindingOutcome.FAILED
    assert fault.evidence["round_trip"]
    ways = fault.evidence["ways"]
    assert ways["cpu>kernel"]["copies_per_frame"] == 1.0
    assert ways["cpu>kernel"]["bytes_per_frame"] == LUMA
    line = fault_line("domain_crossings")
    assert ways["cpu>kernel"]["lines"] == [
        f"domain_crossings.py:{line} CHILD.stdin.write(LUMA): 922 kB a frame"
    ]
    assert ways["kernel>cpu"]["bytes_per_frame"] >= LUMA
    assert not any(
        each.evidence.get("round_trip") or "cpu>kernel" in each.evidence.get("ways", {})
        for each in findings(mended, "domain_crossings")
    )
    assert after == before


def test_a_frame_moved_four_times_over_is_found_and_made_small_first(folder: Path) -> None:
    faulty, before = run("copy_amplification", "fault", folder)
    mended, after = run("copy_amplification", "remedy", folder)
    (fault,), (rest,) = (findings(made, "copy_amplification") for made in (faulty, mended))
    own = DECODED + 4 * LUMA + LUMA  # to_ndarray, astype, copy
    assert fault.outcome is FindingOutcome.FAILED
    assert fault.evidence["decoded_bytes_per_frame"] == DECODED
    assert fault.evidence["amplification"] >= own / DECODED
    costliest = fault.evidence["lines"][0]
    assert costliest["line"].startswith(
        f"copy_amplification.py:{fault_line('copy_amplification')} "
    )
    assert costliest["bytes_per_frame"] == 4 * LUMA
    assert rest.outcome is FindingOutcome.PASSED
    assert after == before


def test_every_copy_audit_that_can_be_tried_here_has_an_example() -> None:
    tried = {each.audit for each in FOUND} | {"domain_crossings", "copy_amplification"}
    asked = {name for name, audit in audits().items() if "copies" in audit.requires}
    assert asked - tried == {"uncached_reads"}
