"""What moved the bytes: the methods of the copy interposer, by number, and what kind each is."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """What a copy does to the bytes.

    `MEMCPY` moves them as they are; `CONVERT` changes their format or type; `MATERIALIZE` makes a
    view its own buffer (another order or stride, the same values); `TRANSFER` crosses domains.
    """

    MEMCPY = "memcpy"
    CONVERT = "convert"
    MATERIALIZE = "materialize"
    TRANSFER = "transfer"


class Method(NamedTuple):
    """A hooked function: its name as its users know it, and the kind of its copies.

    `kind` None: it moves nothing itself (an entry point). numpy's loops say by their detail and
    shape whether they converted or materialized; their kind here is the one without a detail.
    """

    name: str
    kind: Kind | None


METHODS: Final[dict[int, Method]] = {
    1: Method("memcpy", Kind.MEMCPY),
    2: Method("memmove", Kind.MEMCPY),
    3: Method("mempcpy", Kind.MEMCPY),
    4: Method("wmemcpy", Kind.MEMCPY),
    5: Method("wmemmove", Kind.MEMCPY),
    6: Method("wmempcpy", Kind.MEMCPY),
    7: Method("bcopy", Kind.MEMCPY),
    8: Method("realloc", Kind.MEMCPY),
    16: Method("read", Kind.TRANSFER),
    17: Method("write", Kind.TRANSFER),
    18: Method("send", Kind.TRANSFER),
    19: Method("recv", Kind.TRANSFER),
    32: Method("sws_scale", Kind.CONVERT),
    33: Method("sws_scale_frame", Kind.CONVERT),
    34: Method("av_hwframe_transfer_data", Kind.TRANSFER),
    35: Method("av_image_copy", Kind.MEMCPY),
    36: Method("av_image_copy_plane", Kind.MEMCPY),
    37: Method("av_image_copy_to_buffer", Kind.MEMCPY),
    38: Method("av_frame_copy", Kind.MEMCPY),
    39: Method("av_frame_make_writable", Kind.MEMCPY),
    40: Method("av_image_copy_uc_from", Kind.MEMCPY),
    48: Method("avcodec_send_packet", None),
    49: Method("avcodec_receive_frame", None),
    50: Method("avcodec_send_frame", None),
    51: Method("avcodec_receive_packet", None),
    52: Method("OrtRun", None),
    64: Method("cudaMemcpy", Kind.TRANSFER),
    65: Method("cudaMemcpyAsync", Kind.TRANSFER),
    66: Method("cudaMemcpy2D", Kind.TRANSFER),
    67: Method("cudaMemcpy2DAsync", Kind.TRANSFER),
    68: Method("cuMemcpyHtoD", Kind.TRANSFER),
    69: Method("cuMemcpyDtoH", Kind.TRANSFER),
    70: Method("cuMemcpyDtoD", Kind.MEMCPY),
    71: Method("cuMemcpyHtoDAsync", Kind.TRANSFER),
    72: Method("cuMemcpyDtoHAsync", Kind.TRANSFER),
    73: Method("cuMemcpyDtoDAsync", Kind.MEMCPY),
    74: Method("cuMemcpy2D", Kind.TRANSFER),
    80: Method("glTexImage2D", Kind.TRANSFER),
    81: Method("glTexSubImage2D", Kind.TRANSFER),
    82: Method("glReadPixels", Kind.TRANSFER),
    83: Method("glMapBufferRange", None),
    84: Method("glBufferData", Kind.TRANSFER),
    85: Method("eglSwapBuffers", None),
    96: Method("rpcmem_alloc", None),
    97: Method("AHardwareBuffer_lock", None),
    98: Method("VIDIOC_QBUF", None),
    99: Method("VIDIOC_DQBUF", None),
    100: Method("VIDIOC_EXPBUF", None),
    101: Method("DMA_BUF_IOCTL_SYNC", None),
    112: Method("ndarray.astype", Kind.CONVERT),
    113: Method("ndarray.copy", Kind.MATERIALIZE),
    114: Method("numpy.array", Kind.MATERIALIZE),
    115: Method("numpy.asarray", Kind.MATERIALIZE),
    116: Method("numpy.ascontiguousarray", Kind.MATERIALIZE),
    117: Method("numpy.copyto", Kind.MATERIALIZE),
    118: Method("ndarray.__setitem__", Kind.MATERIALIZE),
    119: Method("ndarray.take", Kind.MATERIALIZE),
    120: Method("numpy.concatenate", Kind.MATERIALIZE),
    121: Method("ndarray.tobytes", Kind.MATERIALIZE),
    122: Method("ndarray.flatten", Kind.MATERIALIZE),
    123: Method("ndarray.ravel", Kind.MATERIALIZE),
    124: Method("ndarray.reshape", Kind.MATERIALIZE),
    125: Method("PyArray_NewCopy", Kind.MATERIALIZE),
    126: Method("PyArray_CopyInto", Kind.MATERIALIZE),
    127: Method("PyArray_FromArray", Kind.MATERIALIZE),
    128: Method("PyArray_CastToType", Kind.CONVERT),
}

DOMAINS: Final = ("unknown", "cpu", "gpu", "dmabuf", "kernel", "v4l2", "npu")
"""Where bytes lie, by number."""
