"""How the collector puts the interposer into a program, and what it reads of it meanwhile."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from collectors.copies import Copies, counters, library
from probe import spent, tape
from probe.errors import NoData, SwitchedOff
from probe.model import Attaching, Device, Launch, Stating
from probe.scenario import Scenario

MIB = 1 << 20
COPIER = """
import sys
block = bytearray({size})
print("start", flush=True)
sys.stdin.readline()
for _ in range({count}):
    bytes(block)
print("done", flush=True)
sys.stdin.read()
"""


def options(**copies: Any) -> dict[str, Any]:
    return Scenario.model_validate({"name": "t", "copies": copies}).document()


def launch(tapes: Path, environment: dict[str, str] | None = None, **copies: Any) -> Launch:
    tapes.mkdir(parents=True, exist_ok=True)
    found = dict(os.environ) if environment is None else environment
    return Launch((sys.executable,), found, tapes, options(**copies))


@pytest.fixture
def interposer() -> Path:
    try:
        return library.built()
    except NoData as absent:
        pytest.skip(absent.message)


@pytest.fixture
def collector() -> Iterator[Copies]:
    made = Copies()
    yield made
    made.stop()


def test_it_works_inside_the_program_and_states_facts() -> None:
    assert isinstance(Copies(), Attaching)
    assert isinstance(Copies(), Stating)


def test_the_environment_says_all_that_the_scenario_says(
    interposer: Path, collector: Copies, tmp_path: Path
) -> None:
    asked = launch(tmp_path, {"PATH": "/usr/bin"}, mode="deep", every=7, bytes=4096)
    added = collector.attach(asked)
    assert added["LD_PRELOAD"] == str(interposer)
    assert added["LIVEPROBE_COPIES"] == "deep"
    assert added["LIVEPROBE_COPIES_EVERY"] == "7"
    assert added["LIVEPROBE_COPIES_BYTES"] == "4096"
    memory = psutil.virtual_memory().total
    assert 0 < int(added["LIVEPROBE_COPIES_LIMIT"]) <= min(2**30, memory // 8)
    assert added["GST_DEBUG"] == "GST_PERFORMANCE:5"
    assert added["GST_DEBUG_FILE"].startswith(str(tmp_path))
    assert added["ORT_DISABLE_TELEMETRY"] == "1"


def test_what_the_user_set_stays(interposer: Path, collector: Copies, tmp_path: Path) -> None:
    own = {
        "GST_DEBUG": "2", "ORT_DISABLE_TELEMETRY": "0", "LD_PRELOAD": "libm.so.6 libdl.so.2",
        "ASAN_OPTIONS": "verify_asan_link_order=1",
    }  # fmt: skip
    added = collector.attach(launch(tmp_path, own))
    assert added["LD_PRELOAD"] == f"{interposer}:libm.so.6:libdl.so.2"
    untouched = {"GST_DEBUG", "GST_DEBUG_FILE", "ORT_DISABLE_TELEMETRY", "ASAN_OPTIONS"}
    assert not untouched & set(added)


def test_a_program_under_address_sanitizer_runs_as_it_did(
    interposer: Path, collector: Copies, tmp_path: Path
) -> None:
    assert interposer
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text("int main(void) { return 7; }\n")
    command = [compiler, "-fsanitize=address", "-o", str(program), str(source)]
    if subprocess.run(command, check=False, capture_output=True, timeout=60).returncode != 0:
        pytest.skip("gcc has no AddressSanitizer here")
    asked = launch(tmp_path / "tapes", {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    added = collector.attach(asked)
    assert added["ASAN_OPTIONS"] == "detect_leaks=0:verify_asan_link_order=0"
    environment = {**asked.environment, tape.ENVIRONMENT: str(asked.tapes), **added}
    assert subprocess.run([program], env=environment, check=False, timeout=60).returncode == 7


def test_a_liveprobe_under_liveprobe_preloads_once(interposer: Path, tmp_path: Path) -> None:
    added = Copies().attach(launch(tmp_path, {"LD_PRELOAD": str(interposer)}))
    assert added["LD_PRELOAD"] == str(interposer)


def test_off_is_off_and_no_failure(tmp_path: Path) -> None:
    with pytest.raises(SwitchedOff, match=r"copies\.mode is off") as caught:
        Copies().attach(launch(tmp_path, mode="off"))
    assert "--copies on" in (caught.value.remedy or "")


def test_what_was_not_built_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "HOME", tmp_path)
    with pytest.raises(NoData, match="was not built") as caught:
        Copies().attach(launch(tmp_path / "tapes"))
    assert caught.value.remedy in {library.BUILD, library.BUILD_AGAIN}
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoData) as caught:
        library.built()
    assert caught.value.remedy == "install a C compiler, then reinstall liveprobe"
    assert str(tmp_path) not in caught.value.message, "it goes into reports"


def test_what_does_not_load_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "HOME", tmp_path)
    (tmp_path / "_interposer.so").write_bytes(b"\x7fELF, and nothing behind it")
    with pytest.raises(NoData, match=r"cannot be loaded: .*cannot be preloaded") as caught:
        Copies().attach(launch(tmp_path / "tapes"))
    assert caught.value.remedy
    assert str(tmp_path) not in caught.value.message, "it goes into reports"


def test_a_library_that_ends_programs_is_not_put_into_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("cc is not installed")
    source = tmp_path / "broken.c"
    source.write_text(
        "void _exit(int); __attribute__((constructor)) static void no(void) { _exit(3); }\n"
    )
    target = tmp_path / "_interposer.so"
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(target), str(source)], check=False, timeout=60
    )
    assert done.returncode == 0
    monkeypatch.setattr(library, "HOME", tmp_path)
    with pytest.raises(NoData, match="ended with 3"):
        Copies().attach(launch(tmp_path / "tapes"))


def test_the_program_that_is_started_to_try_it_is_the_collectors_cost(interposer: Path) -> None:
    bill = spent.Bill()
    with spent.paid_by(bill):
        library.try_out(interposer)
    assert bill.cpu_ns > 0


@pytest.mark.parametrize("name", ["with space", "with:colon", "with$ORIGIN"])
def test_a_path_that_the_loader_would_split_is_linked(
    interposer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    home = tmp_path / name
    home.mkdir()
    shutil.copy(interposer, home)
    monkeypatch.setattr(library, "HOME", home)
    collector = Copies()
    preload = collector.attach(launch(tmp_path / "tapes"))["LD_PRELOAD"]
    assert preload == str(tmp_path / "tapes" / interposer.name)
    collector.stop()
    also = Copies()
    elsewhere = Path(also.attach(launch(tmp_path / name / "tapes"))["LD_PRELOAD"])
    assert not set(str(elsewhere)) & library.SEPARATORS
    assert elsewhere.resolve() == home / interposer.name
    also.stop()
    also.stop()
    assert not elsewhere.parent.exists()


@pytest.fixture
def run(collector: Copies, tmp_path: Path) -> Callable[..., list[tuple[str, float | None]]]:
    """Return a function that runs a program under the collector: readings of three looks.

    A second is said to pass between the looks: before it copies, after that, and later.
    """

    def traced(code: str, **copies: Any) -> list[tuple[str, float | None]]:
        asked = launch(tmp_path / "tapes", **copies)
        environment = {
            **asked.environment, tape.ENVIRONMENT: str(asked.tapes), **collector.attach(asked)
        }  # fmt: skip
        command = [sys.executable, "-S", "-c", code]
        readings = []
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            collector.start(Device("here", program_pid=process.pid))
            base = 10**18  # later than any clock: readings are a second apart from here on
            assert process.stdout.readline() == b"start\n"
            list(collector.sample(base))
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"done\n"
            for k in (1, 2):
                readings += list(collector.sample(base + k * 10**9))
            process.stdin.close()
            assert process.wait(60) == 0
        return [(each.label, each.value) for each in readings]

    return traced


def test_the_traffic_is_that_of_the_program(
    interposer: Path, collector: Copies, run: Callable[..., Any]
) -> None:
    (label, first), (again, second) = run(COPIER.format(size=MIB, count=20))
    assert label == again
    assert label.partition(":")[0].startswith("python")
    assert (first, second) == (20 * MIB, 0)
    collector.stop()
    facts = collector.facts()
    assert facts["mode"] == "on"
    assert facts["blind"] == []
    assert [each["traced"] for each in facts["processes"]] == [True]
    assert facts["interposer"]["file"] == interposer.name
    assert len(facts["interposer"]["sha256"]) == 64


def test_children_are_found_in_the_tree(
    interposer: Path, collector: Copies, run: Callable[..., Any]
) -> None:
    child = COPIER.format(size=MIB, count=3)
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {child!r}], stdin=0)\n"
        "raise SystemExit(child.wait())\n"
    )
    readings = run(code)
    assert len({label for label, _ in readings}) == 2
    facts = collector.facts()
    assert sorted(each["traced"] for each in facts["processes"]) == [True, True]


def header(pid: int, writer: int, state: int, moved: int) -> bytes:
    head = tape.HEADER.pack(
        tape.MAGIC, tape.VERSION, tape.HEADER_BYTES, tape.RECORD_BYTES,
        pid, pid, 5, 0, 0, state, writer, b"worker",
    )  # fmt: skip
    return (head + tape.COUNTERS.pack(9, 9, 1, moved, 0, 0, 0)).ljust(tape.HEADER_BYTES, b"\0")


def test_counters_are_read_from_the_interposers_tapes_alone(tmp_path: Path) -> None:
    found = counters.Tapes(tmp_path)
    assert found.read() == []
    (tmp_path / "1-1-0.tape").write_bytes(header(1, tape.WRITER_C, tape.RECORDING, 50))
    (tmp_path / "2-2-0.tape").write_bytes(header(2, tape.WRITER_INTERPOSER, tape.RECORDING, 60))
    (tmp_path / "3-3-0.tape").write_bytes(header(3, tape.WRITER_INTERPOSER, tape.CLOSED, 70))
    (tmp_path / "4-4-0.tape").write_bytes(bytes(10))
    (tmp_path / "5-5-0.tape").write_bytes(bytes(1000))
    (tmp_path / "6-6-0.tape").mkdir()
    assert [(each.pid, each.bytes) for each in found.read()] == [(2, 60), (3, 70)]
    (tmp_path / "2-2-0.tape").write_bytes(header(2, tape.WRITER_INTERPOSER, tape.RECORDING, 61))
    (tmp_path / "3-3-0.tape").unlink()
    assert [(each.pid, each.bytes) for each in found.read()] == [(2, 61), (3, 70)]


def test_a_process_that_is_over_ends_at_zero_and_says_no_more(
    collector: Copies, tmp_path: Path
) -> None:
    collector._tapes = counters.Tapes(tmp_path)
    file = tmp_path / "2-2-0.tape"

    def rates(state: int, moved: int, second: int) -> list[float | None]:
        file.write_bytes(header(2, tape.WRITER_INTERPOSER, state, moved))
        return [each.value for each in collector.sample(5 + second * 10**9)]

    assert rates(tape.RECORDING, 500, 1) == [500]
    assert rates(tape.RECORDING, 500, 2) == [0], "it may go on"
    assert rates(tape.CLOSED, 900, 4) == [200]
    assert rates(tape.CLOSED, 900, 5) == [0]
    assert rates(tape.CLOSED, 900, 6) == []


def test_a_kernel_that_hides_a_process_is_no_crash(tmp_path: Path, collector: Copies) -> None:
    with pytest.raises(NoData, match=str(tmp_path)):
        collector.start(Device("empty", tmp_path))
    (tmp_path / "proc").mkdir()
    collector.start(Device("empty", tmp_path, program_pid=1))
    assert list(collector.sample(1)) == []


def test_the_interposer_is_no_program_and_brings_no_python(interposer: Path) -> None:
    assert stat.S_ISREG(interposer.stat().st_mode)
    needed = subprocess.run(
        ["ldd", str(interposer)], capture_output=True, text=True, check=False, timeout=60
    ).stdout
    assert "python" not in needed.lower()
