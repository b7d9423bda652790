"""The first steps of training in plain NumPy and float64: what every system must arrive at."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.networks import PENALTY, Arrays, Case

# relative to the movement of the parameters, and to the loss.  Adam divides each gradient by its
# own size, so that an entry that is all rounding moves as far as the others, and epsilon stands
# elsewhere in scikit-learn's
MOVEMENT = {("float32", "sgd"): 3e-3, ("float32", "adam"): 3e-2,
            ("float64", "sgd"): 1e-9, ("float64", "adam"): 3e-3}
LOSS = {("float32", "sgd"): 1e-4, ("float32", "adam"): 1e-4,
        ("float64", "sgd"): 1e-10, ("float64", "adam"): 1e-7}


def gradients(weights: Arrays, inputs: Any, labels: Any, activation: str) -> tuple[float, Arrays]:
    """The loss of one batch, penalty included, and its derivative by every parameter."""
    layers, rows = len(weights) // 2, len(inputs)
    values = [inputs]
    for layer in range(1, layers + 1):
        z = values[-1] @ weights[f"W{layer}"] + weights[f"b{layer}"]
        bent = np.tanh(z) if activation == "tanh" else np.maximum(z, 0)
        values.append(z if layer == layers else bent)
    logits = values[-1] - values[-1].max(1, keepdims=True)
    logarithms = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    loss = -logarithms[np.arange(rows), labels].mean()
    loss += PENALTY * sum((weights[f"W{layer}"] ** 2).sum() for layer in range(1, layers + 1))
    delta = np.exp(logarithms)
    delta[np.arange(rows), labels] -= 1
    delta /= rows
    found = {}
    for layer in range(layers, 0, -1):
        h = values[layer - 1]
        found[f"W{layer}"] = h.T @ delta + 2 * PENALTY * weights[f"W{layer}"]
        found[f"b{layer}"] = delta.sum(0)
        delta = delta @ weights[f"W{layer}"].T * (1 - h**2 if activation == "tanh" else h > 0)
    return float(loss), found


def trained(case: Case, given: Arrays, order: Any) -> Arrays:
    """Parameters after one step for each row of the order, and `loss`, the mean of their losses."""
    weights = {n: v.astype(np.float64) for n, v in given.items() if n not in ("inputs", "labels")}
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    losses = []
    for t, rows in enumerate(order, 1):
        loss, slopes = gradients(weights, given["inputs"][rows].astype(np.float64),
                                 given["labels"][rows], case.net.activation)
        losses.append(loss)
        for name, g in slopes.items():
            step = g
            if case.optimizer == "adam":
                first[name] = 0.9 * first[name] + 0.1 * g
                second[name] = 0.999 * second[name] + 0.001 * g**2
                step = first[name] / (1 - 0.9**t) / (np.sqrt(second[name] / (1 - 0.999**t)) + 1e-8)
            weights[name] -= case.rate * step
    return {**weights, "loss": np.mean(losses)}


def disagreement(case: Case, start: Arrays, expected: Arrays, found: Arrays) -> str:
    """What a system has computed otherwise than the reference; "" where they agree.

    Parameters are compared by how far they have moved, so that a wrong penalty or rate is seen;
    what is lost when they are rounded after each step may be all that some have moved.
    """
    if missing := sorted(expected.keys() - found.keys()):
        return f"no {', '.join(missing)} in what was found"
    wrong = []
    error = abs(float(found["loss"]) / float(expected["loss"]) - 1)
    if not error <= LOSS[case.dtype, case.optimizer]:
        wrong.append(f"loss {float(found['loss']):.8g}, expected {float(expected['loss']):.8g}")
    for name in sorted(expected.keys() - {"loss"}):
        moved = np.linalg.norm(expected[name] - start[name])
        error = np.linalg.norm(np.asarray(found[name], np.float64) - expected[name])
        rounding = np.finfo(case.dtype).eps * np.linalg.norm(expected[name])
        if not error <= MOVEMENT[case.dtype, case.optimizer] * moved + rounding:
            wrong.append(f"{name} moved wrongly by {error / moved:.1e} of its movement")
    return "; ".join(wrong)
