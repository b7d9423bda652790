"""k-fold cross-validation: each choice is fitted without a fold and measured on it, for all folds.

    CV(λ) = 1/K Σ_k error of the fit without fold k, on fold k,       s.e. = s/√K
    λ* = argmin CV(λ);  the model is then fitted to all rows with λ*                 (lecture 000)

All fits run the same compiled kernel: λ, rates and momenta are its arguments.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.errors import Diverged, TrainingError
from symbackprop.notation import Tensor
from symbackprop.training.callbacks import check_maximised, is_maximised
from symbackprop.training.comparing import compared
from symbackprop.training.copies import fitted, settings_of, started
from symbackprop.training.dataset import Dataset, dataset, mapped
from symbackprop.training.grids import Plan, Point, planned, points_of
from symbackprop.training.loop import History
from symbackprop.training.metrics import Metric
from symbackprop.training.model import Model
from symbackprop.training.monitoring import metrics_of, scores_of
from symbackprop.training.settings import known_seed
from symbackprop.training.splits import Folds, Rows, rows_of
from symbackprop.training.validation_table import CrossValidation
from symbackprop.training.workers import Stop, share, together

__all__ = ["cross_validate"]



def cross_validate(model: Model, X: Any, Y: Any = None, *, grid: Mapping[str, Sequence[Any]],
                   folds: Any = 10, metric: Any = None, seed: int = 0, fresh: bool = True,
                   refit: bool = True, workers: int | None = None,
                   maximised: bool | None = None, **settings: Any) -> CrossValidation:
    """The cross-validation error of every choice in a grid; the model is refitted with the best.

    grid: name -> values; a name is a hyper of the model ("lam"), a field of the optimizer or of
    one inside it ("rate"), a letter of a Custom, "epochs" or "batch_size"; several names: all
    combinations.  Where two share a name, "hypers.rate" is the model's, "optimizer.rate" not.
    folds: a number (rows are shuffled by the seed, and stratified for one-hot targets and
    labels), any object with split(X, y) such as scikit-learn's KFold(10), or pairs (training
    rows, held-out rows).  metric: what is measured on the held-out rows: a name, a function or
    {output: metric} as in fit, or "loss", penalties included; by default accuracy for one-hot
    targets and labels, else mean_squared_error.  maximised: whether more of it is better; None:
    accuracies and r2 are maximised, all else is minimised.  Of equal choices the first is taken.
    fresh: every fit starts at `model.initialise(seed)`, but for parameters that are not trained;
    False: at the present parameters.
    refit: fit the model to all rows with the choice; else it stays as it is.
    workers: fits at a time, None for one a core; the result does not depend on it.
    settings: those of fit, e.g. epochs and optimizer.

    Raises InputError and TrainingError for what does not fit, before anything runs; a fit that
    diverges, or whose measure is NaN, counts as infinitely bad.

    >>> import numpy as np, symbackprop as sb
    >>> x, y = sb.data("x", sb.size("N"), 1), sb.data("y", sb.size("N"), 1)
    >>> line = sb.layers.dense(x, 1)
    >>> loss = sb.losses.squared_error(line, y) + sb.hyper("lam", 0.0)*sb.penalties.l2(1, "W1")
    >>> model = Model(inputs=x, targets=y, output=line, loss=loss)
    >>> X = np.linspace(-1, 1, 20)[:, np.newaxis]
    >>> found = cross_validate(model, X, 3*X + 1, grid={"lam": [0.01, 1.0]}, folds=4, epochs=50)
    >>> found.best, model.hypers["lam"]
    ({'lam': 0.01}, 0.01)
    """
    settings = settings_of("cross_validate", model, settings)
    check_maximised("cross_validate", maximised)
    if model._core.network.batch is None:
        raise TrainingError("cross_validate: this model has no batch axis, so no rows to hold out")
    if known_seed(seed) is None:
        raise TrainingError("cross_validate: seed must be a whole number: each choice is measured "
                            "on the same folds, from the same start")
    points = points_of(grid)
    plans = [planned(model, point, {**settings, "seed": seed}) for point in points]
    table = _table(model, (X, Y), points, plans, (metric, folds, fresh, workers, maximised))
    if not np.isfinite(table.means).any():
        raise Diverged("cross_validate: fits diverged with every choice; try smaller rates")
    hypers, own = plans[table.chosen]
    return replace(table, history=_refit(model, X, Y, hypers, own, fresh)) if refit else table


def _table(model: Model, given: tuple[Any, Any], points: list[Point], plans: list[Plan],
           how: tuple[Any, Any, bool, Any, Any]) -> CrossValidation:
    """All fits, side by side; how: metric, folds, fresh, workers and maximised as given."""
    metric, folds, fresh, workers, said = how
    settings = plans[0][1]
    data = dataset(model._core.network, *given, dtype=model.dtype)
    trial = copy.deepcopy(model)  # a hyper of the grid need have no value in the model
    trial.hypers.update(plans[0][0])
    measure = _metric(trial, metric, data)
    pairs = _folds(model, data, folds, settings["seed"])
    workers, threads = share(workers, len(points) * len(pairs))
    quiet = {"verbose": False, "threads": settings["threads"] or threads}
    name = "loss" if measure is None else measure.name
    maximised = is_maximised(name, said)
    tasks = [_measured(model, given, pair, hypers, {**own, **quiet}, measure, fresh)
             for hypers, own in plans for pair in pairs]
    scores = np.array(together(tasks, workers, bool(settings["verbose"]), "fit"))
    scores = np.where(np.isfinite(scores), scores, -math.inf if maximised else math.inf)
    return CrossValidation(tuple(points), scores.reshape(len(points), -1), name, maximised, {})


def _metric(model: Model, asked: Any, data: Dataset) -> Metric | None:
    """The metric; None for the loss."""
    network = model._core.network
    truths = compared(network)
    if isinstance(asked, str) and asked == "loss":
        return None
    if asked is None:
        classes = len(network.outputs) == 1 and any(map(_has_classes, truths[:1]))
        asked = "accuracy" if classes else "mean_squared_error"
    found = metrics_of(model._core, asked if isinstance(asked, Mapping) else [asked], data)
    if len(found) != 1:
        first = next((network.names[t] for t in network.outputs), "p")
        raise TrainingError("cross_validate: one number is needed, and this asks for "
                            f"{len(found)}; write metric=\"loss\", or e.g. "
                            f"metric={{{first!r}: \"mean_squared_error\"}}")
    scores_of(model._core, found, data)  # before anything is trained: does it give a number?
    return found[0]


def _has_classes(target: Tensor) -> bool:
    """Whether a target says of each row of which class it is."""
    return target.has_fact("one_hot") or target.has_fact("label")


def _folds(model: Model, data: Dataset, folds: Any, seed: int) -> list[tuple[Rows, Rows]]:
    network = model._core.network
    target = next((t for t in network.targets if network.has_batch(t)), None)
    y: NDArray[Any] | None = None if target is None else data.arrays[target]
    classes = target is not None and _has_classes(target)
    if target is not None and y is not None:
        y = y.argmax(-1) if target.has_fact("one_hot") and y.ndim == 2 else y.reshape(len(y), -1)
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if not hasattr(folds, "split") and not np.iterable(folds):
        folds = Folds(folds, seed, stratified=classes and y is not None and y.ndim == 1)
    x = next(data.arrays[t] for t in (*network.inputs, *network.targets) if network.has_batch(t))
    return rows_of(folds, x, y, data.rows)


def _measured(model: Model, data: tuple[Any, Any], pair: tuple[Rows, Rows],
              hypers: dict[str, float], settings: dict[str, Any], metric: Metric | None,
              fresh: bool) -> Callable[[Stop], float]:
    """The measure of one choice on one fold, as a task."""
    network = model._core.network

    def rows(part: Rows) -> tuple[Any, Any]:
        def cut(tensor: Tensor, array: NDArray[Any]) -> NDArray[Any]:
            return array[part] if network.has_batch(tensor) else array

        return mapped(network.inputs, data[0], cut), mapped(network.targets, data[1], cut)

    def task(stop: Stop) -> float:
        own = started(model, settings) if fresh else copy.deepcopy(model)
        own.hypers.update(hypers)
        (X, Y), (X_held, Y_held) = rows(pair[0]), rows(pair[1])
        try:
            fitted(own, X, Y, settings, stop)
        except Diverged:
            return math.nan
        if metric is None:
            return own.loss(X_held, Y_held)
        found = dataset(network, X_held, Y_held, own.dtype)
        return next(iter(scores_of(own._core, (metric,), found).values()))

    return task


def _refit(model: Model, X: Any, Y: Any, hypers: dict[str, float], settings: dict[str, Any],
           fresh: bool) -> History:
    """The history of the fit to all rows; the model is as it was where that fails."""
    own = started(model, settings) if fresh else copy.deepcopy(model)
    own.hypers.update(hypers)
    history = own.fit(X, Y, **settings)
    model.hypers.update(hypers)
    model._core.restore(own._core.copy())
    return history
