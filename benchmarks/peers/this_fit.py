"""This library as a user calls it: Model.fit, whose time holds checks, shuffling and history."""

from __future__ import annotations

from benchmarks.peers.protocol import serve  # isort: skip  (the clock of the import starts there)

from typing import Any

from benchmarks.networks import Arrays, orders
from benchmarks.peers.this import This


class Fit(This):
    """A round is one call of fit; fit makes the order itself, from the same seed."""

    def order(self, seed: int, steps: int | None = None) -> Any:
        if steps is None:
            return {"X": self.inputs, "Y": self.labels, "epochs": self.case.net.epochs,
                    "seed": seed}
        rows = orders(self.case.net, seed, steps).ravel()
        return {"X": self.inputs[rows], "Y": self.labels[rows], "epochs": 1, "shuffle": False}

    def run(self, order: Any) -> None:
        self.losses = self.model.fit(**order, batch_size=self.case.net.batch,
                                     optimizer=self.optimizer, verbose=False)["loss"]

    def state(self) -> Arrays:
        return {**self.model.parameters, "loss": sum(self.losses) / len(self.losses)}


if __name__ == "__main__":
    serve(Fit)
