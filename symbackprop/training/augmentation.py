"""Augmentation: a function in Python that gives each epoch other data, e.g. shifted images.

It is called once before each epoch with copies of all rows, and costs a copy, the function itself
and the checks that fit makes of any data; the steps of the epoch then run compiled, as always.
Where the change is arithmetic (jitter, masks), noise that the program declares costs less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.errors import InputError, TrainingError
from symbackprop.notation import Tensor
from symbackprop.training.core import Core
from symbackprop.training.dataset import dataset, mapped
from symbackprop.training.signatures import accepts

__all__ = ["augmentation"]

Arrays = dict[Tensor, NDArray[Any]]
KEPT = "the parameters are again what they were before fit"


def augmentation(core: Core, X: Any, Y: Any, function: Any, seed: int | None, rows: int,
                 arrays: Arrays) -> Callable[[], None] | None:
    """What is done before each epoch: new data are put into the arrays; None without a function.

    Raises TrainingError for something that is no function of (X, Y, rng).
    """
    if function is None:
        return None
    name = getattr(function, "__name__", type(function).__name__)
    if not callable(function) or isinstance(function, type) or not accepts(function, 3):
        raise TrainingError(f"augment: {name} does not take three arguments; write a function of "
                            "(X, Y, rng), with rng a NumPy generator, that returns (X, Y)")
    generator = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])

    def renew() -> None:
        copies = (mapped(tensors, given, lambda _, array: array.copy()) for tensors, given
                  in ((core.network.inputs, X), (core.network.targets, Y)))
        made = function(*copies, generator)
        if not isinstance(made, (tuple, list)) or len(made) != 2:
            raise TrainingError(f"augment: {name} must return a pair (X, Y), found "
                                f"{type(made).__name__}; {KEPT}")
        try:
            found = dataset(core.network, made[0], made[1], core.dtype)
        except InputError as error:
            raise TrainingError(f"augment: what {name} returned does not fit: {error}; "
                                f"{KEPT}") from error
        if found.rows != rows:
            raise TrainingError(f"augment: {name} must keep the number of rows, {rows}; it "
                                f"returned {found.rows}; {KEPT}")
        arrays.update(found.arrays)

    return renew
