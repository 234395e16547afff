"""What ONNX Runtime's bindings copy around `run`: one case, named on the command line.

    python ort_copies.py MODEL CASE

The model takes and gives `x`, `y` float32 [1, 3, 640, 640]: 4,915,200 bytes. Prints the sum of the
output, so that a run with the interposer can be held against one without.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime as ort


def main() -> None:
    """Run the case once to warm up, then make one run between two marks on stderr."""
    model, case = sys.argv[1:]
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    x = np.ones((1, 3, 640, 640), np.float32)
    turned = np.ones((1, 640, 640, 3), np.float32).transpose(0, 3, 1, 2)
    y = np.empty_like(x)
    cases = {
        "contiguous": lambda: session.run(None, {"x": x})[0],
        "non-contiguous": lambda: session.run(None, {"x": turned})[0],
        "value-numpy": lambda: _value(session, x).numpy(),
        "bound-output": lambda: _bound(session, x, y),
        "copy-outputs": lambda: _copied(session, x),
    }
    out = cases[case]()
    print(f"{float(out.sum()):.0f}")


def _value(session: ort.InferenceSession, x: np.ndarray) -> ort.OrtValue:
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    return binding.get_outputs()[0]


def _bound(session: ort.InferenceSession, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    binding = session.io_binding()
    value = ort.OrtValue.ortvalue_from_numpy(x)
    binding.bind_ortvalue_input("x", value)
    binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    session.run_with_iobinding(binding)
    return y


def _copied(session: ort.InferenceSession, x: np.ndarray) -> np.ndarray:
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()[0]


if __name__ == "__main__":
    main()
