"""Assignments to subclasses of ndarray: as they are, and through their own methods."""

import tempfile

import numpy as np

SIZE = 100_000
source = np.arange(2 * SIZE, dtype=np.uint8)[::2]


class Own(np.ndarray):
    def __setitem__(self, key: object, value: object) -> None:
        super().__setitem__(key, value)


class Plain(np.ndarray):
    pass


def assign_to_mapped_file() -> None:
    with tempfile.NamedTemporaryFile() as file:
        mapped = np.memmap(file, np.uint8, "w+", shape=(SIZE,))
        mapped[...] = source


def assign_to_records() -> None:
    np.recarray(SIZE, dtype=[("a", "u1"), ("b", "u1")])["a"][...] = source


def assign_through_own_method() -> None:
    np.zeros(SIZE, np.uint8).view(Own)[...] = source


def assign_to_plain_subclass() -> None:
    np.zeros(SIZE, np.uint8).view(Plain)[...] = source


def assign_to_masked() -> None:
    np.ma.zeros(SIZE, np.uint8)[...] = source


def assign_field() -> None:
    np.zeros(SIZE, [("a", "u1"), ("b", "<i4")])["b"] = source


assign_to_mapped_file()
assign_to_records()
assign_through_own_method()
assign_to_plain_subclass()
assign_to_masked()
assign_field()
