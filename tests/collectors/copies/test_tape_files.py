"""Tapes hold what was copied, whatever becomes of threads, processes, files and libraries."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collectors.copies import counters
from probe import tape

if TYPE_CHECKING:
    from tests.collectors.copies.conftest import Compiled, Outcome, Run


def sizes(outcome: Outcome) -> dict[int, list[int]]:
    """Return the bytes of the copies, by process."""
    found: dict[int, list[int]] = defaultdict(list)
    for each in outcome.tapes:
        part = each.records[each.records["kind"] == tape.COPY]
        found[each.header.pid] += [int(size) for size in part["frame"]]
    return dict(found)


def states(outcome: Outcome) -> set[int]:
    return {each.header.state for each in outcome.tapes}


def assert_cut(outcome: Outcome) -> None:
    for each in outcome.tapes:
        assert each.path.stat().st_size == tape.HEADER_BYTES + 64 * len(each.records)


def test_a_process_that_copies_nothing_is_known(run: Run, compiled: Compiled) -> None:
    program = compiled("endings.c")
    outcome = run(program, "small")
    (only,) = outcome.tapes
    assert outcome.notes("process") == [
        {"exe": program, "interposer": 1, "threshold": 16384, "page": resource.getpagesize()}
    ]
    assert only.path.name == f"{only.header.pid}-{only.header.tid}-0.tape"
    assert only.header.thread == "endings"
    assert only.header.writer == tape.WRITER_INTERPOSER
    assert outcome.counters["small"] == 1000
    assert outcome.counters["small_bytes"] == 100_000
    assert_cut(outcome)


@pytest.mark.parametrize("mode", ["", "off", "onn", "ON"])
def test_it_is_inert_unless_it_is_told(run: Run, compiled: Compiled, mode: str) -> None:
    outcome = run(compiled("endings.c"), LIVEPROBE_COPIES=mode)
    assert (outcome.code, outcome.tapes) == (5, [])


@pytest.mark.parametrize("folder", ["", "/nowhere", "/dev/null"])
def test_it_is_inert_without_a_folder(run: Run, compiled: Compiled, folder: str) -> None:
    outcome = run(compiled("endings.c"), LIVEPROBE_TAPE=folder)
    assert (outcome.code, outcome.err, outcome.tapes) == (5, "", [])


def test_a_relative_folder_is_that_of_the_start(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    code = "import os; os.chdir('/'); bytes(1 << 20)[1:]"
    run(sys.executable, "-c", code, LIVEPROBE_TAPE="here")
    tapes, rejected = tape.read_all(tmp_path / "here")
    assert rejected == []
    assert (tapes[0].records["frame"] == (1 << 20) - 1).any()


ENDINGS = {"": 5, "exit": 5, "_exit": 5, "_Exit": 5, "handler": 40 + signal.SIGTERM}


@pytest.mark.parametrize(("way", "code"), ENDINGS.items(), ids=repr)
def test_every_end_that_can_be_seen_closes_the_tape(
    run: Run, compiled: Compiled, way: str, code: int
) -> None:
    outcome = run(compiled("endings.c"), way)
    assert outcome.code == code
    assert [each.bytes for each in outcome.copies] == [50_000] * 10 + [100_000]
    assert states(outcome) == {tape.CLOSED}
    assert_cut(outcome)


UNSEEN_ENDINGS = {"kill": -signal.SIGKILL, "abort": -signal.SIGABRT, "quick_exit": 5}


@pytest.mark.parametrize(("way", "code"), UNSEEN_ENDINGS.items(), ids=repr)
def test_an_end_that_nobody_sees_leaves_what_was_recorded(
    run: Run, compiled: Compiled, way: str, code: int
) -> None:
    outcome = run(compiled("endings.c"), way)
    assert outcome.code == code
    assert [each.bytes for each in outcome.copies] == [50_000] * 10, "the rows were still open"
    assert outcome.counters["copies"] == 10
    assert states(outcome) == {tape.RECORDING}


def test_small_copies_are_on_tape_by_the_thousand_before_the_end(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("endings.c"), "small, then kill")
    assert outcome.code == -signal.SIGKILL
    assert 10_000 - 4096 < outcome.counters["small"] <= 10_000


def test_exec_closes_one_tape_and_the_new_program_opens_its_own(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("endings.c"), "exec")
    first, second = outcome.tapes
    assert first.header.pid == second.header.pid
    assert len(outcome.copies) == 11
    assert second.path.name.endswith("-1.tape")
    assert states(outcome) == {tape.CLOSED}
    assert outcome.counters["small"] == 1000
    assert_cut(outcome)


def test_an_exec_that_fails_goes_on_recording(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("endings.c"), "exec fails")
    expected = [50_000] * 10 + [100_000] + [60_000] * 5
    assert [each.bytes for each in outcome.copies] == expected
    assert len(outcome.tapes) == 1
    assert states(outcome) == {tape.CLOSED}
    assert_cut(outcome)


@pytest.mark.parametrize("way", ["fork", "_exit", "clone"])
def test_a_forked_child_writes_tapes_of_its_own(run: Run, compiled: Compiled, way: str) -> None:
    outcome = run(compiled("forks.c"), way)
    assert outcome.code == 0
    child = int(outcome.out.split()[0])
    found = sizes(outcome)
    assert found.pop(child) == [200_000] * 4
    assert list(found.values()) == [[100_000] * 5]
    assert states(outcome) == {tape.CLOSED}
    counted = {each.header.pid: each for each in outcome.tapes}
    assert len(outcome.notes("process")) == len(counted) == 2
    if way != "clone":  # how far its parent had counted is not known there
        assert outcome.counters["small"] == 5 + 6


def test_rows_that_are_open_at_a_fork_are_the_parents_alone(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("forks.c"), "rows")
    assert outcome.code == 0
    found = sorted(sizes(outcome).values())
    assert found == [[100_000] * 5 + [40_000], [200_000] * 4]
    counted = outcome.counters
    assert (counted["rows"], counted["small"], counted["lost"]) == (40, 5 + 6 + 3, 0)


def test_a_grandchild_writes_tapes_of_its_own(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("forks.c"), "grandchild")
    assert outcome.code == 0
    assert sorted(sizes(outcome).values()) == [[100_000] * 5, [200_000] * 4, [400_000] * 2]


def test_the_child_of_a_vfork_writes_on_its_parents_tape_until_it_execs(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("forks.c"), "vfork")
    assert outcome.code == 0
    child = int(outcome.out.split()[0])
    found = sizes(outcome)
    assert found.pop(child) == [100_000] * 3
    assert list(found.values()) == [[100_000] * 3 + [300_000] + [100_000] * 2]
    assert states(outcome) == {tape.CLOSED}


def test_the_child_of_a_vfork_that_leaves_closes_nothing(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("forks.c"), "vfork without exec")
    assert outcome.code == 0
    assert list(sizes(outcome).values()) == [[100_000] * 3 + [300_000] + [100_000] * 2]


@pytest.mark.parametrize("way", ["", "exit", "cancelled", "tiny"])
def test_each_thread_has_a_tape_that_ends_with_it(run: Run, compiled: Compiled, way: str) -> None:
    outcome = run(compiled("threads.c"), way, "8")
    assert outcome.code == 0
    assert len(outcome.tapes) == 9
    assert [each.bytes for each in outcome.copies] == [20_000] * 24
    assert states(outcome) == {tape.CLOSED}
    assert outcome.counters["lost"] == 0
    assert_cut(outcome)


def test_threads_that_live_at_the_end_have_their_tapes_closed(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("threads.c"), "alive", "16")
    assert outcome.code == 0
    assert [each.bytes for each in outcome.copies] == [20_000] * 48
    assert states(outcome) == {tape.CLOSED}
    assert_cut(outcome)


def test_threads_that_copy_while_the_process_ends_leave_readable_tapes(
    run: Run, compiled: Compiled
) -> None:
    for _ in range(5):
        outcome = run(compiled("threads.c"), "racing", "8")
        assert outcome.code == 0
        assert len(outcome.tapes) <= 9
        assert {each.bytes for each in outcome.copies} <= {20_000}
        assert outcome.counters["copies"] >= len(outcome.copies) - 8


def test_many_threads_that_come_and_go_are_all_counted(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("threads.c"), "", "400")
    assert outcome.code == 0
    assert len(outcome.copies) == 1200


def test_copies_of_a_dying_threads_destructors_are_recorded_or_counted_as_lost(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("threads.c"), "destructors", "8")
    assert outcome.code == 0
    counted = outcome.counters
    assert counted["copies"] == len(outcome.copies)
    assert counted["copies"] + counted["lost"] == 8 * (3 + 4)
    assert counted["copies"] >= 8 * (3 + 3)


def test_small_copies_of_threads_without_a_tape_stand_on_the_first_tape(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("threads.c"), "small", "64")
    assert len(outcome.tapes) == 1
    assert outcome.counters["small"] == 64 * 1000
    assert outcome.counters["small_bytes"] == sum(1000 * (64 + i % 8) for i in range(64))


def test_a_process_goes_on_without_its_main_thread(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("threads.c"), "main leaves", "3")
    assert outcome.code == 0
    assert len(outcome.copies) == 3 * 3 + 2


def test_a_tape_at_its_limit_says_that_it_stopped_and_counts_on(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("signals.c"), LIVEPROBE_TAPE_LIMIT="65536")
    assert outcome.code == 0
    (only,) = outcome.tapes
    counted = outcome.counters
    assert only.header.state == tape.STOPPED
    assert outcome.notes("stopped") == [{"why": "the limit is reached"}]
    assert counted["copies"] == len(outcome.copies) > 900
    assert counted["copies"] + counted["lost"] + counted["passed"] >= int(outcome.out)
    assert only.path.stat().st_size <= 65536


def test_all_tapes_of_a_process_have_a_limit(run: Run, compiled: Compiled) -> None:
    limit = 3 * 16384
    outcome = run(compiled("threads.c"), "alive", "16", LIVEPROBE_COPIES_LIMIT=str(limit))
    assert outcome.code == 0
    counted = outcome.counters
    assert len(outcome.tapes) == 3
    assert counted["copies"] + counted["lost"] == 48
    assert counted["lost"] > 0


FULL = """
mount -t tmpfs -o size=96k none "$1" || exit 77
LIVEPROBE_TAPE=$1 LIVEPROBE_COPIES=on LD_PRELOAD=$2 "$3" alive 8 >"$4/out" 2>"$4/err"
echo $? >"$4/code"
LIVEPROBE_TAPE=$1 LIVEPROBE_COPIES=on LD_PRELOAD=$2 "$5" >"$4/out" 2>"$4/err2"
echo $? >"$4/code2"
cp "$1"/* "$4/tapes/"
"""


def test_a_full_disk_stops_the_tapes_and_not_the_program(
    compiled: Compiled, interposer: Path, tmp_path: Path
) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare: a file system of our own cannot be mounted")
    disk, out = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    (out / "tapes").mkdir(parents=True)
    threads, signals = compiled("threads.c"), compiled("signals.c")
    command = ["unshare", "-rm", "sh", "-c", FULL, "sh", disk, interposer, threads, out, signals]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if not (out / "code").exists():
        pytest.skip(f"a file system of our own cannot be mounted: {done.stderr.strip()}")
    assert (out / "code").read_text() == (out / "code2").read_text() == "0\n"
    why = "liveprobe: copies of a thread are not recorded, the program goes on: no space left\n"
    assert (out / "err").read_text() == why
    tapes, rejected = tape.read_all(out / "tapes")
    assert rejected == []
    assert tapes != []
    assert all(each.header.state in {tape.CLOSED, tape.STOPPED} for each in tapes)
    assert sum(each.header.lost for each in tapes) > 0
    assert not list((out / "tapes").glob("*.new"))


def test_a_limit_of_file_sizes_does_not_kill_the_program(
    compiled: Compiled, interposer: Path, tmp_path: Path
) -> None:
    tapes = tmp_path / "limited"
    tapes.mkdir()
    environment = {"LIVEPROBE_TAPE": str(tapes), "LIVEPROBE_COPIES": "on"}
    done = subprocess.run(
        [compiled("endings.c")],
        env=os.environ | environment | {"LD_PRELOAD": str(interposer)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 5
    assert done.stderr.endswith("the limit of a file's size is reached\n")
    assert [each.suffix for each in tapes.iterdir()] == [counters.UNTAPED]


def test_a_folder_that_goes_away_stops_the_tapes_and_not_the_program(
    run: Run, compiled: Compiled, tmp_path: Path
) -> None:
    script = """
import os, shutil
memory = bytearray(1 << 20)
for _ in range(3):
    memory[1:]
shutil.rmtree(os.environ["LIVEPROBE_TAPE"])
for _ in range(5000):
    memory[1:60000]
print("done")
"""
    gone = tmp_path / "gone"
    gone.mkdir()
    outcome = run(sys.executable, "-c", script, LIVEPROBE_TAPE=str(gone))
    assert (outcome.code, outcome.out) == (0, "done\n")


def test_no_descriptor_is_kept(run: Run) -> None:
    listing = ["import os; memory = bytes(1 << 20); memory[1:]; print(os.listdir('/proc/self/fd'))"]
    plain = subprocess.run(
        [sys.executable, "-c", *listing], capture_output=True, text=True, check=True, timeout=60
    )
    assert run(sys.executable, "-c", *listing).out == plain.stdout


def test_a_library_may_come_and_go(run: Run, compiled: Compiled) -> None:
    library = compiled("loaded.c", "-shared", "-fPIC", target="loaded.so")
    outcome = run(compiled("loading.c"), "loop", library, "300")
    assert (outcome.code, outcome.out) == (0, "gone\n"), "it is not kept from being unloaded"
    assert [each.bytes for each in outcome.copies] == [100_000] * 300
    assert {each.module for each in outcome.copies} == {library}


def test_a_library_that_lies_where_another_lay_is_not_taken_for_it(
    run: Run, compiled: Compiled
) -> None:
    first = compiled("loaded.c", "-shared", "-fPIC", target="first.so")
    second = compiled("loaded.c", "-shared", "-fPIC", target="second.so")
    outcome = run(compiled("loading.c"), "swap", first, second)
    assert (outcome.code, outcome.out) == (0, "one address\n")
    assert [each.module for each in outcome.copies] == [first, second]


@pytest.mark.parametrize("way", ["path", "namespace"])
def test_a_library_is_found_by_the_search_path_of_who_asks_for_it(
    run: Run, compiled: Compiled, tmp_path: Path, way: str
) -> None:
    (tmp_path / "hidden").mkdir()
    compiled("loaded.c", "-shared", "-fPIC", target="hidden/libinner.so")
    library = compiled(
        "loaded.c", "-shared", "-fPIC", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/hidden",
        target="libouter.so",
    )  # fmt: skip
    outcome = run(compiled("loading.c"), way, library, "libinner.so")
    assert (outcome.code, outcome.out) == (0, "1 1\n"), "by libouter.so, and by nobody else"


def test_what_the_loader_said_last_is_still_said(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("loading.c"), "error", "", "")
    assert outcome.out.startswith("nothing.so: cannot open shared object file")


def test_a_thread_may_copy_while_another_one_loads_a_library(run: Run, compiled: Compiled) -> None:
    library = compiled("loaded.c", "-shared", "-fPIC", "-DWAITS", target="loaded.so")
    outcome = run(compiled("loading.c"), "loop", library, "3")
    assert outcome.out == "gone\n"
    assert [each.bytes for each in outcome.copies].count(200_000) == 3


def test_a_program_in_its_own_sandbox_lives_on(run: Run, compiled: Compiled) -> None:
    outcome = run(compiled("sandbox.c"))
    if outcome.code == 77:
        pytest.skip("this kernel does not filter system calls")
    assert outcome.code == 0
    seen = outcome.copies
    assert [each.bytes for each in seen] == [500_000] * 3
    assert [each.faults is None for each in seen] == [False, True, True]
    assert outcome.counters["lost"] == 1, "the thread could make no tape"


def test_a_program_that_forbids_itself_nearly_all_calls_ends_as_without_it(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("strict.c"))
    if outcome.code == 77:
        pytest.skip("this kernel has no strict mode")
    assert (outcome.code, outcome.err) == (0, "")
    assert [each.bytes for each in outcome.copies] == [500_000]
    assert outcome.notes("stopped") == [
        {"why": "the program forbids itself all calls but read and write"}
    ]


def test_what_a_child_loses_that_can_make_no_tape_stands_on_its_parents(
    run: Run, compiled: Compiled
) -> None:
    outcome = run(compiled("limited_children.c"))
    assert outcome.code == 0
    assert [each.bytes for each in outcome.copies] == [500_000]
    assert outcome.counters["lost"] == 3
    assert "the limit of a file's size is reached" in outcome.err


QUERY = """
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
select group_concat(i), hex(zeroblob(90000)) from n
"""
PROGRAMS = {
    "ls": ["ls", "-l", "/usr/bin"],
    "python": [sys.executable, "-c", "import json, sys; print(json.dumps(list(range(9999))))"],
    "python fails": [sys.executable, "-c", "raise SystemExit(9)"],
    "git": ["git", "--version"],
    "perl": ["perl", "-e", "print join ',', map { $_ ** 2 } 1 .. 20000; exit 4"],
    "sqlite": ["sqlite3", ":memory:", QUERY],
    "shell": ["sh", "-c", "for i in 1 2 3; do (exit $i); echo $?; done | cat; exit 6"],
    "bash": ["bash", "-c", 'x=$(head -c 200000 /dev/zero | tr "\\0" a); echo ${#x}; exit 3'],
    "ffmpeg": [
        "ffmpeg", "-v", "error", "-threads", "2", "-f", "lavfi",
        "-i", "testsrc=size=640x360:rate=30", "-frames:v", "30", "-pix_fmt", "rgb24",
        "-f", "md5", "-",
    ],
}  # fmt: skip


def test_a_browser_says_the_same_with_it_and_without(run: Run, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    page = tmp_path / "page.html"
    page.write_text("<script>document.write(new Uint8Array(1e6).slice().length)</script>")
    said = []
    for mode in ("off", "on"):
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        profile = f"--user-data-dir={tmp_path / mode}"
        outcome = run(*command, profile, page.as_uri(), LIVEPROBE_COPIES=mode)
        said.append((outcome.code, outcome.out))
    assert said[0] == said[1]
    assert "1000000" in said[0][1]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_and_ends_the_same_with_it_and_without(run: Run, name: str) -> None:
    command = PROGRAMS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    plain = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    outcome = run(*command)
    assert (outcome.out, outcome.err) == (plain.stdout, plain.stderr)
    assert outcome.code == plain.returncode
    assert outcome.tapes != []
