"""The nets of the accuracy section in this library: python -m … CASE DATA EPOCHS SEED …"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

import symbackprop as sb


def convolutional() -> tuple[Any, Any]:
    """Two convolutions with pooling, then a dense layer."""
    x = sb.data("x", sb.size("N"), 1, 8, 8)
    h = sb.layers.max_pool(sb.layers.convolution(x, 16, 3, "relu", padding=1), 2)
    h = sb.layers.max_pool(sb.layers.convolution(h, 32, 3, "relu", padding=1), 2)
    return x, sb.layers.dense(sb.layers.flatten(h), 10)


def dense() -> tuple[Any, Any]:
    """784-256-10 with batch normalisation and dropout."""
    x = sb.data("x", sb.size("N"), 784)
    h = sb.relu(sb.layers.batch_norm(sb.layers.dense(x, 256)))
    return x, sb.layers.dense(sb.layers.dropout(h, 0.5), 10)


NETS = {"digits": (convolutional, 0.05, None), "mnist": (dense, 0.05, 8)}


def accuracies(case: str, given: dict[str, Any], epochs: int, seeds: list[int]) -> list[float]:
    """The test accuracy of each seed."""
    make, rate, patience = NETS[case]
    x, z = make()
    y = sb.data("y", sb.size("N"), 10, facts=["one_hot"])
    p = sb.softmax(z)
    model = sb.Model(inputs=x, targets=y, output=p, loss=sb.losses.cross_entropy(p, y))
    stop = [sb.callbacks.EarlyStopping(patience, monitor="val_accuracy")] if patience else []
    found = []
    for seed in seeds:
        model.initialise(seed)
        model.fit(given["X"], given["Y"], epochs=epochs, batch_size=32, seed=seed,
                  optimizer=sb.optimizers.SGD(rate, momentum=0.9), callbacks=stop,
                  metrics=["accuracy"] if patience else [],
                  validation_data=(given["X_val"], given["Y_val"]) if patience else None)
        guesses = model.predict(given["X_test"]).argmax(1)
        found.append(float((guesses == given["Y_test"]).mean()))
    return found


def main(case: str, path: str, epochs: str, *seeds: str) -> None:
    with np.load(path) as file:
        print(json.dumps(accuracies(case, dict(file), int(epochs), [int(s) for s in seeds])))


if __name__ == "__main__":
    main(*sys.argv[1:])
