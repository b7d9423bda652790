"""The networks that are measured, their data, first parameters and orders: NumPy alone.

Every system, this library and its peers, reads this module or the arrays that it has made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

PENALTY = 1e-4
RATES = {"sgd": 0.01, "adam": 0.001}

Arrays = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Net:
    """Layer widths from input to output, activation, rows a step, rows of the data set.

    epochs: passes over the data in one timed round; target: JAX's time over ours that is aimed at.
    """

    widths: tuple[int, ...]
    activation: str
    batch: int
    rows: int
    epochs: int = 1
    target: float | None = None

    def __post_init__(self) -> None:
        if self.rows % self.batch:
            raise ValueError(f"{self.rows} rows are not whole batches of {self.batch}")

    @property
    def name(self) -> str:
        """For example '64-32-10 tanh, batch 32'."""
        return f"{'-'.join(map(str, self.widths))} {self.activation}, batch {self.batch}"

    @property
    def steps(self) -> int:
        """Steps in one round."""
        return self.rows // self.batch * self.epochs

    @property
    def flops(self) -> int:
        """Operations in the matrix products of a step: forward, weights, inputs but the first."""
        products = [a * b for a, b in pairwise(self.widths)]
        return 2 * self.batch * (3 * sum(products) - products[0])


@dataclass(frozen=True, slots=True)
class Case:
    """A net and how it is trained: dtype, optimizer ('sgd' or 'adam'), processors to run on."""

    net: Net
    dtype: str = "float32"
    optimizer: str = "sgd"
    threads: int = 2

    @property
    def rate(self) -> float:
        """The learning rate."""
        return RATES[self.optimizer]

    @property
    def variant(self) -> str:
        """For example 'float32, sgd, 2 threads'."""
        return f"{self.dtype}, {self.optimizer}, {self.threads} thread{'s' * (self.threads > 1)}"


TABLE = (
    Net((2, 16, 16, 2), "relu", 32, 16_384, target=4),
    Net((2, 16, 16, 2), "tanh", 32, 16_384, target=4),
    Net((64, 32, 10), "tanh", 32, 16_384, target=3),
    Net((30, 64, 64, 2), "relu", 64, 16_384, target=2.5),
    Net((30, 64, 64, 2), "tanh", 64, 16_384, target=2.5),
    Net((4, 32, 16, 4), "tanh", 10_000, 10_000, 50, target=4),
    Net((784, 256, 128, 10), "relu", 128, 8_192, target=1.1),
    Net((784, 256, 128, 10), "tanh", 128, 8_192, target=1.2),
    Net((784, 1024, 1024, 10), "relu", 512, 2_048, target=0.97),
)
BATCHES = tuple(
    Net(widths, activation, batch, 8_192, epochs)
    for widths, activation, several in (((64, 32, 10), "tanh", (1, 2, 16)),
                                        ((784, 256, 128, 10), "relu", (1, 1, 1)))
    for batch, epochs in zip((8, 256, 2_048), several)
)


def as_message(case: Case) -> dict[str, Any]:
    """The case as JSON holds it."""
    return asdict(case)


def from_message(message: Mapping[str, Any]) -> Case:
    """The case that `as_message` has written."""
    net = Net(**{**message["net"], "widths": tuple(message["net"]["widths"])})
    return Case(**{**message, "net": net})


def made_data(net: Net, seed: int = 0) -> tuple[Any, Any]:
    """Float32 inputs and integer labels of random clusters: something that can be learned."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, net.widths[-1], net.rows)
    centres = generator.normal(size=(net.widths[-1], net.widths[0]))
    inputs = centres[labels] + generator.normal(size=(net.rows, net.widths[0]))
    return inputs.astype(np.float32), labels


def first_parameters(net: Net, dtype: str, seed: int = 1) -> Arrays:
    """W1, b1, W2, …: uniform weights (Glorot & Bengio 2010), small biases."""
    generator = np.random.default_rng(seed)
    found = {}
    for layer, shape in enumerate(pairwise(net.widths), 1):
        bound = (6 / sum(shape)) ** 0.5
        found[f"W{layer}"] = generator.uniform(-bound, bound, shape).astype(dtype)
        found[f"b{layer}"] = generator.uniform(-0.1, 0.1, shape[1]).astype(dtype)
    return found


def given(case: Case) -> Arrays:
    """All that a system is given: inputs, labels, and the parameters that it starts from."""
    inputs, labels = made_data(case.net)
    return {"inputs": inputs.astype(case.dtype), "labels": labels,
            **first_parameters(case.net, case.dtype)}


def orders(net: Net, seed: int, steps: int | None = None) -> Any:
    """Row numbers [steps, batch] of a round, or of its first steps: each epoch is a permutation."""
    generator = np.random.default_rng(seed)
    epochs = [generator.permutation(net.rows) for _ in range(net.epochs)]
    return np.concatenate(epochs).reshape(-1, net.batch)[:steps]
