"""At full speed no copy is lost without being counted: many threads, small copies, small tapes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from probe import tape

PROGRAM = Path(__file__).parent / "stress" / "many_copies.c"
Traced = Callable[..., tuple[subprocess.CompletedProcess[str], list[tape.Tape]]]


@pytest.fixture
def program(tmp_path: Path) -> str:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    target = tmp_path / "many_copies"
    command = [compiler, "-O2", "-fno-builtin", "-pthread", "-o", str(target), str(PROGRAM)]
    subprocess.run(command, check=True, timeout=60)
    return str(target)


def recorded(tapes: list[tape.Tape]) -> int:
    return sum(int(np.count_nonzero(each.records["kind"] == tape.COPY)) for each in tapes)


def counters(each: tape.Tape) -> tuple[int, ...]:
    data = each.path.read_bytes()[: tape.HEADER_BYTES]
    return tape.COUNTERS.unpack_from(data, tape.COUNTERS_OFFSET)


def lost(tapes: list[tape.Tape]) -> int:
    return sum(each.header.lost for each in tapes)


def test_sixty_four_threads_at_full_speed_lose_nothing(traced: Traced, program: str) -> None:
    done, tapes = traced([program, "64", "500", "65536"])
    assert done.stdout == "32000\n"
    assert recorded(tapes) == 32_000
    assert lost(tapes) == 0
    assert sum(each.torn for each in tapes) == 0


def test_what_finds_no_room_is_counted_and_the_tape_says_that_it_stopped(
    traced: Traced, program: str
) -> None:
    limit = {"LIVEPROBE_TAPE_LIMIT": str(1 << 20)}
    done, tapes = traced([program, "2", "40000", "16384"], env=limit)
    assert done.stdout == "80000\n"
    stopped = [each for each in tapes if each.header.state == tape.STOPPED]
    assert len(stopped) == 2
    assert recorded(tapes) + lost(tapes) >= 80_000, "BUFFER records of the end may be lost too"
    assert 0 < recorded(tapes) < 80_000
    assert all(each.path.stat().st_size <= (1 << 20) + tape.HEADER_BYTES for each in stopped)


def test_all_tapes_of_a_process_together_have_a_limit(traced: Traced, program: str) -> None:
    limit = {"LIVEPROBE_COPIES_LIMIT": str(4 << 20)}
    done, tapes = traced([program, "32", "4000", "16384"], env=limit)
    assert done.stdout == "128000\n"
    assert sum(each.path.stat().st_size for each in tapes) <= (4 << 20) + (1 << 20)
    assert recorded(tapes) + lost(tapes) >= 128_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_billion_small_copies_are_counted_one_by_one(traced: Traced, program: str) -> None:
    done, tapes = traced([program, "2", "500000000", "64"], timeout=500)
    assert done.stdout == "1000000000\n"
    found = [counters(each) for each in tapes]
    assert sum(each[0] for each in found) >= 10**9
    assert sum(each[1] for each in found) >= 64 * 10**9
    assert lost(tapes) == 0
