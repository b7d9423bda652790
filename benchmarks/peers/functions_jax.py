"""Single functions in JAX: jitted value_and_grad, each call waited for."""

from __future__ import annotations

from benchmarks.peers.protocol import serve  # isort: skip  (the clock of the import starts there)

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.functions import Arrays, Case

# the loss, and the places of the arguments by which it is derived
DECLARED = {
    "custom loss": (lambda x, y, W, b: (jnp.sqrt(1 + (x @ W + b - y) ** 2) - 1).sum() / len(x),
                    ("x", "y", "W", "b"), (2, 3)),
    "softmax cross-entropy": (lambda z, y: -(y * jax.nn.log_softmax(z)).sum() / len(z),
                              ("z", "y"), (0,)),
    "penalty": (lambda W: (abs(W) * 0.01 + W * W * 0.001).sum(), ("W",), (0,)),
}


class Functions:
    """The jitted function, its arguments on the device, and what it has returned."""

    def __init__(self, message: dict[str, Any], given: Arrays) -> None:
        self.case = Case(**message)
        jax.config.update("jax_enable_x64", self.case.dtype == "float64")
        loss, names, by = DECLARED[self.case.function]
        self.given = [jnp.asarray(given[name]) for name in names]
        self.call = jax.jit(jax.value_and_grad(loss, by))
        self.value: Any = None

    def order(self, seed: int, steps: int | None = None) -> int:
        return steps or self.case.calls

    def run(self, order: int) -> None:
        for _ in range(order):
            self.value = jax.block_until_ready(self.call(*self.given))

    def state(self) -> Arrays:
        loss, slopes = self.value
        return {f"value{place}": np.asarray(v) for place, v in enumerate((loss, *slopes))}


if __name__ == "__main__":
    serve(Functions)
