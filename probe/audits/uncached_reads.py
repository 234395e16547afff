"""Which copies read device memory that the processor does not cache, at a tenth of its speed?

Not seen on hardware: told by where the source lies (a mapped dma-buf or V4L2 buffer), by the speed
of the copy, and by the page faults meanwhile; tried on stand-ins only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probe import copy_cases
from probe.copy_cases import FRAME_BYTES, Copied
from probe.copy_findings import Question, Said, conclude
from probe.model import Audit, Case, Finding, FindingOutcome
from probe.moves import TABLES, Moves
from probe.suspects import WEIGHT, Suspect, Suspects

if TYPE_CHECKING:
    from probe.store import Run

ID: Final = "uncached_reads"
TITLE: Final = "Device memory read uncached"
REMEDY: Final = (
    "map the buffers cached and bracket the reads with DMA_BUF_IOCTL_SYNC (allocate them from a "
    "cached dma-heap and import them: V4L2_MEMORY_DMABUF), or do not read them at all: hand the "
    "dma-buf to the GPU, NPU or display as it is"
)
SLOW_GB_PER_S: Final = 1.0
"""Facts of copies, 2 and 4: uncached reads of a frame ran at 0.1 to 0.2 GB/s on an RK3588 (3.1 MB
in 15 to 30 ms), 10 to 30 times slower than cached ones; a cached copy reaches several GB/s."""
LEAST_BYTES: Final = 256 * 1024
"""A smaller copy says little of speed, and its page faults are not counted (FAULT_BYTES)."""
FAULTS_A_PAGE: Final = 0.5
"""From here on page faults, not the source, can explain a slow copy."""


def judge(run: Run) -> list[Finding]:
    """Say which copies from device memory are too slow to be cached."""
    moves = Moves.of(run)
    size, took = moves.amounts("bytes"), moves.amounts("duration_ns")
    device = moves.texts("domains").where(
        lambda text: text.partition(">")[0] in {"dmabuf", "v4l2"} and text.endswith(">cpu")
    )
    slow = (took > 0) & (size < SLOW_GB_PER_S * took)  # bytes a ns are GB/s
    bound = moves.amounts("faults") >= FAULTS_A_PAGE * size / moves.page_bytes
    suspects = Suspects.of(moves, device & slow & ~bound & (size >= LEAST_BYTES))
    return conclude(Question(ID, TITLE, REMEDY), moves, suspects, _said)


def _said(suspect: Suspect) -> Said:
    speed = suspect.copied_bytes / suspect.copied_ns
    source = (suspect.moves.texts("domains").of(suspect.typical) or "").partition(">")[0]
    return Said(f"{speed:.2f} GB/s out of {source}")


_READ: Final = Copied(
    "capture", FRAME_BYTES, line=8, expression="bytes(buffer)", domains="dmabuf>cpu", ms=9.0
)

AUDIT = Audit(
    id=ID,
    title=TITLE,
    why="Cameras and decoders often hand out memory that is not cached: each read goes to DRAM by "
    "itself, and one copy of a frame eats the budget of the model.",
    source="A copy of 256 KiB or more out of a dma-buf or V4L2 buffer below 1 GB/s (facts of "
    "copies: uncached 0.1 to 0.2 GB/s), whose page faults are under one for two pages. " + WEIGHT,
    requires=TABLES,
    judge=judge,
    remedy=REMEDY,
    cases=(
        Case(
            "a frame in nine milliseconds",
            lambda: copy_cases.copying_run(_READ),
            (FindingOutcome.FAILED,),
        ),
        Case(
            "the same frame cached",
            lambda: copy_cases.copying_run(_READ._replace(ms=0.4)),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "slow, because its destination is new to the process",
            lambda: copy_cases.copying_run(_READ._replace(faults=FRAME_BYTES // 4096)),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "too small to tell",
            lambda: copy_cases.copying_run(_READ._replace(bytes=65_536, faults=None, ms=0.2)),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "plain memory, as slow",
            lambda: copy_cases.copying_run(_READ._replace(domains="cpu>cpu")),
            (FindingOutcome.PASSED,),
        ),
        Case(
            "a thumbnail each tenth frame",
            lambda: copy_cases.copying_run(
                _READ._replace(bytes=300_000, ms=0.9, domains="v4l2>cpu", every=10)
            ),
            (FindingOutcome.WARNING,),
        ),
        Case(
            "no copy is seen in a process that nobody can look into",
            lambda: copy_cases.copying_run(blind=("tool", "static: there is nothing to preload")),
            (FindingOutcome.NOT_MEASURED,),
        ),
    ),
)
