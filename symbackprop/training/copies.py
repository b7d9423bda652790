"""Copies of a model that train side by side on its kernels, with the settings of its fit."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from symbackprop.errors import TrainingError
from symbackprop.training import fitting
from symbackprop.training.loop import History
from symbackprop.training.model import Model
from symbackprop.training.workers import Stop

__all__ = ["copy_of", "fitted", "settings_of"]


def settings_of(who: str, model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `Model.fit`, those that are not given at their defaults.

    Raises TrainingError for what is no model, and for a setting that fit does not have.
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
    return {**defaults, **given}


def copy_of(model: Model, seed: int | None = None) -> Model:
    """The same network and kernels; the same numbers, or new random ones of a seed."""
    made = copy.deepcopy(model)
    if seed is not None:
        made.initialise(seed)
    return made


def fitted(model: Model, X: Any, Y: Any, settings: Mapping[str, Any], stop: Stop) -> History:
    """The history of a fit that another thread may stop."""
    return fitting.fit(model._core, X, Y, stop=stop, **settings)
