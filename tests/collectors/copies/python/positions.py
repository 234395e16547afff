"""Compare what the interposer says of every instruction with what Python says (co_positions)."""

import ctypes
import importlib.util
import sys
from collections.abc import Iterator
from types import CodeType

MODULES = (
    "argparse", "ast", "asyncio.base_events", "_pydecimal", "difflib", "inspect", "pickle",
    "tarfile", "typing", "unittest.mock",
)  # fmt: skip

describe = ctypes.CDLL(sys.argv[1]).describe
describe.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
describe.restype = ctypes.c_size_t
text = ctypes.create_string_buffer(4096)


def all_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from all_code(each)


def said(code: CodeType, index: int) -> list[str]:
    length = describe(id(code), 2 * index, text, len(text))
    return text.raw[:length].decode().removesuffix("\n").split("\t")


count = 0
for name in MODULES:
    path = importlib.util.find_spec(name).origin
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        whole = compile(file.read(), path, "exec")
    for code in all_code(whole):
        for index, (line, end_line, column, end_column) in enumerate(code.co_positions()):
            places = [str(each or 0) for each in (line, end_line, column, end_column)]
            assert said(code, index) == [path, *places, code.co_qualname], (code, index)
            count += 1
print(count)
