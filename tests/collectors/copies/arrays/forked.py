"""A child of fork converts, as its parent did."""

import os

import numpy as np

picture = np.zeros((480, 640), np.uint8)
picture.astype(np.float32)
child = os.fork()
if child == 0:
    picture.astype(np.int16)
    os._exit(0)
print(os.waitpid(child, 0)[1])
