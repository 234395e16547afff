"""Which hardware encodes and decodes video here, as far as files tell?

The kernel says what a node can do only to those who open it, so all of this is inferred: V4L2 nodes
by their drivers' names, VA-API and NVDEC by the driver of the GPU and the library beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypedDict

from probe.devices.accelerators import driver
from probe.kernel_file import matches, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probe.model import Device

VIDEO: Final = "/sys/class/video4linux"
V4L2: Final = (
    ("rpivid", "decoder", "HEVC"),
    ("rpi-hevc-dec", "decoder", "HEVC"),
    ("bcm2835-codec-decode", "decoder", "H.264 and older"),
    ("bcm2835-codec-encode", "encoder", "H.264"),
    ("hantro-vpu-dec", "decoder", ""),
    ("hantro-vpu-enc", "encoder", "JPEG"),
    ("rkvdec", "decoder", ""),
    ("cedrus", "decoder", ""),
    ("s5p-mfc-dec", "decoder", ""),
    ("s5p-mfc-enc", "encoder", ""),
    ("qcom-venus", "decoder and encoder", ""),
    ("qcom-iris", "decoder and encoder", ""),
    ("wave5-dec", "decoder", ""),
    ("wave5-enc", "encoder", ""),
    ("mtk-vcodec-dec", "decoder", ""),
    ("mtk-vcodec-enc", "encoder", ""),
    ("meson-video-decoder", "decoder", ""),
    ("amphion-vpu-decoder", "decoder", ""),
    ("amphion-vpu-encoder", "encoder", ""),
)
"""How the names of memory-to-memory nodes begin (the drivers' sources), what they do, of what."""
PIPES: Final = ("pispbe", "bcm2835-isp", "bcm2835-codec-isp", "rp1-cfe", "unicam", "rkisp", "rkcif",
                "rk_hdmirx", "stf_isp", "mtk-mdp", "rockchip-rga", "rga")  # fmt: skip
"""How the names of nodes begin that are stages between a sensor and a picture, and no camera."""
NODES: Final = (
    ("/dev/mpp_service", "decoder and encoder", "Rockchip MPP"),
    ("/dev/nvhost-nvdec", "decoder", "Jetson NVDEC"),
    ("/dev/nvhost-msenc", "encoder", "Jetson NVENC"),
    ("/dev/nvhost-nvjpg", "decoder and encoder", "Jetson NVJPG"),
)
"""Nodes of the makers' own interfaces."""
VA_LIBRARIES: Final = {"i915": "iHD_drv_video.so", "xe": "iHD_drv_video.so",
                       "amdgpu": "radeonsi_drv_video.so"}  # fmt: skip
"""Drivers of GPUs that decode, to what libva loads for them."""
NV_LIBRARY: Final = "libnvcuvid.so.1"
ARCHITECTURES: Final = ("x86_64", "aarch64")
PICTURES: Final = re.compile(r"(?:^|_|lib|-)(?:[hx]26[45]|hevc|av1|dav1d|svtav1|vp9|mjpeg)(?:_|$)")
"""How codecs of video that edge devices meet are called in FFmpeg."""
BY_HARDWARE: Final = ("_v4l2m2m", "_cuvid", "_nvenc", "_qsv", "_vaapi", "_amf", "_rkmpp",
                      "_mediacodec", "_nvmpi", "_vulkan")  # fmt: skip


class Codec(TypedDict):
    """Hardware that encodes or decodes; `inferred_from` is the file or the driver that shows it."""

    name: str
    does: str
    node: str | None
    inferred_from: str


def codecs(device: Device) -> list[Codec]:
    """Return the hardware that encodes or decodes, all of it inferred."""
    return [*_v4l2(device), *_of_makers(device), *_of_gpus(device)]


def is_camera(name: str) -> bool:
    """Say whether a V4L2 node's name is of a camera, and not of a codec or a stage of an ISP."""
    return not any(name.startswith(each) for each in (*PIPES, *(known for known, *_ in V4L2)))


def of_pyav() -> dict[str, Any] | None:
    """Return what PyAV brings: version, software and hardware codecs, kinds of hardware devices.

    A hardware codec in the list is compiled in; whether it works is known once it is opened.
    """
    try:
        import av
        from av.codec.hwaccel import hwdevices_available
    except ImportError:
        return None
    names = sorted(name for name in av.codecs_available if PICTURES.search(name))
    hardware = [name for name in names if name.endswith(BY_HARDWARE)]
    return {
        "version": av.__version__,
        "software": [name for name in names if name not in hardware],
        "hardware": hardware,
        "hwaccel": sorted(str(each) for each in hwdevices_available()),
    }


def _v4l2(device: Device) -> Iterator[Codec]:
    for entry in matches(device.path(VIDEO), "video*"):
        name = read_text(entry / "name") or ""
        for begins, does, of in V4L2:
            if name.startswith(begins):
                place = f"{VIDEO}/{entry.name}/name"
                shown = f"{name} ({of})" if of else name
                yield Codec(name=shown[:80], does=does, node=f"/dev/{entry.name}",
                            inferred_from=place)  # fmt: skip
                break


def _of_makers(device: Device) -> Iterator[Codec]:
    for node, does, name in NODES:
        if _is_there(device.path(node)):
            yield Codec(name=name, does=does, node=node, inferred_from=node)


def _of_gpus(device: Device) -> Iterator[Codec]:
    for entry in matches(device.path("/sys/class/drm"), "renderD*"):
        found = driver(entry / "device") or ""
        source = f"the driver {found} of {entry.name}"
        if found in VA_LIBRARIES:
            library = _library(device, f"dri/{VA_LIBRARIES[found]}")
            told = "is there" if library else "was not found"
            yield Codec(name=f"VA-API ({found})", does="decoder and encoder",
                        node=f"/dev/dri/{entry.name}",
                        inferred_from=f"{source}; {VA_LIBRARIES[found]} {told}")  # fmt: skip
        elif found == "nvidia":
            told = "is there" if _library(device, NV_LIBRARY) else "was not found"
            yield Codec(name="NVDEC and NVENC", does="decoder and encoder", node=None,
                        inferred_from=f"{source}; {NV_LIBRARY} {told}")  # fmt: skip


def _library(device: Device, name: str) -> bool:
    folders = ("/usr/lib64", "/usr/lib", *(f"/usr/lib/{arch}-linux-gnu" for arch in ARCHITECTURES))
    return any(_is_there(device.path(f"{folder}/{name}")) for folder in folders)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that may not be looked into
        return False
