"""A loop of known counts: 5 transposes, 7 astype, 3 copyto, 2 assignments, 4 crops, 6 stacks."""

import numpy as np

picture = np.zeros((480, 640, 3), np.uint8)
target = np.zeros((480, 640, 3), np.uint8)
for _ in range(5):
    np.ascontiguousarray(picture.transpose(2, 0, 1))
for _ in range(7):
    picture.astype(np.float32)
for _ in range(3):
    np.copyto(target, picture[:, ::-1])
for _ in range(2):
    target[...] = picture[..., ::-1]
for _ in range(4):
    picture[40:440, 100:500].copy()
for _ in range(6):
    np.stack([picture, picture])
for _ in range(30):
    picture.copy()
