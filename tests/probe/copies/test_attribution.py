"""Which frame and stage an event belongs to: own thread, a library's workers, black boxes."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from probe.copies import records, sites
from probe.copies.attribution import Attribution
from probe.copies.entry_points import library_of_module
from probe.tape import NULL

SWSCALE = "/venv/av.libs/libswscale-88e9f973.so.9"
AVCODEC = "/usr/lib/libavcodec.so.61"
ORT = "/venv/onnxruntime/capi/libonnxruntime.so.1.31.1"
OTHER = "/lib/libm.so.6"
MAIN, WORKER, SECOND = 10, 20, 30


def placed(maker: ModuleType, folder: Path, own: list[Any], threads: list[Any]) -> list[Any]:
    """Return (stage, frame, nested) of every copy, thread by thread."""
    tapes = maker.read(folder, *own, *threads)
    said, mine = tapes[: len(own)], tapes[len(own) :]
    places, texts = sites.merged(mine), records.Texts()
    copies, _ = records.copies_of(mine, places.lookups, texts)
    entries = records.entries_of(mine, places.lookups)
    libraries = [library_of_module(each.module) for each in places.callers]
    attribution = Attribution(said, mine, copies, entries, np.array(libraries, dtype=np.int8))
    where = attribution.of(copies.tape, copies.site, copies.start)
    names = [*attribution.stages, None]
    nested = attribution.nested(copies).tolist()
    return [
        (names[stage], None if frame == NULL else frame, inner)
        for stage, frame, inner in zip(
            where.stage.tolist(), where.frame.tolist(), nested, strict=True
        )
    ]


NOWHERE = (None, None, False)


def test_a_copy_belongs_to_the_span_in_which_it_began(maker: ModuleType, tmp_path: Path) -> None:
    main, copying = maker.own("main", MAIN), maker.ThreadTape(MAIN)
    main.span("decode", 100, 200, 7)
    main.span("resize", 140, 160, 7)
    main.span("infer", 200, 300, 8)
    for start in (99, 100, 139, 140, 159, 160, 199, 200, 299, 300):
        copying.copy(start, 20_000, took=500)
    decode, resize, infer = ("decode", 7, False), ("resize", 7, False), ("infer", 8, False)
    assert placed(maker, tmp_path, [main], [copying]) == [
        NOWHERE, decode, decode, resize, resize, decode, decode, infer, infer, NOWHERE,
    ]  # fmt: skip


def test_two_tapes_of_one_thread_say_spans_together(maker: ModuleType, tmp_path: Path) -> None:
    first, second = maker.own("main", MAIN), maker.own("main", MAIN)
    first.span("decode", 100, 200, 1)
    second.span("infer", 300, 400, 2)
    copying = maker.ThreadTape(MAIN)
    copying.copy(150, 20_000)
    copying.copy(350, 20_000)
    assert placed(maker, tmp_path, [first, second], [copying]) == [
        ("decode", 1, False), ("infer", 2, False),
    ]  # fmt: skip


def test_the_same_thread_id_of_another_process_is_another_thread(
    maker: ModuleType, tmp_path: Path
) -> None:
    main = maker.own("main", MAIN)
    main.span("decode", 100, 200, 1)
    child = maker.ThreadTape(MAIN, pid=99)
    child.copy(150, 20_000)
    assert placed(maker, tmp_path, [main], [child]) == [NOWHERE]


def test_a_span_without_a_frame_gives_its_stage(maker: ModuleType, tmp_path: Path) -> None:
    main, copying = maker.own("main", MAIN), maker.ThreadTape(MAIN)
    main.span("load", 100, 200, NULL)
    copying.copy(150, 20_000)
    assert placed(maker, tmp_path, [main], [copying]) == [("load", None, False)]


def pool(maker: ModuleType) -> tuple[Any, Any, Any]:
    """Return main's own tape, its interposer's, a worker's: main infers frame 5 in OrtRun."""
    main, calling = maker.own("main", MAIN), maker.ThreadTape(MAIN)
    main.span("infer", 100, 900, 5)
    calling.entry("OrtRun", 200, 400)
    return main, calling, maker.ThreadTape(WORKER, thread="pool")


def test_a_worker_belongs_to_the_only_thread_inside_its_library(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, calling, worker = pool(maker)
    for start in (199, 200, 399, 400):
        worker.copy(start, 20_000, site=worker.site(ORT))
    assert placed(maker, tmp_path, [main], [calling, worker]) == [
        NOWHERE, ("infer", 5, False), ("infer", 5, False), NOWHERE,
    ]  # fmt: skip


def test_a_worker_of_another_library_belongs_to_nobody(maker: ModuleType, tmp_path: Path) -> None:
    main, calling, worker = pool(maker)
    for module in (OTHER, AVCODEC, ""):
        worker.copy(300, 20_000, site=worker.site(module))
    worker.copy(300, 20_000, site=99)
    assert placed(maker, tmp_path, [main], [calling, worker]) == [NOWHERE] * 4


def test_while_two_threads_are_inside_a_worker_belongs_to_nobody(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, calling, worker = pool(maker)
    other, second = maker.own("other", SECOND), maker.ThreadTape(SECOND)
    other.span("segment", 100, 900, 6)
    second.entry("OrtRun", 300, 500)
    for start in (250, 350, 450):
        worker.copy(start, 20_000, site=worker.site(ORT))
    assert placed(maker, tmp_path, [main, other], [calling, second, worker]) == [
        ("infer", 5, False), NOWHERE, ("segment", 6, False),
    ]  # fmt: skip


def test_a_thread_inside_its_own_calls_is_one_thread(maker: ModuleType, tmp_path: Path) -> None:
    main, calling, worker = pool(maker)
    calling.entry("OrtRun", 250, 350)
    worker.copy(300, 20_000, site=worker.site(ORT))
    assert placed(maker, tmp_path, [main], [calling, worker]) == [("infer", 5, False)]


def test_a_worker_in_another_process_belongs_to_nobody(maker: ModuleType, tmp_path: Path) -> None:
    main, calling, _ = pool(maker)
    worker = maker.ThreadTape(WORKER, pid=99)
    worker.copy(300, 20_000, site=worker.site(ORT))
    assert placed(maker, tmp_path, [main], [calling, worker]) == [NOWHERE]


def test_the_number_of_a_thread_that_has_ended_may_be_a_workers(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, calling, _ = pool(maker)
    ended = maker.own("reader", WORKER)
    ended.span("capture", 10, 90, 1)
    before = maker.ThreadTape(WORKER, opened_ns=20)
    before.copy(50, 20_000, site=before.site(ORT))
    before.copy(95, 20_000, site=before.site(ORT))
    worker = maker.ThreadTape(WORKER, thread="pool", opened_ns=250)
    worker.copy(300, 20_000, site=worker.site(ORT))
    assert placed(maker, tmp_path, [main, ended], [calling, before, worker]) == [
        ("capture", 1, False), NOWHERE, ("infer", 5, False),
    ]  # fmt: skip


def test_a_codecs_worker_gets_the_stage_alone_for_it_may_be_frames_ahead(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, calling, worker = maker.own("main", MAIN), maker.ThreadTape(MAIN), maker.ThreadTape(20)
    main.span("decode", 100, 900, 5)
    calling.entry("avcodec_send_packet", 200, 400, handle=1)
    worker.copy(300, 20_000, site=worker.site(AVCODEC))
    assert placed(maker, tmp_path, [main], [calling, worker]) == [("decode", None, False)]


def test_while_two_codecs_are_open_their_workers_cannot_be_told_apart(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, calling, worker = maker.own("main", MAIN), maker.ThreadTape(MAIN), maker.ThreadTape(20)
    main.span("decode", 100, 390, 5)
    main.span("encode", 600, 900, 5)
    calling.entry("avcodec_send_packet", 200, 300, handle=1)
    calling.entry("avcodec_send_frame", 320, 330, handle=2)
    calling.entry("avcodec_send_packet", 340, 380, handle=1)
    calling.entry("avcodec_send_frame", 700, 800, handle=2)
    for start in (250, 350, 750):  # one codec, two, one again
        worker.copy(start, 20_000, site=worker.site(AVCODEC))
    assert placed(maker, tmp_path, [main], [calling, worker]) == [
        ("decode", None, False), NOWHERE, ("encode", None, False),
    ]  # fmt: skip


def test_what_workers_move_for_a_scaler_is_in_the_scalers_bytes(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, calling = maker.own("main", MAIN), maker.ThreadTape(MAIN)
    main.span("preprocess", 100, 900, 3)
    calling.copy(200, 2_764_800, method="sws_scale_frame", took=100, site=calling.site("/av.so"))
    worker = maker.ThreadTape(WORKER)
    worker.copy(250, 20_000, site=worker.site(SWSCALE))
    worker.copy(350, 20_000, site=worker.site(SWSCALE))
    assert placed(maker, tmp_path, [main], [calling, worker]) == [
        ("preprocess", 3, False), ("preprocess", 3, True), NOWHERE,
    ]  # fmt: skip


def test_the_calling_threads_own_copies_are_never_taken_for_a_workers(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, calling = maker.own("main", MAIN), maker.ThreadTape(MAIN)
    main.span("preprocess", 100, 900, 3)
    calling.copy(200, 2_764_800, method="sws_scale_frame", took=100, site=calling.site("/av.so"))
    calling.copy(250, 20_000, site=calling.site(SWSCALE))  # not marked by the interposer
    found = placed(maker, tmp_path, [main], [calling])
    assert [nested for _, _, nested in found] == [False, False]


def test_a_black_box_is_at_what_its_entry_points_say(maker: ModuleType, tmp_path: Path) -> None:
    main = maker.ThreadTape(MAIN)
    for k in range(3):
        at = 1_000 * k
        main.entry("avcodec_receive_frame", at + 100, at + 200, handle=1)
        main.copy(at + 150, 20_000)  # while the decoder gives frame k
        main.entry("avcodec_receive_frame", at + 210, at + 220, handle=1, result=-11)
        main.copy(at + 300, 2_764_800, method="sws_scale", took=100)
        main.copy(at + 500, 20_000)  # between stages
        main.entry("OrtRun", at + 600, at + 700)
        main.copy(at + 650, 20_000)
    expected = [
        (stage, k, False)
        for k in range(3)
        for stage in ("decode", "preprocess", None, "infer")
    ]  # fmt: skip
    assert placed(maker, tmp_path, [], [main]) == expected


def test_the_frames_of_a_black_box_are_those_of_its_busiest_decoder(
    maker: ModuleType, tmp_path: Path
) -> None:
    main = maker.ThreadTape(MAIN)
    main.copy(50, 20_000)  # before any frame
    main.entry("avcodec_receive_frame", 100, 110, handle=1)
    for at in (200, 300, 400):
        main.entry("avcodec_receive_frame", at, at + 10, handle=2)
    main.copy(150, 20_000)
    main.copy(450, 20_000)
    beside = maker.ThreadTape(WORKER)
    beside.copy(350, 20_000, site=beside.site(OTHER))
    other = maker.ThreadTape(MAIN, pid=99)
    other.copy(350, 20_000)
    assert placed(maker, tmp_path, [], [main, beside, other]) == [
        NOWHERE, NOWHERE, (None, 2, False), (None, 1, False), NOWHERE,
    ]  # fmt: skip


def test_the_workers_of_a_black_box_are_at_what_their_library_is_at(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, worker = maker.ThreadTape(MAIN), maker.ThreadTape(WORKER)
    main.entry("avcodec_send_packet", 100, 400)
    main.copy(500, 2_764_800, method="sws_scale", took=100)
    worker.copy(200, 20_000, site=worker.site(AVCODEC))
    worker.copy(550, 20_000, site=worker.site(SWSCALE))
    assert placed(maker, tmp_path, [], [main, worker]) == [
        ("preprocess", None, False), ("decode", None, False), ("preprocess", None, True),
    ]  # fmt: skip


def test_nothing_recorded_is_nothing_placed(maker: ModuleType, tmp_path: Path) -> None:
    assert placed(maker, tmp_path, [], [maker.ThreadTape(MAIN)]) == []


def test_a_worker_beside_a_call_that_has_no_workers_is_somebody_elses(
    maker: ModuleType, tmp_path: Path
) -> None:
    main, calling = maker.own("main", MAIN), maker.ThreadTape(MAIN)
    main.span("decode", 100, 900, 3)
    calling.copy(200, 2_764_800, method="av_frame_copy", took=100, site=calling.site("/av.so"))
    worker = maker.ThreadTape(WORKER)
    worker.copy(250, 20_000, site=worker.site("/usr/lib/libavutil.so.59"))
    assert placed(maker, tmp_path, [main], [calling, worker]) == [("decode", 3, False), NOWHERE]
