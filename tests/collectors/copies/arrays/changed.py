"""A numpy whose `ravel` always copies: its hook is found wrong, and taken out again."""

import ctypes
import sys


def method_of(name: str) -> ctypes.c_void_p:
    """Return the address of ml_meth in the PyMethodDef of a method of ndarray."""
    module = sys.modules.get("numpy._core._multiarray_umath")
    module = module or sys.modules["numpy.core._multiarray_umath"]
    descriptor = module.ndarray.__dict__[name]
    definition = ctypes.c_void_p.from_address(id(descriptor) + 40).value
    return ctypes.c_void_p.from_address(definition + 8)


class Changing:
    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "numpy.linalg":
            method_of("ravel").value = method_of("flatten").value


sys.meta_path.insert(0, Changing())
import numpy as np  # noqa: E402

picture = np.zeros((480, 640), np.uint8)
print(picture.ravel().base is None, method_of("ravel").value == method_of("flatten").value)
picture.T.ravel()
picture.astype(np.float32)
