"""What fit does after each epoch: metrics, validation and callbacks, checked before the first."""

from __future__ import annotations

from typing import Any

from symbackprop.errors import InputError
from symbackprop.training.callbacks import as_callbacks
from symbackprop.training.comparing import compared
from symbackprop.training.core import Core
from symbackprop.training.dataset import Dataset, dataset
from symbackprop.training.loop import Between
from symbackprop.training.metrics import Metric, as_metrics
from symbackprop.training.thresholds import thresholds

__all__ = ["metrics_of", "monitoring", "scores_of"]


def monitoring(core: Core, found: Dataset, validation_data: Any, callbacks: Any,
               metrics: Any) -> Between:
    """The measures and callbacks that were handed to fit; raises what fit says for odd ones."""
    scores = metrics_of(core, metrics, found)
    validation = _validation(core, validation_data)
    for what in ("predict",) * bool(scores) + ("loss",) * (validation is not None):
        core.kernels.function(what)  # compiled now, not within the first epoch
    sets = {"": found} if validation is None else {"": found, "val_": validation}
    monitored = tuple(f"{prefix}{name}" for prefix in sets
                      for name in ("loss", *(score.name for score in scores)))

    def measures() -> dict[str, float]:
        values: dict[str, float] = {}
        for prefix, data in sets.items():
            values |= {f"{prefix}{name}": value
                       for name, value in scores_of(core, scores, data).items()}
        if validation is not None:
            values["val_loss"] = float(core.run("loss", validation.arrays)[0])
        return values

    made = Between(core.parameters, core.restore, measures if len(monitored) > 1 else None,
                   monitored, as_callbacks(callbacks), core.states)
    if made.measures is not None:
        made.check = core.check_trained
    return made


def metrics_of(core: Core, given: Any, data: Dataset) -> tuple[Metric, ...]:
    """The metrics that were asked for of this network; data: those that train it."""
    network = core.network
    outputs = {network.names[t]: t for t in network.outputs}
    return as_metrics(given, compared(network), outputs, thresholds(core, data))


def scores_of(core: Core, metrics: tuple[Metric, ...], data: Dataset) -> dict[str, float]:
    """Each metric over all rows of these data."""
    predictions = core.run("predict", data.arrays) if metrics else []
    truths = [data.arrays[target] for target in compared(core.network)] if metrics else []
    return {m.name: m.score(truths[m.place], predictions[m.place]) for m in metrics}


def _validation(core: Core, given: Any) -> Dataset | None:
    if given is None:
        return None
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        raise InputError("validation_data must be a pair (X, Y)")
    return dataset(core.network, given[0], given[1], core.dtype)
