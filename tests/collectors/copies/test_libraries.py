"""Entry points of FFmpeg and ONNX Runtime: exact calls and bytes, and results as without us."""

from __future__ import annotations

import ctypes.util
import hashlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from probe import tape
from probe.copies.methods import DOMAINS, METHODS

PROGRAMS = Path(__file__).parent / "libraries"
ASSETS = Path(__file__).parents[3] / "scenarios" / "assets"
CLIP = ASSETS / "people_720p30.mp4"
NESTED = 1
PICTURE = 1280 * 720 * 3
THUMBNAIL = 320 * 180 * 3
ODD = 641 * 361 + 2 * 321 * 181
"""Bytes of a yuv420p picture of 641x361: chroma planes are rounded up."""
WHOLE = 640 * 360 * 3 // 2

Traced = Callable[..., tuple[subprocess.CompletedProcess[str], list[tape.Tape]]]
Row = tuple[str, int, str]


def moved(tapes: list[tape.Tape]) -> Counter[Row]:
    """Count what FFmpeg moved: (method, bytes, detail), without what happened inside."""
    rows: Counter[Row] = Counter()
    for one in tapes:
        shapes = {
            int(each["c"]): one.names[int(each["b"])]
            for each in one.records[one.records["kind"] == tape.SHAPE]
        }
        for each in one.records[one.records["kind"] == tape.COPY]:
            if each["part"] >= 32 and not each["flags"] & NESTED:
                detail = shapes.get(int(each["sequence"]), "")
                rows[METHODS[int(each["part"])].name, int(each["frame"]), detail] += 1
    return rows


def entries(tapes: list[tape.Tape], method: str) -> list[tuple[int, int, int]]:
    """List the calls of an entry point: (handle, bytes, result), in each thread's order."""
    return [
        (int(each["a"]), int(each["b"]), int(each["c"]))
        for one in tapes
        for each in one.records[one.records["kind"] == tape.ENTRY]
        if METHODS[int(each["part"])].name == method
    ]


def bundled(pattern: str) -> Path:
    spec = find_spec("av")
    assert spec is not None
    assert spec.origin is not None
    found = sorted((Path(spec.origin).parents[1] / "av.libs").glob(pattern))
    if not found:
        pytest.skip(f"PyAV brings no {pattern} of its own here")
    return found[0]


def of_system(name: str) -> str:
    found = ctypes.util.find_library(name)
    if found is None:
        pytest.skip(f"the system has no lib{name}")
    return f"-l:{found}"


def compile_(target: Path, *arguments: str | Path) -> str:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    command = [compiler, "-O1", "-o", str(target), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return str(target)


def built(folder: Path, source: str, *libraries: str | Path) -> str:
    paths = [f"-Wl,-rpath,{each.parent}" for each in libraries if isinstance(each, Path)]
    others = ["-Wl,--allow-shlib-undefined", *paths]
    return compile_(folder / Path(source).stem, PROGRAMS / source, *libraries, *others)


DECODE = f"""
import hashlib, av
sums = hashlib.sha256()
with av.open({str(CLIP)!r}) as clip:
    for k, frame in enumerate(clip.decode(video=0)):
        sums.update(frame.to_ndarray(format="rgb24").tobytes())
        sums.update(frame.reformat(320, 180, "rgb24").to_ndarray().tobytes())
        assert frame.reformat(1280, 720, "yuv420p") is frame
        if k == 22:
            break
print(sums.hexdigest())
"""


def test_a_function_whose_address_another_library_hands_out_is_the_one_that_was_meant(
    traced: Traced, tmp_path: Path
) -> None:
    source, shared = PROGRAMS / "handed_on.c", ["-shared", "-fPIC"]
    has = compile_(tmp_path / "libhas.so", source, "-DHAS", *shared)
    hands_out = compile_(
        tmp_path / "libhands_out.so", source, "-DHANDS_OUT", *shared, has,
        f"-Wl,-rpath,{tmp_path}",
    )  # fmt: skip
    program = compile_(tmp_path / "calls", source, "-ldl")
    done, _ = traced([program, hands_out])
    assert (done.returncode, done.stdout) == (0, "41 41 41 "), done.stderr


def test_every_conversion_of_pyav_is_seen_with_its_bytes_and_changes_nothing(
    traced: Traced,
) -> None:
    bare = subprocess.run(
        [sys.executable, "-c", DECODE], capture_output=True, text=True, timeout=60, check=True
    )
    done, tapes = traced([sys.executable, "-c", DECODE])
    assert done.stdout == bare.stdout, done.stderr
    assert {row: n for row, n in moved(tapes).items() if row[0].startswith("sws")} == {
        ("sws_scale_frame", PICTURE, "yuv420p 1280x720 > rgb24 1280x720"): 23,
        ("sws_scale_frame", THUMBNAIL, "yuv420p 1280x720 > rgb24 320x180"): 23,
    }


def test_the_codec_s_turns_name_its_context_and_the_bytes_that_came_out(traced: Traced) -> None:
    _, tapes = traced([sys.executable, "-c", DECODE])
    frames = entries(tapes, "avcodec_receive_frame")
    decoded = [row for row in frames if row[2] == 0]
    assert {size for _, size, _ in decoded} == {1280 * 720 * 3 // 2}
    assert {result for _, _, result in frames} <= {0, -11}  # EAGAIN: it wants another packet
    # Opening the file decodes a picture too, with a context of its own, to know its format.
    [(codec, count), *others] = Counter(handle for handle, _, _ in decoded).most_common()
    assert count >= 23
    assert sum(n for _, n in others) <= 1
    packets = [size for handle, size, _ in entries(tapes, "avcodec_send_packet") if handle == codec]
    assert len(packets) >= 23
    assert min(packets) > 0


def libraries_of(origin: str) -> tuple[str | Path, ...]:
    if origin == "pyav":
        return bundled("libswscale-*"), bundled("libavutil-*")
    return of_system("swscale"), of_system("avutil")


@pytest.mark.parametrize("origin", ["pyav", "system"])
def test_each_call_of_a_c_program_counts_its_destination_s_bytes_once(
    origin: str, traced: Traced, tmp_path: Path
) -> None:
    program = built(tmp_path, "ffmpeg_calls.c", *libraries_of(origin))
    bare = subprocess.run([program], capture_output=True, text=True, timeout=60, check=True)
    done, tapes = traced([program], env={"LIVEPROBE_COPIES_BYTES": "256"})
    assert done.returncode == 0
    assert done.stdout == bare.stdout
    rows = moved(tapes)
    slices = {row: n for row, n in rows.items() if row[2].startswith("rgb24 1280x362")}
    assert len(slices) > 1, "it was to come in slices"
    assert sum(size * n for (_, size, _), n in slices.items()) == 1280 * 362 * 3 // 2
    assert {row: n for row, n in rows.items() if row not in slices} == {
        ("sws_scale", THUMBNAIL, "yuv420p 640x360 > rgb24 320x180"): 1,
        ("av_image_copy", ODD, "yuv420p 641x361"): 1,
        ("av_image_copy_uc_from", ODD, "yuv420p 641x361"): 1,
        ("av_image_copy_plane", 500 * 300, ""): 1,
        ("av_image_copy_to_buffer", ODD, "yuv420p 641x361"): 1,
        ("av_frame_copy", WHOLE, "yuv420p 640x360"): 1,
        ("av_frame_make_writable", WHOLE, "yuv420p 640x360"): 1,
    }


def test_an_image_copy_says_the_strides_of_its_first_plane(traced: Traced, tmp_path: Path) -> None:
    program = built(tmp_path, "ffmpeg_calls.c", *libraries_of("pyav"))
    _, [one] = traced([program])
    copy = one.records[(one.records["kind"] == tape.COPY) & (one.records["part"] == 35)][0]
    shape = one.records[
        (one.records["kind"] == tape.SHAPE) & (one.records["c"] == copy["sequence"])
    ]
    rows, row_bytes, to, source = (int(shape[0][key]) for key in ("t0", "t1", "frame", "a"))
    assert (rows, row_bytes) == (361, 641)
    assert (to % 64, source % 32) == (0, 0)
    assert min(to, source) > row_bytes


def test_what_a_library_copies_inside_its_entry_point_is_nested(
    traced: Traced, tmp_path: Path
) -> None:
    program = built(tmp_path, "ffmpeg_calls.c", *libraries_of("pyav"))
    _, [one] = traced([program])
    copies = one.records[one.records["kind"] == tape.COPY]
    within = copies[copies["part"] == 1]
    assert len(within) > 0
    assert all(each["flags"] & NESTED for each in within)


def test_a_transfer_names_the_device_s_side_and_a_reference_is_no_copy(
    traced: Traced, tmp_path: Path
) -> None:
    library = tmp_path / "libstand_in.so"
    compile_(library, "-fno-builtin", "-shared", "-fPIC", PROGRAMS / "hwframe_stand_in.c")
    program = built(tmp_path, "hwframe_calls.c", library)
    bare = subprocess.run([program], capture_output=True, text=True, timeout=60, check=True)
    done, tapes = traced([program])
    assert done.stdout == bare.stdout == "0 0 0 -38 0 1 0\n"
    copies = [
        row
        for one in tapes
        for row in one.records[one.records["kind"] == tape.COPY]
        if row["part"] >= 32 and not row["flags"] & NESTED
    ]
    ways = [f"{DOMAINS[row['c'] >> 32 & 255]}>{DOMAINS[row['c'] >> 40 & 255]}" for row in copies]
    assert ways == ["gpu>cpu", "cpu>gpu", "dmabuf>cpu", "cpu>cpu"]
    assert [int(row["frame"]) for row in copies] == [640 * 360 * 3 // 2] * 4
    assert set(moved(tapes)) >= {
        ("av_hwframe_transfer_data", WHOLE, "cuda 640x360 > nv12 640x360"),
        ("av_hwframe_transfer_data", WHOLE, "nv12 640x360 > cuda 640x360"),
        ("av_hwframe_transfer_data", WHOLE, "drm_prime 640x360 > nv12 640x360"),
    }


def test_deep_mode_knows_each_padded_plane_of_a_conversion(traced: Traced, tmp_path: Path) -> None:
    program = built(tmp_path, "deep_conversion.c", *libraries_of("pyav"), "-ldl")
    done, tapes = traced([program], env={"LIVEPROBE_COPIES": "deep", "LIVEPROBE_COPIES_EVERY": "1"})
    said = [
        one.names[int(row["a"])]
        for one in tapes
        for row in one.records[one.records["kind"] == tape.NOTE]
        if one.names[int(row["name"])] == "deep"
    ]
    if '"on"' not in said[0]:
        pytest.skip(f"deep mode does not run here: {said}")
    [stage] = [row for one in tapes for row in one.records[one.records["kind"] == tape.WRITES]]
    assert int(stage["b"]) == int(done.stdout) * os.sysconf("SC_PAGESIZE")
    assert int(stage["a"]) >= int(stage["b"])  # the scaler's own memory is written as well


def test_an_inert_interposer_leaves_the_libraries_alone(traced: Traced, tmp_path: Path) -> None:
    program = built(tmp_path, "ffmpeg_calls.c", *libraries_of("pyav"))
    bare = subprocess.run([program], capture_output=True, text=True, timeout=60, check=True)
    done, tapes = traced([program], env={"LIVEPROBE_COPIES": "off"})
    assert (done.returncode, done.stdout) == (0, bare.stdout)
    assert tapes == []


def test_the_system_s_ffmpeg_is_seen_from_decoder_to_encoder(
    traced: Traced, tmp_path: Path
) -> None:
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("ffmpeg is not installed")
    target = tmp_path / "out.rgb"
    command = [program, "-v", "error", "-nostdin", "-i", str(CLIP), "-frames:v", "10"]
    command += ["-vf", "scale=320:180", "-pix_fmt", "rgb24", "-f", "rawvideo", "-y", str(target)]
    subprocess.run(command, check=True, timeout=60)
    bare = hashlib.sha256(target.read_bytes()).hexdigest()
    done, tapes = traced(command)
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(target.read_bytes()).hexdigest() == bare
    scaled = Counter({row: n for row, n in moved(tapes).items() if row[0].startswith("sws")})
    assert sum(size * n for (_, size, _), n in scaled.items()) >= 10 * THUMBNAIL
    assert {row[2] for row in scaled} == {"yuv420p 1280x720 > rgb24 320x180"}
    done_turns = [row for row in entries(tapes, "avcodec_receive_packet") if row[2] == 0]
    assert [size for _, size, _ in done_turns] == [THUMBNAIL] * 10


# ---- ONNX Runtime ----


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """Return the C library that the Python package brings, under the name that programs link."""
    spec = find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    found = sorted((Path(spec.origin).parent / "capi").glob("libonnxruntime.so.*"))
    if not found:
        pytest.skip("this onnxruntime package brings no C library")
    link = tmp_path / "libonnxruntime.so.1"
    link.symlink_to(found[0])
    return link


def test_runs_of_the_c_api_leave_entries_with_their_session_and_its_own_words(
    runtime: Path, traced: Traced, tmp_path: Path
) -> None:
    program = built(tmp_path, "ort_calls.c", runtime)
    command = [program, str(ASSETS / "segmenter_fp32.onnx")]
    quiet = {"ORT_DISABLE_TELEMETRY": "1"}
    bare = subprocess.run(
        command, env=os.environ | quiet, capture_output=True, text=True, timeout=60, check=True
    )
    # The runtime's own words show that the indices are those of Run and RunWithBinding.
    assert bare.stdout.count("run: 2 At least one output should be requested") == 3
    assert bare.stdout.count("run with binding: 2 At least one output should be requested") == 1
    done, tapes = traced(command, env=quiet)
    assert done.stdout == bare.stdout
    runs = entries(tapes, "OrtRun")
    assert [result for _, _, result in runs] == [2, 2, 2, 2]
    assert len({session for session, _, _ in runs}) == 1
    assert all(session != 0 for session, _, _ in runs)
