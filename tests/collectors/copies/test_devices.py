"""CUDA, GL, Android, V4L2 and mapped devices, on stand-ins; GL on Mesa's rasterizer as well.

A stand-in exports the real names and copies in host memory, so that a program's results can be
compared with and without the interposer. Nothing here was seen on hardware.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from probe import tape
from probe.copies.methods import DOMAINS, METHODS

PROGRAMS = Path(__file__).parent / "devices"
SOURCES = Path(__file__).parents[3] / "collectors" / "copies"
NESTED, ESTIMATED = 1, 4
KIB = 1024
MMAP, DMABUF, EBADF, EAGAIN = 1, 4, 9, 11

Traced = Callable[..., tuple[subprocess.CompletedProcess[str], list[tape.Tape]]]
Row = tuple[str, int, str]


def moved(tapes: list[tape.Tape]) -> list[Row]:
    """List the copies that are not inside another: (method, bytes, "from>to"), in order."""
    rows = []
    for one in tapes:
        for each in one.records[one.records["kind"] == tape.COPY]:
            if not each["flags"] & NESTED:
                packed = int(each["c"])
                way = f"{DOMAINS[packed >> 32 & 255]}>{DOMAINS[packed >> 40 & 255]}"
                rows.append((METHODS[int(each["part"])].name, int(each["frame"]), way))
    return rows


def entries(tapes: list[tape.Tape]) -> list[tuple[str, int, int, int]]:
    """List the entries: (method, handle, bytes, result), in order."""
    return [
        (METHODS[int(each["part"])].name, int(each["a"]), int(each["b"]), int(each["c"]))
        for one in tapes
        for each in one.records[one.records["kind"] == tape.ENTRY]
    ]


def compile_(target: Path, *arguments: str | Path) -> str:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    command = [compiler, "-O1", "-fno-builtin", "-o", str(target), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return str(target)


def stand_in(folder: Path, source: str) -> Path:
    """Build a library that calls its own functions past everybody, as drivers do."""
    target = folder / f"lib{Path(source).stem}.so"
    compile_(target, "-shared", "-fPIC", "-Wl,-Bsymbolic", PROGRAMS / source)
    return target


def program(folder: Path, source: str, *libraries: Path) -> str:
    paths = [f"-Wl,-rpath,{each.parent}" for each in libraries]
    return compile_(folder / Path(source).stem, PROGRAMS / source, *libraries, *paths)


def bare(command: list[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, env=os.environ | (env or {}), capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    return done.stdout


# ---- CUDA ----

CUDA = [
    ("cudaMemcpy", 64 * KIB, "cpu>gpu"),
    ("cudaMemcpy", 65 * KIB, "gpu>cpu"),
    ("cudaMemcpy", 66 * KIB, "gpu>gpu"),
    ("cudaMemcpy", 67 * KIB, "cpu>cpu"),
    ("cudaMemcpy", 68 * KIB, "cpu>gpu"),  # by address
    ("cudaMemcpy", 69 * KIB, "gpu>cpu"),
    ("cudaMemcpyAsync", 71 * KIB, "cpu>gpu"),
    ("cudaMemcpy2D", 1000 * 100, "cpu>gpu"),
    ("cudaMemcpy2DAsync", 1000 * 101, "gpu>cpu"),
    ("cudaMemcpy", 72 * KIB, "cpu>gpu"),  # to a symbol
    ("cudaMemcpy", 73 * KIB, "gpu>cpu"),
    ("cuMemcpyHtoD", 74 * KIB, "cpu>gpu"),
    ("cuMemcpyDtoH", 75 * KIB, "gpu>cpu"),
    ("cuMemcpyDtoD", 76 * KIB, "gpu>gpu"),
    ("cuMemcpyHtoDAsync", 77 * KIB, "cpu>gpu"),
    ("cuMemcpyDtoHAsync", 78 * KIB, "gpu>cpu"),
    ("cuMemcpyDtoDAsync", 79 * KIB, "gpu>gpu"),
    ("cuMemcpy2D", 900 * 102, "cpu>gpu"),
    ("cuMemcpyHtoD", 80 * KIB, "cpu>gpu"),  # from here on by an address that was asked for
    ("cuMemcpyHtoD", 81 * KIB, "cpu>gpu"),
    ("cuMemcpyDtoH", 82 * KIB, "gpu>cpu"),
]


def test_each_copy_of_cuda_has_its_bytes_and_direction_and_refused_ones_none(
    traced: Traced, tmp_path: Path
) -> None:
    library = stand_in(tmp_path, "cuda_stand_in.c")
    command = [program(tmp_path, "cuda_calls.c", library)]
    done, tapes = traced(command)
    assert done.stdout == bare(command)
    assert moved(tapes) == CUDA


def test_an_asynchronous_copy_s_end_is_an_estimate(traced: Traced, tmp_path: Path) -> None:
    library = stand_in(tmp_path, "cuda_stand_in.c")
    _, [one] = traced([program(tmp_path, "cuda_calls.c", library)])
    for each in one.records[one.records["kind"] == tape.COPY]:
        if not each["flags"] & NESTED:
            name = METHODS[int(each["part"])].name
            assert bool(each["flags"] & ESTIMATED) == name.endswith("Async")


def test_a_library_that_is_not_there_fails_as_cuda_does_and_is_noted_once(
    traced: Traced, tmp_path: Path
) -> None:
    source = tmp_path / "absent.c"
    source.write_text(
        "#include <stdio.h>\n#include <stddef.h>\n"
        "__attribute__((weak)) int cudaMemcpy(void *, const void *, size_t, int);\n"
        "int main(void) { for (int i = 0; i < 3; i++) if (cudaMemcpy != NULL)\n"
        '    printf("%d ", cudaMemcpy(NULL, NULL, 1 << 20, 1)); }\n'
    )
    done, tapes = traced([compile_(tmp_path / "absent", source)])
    assert done.stdout == "302 302 302 "  # cudaErrorSharedObjectSymbolNotFound
    assert moved(tapes) == []
    said = [
        json.loads(one.names[int(each["a"])])
        for one in tapes
        for each in one.records[one.records["kind"] == tape.NOTE]
        if one.names[int(each["name"])] == "hook"
    ]
    assert [(note["hook"], note["state"]) for note in said] == [("cudaMemcpy", "missing")]


# ---- GL ----

GL = [
    ("glTexImage2D", 256 * 128 * 4, "cpu>gpu"),
    ("glTexImage2D", 101 * 100 * 3, "cpu>gpu"),
    ("glTexImage2D", 101 * 90 * 3, "cpu>gpu"),
    ("glTexSubImage2D", 128 * 64 * 4, "cpu>gpu"),
    ("glReadPixels", 96 * 64 * 4, "gpu>cpu"),
    ("glReadPixels", 90 * 64 * 4, "gpu>cpu"),
    ("glReadPixels", 95 * 64 * 4, "gpu>cpu"),  # through eglGetProcAddress
    ("glBufferData", 65536, "cpu>gpu"),
    ("glBufferData", 32000, "cpu>gpu"),
    ("glTexSubImage2D", 120 * 64 * 4, "gpu>gpu"),  # out of a buffer
    ("glReadPixels", 96 * 64 * 4, "gpu>gpu"),
    ("memcpy", 20000, "gpu>cpu"),  # while the buffer is mapped
    ("memcpy", 21000, "cpu>cpu"),
]


def gl_program(origin: str, folder: Path) -> str:
    if origin == "stand-in":
        return program(folder, "gl_calls.c", stand_in(folder, "gl_stand_in.c"))
    found = [ctypes.util.find_library(name) for name in ("EGL", "GLESv2")]
    libraries = [f"-l:{name}" for name in found if name is not None]
    if len(libraries) < 2:
        pytest.skip("the system has no libEGL or libGLESv2")
    target = compile_(folder / "gl_calls", PROGRAMS / "gl_calls.c", *libraries)
    trial = subprocess.run(
        [target], env=os.environ | SURFACELESS, capture_output=True, timeout=60, check=False
    )
    if trial.returncode == 9:
        pytest.skip("EGL gives no GLES 3 context without a display here")
    return target


SURFACELESS = {"EGL_PLATFORM": "surfaceless", "LIBGL_ALWAYS_SOFTWARE": "1"}


@pytest.mark.parametrize("origin", ["stand-in", "mesa"])
def test_uploads_and_readbacks_have_their_bytes_and_pixel_buffers_lie_on_the_gpu(
    origin: str, traced: Traced, tmp_path: Path
) -> None:
    command = [gl_program(origin, tmp_path)]
    done, tapes = traced(command, env=SURFACELESS)
    assert done.stdout == bare(command, SURFACELESS)
    assert "error 0" in done.stdout
    main = [one for one in tapes if one.header.pid == one.header.tid]
    calls = [row for row in moved(main) if row[0].startswith("gl") or row[1] in {20000, 21000}]
    assert calls == GL
    ((_, address, size, access), (swap, _, _, result)) = entries(main)
    assert (size, access) == (96 * 64 * 4, 1)
    assert address != 0
    assert (swap, result) == ("eglSwapBuffers", 1)


def test_a_readback_s_shape_follows_alignment_and_row_length(
    traced: Traced, tmp_path: Path
) -> None:
    _, [one] = traced([gl_program("stand-in", tmp_path)])
    shapes = {int(each["c"]): each for each in one.records[one.records["kind"] == tape.SHAPE]}
    seen = [
        (
            int(each["frame"]),
            *(int(shapes[int(each["sequence"])][key]) for key in ("t1", "frame", "a")),
        )
        for each in one.records[one.records["kind"] == tape.COPY]
        if int(each["part"]) in {80, 82}
    ]
    assert (101 * 100 * 3, 303, tape.NULL, 304) in seen, "303 bytes begin at multiples of four"
    assert (101 * 90 * 3, 303, tape.NULL, 303) in seen
    assert (90 * 64 * 4, 360, 400, tape.NULL) in seen, "each row has room for 100 pixels"
    assert (96 * 64 * 4, 384, 384, tape.NULL) in seen


# ---- Android and Qualcomm ----


def test_shared_memory_of_a_dsp_and_a_locked_buffer_are_a_domain_while_they_live(
    traced: Traced, tmp_path: Path
) -> None:
    command = [program(tmp_path, "android_calls.c", stand_in(tmp_path, "android_stand_in.c"))]
    done, tapes = traced(command)
    assert done.stdout == bare(command)
    assert moved(tapes) == [
        ("memcpy", 30000, "cpu>dmabuf"),
        ("memcpy", 31000, "dmabuf>cpu"),
        ("memcpy", 32000, "dmabuf>cpu"),
        ("memcpy", 33000, "cpu>cpu"),  # unlocked
    ]
    assert [(name, size, result) for name, _, size, result in entries(tapes)] == [
        ("rpcmem_alloc", 50000, 25),
        ("AHardwareBuffer_lock", 128 * 70 * 4, 0),
        ("AHardwareBuffer_lock", 0, -22),
    ]


# ---- V4L2 and DMA-BUF ----


def test_a_camera_s_ioctls_are_passed_on_and_leave_memory_and_bytes(
    interposer: Path, traced: Traced, tmp_path: Path
) -> None:
    library = stand_in(tmp_path, "v4l2_stand_in.c")
    command = [program(tmp_path, "v4l2_calls.c")]
    done, tapes = traced(command, env={"LD_PRELOAD": f"{interposer}:{library}"})
    assert done.stdout == bare(command, {"LD_PRELOAD": str(library)})
    camera = 700 << 32
    assert entries(tapes) == [
        ("VIDIOC_DQBUF", camera | 2, 1382400, MMAP),
        ("VIDIOC_QBUF", camera | 2, 1382400, MMAP),
        ("VIDIOC_DQBUF", camera | 2, 921600 + 460800, DMABUF),
        ("VIDIOC_DQBUF", camera, 0, -EAGAIN),
        ("VIDIOC_EXPBUF", camera | 3, 0, 701),
        ("DMA_BUF_IOCTL_SYNC", camera, 0, 1),
        ("DMA_BUF_IOCTL_SYNC", camera, 0, 5),
        ("VIDIOC_QBUF", -1 << 32, 0, -EBADF),
    ]


# ---- mapped devices ----


def test_paths_ranges_and_threads_of_the_table_of_domains(tmp_path: Path) -> None:
    harness = compile_(
        tmp_path / "harness", f"-I{SOURCES}", PROGRAMS / "domains_harness.c",
        SOURCES / "domains.c", "-pthread",
    )  # fmt: skip
    paths, ranges, threads, overflow = bare([harness]).splitlines()
    nothing = ["255"] * 7
    assert paths.split() == ["3", "3", "3", "5", "2", "2", "2", "3", "6", "2", *nothing]
    assert ranges == "0 1 1 3 3 1 3 1 3 1 3 2 1 0"
    assert threads == "wrong 0 left 0"
    assert overflow == "notes 1 first 2 last 1"


def test_what_is_mapped_from_a_device_is_its_domain_also_in_a_child(
    traced: Traced, tmp_path: Path
) -> None:
    command = [program(tmp_path, "mapping_calls.c"), "/dev/video0"]
    # A file in a /dev of its own: its descriptor's path is that of a camera.
    alone = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs none /dev && exec "$0" "$@"', *command]
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    trial = subprocess.run(alone, capture_output=True, text=True, timeout=60, check=False)
    if trial.returncode != 0:
        pytest.skip(f"no mount namespace of its own here: {trial.stderr.strip()}")
    done, tapes = traced(alone)
    assert done.stdout == trial.stdout
    by_size = {size: way for _, size, way in moved(tapes) if size % 1000 == 0}
    assert by_size == {
        20000: "v4l2>cpu",
        21000: "cpu>v4l2",
        22000: "cpu>cpu",  # a private mapping's pages are its own
        23000: "v4l2>cpu",  # in the child: the parent's mapping
        24000: "v4l2>cpu",  # and its own
        25000: "v4l2>cpu",  # the half that stayed
        26000: "cpu>cpu",  # other memory at the same address
    }


def test_mapping_works_before_the_interposer_s_constructor_and_for_others_files(
    traced: Traced, tmp_path: Path
) -> None:
    library = stand_in(tmp_path, "early_mapping.c")
    source = tmp_path / "asks.c"
    source.write_text(
        "#include <stdio.h>\nint early_worked(void);\n"
        'int main(void) { printf("%d", early_worked()); }\n'
    )
    command = [compile_(tmp_path / "asks", source, library, f"-Wl,-rpath,{tmp_path}")]
    assert bare(command) == "1"
    done, _ = traced(command)
    assert done.stdout == "1"
    done, tapes = traced([program(tmp_path, "mapping_calls.c"), str(tmp_path / "plain")])
    assert done.returncode == 0
    assert {way for _, size, way in moved(tapes) if size % 1000 == 0} == {"cpu>cpu"}
