from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.copies import library
from probe import engine, interrupts, spent, store, tables
from probe.child import Child
from probe.errors import EnvironmentUnmet, Interrupted, NoData, RunError, UsageError
from probe.sampling import Sampling
from probe.scenario import Scenario

PACED = """
import time, probe
period = 10_000_000
begin = time.perf_counter_ns()
for k in range({count}):
    due = begin + k * period
    time.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
    probe.frame(k, scheduled_ns=due)
    with probe.stage("infer", frame=k):
        pass
    probe.mark("delivered", frame=k)
"""


def scenario(code: str, **run: Any) -> Scenario:
    settings = {"warmup": "0s", "collectors": [], **run}
    command = [sys.executable, "-c", code]
    return Scenario.model_validate(
        {"name": "t", "mode": "command", "run": settings, "program": {"command": command}}
    )


def measured(path: Path) -> store.Run:
    run = store.Run.open(path)
    assert not list(path.glob("*.partial"))
    return run


def test_a_program_that_speaks_becomes_a_run(tmp_path: Path) -> None:
    phases: list[engine.Phase] = []
    path = engine.measure(
        scenario(PACED.format(count=30), collectors=["cpu"]),
        tmp_path,
        progress=lambda progress: phases.append(progress.phase),
    )
    run = measured(path)
    assert run.manifest["state"] == "complete"
    assert run.manifest["program"]["outcome"] == "ended"
    assert len(run.table("frames")) == len(run.table("outputs")) == len(run.table("spans")) == 30
    assert set(run.table("spans")["stage"]) == {"infer"}
    assert [entry["name"] for entry in run.manifest["collectors"]] == ["cpu"]
    assert run.table("samples")["track"].str.startswith("cpu.").all()
    assert phases[-1] is engine.Phase.FINALISING
    folder = Path(run.manifest["tapes"]["folder"])
    assert not folder.exists(), "tapes are removed once their tables are written"


class Clock:
    """A child and its tapes in a time of their own: the one waits, the others grow."""

    def __init__(self, gap_ns: int) -> None:
        self.now, self.started_ns, self.gap_ns = 10**9, 10**9, gap_ns
        self.first_ns: int | None = 10**9
        self.exit_code = 0

    def records(self) -> int:
        return self.now // self.gap_ns

    def running(self) -> bool:
        return self.now < 60 * 10**9

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * 1e9) - self.now % 3_000_000  # never quite when it should

    def stop(self, patience_s: float) -> None:
        self.exit_code = 1


@pytest.mark.parametrize(("gap_s", "outcome"), [(1.7, "ended"), (2.6, "timed out")])
def test_a_program_that_says_something_just_in_time_does_not_hang(
    gap_s: float, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock: Any = Clock(round(gap_s * 1e9))
    monkeypatch.setattr(engine, "Watch", lambda tapes: clock)
    monkeypatch.setattr(engine.time, "monotonic_ns", lambda: clock.now)
    given = scenario("", hang="2s")
    session: Any = types.SimpleNamespace(
        scenario=given, tapes=tmp_path, manifest={"bounds": {"duration_ns": None, "warmup_ns": None,
        "drain_ns": None}}, progress=lambda _: None, until=None, note=lambda _: None,
        wish=types.SimpleNamespace(asked=False),
    )  # fmt: skip
    assert engine._until_over(session, clock, Sampling([])) == outcome


def test_the_cost_of_the_harness_has_its_tools_in_it_and_the_program_not(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < {}: pass"
    tool = [sys.executable, "-S", "-c", burn.format(0.1)]

    def ask(now: engine.Progress) -> None:
        if now.phase is engine.Phase.FINALISING:
            subprocess.run(tool, check=True)

    before = spent.of_everything_ns()
    path = engine.measure(scenario(burn.format(0.3)), tmp_path, progress=ask)
    manifest = measured(path).manifest
    program, cost = manifest["program"]["cpu_ns"], manifest["harness"]["cpu_ns"]
    assert program >= 300_000_000
    assert cost >= 100_000_000
    assert cost + program <= spent.of_everything_ns() - before, "nothing counts twice"


def test_a_silent_program_is_watched_all_the_same(tmp_path: Path) -> None:
    run = measured(engine.measure(scenario("print('hello')"), tmp_path))
    assert run.manifest["state"] == "complete"
    assert run.manifest["window"] is None
    assert (run.path / "program.out").read_text() == "hello\n"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("ending", "exit_code", "signal_name"),
    [
        ("raise SystemExit(3)", 3, None),
        ("import os; os.kill(os.getpid(), 9)", None, "SIGKILL"),
        ("raise ValueError('no')", 1, None),
    ],
)
def test_a_program_that_dies_leaves_what_it_measured(
    ending: str, exit_code: int | None, signal_name: str | None, tmp_path: Path
) -> None:
    run = measured(engine.measure(scenario(PACED.format(count=20) + ending), tmp_path))
    program = run.manifest["program"]
    assert run.manifest["state"] == "program failed"
    assert (program["outcome"], program["exit_code"], program["signal"]) == (
        "crashed", exit_code, signal_name,
    )  # fmt: skip
    assert len(run.table("frames")) == 20
    assert "program" in set(run.table("events")["kind"])


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    code = PACED.format(count=5) + "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    run = measured(engine.measure(scenario(code, hang="1s"), tmp_path))
    assert run.manifest["program"]["outcome"] == "timed out"
    assert run.manifest["state"] == "program failed"
    assert run.manifest["program"]["signal"] in {"SIGTERM", "SIGKILL"}
    assert len(run.table("frames")) == 5


def test_a_program_without_an_end_is_stopped_after_its_time(tmp_path: Path) -> None:
    run = measured(engine.measure(scenario(PACED.format(count=10**6), duration="0.5s"), tmp_path))
    assert run.manifest["program"]["outcome"] == "stopped"
    assert run.manifest["state"] == "complete"
    window = run.manifest["window"]
    assert window["end_ns"] - window["start_ns"] == 500_000_000
    assert run.table("frames")["measured"].sum() == 50


def test_rubbish_on_the_tape_folder_does_no_harm(tmp_path: Path) -> None:
    code = (
        "import os; d = os.environ['LIVEPROBE_TAPE']\n"
        "open(d + '/1-1-1.tape', 'wb').write(os.urandom(5000))\n"
        "open(d + '/1-2-1.tape', 'wb')\n"
        "os.mkdir(d + '/1-3-1.tape')\n"
    )
    run = measured(engine.measure(scenario(code + PACED.format(count=5)), tmp_path))
    assert len(run.manifest["tapes"]["rejected"]) == 3
    assert len(run.table("frames")) == 5


def test_an_interrupt_keeps_what_was_measured(tmp_path: Path) -> None:
    begun = threading.Event()

    def interrupt_once(progress: engine.Progress) -> None:
        if progress.phase is not engine.Phase.LOADING and not begun.is_set():
            begun.set()
            os.kill(os.getpid(), signal.SIGINT)

    run = measured(
        engine.measure(scenario(PACED.format(count=10**6)), tmp_path, progress=interrupt_once)
    )
    assert run.manifest["state"] == "interrupted"
    assert run.manifest["program"]["outcome"] == "interrupted"
    assert len(run.table("frames")) > 0


AT: dict[str, tuple[Any, str]] = {
    "attaching": (Sampling, "attach"),
    "starting": (Sampling, "start"),
    "ended": (Child, "close"),
    "stopping": (Sampling, "stop"),
    "writing": (tables, "finalise"),
    "written": (store, "discard_tapes"),
}


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Return what lets Ctrl-C be pressed so often when a moment of `AT` comes."""

    def at(moment: str, times: int) -> None:
        owner, name = AT[moment]
        real, left = getattr(owner, name), [times]
        monkeypatch.setattr(interrupts, "ONE_WISH_S", 0)  # as if it took long to press again

        def pressed(*given: Any, **more: Any) -> Any:
            while left[0]:
                left[0] -= 1
                signal.raise_signal(signal.SIGINT)
            return real(*given, **more)

        monkeypatch.setattr(owner, name, pressed)

    return at


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_before_the_program_leaves_nothing(
    times: int, press: Callable[[str, int], None], tmp_path: Path
) -> None:
    press("attaching", times)
    with pytest.raises(KeyboardInterrupt) as told:
        engine.measure(scenario(PACED.format(count=20)), tmp_path)
    assert not isinstance(told.value, Interrupted)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_waits_for_no_collector_that_is_being_attached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pressed, over, waited = threading.Event(), threading.Event(), threading.Event()

    def slow(_: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        pressed.set()
        over.wait(15)
        waited.set()

    monkeypatch.setattr(library, "built", lambda: tmp_path / "none.so")
    monkeypatch.setattr(library, "try_out", slow)
    with pytest.raises(KeyboardInterrupt):
        engine.measure(scenario("pass", collectors=["copies"]), tmp_path / "runs")
    assert pressed.is_set()
    assert not waited.is_set()
    over.set()
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_as_the_program_begins_is_told_by_the_run(
    times: int, press: Callable[[str, int], None], tmp_path: Path
) -> None:
    press("starting", times)
    run = measured(engine.measure(scenario("import time; time.sleep(60)"), tmp_path))
    assert run.manifest["state"] == run.manifest["program"]["outcome"] == "interrupted"
    assert "interrupted" in set(run.table("events")["text"])


@pytest.mark.parametrize("moment", ["ended", "stopping", "writing", "written"])
def test_an_interrupt_after_the_program_has_ended_leaves_a_whole_run(
    moment: str, press: Callable[[str, int], None], tmp_path: Path
) -> None:
    press(moment, 1)
    with pytest.raises(Interrupted) as told:
        engine.measure(scenario(PACED.format(count=20), collectors=["cpu"]), tmp_path)
    run = measured(told.value.path)
    assert told.value.whole
    assert (run.manifest["state"], run.manifest["program"]["outcome"]) == ("complete", "ended")
    assert [each["outcome"] for each in run.manifest["collectors"]] == ["ok"]
    assert len(run.table("frames")) == 20


@pytest.mark.parametrize(
    ("moment", "state"), [("ended", "interrupted"), ("stopping", "interrupted"),
                          ("writing", "complete")]
)  # fmt: skip
def test_a_second_interrupt_ends_at_once_and_says_how_to_go_on(
    moment: str, state: str, press: Callable[[str, int], None], tmp_path: Path
) -> None:
    press(moment, 2)
    with pytest.raises(Interrupted) as told:
        engine.measure(scenario(PACED.format(count=20), collectors=["cpu"]), tmp_path)
    path = told.value.path
    assert str(path) in told.value.message
    assert told.value.remedy == f"`liveprobe audit {path}` goes on from there"
    assert not told.value.whole
    assert store.read_manifest(path)["state"] == "running"
    run = tables.finalise(path)
    assert run.manifest["state"] == state
    assert len(run.table("frames")) == 20
    if moment != "stopping":  # where the last reading was not taken
        assert run.table("samples")["track"].str.startswith("cpu.").any()
    store.discard_tapes(path, path.name, tables.tape_folder(path, run.manifest))


def test_a_terminal_that_is_closed_hangs_up_twice_and_the_program_still_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = """
import signal, sys
def end(number, frame):
    print("asked to end", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
"""
    begun = threading.Event()

    def hang_up(progress: engine.Progress) -> None:
        if progress.phase is not engine.Phase.LOADING and not begun.is_set():
            begun.set()
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGHUP)

    monkeypatch.setattr(interrupts, "ONE_WISH_S", 60)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        program = scenario(ends + PACED.format(count=10**6))
        run = measured(engine.measure(program, tmp_path, progress=hang_up))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert run.manifest["state"] == run.manifest["program"]["outcome"] == "interrupted"
    assert (run.path / "program.out").read_text() == "asked to end\n"
    assert run.manifest["program"]["signal"] is None


def test_a_signal_that_is_to_be_ignored_stays_ignored(tmp_path: Path) -> None:
    """As `nohup` asks for SIGHUP, and a shell for SIGINT in the background."""
    begun = threading.Event()

    def hang_up_once(progress: engine.Progress) -> None:
        if progress.phase is not engine.Phase.LOADING and not begun.is_set():
            begun.set()
            signal.raise_signal(signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        path = engine.measure(scenario(PACED.format(count=20)), tmp_path, progress=hang_up_once)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert measured(path).manifest["state"] == "complete"


def test_a_killed_harness_leaves_a_run_that_recovers_and_no_program(tmp_path: Path) -> None:
    code, cpu = PACED.format(count=10**6), ["cpu"]
    document = scenario(code, duration="60s", collectors=cpu).document()
    text = (
        "from pathlib import Path; from probe import engine; from probe.scenario import Scenario\n"
        f"scenario = Scenario.of_document({document!r}); engine.SPILL_NS = 0\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "engine.measure(scenario, folder, progress=lambda p: print(p.phase, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True
    ) as harness:
        assert harness.stdout is not None
        while "warm-up" not in (line := harness.stdout.readline()) and "measuring" not in line:
            assert line, "the harness ended by itself"
        (path,) = tmp_path.iterdir()
        with pytest.raises(RunError, match="being measured"):
            tables.finalise(path)
        pid = store.read_manifest(path)["program"]["pid"]
        folder = tables.tape_folder(path, store.read_manifest(path))
        spill, until = folder / store.SPILL, time.monotonic() + 30
        while not spill.exists() or not spill.stat().st_size:
            assert time.monotonic() < until, "no collector's reading was spilled"
            time.sleep(0.01)
        harness.kill()
    until = time.monotonic() + 30
    while pid is not None and Path(f"/proc/{pid}/stat").exists():
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":
            break
        assert time.monotonic() < until, "the program outlived the harness"
        time.sleep(0.01)
    run = tables.finalise(path)
    assert run.manifest["state"] == "interrupted"
    assert len(run.table("frames")) > 0
    assert run.table("samples")["track"].str.startswith("cpu.").any()
    store.discard_tapes(path, path.name, folder)
    assert not folder.exists()


def test_a_program_that_cannot_be_put_on_record_is_not_left_running(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real, pids = store.write_json, list[int]()

    def full(file: Path, document: dict[str, Any]) -> None:
        if (document.get("program") or {}).get("pid") is not None:
            pids.append(document["program"]["pid"])
            raise EnvironmentUnmet("run.json: no space left on device")
        real(file, document)

    monkeypatch.setattr(store, "write_json", full)
    with pytest.raises(EnvironmentUnmet, match="no space left"):
        engine.measure(scenario("import time; time.sleep(60)"), tmp_path)
    (pid,) = pids
    assert not Path(f"/proc/{pid}").exists()
    assert list(tmp_path.iterdir()) == []


def test_impossible_requests_leave_nothing_behind(tmp_path: Path) -> None:
    missing = scenario("").model_copy(
        update={"program": scenario("").program.model_copy(update={"command": ["no-such-thing"]})}
    )
    with pytest.raises(UsageError, match="no such program"):
        engine.measure(missing, tmp_path)
    with pytest.raises(UsageError, match="no collector nonsense"):
        engine.measure(scenario("", collectors=["nonsense"]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_asked_for_by_name_and_cannot_be_had_is_told_before_the_program_starts(
    tmp_path: Path,
) -> None:
    meter, began, runs = tmp_path / "meter.csv", tmp_path / "began", tmp_path / "runs"
    collectors = ["cpu", "power_meter", "onnxruntime"]
    program = {"command": [sys.executable, "-c", f"open({str(began)!r}, 'w')"]}
    run = {"warmup": "0s", "collectors": collectors}

    def refused(**asked: Any) -> EnvironmentUnmet:
        plain = {"name": "t", "mode": "command", "run": run, "program": program}
        made = Scenario.model_validate({**plain, **asked})
        with pytest.raises(EnvironmentUnmet) as caught:
            engine.measure(made, runs)
        return caught.value

    missing = refused(power_meter={"path": str(meter)})
    assert "power_meter.path meter.csv: No such file" in missing.message
    assert "before the run" in (missing.remedy or "")
    meter.write_text("when,what\n1,2\n")
    both = refused(power_meter={"path": str(meter)}, operators={"read": [str(tmp_path)]})
    assert "operators.read: " in both.message
    assert "; power_meter: no column time" in both.message
    assert not began.exists()
    assert list(runs.iterdir()) == []


def test_an_output_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="not a folder"):
        engine.measure(scenario(""), file)
    with pytest.raises((UsageError, EnvironmentUnmet), match="proc"):
        engine.measure(scenario(""), Path("/proc/liveprobe"))


def test_a_command_may_be_silent_until_its_first_frame(tmp_path: Path) -> None:
    code = "import time, probe; probe.mark('loaded'); time.sleep(1.5)\n" + PACED.format(count=5)
    run = measured(engine.measure(scenario(code, hang="0.5s"), tmp_path))
    assert run.manifest["program"]["outcome"] == "ended"
    assert len(run.table("frames")) == 5


def entry_of(run: store.Run, name: str) -> dict[str, Any]:
    return next(each for each in run.manifest["collectors"] if each["name"] == name)


COPYING = """
block = bytearray(1 << 20)
for _ in range(8):
    bytes(block)
"""


@pytest.fixture
def interposer() -> None:
    try:
        library.built()
    except NoData as absent:
        pytest.skip(absent.message)


@pytest.mark.usefixtures("interposer")
def test_a_collector_is_inside_the_program_and_its_facts_are_in_the_run(tmp_path: Path) -> None:
    code = PACED.format(count=10) + COPYING
    run = measured(engine.measure(scenario(code, collectors=["copies"]), tmp_path))
    entry = entry_of(run, "copies")
    assert (run.manifest["state"], entry["outcome"]) == ("complete", "ok")
    assert entry["facts"]["mode"] == "on"
    assert [each["traced"] for each in entry["facts"]["processes"]] == [True]
    assert entry["facts"]["blind"] == []
    copies = run.table("copies")
    assert (copies["bytes"] == 1 << 20).sum() >= 8
    assert set(run.table("samples")["track"]) <= {"copies.traffic"}


@pytest.mark.usefixtures("interposer")
def test_a_program_that_hangs_while_it_copies_is_ended(tmp_path: Path) -> None:
    code = PACED.format(count=5) + "block = bytearray(1 << 20)\nwhile True: bytes(block)\n"
    run = measured(engine.measure(scenario(code, hang="1s", collectors=["copies"]), tmp_path))
    assert run.manifest["program"]["outcome"] == "timed out"
    assert len(run.table("frames")) == 5


@pytest.mark.usefixtures("interposer")
def test_a_silent_program_that_copies_may_be_silent(tmp_path: Path) -> None:
    code = COPYING + "import time; time.sleep(1.5)"
    run = measured(engine.measure(scenario(code, hang="0.5s", collectors=["copies"]), tmp_path))
    assert run.manifest["program"]["outcome"] == "ended"


def test_a_program_that_does_not_exist_leaves_nothing_attached(tmp_path: Path) -> None:
    missing = Scenario.model_validate(
        {"name": "t", "mode": "command", "program": {"command": ["/no/such/program"]}}
    )
    with pytest.raises(UsageError):
        engine.measure(missing, tmp_path)
    assert list(tmp_path.iterdir()) == []
