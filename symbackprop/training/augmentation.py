"""Augmentation: a function in Python that gives each step other data, e.g. shifted images.

It sees the rows of one batch, in the order of the steps.  The batches of a compiled call (an
epoch, or a piece of a long one) are made before it, so that the steps themselves run compiled, as
always; that costs the function, a copy and fit's checks for each batch.  Where the change is
arithmetic (jitter, masks), noise that the program declares costs less.
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
from symbackprop.training.loop import Orders, batches
from symbackprop.training.signatures import accepts

__all__ = ["augmentation"]

Arrays = dict[Tensor, NDArray[Any]]
KEPT = "the parameters are those after the last finished steps"


def augmentation(core: Core, X: Any, Y: Any, function: Any, seed: int | None,
                 arrays: Arrays) -> Callable[[Orders, int], None] | None:
    """What is done before the steps over some rows: they get new data in the arrays, which hold
    those of all rows; None without a function.

    Raises TrainingError for something that is no function of (X, Y, rng).
    """
    if function is None:
        return None
    name = getattr(function, "__name__", type(function).__name__)
    if not callable(function) or isinstance(function, type) or not accepts(function, 3):
        raise TrainingError(f"augment: {name} does not take three arguments; write a function of "
                            "(X, Y, rng), with rng a NumPy generator, that returns (X, Y)")
    network = core.network
    generator = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    given = [(tensors, mapped(tensors, own, lambda _, array: array))
             for tensors, own in ((network.inputs, X), (network.targets, Y))]
    arrays.update({t: array.copy() for t, array in arrays.items()})

    def renew(order: Orders, batch_size: int) -> None:
        for rows in batches(order, batch_size):
            def copied(t: Tensor, array: NDArray[Any], rows: Orders = rows) -> NDArray[Any]:
                return array[rows] if network.has_batch(t) else array.copy()

            made = function(*(mapped(tensors, own, copied) for tensors, own in given), generator)
            for tensor, array in _checked(core, name, made, len(rows)).items():
                place = rows if network.has_batch(tensor) else None if network.batch else ...
                _put(name, tensor, array, arrays[tensor], place)

    return renew


def _checked(core: Core, name: str, made: Any, rows: int) -> Arrays:
    """What the function returned for so many rows, as fit checks any data."""
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
    return found.arrays


def _put(name: str, tensor: Tensor, array: NDArray[Any], into: NDArray[Any], place: Any) -> None:
    """The new rows take the place of those of the batch; place: None for what all steps share."""
    expected = into[() if place is None else place].shape
    if array.shape != expected:
        raise TrainingError(f"augment: {name} returned {tensor.name} of shape {array.shape}; "
                            f"fit was given {expected}; {KEPT}")
    if place is not None:
        into[place] = array
    elif not np.array_equal(array, into):
        raise TrainingError(f"augment: {name} changed {tensor.name}, which has no rows of its own "
                            f"for each sample: all steps share it; {KEPT}")
