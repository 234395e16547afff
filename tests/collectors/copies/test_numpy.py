"""numpy's own copying loops: exact bytes, once each, and nothing where nothing is copied."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probe.copies.methods import METHODS

HERE = Path(__file__).parent / "arrays"
CLIP = Path(__file__).parents[3] / "scenarios" / "assets" / "people_720p30.mp4"
PICTURE = 480 * 640 * 3
CROP = 400 * 400 * 3
PLANES = "(3, 480, 640) from (480, 640, 3)"
TO_PLANES = (PICTURE, 1, 1, 3)
MIRRORED = (480 * 640, 3, 3, -3)
Expected = dict[str, list[tuple[str, int, str]]]
Run = Callable[..., Any]

CONVERTED: Expected = {
    "picture.astype(np.float32)": [("ndarray.astype", 4 * PICTURE, "uint8 > float32")],
    "crop.astype(np.float32)": [("ndarray.astype", 4 * CROP, "uint8 > float32")],
    "picture.view(np.int8).astype(np.int16)": [("ndarray.astype", 2 * PICTURE, "int8 > int16")],
    "np.float32(picture)": [("ndarray.astype", 4 * PICTURE, "uint8 > float32")],
    "np.uint8(wide)": [("ndarray.astype", PICTURE, "float32 > uint8")],
    "np.array(picture, dtype=np.float32)": [("numpy.array", 4 * PICTURE, "uint8 > float32")],
    "np.asarray(picture, dtype=np.int16)": [("numpy.asarray", 2 * PICTURE, "uint8 > int16")],
    "np.asanyarray(picture, dtype=np.float64)": [("numpy.asarray", 8 * PICTURE, "uint8 > float64")],
    "np.asarray(a=picture, dtype=np.int16)": [("numpy.asarray", 2 * PICTURE, "")],
    "np.array([[1.0] * 200] * 100, dtype=np.float32)": [("numpy.array", 80_000, "list > float32")],
    "np.copyto(wide, picture)": [("numpy.copyto", 4 * PICTURE, "uint8 > float32")],
    "wide[...] = picture": [("ndarray.__setitem__", 4 * PICTURE, "uint8 > float32")],
    "wide[10:400] = picture[10:400]": [
        ("ndarray.__setitem__", 390 * 640 * 3 * 4, "uint8 > float32")
    ],
    "target[...] = [[[1, 2, 3]] * 640] * 480": [("ndarray.__setitem__", PICTURE, "list > uint8")],
    "np.concatenate((picture, wide))": [
        ("libc", 4 * PICTURE, ""),
        ("numpy.concatenate", 4 * PICTURE, "uint8 > float32"),
    ],
    "np.zeros(30000, '>f4').astype('<f4')": [
        ("ndarray.astype", 120_000, "float32 (big-endian) > float32")
    ],
    "np.ma.array(planes).astype(np.float32)": [("ndarray.astype", 4 * PICTURE, "uint8 > float32")],
    "np.ascontiguousarray(planes, dtype=np.float32)": [
        ("numpy.ascontiguousarray", 4 * PICTURE, f"uint8 > float32, {PLANES}")
    ],
}
MADE_CONTIGUOUS: Expected = {
    "planes.copy()": [("ndarray.copy", PICTURE, PLANES)],
    "planes.astype(np.uint8, order='C')": [("ndarray.astype", PICTURE, PLANES)],
    "planes.tobytes()": [("ndarray.tobytes", PICTURE, PLANES)],
    "planes.flatten()": [("ndarray.flatten", PICTURE, PLANES)],
    "planes.ravel()": [("ndarray.ravel", PICTURE, PLANES)],
    "planes[:, ::2].reshape(-1)": [
        ("ndarray.reshape", PICTURE // 2, "(3, 240, 640) from (240, 640, 3)")
    ],
    "np.array(planes, order='C')": [("numpy.array", PICTURE, PLANES)],
    "np.asarray(planes, order='C')": [("numpy.asarray", PICTURE, PLANES)],
    "np.ascontiguousarray(planes)": [("numpy.ascontiguousarray", PICTURE, PLANES)],
    "np.asfortranarray(picture)": [
        ("numpy.ascontiguousarray", PICTURE, "(3, 640, 480) from (480, 640, 3)")
    ],
    "np.require(planes, requirements='C')": [("numpy.array", PICTURE, PLANES)],
    "np.moveaxis(picture, 2, 0).copy()": [("ndarray.copy", PICTURE, PLANES)],
    "np.rot90(picture).copy()": [("ndarray.copy", PICTURE, "(640, 480, 3) from (480, 640, 3)")],
    "np.concatenate((planes, planes))": [("numpy.concatenate", 2 * PICTURE, "(6, 480, 640)")],
    "np.vstack([planes, planes])": [("numpy.concatenate", 2 * PICTURE, "(6, 480, 640)")],
    "np.dstack([picture[..., 0], picture[..., 1], picture[..., 2]])": [
        ("numpy.concatenate", PICTURE, "(480, 640, 3)")
    ],
    "np.stack([picture, picture], axis=-1)": [
        ("numpy.concatenate", 2 * PICTURE, "(480, 640, 3, 2)")
    ],
    "np.pad(planes, ((0, 0), (2, 2), (2, 2)), mode='edge')": [
        ("ndarray.__setitem__", PICTURE, PLANES)
    ],
    "np.array([planes, planes])": [("numpy.array", 2 * PICTURE, "")],
}
PICKED: Expected = {
    "picture[..., [2, 1, 0]]": [("ndarray.take", PICTURE, "(480, 640, 3) from (480, 640, 3)")],
    "picture.take([2, 1, 0], axis=2)": [
        ("ndarray.take", PICTURE, "(480, 640, 3) from (480, 640, 3)")
    ],
    "picture[[5, 4, 3] * 40]": [("ndarray.take", 120 * 1920, "(120, 640, 3) from (480, 640, 3)")],
    "picture[picture > 250]": [("ndarray.take", 18_000, "(18000,) from (480, 640, 3)")],
    "picture.repeat(2, axis=1)": [
        ("ndarray.take", 2 * PICTURE, "(480, 1280, 3) from (480, 640, 3)")
    ],
    "target[picture > 250] = picture[picture > 250]": [
        ("ndarray.take", 18_000, "(18000,) from (480, 640, 3)"),
        ("ndarray.__setitem__", 18_000, ""),
    ],
    "np.copyto(target, picture, where=picture > 250)": [("numpy.copyto", 18_000, "")],
    "target[[0, 7, 1, 300, 2, 77, 9, 8, 100, 3, 50, 4]] = picture[3]": [
        ("ndarray.__setitem__", 12 * 1920, "")
    ],
    "target[picture[..., 0] > 250] = picture[0, 0]": [("ndarray.__setitem__", 18_000, "")],
}
SEEN_BY_LIBC: Expected = {
    "picture.copy()": [("libc", PICTURE, "")],
    "picture.astype(np.uint8)": [("libc", PICTURE, "")],
    "planes.copy('K')": [("libc", PICTURE, "")],
    "picture.tobytes()": [("libc", PICTURE, "")],
    "picture.flatten()": [("libc", PICTURE, "")],
    "np.array(picture)": [("libc", PICTURE, "")],
    "np.copyto(target, picture)": [("libc", PICTURE, "")],
    "target[...] = picture": [("libc", PICTURE, "")],
    "np.concatenate((picture, picture))": [("libc", PICTURE, "")] * 2,
    "np.stack([picture, picture])": [("libc", PICTURE, "")] * 2,
    "np.array(memoryview(bytes(400000)))": [("libc", 400_000, "")],
    "__import__('copy').deepcopy(picture)": [("libc", PICTURE, "")],
    "np.ma.array(picture).copy()": [("libc", PICTURE, "")],
    "np.tile(picture, (2, 1, 1))": [("libc", PICTURE, "")] * 2,
    "np.array([picture, picture])": [("libc", PICTURE, "")] * 2,
    "np.concatenate([np.zeros(20000 + 64 * k, np.uint8) for k in range(100)])": [
        ("libc", 20_000 + 64 * k, "") for k in range(100)
    ],
}
NOTHING = [
    "picture.astype(np.uint8, copy=False)",
    "picture[:2].copy()",
    "picture.ravel()",
    "planes.ravel('K')",
    "picture.reshape(-1)",
    "planes.reshape(3, -1)",
    "np.array(picture, copy=False)",
    "np.array([1.0, 2.0])",
    "np.asarray(picture)",
    "np.asanyarray(picture)",
    "np.asarray(memoryview(bytes(400000)))",
    "np.ascontiguousarray(picture)",
    "np.asfortranarray(picture.T)",
    "np.copyto(target, 7)",
    "np.copyto(target, np.array(7, np.uint8))",
    "target[...] = 3",
    "target[...] = np.uint8(3)",
    "target[3] = picture[4]",
    "picture[10:20]",
    "picture[None, ..., 1:]",
    "picture.transpose(1, 0, 2)",
    "np.float32(3)",
    "np.expand_dims(picture, 0)",
    "np.array_split(picture, 2)",
    "picture + 1",
    "np.add(picture, 1, out=target)",
    "np.asarray(type('Made', (), {'__array__': lambda self, *_, **__: wide + 1})())",
]
SHAPED: dict[str, tuple[int, int, int, int, int]] = {
    "planes.copy()": (PICTURE, *TO_PLANES),
    "np.pad(planes, ((0, 0), (2, 2), (2, 2)), mode='edge')": (PICTURE, *TO_PLANES),
    "picture[:, ::-1].copy()": (PICTURE, *MIRRORED),
    "np.flip(picture, 1).copy()": (PICTURE, *MIRRORED),
    "np.copyto(target, picture[:, ::-1])": (PICTURE, *MIRRORED),
    "target[::2, ::3] = picture[::2, ::3]": (240 * 214 * 3, 240 * 214, 3, 9, 9),
    "target[..., 0] = picture[..., 2]": (480 * 640, 480 * 640, 1, 3, 3),
    "np.zeros(300000, [('a', 'u1'), ('b', '<f4')])['b'].copy()": (1_200_000, 300_000, 4, 4, 5),
    "crop.copy()": (CROP, 400, 1200, 1200, 1920),
    "crop.reshape(-1)": (CROP, 400, 1200, 1200, 1920),
    "target[10:200, 5:-7] = picture[10:200, 5:-7]": (190 * 1884, 190, 1884, 1920, 1920),
    "target[:] = picture[::-1]": (PICTURE, 480, 1920, 1920, -1920),
    "np.pad(picture, ((2, 2), (2, 2), (0, 0)))": (PICTURE, 480, 1920, 1932, 1920),
    "np.roll(picture, 3, axis=1)": (480 * 637 * 3, 480, 1911, 1920, 1920),
}
"""Bytes, rows, bytes of a row, destination stride, source stride."""


def name_of(copy: Any) -> str:
    return "libc" if copy.method < 8 else METHODS[copy.method].name


def own_copies(outcome: Any, file: str) -> list[Any]:
    """Return the copies that this file made, itself or through a library, but not by imports."""
    return [
        copy
        for copy in outcome.copies
        if f"{file}\t" in copy.stack and "<frozen importlib" not in copy.stack
    ]


@pytest.fixture
def copies_of(run: Run, tmp_path: Path) -> Callable[[list[str]], dict[str, list[Any]]]:
    """Return a function that runs statements in one program: the copies of each."""

    def copied(statements: list[str]) -> dict[str, list[Any]]:
        listed = tmp_path / "statements.json"
        listed.write_text(json.dumps(statements))
        outcome = run(sys.executable, str(HERE / "statements.py"), str(listed))
        assert outcome.code == 0, outcome.err
        return {
            statement: own_copies(outcome, f"<{number}>")
            for number, statement in enumerate(statements)
        }

    return copied


@pytest.mark.parametrize(
    "expected",
    [CONVERTED, MADE_CONTIGUOUS, PICKED, SEEN_BY_LIBC, {each: [] for each in NOTHING}],
    ids=["converted", "made contiguous", "picked", "seen by libc", "nothing"],
)
def test_each_statement_has_its_copies_with_exact_bytes_and_no_other(
    copies_of: Callable[[list[str]], dict[str, list[Any]]], expected: Expected
) -> None:
    seen = copies_of(list(expected))
    assert {
        statement: [(name_of(copy), copy.bytes, copy.detail) for copy in copies]
        for statement, copies in seen.items()
    } == expected


def test_rows_and_strides_are_those_of_the_arrays(
    copies_of: Callable[[list[str]], dict[str, list[Any]]],
) -> None:
    seen = copies_of(list(SHAPED))
    assert {
        statement: [(copy.bytes, *copy.shape) for copy in copies]
        for statement, copies in seen.items()
    } == {statement: [shape] for statement, shape in SHAPED.items()}


def test_the_loop_of_known_counts_is_seen_exactly(run: Run) -> None:
    program = HERE / "counted.py"
    outcome = run(sys.executable, str(program))
    seen = Counter(
        (name_of(copy), copy.bytes, copy.detail) for copy in own_copies(outcome, str(program))
    )
    assert seen == {
        ("numpy.ascontiguousarray", PICTURE, PLANES): 5,
        ("ndarray.astype", 4 * PICTURE, "uint8 > float32"): 7,
        ("numpy.copyto", PICTURE, ""): 3,
        ("ndarray.__setitem__", PICTURE, ""): 2,
        ("libc", CROP, ""): 4,
        ("libc", PICTURE, ""): 6 * 2 + 30,
    }


def test_every_hook_is_tested_at_the_start_and_on(run: Run) -> None:
    code = "import numpy; numpy.zeros(9).copy()"
    outcome = run(sys.executable, "-c", code)
    assert outcome.counters["passed"] == 0
    notes = outcome.notes("hook")
    assert [note for note in notes if note["state"] != "on"] == []
    names = [note["hook"] for note in notes]
    assert len(names) == len(set(names)) == 39
    assert {
        "ndarray.astype", "ndarray.copy", "numpy.array", "numpy.asarray",
        "numpy.ascontiguousarray", "numpy.copyto", "ndarray[...] =", "numpy.concatenate",
        "PyArray_NewCopy", "PyArray_CopyInto", "PyArray_FromArray", "PyArray_CastToType",
    } <= set(names)  # fmt: skip


def test_a_hook_whose_answers_are_wrong_is_taken_out_with_a_word(run: Run) -> None:
    program = HERE / "changed.py"
    outcome = run(sys.executable, str(program))
    assert (outcome.code, outcome.out) == (0, "True True\n"), outcome.err
    off = [note for note in outcome.notes("hook") if note["state"] == "off"]
    assert off == [
        {
            "hook": "ndarray.ravel",
            "state": "off",
            "why": "a call that copies nothing was seen as a copy",
        }
    ]
    seen = [(name_of(copy), copy.bytes) for copy in own_copies(outcome, str(program))]
    assert ("ndarray.astype", 4 * 480 * 640) in seen
    assert "ndarray.ravel" not in {name for name, _ in seen}


def test_errors_warnings_and_results_are_the_same_with_hooks_and_without(run: Run) -> None:
    command = [sys.executable, str(HERE / "raising.py")]
    plain = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    outcome = run(*command)
    assert outcome.code == 0
    assert outcome.out == plain.stdout
    assert (plain.stdout.count("Error"), plain.stdout.count("Warning")) >= (20, 2)


def test_a_tracer_of_the_program_sees_nothing_of_the_hooks_tests(run: Run) -> None:
    # Nor can a handler of a signal run among them, whose exception would end there.
    command = [sys.executable, str(HERE / "traced.py")]
    plain = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    outcome = run(*command)
    assert (outcome.code, outcome.out) == (0, plain.stdout)
    assert len(outcome.notes("hook")) == 39


def test_assignments_to_subclasses_are_seen_once_each(run: Run) -> None:
    program = HERE / "classes.py"
    outcome = run(sys.executable, str(program))
    assert outcome.code == 0, outcome.err
    seen = Counter()
    for copy in own_copies(outcome, str(program)):
        lines = [line.split("\t") for line in copy.stack.splitlines()]
        seen[name_of(copy), copy.bytes, [function for *_, function in lines][-2]] += 1
    assert seen == {
        ("ndarray.__setitem__", 100_000, function): 1
        for function in (
            "assign_to_mapped_file",
            "assign_to_records",
            "assign_through_own_method",
            "assign_to_plain_subclass",
            "assign_to_masked",
            "assign_field",
        )
    }


def test_threads_are_seen_each_on_its_own_tape_though_the_main_one_only_waits(run: Run) -> None:
    outcome = run(sys.executable, str(HERE / "threads.py"))
    assert outcome.code == 0, outcome.err
    converted = [copy for copy in outcome.copies if name_of(copy) == "ndarray.astype"]
    by_thread = Counter(copy.tid for copy in converted if copy.detail == "uint8 > int16")
    assert sorted(by_thread.values()) == [50] * 8
    assert {copy.bytes for copy in converted} == {2 * 480 * 640, 4 * 480 * 640}
    assert {copy.stack.splitlines()[0].split("\t")[5] for copy in converted} == {
        "importing",
        "importing.<locals>.converting",
    }


def test_a_forked_child_keeps_its_hooks_and_says_so_again(run: Run) -> None:
    outcome = run(sys.executable, str(HERE / "forked.py"))
    assert (outcome.code, outcome.out) == (0, "0\n"), outcome.err
    details = [copy.detail for copy in outcome.copies if name_of(copy) == "ndarray.astype"]
    assert sorted(details) == ["uint8 > float32", "uint8 > int16"]
    assert [note["frames"] for note in outcome.notes("python")] == ["walk", "walk"]
    assert len(outcome.notes("hook")) == 2 * 39


def test_all_bytes_of_the_frame_loop_are_explained(run: Run, tmp_path: Path) -> None:
    program, frames = HERE / "pipeline.py", 10
    model = tmp_path / "mean.onnx"
    outcome = run(sys.executable, str(program), str(CLIP), str(model), OMP_NUM_THREADS="1")
    assert (outcome.code, outcome.out) == (0, f"{frames}\n"), outcome.err
    colours, tensor = 1280 * 720 * 3, 640 * 640 * 3 * 4
    seen: Counter[tuple[str, int, str]] = Counter()
    for copy in own_copies(outcome, str(program)):
        file, line, _, column, end_column, _ = copy.stack.splitlines()[0].split("\t")
        if copy.bytes < 65_536:
            continue  # the compressed pictures
        text = Path(file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        place = text[int(column) : int(end_column)] if file == str(program) else Path(file).name
        seen[name_of(copy), copy.bytes, place] += 1
    assert seen == {
        ("sws_scale_frame", colours, 'frame.to_ndarray(format="rgb24")'): frames,
        ("ndarray.astype", tensor, "planes.astype(np.float32)"): frames,
        ("PyArray_NewCopy", tensor, "onnxruntime_inference_collection.py"): frames,
    }
    moved = sum(name_bytes[1] * count for name_bytes, count in seen.items())
    by_hand = frames * (720 * 1280 * 3 + 3 * 640 * 640 * 4 + 3 * 640 * 640 * 4)
    assert moved / by_hand == 1.0


def test_expressions_are_exact_while_numpy_works_without_the_lock(
    copies_of: Callable[[list[str]], dict[str, list[Any]]],
) -> None:
    statements = [
        "held = [picture.copy(), np.stack([picture] * 2), crop.copy()]",
        "np.ascontiguousarray(planes).astype(np.float32) / 255",
    ]
    seen = copies_of(statements)
    places = []
    for number, statement in enumerate(statements):
        for copy in seen[statement]:
            lines = [line.split("\t") for line in copy.stack.splitlines()]
            own = next(line for line in lines if line[0] == f"<{number}>")
            places.append(statement[int(own[3]) : int(own[4])])
    assert places == [
        "picture.copy()",
        "np.stack([picture] * 2)",
        "np.stack([picture] * 2)",
        "crop.copy()",
        "np.ascontiguousarray(planes)",
        "np.ascontiguousarray(planes).astype(np.float32)",
    ]
