"""scikit-learn: MLPClassifier.partial_fit over the rows of a round, in the order that is given.

Its penalty is alpha/(2·batch)·Σw², so alpha = 2·batch·λ.  For two classes it would take one
logistic output; with one-hot targets and the softmax as `out_activation_` it trains the same net
as everybody else.  Its Adam adds epsilon before the bias is corrected: 4·10⁻¹⁰ there comes to the
10⁻⁸ of the others in the first steps, which are compared.
"""

from __future__ import annotations

from benchmarks.peers.protocol import serve  # isort: skip  (the clock of the import starts there)

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.networks import PENALTY, Arrays, from_message, orders


class Sklearn:
    """An estimator that begins with the parameters of the others."""

    def __init__(self, message: dict[str, Any], given: Arrays) -> None:
        warnings.simplefilter("ignore", ConvergenceWarning)
        self.case = from_message(message)
        net = self.case.net
        self.inputs, self.classes = given.pop("inputs"), np.arange(net.widths[-1])
        self.hot = np.eye(net.widths[-1], dtype=np.int64)[given.pop("labels")]
        self.peer = MLPClassifier(
            net.widths[1:-1], activation=net.activation, solver=self.case.optimizer,
            alpha=2 * net.batch * PENALTY, batch_size=net.batch, momentum=0.0,
            nesterovs_momentum=False, learning_rate_init=self.case.rate, shuffle=False,
            learning_rate="constant", epsilon=4e-10,
        )
        self._begin(given)

    def _begin(self, weights: Arrays) -> None:
        """One step that makes all attributes, then the first parameters in their place."""
        rows = slice(0, self.case.net.batch)
        self.peer.partial_fit(self.inputs[rows], self.hot[rows], classes=self.classes)
        self.peer.out_activation_ = "softmax"
        layers = range(1, len(self.case.net.widths))
        self.peer.coefs_ = [weights[f"W{layer}"].copy() for layer in layers]
        self.peer.intercepts_ = [weights[f"b{layer}"].copy() for layer in layers]
        del self.peer._optimizer  # its moments; partial_fit makes a new one

    def order(self, seed: int, steps: int | None = None) -> Any:
        return orders(self.case.net, seed, steps).ravel()

    def run(self, order: Any) -> None:
        self.peer.partial_fit(self.inputs[order], self.hot[order])

    def state(self) -> Arrays:
        found = {}
        for layer, (w, b) in enumerate(zip(self.peer.coefs_, self.peer.intercepts_), 1):
            found |= {f"W{layer}": w, f"b{layer}": b}
        return {**found, "loss": self.peer.loss_}


if __name__ == "__main__":
    serve(Sklearn)
