"""PyTorch, eager: functions of nn.functional, autograd, and an optimizer of torch.optim."""

from __future__ import annotations

from benchmarks.peers.protocol import THREADS, serve  # isort: skip  (the clock starts there)

from typing import Any

import torch
from torch.nn import functional

from benchmarks.networks import PENALTY, Arrays, from_message, orders

torch.set_num_threads(THREADS or torch.get_num_threads())


class Torch:
    """Parameters as leaves, data as tensors."""

    def __init__(self, message: dict[str, Any], given: Arrays) -> None:
        self.case = from_message(message)
        self.inputs = torch.from_numpy(given.pop("inputs"))
        self.labels = torch.from_numpy(given.pop("labels"))
        self.weights = {name: torch.from_numpy(value).requires_grad_()
                        for name, value in given.items()}
        make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[self.case.optimizer]
        self.optimizer = make(self.weights.values(), lr=self.case.rate)
        self.loss = self._loss()
        self.total, self.steps = torch.zeros((), dtype=torch.float64), 1

    def _loss(self) -> Any:
        layers = len(self.case.net.widths) - 1
        activation = {"relu": torch.relu, "tanh": torch.tanh}[self.case.net.activation]

        def loss(weights: dict[str, Any], h: Any, labels: Any) -> Any:
            for layer in range(1, layers):
                h = activation(torch.addmm(weights[f"b{layer}"], h, weights[f"W{layer}"]))
            z = torch.addmm(weights[f"b{layers}"], h, weights[f"W{layers}"])
            squares = sum((weights[f"W{layer}"] ** 2).sum() for layer in range(1, layers + 1))
            return functional.cross_entropy(z, labels) + PENALTY * squares

        return loss

    def order(self, seed: int, steps: int | None = None) -> Any:
        return torch.from_numpy(orders(self.case.net, seed, steps))

    def run(self, order: Any) -> None:
        total = torch.zeros((), dtype=torch.float64)
        for rows in order:
            self.optimizer.zero_grad()
            loss = self.loss(self.weights, self.inputs[rows], self.labels[rows])
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        self.total, self.steps = total, len(order)

    def state(self) -> Arrays:
        weights = {name: value.detach().numpy() for name, value in self.weights.items()}
        return {**weights, "loss": self.total.item() / self.steps}


if __name__ == "__main__":
    serve(Torch)
