"""Both recorders, Python and C, as a program meets them: in a process of its own."""

from __future__ import annotations

import ctypes
import inspect
import os
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import probe
from probe import tape
from probe.recorder import pen, silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WRITERS = {"python": tape.WRITER_PYTHON, "c": tape.WRITER_C}
HOME = Path(probe.__file__).parents[1]

LOOP = """
import probe, sys
for k in range(int(sys.argv[1])):
    with probe.stage("work", frame=k):
        pass
print("done")
"""


def environment(folder: Path, writer: str, **more: str) -> dict[str, str]:
    known = {"LIVEPROBE_TAPE": str(folder), "LIVEPROBE_RECORDER": writer, "PYTHONPATH": str(HOME)}
    return dict(os.environ) | known | more


class Program:
    """Runs Python code that records, and reads what it left."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.folder = folder
        self.writer = writer
        self.folder.mkdir(exist_ok=True)

    def start(self, code: str, *args: object, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, args)],
            env=environment(self.folder, self.writer, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str, *args: object, **more: str) -> tuple[str, str]:
        process = self.start(code, *args, **more)
        output, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        return output, complaint

    def tapes(self) -> list[tape.Tape]:
        found, refused = tape.read_all(self.folder)
        assert refused == []
        assert all(one.header.writer == WRITERS[self.writer] for one in found)
        return found

    def tape(self) -> tape.Tape:
        (found,) = self.tapes()
        return found


@pytest.fixture(params=WRITERS)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    writer: str = request.param
    if writer == "c" and find_spec("probe.recorder._pen") is None:
        pytest.skip("the C recorder is not built (no compiler at installation)")
    return Program(tmp_path / "tapes", writer)


def of(found: tape.Tape, name: str) -> np.ndarray:
    ids = [identity for identity, text in found.names.items() if text == name]
    chosen = np.isin(found.records["name"], ids) & (found.records["kind"] != tape.DEFINE)
    records: np.ndarray = found.records[chosen]
    return records


# ---- what is written ----

EVERY_KIND = """
import probe
probe.frame(0)
probe.frame(7, scheduled_ns=100, captured_ns=110, pts_ns=33, source_index=5)
with probe.stage("infer", frame=7, queue_ns=4) as s:
    s.bytes_in = 10
    s.bytes_out = s.bytes_in * 2
    with probe.stage("", 8, bytes_in=1):
        pass
try:
    with probe.stage("infer") as s:
        s.frame, s.queue_ns = 9, 12
        raise KeyError
except KeyError:
    pass
probe.mark("delivered", 7, t_ns=200, output=3)
probe.mark("dropped", frame=8, t_ns=201, stage="infer", text="full: \\u2717" * 20)
probe.mark("temperature", t_ns=202, value=-3)
probe.mark("temperature", t_ns=203, value=2.5)
probe.mark("temperature", t_ns=204, value=-0.0)
probe.mark("temperature", t_ns=205, value=True)
probe.mark("Z\\u00fcrich " * 200, t_ns=206)
probe.mark("\\ud800", t_ns=207)
probe.mark("x" * 1024, t_ns=208)
"""


def test_every_kind_of_record(program: Program) -> None:
    program.run(EVERY_KIND)
    found = program.tape()
    name = found.names.__getitem__
    records = [r for r in found.records if r["kind"] != tape.DEFINE]
    now, frame, inner, outer, raised = records[:5]
    assert (now["kind"], now["frame"], now["t0"], now["b"]) == (tape.FRAME, 0, tape.NULL, tape.NULL)
    assert found.header.monotonic_ns - 10**9 < now["t1"] <= found.records[-1]["t0"] + 10**18
    assert frame.tolist()[4:10] == (100, 110, 7, 33, 5, tape.NULL)
    assert (inner["kind"], name(inner["name"]), inner["frame"], inner["b"]) == (tape.SPAN, "", 8, 1)
    assert (name(outer["name"]), outer["frame"]) == ("infer", 7)
    assert (outer["a"], outer["b"], outer["c"]) == (4, 10, 20)
    assert outer["t0"] <= inner["t0"] <= inner["t1"] <= outer["t1"]
    assert (raised["flags"], raised["frame"], raised["a"]) == (tape.FLAG_RAISED, 9, 12)
    delivered, dropped, whole, half, zero, true, *named = records[5:]
    assert delivered.tolist()[4:10] == (200, tape.NULL, 7, 0, 0, 3)
    assert (name(dropped["a"]), name(dropped["b"])) == ("infer", "full: \u2717" * 20)
    assert (whole["flags"], whole["t1"], true["flags"], true["t1"]) == (0, -3, 0, 1)
    assert half["flags"] == zero["flags"] == tape.FLAG_FLOAT
    assert np.array([half["t1"], zero["t1"]]).view("f8").tolist() == [2.5, 0.0]
    long, odd, exact = (name(record["name"]) for record in named)
    assert ("Z\u00fcrich " * 200).startswith(long)
    assert 1020 < len(long.encode()) <= tape.MAX_NAME_BYTES
    assert (odd, exact) == ("?", "x" * 1024)


def without_clock(path: Path) -> bytes:
    data = bytearray(path.read_bytes())
    data[20:48] = bytes(28)  # pid, tid, both clocks
    data[60:64] = bytes(4)  # the writer
    records = np.frombuffer(data, tape.record_dtype(), offset=tape.HEADER_BYTES)
    read_now = (records["kind"] == tape.SPAN) | (records["t0"] > 10**6)
    for field, chosen in (("t0", read_now), ("t1", records["kind"] == tape.SPAN)):
        records[field][chosen] = 1
    now = (records["kind"] == tape.FRAME) & (records["t1"] > 10**6)
    records["t1"][now] = 1
    return bytes(data)


ODD = """
import probe, sys
class Seven:
    def __index__(self): return 7
class Text(str): pass
for value in (None, Seven(), 2**63, -2**63, 2**63 - 1, "x", 1.5, b"", [], True):
    probe.frame(value, scheduled_ns=value, captured_ns=1, pts_ns=value)
    probe.mark("odd", frame=value, t_ns=1, value=value, output=value)
    with probe.stage("odd", frame=value, queue_ns=value): pass
for text in (None, 5, b"name", [], Text("odd"), Text("new"), "", "t" * 5000, "\\udcff"):
    probe.mark(text, t_ns=1, stage=text, text=text)
    with probe.stage(text): pass
for value in (float("nan"), float("inf"), 1e308):
    probe.mark("odd", t_ns=1, value=value)
for k in range(9000):
    probe.mark(f"name {k % 4500}", t_ns=k, text=f"text {k}")
print(probe.frame("as it was"))
"""


@pytest.mark.skipif(find_spec("probe.recorder._pen") is None, reason="the C recorder is not built")
@pytest.mark.parametrize("code", [EVERY_KIND, ODD], ids=["usual", "odd"])
def test_both_recorders_write_the_same_bytes(tmp_path: Path, code: str) -> None:
    written = []
    for writer in WRITERS:
        program = Program(tmp_path / writer, writer)
        program.run(code)
        written.append(without_clock(program.tape().path))
    assert len(written[0]) > 2_000
    assert written[0] == written[1]


def test_a_value_that_no_field_holds_is_left_out_and_said_once(program: Program) -> None:
    output, complaint = program.run(ODD)
    assert output == "as it was\n"
    assert complaint.count("\n") == 1
    assert complaint.startswith("liveprobe: a int that is not within 64 bits was left out")
    found = program.tape()
    frames = found.records[found.records["kind"] == tape.FRAME]["frame"].tolist()
    nothing = tape.NULL
    assert frames[:10] == [nothing, 7, nothing, nothing, 2**63 - 1, *[nothing] * 4, 1]


def test_names_without_end_do_not_fill_the_memory(program: Program) -> None:
    code = """
import probe
from probe.recorder import chunks
for k in range(10_000):
    probe.mark(f"name {k}", frame=k, text=f"text {k}" )
from probe.recorder.listening import _tapes
(file,) = _tapes._open.values()
assert max(len(file.names), len(file.texts)) <= chunks.MAX_INTERNED
"""
    program.run(code)
    found = program.tape()
    marks = found.records[found.records["kind"] == tape.MARK]
    assert marks["frame"].tolist() == list(range(10_000))
    assert all(found.names[m["name"]] == f"name {k}" for k, m in enumerate(marks))
    assert all(found.names[m["b"]] == f"text {k}" for k, m in enumerate(marks))


def test_a_fact_of_many_parts(program: Program) -> None:
    program.run("import probe; probe.mark('fact:big', text='\u00e9' * 500_000)")
    found = program.tape()
    assert found.names[found.records[-1]["b"]] == "\u00e9" * 500_000


def shape(function: Callable[..., object]) -> list[tuple[str, object, object]]:
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters]


@pytest.mark.parametrize("name", ["stage", "frame", "mark"])
def test_all_have_the_same_signature(name: str) -> None:
    assert shape(getattr(silence, name)) == shape(getattr(pen, name))
    if find_spec("probe.recorder._pen") is not None:
        from probe.recorder import _pen

        assert shape(getattr(_pen, name)) == shape(getattr(pen, name))


def test_a_wrong_call_is_a_type_error_as_without_liveprobe(program: Program) -> None:
    code = """
import probe
for call in (
    lambda: probe.stage(), lambda: probe.stage("a", nonsense=1), lambda: probe.stage("a", 1, 2),
    lambda: probe.frame(), lambda: probe.frame(1, 2), lambda: probe.frame(1, k=1),
    lambda: probe.mark(), lambda: probe.mark("a", 1, 2), lambda: probe.mark("a", 1, frame=2),
):
    try:
        call()
    except TypeError:
        continue
    raise SystemExit("no TypeError")
try:
    probe.stage("a").nonsense = 1
except AttributeError:
    print("refused")
"""
    assert program.run(code)[0] == "refused\n"
    assert program.run(code, LIVEPROBE_TAPE="")[0] == "refused\n"


def test_the_choice_of_a_recorder_is_explained(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["probe.recorder._pen"] = None
import probe
"""
    for choice, why in (("c", "LIVEPROBE_RECORDER=c, but"), ("fast", "say 'c', 'python'")):
        process = Program(tmp_path / "tapes", choice).start(code)
        assert why in process.communicate(timeout=60)[1]
        assert process.returncode == 1
    fallback = Program(tmp_path / "tapes", "")
    fallback.run(code + "probe.mark('x')\n")
    (found,) = tape.read_all(fallback.folder)[0]
    assert found.header.writer == tape.WRITER_PYTHON


# ---- how a program ends ----


def test_sigkill_loses_no_finished_record(program: Program) -> None:
    code = """
import os, probe
k = 0
while True:
    for _ in range(97):
        with probe.stage("a stage with a name of more than forty bytes, in parts", frame=k):
            pass
        probe.mark(f"mark {k % 5}", frame=k)
        k += 1
    os.write(1, k.to_bytes(8, "little"))
"""
    chance = random.Random(1)  # noqa: S311
    for _ in range(12):
        with program.start(code) as process:
            assert process.stdout is not None
            pipe = process.stdout.buffer
            told = pipe.read(8 * chance.randrange(1, 300))
            process.kill()
            told += pipe.read()
        finished = int.from_bytes(told[-8:], "little")
        found = program.tape()
        assert found.header.state == tape.RECORDING
        assert found.torn <= 1
        spans = found.records[found.records["kind"] == tape.SPAN]["frame"]
        marks = found.records[found.records["kind"] == tape.MARK]["frame"]
        assert len(spans) + len(marks) + found.header.lost >= 2 * finished
        assert set(np.diff(found.records["sequence"]).tolist()) == {1}
        if found.header.lost == 0:
            assert spans.tolist() == list(range(len(spans)))
            assert marks.tolist() == list(range(len(marks)))
        found.path.unlink()


def test_a_tape_that_ends_well_is_closed_and_cut(program: Program) -> None:
    program.run(LOOP, 100)
    found = program.tape()
    assert found.header.state == tape.CLOSED
    assert found.path.stat().st_size == tape.HEADER_BYTES + 101 * tape.RECORD_BYTES


def test_an_exception_that_ends_the_program_is_on_tape(program: Program) -> None:
    process = program.start("import probe\nwith probe.stage('work'): raise SystemExit(3)")
    process.communicate(timeout=60)
    assert process.returncode == 3
    assert of(program.tape(), "work")["flags"].tolist() == [tape.FLAG_RAISED]


def test_daemon_threads_that_record_to_the_end_do_no_harm(program: Program) -> None:
    code = """
import probe, threading
ready = threading.Barrier(5)
def work():
    ready.wait()
    while True:
        with probe.stage("work"):
            pass
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
ready.wait()
for k in range(2000):
    probe.mark("main")
"""
    for _ in range(5):
        assert program.run(code) == ("", "")
    assert len(program.tapes()) >= 5


def test_records_made_while_the_interpreter_ends(program: Program) -> None:
    code = """
import atexit
atexit.register(lambda: probe.mark("late"))
import probe
class Last:
    def __del__(self):
        with probe.stage("last"):
            pass
probe.mark("early")
last = Last()
"""
    assert program.run(code) == ("", "")
    names = {name for found in program.tapes() for name in found.names.values()}
    assert {"early", "late"} <= names


# ---- processes and threads ----


def test_fork_in_the_middle(program: Program) -> None:
    code = """
import os, probe, sys
probe.mark("before", frame=0)
with probe.stage("across"):
    child = os.fork()
    probe.mark("after", frame=child)
if child:
    assert os.waitpid(child, 0)[1] == 0
    probe.mark("parent")
else:
    probe.mark("child")
    sys.exit(0)
"""
    program.run(code)
    parent, child = sorted(program.tapes(), key=lambda found: "child" in found.names.values())
    assert parent.header.pid != child.header.pid
    assert parent.header.state == child.header.state == tape.CLOSED
    assert [len(of(parent, name)) for name in ("before", "after", "across", "parent")] == [1] * 4
    assert [len(of(child, name)) for name in ("before", "after", "across", "child")] == [0, 1, 1, 1]
    assert of(parent, "across")["t0"] == of(child, "across")["t0"]


def test_fork_on_one_thread_while_others_record(program: Program) -> None:
    code = """
import os, probe, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: fork beside threads
stop = threading.Event()
def work():
    while not stop.is_set():
        probe.mark("thread")
        stop.wait(0.0002)
def forking():
    for k in range(5):
        probe.mark("forking", frame=k)
        child = os.fork()
        if not child:
            probe.mark("child", frame=k)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
workers = [threading.Thread(target=work) for _ in range(3)]
for worker in workers:
    worker.start()
forker = threading.Thread(target=forking)
forker.start()
forker.join()
stop.set()
for worker in workers:
    worker.join()
"""
    program.run(code)
    found = program.tapes()
    children = [one for one in found if "child" in one.names.values()]
    own = [one for one in found if one not in children]
    assert [len(of(one, "child")) for one in children] == [1] * 5
    assert {one.header.state for one in children} == {tape.RECORDING}  # os._exit runs nothing
    assert {one.header.state for one in own} == {tape.CLOSED}
    assert len(own) == 4
    assert sum(len(of(one, "forking")) for one in own) == 5


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(program: Program, tmp_path: Path, method: str) -> None:
    script = tmp_path / "workers.py"
    script.write_text("""
import multiprocessing, os, probe, sys
def work(k):
    with probe.stage("work", frame=k):
        return os.getpid()
if __name__ == "__main__":
    probe.mark("main")
    context = multiprocessing.get_context(sys.argv[1])
    workers = [context.Process(target=work, args=(k,)) for k in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
""")
    subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", script, method],
        env=environment(program.folder, program.writer),
        check=True,
        timeout=60,
    )
    workers = [found for found in program.tapes() if "work" in found.names.values()]
    assert sorted(int(of(found, "work")["frame"][0]) for found in workers) == [0, 1, 2]
    assert len({found.header.pid for found in workers}) == 3
    assert {found.header.state for found in program.tapes()} == {tape.CLOSED}


def test_each_thread_has_a_tape_with_its_name(program: Program) -> None:
    code = """
import probe, threading
def work(number):
    for k in range(400):
        with probe.stage(f"stage {k % 7}", frame=number * 1000 + k):
            pass
threads = [threading.Thread(target=work, args=(n,), name=f"F\\u00e4den {n} " + "\\u00e9" * 40)
           for n in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
import os, pathlib
print(sum(path.stat().st_size for path in pathlib.Path(os.environ["LIVEPROBE_TAPE"]).iterdir()))
print(len(list(pathlib.Path("/proc/self/fd").iterdir())))
"""
    output, _ = program.run(code)
    found = program.tapes()
    assert len(found) == 16
    for one in found:
        frames = one.records[one.records["kind"] == tape.SPAN]["frame"]
        number = int(frames[0]) // 1000
        assert frames.tolist() == [number * 1000 + k for k in range(400)]
        assert one.header.thread.startswith(f"F\u00e4den {number} \u00e9")
        assert one.header.thread.endswith("\u00e9")
        assert one.header.state == tape.CLOSED
    bytes_on_disk, descriptors = map(int, output.split())
    assert bytes_on_disk == 16 * (tape.HEADER_BYTES + 407 * tape.RECORD_BYTES)
    assert descriptors < 16  # a thread that ended holds none


def test_a_thread_of_native_code_keeps_one_tape(program: Program) -> None:
    if not hasattr(ctypes.CDLL(None), "pthread_create"):
        pytest.skip("this libc has no pthread_create")
    code = """
import ctypes, probe
libc = ctypes.CDLL(None)
made = ctypes.c_ulong()
@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def work(_):
    libc.prctl(15, b"native")
    for k in range(50):
        probe.mark("native", frame=k)
probe.mark("main")
assert libc.pthread_create(ctypes.byref(made), None, work, None) == 0
libc.pthread_join(made, None)
"""
    program.run(code)
    (native,) = (found for found in program.tapes() if "native" in found.names.values())
    assert of(native, "native")["frame"].tolist() == list(range(50))
    assert native.header.thread == "native"
    assert native.header.state == tape.CLOSED


def test_a_signal_handler_may_record(program: Program) -> None:
    code = """
import probe, signal
count = 0
def handler(number, stack):
    global count
    probe.mark("signal", frame=count, text=f"signal {count}")
    with probe.stage(f"handler {count % 3}", frame=count):
        count += 1
signal.signal(signal.SIGALRM, handler)
probe.frame(0)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
k = 0
while count < 300:
    with probe.stage("work", frame=k):
        k += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(k, count)
"""
    output, _ = program.run(code)
    spans, signals = map(int, output.split())
    found = program.tape()
    assert found.torn == 0
    marks = of(found, "signal")
    handlers = np.concatenate([of(found, f"handler {n}") for n in range(3)])
    assert {found.names[mark["b"]] for mark in marks} == {f"signal {k}" for k in marks["frame"]}
    assert len(of(found, "work")) + len(marks) + len(handlers) + found.header.lost == (
        spans + 2 * signals
    )
    assert set(of(found, "work")["frame"].tolist()) <= set(range(spans + 1))


def test_a_signal_handler_that_gets_a_stretch_ahead(program: Program) -> None:
    code = """
import probe, signal
from probe.recorder import chunks
from mmap import ALLOCATIONGRANULARITY
chunks.CHUNK_BYTES = ALLOCATIONGRANULARITY
signal.signal(signal.SIGUSR1, lambda *_: probe.mark("handler"))
class Interrupted(chunks.deque):
    told = False
    def popleft(self):
        stretch = super().popleft()
        if not self.told:
            self.told = True
            signal.raise_signal(signal.SIGUSR1)
        return stretch
probe.mark("work", frame=0)
from probe.recorder.listening import _tapes
(file,) = _tapes._open.values()
file._stretches = Interrupted(file._stretches)
step = file._stretches[0].first - 1
for k in range(1, step):
    probe.mark("work", frame=k)
print(step)
"""
    step = int(program.run(code)[0])
    found = program.tape()
    assert of(found, "work")["frame"].tolist() == list(range(step))
    assert len(of(found, "handler")) == 1
    assert found.torn == 0


def test_a_signal_handler_that_records_while_the_tape_is_being_made(program: Program) -> None:
    code = """
import os, probe, signal
real = os.posix_fallocate
def interrupted(*args):
    signal.raise_signal(signal.SIGUSR1)
    real(*args)
os.posix_fallocate = interrupted
signal.signal(signal.SIGUSR1, lambda *_: probe.mark("handler"))
probe.mark("first")
probe.mark("second")
"""
    program.run(code)
    found = program.tape()
    assert [len(of(found, name)) for name in ("handler", "first", "second")] == [0, 1, 1]


# ---- the disk ----

SMALL_CHUNKS = """
import os, sys, threading, time
import probe
from probe.recorder import chunks
from mmap import ALLOCATIONGRANULARITY
chunks.CHUNK_BYTES = ALLOCATIONGRANULARITY
"""


def test_a_disk_that_hangs_does_not_hold_up_the_program(program: Program) -> None:
    code = f"""{SMALL_CHUNKS}
free, asked = threading.Event(), threading.Event()
real = os.posix_fallocate
def hanging(descriptor, start, size):
    if start:
        asked.set()
        assert free.wait(60)
    real(descriptor, start, size)
os.posix_fallocate = hanging
count = 2 * ALLOCATIONGRANULARITY // 64
for k in range(count):
    probe.mark("work", frame=k)
assert asked.wait(60)
from probe.recorder.listening import _tapes
(file,) = _tapes._open.values()
lost = int.from_bytes(file._header[48:56], "little")
free.set()
deadline = time.monotonic() + 60
while not file._stretches:
    assert time.monotonic() < deadline
    time.sleep(0.001)
for k in range(count, count + 10):
    probe.mark("work", frame=k)
print(lost, count)
"""
    lost, count = map(int, program.run(code)[0].split())
    found = program.tape()
    kept = count - lost
    assert lost > count / 3
    assert found.header.lost == lost
    expected = [*range(kept), *range(count, count + 10)]
    assert of(found, "work")["frame"].tolist() == expected


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"tmpfs{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=30, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount")
        if done.returncode:
            pytest.skip("a tmpfs cannot be mounted here (it needs root)")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


def stopped(program: Program, count: int, complaint: str) -> None:
    assert complaint.count("\n") == 1
    assert complaint.startswith("liveprobe: recording stopped, the program goes on: ")
    found = program.tape()
    assert found.header.state == tape.STOPPED
    assert found.header.lost > 0
    frames = of(found, "work")["frame"].tolist()
    assert len(frames) + found.header.lost == count
    assert frames == sorted(frames)


def test_a_full_disk_stops_the_recording_only(
    program: Program, tmpfs: Callable[[str], Path]
) -> None:
    program.folder = tmpfs("size=6m")
    output, complaint = program.run(LOOP, 150_000)
    assert output == "done\n"
    stopped(program, 150_000, complaint)
    assert "No space left" in complaint


def test_a_disk_too_full_for_a_chunk(program: Program, tmpfs: Callable[[str], Path]) -> None:
    program.folder = tmpfs("size=1m")
    _, complaint = program.run(LOOP, 50)
    stopped(program, 50, complaint)


def test_a_disk_too_full_for_a_header(program: Program, tmpfs: Callable[[str], Path]) -> None:
    program.folder = tmpfs("size=64k")
    (program.folder / "ballast").write_bytes(bytes(64 << 10))
    output, complaint = program.run(LOOP, 50)
    assert output == "done\n"
    assert complaint.startswith("liveprobe: not recording, the program goes on: ")
    assert program.tapes() == []


def test_a_file_size_limit_stops_the_recording_only(program: Program) -> None:
    code = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (6 << 20, 6 << 20))\n" + LOOP
    output, complaint = program.run(code, 150_000)
    assert output == "done\n"
    stopped(program, 150_000, complaint)


def test_the_limit_of_a_tape(program: Program) -> None:
    _, complaint = program.run(LOOP, 150_000, LIVEPROBE_TAPE_LIMIT=str(6 << 20))
    stopped(program, 150_000, complaint)
    assert "LIVEPROBE_TAPE_LIMIT" in complaint
    assert program.tape().path.stat().st_size == 6 << 20


@pytest.mark.parametrize("kind", ["missing", "a file", "read-only"])
def test_a_folder_that_cannot_be_written(
    program: Program, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "missing":
        program.folder.rmdir()
    elif kind == "a file":
        program.folder.rmdir()
        program.folder.touch()
    elif os.geteuid():
        program.folder.chmod(0o500)
    else:  # root writes where it likes, but not here
        program.folder = request.getfixturevalue("tmpfs")("ro")
    code = (
        LOOP
        + """
import threading
threads = [threading.Thread(target=lambda: probe.mark("x")) for _ in range(3)]
for thread in threads:
    thread.start()
"""
    )
    output, complaint = program.run(code, 10)
    assert output == "done\n"
    assert complaint.startswith("liveprobe: not recording, the program goes on: ")
    assert complaint.count("\n") == 1


def test_without_fallocate_zeros_are_written(program: Program) -> None:
    code = """
import errno, os
def unsupported(*_):
    raise OSError(errno.EOPNOTSUPP, "not here")
os.posix_fallocate = unsupported
"""
    program.run(code + LOOP, 5_000)
    found = program.tape()
    assert len(of(found, "work")) + found.header.lost == 5_000


def test_a_tape_that_is_removed_or_cut_does_no_harm(program: Program) -> None:
    code = f"""{SMALL_CHUNKS}
probe.mark("first")
found_out, extend = threading.Event(), chunks.TapeFile.extend
def noticed(tape_file):
    extend(tape_file)
    found_out.set()
chunks.TapeFile.extend = noticed
(path,) = os.scandir(os.environ["LIVEPROBE_TAPE"])
os.unlink(path)
for k in range(1000):
    probe.mark("work", frame=k)
assert found_out.wait(30)
"""
    _, complaint = program.run(code)
    assert complaint.count("\n") == 1
    assert program.tapes() == []
