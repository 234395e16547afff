"""What py-spy writes: read exactly, within limits, and never made up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.stacks.book import REST, Book, Frame, Thread
from probe.stacks.chrometrace import MOST_DEPTH, parse

RECORDED = """[
{"args":{"filename":"","line":0},"cat":"py-spy","name":"process 7:\\"python app.py\\"","ph":"B","pid":7,"tid":1404,"ts":30944},
{"args":{"filename":"","line":0},"cat":"py-spy","name":"thread (9): second","ph":"B","pid":7,"tid":1404,"ts":30944},
{"args":{"filename":"/app.py","line":13},"cat":"py-spy","name":"loop","ph":"B","pid":7,"tid":1404,"ts":30944},
{"args":{"filename":"/app.py","line":5},"cat":"py-spy","name":"hot","ph":"B","pid":7,"tid":1404,"ts":30944},
{"args":{"filename":"/app.py","line":5},"cat":"py-spy","name":"hot","ph":"E","pid":7,"tid":1404,"ts":50000},
{"args":{"filename":"/app.py","line":6},"cat":"py-spy","name":"hot","ph":"B","pid":7,"tid":1404,"ts":50000},
{"args":{"filename":"/app.py","line":6},"cat":"py-spy","name":"hot","ph":"E","pid":7,"tid":1404,"ts":90000},
{"args":{"filename":"/app.py","line":13},"cat":"py-spy","name":"loop","ph":"E","pid":7,"tid":1404,"ts":90000},
{"args":{"filename":"","line":0},"cat":"py-spy","name":"thread (9): second","ph":"E","pid":7,"tid":1404,"ts":90000}]
"""  # noqa: E501 - as py-spy 0.4.3 writes it


def event(ph: str, name: str, ts: object = 1, **more: Any) -> dict[str, Any]:
    arguments = {"filename": "/app.py", "line": 3}
    return {"args": arguments, "name": name, "ph": ph, "pid": 7, "tid": 1, "ts": ts, **more}


def read(events: object) -> tuple[list[tuple[int, int, int, int]], Book]:
    book = Book()
    found = parse(json.dumps(events), book)
    columns = zip(found.t_us, found.held_us, found.thread, found.stack, strict=True)
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in columns], book


def test_a_recording_of_py_spy_is_read() -> None:
    book = Book()
    found = parse(RECORDED, book)
    assert found.t_us.tolist() == [30944, 50000]
    assert found.held_us.tolist() == [19056, 40000]
    assert found.end_us == 90000
    assert list(book.threads) == [Thread(7, 9, "second")]
    loop = Frame("/app.py", 13, "loop")
    assert list(book.stacks) == [
        (Frame("/app.py", 5, "hot"), loop),
        (Frame("/app.py", 6, "hot"), loop),
    ]


@pytest.mark.parametrize("length", range(1, len(RECORDED), 97))
def test_a_text_that_breaks_off_gives_what_stands_before(length: int) -> None:
    book = Book()
    cut = parse(RECORDED[:length], book)
    assert cut.end_us is None
    assert set(cut.t_us.tolist()) <= {30944, 50000}
    assert (cut.held_us <= 40000).all()


@pytest.mark.parametrize("text", ["", "{}", "null", "py-spy", "\0", '"["'])
def test_what_is_no_array_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a JSON array"):
        parse(text, Book())


@pytest.mark.parametrize(
    "bad",
    [
        1, None, [], "B", {}, {"ph": "B"}, event("X", "f"), event("B", "f", ts=-1),
        event("B", "f", ts=1.5), event("B", "f", ts=True), event("B", "f", ts=10**14),
        event("B", "f", ts="1"), event("B", "f", pid="7"), event("B", "f", tid=[]),
        event("B", "f", pid=2**63),
    ],
)  # fmt: skip
def test_what_is_no_event_is_left_out(bad: object) -> None:
    rows, _ = read([bad, event("B", "f"), bad, event("E", "f", ts=5), bad])
    assert rows == [(1, 4, 0, 0)]


def test_odd_frames_keep_what_is_known_of_them() -> None:
    _, book = read([
        event("B", "", args={"filename": None, "line": -1}),
        event("B", "f", args=[]),
        event("B", None, args={"filename": "/a", "line": 2**40}),
    ])  # fmt: skip
    (stack,) = book.stacks
    assert stack == (Frame("/a", None, "?"), Frame(None, None, "f"), Frame(None, None, ""))


def test_a_thread_without_a_number_has_its_name() -> None:
    _, book = read([event("B", "thread (0x7F): main", args={"filename": "", "line": 0}),
                    event("B", "f")])  # fmt: skip
    assert list(book.threads) == [Thread(7, None, "main")]


def test_a_function_that_calls_itself_a_thread_is_a_function() -> None:
    _, book = read([event("B", "thread (1): evil"), event("B", "f")])
    assert list(book.threads) == [Thread(7, None, None)]


def test_the_deepest_stack_is_cut_at_its_outer_end() -> None:
    _, book = read([event("B", f"f{k}") for k in range(MOST_DEPTH + 9)])
    (stack,) = book.stacks
    assert len(stack) == MOST_DEPTH
    assert stack[0].function == f"f{MOST_DEPTH + 8}"


def test_a_recording_may_come_in_pieces_of_any_length() -> None:
    whole, pieces = Book(), Book()
    found = parse(RECORDED, whole)
    for size in (1, 7, 500):
        parts = [RECORDED[k : k + size] for k in range(0, len(RECORDED), size)]
        again = parse(parts, pieces)
        assert again.end_us == found.end_us
        assert again.t_us.tolist() == found.t_us.tolist()
    assert pieces.stacks == whole.stacks


def test_what_is_too_much_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreign text: a recording may have more stacks, threads and changes than fit into memory."""
    monkeypatch.setattr("probe.stacks.book.MOST_STACKS", 3)
    monkeypatch.setattr("probe.stacks.book.MOST_CHANGES", 6)
    rows, book = read([
        each for k in range(8)
        for each in (event("B", f"f{k % 5}", ts=10 * k), event("E", "", ts=10 * k + 10))
    ])  # fmt: skip
    named = [book.stacks[stack][0].function for *_, stack in rows]
    assert named == ["f0", "f1", "f2", REST.function, REST.function, "f0"]
    assert [held for _, held, _, _ in rows] == [10] * 6
    assert (book.stacks_left_out, book.changes_left_out) == (2, 2)
    assert json.loads(list(book.documents())[3]) == [[None, None, REST.function]]


@pytest.mark.parametrize("bound", ["MOST_FRAMES", "MOST_CHARACTERS"])
def test_too_many_frames_and_too_much_text_are_left_out(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"probe.stacks.book.{bound}", {"MOST_FRAMES": 40}.get(bound, 40 * 600))
    events = [event("B", f"f{k}".ljust(500, "x"), ts=k) for k in range(200)]
    rows, book = read(events)
    assert len(rows) == 200
    assert len(book.stacks) <= 42
    assert sum(len(text) for text in book.documents()) < 42 * 42 * 600
    assert book.stacks_left_out >= 160


def test_a_stack_deeper_than_can_be_followed_is_left_out_until_it_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("probe.stacks.chrometrace.MOST_OPEN", 2)
    rows, book = read([
        event("B", "a", ts=1), event("B", "b", ts=1), event("B", "c", ts=2), event("B", "d", ts=2),
        event("E", "d", ts=3), event("E", "c", ts=4), event("E", "b", ts=5), event("E", "a", ts=6),
    ])  # fmt: skip
    named = [[frame.function for frame in book.stacks[stack]] for *_, stack in rows]
    assert named == [["b", "a"], [REST.function], [REST.function], ["b", "a"], ["a"]]


def test_more_threads_than_are_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.stacks.chrometrace.MOST_THREADS", 2)
    rows, book = read([event("B", "f", ts=k, tid=k) for k in range(5)])
    assert len(rows) == 2
    assert book.changes_left_out == 3


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "ph": st.sampled_from(["B", "E", "M"]) | VALUES,
        "ts": st.integers(-1, 2**70) | VALUES,
        "pid": st.integers(0, 3) | VALUES,
        "tid": st.integers(0, 3) | VALUES,
        "name": st.sampled_from(["thread (1): a", "process 1", "f"]) | VALUES,
        "args": st.fixed_dictionaries({"filename": VALUES, "line": VALUES}) | VALUES,
    },
)


@given(st.lists(EVENTS | VALUES, max_size=30))
def test_no_events_crash_it_or_make_up_a_time(events: list[Any]) -> None:
    rows, _ = read(events)
    said = {e["ts"] for e in events if isinstance(e, dict) and isinstance(e.get("ts"), int)}
    assert {row[0] for row in rows} <= said
    assert all(row[0] + row[1] in said for row in rows)


@given(st.text(max_size=200))
def test_no_text_crashes_it(text: str) -> None:
    book = Book()
    found = parse("[" + text, book)
    assert len(found.t_us) == len(found.held_us) == len(found.thread) == len(found.stack)
    assert not len(found.t_us) or '"ts"' in text  # no change without an event that states its time
    assert set(found.thread.tolist()) <= set(book.threads.values())
