"""What a copy did to the bytes, by its method, its detail and its domains."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from probe.copies import records, sites
from probe.copies.kinds import CHANGED, KINDS, NAMES, SAME, UNSAID, change_of, kinds_of
from probe.copies.methods import METHODS

CPU, GPU, DMABUF = 1, 2, 3


def kind(maker: ModuleType, folder: Path, method: str, **copy: object) -> str:
    thread = maker.ThreadTape()
    thread.copy(0, 20_000, method=method, **copy)
    tapes, texts = maker.read(folder, thread), records.Texts()
    copies, _ = records.copies_of(tapes, sites.merged(tapes).lookups, texts)
    return str(KINDS[kinds_of(copies, list(texts.known))[0]])


@pytest.mark.parametrize("method", [each for each in METHODS.values() if each.kind])
def test_without_more_the_method_says_it(
    maker: ModuleType, tmp_path: Path, method: tuple[str, str]
) -> None:
    assert kind(maker, tmp_path, method[0], domains=(0, 0)) == method[1]


@pytest.mark.parametrize(
    ("method", "detail", "expected"),
    [
        ("numpy.array", "uint8 > float32", "convert"),
        ("numpy.array", "(3, 4) from (4, 3)", "materialize"),
        ("ndarray.astype", "float32 > float32", "materialize"),
        ("ndarray.astype", "uint8 > float32, (3, 4) from (4, 3)", "convert"),
        ("ndarray.astype", "float32 > float32, (3, 4) from (4, 3)", "materialize"),
        ("sws_scale_frame", "yuv420p 64x36 > rgb24 64x36", "convert"),
        ("sws_scale_frame", "yuv420p 64x36 > yuv420p 64x36", "memcpy"),
        ("memcpy", "uint8 > float32", "memcpy"),
    ],
)
def test_a_detail_tells_conversions_from_copies(
    maker: ModuleType, tmp_path: Path, method: str, detail: str, expected: str
) -> None:
    assert kind(maker, tmp_path, method, detail=detail) == expected


@pytest.mark.parametrize(
    ("method", "domains", "expected"),
    [
        ("memcpy", (DMABUF, CPU), "transfer"),
        ("memcpy", (0, CPU), "memcpy"),
        ("cudaMemcpy", (CPU, GPU), "transfer"),
        ("cudaMemcpy", (GPU, GPU), "memcpy"),
        ("sws_scale", (DMABUF, CPU), "convert"),
    ],
)
def test_a_copy_between_domains_is_a_transfer(
    maker: ModuleType, tmp_path: Path, method: str, domains: tuple[int, int], expected: str
) -> None:
    assert kind(maker, tmp_path, method, domains=domains) == expected


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("", UNSAID), ("plane 0", UNSAID), ("a > b", CHANGED), ("a > a", SAME),
        ("a > ab", CHANGED), ("a > a, more", SAME),
        ("[('x', '<i4'), ('y', 'u1')] > [('x', '<i4'), ('y', 'u1')]", SAME),
    ],
)  # fmt: skip
def test_the_two_sides_of_a_detail_are_compared_whole(detail: str, expected: int) -> None:
    assert change_of(detail) == expected


def test_the_names_of_what_others_tell_are_no_methods() -> None:
    assert len(NAMES) == len(METHODS) + 2
