"""Why did py-spy not sample the program, and what would let it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probe.errors import NoData
from probe.kernel_file import read_integer

if TYPE_CHECKING:
    from probe.model import Device

SCOPE: Final = "/proc/sys/kernel/yama/ptrace_scope"
"""Who may look into a process (Yama): 0 its user, 1 its ancestors and whom it lets in, 2 only with
CAP_SYS_PTRACE, 3 nobody; no file: no Yama, as 0."""
ANCESTORS, ADMINISTRATORS, NOBODY = 1, 2, 3
_DENIED: Final = ("permission denied", "operation not permitted", "os error 13", "os error 1)")
_NOT_PYTHON: Final = ("failed to find python version", "no python processes found")
_UNKNOWN: Final = ("unsupported version", "interpreter")
_GONE: Final = ("no such process", "no such file", "os error 3)")


def refused(said: str, device: Device, version: str) -> NoData:
    """Return the reason and the remedy for what py-spy `version` said when it gave up."""
    text = said.casefold()
    if any(each in text for each in _DENIED):
        return _denied(device)
    if any(each in text for each in _NOT_PYTHON):
        return NoData(
            f"py-spy {version} found no Python in the program or in what it started",
            remedy="only Python can be sampled by py-spy; for native programs use `perf record -g`,"
            " or give a program that runs for longer than a second",
        )
    if any(each in text for each in _UNKNOWN):
        return NoData(
            f"py-spy {version} does not know this version of Python: {_last(said)}",
            remedy="pip install --upgrade py-spy, or run the program with a Python that it knows",
        )
    if any(each in text for each in _GONE):
        return NoData(
            "the program had ended before py-spy could look into it",
            remedy="give it more to do: sampling begins a moment after the program's start",
        )
    return NoData(f"py-spy {version}: {_last(said)}", remedy="try `py-spy dump --pid` by hand")


def _denied(device: Device) -> NoData:
    scope = read_integer(device.path(SCOPE))
    if scope == NOBODY:
        return NoData(
            f"{SCOPE} is 3: no process may be looked into until the next boot",
            remedy="boot without kernel.yama.ptrace_scope=3",
        )
    if scope == ADMINISTRATORS:
        return NoData(
            f"{SCOPE} is 2: only CAP_SYS_PTRACE lets py-spy look into the program",
            remedy="run liveprobe as root, or `sudo sysctl kernel.yama.ptrace_scope=1`",
        )
    if scope == ANCESTORS:
        return NoData(
            f"{SCOPE} is 1, and the program did not let the sampler in",
            remedy="let it `import probe` or run it with --copies on: both let the sampler in;"
            " else `sudo sysctl kernel.yama.ptrace_scope=0`",
        )
    return NoData(
        "no permission to look into the program (ptrace)",
        remedy="run liveprobe as the program's user; in a container give it the capability:"
        " --cap-add SYS_PTRACE",
    )


def _last(said: str) -> str:
    """Return the line that says what is wrong: the first after a backtrace was left out."""
    lines = [line.strip() for line in said.partition("Stack backtrace")[0].splitlines()]
    told = [line for line in lines if line and not line.startswith("py-spy>")]
    return (told[-1] if told else "it said nothing")[:200]
