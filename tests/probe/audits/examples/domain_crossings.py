"""Each frame is sent through a pipe to another process, which could share its memory."""

import mmap
import os
import subprocess
import sys
from typing import Any

import numpy as np
from playing import plane, play

SIZE = 1280 * 720
READER = """
import hashlib, mmap, os, sys
size, shared, digest = int(sys.argv[1]), int(sys.argv[2]), hashlib.sha256()
memory = mmap.mmap(shared, size) if shared >= 0 else bytearray(size)
view = memoryview(memory)
os.write(1, b"!")
while True:
    if shared >= 0:
        if not os.read(0, 1):
            break
    else:
        filled = 0
        while filled < size and (got := os.readv(0, [view[filled:]])):
            filled += got
        if filled < size:
            break
    digest.update(view)
    os.write(1, digest.digest())
"""
FILE = os.memfd_create("frames") if sys.argv[1] == "remedy" else -1
if FILE >= 0:
    os.ftruncate(FILE, SIZE)
    SHARED = np.frombuffer(mmap.mmap(FILE, SIZE), np.uint8).reshape(720, 1280)
CHILD = subprocess.Popen(
    [sys.executable, "-c", READER, str(SIZE), str(FILE)],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    bufsize=0,
    pass_fds=[FILE] if FILE >= 0 else [],
)
LUMA = np.empty((720, 1280), np.uint8)
CHILD.stdout.read(1)  # it is there


def fault(k: int, picture: Any) -> Any:
    np.copyto(LUMA, plane(picture))
    CHILD.stdin.write(LUMA)  # fault
    return CHILD.stdout.read(32)


def remedy(k: int, picture: Any) -> Any:
    np.copyto(SHARED, plane(picture))
    CHILD.stdin.write(b"!")
    return CHILD.stdout.read(32)


play(fault, remedy)
CHILD.stdin.close()
CHILD.wait()
