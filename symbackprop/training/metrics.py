"""Metrics: numbers that are reported, not minimised; a name from the table, or any function.

    accuracy               share of rows whose largest entry is right (one-hot or labels),
                           or of entries on the right side of the threshold, which follows from
                           the loss (`thresholds`; zeros and ones, or −1 and 1)
    mean_squared_error     mean (y − ŷ)²  over all entries
    mean_absolute_error    mean |y − ŷ|
    r2                     1 − Σ(y − ŷ)²/Σ(y − ȳ)², averaged over outputs

Outputs and targets are paired in the order in which the model lists them; targets that are left
over, such as weights of samples, have no metric.  Without targets an output is measured against
what the loss compares it with (`comparing.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from symbackprop.classification import classes_axis
from symbackprop.errors import TrainingError
from symbackprop.notation import Tensor
from symbackprop.training.signatures import accepts

__all__ = ["METRICS", "Metric", "as_metrics"]

Array = NDArray[Any]
Score = Callable[[Array, Array], float]
Threshold = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A name in the history and a function of targets and predictions; place: of which output."""

    name: str
    score: Score
    place: int = 0


def accuracy(target: Tensor, output: Tensor, threshold: Threshold) -> Score:
    """The share of right answers, read as the target's facts and shape say.

    threshold: from where on an output means the label 1, where there are two labels.
    """
    classes = target.has_fact("one_hot") or target.has_fact("simplex")
    axis = classes_axis(target, output.axes)
    labels = not classes and target.rank == output.rank - 1 and (
        axis is not None or _fit(target.axes, output.axes))
    if not labels:
        _alike("accuracy", target, output, "for labels the output has one more axis, the classes")
    axis = -1 if axis is None else axis

    def score(truth: Array, prediction: Array) -> float:
        if classes:
            return float(np.mean(truth.argmax(axis) == prediction.argmax(axis)))
        if labels:
            return float(np.mean(truth == prediction.argmax(axis)))
        if not any(np.isin(truth, (least, 1)).all() for least in (0, -1)):
            raise TrainingError(
                "accuracy needs labels, one-hot rows, zeros and ones, or −1 and 1 in "
                f"{target.name}; for a regression use 'mean_squared_error', "
                "'mean_absolute_error' or 'r2'")
        return float(np.mean((prediction >= threshold()) == (truth > 0)))

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


def _of_numbers(name: str, function: Score) -> Callable[[Tensor, Tensor, Threshold], Score]:
    """A metric of targets and outputs that have one shape, entry by entry."""

    def made(target: Tensor, output: Tensor, _: Threshold) -> Score:
        _alike(name, target, output, "for labels use 'accuracy'")
        return function

    return made


def _alike(name: str, target: Tensor, output: Tensor, hint: str) -> None:
    """Raises TrainingError where the shapes differ, which NumPy would broadcast or refuse."""
    if target.rank != output.rank or not _fit(target.axes, output.axes):
        shapes = [", ".join(map(str, tensor.axes)) for tensor in (target, output)]
        raise TrainingError(f"the metric {name} compares entries, but the target {target.name} has "
                            f"the shape ({shapes[0]}) and the output ({shapes[1]}); {hint}, or "
                            "hand over a function of (targets, predictions)")


def _fit(axes: Sequence[Expr], others: Sequence[Expr]) -> bool:
    """Whether axes may be as long as others, as far as there are as many."""
    return all(a == b or not (a.is_Integer and b.is_Integer)
               for a, b in zip(axes, others, strict=False))


METRICS: dict[str, Callable[[Tensor, Tensor, Threshold], Score]] = {
    "accuracy": accuracy,
    "mean_squared_error": _of_numbers("mean_squared_error", mean_squared_error),
    "mean_absolute_error": _of_numbers("mean_absolute_error", mean_absolute_error),
    "r2": _of_numbers("r2", r2),
}


def as_metrics(given: object, targets: tuple[Tensor, ...], outputs: Mapping[str, Tensor],
               thresholds: Callable[[int], float]) -> tuple[Metric, ...]:
    """The metrics that were handed to fit: of every output, or a dictionary output -> metrics.

    outputs: name -> tensor.  Output and target are paired by their places; targets may be left
    over.  thresholds: of the output at a place, where there are two labels.
    Raises TrainingError for an unknown name, something that is no function, shapes that cannot be
    compared, or where there are fewer targets than outputs.
    """
    asked = _by_output(given, tuple(outputs))
    if any(asked.values()) and (len(targets) < len(outputs) or not outputs):
        raise TrainingError(f"metrics compare each output with a target; this model has "
                            f"{len(outputs)} outputs and {len(targets)} targets"
                            + ("" if targets else ", and its loss says of no single tensor that it "
                               "is what an output is compared with; measure the loss, e.g. "
                               'cross_validate(…, metric="loss"), or declare what is compared '
                               "as targets of its own"))
    found = [
        Metric(name if len(outputs) == 1 else f"{own}_{name}", score, place)
        for place, (own, output) in enumerate(outputs.items())
        for name, score in (_metric(metric, targets[place], output, partial(thresholds, place))
                            for metric in asked[own])
    ]
    for metric in found:
        if [other.name for other in found].count(metric.name) > 1 or metric.name == "loss":
            raise TrainingError(f"metrics: two entries of the history would be {metric.name!r}")
    return tuple(found)


def _by_output(given: object, outputs: tuple[str, ...]) -> dict[str, list[object]]:
    """The metrics of each output."""
    if not isinstance(given, Mapping):
        return dict.fromkeys(outputs or ("",), _listed(given))
    for name in given:
        if name not in outputs:
            raise TrainingError(f"metrics: this model has no output {name!r}; it has "
                                f"{', '.join(outputs) or 'none'}")
    return {name: _listed(given.get(name)) for name in outputs}


def _listed(given: object) -> list[object]:
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _metric(given: object, target: Tensor, output: Tensor,
            threshold: Threshold) -> tuple[str, Score]:
    if isinstance(given, str) and given in METRICS:
        return given, METRICS[given](target, output, threshold)
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
                                "parameters are those after the last finished epoch")
        return float(value)

    return score
