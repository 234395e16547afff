"""What numpy raises, warns of, and gives back: the same with hooks and without."""

import hashlib
import sys
import warnings

import numpy as np

big = np.arange(300_000, dtype=np.int64)
names = {"np": np, "big": big, "text": np.array(["x"] * 9000)}
statements = [
    "text.astype(np.float32)",
    "big[...] = np.zeros((7, 9000))",
    "big[400_000] = big",
    "big['a'] = big",
    "big[1.5] = big",
    "big[object()]",
    "big[[10**9]]",
    "big[np.zeros(3, bool)]",
    "np.array([[1, 2], [3]] * 9000)",
    "np.asarray(big, dtype='no such type')",
    "np.asarray()",
    "np.array(1, 2, 3, 4, 5, 6)",
    "np.concatenate([big, big.reshape(2, -1)])",
    "np.concatenate(big)",
    "np.copyto(big, np.zeros(300_000, complex))",
    "np.copyto(big, np.zeros(7000))",
    "np.copyto(7, big)",
    "big.take([10**9])",
    "big.reshape(7, -1)",
    "big.copy('Z')",
    "big.repeat(-1)",
    "np.float32(big, big)",
    "np.float32(text)",
    "np.full(9000, np.nan).astype(np.int32)",
    "np.full(9000, 1 + 2j).astype(np.float32)",
    "del big[3]",
    "big.__setitem__(3)",
    "big.setflags(write=False); big[...] = big[::-1]",
]
for statement in statements:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(statement, names)  # noqa: S102 - the statements above
        except Exception as error:  # noqa: BLE001
            print(statement, type(error).__name__, str(error).partition(" at 0x")[0])
        for each in caught:
            print(statement, each.category.__name__, each.message)


class Counting:
    """An index that is asked once for each use."""

    asked = 0

    def __index__(self) -> int:
        Counting.asked += 1
        return 3


big.setflags(write=True)
big[Counting() :] = np.arange(299_997)
big.reshape(10, -1)[Counting()] = big[:30_000]
print(Counting.asked, int(big.sum()))
picture = np.random.default_rng(7).integers(0, 256, (480, 640, 3), dtype=np.uint8)
made = hashlib.sha256()
for each in (
    picture.astype(np.float32),
    picture.transpose(2, 0, 1).copy(),
    np.ascontiguousarray(picture[::-1, ::2]),
    np.stack([picture, picture[::-1]], axis=-1),
    np.pad(picture, 3, mode="reflect"),
    picture[..., [2, 0, 1]],
    picture[picture > 9],
    np.float32(picture),
    picture.take([5, 3], axis=1),
    np.asfortranarray(picture),
    np.array([picture, picture], dtype=np.int16),
    np.frombuffer(picture[:, 7:].tobytes(), np.uint8),
):
    made.update(each.tobytes() + str((each.shape, each.strides, each.dtype, each.flags)).encode())
print(made.hexdigest(), sys.getrefcount(np.float32) > 0)
