"""Programs that do what few do, or that are watched already, run under it as without it."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from probe import tape

if TYPE_CHECKING:
    from tests.collectors.copies.conftest import Compiled, Run


def test_a_thread_that_leaves_by_the_system_call_is_not_looked_for_at_the_end(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("harsh.c"), "vanishing")
    assert outcome.code == 0
    assert [each.bytes for each in outcome.copies] == [20_000] * 6


def test_a_handler_that_jumps_out_of_a_row_leaves_recording_on(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("harsh.c"), "jumping")
    assert outcome.code == 0
    assert [each.bytes for each in outcome.copies] == [20_000] * 5
    assert outcome.counters["passed"] == 0


def test_a_thread_may_be_cancelled_wherever_it_is(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("harsh.c"), "cancelling")
    assert outcome.code == 0
    assert all(17_000 <= each.bytes <= 20_000 for each in outcome.copies)
    assert outcome.counters["lost"] <= 400


def test_threads_that_allocate_while_the_process_ends_do_it_no_harm(
    run: Run, compiled: Compiled
) -> None:
    for _ in range(5):
        outcome = run(compiled("harsh.c"), "ending")
        assert outcome.code == 0
        assert {each.header.state for each in outcome.tapes} == {tape.CLOSED}


def test_a_program_that_confines_itself_to_its_own_calls_lives_on(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("harsh.c"), "confined")
    if outcome.code == 77:
        pytest.skip("this kernel does not filter system calls")
    assert (outcome.code, outcome.err) == (0, "")
    counted = outcome.counters
    assert counted["copies"] + counted["lost"] >= 10_001
    assert {"why": "not allowed"} in outcome.notes("stopped")


SANITIZERS = ["address", "undefined", "thread", "leak"]


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_a_program_with_a_sanitizer_says_and_ends_the_same(
    run: Run, compiled: Compiled, sanitizer: str
) -> None:
    try:
        program = compiled("threads.c", f"-fsanitize={sanitizer}", "-g")
    except subprocess.CalledProcessError:
        pytest.skip(f"the compiler has no {sanitizer} sanitizer")
    command = [program, "", "8"]
    plain = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    outcome = run(*command, ASAN_OPTIONS="verify_asan_link_order=0")
    assert (outcome.code, outcome.out, outcome.err) == (
        plain.returncode,
        plain.stdout,
        plain.stderr,
    )
    assert outcome.tapes != []


def test_valgrind_finds_no_fault_in_its_memory(run: Run, compiled: Compiled) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    program = compiled("threads.c", "-g")
    outcome = run("valgrind", "-q", "--error-exitcode=9", program, "", "4")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
