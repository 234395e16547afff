"""Which programs nothing can be loaded into, found on the running ones: never "0 copies"."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.copies import Copies, blindness, library
from collectors.copies.counters import Tapes
from collectors.copies.processes import Seen, secure
from collectors.copies.programs import Elf, examine
from probe.errors import NoData
from probe.model import Device, Launch
from probe.scenario import Scenario

SOURCES = Path(__file__).parent / "blind"
NOBODY = 65534
WAIT_S = 60
Facts = dict[str, Any]
Watched = Callable[..., Facts]


def needs(tool: str) -> str:
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed")
    return found


def built(target: Path, *command: str) -> Path:
    done = subprocess.run(
        command, cwd=target.parent, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"{command[0]} cannot build here: {done.stderr.strip()[-200:]}")
    return target


@pytest.fixture
def waiting(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that builds the waiting C program with a compiler and its options."""

    def build(compiler: str, *options: str) -> Path:
        target = tmp_path / "waiting"
        source = str(SOURCES / "waiting.c")
        return built(target, needs(compiler), *options, "-o", str(target), source)

    return build


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Return a function that runs a waiting program under the collector: its facts."""
    try:
        library.built()
    except NoData as absent:
        pytest.skip(absent.message)

    def watch(*command: str, **options: Any) -> Facts:
        tapes = tmp_path / "tapes"
        tapes.mkdir(exist_ok=True)
        collector = Copies()
        scenario = Scenario(name="t").document()
        added = collector.attach(Launch(command, dict(os.environ), tapes, scenario))
        environment = {**os.environ, "LIVEPROBE_TAPE": str(tapes), **added}
        environment.update(options.pop("changed", {}))
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", "it runs as it did before"
            collector.start(Device("here", program_pid=process.pid))
            for t_ns in (1, 2):
                assert all(each.value is not None for each in collector.sample(t_ns))
            process.stdin.close()
            assert process.wait(WAIT_S) == 7, "and ends as it did before"
        collector.stop()
        facts = dict(collector.facts())
        facts["root"] = process.pid
        return facts

    return watch


def reason(facts: Facts, exe: str) -> str:
    """Return why the one blind process is blind."""
    assert [each["exe"] for each in facts["blind"]] == [exe]
    return str(facts["blind"][0]["why"])


def traced(facts: Facts) -> dict[str, bool]:
    return {each["exe"]: each["traced"] for each in facts["processes"]}


def test_a_plain_program_is_traced_and_not_blind(watched: Watched, waiting: Any) -> None:
    facts = watched(str(waiting("gcc")))
    assert facts["blind"] == []
    assert facts["processes"] == [{"pid": facts["root"], "exe": "waiting", "traced": True}]


@pytest.mark.parametrize("option", ["-static", "-static-pie"])
def test_a_static_program_is_blind(watched: Watched, waiting: Any, option: str) -> None:
    facts = watched(str(waiting("gcc", option)))
    assert reason(facts, "waiting") == blindness.STATIC
    assert traced(facts) == {"waiting": False}


def test_a_static_program_that_another_one_starts_is_blind(watched: Watched, waiting: Any) -> None:
    facts = watched("/bin/sh", "-c", f"{waiting('gcc', '-static')}; exit $?")
    assert reason(facts, "waiting") == blindness.STATIC
    assert sorted(traced(facts).values()) == [False, True]


def test_a_program_on_musl_runs_as_it_did_and_is_traced(watched: Watched, waiting: Any) -> None:
    facts = watched(str(waiting("musl-gcc")))
    assert facts["blind"] == []
    assert traced(facts) == {"waiting": True}


@pytest.mark.parametrize("compiler", ["gcc", "musl-gcc"])
def test_a_program_is_traced_to_the_byte_on_either_libc(tmp_path: Path, compiler: str) -> None:
    program, tapes = tmp_path / "copying", tmp_path / "tapes"
    built(program, needs(compiler), "-O1", "-o", str(program), str(SOURCES / "copying.c"))
    tapes.mkdir()
    collector, scenario = Copies(), Scenario(name="t").document()
    try:
        added = collector.attach(Launch((str(program),), dict(os.environ), tapes, scenario))
    except NoData as absent:
        pytest.skip(absent.message)
    environment = {**os.environ, "LIVEPROBE_TAPE": str(tapes), **added}
    assert subprocess.run([str(program)], env=environment, check=False, timeout=60).returncode == 0
    collector.stop()
    assert [each.bytes for each in Tapes(tapes).read()] == [7 * (1 << 20) + 100 * 4000]


def test_a_program_of_go_is_blind(watched: Watched, tmp_path: Path) -> None:
    source = tmp_path / "waiting.go"
    shutil.copy(SOURCES / "waiting.go", source)
    cache = {"GOCACHE": str(tmp_path / "cache"), "GO111MODULE": "off", "GOFLAGS": ""}
    go = ["env", *(f"{key}={value}" for key, value in cache.items()), needs("go"), "build"]
    program = built(tmp_path / "waiting", *go, "-o", "waiting", str(source))
    assert reason(watched(str(program)), "waiting") == blindness.GO


def test_a_jvm_is_traced_and_blind_all_the_same(watched: Watched, tmp_path: Path) -> None:
    java = needs("java")
    built(tmp_path / "Waiting.class", needs("javac"), "-d", ".", str(SOURCES / "Waiting.java"))
    facts = watched(java, "-Xshare:auto", "-cp", str(tmp_path), "Waiting")
    assert reason(facts, "java") == blindness.JVM
    assert traced(facts) == {"java": True}


@pytest.fixture
def public() -> Iterator[Path]:
    """Return a folder that everybody may enter; those of pytest are their owner's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_setuid_program_of_another_user_is_blind(
    watched: Watched, waiting: Any, public: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a program that gains root's rights")
    program = public / "raised"
    shutil.copy(waiting("gcc"), program)
    program.chmod(0o4755)
    if os.statvfs(public).f_flag & os.ST_NOSUID:
        pytest.skip("setuid has no effect on this file system")
    facts = watched(str(program), user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")
    assert reason(facts, "raised") == blindness.SECURE
    assert traced(facts) == {"raised": False}


@pytest.mark.parametrize(
    ("tool", "user"), [("runuser", ["-u", "nobody", "--"]), ("setpriv", ["--reuid=65534"])]
)
def test_a_program_of_another_user_that_can_write_no_tape_is_blind(
    watched: Watched, waiting: Any, public: Path, tool: str, user: list[str]
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can run a program as another user")
    program = public / "changed"
    shutil.copy(waiting("gcc"), program)
    ours = public / library.built().name
    shutil.copy(library.built(), ours)
    found = {"LD_PRELOAD": str(ours)}
    facts = watched(needs(tool), *user, str(program), changed=found, stderr=subprocess.DEVNULL)
    assert reason(facts, "changed") == blindness.FOREIGN
    assert traced(facts)["changed"] is False


def test_a_program_that_can_write_no_tape_is_blind(watched: Watched, waiting: Any) -> None:
    limited = f"ulimit -f 0; {waiting('gcc')}; exit $?"
    facts = watched("/bin/bash", "-c", limited, stderr=subprocess.DEVNULL)
    assert reason(facts, "waiting") == blindness.UNTAPED
    assert traced(facts) == {"bash": True, "waiting": False}
    processes, blind = blindness.account([], {7}, OURS, (), {8})
    assert [each["traced"] for each in processes] == [True, False]
    assert blind == [{"pid": 8, "exe": None, "why": blindness.UNTAPED}]


def test_a_program_that_changed_its_user_after_it_made_a_tape_is_traced() -> None:
    seen = Seen(7, "/usr/bin/daemon", OURS, mapped=True, foreign=True, sights=2, name="daemon")
    assert blindness.account([seen], {7}, OURS, {(7, "daemon")})[1] == []
    (blind,) = blindness.account([seen], {7}, OURS, {(7, "setpriv")})[1]
    assert blind["why"] == blindness.FOREIGN


def test_a_program_with_a_cleared_environment_is_blind(watched: Watched, waiting: Any) -> None:
    facts = watched("/usr/bin/env", "-i", str(waiting("gcc")))
    assert reason(facts, "waiting") == blindness.CLEARED


def test_a_program_whose_loader_refused_is_blind(watched: Watched, waiting: Any) -> None:
    gone = f"/nowhere/{library.built().name}"
    facts = watched(str(waiting("gcc")), changed={"LD_PRELOAD": gone}, stderr=subprocess.DEVNULL)
    assert reason(facts, "waiting") == blindness.REFUSED


def test_a_static_program_that_ended_before_it_was_seen_is_blind(
    waiting: Any, tmp_path: Path, watched: Watched
) -> None:
    program, collector = str(waiting("gcc", "-static")), Copies()
    scenario = Scenario(name="t").document()
    collector.attach(Launch((program,), dict(os.environ), tmp_path, scenario))
    with subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as ended:
        ended.wait(WAIT_S)
        collector.start(Device("here", program_pid=ended.pid))
    list(collector.sample(1))
    collector.stop()
    assert reason(dict(collector.facts()), "waiting") == blindness.STATIC


def test_what_a_program_file_says(tmp_path: Path) -> None:
    own = examine(Path(sys.executable))
    assert own is not None
    assert own.library in {"glibc", "musl"}
    assert not own.go
    small = tmp_path / "small"
    identity = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    small.write_bytes(
        identity + struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 0, 0, 0, 52, 0, 0, 0, 0, 0)
    )
    assert examine(small) == Elf(32, "<", 40, None, go=False)
    for rubbish in (b"", b"#!/bin/sh\n", identity, identity + os.urandom(36), b"\x7fELF" * 20):
        small.write_bytes(rubbish)
        examine(small)
    small.write_bytes(b"#!/bin/sh\n")
    assert examine(small) is None


OURS = Elf(64, "<", 62, "/lib64/ld-linux-x86-64.so.2", go=False)


@pytest.mark.parametrize(
    ("elf", "said"),
    [
        (Elf(32, "<", 3, "/lib/ld-linux.so.2", go=False), "a 32-bit program"),
        (Elf(64, "<", 183, "/lib/ld-linux-aarch64.so.1", go=False), "another architecture"),
        (Elf(64, "<", 62, "/system/bin/linker64", go=False), "it runs on bionic"),
        (Elf(64, "<", 62, "/lib/ld-musl-x86_64.so.1", go=False), "it runs on musl"),
        (Elf(64, "<", 62, "/lib64/ld-linux-x86-64.so.2", go=True), "Go's runtime copies"),
    ],
)
def test_other_programs_have_their_reasons(elf: Elf, said: str) -> None:
    seen = Seen(7, "/usr/bin/program", elf, secure=False, preloaded=True, mapped=elf.go)
    assert said in (blindness.why_blind(seen, OURS, traced=elf.go) or "")


def test_what_may_not_be_looked_into_is_blind_unless_it_wrote_a_tape() -> None:
    hidden = Seen(7, None, name="sudo")
    processes, blind = blindness.account([hidden], set(), OURS)
    assert processes == [{"pid": 7, "exe": "sudo", "traced": False}]
    assert blind == [{"pid": 7, "exe": "sudo", "why": blindness.CLOSED}]
    assert blindness.account([hidden], {7}, OURS)[1] == []


def test_a_tape_of_what_a_process_was_before_is_not_the_programs() -> None:
    before = Seen(7, "/usr/bin/python3", OURS, preloaded=True, mapped=True, sights=1)
    after = Seen(7, "/opt/static", Elf(64, "<", 62, None, go=False), mapped=False, sights=2)
    processes, blind = blindness.account([before, after], {7, 9}, OURS)
    assert [each["traced"] for each in processes] == [True, False, True]
    assert processes[2] == {"pid": 9, "exe": None, "traced": True}
    assert [each["why"] for each in blind] == [blindness.STATIC]


def test_secure_execution_is_read_from_the_auxiliary_vector() -> None:
    assert secure(struct.pack("4L", 23, 1, 0, 0)) is True
    assert secure(struct.pack("4L", 23, 0, 0, 0)) is False
    assert secure(Path("/proc/self/auxv").read_bytes()) is False
    assert secure(None) is secure(b"") is None
