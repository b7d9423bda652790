"""Copies of a model that train side by side on its kernels, with the settings of its fit."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from symbackprop.errors import TrainingError
from symbackprop.training import fitting
from symbackprop.training.callbacks import Checkpoint, Log, as_callbacks
from symbackprop.training.loop import History
from symbackprop.training.model import Model
from symbackprop.training.tuning import tuning
from symbackprop.training.workers import Stop

__all__ = ["fitted", "settings_of", "started"]


def settings_of(who: str, model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `Model.fit`, those that are not given at their defaults.

    Raises TrainingError for what is no model, for a setting that fit does not have, and for
    callbacks that write a file, which is one fit's.
    """
    if not isinstance(model, Model):
        raise TrainingError(f"{who}: the first argument must be a Model, found "
                            f"{type(model).__name__}")
    known = inspect.signature(Model.fit).parameters
    defaults = {name: p.default for name, p in known.items() if name not in ("self", "X", "Y")}
    unknown = [name for name in given if name not in defaults]
    if unknown:
        raise TrainingError(f"{who}: fit has no setting {unknown[0]!r}; it has "
                            f"{', '.join(defaults)}")
    for callback in as_callbacks(given.get("callbacks")):
        if isinstance(callback, (Checkpoint, Log)):
            raise TrainingError(f"{who}: several fits at a time would write {callback.path!r}, and "
                                "they train copies of the model; leave "
                                f"{type(callback).__name__} out, and call model.save(path) or "
                                "read the histories afterwards")
    return {**defaults, **given}


def started(model: Model, settings: Mapping[str, Any]) -> Model:
    """A copy with new random numbers, those of the seed of a fit, for what that fit trains.

    Parameters that it does not train keep the model's numbers.
    """
    network = model._core.network
    asked = (settings[name] for name in ("optimizer", "frozen", "rates"))
    trained = {network.names[t] for t in tuning(network, *asked).trained}
    made = copy.deepcopy(model)
    made.initialise(settings["seed"])
    made._core.restore({name: array for name, array in model.parameters.items()
                        if name not in trained})
    return made


def fitted(model: Model, X: Any, Y: Any, settings: Mapping[str, Any], stop: Stop) -> History:
    """The history of a fit that another thread may stop."""
    return fitting.fit(model._core, X, Y, stop=stop, **settings)
