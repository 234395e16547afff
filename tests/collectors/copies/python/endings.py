"""Threads that copy while the interpreter ends and takes their frames away."""

import os
import threading

CHUNK = 1 << 20


def copying() -> None:
    zeros = os.open("/dev/zero", os.O_RDONLY)
    target = bytearray(CHUNK)
    while True:
        os.readv(zeros, [target])
        bytes(target)


for _ in range(4):
    threading.Thread(target=copying, daemon=True).start()
total = sum(len(bytes(CHUNK)) for _ in range(20))
print(total)
