from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probe.child import TAIL_BYTES, Child, Watch
from probe.errors import EnvironmentUnmet, UsageError
from probe.tape import RECORD_BYTES, WRITER_INTERPOSER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import TapeMaker


@pytest.fixture
def started() -> Iterator[list[Child]]:
    children: list[Child] = []
    yield children
    for child in children:
        child.close()


def python(code: str, tmp_path: Path, started: list[Child]) -> Child:
    child = Child([sys.executable, "-c", code], tmp_path / "tapes", tmp_path)
    started.append(child)
    return child


def test_output_is_drained_and_its_end_kept(tmp_path: Path, started: list[Child]) -> None:
    code = "import sys; print('x' * 300_000); sys.stderr.write('y' * 200_000 + 'the end')"
    child = python(code, tmp_path, started)
    assert child.wait(30)
    child.close()
    assert child.exit_code == 0
    assert (tmp_path / "program.out").stat().st_size == 300_001
    assert child.error_tail.endswith("the end")
    assert len(child.error_tail) <= TAIL_BYTES


def test_many_small_writes_are_kept_as_one_large_one(tmp_path: Path, started: list[Child]) -> None:
    code = (
        "import sys, time\n"
        "for k in range(40): print('line', k, file=sys.stderr, flush=True); time.sleep(0.002)"
    )
    child = python(code, tmp_path, started)
    assert child.wait(30)
    child.close()
    assert child.error_tail.splitlines() == [f"line {k}" for k in range(40)]


def test_the_program_finds_its_tape_folder_and_no_input(
    tmp_path: Path, started: list[Child]
) -> None:
    code = "import os, sys; print(os.environ['LIVEPROBE_TAPE']); print(repr(sys.stdin.read()))"
    child = python(code, tmp_path, started)
    assert child.wait(30)
    child.close()
    assert (tmp_path / "program.out").read_text().splitlines() == [str(tmp_path / "tapes"), "''"]


def test_what_is_added_stands_in_the_programs_environment(
    tmp_path: Path, started: list[Child]
) -> None:
    code = "import os; print(os.environ['ADDED'], 'PATH' in os.environ)"
    command = [sys.executable, "-c", code]
    child = Child(command, tmp_path / "tapes", tmp_path, {"ADDED": "a word"})
    started.append(child)
    assert child.wait(30)
    child.close()
    assert (tmp_path / "program.out").read_text() == "a word True\n"


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path, started: list[Child]) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('ready', flush=True); time.sleep(300)"
    )
    child = python(code, tmp_path, started)
    wait_for((tmp_path / "program.out").exists)
    child.stop(0.2)
    assert not child.running()
    assert child.signal_name == "SIGKILL"
    assert child.exit_code is None


def test_a_stopped_program_can_still_be_ended(tmp_path: Path, started: list[Child]) -> None:
    child = python("import time; time.sleep(300)", tmp_path, started)
    os.kill(child.pid, signal.SIGSTOP)
    child.stop(0.2)
    assert child.signal_name in {"SIGTERM", "SIGKILL"}


def test_children_of_the_program_go_with_it(tmp_path: Path, started: list[Child]) -> None:
    code = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', "
        "'import time; time.sleep(300)']); print(p.pid, flush=True)"
    )
    child = python(code, tmp_path, started)
    assert child.wait(30)
    wait_for((tmp_path / "program.out").exists)
    orphan = int((tmp_path / "program.out").read_text())
    child.close()
    wait_for(lambda: not alive(orphan))


@pytest.mark.parametrize(
    ("command", "error", "words"),
    [
        (["no-such-program-anywhere"], UsageError, "no such program"),
        (["/"], UsageError, "not executable"),
        (["{file}"], UsageError, "not executable"),
        (["{script}"], EnvironmentUnmet, "does not start"),
        (["ba\0d"], UsageError, "null byte"),
    ],
)
def test_what_cannot_be_started_says_so(
    command: list[str], error: type[Exception], words: str, tmp_path: Path
) -> None:
    plain, broken = tmp_path / "plain", tmp_path / "broken"
    plain.write_text("text")
    broken.write_bytes(b"\x7fELF and nothing else")
    broken.chmod(0o755)
    filled = [word.format(file=plain, script=broken) for word in command]
    with pytest.raises(error, match=words):
        Child(filled, tmp_path, tmp_path)


def test_the_watch_follows_tapes_and_finds_the_first_frame(
    tmp_path: Path, tape_maker: type[TapeMaker]
) -> None:
    watch = Watch(tmp_path)
    assert (watch.records(), watch.first_ns) == (0, None)
    writer = tape_maker(tmp_path / "1-1-1.tape")
    writer.mark("fact:x", 3, text="{}")
    writer.save()
    first = watch.records()
    assert (first, watch.first_ns) == (len(writer.records), None)
    for k in range(1000):
        writer.frame(k, 500 + k, 900 + k)
    writer.records.append(writer.records[-1][:56] + bytes(8))
    writer.save()
    (tmp_path / "rubbish.tape").write_bytes(b"x")
    assert watch.records() == first + 1000
    assert watch.first_ns == 500


def test_the_watch_looks_past_slots_that_stay_unwritten(
    tmp_path: Path, tape_maker: type[TapeMaker]
) -> None:
    writer = tape_maker(tmp_path / "1-1-1.tape")
    for k in range(10):
        writer.frame(k, k, k)
    writer.save()
    watch = Watch(tmp_path)
    assert watch.records() == 10
    writer.records += [bytes(RECORD_BYTES)] * 3  # as a signal handler may leave them
    writer.save()
    assert watch.records() == 10
    for k in range(10, 500):
        writer.frame(k, k, k)
    writer.save()
    assert watch.records() == 10 + 3 + 490


def test_the_watch_takes_a_request_for_the_first_frame(
    tmp_path: Path, tape_maker: type[TapeMaker]
) -> None:
    writer = tape_maker(tmp_path / "1-1-1.tape")
    writer.mark("something", 7)
    writer.mark("request", 42, 0)
    writer.save()
    watch = Watch(tmp_path)
    watch.records()
    assert watch.first_ns == 42


def test_what_an_interposer_writes_is_not_the_programs_word(
    tmp_path: Path, tape_maker: type[TapeMaker]
) -> None:
    own, other = tape_maker(tmp_path / "1-1-1.tape"), tape_maker(tmp_path / "1-1-0.tape")
    own.mark("request", 42, frame=0)
    other.mark("request", 41, frame=0)
    own.save()
    written = bytearray(other.save().read_bytes())
    other.path.write_bytes(written[:60])  # being made: nobody knows yet whose it is
    watch = Watch(tmp_path)
    first = watch.records()
    written[60:64] = WRITER_INTERPOSER.to_bytes(4, "little")
    other.path.write_bytes(written)
    assert watch.records() == first == len(own.records)
    assert watch.first_ns == 42


def wait_for(true: object, seconds: float = 30) -> None:
    assert callable(true)
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_the_cpu_time_of_an_ended_program_is_known(tmp_path: Path, started: list[Child]) -> None:
    program = python("sum(k * k for k in range(2_000_000))", tmp_path, started)
    assert program.cpu_ns is None, "it runs"
    assert program.wait(60)
    assert program.cpu_ns is not None
    assert 10**7 < program.cpu_ns < 60 * 10**9
