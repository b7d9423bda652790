"""The gate: arrays and numbers as they arrive, checked once and cast once, or refused in words.

Nopython code checks no bounds and no types, so that everything it relies on is settled here:
shape, dtype, layout, finite values, labels in range, and the facts that rules have relied on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sympy import Expr, Integer, Symbol

from symbackprop.errors import InputError
from symbackprop.notation import Fact, Tensor

Sizes = dict[Symbol, int]
_KINDS = {"c": "complex numbers", "O": "objects", "U": "text", "S": "bytes", "V": "records",
          "M": "dates", "m": "time spans"}
_TOLERANCE = {"float32": 1e-4, "float64": 1e-6}


def check_array(tensor: Tensor, value: Any, name: str, dtype: str, sizes: Sizes) -> np.ndarray:
    """The value as a C-contiguous array of the kernel's dtype (int64 for labels).

    sizes: what is known of the symbolic extents; those that this shape settles are added.
    Raises InputError for a wrong shape, a dtype that is not real, values that are not finite,
    and values that break a fact of the tensor.
    """
    array = _real(tensor, value, name)
    _check_shape(tensor, array, name, sizes)
    if tensor.has_fact("label"):
        array = _integers(tensor, array, name, sizes)
    elif array.size and not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise InputError(f"{_described(tensor, name)} holds {array[place]} at {list(place)}; "
                         "values must be finite: remove or replace such rows first")
    wanted = "int64" if tensor.has_fact("label") else dtype
    cast = array
    if array.dtype != wanted or not array.flags.carray:
        with np.errstate(over="ignore"):
            cast = np.require(array, wanted, ["C", "A", "W"])
    if cast.dtype.kind == "f" and array.dtype.itemsize > cast.dtype.itemsize and (
            not np.isfinite(cast).all()):
        raise InputError(f"{_described(tensor, name)} holds values beyond {wanted}; scale the data "
                         "or use dtype='float64'")
    for fact in (fact for fact in tensor.facts if fact.kind in _FACTS):
        _FACTS[fact.kind](tensor, cast, name, fact, sizes)
    return cast


def check_hyper(tensor: Tensor, value: Any, name: str, dtype: str) -> Any:
    """The value of a hyperparameter in the kernel's dtype.

    Raises InputError unless it is one real number, finite in that dtype.
    """
    array = _real(tensor, value, name)
    if array.ndim or not np.isfinite(array):
        raise InputError(f"{_described(tensor, name)}: expected one finite number, found {value!r}")
    with np.errstate(over="ignore"):
        cast = np.dtype(dtype).type(array)
    if not np.isfinite(cast):
        raise InputError(f"{_described(tensor, name)}: {value!r} is beyond {dtype}; use a smaller "
                         "number or dtype='float64'")
    return cast


def evaluated(extent: Expr, sizes: Sizes) -> int | None:
    """An extent as an int, None where a size in it is not known."""
    if isinstance(extent, Integer):
        return int(extent)
    if isinstance(extent, Symbol):
        return sizes.get(extent)
    found = extent.xreplace({size: Integer(length) for size, length in sizes.items()})
    return int(found) if found.is_Integer else None


def _real(tensor: Tensor, value: Any, name: str) -> np.ndarray:
    if value is None:
        raise InputError(f"{_described(tensor, name)}: expected real numbers, found None")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{_described(tensor, name)}: rows of different lengths are no array "
                         f"({error})") from error
    if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
        raise InputError(f"{_described(tensor, name)} is a masked array with missing entries; "
                         "fill them first")
    if array.dtype.kind not in "biuf":
        found = _KINDS.get(array.dtype.kind, str(array.dtype))
        raise InputError(f"{_described(tensor, name)}: expected real numbers, found {found} "
                         f"(dtype {array.dtype}); convert them first, e.g. {_remedy(value)}")
    return array


def _remedy(value: Any) -> str:
    """What makes an array of real numbers of this value."""
    if hasattr(value, "toarray"):  # a sparse matrix of SciPy
        return "X.toarray()"
    return "np.array(list(X))" if hasattr(value, "__next__") else "X.astype(float)"


def _check_shape(tensor: Tensor, array: np.ndarray, name: str, sizes: Sizes) -> None:
    if array.ndim != tensor.rank:
        raise InputError(f"{_described(tensor, name)}: {_expected(tensor, array)}")
    for place, (axis, length) in enumerate(zip(tensor.axes, array.shape, strict=True)):
        if length == 0:
            raise InputError(f"{_described(tensor, name)} is empty: {_expected(tensor, array)}")
        settle(axis, length, sizes)
        known = evaluated(axis, sizes)
        if known is not None and known != length:
            why = f" ({axis} = {known})" if axis.free_symbols else ""
            raise InputError(f"{_described(tensor, name)}: {_expected(tensor, array)}; axis "
                             f"{place} must have {known} entries{why}")


def _expected(tensor: Tensor, array: np.ndarray) -> str:
    return f"expected shape ({', '.join(map(str, tensor.axes))}), found {array.shape}"


def settle(axis: Expr, length: int, sizes: Sizes) -> None:
    """Learn a size from an axis that it alone decides: N, 2·N or N + 1."""
    if isinstance(axis, Integer) or axis in sizes:
        return
    unknown = [s for s in axis.free_symbols if s not in sizes]
    if len(unknown) != 1:
        return
    (size,) = unknown
    step = axis.xreplace({size: size + 1}) - axis
    if step.is_Integer and step != 0:
        start = evaluated(axis.xreplace({size: Integer(0)}), sizes)
        if start is not None and (length - start) % int(step) == 0 and (length - start) > 0:
            sizes[size] = (length - start) // int(step)


def _integers(tensor: Tensor, array: np.ndarray, name: str, sizes: Sizes) -> np.ndarray:
    """Labels as they are, if they are integers in range and int64 can hold them."""
    broken = ~np.isfinite(array) | (array != np.trunc(array))
    if broken.any():
        raise InputError(f"{_described(tensor, name)} holds labels: expected integers, found "
                         f"{array[broken][0]}")
    for fact in (fact for fact in tensor.facts if fact.kind == "label"):
        _check_labels(tensor, array, name, fact, sizes)
    for found in (int(array.min()), int(array.max())):
        if not -2**63 <= found < 2**63:
            raise InputError(f"{_described(tensor, name)} holds labels: expected integers of 64 "
                             f"bits, found {found}")
    return array


def _check_labels(tensor: Tensor, array: np.ndarray, name: str, fact: Fact, sizes: Sizes) -> None:
    classes = evaluated(fact.extent, sizes) if fact.extent is not None else None
    low, high = int(array.min()), int(array.max())
    if classes is not None and (low < 0 or high >= classes):
        raise InputError(f"{_described(tensor, name)}: labels must be 0 … {classes - 1}, found "
                         f"{low if low < 0 else high}")


def _check_simplex(tensor: Tensor, array: np.ndarray, name: str, fact: Fact, sizes: Sizes) -> None:
    for axis in fact.axes:
        sums = array.sum(axis=axis, dtype=np.float64)
        if (array < 0).any() or not np.allclose(sums, 1, atol=_TOLERANCE[str(array.dtype)], rtol=0):
            worst = sums.ravel()[np.argmax(abs(sums - 1))] if sums.ndim else sums
            raise InputError(f"{_described(tensor, name)} was declared {fact.kind} along axis "
                             f"{axis}: expected entries of at least 0 with sum 1, found a sum "
                             f"of {worst:g}")


def _check_one_hot(tensor: Tensor, array: np.ndarray, name: str, fact: Fact, sizes: Sizes) -> None:
    if not ((array == 0) | (array == 1)).all():
        raise InputError(f"{_described(tensor, name)} was declared one_hot: expected only 0 and 1, "
                         f"found {array[(array != 0) & (array != 1)][0]:g}")
    _check_simplex(tensor, array, name, fact, sizes)


def _check_positive(tensor: Tensor, array: np.ndarray, name: str, fact: Fact, sizes: Sizes) -> None:
    if not (array > 0).all():
        raise InputError(f"{_described(tensor, name)} was declared positive, found {array.min():g}")


def _check_symmetric(tensor: Tensor, array: np.ndarray, name: str, fact: Fact, sizes: Sizes
                     ) -> None:
    first, second = fact.axes
    other = array.swapaxes(first, second)
    if array.shape != other.shape or not np.allclose(array, other, atol=0, rtol=1e-5):
        raise InputError(f"{_described(tensor, name)} was declared symmetric in its axes {first} "
                         f"and {second}, and is not")


def _described(tensor: Tensor, name: str) -> str:
    where = f" (declared at {tensor.where})" if tensor.where != "?" else ""
    return f"{tensor.role} {name}{where}"


_FACTS: dict[str, Callable[[Tensor, np.ndarray, str, Fact, Sizes], None]] = {
    "simplex": _check_simplex, "one_hot": _check_one_hot,
    "positive": _check_positive, "symmetric": _check_symmetric,
}
