"""The sampler on real programs: what it saw, and why it saw nothing."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.copies import library
from collectors.pyspy import NOTES, TRACER, Pyspy
from collectors.pyspy.refusal import SCOPE, refused
from probe import spent
from probe.errors import NoData, SwitchedOff, Unmet
from probe.model import Device, Launch, Notice, Sample
from probe.pyspy import Recording
from probe.stacks.book import Book
from probe.stacks.chrometrace import parse
from probe.stacks.clock import bracket
from probe.stacks.document import NOTES as READ

PATIENCE_S = 40
"""A busy machine starts an interpreter in seconds; nothing here waits longer than it must."""
BUSY = """
import sys
def hot():
    while True: pass
print("up", flush=True)
hot()
"""


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[str]]:
    yield from started([sys.executable, "-c", BUSY])


def started(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def launch(folder: Path, mode: str = "nonblocking") -> Launch:
    return Launch(("x",), {}, folder, {"pyspy": {"mode": mode, "rate": 100}})


def recorded(collector: Pyspy, folder: Path, pid: int) -> dict[str, Any]:
    """Sample until something was seen, and return the notes."""
    assert collector.attach(launch(folder, "nonblocking")) == {TRACER: str(os.getpid())}
    collector.start(Device("local", program_pid=pid))
    list(collector.sample(time.monotonic_ns()))
    until = time.monotonic() + PATIENCE_S
    while (
        time.monotonic() < until and "Sampling process" not in (folder / "pyspy-1.log").read_text()
    ):
        time.sleep(0.05)
    time.sleep(0.5)
    list(collector.sample(time.monotonic_ns()))
    collector.stop()
    collector.stop()
    found = json.loads((folder / NOTES).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_a_program_is_sampled_and_the_recording_is_left_with_its_notes(
    tmp_path: Path, busy: subprocess.Popen[str]
) -> None:
    collector = Pyspy()
    notes = recorded(collector, tmp_path, busy.pid)
    (note,) = notes["recordings"]
    assert '"hot"' in (tmp_path / note["file"]).read_text(encoding="utf-8")
    assert note["started_ns"] <= note["threads_ns"] < note["ended_ns"]
    assert f"{busy.pid}:{busy.pid}" in notes["seen"]
    facts = collector.facts()
    assert (facts["mode"], facts["rate_hz"], facts["recordings"]) == ("nonblocking", 100, 1)
    assert busy.poll() is None


def test_collector_and_reader_mean_the_same_file() -> None:
    assert NOTES == READ


def test_the_samplers_own_cpu_time_is_a_track(tmp_path: Path, busy: subprocess.Popen[str]) -> None:
    collector = Pyspy()
    collector.attach(launch(tmp_path))
    collector.start(Device("local", program_pid=busy.pid))
    try:
        list(collector.sample(1_000_000_000))
        rows = list(collector.sample(1_500_000_000))
    finally:
        collector.stop()
    (row,) = rows
    assert isinstance(row, Sample)
    assert row.track == "pyspy.sampler"
    assert row.value is not None
    assert row.value >= 0


@pytest.mark.parametrize("options", [{}, {"pyspy": {}}, {"pyspy": {"mode": "off"}}])
def test_it_is_off_unless_it_is_asked_for(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(SwitchedOff):
        Pyspy().attach(Launch(("x",), {}, tmp_path, options))
    with pytest.raises(SwitchedOff):
        Pyspy().start(Device("local"))


def test_without_py_spy_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(Unmet, match="py-spy") as told:
        Pyspy().attach(launch(tmp_path))
    assert "pip install py-spy" in (told.value.remedy or "")


def refusals(collector: Pyspy) -> None:
    """Sample again and again; by the time that the collector is told, patience ends at once."""
    for second in range(60):
        list(collector.sample((1 + 11 * second) * 10**9))
        time.sleep(0.1)


def test_a_program_that_is_not_python_is_told(tmp_path: Path) -> None:
    collector = Pyspy()
    collector.attach(launch(tmp_path))
    with subprocess.Popen(["sleep", "100"]) as process:
        try:
            collector.start(Device("local", program_pid=process.pid))
            with pytest.raises(NoData, match="no Python") as told:
                refusals(collector)
            assert "only Python" in (told.value.remedy or "")
        finally:
            collector.stop()
            process.kill()
    assert not json.loads((tmp_path / NOTES).read_text())["recordings"]


def test_a_run_that_is_over_before_the_patience_is_told_why_nothing_was_sampled(
    tmp_path: Path,
) -> None:
    collector = Pyspy()
    collector.attach(launch(tmp_path))
    with subprocess.Popen(["sleep", "100"]) as process:
        try:
            collector.start(Device("local", program_pid=process.pid))
            until = time.monotonic() + PATIENCE_S
            while time.monotonic() < until and not collector.facts()["refused"]:
                time.sleep(0.05)
                list(collector.sample(1))
            with pytest.raises(NoData, match="no Python"):
                collector.stop()
            collector.stop()
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("scope", "reason", "remedy"),
    [
        ("1", "is 1, and the program did not let", "import probe"),
        ("2", "is 2: only CAP_SYS_PTRACE", "as root"),
        ("3", "is 3: no process", "boot"),
        ("0", "no permission", "--cap-add SYS_PTRACE"),
        (None, "no permission", "--cap-add SYS_PTRACE"),
        ("much", "no permission", "--cap-add SYS_PTRACE"),
    ],
)
def test_who_may_not_look_is_told_why_and_what_to_do(
    tmp_path: Path, scope: str | None, reason: str, remedy: str
) -> None:
    if scope is not None:
        file = tmp_path / SCOPE.lstrip("/")
        file.parent.mkdir(parents=True)
        file.write_text(f"{scope}\n", encoding="ascii")
    said = "Permission Denied: Try running again with elevated permissions by going 'sudo env'"
    told = refused(said, Device("tree", tmp_path), "0.4.3")
    assert reason in told.message
    assert remedy in (told.remedy or "")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Error: Failed to find python version from target process", "no Python"),
        ("Error: unsupported version of Python: 4.0.0", "does not know this version"),
        ("Error: No such process (os error 3)", "had ended"),
        ("Error: strange\n\nStack backtrace:\n   0: anyhow", "0.4.3: Error: strange"),
        ("", "it said nothing"),
        ("\x00" * 5000, "0.4.3"),
    ],
)
def test_every_refusal_has_a_reason_and_a_remedy(tmp_path: Path, said: str, reason: str) -> None:
    told = refused(said, Device("tree", tmp_path), "0.4.3")
    assert reason in told.message
    assert told.remedy
    assert len(told.message) < 300


def test_no_right_to_look_is_told(tmp_path: Path, busy: subprocess.Popen[str]) -> None:
    """Real refusal: root without CAP_SYS_PTRACE may not look into a process that has more."""
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.geteuid() != 0:
        pytest.skip("needs root and setpriv")
    collector = Pyspy()
    collector.attach(launch(tmp_path))
    words = [setpriv, "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"]
    done = subprocess.run(
        [*words, collector._tool, "dump", "--nonblocking", "--pid", str(busy.pid)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    told = refused(done.stderr, Device("tree", tmp_path), "0.4.3")
    assert "no permission" in told.message


PR_SET_PTRACER, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 0x59616D61, 38, 22, 2
SYS_PRCTL = {"x86_64": 157, "aarch64": 167}.get(os.uname().machine)
TRACER_PID = 4242


def _ends_whoever_lets_in() -> None:
    """Let the kernel end this process with SIGSYS at prctl(PR_SET_PTRACER, TRACER_PID)."""
    code = b"".join(
        struct.pack("HBBI", *each)
        for each in (
            (0x20, 0, 0, 0),  # the number of the call
            (0x15, 0, 5, SYS_PRCTL),
            (0x20, 0, 0, 16),  # its first argument
            (0x15, 0, 3, PR_SET_PTRACER),
            (0x20, 0, 0, 24),  # its second
            (0x15, 0, 1, TRACER_PID),
            (0x06, 0, 0, 0x80000000),  # end the process
            (0x06, 0, 0, 0x7FFF0000),  # allow
        )
    )
    held = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", 8, ctypes.addressof(held))
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(PR_SET_SECCOMP, FILTER, ctypes.create_string_buffer(program), 0, 0)


def lets_in(code: str, environment: dict[str, str]) -> bool:
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, check=False, timeout=60,
        preexec_fn=_ends_whoever_lets_in, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGSYS)
    return done.returncode == -signal.SIGSYS


needs_filter = pytest.mark.skipif(SYS_PRCTL is None, reason="knows no number of prctl here")
SPEAKS = "import probe"


@needs_filter
def test_the_sdk_lets_the_sampler_in_only_when_it_is_asked_to(tmp_path: Path) -> None:
    tape = {"LIVEPROBE_TAPE": str(tmp_path)}
    assert lets_in(SPEAKS, {**tape, TRACER: str(TRACER_PID)})
    assert not lets_in(SPEAKS, tape)
    assert not lets_in(SPEAKS, {TRACER: str(TRACER_PID)})
    for odd in ("", "0", "-1", "4242x", "99999999999999999999", "4243", "\u0664"):
        assert not lets_in(SPEAKS, {**tape, TRACER: odd})


@needs_filter
def test_the_interposer_lets_the_sampler_in_only_when_it_is_asked_to() -> None:
    preload = {"LD_PRELOAD": str(library.built())}
    assert lets_in("pass", {**preload, TRACER: str(TRACER_PID)})
    assert not lets_in("pass", preload)
    for odd in ("", "0", "-1", "4242x", "4243", "99999999999999999999"):
        assert not lets_in("pass", {**preload, TRACER: odd})


def test_a_new_recording_begins_while_the_program_goes_on(
    tmp_path: Path, busy: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.pyspy.SLICE_NS", 1)
    collector = Pyspy()
    collector.attach(launch(tmp_path))
    collector.start(Device("local", program_pid=busy.pid))
    until, t_ns = time.monotonic() + PATIENCE_S, 10**9
    while time.monotonic() < until and collector.facts()["recordings"] < 2:
        time.sleep(0.3)
        t_ns += 10**6
        list(collector.sample(t_ns))
    collector.stop()
    assert collector.facts()["recordings"] >= 2


def test_so_many_recordings_are_the_most(
    tmp_path: Path, busy: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.pyspy.SLICE_NS", 1)
    monkeypatch.setattr("collectors.pyspy.MOST_BYTES", 1)
    collector = Pyspy()
    collector.attach(launch(tmp_path))
    collector.start(Device("local", program_pid=busy.pid))
    said: list[str] = []
    until, t_ns = time.monotonic() + PATIENCE_S, 10**9
    while time.monotonic() < until and not said:
        time.sleep(0.3)
        t_ns += 10**6
        said += [each.text for each in collector.sample(t_ns) if isinstance(each, Notice)]
    assert "sampling stopped: 1 recordings" in said[0]
    assert list(collector.sample(t_ns + 1)) == []
    collector.stop()


def test_a_sampler_that_is_killed_is_told_and_another_begins(
    tmp_path: Path, busy: subprocess.Popen[str]
) -> None:
    collector = Pyspy()
    collector.attach(launch(tmp_path))
    collector.start(Device("local", program_pid=busy.pid))
    first = collector._current
    assert first is not None
    list(collector.sample(10**9))
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and not first.sampled:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    while time.monotonic() < until and first.running():
        time.sleep(0.02)
    list(collector.sample(2 * 10**9))
    assert collector._current not in (None, first)
    collector.stop()
    (lost,) = json.loads((tmp_path / NOTES).read_text())["lost"]
    assert lost["why"] == "py-spy was ended by signal 9"
    assert lost["from_ns"] < lost["to_ns"]
    assert collector.facts()["lost"] == [lost]


def test_a_sampler_that_does_not_end_is_killed_and_what_it_wrote_is_kept(tmp_path: Path) -> None:
    """As one that is still writing when the run is over: a stand-in, for py-spy is quick."""
    words = ["sh", "-c", 'trap "" INT; printf "[" > $3; echo Sampling process; read x < $1', "sh"]
    os.mkfifo(tmp_path / "fifo")
    stuck = Recording(
        [*words, str(tmp_path / "fifo")], tmp_path / "pyspy-1.json", tmp_path / "pyspy-1.log"
    )
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and not stuck.sampled:
        time.sleep(0.01)
    stuck.ask_to_end(0.05)
    stuck.end()
    assert stuck.exit_code == -signal.SIGKILL
    assert stuck.notes["killed"]
    assert stuck.notes["filled_ns"] <= stuck.notes["ended_ns"]
    collector = Pyspy()
    collector.attach(launch(tmp_path))
    assert collector._conclude(stuck)
    assert json.loads((tmp_path / NOTES).read_text())["recordings"] == [stuck.notes]


def test_asking_why_nothing_is_seen_is_the_collectors_cost(tmp_path: Path) -> None:
    collector, bill = Pyspy(), spent.Bill()
    collector.attach(launch(tmp_path))
    with subprocess.Popen(["sleep", "600"]) as foreign, spent.paid_by(bill):
        collector._device = Device("local", program_pid=foreign.pid)
        why = collector._reason()
        foreign.kill()
    assert "Python" in why.message
    assert bill.cpu_ns > 0


def test_notes_that_can_be_written_no_more_still_name_the_recording(
    tmp_path: Path, busy: subprocess.Popen[str]
) -> None:
    """As on a full disk, or where the harness is killed: py-spy ends with the program."""
    collector = Pyspy()
    collector.attach(launch(tmp_path))
    collector.start(Device("local", program_pid=busy.pid))
    (tmp_path / NOTES).with_suffix(".partial").mkdir()
    (tmp_path / NOTES).with_suffix(".partial").joinpath("full").touch()
    until = time.monotonic() + PATIENCE_S
    current = collector._current
    assert current is not None
    while time.monotonic() < until and not current.sampled:
        time.sleep(0.02)
    current.end()
    assert collector._conclude(current)
    (noted,) = json.loads((tmp_path / NOTES).read_text())["recordings"]
    assert noted["file"] == "pyspy-1.json"
    text = (tmp_path / noted["file"]).read_text(encoding="utf-8")
    assert bracket(noted, parse(text, Book()).end_us)


def test_the_sampler_ends_with_the_program(tmp_path: Path, busy: subprocess.Popen[str]) -> None:
    collector = Pyspy()
    collector.attach(launch(tmp_path))
    collector.start(Device("local", program_pid=busy.pid))
    time.sleep(1)
    busy.kill()
    busy.wait()
    collector.stop()
    assert collector._current is None
    assert not list(collector.sample(10**12))
