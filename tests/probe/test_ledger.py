"""The ledger's numbers on a Run whose sums are worked out by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from probe import judge
from probe.console import ledger_text
from probe.copies.methods import Kind
from probe.ledger import (
    PER_FRAME,
    PER_OUTPUT,
    PER_RUN,
    Blind,
    Ledger,
    Operator,
    blind_of,
    ledger_of,
)
from probe.store import Run

SECOND = 10**9
MS = 10**6
DECODED = 1_000


def copy(t_ns: int, size: int, **said: Any) -> dict[str, Any]:
    plain = {
        "t_ns": t_ns, "frame": t_ns // SECOND, "stage": "decode", "thread": "main:1",
        "kind": "memcpy", "bytes": size, "duration_ns": MS, "site": 0, "method": "memcpy",
        "detail": None, "domains": "cpu>cpu", "faults": 2, "source_copy": None,
        "grade": "measured", "measured": True,
    }  # fmt: skip
    return plain | said


COPIES = [
    copy(0, 700, measured=False),  # of the warm-up: frame 0
    copy(SECOND, 1_000),
    copy(SECOND + 1, 1_000, stage="infer", site=1, kind="materialize", method="ndarray.copy",
         source_copy=1),  # moves again what row 1 moved
    copy(SECOND + 2, 4_000, stage="infer", site=1, kind="convert", method="ndarray.astype",
         source_copy=2, duration_ns=4 * MS, detail="uint8 > float32"),
    copy(2 * SECOND, 1_000, faults=None),
    copy(2 * SECOND + 1, 500, stage=None, frame=None, site=2, source_copy=4),
    copy(2 * SECOND + 2, 3_000, stage="render", site=3, kind="transfer", method="cudaMemcpy",
         domains="cpu>gpu", source_copy=3),
]  # fmt: skip
SITES = [
    {"site": 0, "module": "/lib/libav.so.9", "symbol": "get_frame"},
    {"site": 1, "file": "/app/infer.py", "line": 7, "column": 4, "function": "run",
     "expression": "x.copy()", "module": "/np.so"},
    {"site": 2, "file": "/app/queue.py", "line": 3, "function": "put"},
    {"site": 3, "module": "/lib/libcuda.so"},
]  # fmt: skip
MANIFEST = {
    "mode": "live", "deadline_ns": 50 * MS,
    "window": {
        "first_ns": 0, "start_ns": SECOND, "end_ns": 3 * SECOND, "warmup_ns": SECOND, "drain_ns": 0,
    },
    "copies": {
        "mode": "on",
        "processes": [
            {"pid": 1, "exe": "/app", "small_copies": 40, "small_bytes": 400, "lost": 0,
             "notes": [{"key": "blind", "what": "io_uring", "why": "no call"}]},
            {"pid": 2, "exe": "/sub", "small_copies": 2, "small_bytes": 10, "lost": 3,
             "stopped": True},
        ],
    },
    "collectors": [
        {"name": "cpu"},
        {"name": "copies",
         "facts": {"blind": [{"pid": 5, "exe": "/go", "why": "statically linked"}]}},
    ],
}  # fmt: skip


def frames(count: int = 4) -> pd.DataFrame:
    rows = [
        {"frame": k, "scheduled_ns": k * SECOND, "captured_ns": k * SECOND, "fate": "on time",
         "delivered_ns": k * SECOND + MS, "rendered_ns": k * SECOND + MS, "measured": 0 < k < 4}
        for k in range(count)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def spans(*numbers: int) -> pd.DataFrame:
    rows = [
        {"frame": k, "stage": "decode", "thread": "main:1", "start_ns": k * SECOND,
         "end_ns": k * SECOND + MS, "bytes_out": DECODED}
        for k in numbers
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["frame", "stage", "start_ns", "end_ns", "bytes_out"])


def run(**changed: Any) -> Run:
    """Frames 0 to 3, of which 1 to 3 are measured; 3 was dropped before anything worked on it."""
    tables = {
        "copies": pd.DataFrame(COPIES), "sites": pd.DataFrame(SITES), "frames": frames(),
        "spans": spans(0, 1, 2),
    }  # fmt: skip
    manifest = MANIFEST | changed.pop("manifest", {})
    given = {name: table for name, table in (tables | changed).items() if table is not None}
    return Run.of(manifest, given)


def ledger(**changed: Any) -> Ledger:
    found = ledger_of(run(**changed))
    assert found is not None
    return found


def test_the_sums_are_those_of_the_measured_copies_by_worked_on_frames() -> None:
    found = ledger()
    assert (found.frames, found.per) == (2, PER_FRAME)
    assert found.total == (10_500 / 2, 6 / 2, 9 / 2, 1_500 / 2, 1.0)
    assert {kind: sums.bytes_per_frame for kind, sums in found.kinds.items()} == {
        "memcpy": 2_500 / 2, "convert": 4_000 / 2, "materialize": 1_000 / 2, "transfer": 3_000 / 2,
    }  # fmt: skip
    assert {stage: sums.bytes_per_frame for stage, sums in found.stages.items()} == {
        "infer": 5_000 / 2, "render": 3_000 / 2, "decode": 2_000 / 2, None: 500 / 2,
    }  # fmt: skip
    assert found.modules["/np.so"].copies_per_frame == 2 / 2
    assert found.unattributed_bytes_per_frame == 250


def test_what_moves_the_same_bytes_again_unchanged_is_avoidable() -> None:
    found = ledger()
    again = {(each.site, each.kind): each.avoidable_bytes_per_frame for each in found.lines}
    assert again == {
        (1, "convert"): 0.0, (3, "transfer"): 0.0, (0, "memcpy"): 0.0, (1, "materialize"): 500.0,
        (2, "memcpy"): 250.0,
    }  # fmt: skip


def test_a_line_says_where_what_and_how_fast() -> None:
    first, *_, last = ledger().lines
    assert first.name == "infer.py:7 x.copy()"
    assert (first.method, first.detail, first.stage) == (
        "ndarray.astype",
        "uint8 > float32",
        "infer",
    )
    assert first.gb_per_s == 4_000 / (4 * MS)
    assert (first.bytes, first.total_copies, first.total_bytes) == (4_000, 1, 4_000)
    assert first.share == 4_000 / 10_500
    assert last.name == "queue.py:3 put"
    assert last.stage is None


def test_the_names_of_lines_without_python() -> None:
    names = {each.site: each.name for each in ledger().lines}
    assert names[0] == "libav.so.9 get_frame"
    assert names[3] == "libcuda.so"
    unknown = ledger(sites=pd.DataFrame({"site": []}))
    assert {each.name for each in unknown.lines} == {
        "memcpy", "ndarray.copy", "ndarray.astype", "cudaMemcpy",
    }  # fmt: skip


def test_faults_that_were_not_counted_add_nothing() -> None:
    decode = next(each for each in ledger().lines if each.stage == "decode")
    assert decode.total_copies == 2
    assert decode.faults_per_frame == 2 / 2


def test_the_shape_of_a_line_is_its_most_frequent() -> None:
    rows = [
        copy(SECOND, 900),
        *(copy(SECOND + k, 480, rows=4, row_bytes=120, destination_stride=128, source_stride=120)
          for k in range(1, 4)),
        copy(SECOND + 9, 900), copy(SECOND + 10, 990),
    ]  # fmt: skip
    (line,) = ledger(copies=pd.DataFrame(rows)).lines
    shape = (line.bytes, line.rows, line.row_bytes, line.destination_stride, line.source_stride)
    assert shape == (480, 4, 120, 128, 120)
    assert line.total_bytes == 900 + 3 * 480 + 900 + 990


def test_edges_are_what_one_stage_reads_of_another() -> None:
    found = {(each.source, each.target, each.kind): each.bytes_per_frame for each in ledger().edges}
    assert found == {
        ("decode", "infer", "materialize"): 500.0, ("infer", "render", "transfer"): 1_500.0,
    }  # fmt: skip


def test_amplification_is_by_what_decoding_gave() -> None:
    found = ledger()
    assert found.decoded_bytes == DECODED
    assert found.frame_equivalents == 5_250 / DECODED
    assert ledger(spans=spans()).frame_equivalents is None


def test_without_spans_all_measured_frames_divide() -> None:
    found = ledger(spans=spans())
    assert (found.frames, found.per) == (3, PER_FRAME)
    assert found.total.bytes_per_frame == 10_500 / 3


def test_a_generating_program_divides_by_its_outputs() -> None:
    outputs = pd.DataFrame(
        [{"output": k, "request": 0, "delivered_ns": k, "measured": k > 0} for k in range(6)]
    )
    found = ledger(frames=frames(0), outputs=outputs, manifest={"mode": "generate"})
    assert (found.frames, found.per) == (5, PER_OUTPUT)
    assert found.total.bytes_per_frame == 10_500 / 5
    assert found.frame_equivalents is None


def test_a_black_box_divides_by_the_frames_that_were_inferred() -> None:
    rows = pd.DataFrame(COPIES).assign(grade="inferred")
    found = ledger(frames=frames(0), spans=spans(), copies=rows)
    assert (found.frames, found.per) == (2, PER_FRAME)
    assert found.inferred
    assert not ledger().inferred
    gap = rows.assign(frame=rows["frame"].replace(2, 4))
    assert ledger(frames=frames(0), spans=spans(), copies=gap).frames == 4, "1 to 4 were decoded"


def test_where_no_frame_is_known_the_sums_are_those_of_the_run() -> None:
    rows = pd.DataFrame(COPIES).assign(frame=pd.NA)
    made = run(frames=frames(0), spans=spans(), copies=rows, manifest={"mode": "command"})
    found = ledger_of(made)
    assert found is not None
    assert (found.frames, found.per) == (0, PER_RUN)
    assert found.total.bytes_per_frame == 10_500
    verdict = judge.judge(made)["copies"]
    assert verdict["memcpy_bytes_per_frame"] is verdict["count_per_frame"] is None
    assert verdict["blind"] == 2


def test_nothing_copied_is_zero_and_not_unknown() -> None:
    found = ledger(copies=pd.DataFrame(COPIES[:1]))
    assert found.lines == ()
    assert found.total == (0.0, 0.0, 0.0, 0.0, 0.0)
    assert set(found.kinds) == {kind.value for kind in Kind}
    assert (found.stages, found.edges, found.unattributed_bytes_per_frame) == ({}, (), 0.0)


def test_without_a_trace_there_is_no_ledger() -> None:
    assert ledger_of(run(manifest={"copies": None})) is None
    assert ledger_of(run(copies=None)) is None


def test_blind_processes_are_told_even_where_nothing_was_traced() -> None:
    expected = (
        Blind(5, "/go", "statically linked"),
        Blind(1, "/app", "io_uring: no call"),
    )
    assert ledger().blind == expected
    assert blind_of(MANIFEST | {"copies": None}) == expected[:1]
    assert blind_of({}) == ()
    noted = {"pid": 5, "notes": [{"key": "blind", "what": "java", "why": "stubs"}]}
    both = MANIFEST | {"copies": {"processes": [noted]}}
    assert blind_of(both) == expected[:1], "one process is blind once"


def test_counters_of_all_processes_add_up() -> None:
    found = ledger()
    counted = (found.small_copies, found.small_bytes, found.lost, found.stopped)
    assert counted == (42, 410, 3, 1)


def test_buffers_are_counted_by_how_they_were_filled() -> None:
    rows = [
        {"t_ns": 1, "bytes": size, "filled": filled, "measured": counts}
        for size, filled, counts in (
            (100, "memcpy", True), (50, "memcpy", True), (7, "unknown", True), (9, "unknown", False)
        )
    ]  # fmt: skip
    assert ledger(buffers=pd.DataFrame(rows)).buffers == (
        ("memcpy", 2 / 2, 150 / 2), ("unknown", 1 / 2, 7 / 2),
    )  # fmt: skip


def test_deep_mode_says_how_much_is_explained() -> None:
    rows = [
        {"frame": 1, "stage": stage, "written_bytes": written, "explained_bytes": explained,
         "uncertain_bytes": 0, "measured": counts}
        for stage, written, explained, counts in (
            ("decode", 100, 90, True), ("infer", 300, 30, True), ("decode", 100, 100, True),
            ("decode", 999, 0, False),
        )
    ]  # fmt: skip
    found = ledger(writes=pd.DataFrame(rows))
    assert found.explained == (("decode", 200, 190, 0, 0.95, 2), ("infer", 300, 30, 0, 0.1, 1))
    assert found.explained_ratio == 220 / 500
    assert ledger().explained is ledger().explained_ratio is None


def test_moves_in_the_graph_are_those_of_one_inference() -> None:
    rows = [
        {"node": node, "op": op, "provider": "CPU", "output_bytes": size, "start_ns": 0,
         "end_ns": MS}
        for node, op, size in (
            ("conv", "Conv", 10), ("conv", "Conv", 10), ("out", "ReorderOutput", 64),
            ("out", "ReorderOutput", 64), ("cast", "Cast", 32), ("relu", "Relu", 8),
        )
    ]  # fmt: skip
    assert ledger(ops=pd.DataFrame(rows)).in_graph == (
        Operator("out", "ReorderOutput", "CPU", 64.0, 1.0, 1.0),
        Operator("cast", "Cast", "CPU", 16.0, 0.5, 0.5),
    )


def test_why_deep_mode_did_not_look_is_said_where_it_was_asked_for() -> None:
    deep = {"mode": "deep", "processes": [{"pid": 1}]}
    assert ledger().unchecked is None
    assert "say stages" in (ledger(manifest={"copies": deep}).unchecked or "")
    note = {"key": "deep", "state": "off", "why": "the kernel is older than 6.7"}
    deep["processes"] = [{"pid": 1, "notes": [note]}]
    found = ledger(manifest={"copies": deep})
    assert found.unchecked == "the kernel is older than 6.7"
    assert "not checked: the kernel is older" in "\n".join(ledger_text.lines(found, "line", 0))


def test_the_verdict_has_the_sums_of_the_ledger_exactly() -> None:
    found, verdict = ledger(), judge.judge(run())["copies"]
    for kind in Kind:
        assert verdict[f"{kind.value}_bytes_per_frame"] == found.kinds[kind.value].bytes_per_frame
        lines = sum(each.total_bytes for each in found.lines if each.kind == kind.value)
        assert verdict[f"{kind.value}_bytes_per_frame"] == lines / found.frames
    assert verdict["count_per_frame"] == found.total.copies_per_frame
    assert verdict["ms_per_frame"] == found.total.ms_per_frame
    assert verdict["avoidable_bytes_per_frame"] == found.total.avoidable_bytes_per_frame
    assert verdict["unattributed_bytes_per_frame"] == found.unattributed_bytes_per_frame
    assert verdict["frame_equivalents"] == found.frame_equivalents
    assert (verdict["explained_ratio"], verdict["blind"]) == (None, 2)


@pytest.mark.parametrize("name", ["sites", "spans", "frames"])
def test_a_ledger_needs_no_other_table_than_copies(name: str) -> None:
    assert ledger(**{name: None}).total.bytes_per_frame > 0


def test_a_program_that_ended_in_its_warm_up_is_counted_whole_and_says_so() -> None:
    empty = {"window": dict(MANIFEST["window"], end_ns=SECOND)}  # type: ignore[call-overload]
    nothing = pd.DataFrame(COPIES).assign(measured=False)
    found = ledger(manifest=empty, copies=nothing, frames=frames().assign(measured=False))
    assert found.whole_run
    assert (found.frames, found.per) == (3, PER_FRAME), "frames 0, 1 and 2 were worked on"
    assert found.total.bytes_per_frame == (10_500 + 700) / 3
    verdict = judge.judge(run(manifest=empty, copies=nothing))
    assert verdict["copies"]["count_per_frame"] is None, "nothing of it was measured"
