"""Two independent witnesses count the same copies: DHAT (a simulated CPU), bpftrace (the kernel).

Slow (`make test-slow`): DHAT runs the program in valgrind, bpftrace needs root and uprobes.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from probe import tape

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PROGRAM = Path(__file__).parent / "witnesses" / "libc_copies.c"
LOOP = Path(__file__).parents[2] / "bench" / "copy_loop.py"
BYTES = 1 << 16
"""Copies of at least this many bytes are compared: all three see them one by one."""

Traced = Callable[..., tuple[subprocess.CompletedProcess[str], list[tape.Tape]]]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    target = tmp_path / "program"
    subprocess.run(
        [compiler, "-O2", "-fno-builtin", "-o", str(target), str(PROGRAM)], check=True, timeout=60
    )
    return target


def seen(tapes: list[tape.Tape]) -> tuple[int, int]:
    """Return number and bytes of the libc copies that the interposer recorded, realloc left out."""
    rows = np.concatenate([each.records[each.records["kind"] == tape.COPY] for each in tapes])
    mine = rows[(rows["part"] <= 7) & (rows["frame"] >= BYTES)]
    return len(mine), int(mine["frame"].sum())


def test_dhat_counts_the_same_copies_of_a_c_program(
    traced: Traced, program: Path, tmp_path: Path
) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    out = tmp_path / "dhat.out"
    command = ["valgrind", "--tool=dhat", "--mode=copy", f"--dhat-out-file={out}", "-q"]
    subprocess.run([*command, str(program)], check=True, timeout=300, capture_output=True)
    points = [point for point in json.loads(out.read_text())["pps"] if point["tbk"]]
    big = [point for point in points if point["tb"] // point["tbk"] >= BYTES]
    witness = sum(point["tbk"] for point in big), sum(point["tb"] for point in big)
    _, tapes = traced([str(program)])
    # valgrind brings a realloc of its own, so that neither side counts the copy inside it.
    assert witness == seen(tapes)


def test_the_kernel_counts_the_same_copies_of_a_c_program(traced: Traced, program: Path) -> None:
    if os.geteuid() or shutil.which("bpftrace") is None:
        pytest.skip("needs root and bpftrace")
    script = "; ".join(
        f"uprobe:{library}:{offset:#x} /arg2 >= {BYTES}/ {{ @{name}[0] = count(); "
        f"@{name}_bytes[0] = sum(arg2); }}"
        for name, (library, offset) in _resolved("memcpy", "memmove").items()
    ).replace("};", "}")
    done = subprocess.run(
        ["bpftrace", "-e", script, "-c", str(program)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"bpftrace cannot attach here: {done.stderr.strip()[-200:]}")
    numbers = {key: int(value) for key, value in re.findall(r"@(\w+)\[0\]: (\d+)", done.stdout)}
    _, tapes = traced([str(program)])
    count, size = seen(tapes)
    # mempcpy enters at an address of its own; wmemcpy and bcopy pass through these two.
    others = _of_methods(tapes, {3})
    # The copy inside realloc passes through memcpy's address too: all that its block could hold.
    moved = _of_methods(tapes, {8})
    assert moved[0] == 1
    names = [name for name in numbers if not name.endswith("_bytes")]
    assert sum(numbers[name] for name in names) == count - others[0] + moved[0]
    witness = sum(numbers[f"{name}_bytes"] for name in names)
    # realloc moves the whole chunk: 8 bytes more than the program had asked for.
    assert witness == size - others[1] + moved[1] + 8


def _of_methods(tapes: list[tape.Tape], methods: set[int]) -> tuple[int, int]:
    rows = np.concatenate([each.records[each.records["kind"] == tape.COPY] for each in tapes])
    mine = rows[np.isin(rows["part"], list(methods)) & (rows["frame"] >= BYTES)]
    return len(mine), int(mine["frame"].sum())


def _resolved(*names: str) -> dict[str, tuple[str, int]]:
    """Return library and offset that each name resolves to on this CPU, less repetitions."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    mapped = [line for line in lines if re.search(r"libc[.-][^/]*so", line)]
    library = mapped[0].split()[-1]
    base = min(int(line.split("-")[0], 16) for line in mapped)
    libc = ctypes.CDLL(None)
    found: dict[str, tuple[str, int]] = {}
    for name in names:
        address = ctypes.cast(getattr(libc, name), ctypes.c_void_p).value or 0
        if (library, address - base) not in found.values():
            found[name] = library, address - base
    return found
