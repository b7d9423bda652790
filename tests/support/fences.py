"""Fences around the working memory of kernels: what writes past the end of an array is found.

    fence of 0xA5 | array of a slot | fence of 0xA5
"""

from __future__ import annotations

import numpy as np

from symbackprop.codegen import runtime

WIDTH = runtime.PAGE
BYTE = 0xA5


class Fences:
    """Makes the arrays of slots, and says whether the bytes around them are as they were."""

    def __init__(self) -> None:
        self.made = runtime.aligned
        self.known: list[tuple[np.ndarray, int]] = []

    def aligned(self, length: int, dtype: str) -> np.ndarray:
        """What `runtime.aligned` gives, between fences."""
        size = length*np.dtype(dtype).itemsize
        whole = self.made(size + 2*WIDTH, "uint8")
        whole[:WIDTH] = whole[WIDTH + size:] = BYTE
        self.known.append((whole, size))
        return whole[WIDTH:WIDTH + size].view(dtype)

    def check(self) -> None:
        """AssertionError where something has been written outside of an array since."""
        known, self.known = self.known, []
        for whole, size in known:
            before, after = whole[:WIDTH] != BYTE, whole[WIDTH + size:] != BYTE
            assert not before.any(), f"{before.sum()} bytes before an array were written over"
            assert not after.any(), f"{after.sum()} bytes after an array were written over"
