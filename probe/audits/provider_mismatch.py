"""Was an accelerator asked for, and did the processor, or another accelerator, do the work?

Two looks: what the runtime gave (the session's providers against those asked for), and where each
operator of the graph ran (table `ops`). A runtime always adds the processor as the last resort, so
only the first choice says what was wanted. A compiled subgraph is one node, and times of operators
on a device may be those of their launch alone, so the processor's own time, which is real, is held
against the time of a whole inference where the stage `infer` says that; that of another accelerator
against what was spent on both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from probe import cases, cases_device, measured, stated
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.operators import account as operators

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from probe.store import Run

ID: Final = "provider_mismatch"
TITLE: Final = "Asked for one provider, run by another"
REMEDY: Final = (
    "install the runtime that has the provider, and its driver; convert the operators that it "
    "lacks, or fix the model's dynamic shapes; where the processor will do, ask for it, so that "
    "the run says what it measured"
)
PROCESSOR: Final = "CPUExecutionProvider"
INFER: Final = "infer"
MS_NS: Final = 1e6
NAMED: Final = "ExecutionProvider"
"""How ONNX Runtime's names of providers end."""
MATTERS: Final = 0.1
"""The share of an inference's time from which it is told who else ran it: our own number."""
MOST_NAMED: Final = 8


def judge(run: Run) -> list[Finding]:
    """Compare the first choice with what was given, then with where operators ran."""
    said = stated.providers(run.manifest)
    if said is None:
        return [_unknown()]
    asked, got = said
    proof: dict[str, Any] = {"asked": list(asked), "got": list(got)}
    wanted = asked[0]
    if wanted not in got:
        title = f"{TITLE}: {wanted} was asked for, {got[0]} was given"
        return [Finding(ID, title, FindingOutcome.FAILED, proof, REMEDY, stage="infer")]
    if wanted == PROCESSOR:
        title = f"{TITLE}: no, the processor was asked for"
        return [Finding(ID, title, FindingOutcome.PASSED, proof, REMEDY)]
    proof |= _told(run)
    return [_by_operators(run.table("ops"), wanted, proof, _inference_ms(run))]


def _unknown() -> Finding:
    return Finding(
        ID,
        f"{TITLE}: the program does not state its providers",
        FindingOutcome.NOT_MEASURED,
        {},
        'state them: probe.mark("fact:providers", text=\'{"asked": ["..."], "got": ["..."]}\'), '
        "got as session.get_providers() gives it at the end: a session whose provider fails goes "
        "on with another, unless session.disable_fallback() was called",
    )


def _told(run: Run) -> dict[str, Any]:
    """Return what the runtime itself told: the model's nodes by provider, those left, its log."""
    said = run.manifest.get("operators")
    if not isinstance(said, dict):
        return {}
    told = {"assigned": said.get("assigned"), "left": said.get("fallback"), "log": said.get("log")}
    return {name: value for name, value in told.items() if value}


def _inference_ms(run: Run) -> float:
    """Return the median time in the stage `infer`; 0 where the program has none."""
    spans = measured.spans_of(run)
    if INFER not in spans.stages:
        return 0.0
    own = np.equal(spans.stage, spans.stages.index(INFER))
    return float(np.median((spans.end_ns - spans.start_ns)[own])) / MS_NS


def _by_operators(
    table: pd.DataFrame, wanted: str, proof: dict[str, Any], inference_ms: float
) -> Finding:
    ops = operators.complete(table)
    mine, here, other = _places(ops["provider"], wanted)
    away, named = here | other, mine | here | other
    if not named.any():
        title = f"{TITLE}: {wanted} was given; which operators it ran was not seen"
        return Finding(ID, title, FindingOutcome.PASSED, proof | {"operators": None}, REMEDY)
    spent = operators.own_ns(ops).fillna(0).to_numpy(dtype=np.float64) / MS_NS
    runs = operators.inferences(ops)
    total, own = max(float(spent.sum()), inference_ms * runs), float(spent[here].sum())
    beside, launched = float(spent[other].sum()), float(spent[mine | other].sum())
    by_op = ops.assign(ms=spent)[away].groupby("op")["ms"].sum().sort_values(ascending=False)
    proof |= {
        "operators": len(ops) // runs,
        "on_wanted": int(mine.sum()) // runs,
        "on_processor": int(here.sum()) // runs,
        "processor_ms": own / runs,
        "processor_share": own / total if total else None,
        "heaviest": {str(op): float(ms) / runs for op, ms in by_op.head(MOST_NAMED).items()},
    }
    who = _named(ops["provider"][away])
    count = f"{int(away.sum()) // runs} of {proof['operators']} operators"
    cost = (own + beside) / runs
    if not mine.any():
        title = f"{TITLE}: {wanted} was given, and {who} ran all operators"
        outcome = FindingOutcome.FAILED
    elif own > MATTERS * total or beside > MATTERS * launched:
        title = f"{TITLE}: {who} ran {count}, {cost:.1f} ms of each inference"
        outcome = FindingOutcome.WARNING
    else:
        title = f"{TITLE}: no, {wanted} was given; {who} ran {count}"
        return Finding(ID, title, FindingOutcome.PASSED, proof, REMEDY)
    return Finding(ID, title, outcome, proof, REMEDY, cost, stage="infer")


def _places(
    providers: pd.Series[Any], wanted: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Say of each operator whether it ran where it was wanted, on the processor, or elsewhere.

    None of them where the runtime names no provider, or by another name than sessions do.
    """
    here = (providers == PROCESSOR).to_numpy(dtype=bool, na_value=False)
    named = providers.str.endswith(NAMED).to_numpy(dtype=bool, na_value=False)
    mine = (providers == wanted).to_numpy(dtype=bool, na_value=False)
    if not wanted.endswith(NAMED):  # the program's own word for it
        mine = named & ~here
    return mine, here, named & ~here & ~mine


def _named(providers: pd.Series[Any]) -> str:
    names = ["the processor" if each == PROCESSOR else each for each in providers.unique()]
    return " and ".join(names) or "the processor"


_NPU: Final = "QNNExecutionProvider"
_RT, _CUDA = "TensorrtExecutionProvider", "CUDAExecutionProvider"

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Runtimes fall back to the processor without an error: the run then measures another "
    "device than the one it names, and a slow accelerator is blamed for it, or praised.",
    source="ONNX Runtime: providers are tried in order and the CPU provider is always added; an "
    "operator that none of the others takes runs there. The 10 % are our own number",
    requires=(),
    optional=("ops", "spans"),
    related=("sram_pressure",),
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "the processor, as asked",
            lambda: cases_device.provided_run([PROCESSOR], [PROCESSOR]),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "an NPU was asked for, the processor was given",
            lambda: cases_device.provided_run([_NPU, PROCESSOR], [PROCESSOR]),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "the NPU was given, operators were not looked at",
            lambda: cases_device.provided_run([_NPU], [_NPU, PROCESSOR]),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "the NPU was given, and took nothing",
            lambda: cases_device.provided_run(
                [_NPU], [_NPU, PROCESSOR], [("Conv", PROCESSOR, 9.0), ("Relu", PROCESSOR, 1.0)]
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "a resize that the NPU lacks runs on the processor",
            lambda: cases_device.provided_run(
                [_NPU], [_NPU, PROCESSOR], [("QNN", _NPU, 6.0), ("Resize", PROCESSOR, 4.0)]
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "a cast at each end is the price of any device",
            lambda: cases_device.provided_run(
                [_NPU],
                [_NPU, PROCESSOR],
                [("Cast", PROCESSOR, 0.1), ("QNN", _NPU, 9.0), ("Cast", PROCESSOR, 0.1)],
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a launch takes no time, and the inference does: the casts are a fiftieth of it",
            lambda: cases_device.provided_run(
                [_NPU],
                [_NPU, PROCESSOR],
                [("Cast", PROCESSOR, 0.1), ("QNN", _NPU, 0.05), ("Cast", PROCESSOR, 0.1)],
                infer_ms=10.0,
            ),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "TensorRT was given, and CUDA ran everything",
            lambda: cases_device.provided_run(
                [_RT, _CUDA],
                [_RT, _CUDA, PROCESSOR],
                [("Conv", _CUDA, 9.0), ("Resize", _CUDA, 1.0)],
            ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "TensorRT took a few operators, and CUDA the others",
            lambda: cases_device.provided_run(
                [_RT, _CUDA],
                [_RT, _CUDA, PROCESSOR],
                [("TRTKernel", _RT, 0.1), ("Conv", _CUDA, 0.2), ("Cast", PROCESSOR, 0.1)],
                infer_ms=10.0,
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "operators that name no provider",
            lambda: cases_device.provided_run(
                [_NPU], [_NPU, PROCESSOR], [("CONV_2D", "LiteRT CPU", 9.0)]
            ),
            (FindingOutcome.PASSED,),
        ),
        Case("a program that said nothing", cases.silent_run, (FindingOutcome.NOT_MEASURED,)),
    ),
)
