"""The networks that are measured, in layer notation, and made data for them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import symbackprop as sb

PENALTY = 1e-4


@dataclass(frozen=True, slots=True)
class Net:
    """Layer widths from input to output, activation, rows a step, rows of the data set."""

    widths: tuple[int, ...]
    activation: str
    batch: int
    rows: int

    @property
    def name(self) -> str:
        """For example '64-32-10 tanh, batch 32'."""
        return f"{'-'.join(map(str, self.widths))} {self.activation}, batch {self.batch}"

    @property
    def steps(self) -> int:
        """Steps in one epoch."""
        return -(-self.rows // self.batch)

    @property
    def flops(self) -> int:
        """Operations in the matrix products of an epoch: forward, weights, inputs but the first."""
        products = [a * b for a, b in pairwise(self.widths)]
        return 2 * self.rows * (3 * sum(products) - products[0])


def classifier(widths: tuple[int, ...], activation: str) -> tuple[Any, Any, Any, Any]:
    """(x, y, p, L): dense layers, softmax, cross-entropy and an L2 penalty."""
    rows = sb.size("N")
    x = sb.data("x", rows, widths[0])
    y = sb.data("y", rows, widths[-1], facts=["one_hot"])
    h = x
    for width in widths[1:-1]:
        h = sb.layers.dense(h, width, activation)
    p = sb.softmax(sb.layers.dense(h, widths[-1]))
    return x, y, p, sb.losses.cross_entropy(p, y) + sb.penalties.l2(PENALTY)


def made_data(net: Net, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Float32 inputs and integer labels of random clusters: something that can be learned."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, net.widths[-1], net.rows)
    centres = generator.normal(size=(net.widths[-1], net.widths[0]))
    inputs = centres[labels] + generator.normal(size=(net.rows, net.widths[0]))
    return inputs.astype(np.float32), labels
