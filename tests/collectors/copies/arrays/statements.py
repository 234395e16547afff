"""Run each statement of a JSON list as a file of its own name: its copies are known by it."""

import json
import sys

import numpy as np

picture = np.arange(480 * 640 * 3, dtype=np.uint32).astype(np.uint8).reshape(480, 640, 3)
planes = picture.transpose(2, 0, 1)
crop = picture[40:440, 100:500]
target = np.zeros((480, 640, 3), np.uint8)
wide = np.zeros((480, 640, 3), np.float32)
names = {
    "np": np,
    "picture": picture,
    "planes": planes,
    "crop": crop,
    "target": target,
    "wide": wide,
}
with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
    statements = json.load(file)
for number, statement in enumerate(statements):
    exec(compile(statement, f"<{number}>", "exec"), names)  # noqa: S102 - our own test's
