"""The function that a call was made from, on libraries and programs compiled here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from probe.copies.symbols import Symbols

SOURCE = r"""
#include <stddef.h>
#include <stdio.h>
extern size_t where(void);
__attribute__((noinline)) static size_t hidden(void) { return where() + 1; }
__attribute__((noinline, visibility("default"))) size_t shown(void) { return hidden() + 1; }
__attribute__((noinline)) size_t where(void)
{
    return (size_t)__builtin_return_address(0);
}
int main(void)
{
    extern char __executable_start;
    printf("%zu %zu\n", shown() - 2, (size_t)&__executable_start);
    return 0;
}
"""


@pytest.fixture(scope="module")
def compiler() -> str:
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None:
        pytest.skip("no C compiler")
    return found


def build(compiler: str, folder: Path, *options: str) -> Path:
    source, program = folder / "w.c", folder / "program"
    source.write_text(SOURCE)
    command = [compiler, "-O1", "-fno-optimize-sibling-calls", *options]
    subprocess.run([*command, "-o", program, source], check=True, timeout=60)
    return program


def returns_to(program: Path) -> tuple[int, int]:
    """Run it: (return address in `hidden`, where the program is mapped)."""
    said = subprocess.run([program], capture_output=True, check=True, timeout=20, text=True)
    address, start = (int(word) for word in said.stdout.split())
    return address, start


def test_a_hidden_function_is_named_from_the_whole_table(compiler: str, tmp_path: Path) -> None:
    program = build(compiler, tmp_path, "-pie", "-fPIE")
    address, start = returns_to(program)
    assert Symbols().name(str(program), address - start) == "hidden"


def test_a_program_at_a_fixed_address_is_named_by_either_offset(
    compiler: str, tmp_path: Path
) -> None:
    program = build(compiler, tmp_path, "-no-pie", "-fno-pie")
    address, start = returns_to(program)
    symbols = Symbols()
    assert symbols.name(str(program), address) == "hidden"
    assert symbols.name(str(program), address - start) == "hidden"


def test_a_stripped_library_names_only_what_it_shows(compiler: str, tmp_path: Path) -> None:
    program = build(compiler, tmp_path, "-pie", "-fPIE", "-rdynamic")
    address, start = returns_to(program)
    strip = shutil.which("strip")
    if strip is None:
        pytest.skip("no strip")
    subprocess.run([strip, program], check=True, timeout=20)
    symbols = Symbols()
    offset = address - start
    assert symbols.name(str(program), offset) == ""
    names = {symbols.name(str(program), offset + step) for step in range(64)}
    assert "shown" in names
    assert "hidden" not in names


def test_an_offset_that_no_function_covers_has_no_name(compiler: str, tmp_path: Path) -> None:
    program = build(compiler, tmp_path)
    symbols = Symbols()
    for offset in (0, 1, -5, 2**40, 2**63, 2**70, -(2**63)):
        assert symbols.name(str(program), offset) == ""


def test_what_is_no_elf_names_nothing(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("not an ELF")
    symbols = Symbols()
    for module in (str(text), str(tmp_path), str(tmp_path / "gone"), "/dev/zero", "program", ""):
        assert symbols.name(module, 100) == ""


def test_a_damaged_elf_names_nothing_or_what_is_left(compiler: str, tmp_path: Path) -> None:
    whole = build(compiler, tmp_path).read_bytes()
    for k in range(0, len(whole), max(1, len(whole) // 150)):
        spoilt = tmp_path / f"spoilt{k}"
        spoilt.write_bytes(whole[:k])
        assert isinstance(Symbols().name(str(spoilt), 4_500), str)
        flipped = bytearray(whole)
        flipped[k] ^= 0xFF
        flipped[60:64] = b"\xff\xff\xff\xff"
        spoilt.write_bytes(flipped)
        assert isinstance(Symbols().name(str(spoilt), 4_500), str)
        spoilt.unlink()
