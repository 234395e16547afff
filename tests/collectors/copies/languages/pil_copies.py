"""Copies that Pillow makes: how often to do each, on the command line."""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image

MOST = [int(text) for text in sys.argv[1:]]
grey = Image.new("L", (1920, 1080), 7)
colours = Image.new("RGB", (1920, 1080), (1, 2, 3))
for _ in range(MOST[0]):
    assert len(colours.tobytes()) == 1920 * 1080 * 3
for _ in range(MOST[1]):
    assert np.asarray(colours).shape == (1080, 1920, 3)
for _ in range(MOST[2]):
    assert grey.copy().size == (1920, 1080)
