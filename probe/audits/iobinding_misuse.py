"""Which copies does the binding around ONNX Runtime make that plain `run` would not?

On the CPU provider an OrtValue is host memory already: `copy_outputs_to_cpu` copies it once more
(all versions tried, facts of copies, 3f), and so did `OrtValue.numpy()` up to 1.17. Where the
outputs are on a device the same calls are transfers, and none of this audit's. What `run` itself
copied in those versions cannot be told from copies inside the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, Said, conclude
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.moves import TABLES, Moves
from probe.suspects import WEIGHT, Suspect, Suspects

if TYPE_CHECKING:
    from probe.store import Run

ID: Final = "iobinding_misuse"
TITLE: Final = "Outputs copied by their binding"
REMEDY: Final = (
    "on the CPU provider call session.run(...), which hands out the runtime's own memory, or bind "
    "an output buffer of your own once (io_binding.bind_output(name, 'cpu', 0, dtype, shape, "
    "array.ctypes.data)) and read that; OrtValue.numpy() copies only before 1.20: update"
)
BINDING: Final = "onnxruntime_inference_collection.py"
"""ONNX Runtime's Python module that holds IOBinding and OrtValue."""
CALLS: Final = {"copy_outputs_to_cpu": ".copy_outputs_to_cpu(", "numpy": ".numpy("}
"""Function in that module: how a line of the program that calls it reads."""


def judge(run: Run) -> list[Finding]:
    """Say which copies in host memory come from a binding's own calls."""
    moves = Moves.of(run)
    plain = moves.counted & moves.keeps_format
    sites = np.unique(moves.numbers("site")[plain])
    calls = {int(site): _call(moves, int(site)) for site in sites}
    bound = [site for site, call in calls.items() if call]
    suspects = Suspects.of(moves, plain & np.isin(moves.numbers("site"), bound))
    return conclude(
        Question(ID, TITLE, REMEDY),
        moves,
        suspects,
        lambda suspect: _said(suspect, calls),
        by_line=True,
    )


def _call(moves: Moves, site: int) -> str | None:
    """Return which of `CALLS` a site is in: by its Python stack, else by its line."""
    stack = moves.stack_of(site)
    for file, function in stack:
        if file.endswith(BINDING) and function in CALLS:
            return function
    place = moves.site(site)
    if not (place.module or "").rpartition("/")[2].startswith("onnxruntime"):
        return None
    return next((name for name, call in CALLS.items() if call in (place.expression or "")), None)


def _said(suspect: Suspect, calls: dict[int, str | None]) -> Said:
    call = calls.get(suspect.number("site") or 0)
    return Said(f"{call} copies in host memory", {"call": call})


_ORT: Final = "/lib/python3.11/site-packages/onnxruntime/capi/" + BINDING
_COPIED: Final = Copied(
    "infer", 2 * FRAME_BYTES, line=44, expression="binding.copy_outputs_to_cpu()",
    stack=((_ORT, 1_000, "copy_outputs_to_cpu"),),
)  # fmt: skip

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Binding inputs and outputs is there to save copies; on the processor the usual recipe "
    "adds one that plain run does not make.",
    source="Facts of copies, 3f, measured on 1.17 to 1.31: copy_outputs_to_cpu 1 copy, run 0 from "
    f"1.20 on, a bound output of one's own 0. {WEIGHT}",
    requires=TABLES,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "outputs are bound and copied",
            lambda: copy_cases.copying_run(_COPIED),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "an OrtValue of an old version",
            lambda: copy_cases.copying_run(
                _COPIED._replace(
                    bytes=FRAME_BYTES // 8,
                    expression="value.numpy()",
                    ms=0.03,
                    stack=((_ORT, 900, "numpy"),),
                )
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "known by its line alone",
            lambda: copy_cases.copying_run(
                _COPIED._replace(stack=(), module="/lib/onnxruntime_pybind11_state.so")
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a tensor of another library",
            lambda: copy_cases.copying_run(
                _COPIED._replace(stack=(), expression="tensor.numpy().copy()")
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "from a device the outputs have to come",
            lambda: copy_cases.copying_run(
                _COPIED._replace(kind="transfer", method="cudaMemcpy", domains="gpu>cpu")
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "no copy is seen in a process that nobody can look into",
            lambda: copy_cases.copying_run(blind=("tool", "static: there is nothing to preload")),
            (FindingOutcome.NOT_MEASURED,),
        ),
    ),
)
