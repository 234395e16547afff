"""How is NVML asked, when any question may be refused?"""

from __future__ import annotations

import ctypes
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from probe.errors import NoData, OtherDevice
from probe.kernel_file import read_text
from probe.tool import is_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from probe.model import Device

LIBRARY: Final = "libnvidia-ml.so.1"
DRIVER: Final = "/proc/driver/nvidia/version"
PCI: Final = "/sys/bus/pci/devices"
VENDOR: Final = "0x10de"
DISPLAY: Final = "0x03"
"""NVIDIA's vendor number, and the class of what draws or computes."""
OLDER_PACKAGE: Final = "older package"
"""A function that this nvidia-ml-py does not know, whatever the driver has."""
REMEDIES: Final = {
    "NVML_ERROR_DRIVER_NOT_LOADED": "load NVIDIA's driver (`modprobe nvidia`); in a container: "
    "start it with the GPU (`--gpus all`)",
    "NVML_ERROR_NO_PERMISSION": "start liveprobe as root, or as a member of the group video",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": "reboot: the driver was updated but not loaded anew",
    "NVML_ERROR_FUNCTION_NOT_FOUND": "update NVIDIA's driver: this one is too old to tell",
    OLDER_PACKAGE: "`pip install --upgrade nvidia-ml-py`",
    "NVML_ERROR_NOT_SUPPORTED": "none: this GPU or this kind of driver does not tell",
}
FOR_GOOD: Final = (
    "NVML_ERROR_NOT_SUPPORTED",
    "NVML_ERROR_FUNCTION_NOT_FOUND",
    "NVML_ERROR_NO_PERMISSION",
    "NVML_ERROR_INVALID_ARGUMENT",
    "NVML_ERROR_ARGUMENT_VERSION_MISMATCH",
    OLDER_PACKAGE,
)
"""Who is refused so need not ask again."""
GONE: Final = ("NVML_ERROR_GPU_IS_LOST", "NVML_ERROR_DRIVER_NOT_LOADED", "NVML_ERROR_UNINITIALIZED")
"""The GPU, or the driver, is not there any more."""


@dataclass(frozen=True)
class Refusal:
    """NVML's error in place of an answer: its own words, and what they mean for the next time."""

    name: str
    text: str

    @property
    def for_good(self) -> bool:
        """Whether the same question has the same end next time."""
        return self.name in FOR_GOOD

    @property
    def gone(self) -> bool:
        """Whether there is nobody left to ask."""
        return self.name in GONE

    @property
    def remedy(self) -> str:
        """What the user can do."""
        return REMEDIES.get(self.name, "try `nvidia-smi -q`: it asks the same library")


class Nvml:
    """The library, opened once; a question is a function of the module `pynvml`."""

    def __init__(self, module: Any) -> None:  # noqa: ANN401 - pynvml has no types
        self._module = module
        self._names = {
            value: name for name, value in vars(module).items() if name.startswith("NVML_ERROR_")
        }
        self._mismatch = getattr(module, "NVMLLibraryMismatchError", module.NVMLError)
        self._open = False

    @classmethod
    def opened(cls, device: Device) -> Nvml:
        """Open NVML of this machine.

        Raises `OtherDevice` where there is no GPU of NVIDIA's, `NoData` where it cannot be asked.
        """
        _look_for(device)
        try:
            module = importlib.import_module("pynvml")
        except ImportError as error:
            raise NoData(
                f"NVML cannot be asked: {error}", remedy="`pip install nvidia-ml-py`"
            ) from error
        nvml = cls(module)
        failed = nvml.ask(lambda pynvml: pynvml.nvmlInit())
        if isinstance(failed, Refusal):
            if failed.name == "NVML_ERROR_DRIVER_NOT_LOADED" and not _has_gpu(device):
                raise _no_gpu(device)
            raise NoData(f"NVML: {failed.text}", remedy=failed.remedy)
        nvml._open = True
        return nvml

    def ask(self, question: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - NVML's answer
        """Return what NVML answers, or a `Refusal`."""
        try:
            return question(self._module)
        except self._module.NVMLError as error:
            code = int(error.value)
            return Refusal(self._names.get(code, f"NVML error {code}"), str(error))
        except self._mismatch as error:  # an older driver, whose functions have other names
            return Refusal("NVML_ERROR_FUNCTION_NOT_FOUND", str(error).strip())
        except AttributeError as error:
            if error.obj is not self._module:
                raise
            return Refusal(OLDER_PACKAGE, f"this nvidia-ml-py has no {error.name}")

    def fact(self, question: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - NVML's answer
        """Return what NVML answers, None where it refuses."""
        answer = self.ask(question)
        return None if isinstance(answer, Refusal) else answer

    def close(self) -> None:
        """Release the library; safe twice."""
        if self._open:
            self._open = False
            self.ask(lambda pynvml: pynvml.nvmlShutdown())


def _look_for(device: Device) -> None:
    """Raise what is to be said where NVML is not there; its absence costs one look."""
    if not is_here(device):
        if _has_gpu(device):
            raise NoData(
                f"{device.root} is a captured tree: its GPU is asked through NVML, a library that "
                "only a running driver answers",
                remedy="run liveprobe on the device itself",
            )
        raise _no_gpu(device)
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        if not _has_gpu(device):
            raise _no_gpu(device) from error
        raise NoData(
            f"NVIDIA GPU without NVML: {error}",
            remedy="install NVIDIA's driver with its tools (nvidia-utils); in a container: start "
            "it with NVIDIA_DRIVER_CAPABILITIES=all",
        ) from error


def _has_gpu(device: Device) -> bool:
    if device.path(DRIVER).exists():
        return True
    slots = device.path(PCI).glob("*")
    return any(
        read_text(slot / "vendor") == VENDOR
        and (read_text(slot / "class") or "").startswith(DISPLAY)
        for slot in slots
    )


def _no_gpu(device: Device) -> OtherDevice:
    return OtherDevice(
        f"no NVIDIA GPU: neither {device.path(DRIVER)} nor a display of vendor {VENDOR} below "
        f"{device.path(PCI)}",
        remedy="load NVIDIA's driver if there is one; in a container: start it with the GPU",
    )
