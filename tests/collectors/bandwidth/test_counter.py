from __future__ import annotations

import errno
import mmap
import os
import platform
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.bandwidth.counter import (
    ANYWHERE,
    ATTRIBUTES,
    CLOSE_ON_EXEC,
    EXCLUDE_KERNEL,
    INHERIT,
    SYSCALLS,
    TIMES,
    Counter,
    Reading,
    attributes,
    difference,
    open_counter,
)
from collectors.bandwidth.pmu import Words
from probe.kernel_file import read_integer

HEADER = Path("/usr/include/linux/perf_event.h")
SOFTWARE = read_integer(Path("/sys/bus/event_source/devices/software/type"))
TASK_CLOCK, PAGE_FAULTS = Words(1), Words(2)
U64 = st.one_of(st.integers(0, 2**64 - 1), st.integers(2**63 - 99, 2**63 + 99))
READINGS = st.one_of(st.none(), st.builds(Reading, U64, U64, U64))


def counting(words: Words) -> Counter:
    """Open a counter of the kernel's own (no hardware) on this thread; skip where forbidden."""
    try:
        attribute = attributes(SOFTWARE or 1, words, exclude_kernel=words == TASK_CLOCK)
        return open_counter(attribute, tid=0, cpu=ANYWHERE)
    except PermissionError as error:
        pytest.skip(f"this machine forbids it: {error}")
    except OSError as error:
        if error.errno == errno.ENOSYS:
            pytest.skip("the kernel has no perf events")
        raise


def touch(pages: int) -> None:
    with mmap.mmap(-1, pages * mmap.PAGESIZE) as area:
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            area.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(pages):
            area[page * mmap.PAGESIZE] = 1


@pytest.mark.skipif(
    not HEADER.exists() or shutil.which("cc") is None, reason="needs cc and the kernel's headers"
)
def test_the_struct_is_the_kernels(tmp_path: Path) -> None:
    members = {
        "type": 0, "size": 4, "config": 8, "sample_period": 16, "sample_type": 24,
        "read_format": 32, "wakeup_events": 48, "bp_type": 52, "config1": 56, "config2": 64,
    }  # fmt: skip
    asks = "".join(f'printf("%zu ", offsetof(struct perf_event_attr, {name}));' for name in members)
    (tmp_path / "ask.c").write_text(
        "#include <linux/perf_event.h>\n#include <stddef.h>\n#include <stdio.h>\n"
        "#include <string.h>\n#include <sys/syscall.h>\n"
        f"int main(void) {{ {asks} struct perf_event_attr a; memset(&a, 0, sizeof a);"
        " a.inherit = 1; a.exclude_kernel = 1; unsigned long flags;"
        ' memcpy(&flags, (char *)&a + 40, 8); printf("%lu ", flags);'
        ' printf("%d %d %lu ", PERF_ATTR_SIZE_VER1, PERF_FORMAT_TOTAL_TIME_ENABLED |'
        " PERF_FORMAT_TOTAL_TIME_RUNNING, (unsigned long)PERF_FLAG_FD_CLOEXEC);"
        ' printf("%d\\n", (int)SYS_perf_event_open); return 0; }\n'
    )
    built = tmp_path / "ask"
    subprocess.run(["cc", "-o", built, tmp_path / "ask.c"], check=True, timeout=60)
    said = subprocess.run([built], capture_output=True, check=True, timeout=60, text=True).stdout
    here = SYSCALLS[platform.machine(), 8 * struct.calcsize("P")]
    ours = [*members.values(), INHERIT | EXCLUDE_KERNEL, ATTRIBUTES.size, TIMES, CLOSE_ON_EXEC]
    assert [int(word) for word in said.split()] == [*ours, here]


@pytest.mark.skipif(not HEADER.exists(), reason="needs the kernel's headers")
def test_the_size_is_one_that_was_published() -> None:
    sizes = re.findall(r"PERF_ATTR_SIZE_VER([0-9]+)\s+([0-9]+)", HEADER.read_text())
    assert ("1", str(ATTRIBUTES.size)) in sizes


def test_each_word_stands_in_its_place() -> None:
    plain = attributes(0x01020304, Words(0xA1, 0xB2, 0xC3), inherit=True)
    assert len(plain) == 72
    assert plain[:16] == bytes([4, 3, 2, 1, 72, 0, 0, 0, 0xA1, 0, 0, 0, 0, 0, 0, 0])
    assert struct.unpack_from("<QQ", plain, 32) == (0b11, 0b10)  # times; inherit, and not disabled
    assert struct.unpack_from("<QQ", plain, 56) == (0xB2, 0xC3)


def test_the_kernels_own_counter_counts_page_faults() -> None:
    counter = counting(PAGE_FAULTS)
    assert counter.advance() is None  # nothing to compare with
    touch(500)
    gained = counter.advance()
    assert gained is not None
    assert 500 <= gained.value < 5000
    assert gained.enabled_ns == gained.running_ns > 0
    counter.close()
    counter.close()
    assert counter.advance() is None


def test_the_kernels_clock_of_a_task_is_its_time() -> None:
    counter = counting(TASK_CLOCK)
    counter.advance()
    sum(range(10**6))
    gained = counter.advance()
    counter.close()
    assert gained is not None
    assert gained.value == pytest.approx(gained.enabled_ns, rel=0.05)


def test_a_counter_is_not_left_to_programs_that_are_started() -> None:
    counter = counting(PAGE_FAULTS)
    assert counter._descriptor is not None
    assert not os.get_inheritable(counter._descriptor)
    counter.close()


@pytest.mark.parametrize(
    ("attribute", "tid", "code"),
    [
        (attributes(2**31 - 1, Words()), 0, errno.ENOENT),  # no such PMU
        (attributes(SOFTWARE or 1, Words(2**40)), 0, errno.ENOENT),  # no such event of it
        (attributes(SOFTWARE or 1, PAGE_FAULTS), ANYWHERE, errno.EINVAL),  # neither thread nor CPU
    ],
)
def test_what_the_kernel_refuses_raises_with_its_reason(
    attribute: bytes, tid: int, code: int
) -> None:
    counting(PAGE_FAULTS).close()  # skips where all is refused
    with pytest.raises(OSError, match=r".") as caught:
        open_counter(attribute, tid=tid, cpu=ANYWHERE)
    assert caught.value.errno == code


def test_a_machine_whose_number_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    with pytest.raises(OSError, match="pdp11") as caught:
        open_counter(attributes(1, PAGE_FAULTS), tid=0, cpu=ANYWHERE)
    assert caught.value.errno == errno.ENOSYS


def fed(*readings: tuple[int, int, int] | bytes) -> Counter:
    """A counter whose descriptor gives these readings, one at each read, then the end."""
    receiving, sending = os.pipe()
    for each in readings:
        os.write(sending, each if isinstance(each, bytes) else struct.pack("<QQQ", *each))
    os.close(sending)
    return Counter(receiving)


def test_readings_come_as_differences_and_the_end_is_a_gap() -> None:
    counter = fed((100, 10, 10), (150, 30, 20), (150, 30, 20))
    assert [counter.advance() for _ in range(5)] == [
        None,
        Reading(50, 20, 10),
        Reading(0, 0, 0),
        None,
        None,
    ]
    counter.close()


def test_half_a_reading_is_none() -> None:
    counter = fed((1, 1, 1), b"\0" * 10)
    assert [counter.advance() for _ in range(3)] == [None, None, None]
    counter.close()


def test_a_counter_that_cannot_be_read_is_a_gap(tmp_path: Path) -> None:
    counter = Counter(os.open(tmp_path, os.O_RDONLY))  # a folder: EISDIR, as a dead PMU gives EIO
    assert counter.advance() is None
    counter.close()


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((5, 1, 1), (9, 3, 2), (4, 2, 1)),
        ((9, 1, 1), (5, 3, 2), None),  # it went back
        ((5, 3, 3), (9, 1, 1), None),  # so did its time
        # rockchip_ddr's first count (recorded), then a count as it should be: 4 G are not meant
        ((18446744070475110400, 1, 1), (1058691047, 2, 2), None),
        ((18446744070475110400, 1, 1), (18446744070475110464, 2, 2), (64, 1, 1)),
        ((5, 1, 1), (2**64 - 1, 2, 2), None),
        ((0, 0, 0), (2**32 - 1, 1, 1), (2**32 - 1, 1, 1)),
    ],
)
def test_counts_only_go_up(
    before: tuple[int, int, int], now: tuple[int, int, int], expected: tuple[int, int, int] | None
) -> None:
    gained = difference(Reading(*before), Reading(*now))
    assert gained == (expected if expected is None else Reading(*expected))


@given(READINGS, READINGS)
def test_no_difference_is_made_up(before: Reading | None, now: Reading | None) -> None:
    gained = difference(before, now)
    if gained is not None:
        assert before is not None
        assert now is not None
        assert tuple(a + b for a, b in zip(before, gained, strict=True)) == tuple(now)
        assert 0 <= gained.value < 2**63
