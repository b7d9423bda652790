"""This library: the compiled training kernel of a Model, given the order of rows, one call a round.

The kernel is the one that Model.fit runs; `this_fit` measures fit itself.
"""

from __future__ import annotations

from benchmarks.peers.protocol import serve  # isort: skip  (the clock of the import starts there)

from typing import Any

import numpy as np

import symbackprop as sb
from benchmarks.declared import classifier
from benchmarks.networks import Arrays, from_message, orders


class This:
    """Model, its arrays, and its training kernel."""

    def __init__(self, message: dict[str, Any], given: Arrays) -> None:
        self.case = from_message(message)
        self.inputs, self.labels = given.pop("inputs"), given.pop("labels")
        self.model = self._model(given)
        self.optimizer = {"sgd": sb.optimizers.SGD, "adam": sb.optimizers.Adam}[
            self.case.optimizer](self.case.rate)
        self.kernel: Any = None
        self.losses = np.zeros(1)

    def _model(self, given: Arrays) -> sb.Model:
        x, y, p, loss = classifier(self.case.net.widths, self.case.net.activation)
        model = sb.Model(inputs=x, targets=y, output=p, loss=loss, dtype=self.case.dtype)
        model.parameters.update(given)
        return model

    def _compiled(self) -> None:
        """The kernel of fit, and its arguments: data as fit makes them, states of zeros."""
        batch, before = self.case.net.batch, {n: v.copy() for n, v in self.model.parameters.items()}
        self.model.fit(self.inputs[:batch], self.labels[:batch], epochs=1, batch_size=batch,
                       optimizer=self.optimizer)
        self.model.parameters.update(before)
        self.kernel = self.model.kernels["fit"]
        hot = np.eye(self.case.net.widths[-1], dtype=self.case.dtype)[self.labels]
        known = {"x": self.inputs, "y": hot, **self.model.parameters}
        names = self.kernel.program.names
        self.arrays = {
            t: np.zeros([int(axis) for axis in t.axes], self.case.dtype) if t.role == "state"
            else known[names[t]] for t in self.kernel.program.inputs if t.role != "hyper"}
        self.hypers = {t: getattr(self.optimizer, names[t], t.default)
                       for t in self.kernel.program.inputs if t.role == "hyper"}

    def order(self, seed: int, steps: int | None = None) -> Any:
        rows = orders(self.case.net, seed, steps)
        return rows.reshape(1, -1) if steps else rows.reshape(-1, self.case.net.rows)

    def run(self, order: Any) -> None:
        if self.kernel is None:
            self._compiled()
        self.losses = np.empty((len(order), order.shape[1] // self.case.net.batch))
        self.kernel.run(order, self.case.net.batch, self.arrays, self.hypers, self.losses)

    def state(self) -> Arrays:
        return {**self.model.parameters, "loss": self.losses.mean()}


if __name__ == "__main__":
    serve(This)
