"""From tapes to the tables of a Run: known copies, exactly; and whatever a tape may hold."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from probe import judge, store, tables, tape
from probe.copies import document
from probe.store import Run
from probe.verdict.evidence import Evidence
from probe.verdict.validity import validity_of

MS = 10**6
SECOND = 10**9
HERE, THERE, AWAY = 1 << 40, 1 << 41, 1 << 42
SIZE = 1_000_000


def listed(table: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    plain = table[list(names)].astype(object).where(table[list(names)].notna(), None)
    return list(plain.itertuples(index=False, name=None))


def live(maker: ModuleType, frames: int = 3) -> Any:
    """Return the program's own tape: decode and infer of a frame each second, on thread 10."""
    main = maker.own("decoder", 10)
    for k in range(frames):
        main.frame(k, k * SECOND)
        main.span("decode", k * SECOND + 100, k * SECOND + 1_000, k, given=SIZE)
        main.span("infer", k * SECOND + 2_000, k * SECOND + 3_000, k)
        main.mark("delivered", k * SECOND + 4_000, k, k)
    return main


def test_copies_have_their_frame_stage_line_and_source(maker: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "app.py"
    source.write_text("a = b.copy()\n")
    main, copying = live(maker), maker.ThreadTape(10)
    place = copying.site("/lib/libc.so.6", 5, [(source, 1, 1, 4, 12, "<module>")])
    copying.copy(500, SIZE, to=HERE, source=AWAY, site=place, faults=3, took=200)
    copying.copy(1_500, SIZE, to=THERE, source=HERE, rows=(1_000, 1_000, 1_000, 1_000))
    copying.copy(2_500, 4 * SIZE, to=AWAY, source=THERE, method="ndarray.astype",
                 detail="uint8 > float32")  # fmt: skip
    run = tables.finalise(maker.run_folder(tmp_path / "run", [main, copying]))
    copies = run.table("copies")
    assert listed(copies, "t_ns", "frame", "stage", "kind", "bytes", "source_copy") == [
        (500, 0, "decode", "memcpy", SIZE, None),
        (1_500, None, None, "memcpy", SIZE, 0),
        (2_500, 0, "infer", "convert", 4 * SIZE, 1),
    ]
    assert listed(copies, "duration_ns", "method", "detail", "domains", "faults", "grade") == [
        (200, "memcpy", None, "cpu>cpu", 3, "measured"),
        (1_000, "memcpy", None, "cpu>cpu", None, "measured"),
        (1_000, "ndarray.astype", "uint8 > float32", "cpu>cpu", None, "measured"),
    ]
    shape = ("rows", "row_bytes", "destination_stride", "source_stride")
    assert listed(copies, *shape)[1] == (1_000, 1_000, 1_000, 1_000)
    assert set(copies["thread"]) == {"decoder:10"}
    sites = run.table("sites").set_index("site")
    line = sites.loc[copies["site"][0]]
    assert (line["file"], line["line"], line["expression"]) == (str(source), 1, "b.copy()")
    assert (line["module"], line["function"]) == ("/lib/libc.so.6", "<module>")


def test_what_is_nested_is_left_out_and_rows_count_without_it(
    maker: ModuleType, tmp_path: Path
) -> None:
    first, second = maker.ThreadTape(10), maker.ThreadTape(11)
    second.copy(3_000, SIZE, to=AWAY, source=THERE, took=10)
    first.copy(1_000, SIZE, to=HERE, took=10)
    first.copy(1_001, SIZE, to=AWAY, nested=True, took=5)
    first.copy(2_000, SIZE, to=THERE, source=HERE, took=10)
    folder = maker.run_folder(tmp_path, [live(maker), first, second])
    run = tables.finalise(folder)
    assert listed(run.table("copies"), "t_ns", "source_copy") == [
        (1_000, None), (2_000, 0), (3_000, 1),
    ]  # fmt: skip
    assert run.manifest["copies"]["nested_copies"] == 1


def test_addresses_of_two_processes_have_nothing_in_common(
    maker: ModuleType, tmp_path: Path
) -> None:
    parent, child = maker.ThreadTape(10), maker.ThreadTape(10, pid=99)
    parent.copy(1_000, SIZE, to=HERE, took=10)
    child.copy(2_000, SIZE, to=THERE, source=HERE)
    run = tables.finalise(maker.run_folder(tmp_path, [live(maker), parent, child]))
    assert run.table("copies")["source_copy"].isna().all()
    said = run.manifest["copies"]["processes"]
    assert [(each["pid"], each["copies"], each["bytes"]) for each in said] == [
        (maker.PID, 1, SIZE), (99, 1, SIZE),
    ]  # fmt: skip


def test_a_new_allocation_ends_the_lineage_of_an_address(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape(10)
    thread.copy(1_000, SIZE, to=HERE, took=10)
    thread.buffer(1_500, SIZE, HERE, end=2_500)
    thread.copy(2_000, SIZE, to=THERE, source=HERE, took=10)
    run = tables.finalise(maker.run_folder(tmp_path, [live(maker), thread]))
    assert run.table("copies")["source_copy"].isna().all()
    buffers = run.table("buffers")
    assert listed(buffers, "t_ns", "freed_ns", "bytes", "thread") == [
        (1_500, 2_500, SIZE, "decoder:10"),
    ]  # fmt: skip


def test_a_copy_counts_when_its_frame_does_and_else_by_its_time(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, copying = live(maker), maker.ThreadTape(10)
    main.span("late", 2 * SECOND + 5_000, 2 * SECOND + 6_000, 0)  # of a frame of the warm-up
    main.span("odd", 2 * SECOND + 7_000, 2 * SECOND + 8_000, 77)  # of no frame that is known
    for start in (
        500,
        5_000,
        SECOND + 500,
        2 * SECOND + 5_500,
        2 * SECOND + 7_500,
        4 * SECOND + 5_000,
    ):
        copying.copy(start, SIZE)
    bounds = {"warmup_ns": SECOND // 2, "duration_ns": 2 * SECOND, "drain_ns": 0}
    run = tables.finalise(maker.run_folder(tmp_path, [main, copying], bounds=bounds))
    assert listed(run.table("copies"), "frame", "measured") == [
        (0, False), (None, False), (1, True), (0, False), (77, True), (None, False),
    ]  # fmt: skip


def test_without_a_frame_or_a_request_everything_counts(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape(10)
    thread.copy(500, SIZE)
    run = tables.finalise(maker.run_folder(tmp_path, [thread], mode="command"))
    assert run.manifest["window"] is None
    assert run.table("copies")["measured"].tolist() == [True]


def test_the_copies_of_a_generating_run_count_by_their_time(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, copying = maker.own("main", 10), maker.ThreadTape(10)
    main.mark("request", SECOND, 0)
    main.span("infer", SECOND, 2 * SECOND, 0)
    main.mark("delivered", 3 * SECOND, 0, 0)
    copying.copy(SECOND - 1, SIZE)
    copying.copy(SECOND + 1, SIZE)
    run = tables.finalise(maker.run_folder(tmp_path, [main, copying], mode="generate"))
    assert listed(run.table("copies"), "frame", "stage", "measured") == [
        (None, None, False), (0, "infer", True),
    ]  # fmt: skip


def test_an_interposers_records_never_pass_for_the_programs(
    maker: ModuleType, tmp_path: Path
) -> None:
    odd = maker.ThreadTape(10)
    odd.frame(55, 0)
    odd.span("decode", 0, 100, 55)
    odd.mark("delivered", 100, 55)
    odd.mark("fact:x", 100, 55)
    odd.copy(50, SIZE)
    plain = tables.finalise(maker.run_folder(tmp_path / "plain", [live(maker)]))
    run = tables.finalise(maker.run_folder(tmp_path / "traced", [live(maker), odd]))
    for name in ("frames", "outputs", "spans", "samples", "events"):
        assert run.table(name).equals(plain.table(name)), name
    assert run.manifest["program"] == plain.manifest["program"]
    assert run.manifest["tapes"] == plain.manifest["tapes"]
    assert run.table("copies")["stage"].isna().all()


def test_what_an_interposer_lost_is_told_and_limits_the_numbers(
    maker: ModuleType, tmp_path: Path
) -> None:
    lossy = maker.ThreadTape(10, lost=9, state=tape.STOPPED)
    lossy.copy(500, SIZE)
    lossy.counters = [3, 300, 10, 10 * SIZE, 2, 1, 44]
    lossy.note("process", {"exe": "/bin/app", "threshold": 16_384})
    lossy.note("hook", {"hook": "numpy.copyto", "state": "off", "why": "self-test failed"})
    lossy.note("python", {"version": "3.11.7", "frames": "walk"})
    lossy.note("python", {"version": "3.11.7", "frames": "none"})
    lossy.note("blind", {"what": "io_uring", "why": "no call is made"})
    run = tables.finalise(maker.run_folder(tmp_path, [live(maker), lossy]))
    (process,) = run.manifest["copies"]["processes"]
    assert process == {
        "pid": maker.PID, "exe": "/bin/app", "threads": 1, "copies": 1, "bytes": SIZE,
        "small_copies": 3, "small_bytes": 300, "rows": 44, "lost": 9, "passed_unseen": 2,
        "untracked_buffers": 1, "stopped": True,
        "python": {"version": "3.11.7", "frames": "none"},
        "hooks": [{"hook": "numpy.copyto", "state": "off", "why": "self-test failed"}],
        "notes": [{"key": "blind", "what": "io_uring", "why": "no call is made"}],
    }  # fmt: skip
    assert run.manifest["copies"]["threshold_bytes"] == 16_384
    assert (run.manifest["tapes"]["lost"], run.manifest["tapes"]["stopped"]) == (0, 0)
    texts = run.table("events")["text"].tolist()
    assert any("the room for copies was used up" in text for text in texts)
    reasons = validity_of(Evidence(run)).reasons
    assert any("9 records of copies were lost" in reason for reason in reasons)


def test_a_process_is_called_by_the_program_that_it_ran_last(
    maker: ModuleType, tmp_path: Path
) -> None:
    """A launcher's process goes on as the program that it starts: `sh -c "exec program"`."""
    shell, program = maker.ThreadTape(10), maker.ThreadTape(10)
    program.note("process", {"exe": "/bin/program", "threshold": 16_384}, t_ns=900)
    shell.note("process", {"exe": "/bin/sh", "threshold": 16_384}, t_ns=100)
    run = tables.finalise(maker.run_folder(tmp_path, [live(maker), program, shell]))
    assert [each["exe"] for each in run.manifest["copies"]["processes"]] == ["/bin/program"]


@pytest.mark.timeout(60)
def test_a_program_of_very_many_processes_is_summed_up_in_seconds(
    maker: ModuleType, tmp_path: Path
) -> None:
    made = []
    for pid in range(1, 1_001):
        thread = maker.ThreadTape(pid, pid)
        thread.copy(500 + pid, SIZE)
        made.append(thread)
    run = tables.finalise(maker.run_folder(tmp_path, [live(maker), *made]))
    processes = run.manifest["copies"]["processes"]
    assert [each["copies"] for each in processes] == [1] * 1_000


def test_a_long_run_is_written_in_parts_and_is_one_table(
    maker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(folder: Path) -> Run:
        copying = maker.ThreadTape(10)
        for k in range(5):
            copying.copy(200 + 10 * k, SIZE, to=HERE + k, source=HERE + k - 1, took=5)
        copying.copy(500, SIZE, method="ndarray.astype", detail="uint8 > float32")
        return tables.finalise(maker.run_folder(folder, [live(maker), copying]))

    whole = made(tmp_path / "whole").table("copies")
    monkeypatch.setattr(document, "PART", 2)
    parts = made(tmp_path / "parts").table("copies")
    pd.testing.assert_frame_equal(parts, whole)
    assert parts["detail"].tolist()[-1] == "uint8 > float32"


def test_deep_modes_writes_are_a_table_of_the_run(maker: ModuleType, tmp_path: Path) -> None:
    deep = maker.ThreadTape(10)
    deep.add(tape.WRITES, deep.text("decode"), 100, 900, 1, 8_192, 4_096, 7)
    run = tables.finalise(maker.run_folder(tmp_path, [live(maker), deep]))
    assert listed(run.table("writes"), "frame", "stage", "written_bytes", "measured") == [
        (1, "decode", 8_192, True),
    ]  # fmt: skip


def test_a_black_box_is_inferred_and_says_so(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape(10)
    for k in range(4):
        thread.entry("avcodec_receive_frame", k * SECOND + 10, k * SECOND + 20)
        thread.copy(k * SECOND + 100, SIZE, method="sws_scale")
        thread.copy(k * SECOND + 2_000, SIZE)
    run = tables.finalise(maker.run_folder(tmp_path, [thread], mode="command"))
    assert listed(run.table("copies"), "frame", "stage", "grade")[:2] == [
        (0, "preprocess", "inferred"), (0, None, "inferred"),
    ]  # fmt: skip


def test_a_run_whose_harness_was_killed_has_its_copies(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape(10, state=tape.RECORDING)
    thread.copy(500, SIZE)
    program = {"outcome": "running", "started_ns": 0, "command": []}
    folder = maker.run_folder(tmp_path, [live(maker), thread], state="running", program=program)
    run = tables.finalise(folder)
    assert run.manifest["state"] == "interrupted"
    assert run.table("copies")["bytes"].tolist() == [SIZE]


def test_finalising_twice_gives_the_same_tables(maker: ModuleType, tmp_path: Path) -> None:
    thread = maker.ThreadTape(10)
    for k in range(50):
        thread.copy(k * 1_000, SIZE + k, to=HERE + k % 3 * SIZE, source=HERE)
        thread.buffer(k * 1_000, SIZE, HERE)
    folder = maker.run_folder(tmp_path, [live(maker), thread])
    first = tables.finalise(folder)
    before = {name: first.table(name) for name in ("copies", "sites", "buffers")}
    again = tables.finalise(folder)
    for name, table in before.items():
        assert table.equals(again.table(name)), name


def test_a_run_without_an_interposer_has_no_copies_and_is_judged(
    maker: ModuleType, tmp_path: Path
) -> None:
    run = tables.finalise(maker.run_folder(tmp_path, [live(maker)]))
    assert run.manifest["copies"] is None
    assert not run.has("copies")
    old = {name: value for name, value in run.manifest.items() if name != "copies"}
    kept = {name: run.table(name) for name in store.TABLES if run.has(name)}
    assert judge.judge(Run.of(old, kept))["copies"] is None


@pytest.mark.parametrize("seed", range(40))
def test_no_tape_can_fail_a_run(maker: ModuleType, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    main, thread = live(maker), maker.ThreadTape(10)
    for k in range(30):
        where = thread.site("/lib/a.so", k, [("/app/a.py", k, k, 0, 4, "f")])
        thread.copy(k * 90, SIZE, to=HERE, source=THERE, rows=(3, 9, 9, 9), site=where)
        thread.entry("avcodec_receive_frame", k * 90, k * 90 + 50)
        thread.buffer(k * 90, SIZE, HERE, end=k * 90 + 80)
        thread.note("hook", {"hook": "x"})
        thread.add(tape.WRITES, thread.text("infer"), 1, 2, k, 4_096, 0, 1)
        thread.add(tape.WRITTEN, 0, HERE, 4_096, 0, 0, 0, 0)
    edges = [0, 1, -1, 2**31, -(2**63), 2**63 - 1, 2**47, 2**62, rng.getrandbits(40)]
    for _ in range(120):
        at = rng.randrange(len(thread.records))
        record = bytearray(thread.records[at])
        place = rng.choice(range(8, 56, 8))
        record[place : place + 8] = rng.choice(edges).to_bytes(8, "little", signed=True)
        if rng.random() < 0.3:
            record[rng.randrange(8)] = rng.randrange(256)
        thread.records[at] = bytes(record)
    run = tables.finalise(maker.run_folder(tmp_path, [main, thread]))
    assert judge.judge(run)["copies"] is not None
    assert (run.table("copies")["bytes"] > 0).all()
    assert (run.table("copies")["duration_ns"] >= 0).all()
