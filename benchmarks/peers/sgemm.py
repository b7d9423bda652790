"""The machine's own matrix product, by NumPy's BLAS on as many processors as a system may use."""

from __future__ import annotations

from benchmarks.peers.protocol import serve  # isort: skip  (the clock of the import starts there)

from typing import Any

import numpy as np

from benchmarks.networks import Arrays, from_message

SIDE = 1536
FLOPS = 2 * SIDE**3


class Product:
    """A round is one product of square matrices."""

    def __init__(self, message: dict[str, Any], given: Arrays) -> None:
        dtype = from_message(message).dtype
        self.a = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(dtype)
        self.c = np.empty_like(self.a)

    def order(self, seed: int, steps: int | None = None) -> Any:
        return self.a

    def run(self, order: Any) -> None:
        np.matmul(self.a, order, out=self.c)

    def state(self) -> Arrays:
        return {}


if __name__ == "__main__":
    serve(Product)
