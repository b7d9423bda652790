"""Metrics: numbers that are reported, not minimised; a name from the table, or any function.

    accuracy               share of rows whose largest entry is right (one-hot or labels),
                           or of entries on the right side of 1/2 (zeros and ones)
    mean_squared_error     mean (y − ŷ)²  over all entries
    mean_absolute_error    mean |y − ŷ|
    r2                     1 − Σ(y − ŷ)²/Σ(y − ȳ)², averaged over outputs
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.errors import TrainingError
from symbackprop.notation import Tensor
from symbackprop.training.signatures import accepts

__all__ = ["METRICS", "Metric", "as_metrics"]

Array = NDArray[Any]
Score = Callable[[Array, Array], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A name in the history and a function of targets and predictions; place: of which output."""

    name: str
    score: Score
    place: int = 0


def accuracy(target: Tensor) -> Score:
    """The share of right answers, read as the target's facts and shape say."""
    classes = target.has_fact("one_hot") or target.has_fact("simplex")

    def score(truth: Array, prediction: Array) -> float:
        if classes:
            return float(np.mean(truth.argmax(-1) == prediction.argmax(-1)))
        if truth.ndim == prediction.ndim - 1:
            return float(np.mean(truth == prediction.argmax(-1)))
        if not np.isin(truth, (0, 1)).all():
            raise TrainingError(
                f"accuracy needs labels, one-hot rows, or zeros and ones in {target.name}; for a "
                "regression use 'mean_squared_error', 'mean_absolute_error' or 'r2'")
        return float(np.mean((prediction >= 0.5) == (truth >= 0.5)))

    return score


def mean_squared_error(truth: Array, prediction: Array) -> float:
    """mean (y − ŷ)² over rows and outputs."""
    return float(np.mean(np.square(np.subtract(truth, prediction, dtype=np.float64))))


def mean_absolute_error(truth: Array, prediction: Array) -> float:
    """mean |y − ŷ| over rows and outputs."""
    return float(np.mean(np.abs(np.subtract(truth, prediction, dtype=np.float64))))


def r2(truth: Array, prediction: Array) -> float:
    """1 − residual/total sum of squares, averaged over outputs; 0 for a constant target."""
    residual = np.square(np.subtract(truth, prediction, dtype=np.float64)).sum(0)
    total = np.square(truth - truth.mean(0, dtype=np.float64)).sum(0)
    explained = 1 - residual / np.where(total > 0, total, 1)
    return float(np.mean(np.where(total > 0, explained, residual == 0)))


METRICS: dict[str, Callable[[Tensor], Score]] = {
    "accuracy": accuracy,
    "mean_squared_error": lambda target: mean_squared_error,
    "mean_absolute_error": lambda target: mean_absolute_error,
    "r2": lambda target: r2,
}


def as_metrics(given: object, targets: tuple[Tensor, ...],
               outputs: tuple[str, ...]) -> tuple[Metric, ...]:
    """The metrics that were handed to fit, one for each pair of target and output.

    Raises TrainingError for an unknown name, something that is no function, or where there is
    not one target for each output.
    """
    if given is None:
        return ()
    several = given if isinstance(given, (list, tuple)) else [given]
    if several and (len(targets) != len(outputs) or not targets):
        raise TrainingError(f"metrics compare each output with a target; this model has "
                            f"{len(outputs)} outputs and {len(targets)} targets")
    found = [
        Metric(name if len(outputs) == 1 else f"{outputs[place]}_{name}", score, place)
        for place, target in enumerate(targets)
        for name, score in (_metric(metric, target) for metric in several)
    ]
    for metric in found:
        if [other.name for other in found].count(metric.name) > 1 or metric.name == "loss":
            raise TrainingError(f"metrics: two entries of the history would be {metric.name!r}")
    return tuple(found)


def _metric(given: object, target: Tensor) -> tuple[str, Score]:
    if isinstance(given, str) and given in METRICS:
        return given, METRICS[given](target)
    if callable(given) and not isinstance(given, type):
        name = getattr(given, "__name__", type(given).__name__)
        if not accepts(given, 2):
            raise TrainingError(f"metrics: {name} does not take two arguments; a metric is a "
                                "function of (targets, predictions)")
        return name, _checked(name, given)
    raise TrainingError(f"unknown metric {given!r}; write one of {', '.join(METRICS)}, or a "
                        "function of (targets, predictions) that returns a number")


def _checked(name: str, function: Callable[[Array, Array], Any]) -> Score:
    def score(truth: Array, prediction: Array) -> float:
        value = function(truth, prediction)
        if np.ndim(value) or np.asarray(value).dtype.kind not in "biuf":
            raise TrainingError(f"the metric {name} must return one number, found {value!r}; the "
                                "parameters are again what they were before fit")
        return float(value)

    return score
