"""Single functions in this library: one compiled function of arrays by name."""

from __future__ import annotations

from benchmarks.peers.protocol import serve  # isort: skip  (the clock of the import starts there)

from typing import Any

import symbackprop as sb
from benchmarks.functions import CLASSES, INPUTS, OUTPUTS, Arrays, Case

N = sb.size("N")


def custom_loss(rows: int) -> tuple[Any, list[Any]]:
    """The loss, and the tensors by which it is derived."""
    x, y = sb.data("x", N, INPUTS), sb.data("y", N, OUTPUTS)
    W, b = sb.parameter("W", INPUTS, OUTPUTS), sb.parameter("b", OUTPUTS)
    r = x @ W + b - y
    return (sb.sqrt(1 + r**2) - 1).sum() / N, [W, b]


def cross_entropy(rows: int) -> tuple[Any, list[Any]]:
    z, y = sb.data("z", N, CLASSES), sb.data("y", N, CLASSES, facts=["one_hot"])
    return sb.losses.cross_entropy(sb.softmax(z), y), [z]


def penalty(rows: int) -> tuple[Any, list[Any]]:
    W = sb.parameter("W", rows, INPUTS)
    return (0.01 * sb.absolute(W) + 0.001 * W**2).sum(), [W]


DECLARED = {"custom loss": custom_loss, "softmax cross-entropy": cross_entropy, "penalty": penalty}


class Functions:
    """The compiled function and what it has returned."""

    def __init__(self, message: dict[str, Any], given: Arrays) -> None:
        self.case, self.given = Case(**message), given
        loss, by = DECLARED[self.case.function](self.case.rows)
        derived = sb.derive(loss, by)
        self.call = sb.compile([derived.loss, *(derived[t] for t in by)], dtype=self.case.dtype)
        self.values: Any = ()

    def order(self, seed: int, steps: int | None = None) -> int:
        return steps or self.case.calls

    def run(self, order: int) -> None:
        for _ in range(order):
            self.values = self.call(**self.given)

    def state(self) -> Arrays:
        return {f"value{place}": value for place, value in enumerate(self.values)}


if __name__ == "__main__":
    serve(Functions)
