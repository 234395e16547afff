"""How suspect copies become findings: weight, order, what is left over, what was not seen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from probe import copy_cases, moves
from probe.audits import iobinding_misuse, redundant_copies, stride_mismatch
from probe.copy_cases import FRAME_BYTES, FRAMES, Copied
from probe.copy_findings import MOST, Question, conclude, unseen
from probe.model import Finding, FindingOutcome, Grade
from probe.moves import Moves
from probe.store import Run
from probe.suspects import Suspects, size, weighed

FAILED, WARNING, PASSED, NOT_MEASURED = (
    FindingOutcome.FAILED,
    FindingOutcome.WARNING,
    FindingOutcome.PASSED,
    FindingOutcome.NOT_MEASURED,
)
QUESTION = Question("all_copies", "Copies", "make none")
PLAIN = Copied("decode", FRAME_BYTES)


def every_copy(run: Run) -> list[Finding]:
    """Object to every copy there is."""
    moves = Moves(run)
    return conclude(QUESTION, moves, Suspects.of(moves, moves.counted))


def small(line: int, part: int, **more: Any) -> Copied:
    return PLAIN._replace(line=line, bytes=FRAME_BYTES // part, ms=0.001, **more)


@pytest.mark.parametrize(
    ("part", "ms", "expected"),
    [
        (4, 0.001, FAILED),
        (5, 0.001, WARNING),
        (16, 0.001, WARNING),
        (17, 0.001, PASSED),
        (100, 0.5, FAILED),
        (100, 0.05, WARNING),
        (100, 0.04, PASSED),
    ],
)
def test_bytes_weigh_against_the_frame_and_time_against_the_deadline(
    part: int, ms: float, expected: FindingOutcome
) -> None:
    copied = PLAIN._replace(bytes=FRAME_BYTES // part, ms=ms)
    assert [each.outcome for each in every_copy(copy_cases.copying_run(copied))] == [expected]


def test_one_copy_that_was_preempted_does_not_weigh_but_costs() -> None:
    run = copy_cases.copying_run(small(1, 100))
    copies = run.table("copies")
    copies.loc[3, "duration_ns"] = 20_000_000
    (found,) = every_copy(run)
    assert found.outcome is PASSED
    assert found.cost_ms_per_frame == pytest.approx((20 + (FRAMES - 1) * 0.001) / FRAMES)


def test_without_decoded_bytes_the_share_is_of_all_bytes_moved() -> None:
    half = copy_cases.copying_run(small(1, 8), small(2, 8), decoded=None)
    assert [each.outcome for each in every_copy(half)] == [FAILED, FAILED]
    little = PLAIN._replace(bytes=20_000, ms=0.001)
    assert every_copy(copy_cases.copying_run(little, decoded=None))[0].outcome is PASSED


def test_where_nobody_says_frames_there_is_no_cost_and_no_failure() -> None:
    run = copy_cases.copying_run(PLAIN, mode="command", attributed=False)
    (found,) = every_copy(run)
    assert found.outcome is WARNING
    assert (found.cost_ms_per_frame, found.cost_bytes_per_frame) == (None, None)
    assert found.title.endswith("27.6 MB a run")


def test_the_cost_is_per_frame_and_the_evidence_names_line_bytes_and_frames() -> None:
    run = copy_cases.copying_run(PLAIN, PLAIN._replace(line=2), mode="live")
    found = every_copy(run)[0]
    assert found.cost_bytes_per_frame == FRAME_BYTES
    assert found.cost_ms_per_frame == pytest.approx(0.2)
    assert found.stage == "decode"
    expected = {
        "name": "program.py:1 picture.copy()", "line": 1, "expression": "picture.copy()",
        "bytes_per_copy": FRAME_BYTES, "copies": FRAMES, "copies_per_frame": 1.0,
        "frames": FRAMES, "sample_frames": [0, 1, 2, 3, 4], "share_of_frame": 1.0,
    }  # fmt: skip
    assert {key: found.evidence[key] for key in expected} == expected


def test_the_costliest_come_first_and_what_is_beyond_is_added_up() -> None:
    lines = [small(number, 3 + number) for number in range(1, MOST + 3)] + [small(99, 90)]
    found = every_copy(copy_cases.copying_run(*lines))
    assert [each.evidence["line"] for each in found] == [1, 2, 3, 4]
    assert found[0].evidence["others"]["lines"] == 3
    assert found[0].evidence["others"]["bytes_per_frame"] == sum(
        each.bytes for each in lines[MOST:]
    )
    assert "others" not in found[1].evidence


def test_many_that_weigh_nothing_are_a_warning_together() -> None:
    lines = [small(number, 20) for number in range(1, 21)]
    (found,) = every_copy(copy_cases.copying_run(*lines))
    assert found.outcome is WARNING
    assert found.title == "Copies: 20 lines, 1.38 MB a frame"
    assert found.stage is None


def test_a_line_that_two_stages_call_is_one_finding_of_the_stage_that_moves_more() -> None:
    run = copy_cases.copying_run(small(1, 4), PLAIN._replace(stage="render", every=2))
    (found,) = every_copy(run)
    assert found.stage == "render"
    assert found.evidence["copies"] == FRAMES + FRAMES // 2


def test_copies_that_belong_to_no_frame_cost_all_the_same() -> None:
    (found,) = every_copy(copy_cases.copying_run(PLAIN, attributed=False))
    assert (found.outcome, found.stage) == (FAILED, None)
    assert found.cost_bytes_per_frame == FRAME_BYTES
    assert found.evidence["sample_frames"] == []


def test_to_find_nothing_is_no_pass_where_something_was_not_seen() -> None:
    run = copy_cases.copying_run(PLAIN, blind=("/bin/tool", "static"))
    (found,) = redundant_copies.judge(run)
    assert found.outcome is NOT_MEASURED
    assert found.title == "Bytes copied twice: none in what was seen"
    assert found.evidence["unseen"] == ["tool: static"]


def test_what_was_found_stands_whatever_else_was_not_seen() -> None:
    run = copy_cases.copying_run(PLAIN, blind=("/bin/tool", "static"))
    assert [each.outcome for each in every_copy(run)] == [FAILED]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, PASSED),
        ({"stopped": True}, NOT_MEASURED),
        ({"lost": 1}, NOT_MEASURED),
        ({"hooks": [{"hook": "astype", "state": "off", "why": "its test failed"}]}, NOT_MEASURED),
        ({"hooks": [{"hook": "cuMemcpy", "state": "missing", "why": "not there"}]}, PASSED),
    ],
    ids=["whole", "stopped", "lost", "off", "missing"],
)
def test_a_ledger_with_gaps_passes_nothing(
    changes: dict[str, Any], outcome: FindingOutcome
) -> None:
    (found,) = redundant_copies.judge(of_process(changes))
    assert found.outcome is outcome


def of_process(changes: dict[str, Any]) -> Run:
    """Return a Run of one plain copy a frame, whose process says this, too."""
    run = copy_cases.copying_run(PLAIN)
    (process,) = run.manifest["copies"]["processes"]
    said = {**run.manifest["copies"], "processes": [{**process, **changes}]}
    tables = {name: run.table(name) for name in moves.TABLES}
    return Run.of({**run.manifest, "copies": said}, tables)


def test_what_is_known_by_its_line_alone_needs_the_lines() -> None:
    python = {"version": "3.14.0", "frames": "none", "why": "offsets are not known"}
    run = of_process({"python": python})
    assert redundant_copies.judge(run)[0].outcome is PASSED
    (found,) = iobinding_misuse.judge(run)
    assert found.outcome is NOT_MEASURED
    assert found.evidence["unseen"] == [
        "python3: the lines of Python 3.14.0: offsets are not known"
    ]


def test_what_a_program_did_that_ended_in_its_warm_up_is_a_warning_at_most() -> None:
    run = copy_cases.copying_run(PLAIN)
    window = run.manifest["window"]
    empty = {**window, "end_ns": window["start_ns"]}
    tables = {name: run.table(name) for name in moves.TABLES}
    ended = Run.of({**run.manifest, "window": empty}, tables)
    assert [each.outcome for each in every_copy(run)] == [FAILED]
    assert [each.outcome for each in every_copy(ended)] == [WARNING]


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (copy_cases.copying_run(blind=("/bin/tool", "static")), "tool: static"),
        (copy_cases.copying_run(traced=False), "no process of the program was looked into"),
    ],
    ids=["blind", "untraced"],
)
def test_no_copy_seen_is_not_measured_where_nobody_could_look(run: Run, why: str) -> None:
    (found,) = every_copy(run)
    assert found.outcome is NOT_MEASURED
    assert found.evidence["unseen"] == [why]


def test_what_was_not_seen_is_said_in_words() -> None:
    run = copy_cases.copying_run(PLAIN, blind=("/usr/bin/java", "stubs of its own"))
    process = {
        "pid": 7, "exe": "/usr/bin/python3", "lost": 12, "stopped": True,
        "hooks": [{"hook": "astype", "state": "off", "why": "its test failed"},
                  {"hook": "copyto", "state": "on", "why": ""}],
    }  # fmt: skip
    manifest = {**run.manifest, "copies": {"processes": [process]}}
    assert unseen(manifest) == (
        "java: stubs of its own",
        "python3: its tape came to its limit",
        "python3: 12 records found no room",
        "python3: astype is off: its test failed",
    )
    assert not unseen(copy_cases.copying_run(PLAIN).manifest)


def test_copies_outside_the_window_of_a_run_without_frames_are_not_measured() -> None:
    run = copy_cases.copying_run(PLAIN, mode="command")
    run.table("copies")["measured"] = False
    (found,) = every_copy(run)
    assert found.outcome is NOT_MEASURED
    assert found.evidence["unseen"] == ["every copy lies outside the measured window"]


def test_a_black_box_is_inferred_and_lineage_derived() -> None:
    copies = (PLAIN, PLAIN._replace(line=2, reads=0))
    assert every_copy(copy_cases.copying_run(PLAIN))[0].grade is Grade.MEASURED
    assert redundant_copies.judge(copy_cases.copying_run(*copies))[0].grade is Grade.DERIVED
    boxed = redundant_copies.judge(copy_cases.copying_run(*copies, mode="command"))[0]
    assert boxed.grade is Grade.INFERRED


def test_a_long_expression_is_cut_in_the_title_only() -> None:
    (found,) = every_copy(copy_cases.copying_run(PLAIN._replace(expression="x" * 160)))
    assert len(found.title) < 140
    assert found.evidence["expression"] == "x" * 160


def test_a_hostile_table_is_judged_and_not_believed() -> None:
    run = copy_cases.copying_run(PLAIN._replace(geometry=(-1, -5, 2**62, -(2**62))), PLAIN)
    copies = run.table("copies")
    copies["bytes"] = -1
    copies["source_copy"] = 2**40
    for judge in (redundant_copies.judge, stride_mismatch.judge, every_copy):
        json.dumps([dict(each.evidence) for each in judge(run)], allow_nan=False)
    assert weighed(Moves(run), 0, 0.0) is PASSED


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (16_384, "16.4 kB"), (3_120_000, "3.12 MB")],
)
def test_sizes_read_as_people_write_them(amount: int, text: str) -> None:
    assert size(amount) == text
