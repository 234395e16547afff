"""Pages of the kernel's trace buffer against the text that the same kernel wrote of them.

The recording is of Linux 6.18 on x86-64: 413 events of a program whose threads pass a ball on.
"""

from __future__ import annotations

import os
import re
import struct
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import scheduler_trace
from collectors.scheduler_trace.ring import Gap, Layout, Switch, Waking
from probe.errors import NoData

RECORDED = Path(__file__).parents[1] / "devices" / "recordings" / "trace_ring"
LAYOUT = Layout.of(RECORDED / "events")
PAGES = (RECORDED / "pages.bin").read_bytes()
TEXT = re.compile(
    r"-([0-9]+) +\[[0-9]+\] \S+ +([0-9]+)\.([0-9]{6}): (?:"
    r"sched_switch: prev_comm=(.*) prev_pid=([0-9]+) prev_prio=[0-9]+ prev_state=(\S+) ==> "
    r"next_comm=(.*) next_pid=([0-9]+) next_prio=[0-9]+"
    r"|sched_waking: comm=.* pid=([0-9]+) prio=[0-9]+ target_cpu=[0-9]+)$",
    re.MULTILINE,
)
STATES = {0: "R", 1: "S", 2: "D", 4: "T", 8: "t", 16: "X", 32: "Z", 64: "P", 128: "I", 256: "R+"}
Told = tuple[object, ...]
HERE = next((place for place in map(Path, scheduler_trace.PLACES) if (place / "instances").is_dir()
             and os.access(place / "instances", os.W_OK)), None)  # fmt: skip


def decoded(layout: Layout, data: bytes) -> list[Switch | Waking | Gap]:
    size = layout.page_bytes
    pages = [data[at : at + size] for at in range(0, len(data), size)]
    return [each for page in pages for each in layout.events(page)]


def told(event: Switch | Waking | Gap) -> Told:
    """Say an event as the kernel's text does."""
    if isinstance(event, Switch):
        out, into = (
            name.partition(b"\0")[0].decode() for name in (event.out_name, event.into_name)
        )
        return event.t_ns // 1000, out, event.out, STATES[event.state], into, event.into
    assert isinstance(event, Waking)
    return event.t_ns // 1000, event.running, event.woken


def texts(text: str) -> list[Told]:
    found: list[Told] = []
    for running, second, us, out, tid, state, name, into, woken in TEXT.findall(text):
        t_us = int(second + us)
        found.append(
            (t_us, int(running), int(woken)) if woken else
            (t_us, out, int(tid), state, name, int(into))
        )  # fmt: skip
    return found


def nearly(found: list[Told], expected: list[Told]) -> None:
    """The text rounds to a microsecond."""
    assert [each[1:] for each in found] == [each[1:] for each in expected]
    assert all(abs(a[0] - b[0]) <= 1 for a, b in zip(found, expected, strict=True))  # type: ignore[operator]


def test_the_pages_say_what_the_kernel_wrote_of_them() -> None:
    expected = texts((RECORDED / "trace.txt").read_text())
    assert len(expected) == 413
    nearly([told(each) for each in decoded(LAYOUT, PAGES)], expected)


@pytest.mark.skipif(HERE is None, reason="needs root and a mounted tracefs")
def test_this_kernel_writes_pages_as_it_states() -> None:
    assert HERE is not None
    own = HERE / "instances" / f"liveprobe-{os.getpid()}-ring"
    own.mkdir()
    pipes: list[int] = []
    try:
        (own / "trace_clock").write_text("mono")
        (own / "buffer_size_kb").write_text("512")
        (own / "set_event_pid").write_text(str(threading.get_native_id()))
        for event in scheduler_trace.EVENTS:
            (own / "events" / "sched" / event / "enable").write_text("1")
        for _ in range(50):
            time.sleep(0.001)
        (own / "tracing_on").write_text("0")
        text = (own / "trace").read_text()
        layout = Layout.of(own / "events")
        found: list[Switch | Waking | Gap] = []
        for pipe in (own / "per_cpu").glob("cpu*/trace_pipe_raw"):
            pipes.append(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
            for page in scheduler_trace.pages(pipes[-1], layout.page_bytes):
                found += layout.events(page)
    finally:
        for pipe_number in pipes:
            os.close(pipe_number)
        own.rmdir()
    expected = texts(text)
    assert len(expected) >= 50
    nearly([told(each) for each in sorted(found, key=lambda each: each.t_ns)], expected)


def entry(kind: int, delta: int, words: bytes = b"") -> bytes:
    return struct.pack("<I", delta << 5 | kind) + words


def page(start_ns: int, *entries: bytes, flags: int = 0, after: bytes = b"") -> bytes:
    data = b"".join(entries)
    head = struct.pack("<QQ", start_ns, len(data) | flags)
    return (head + data + after).ljust(LAYOUT.page_bytes, b"\0")


def waking(running: int, woken: int) -> bytes:
    return struct.pack("<HBBi16siiI", LAYOUT.waking, 0, 0, running, b"infer", woken, 120, 1)


@given(
    st.integers(0, 2**58),
    st.lists(
        st.tuples(st.integers(1, 2**57), st.booleans(), st.integers(0, 2**31 - 1)), max_size=9
    ),
)
def test_times_add_up_however_they_are_packed(
    start_ns: int, steps: list[tuple[int, bool, int]]
) -> None:
    entries, expected, t_ns = [], [], start_ns
    for delta, long_form, woken in steps:
        t_ns += delta
        data = waking(1, woken)
        low, high = delta & (1 << 27) - 1, delta >> 27
        if high > 0xFFFFFFFF:  # too far for what is added: the time itself
            t_ns &= (1 << 59) - 1
            at = struct.pack("<I", t_ns >> 27)
            entries.append(entry(31, t_ns & (1 << 27) - 1, at))
            low = 0
        elif high:
            entries.append(entry(30, low, struct.pack("<I", high)))
            low = 0
        if long_form:
            entries.append(entry(0, low, struct.pack("<I", len(data) + 4) + data))
        else:
            entries.append(entry(len(data) // 4, low, data))
        expected.append(Waking(t_ns, 1, woken))
    assert list(LAYOUT.events(page(start_ns, *entries))) == expected


def test_what_was_taken_back_and_what_is_empty_is_passed_over() -> None:
    one = entry(9, 5, waking(1, 2))
    taken_back = entry(29, 1, struct.pack("<I", 12) + b"xxxxyyyy")
    assert list(LAYOUT.events(page(100, taken_back, one, entry(29, 0), one))) == [Waking(105, 1, 2)]


def test_other_events_are_passed_over() -> None:
    other = waking(1, 2).replace(struct.pack("<H", LAYOUT.waking), struct.pack("<H", 9), 1)
    assert list(LAYOUT.events(page(100, entry(9, 5, other)))) == []


@pytest.mark.parametrize(
    ("flags", "after", "events"),
    [
        (1 << 31 | 1 << 30, struct.pack("<Q", 21), 21),
        (1 << 31, b"", None),
        (0xFFFFFFFF << 32 | 1 << 31 | 1 << 30, struct.pack("<Q", 7), 7),
    ],
)
def test_lost_events_stand_before_the_page(flags: int, after: bytes, events: int | None) -> None:
    found = list(LAYOUT.events(page(100, entry(9, 5, waking(1, 2)), flags=flags, after=after)))
    assert found == [Gap(100, events), Waking(105, 1, 2)]


@given(st.integers(0, LAYOUT.page_bytes))
def test_a_page_that_is_cut_tells_less_and_nothing_else(length: int) -> None:
    whole = list(LAYOUT.events(PAGES[: LAYOUT.page_bytes]))
    found = list(LAYOUT.events(PAGES[:length]))
    assert found == whole[: len(found)]
    assert len(whole) > 60


@given(st.binary(max_size=LAYOUT.page_bytes))
def test_any_bytes_are_events_or_are_not(data: bytes) -> None:
    for each in LAYOUT.events(data):
        assert isinstance(each, Switch | Waking | Gap)


@pytest.mark.parametrize(
    ("name", "was", "becomes"),
    [
        ("header_page", "commit", "used"),
        ("sched/sched_switch/format", "char prev_comm[16]", "__data_loc char[] prev_comm"),
        ("sched/sched_switch/format", "next_pid;\toffset:56", "next_pid;\toffset:4"),
        ("sched/sched_waking/format", "field:pid_t pid", "field:pid_t tid"),
        ("sched/sched_waking/format", "ID: ", "Id: "),
    ],
)
def test_a_kernel_that_lays_it_out_otherwise_is_refused(
    tmp_path: Path, name: str, was: str, becomes: str
) -> None:
    for file in ("header_page", "sched/sched_switch/format", "sched/sched_waking/format"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        text = (RECORDED / "events" / file).read_text()
        assert name != file or was in text
        (tmp_path / file).write_text(text.replace(was, becomes) if name == file else text)
    with pytest.raises(NoData, match="unknown way"):
        Layout.of(tmp_path)


def test_pages_of_another_size_and_32_bits_are_read_as_stated(tmp_path: Path) -> None:
    """A Raspberry Pi 5 has pages of 16 KiB; an old 32-bit kernel counts them in four bytes."""
    header = (RECORDED / "events" / "header_page").read_text()
    formats = RECORDED / "events" / "sched"
    (tmp_path / "sched").symlink_to(formats)
    (tmp_path / "header_page").write_text(
        header.replace("commit;\toffset:8;\tsize:8", "commit;\toffset:8;\tsize:4").replace(
            "data;\toffset:16;\tsize:4080", "data;\toffset:12;\tsize:16372"
        )
    )
    layout = Layout.of(tmp_path)
    assert layout.page_bytes == 16384
    data = entry(9, 5, waking(1, 2)) * 300
    narrow = struct.pack("<QI", 100, len(data)) + data
    found = list(layout.events(narrow.ljust(16384, b"\0")))
    assert found[-1] == Waking(100 + 300 * 5, 1, 2)
