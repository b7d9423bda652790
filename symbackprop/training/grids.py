"""Grids of cross-validation: name -> values, to a plan for each combination.

    lam, hypers.lam          a hyper of the model
    rate, optimizer.rate     what `optimizer.choices` lists: fields, also of the optimizer inside
                             of a clipped one, or letters of a Custom;
                             optimizer.optimizer.limit: of one clipped twice, the limit inside
    epochs, batch_size       settings of fit
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np

from symbackprop.errors import TrainingError
from symbackprop.training.model import Model
from symbackprop.training.tuning import known_optimizer

__all__ = ["Plan", "Point", "planned", "points_of"]

Point = dict[str, Any]
Plan = tuple[dict[str, float], dict[str, Any]]  # hypers, and settings of fit
SETTINGS = ("epochs", "batch_size")


def points_of(grid: Any) -> list[Point]:
    """All combinations of the values; raises TrainingError for what is no grid."""
    if not isinstance(grid, Mapping) or not grid:
        raise TrainingError("grid must be a dictionary name -> values, e.g. {\"lam\": [0.01, 0.1]};"
                            f" found {grid!r}")
    listed = {}
    for name, values in grid.items():
        several = [] if isinstance(values, str) or not np.iterable(values) else list(values)
        if not several:
            raise TrainingError(f"grid: {name!r} needs a list of values, found {values!r}")
        listed[name] = [v.item() if isinstance(v, np.generic) else v for v in several]
    return [dict(zip(listed, choice, strict=True))
            for choice in itertools.product(*listed.values())]


def planned(model: Model, point: Point, settings: dict[str, Any]) -> Plan:
    """Hypers and settings of a choice, each value checked by who takes it."""
    optimizer, hypers, own = known_optimizer(settings["optimizer"]), {}, dict(settings)
    trial = copy.deepcopy(model)
    for name, value in point.items():
        owner, bare = _owner(name, tuple(model.hypers), optimizer.choices)
        if owner == "hypers":
            trial.hypers[bare] = value
            hypers[bare] = float(value)
        elif owner == "optimizer":
            own["optimizer"] = optimizer = optimizer.changed(bare, value)
        else:
            own[bare] = int(value) if isinstance(value, Integral) else value
    return hypers, own


def _owner(name: str, hypers: tuple[str, ...], choices: tuple[str, ...]) -> tuple[str, str]:
    """Who has a value of this name, and its name there."""
    first, _, rest = str(name).partition(".")
    owners = {"hypers": hypers, "optimizer": choices, "fit": SETTINGS}
    if rest in owners.get(first, ()):
        return first, rest
    found = [owner for owner, known in owners.items() if name in known]
    if "hypers" in found and len(found) > 1:
        other = "the optimizer has one too" if "optimizer" in found else "fit has a setting too"
        raise TrainingError(f"grid: {name!r} is a hyper of the model, and {other}; write "
                            f"'hypers.{name}' or '{found[1]}.{name}'")
    if not found:
        spoken = (f"optimizer.{c}" if c.startswith("optimizer.") else c for c in sorted(choices))
        names = [*hypers, *spoken, *SETTINGS]
        raise TrainingError(f"grid: there is nothing named {name!r}; a grid may hold "
                            f"{', '.join(names)}")
    return found[0], name
