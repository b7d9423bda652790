"""Values that arrive keep what was declared of them, or are refused in words.

    filled     no axis is empty
    numbers    finite; labels are integers in range
    facts      one_hot, simplex, positive, symmetric

The same for every door: arrays of floats, of 60 digits or of fractions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sympy import Expr

from symbackprop.errors import InputError
from symbackprop.notation import Fact, Tensor

__all__ = ["check_facts", "check_filled", "check_numbers", "check_values", "expected",
           "inputs_listed"]

Length = Callable[[Expr], int | None]  # an extent as an int, None where it is not known
_COARSE, _FINE = 1e-4, 1e-6  # how far a sum may be from 1: in 16 or 32 bits, and in more


def check_values(tensor: Tensor, array: np.ndarray, what: object, length: Length) -> None:
    """All checks of an array of the tensor's shape; what: how it is called in an InputError."""
    check_filled(tensor, array, what)
    check_numbers(tensor, array, what, length)
    check_facts(tensor, array, what)


def check_filled(tensor: Tensor, array: np.ndarray, what: object) -> None:
    """Refuses an array without entries."""
    if array.size == 0:
        raise InputError(f"{what} is empty: {expected(tensor, array)}")


def expected(tensor: Tensor, array: np.ndarray) -> str:
    """The shape that was declared, and the one that was found."""
    return f"expected shape ({', '.join(map(str, tensor.axes))}), found {array.shape}"


def otherwise(tensor: Tensor) -> str:
    """What may be wanted in the place of a value that is missing."""
    return ("; or take sb.inference(…) of what you compute, in which noise is its mean"
            if tensor.role == "noise" else "")


def inputs_listed(names: Sequence[str]) -> str:
    """What could have been given instead of an unknown name."""
    return f"its inputs are {', '.join(names)}" if names else "it has no inputs"


def check_numbers(tensor: Tensor, array: np.ndarray, what: object, length: Length) -> None:
    """Refuses NaN and infinite entries, and labels that are no integers in range."""
    array = _floats(array)
    if tensor.has_fact("label"):
        _check_labels(tensor, array, what, length)
    elif not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        entry = f" at {list(place)}" if place else ""
        raise InputError(f"{what} holds {array[place]}{entry}; values must be finite: remove or "
                         "replace such rows first")


def check_facts(tensor: Tensor, array: np.ndarray, what: object) -> None:
    """Refuses an array that breaks a fact, labels aside."""
    checked = [fact for fact in tensor.facts if fact.kind in _FACTS]
    array = _floats(array) if checked else array
    for fact in checked:
        _FACTS[fact.kind](array, what, fact)


def _floats(array: np.ndarray) -> np.ndarray:
    if array.dtype != object:
        return array
    return np.asarray(np.frompyfunc(_nearest, 1, 1)(array)).astype(float)


def _nearest(entry: Any) -> float:
    """The float next to a number; it is zero or infinite only if the number is."""
    if entry == 0 or not abs(entry) < math.inf:
        return float(entry)
    size = float(max(min(abs(entry), sys.float_info.max), sys.float_info.min))
    return size if entry > 0 else -size


def _check_labels(tensor: Tensor, array: np.ndarray, what: object, length: Length) -> None:
    """Integers in range, which int64 can hold."""
    broken = ~np.isfinite(array) | (array != np.trunc(array))
    if broken.any():
        raise InputError(f"{what} holds labels: expected integers, found {array[broken][0]}")
    low, high = int(array.min()), int(array.max())
    for fact in (fact for fact in tensor.facts if fact.kind == "label"):
        classes = None if fact.extent is None else length(fact.extent)
        if classes is not None and (low < 0 or high >= classes):
            raise InputError(f"{what}: labels must be 0 … {classes - 1}, found "
                             f"{low if low < 0 else high}")
    for found in (low, high):
        if not -2**63 <= found < 2**63:
            raise InputError(f"{what} holds labels: expected integers of 64 bits, found {found}")


def _check_simplex(array: np.ndarray, what: object, fact: Fact) -> None:
    tolerance = _COARSE if array.dtype in (np.float16, np.float32) else _FINE
    for axis in fact.axes:
        must = f"{what} was declared {fact.kind} along axis {axis}: expected entries of at least 0"
        sums = array.swapaxes(axis, -1) @ np.ones(array.shape[axis])  # a short sum(axis) is slow
        if (array < 0).any():
            raise InputError(f"{must}, found {array.min():g}")
        if not (abs(sums - 1) <= tolerance).all():
            raise InputError(f"{must} with sum 1, found a sum of "
                             f"{sums.flat[np.argmax(abs(sums - 1))]:g}")


def _check_one_hot(array: np.ndarray, what: object, fact: Fact) -> None:
    if not ((array == 0) | (array == 1)).all():
        raise InputError(f"{what} was declared one_hot: expected only 0 and 1, "
                         f"found {array[(array != 0) & (array != 1)][0]:g}")
    _check_simplex(array, what, fact)


def _check_positive(array: np.ndarray, what: object, fact: Fact) -> None:
    if not (array > 0).all():
        raise InputError(f"{what} was declared positive, found {array.min():g}")


def _check_symmetric(array: np.ndarray, what: object, fact: Fact) -> None:
    first, second = fact.axes
    other = array.swapaxes(first, second)
    if array.shape != other.shape or not np.allclose(array, other, atol=0, rtol=1e-5):
        raise InputError(f"{what} was declared symmetric in its axes {first} and {second}, "
                         "and is not")


_FACTS: dict[str, Callable[[np.ndarray, object, Fact], None]] = {
    "simplex": _check_simplex, "one_hot": _check_one_hot,
    "positive": _check_positive, "symmetric": _check_symmetric,
}
