"""The gate: arrays and numbers as they arrive, checked once and cast once, or refused in words.

Nopython code checks no bounds and no types, so that everything it relies on is settled here:
shape, dtype, layout, finite values, labels in range, and the facts that rules have relied on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sympy import Expr, Integer, Symbol

from symbackprop.errors import InputError
from symbackprop.facts import check_facts, check_filled, check_numbers, expected
from symbackprop.notation import Tensor

Sizes = dict[Symbol, int]
_KINDS = {"c": "complex numbers", "O": "objects", "U": "text", "S": "bytes", "V": "records",
          "M": "dates", "m": "time spans"}


def check_array(tensor: Tensor, value: Any, name: str, dtype: str, sizes: Sizes) -> np.ndarray:
    """The value as a C-contiguous array of the kernel's dtype (int64 for labels).

    sizes: what is known of the symbolic extents; those that this shape settles are added.
    Raises InputError for a wrong shape, a dtype that is not real, values that are not finite,
    and values that break a fact of the tensor.
    """
    array = _real(tensor, value, name)
    described = _Described(tensor, name)
    _check_shape(tensor, array, described, sizes)
    check_numbers(tensor, array, described, lambda e: evaluated(e, sizes))
    wanted = "int64" if tensor.has_fact("label") else dtype
    cast = array
    if array.dtype != wanted or not array.flags.carray:
        with np.errstate(over="ignore"):
            cast = np.require(array, wanted, ["C", "A", "W"])
    if cast.dtype.kind == "f" and array.dtype.itemsize > cast.dtype.itemsize and (
            not np.isfinite(cast).all()):
        raise InputError(f"{described} holds values beyond {wanted}; scale the data "
                         "or use dtype='float64'")
    check_facts(tensor, cast, described)
    return cast


def check_hyper(tensor: Tensor, value: Any, name: str, dtype: str) -> Any:
    """The value of a hyperparameter in the kernel's dtype.

    Raises InputError unless it is one real number, finite in that dtype.
    """
    array = _real(tensor, value, name)
    if array.ndim or not np.isfinite(array):
        raise InputError(f"{_Described(tensor, name)}: expected one finite number, found {value!r}")
    with np.errstate(over="ignore"):
        cast = np.dtype(dtype).type(array)
    if not np.isfinite(cast):
        raise InputError(f"{_Described(tensor, name)}: {value!r} is beyond {dtype}; use a smaller "
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
        raise InputError(f"{_Described(tensor, name)}: expected real numbers, found None")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{_Described(tensor, name)}: rows of different lengths are no array "
                         f"({error})") from error
    if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
        raise InputError(f"{_Described(tensor, name)} is a masked array with missing entries; "
                         "fill them first")
    if array.dtype.kind not in "biuf":
        found = _KINDS.get(array.dtype.kind, str(array.dtype))
        raise InputError(f"{_Described(tensor, name)}: expected real numbers, found {found} "
                         f"(dtype {array.dtype}); convert them first, e.g. {_remedy(value, array)}")
    return array


def _remedy(value: Any, array: np.ndarray) -> str:
    """What makes an array of real numbers of this value."""
    if _is_text(array):
        return "names, numbers = np.unique(Y, return_inverse=True)"
    if hasattr(value, "toarray"):  # a sparse matrix of SciPy
        return "X.toarray()"
    return "np.array(list(X))" if hasattr(value, "__next__") else "X.astype(float)"


def _is_text(array: np.ndarray) -> bool:
    """Whether entries are text that spells no numbers, such as the names of classes."""
    if array.dtype.kind not in "US" and not all(isinstance(entry, str) for entry in array.flat):
        return False
    try:
        array.astype(float)
    except ValueError:
        return True
    return False


def _check_shape(tensor: Tensor, array: np.ndarray, described: _Described, sizes: Sizes) -> None:
    if array.ndim != tensor.rank:
        raise InputError(f"{described}: {expected(tensor, array)}")
    check_filled(tensor, array, described)
    for place, (axis, length) in enumerate(zip(tensor.axes, array.shape, strict=True)):
        known = evaluated(axis, sizes)
        if known is None:
            settle(axis, length, sizes)
        elif known != length:
            why = f" ({axis} = {known})" if axis.free_symbols else ""
            raise InputError(f"{described}: {expected(tensor, array)}; axis "
                             f"{place} must have {known} entries{why}")


def settle(axis: Expr, length: int, sizes: Sizes) -> None:
    """Learn a size from an axis that it alone decides: N, 2·N or N + 1."""
    if isinstance(axis, Symbol):
        sizes.setdefault(axis, length)
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


@dataclass(frozen=True, slots=True)
class _Described:
    """How an input is called where it is refused, put into words only there."""

    tensor: Tensor
    name: str

    def __str__(self) -> str:
        where = f" (declared at {self.tensor.where})" if self.tensor.where != "?" else ""
        return f"{self.tensor.role} {self.name}{where}"
