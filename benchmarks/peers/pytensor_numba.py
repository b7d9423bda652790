"""PyTensor: a step compiled by its Numba backend, called in a loop; all arrays are shared."""

from __future__ import annotations

from benchmarks.peers.protocol import serve  # isort: skip  (the clock of the import starts there)

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor.special import log_softmax

from benchmarks.networks import PENALTY, Arrays, Case, from_message, orders


def loss_of(case: Case, weights: Arrays, h: Any, labels: Any) -> Any:
    """The loss of one batch."""
    layers = len(case.net.widths) - 1
    activation = {"relu": lambda z: pt.maximum(z, 0), "tanh": pt.tanh}[case.net.activation]
    for layer in range(1, layers):
        h = activation(h @ weights[f"W{layer}"] + weights[f"b{layer}"])
    z = h @ weights[f"W{layers}"] + weights[f"b{layers}"]
    chosen = log_softmax(z, axis=1)[pt.arange(labels.shape[0]), labels]
    squares = sum((weights[f"W{layer}"] ** 2).sum() for layer in range(1, layers + 1))
    return -chosen.mean() + PENALTY * squares


def updates_of(case: Case, weights: Arrays, loss: Any) -> list[tuple[Any, Any]]:
    """Pairs (shared variable, its next value)."""
    variables = list(weights.values())
    slopes = pytensor.grad(loss, variables)
    if case.optimizer == "sgd":
        return [(w, w - case.rate * g) for w, g in zip(variables, slopes)]
    t = pytensor.shared(np.zeros((), case.dtype))
    found = [(t, t + 1)]
    first, second = case.rate / (1 - 0.9 ** (t + 1)), pt.sqrt(1 - 0.999 ** (t + 1))
    for w, g in zip(variables, slopes):
        m, v = (pytensor.shared(np.zeros_like(w.get_value())) for _ in range(2))
        new_m, new_v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        step = first * new_m / (pt.sqrt(new_v) / second + 1e-8)
        found += [(m, new_m), (v, new_v), (w, w - step)]
    return [(old, new.astype(case.dtype)) for old, new in found]


class PyTensor:
    """A function of row numbers that makes one step."""

    def __init__(self, message: dict[str, Any], given: Arrays) -> None:
        self.case = from_message(message)
        pytensor.config.floatX = self.case.dtype
        inputs, labels = (pytensor.shared(given.pop(name)) for name in ("inputs", "labels"))
        self.weights = {name: pytensor.shared(v, name=name) for name, v in given.items()}
        rows = pt.lvector("rows")
        loss = loss_of(self.case, self.weights, inputs[rows], labels[rows])
        self.step = pytensor.function([rows], loss, mode="NUMBA", trust_input=True,
                                      updates=updates_of(self.case, self.weights, loss))
        self.losses: list[Any] = []

    def order(self, seed: int, steps: int | None = None) -> Any:
        return list(orders(self.case.net, seed, steps))

    def run(self, order: Any) -> None:
        self.losses = [self.step(rows) for rows in order]

    def state(self) -> Arrays:
        weights = {name: value.get_value() for name, value in self.weights.items()}
        return {**weights, "loss": np.mean(self.losses, dtype=np.float64)}


if __name__ == "__main__":
    serve(PyTensor)
