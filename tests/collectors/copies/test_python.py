"""The exact expression that a copy comes from, on every Python that is here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "python"
SOURCES = Path(__file__).parents[3] / "collectors" / "copies"
FIRST = 100_000
MOST_FRAMES = 12
ASK = (
    "import sys, sysconfig, json; print(json.dumps([sys.version_info[:2], sys.executable,"
    " sysconfig.get_path('include'), sysconfig.get_config_var('LIBDIR'),"
    " sysconfig.get_config_var('INSTSONAME'), 'libpython' in open('/proc/self/maps').read()]))"
)
PLACES = {
    1: ("bytes(view(1))", "two_in_a_line"),
    2: ("bytes(view(2))", "two_in_a_line"),
    3: ("bytes(view(3))", "generating"),
    4: ("bytes(view(4))", "calling_a_lambda.<locals>.<lambda>"),
    5: ("bytes(view(5))", "with_a_class.<locals>.Body"),
    6: ("bytes(view(6))", "deep"),
    7: ("bytes(view(7))", "comprehending"),
    8: ("bytes(view(8))", "awaited"),
    9: ("bytes(view(9))", "threaded"),
    10: ("bytes(view(10))", "größe_漢字_𐍈"),
    11: ("bytes(view(11))", "behind_wide_text"),
    12: ("bytes(\n        view(12),\n    )", "over_three_lines"),
    13: ("held += view(13)", "extended"),
    15: ("bytes(view(15))", "far_to_the_right"),
    17: ("bytes(view(17))", "Thing.whole"),
    18: ("bytes(view(18))", "factory.<locals>.inner"),
    19: ("list(map(bytes, [view(19)]))", "mapping"),
    21: ("os.read(zeros, FIRST + 21)", "without_the_lock"),
    22: ("bytes(view(22))", "Thing.__del__"),
    23: ("bytes(view(23))", "raising"),
    24: ("bytes(view(24))", "generating_behind"),
    25: ("bytes(view(25))", "<module>"),
}
"""By number of the copy in python/frames.py: its expression and its function."""

Run = Callable[..., Any]


def asked(command: str) -> dict[str, Any] | None:
    """Return what an interpreter says of itself, or None where it cannot be started."""
    try:
        done = subprocess.run(
            [command, "-c", ASK], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version, path, include, folder, library, shared = json.loads(done.stdout)
    return {
        "version": tuple(version),
        "path": path,
        "include": include,
        "library": str(Path(folder) / library) if shared else None,
    }


def interpreters() -> dict[str, dict[str, Any]]:
    """Return the interpreters by name: those of pyenv, then the system's own, linked statically."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found: dict[str, dict[str, Any]] = {}
    for minor in (11, 12, 13):
        wanted = [str(path) for path in sorted(versions.glob(f"3.{minor}.*/bin/python3"))]
        for command in (sys.executable, *wanted, f"python3.{minor}"):
            python = asked(command)
            if python is not None and python["version"] == (3, minor):
                found[f"3.{minor}"] = python
                break
    system = asked("/usr/bin/python3")
    if system is not None and system["library"] is None and (3, 11) <= system["version"] < (3, 14):
        found["static"] = system
    return found


KNOWN = interpreters()


@pytest.fixture(params=["3.11", "3.12", "3.13", "static"])
def python(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param not in KNOWN:
        pytest.skip(f"no Python of this kind is installed: {request.param}")
    return KNOWN[request.param]


def frames(stack: str) -> list[tuple[str, int, int, int, int, str]]:
    """Return (file, line, end line, column, end column, function), innermost first."""
    split = [line.split("\t") for line in stack.splitlines()]
    return [(file, *map(int, numbers), function) for file, *numbers, function in split]  # type: ignore[misc]


def expression(source: str, line: int, end_line: int, column: int, end_column: int) -> str:
    """Return a piece of the source; columns count bytes of UTF-8, as Python's own do."""
    lines = source.splitlines(keepends=True)[line - 1 : end_line]
    raw = [each.encode() for each in lines]
    raw[-1] = raw[-1][:end_column]
    raw[0] = raw[0][column:]
    return b"".join(raw).decode()


@pytest.fixture
def seen(run: Run, python: dict[str, Any], tmp_path: Path) -> dict[int, Any]:
    """Run the program with the places, from a folder whose name is not ASCII, on one Python."""
    program = tmp_path / "päth 漢字 😀" / "pläces.py"
    program.parent.mkdir()
    shutil.copy(HERE / "frames.py", program)
    outcome = run(python["path"], str(program))
    assert outcome.code == 0, outcome.err
    notes = outcome.notes("python")
    major_minor = ".".join(map(str, python["version"]))
    assert [note["frames"] for note in notes] == ["walk"]
    assert notes[0]["why"] == ""
    assert notes[0]["version"].startswith(major_minor + ".")
    return {
        copy.bytes - FIRST: copy for copy in outcome.copies if FIRST < copy.bytes < FIRST + 100
    } | {0: str(program)}


def test_each_copy_names_its_file_line_columns_and_function(seen: dict[int, Any]) -> None:
    program = seen[0]
    source = Path(program).read_text(encoding="utf-8")
    found = {}
    for case in PLACES:
        file, *place, function = frames(seen[case].stack)[0]
        assert file == program
        found[case] = (expression(source, *place), function.replace(".<locals>.<listcomp>", ""))
    assert found == PLACES


def test_callers_stand_behind_in_order_and_twelve_at_most(seen: dict[int, Any]) -> None:
    assert [frame[5] for frame in frames(seen[6].stack)] == ["deep"] * MOST_FRAMES
    assert [frame[5] for frame in frames(seen[24].stack)] == [
        "generating_behind",
        "generating_in_turn",
        "<module>",
    ]
    assert [frame[5] for frame in frames(seen[4].stack)][1:] == ["calling_a_lambda", "<module>"]
    assert frames(seen[9].stack)[-1][5] == "Thread._bootstrap"


def test_code_without_a_file_and_odd_names_are_told_as_they_are(seen: dict[int, Any]) -> None:
    assert frames(seen[14].stack)[0] == ("<made>", 2, 2, 11, 26, "made")
    assert frames(seen[16].stack)[0] == ("an odd name", 2, 2, 11, 26, "odd")


def test_every_instruction_of_ten_modules_has_the_place_that_python_says(
    python: dict[str, Any], tmp_path: Path
) -> None:
    if subprocess.run([python["path"], "-c", "import ctypes"], check=False).returncode:
        pytest.skip("this Python has no ctypes")
    library = tmp_path / "positions.so"
    parts = [*sorted(SOURCES.glob("python*.c")), SOURCES / "elf.c", SOURCES / "text.c"]
    sources = [str(path) for path in parts]
    build(["-shared", "-fPIC", f"-I{SOURCES}", str(HERE / "positions.c"), *sources], library)
    done = subprocess.run(
        [python["path"], str(HERE / "positions.py"), str(library)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100_000


def build(options: list[str], target: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    command = [compiler, "-O1", "-std=gnu11", "-fno-builtin", "-o", str(target), *options]
    done = subprocess.run(
        [*command, "-ldl", "-lpthread"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_offsets_are_those_of_the_interpreters_own_headers(
    python: dict[str, Any], tmp_path: Path
) -> None:
    include = Path(python["include"])
    if not (include / "internal" / "pycore_frame.h").is_file():
        pytest.skip(f"the headers of this Python are not installed: {include}")
    program = tmp_path / "layouts"
    headers = [f"-I{include}", f"-I{include / 'internal'}", f"-I{SOURCES}"]
    build([*headers, str(HERE / "layouts.c")], program)
    done = subprocess.run([program], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_python_loaded_late_has_frames_and_threads_unknown_to_it_have_none(
    run: Run, python: dict[str, Any], tmp_path: Path
) -> None:
    if python["library"] is None or not Path(python["library"]).is_file():
        pytest.skip("this Python is no shared library")
    program = tmp_path / "embedding"
    build([str(HERE / "embedding.c")], program)
    home = str(Path(python["path"]).resolve().parents[1])
    outcome = run(str(program), python["library"], PYTHONHOME=home)
    assert (outcome.code, outcome.out) == (0, "done\n"), outcome.err
    stacks = {copy.bytes: frames(copy.stack) for copy in outcome.copies}
    assert stacks[100_003][0] == ("<string>", 5, 5, 7, 31, "<module>")
    assert [stacks[each] for each in (100_001, 100_002, 100_004, 100_005)] == [[]] * 4
    assert [note["frames"] for note in outcome.notes("python")] == ["walk"]


@pytest.mark.parametrize(
    ("version", "head", "why"),
    [
        ("3.99.0 (main)", 8, "the frames of this version are not known"),
        ("3.13.0 experimental free-threading build", 24, "a free-threaded build"),
        ("3.12.1 (main)", 24, "its objects are laid out in another way"),
        ("3.13.0 (main)", 8, "it does not publish its offsets"),
    ],
)
def test_an_interpreter_that_is_not_known_gives_no_frames_and_says_why(
    run: Run, tmp_path: Path, version: str, head: int, why: str
) -> None:
    program = tmp_path / "stand_in"
    build(
        ["-rdynamic", f'-DVERSION="{version}"', f"-DHEAD={head}", str(HERE / "stand_in.c")], program
    )
    outcome = run(str(program))
    assert outcome.code == 0
    assert [copy.stack for copy in outcome.copies] == [""]
    (note,) = outcome.notes("python")
    assert (note["version"], note["frames"]) == (version.split(maxsplit=1)[0], "none")
    assert note["why"].startswith(why)


def test_frames_that_differ_from_the_interpreters_own_are_given_up(
    run: Run, python: dict[str, Any], interposer: Path, tmp_path: Path
) -> None:
    if python["library"] is None:
        pytest.skip("this Python answers by itself, past a library that is preloaded")
    changed, source = tmp_path / "changed.so", tmp_path / "changed.c"
    source.write_text("int PyFrame_GetLasti(void *frame) { return frame != 0 ? 4242 : 0; }\n")
    build(["-shared", "-fPIC", str(source)], changed)
    code = "import ctypes, decimal\nheld = bytes(bytearray(100003))"
    outcome = run(python["path"], "-c", code, LD_PRELOAD=f"{interposer}:{changed}")
    assert outcome.code == 0, outcome.err
    (note,) = outcome.notes("python")
    assert (note["frames"], note["why"]) == ("none", "a frame's instruction differs")
    assert [copy.stack for copy in outcome.copies if copy.bytes == FIRST + 3] == [""]


@pytest.mark.parametrize("attempt", range(3))
def test_threads_that_copy_while_python_ends_do_not_disturb_its_end(
    run: Run, python: dict[str, Any], attempt: int
) -> None:
    outcome = run(python["path"], str(HERE / "endings.py"))
    assert (outcome.code, outcome.out) == (0, f"{20 << 20}\n"), outcome.err
    assert outcome.torn == 0


def test_a_program_without_python_leaves_no_note_of_it(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "plain"
    source = tmp_path / "plain.c"
    source.write_text(
        "#include <string.h>\nstatic char a[100001], b[100001];\nvoid *volatile to = a;\n"
        "int main(void) { memcpy(to, b, sizeof b); return 0; }\n"
    )
    build([str(source)], program)
    outcome = run(str(program))
    assert [copy.bytes for copy in outcome.copies] == [100_001]
    assert outcome.notes("python") == []
