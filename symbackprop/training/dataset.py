"""X and Y as a user hands them over, to one checked array for each data tensor.

A one-hot target takes integer labels as well as rows of zeros and ones; a target of width 1
takes a plain vector, and one that is a vector a column.  Everything else (shape, dtype,
finiteness, facts) is the business of the gate that compiled functions have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Symbol

from symbackprop.codegen.gate import check_array
from symbackprop.errors import InputError
from symbackprop.notation import Tensor
from symbackprop.training.network import Network, read_by

__all__ = ["Dataset", "dataset", "mapped", "predicting"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Arrays of one number of rows, C-contiguous, in the model's dtype (labels int64)."""

    arrays: dict[Tensor, NDArray[Any]]
    rows: int


def dataset(network: Network, inputs: Any, targets: Any, dtype: str) -> Dataset:
    """All data of the network; raises InputError for whatever does not fit its declaration."""
    sizes: dict[Symbol, int] = {}
    arrays = _checked(_by_tensor(network.inputs, inputs, "inputs"), dtype, sizes)
    given = _by_tensor(network.targets, targets, "targets")
    fitted = {tensor: _as_target(tensor, value) for tensor, value in given.items()}
    arrays |= _checked(fitted, dtype, sizes)
    return Dataset(arrays, 1 if network.batch is None else sizes[network.batch])


def predicting(network: Network, inputs: Any, dtype: str) -> dict[Tensor, NDArray[Any]]:
    """The inputs as fit takes them, or those alone that the outputs read: no weights of samples."""
    read = set(read_by(network.inference, network.predicted))
    needed = tuple(t for t in network.inputs if t in read)
    names = {str(t.name) for t in network.inputs}
    whole = (set(inputs) == names if isinstance(inputs, dict) else
             isinstance(inputs, (list, tuple)) and len(inputs) == len(network.inputs))
    whole = whole or (len(network.inputs) == 1 and inputs is not None)
    given = _by_tensor(network.inputs if whole else needed, inputs, "inputs")
    return _checked(given, dtype, {})


def mapped(tensors: tuple[Tensor, ...], given: Any,
           function: Callable[[Tensor, NDArray[Any]], Any]) -> Any:
    """function(tensor, array) for all data, in the form in which they are given: an array, a list,
    a dictionary, or None where there are no tensors."""
    found = {t: function(t, np.asarray(value))
             for t, value in _by_tensor(tensors, given, "data").items()}
    if isinstance(given, dict):
        return {str(tensor.name): value for tensor, value in found.items()}
    return list(found.values()) if len(tensors) > 1 else next(iter(found.values()), None)


def _checked(given: Mapping[Tensor, Any], dtype: str,
             sizes: dict[Symbol, int]) -> dict[Tensor, NDArray[Any]]:
    arrays = {}
    for tensor, value in given.items():
        arrays[tensor] = check_array(tensor, value, str(tensor.name), dtype, sizes)
        if arrays[tensor].size == 0:
            raise InputError(f"{tensor.name} is empty: its shape is {arrays[tensor].shape}; "
                             "at least one row is needed")
    return arrays


def _by_tensor(tensors: tuple[Tensor, ...], given: Any, what: str) -> dict[Tensor, Any]:
    """One value for each tensor: the value itself, a list in their order, or a dict by name."""
    names = [str(tensor.name) for tensor in tensors]
    if not tensors:
        if given is None:
            return {}
        raise InputError(f"this model has no {what}; leave them out")
    if given is None:
        raise InputError(f"this model's {what} are missing: {', '.join(names)}")
    if isinstance(given, dict):
        if set(given) != set(names):
            raise InputError(f"{what} must name {', '.join(names)}; found "
                             f"{', '.join(map(str, given)) or 'nothing'}")
        return {tensor: given[name] for tensor, name in zip(tensors, names, strict=True)}
    if len(tensors) == 1:
        return {tensors[0]: given}
    if not isinstance(given, (list, tuple)) or len(given) != len(tensors):
        found = len(given) if isinstance(given, (list, tuple)) else f"one {type(given).__name__}"
        raise InputError(f"{what} must be a list of {len(tensors)} arrays, one for each of "
                         f"{', '.join(names)}; found {found}")
    return dict(zip(tensors, given, strict=True))


def _as_target(tensor: Tensor, given: Any) -> Any:
    """Labels become one-hot rows, a vector a column or the reverse, as the target asks for."""
    try:
        value = np.asarray(given)
    except ValueError:
        return given  # rows of different lengths: the gate says so
    if np.ma.is_masked(given):
        return given
    last = tensor.rank - 1
    hot = next((fact.axes[0] for fact in tensor.facts if fact.kind == "one_hot"), None)
    column = tensor.rank and tensor.axes[last] == 1
    if hot == last and value.ndim == last + 1 and value.shape[-1] == 1 and not column:
        value = value[..., 0]
    if value.ndim == last and hot is not None and tensor.axes[hot].is_Integer:
        return np.moveaxis(_one_hot(value, int(tensor.axes[hot]), tensor), -1, hot)
    if value.ndim == last and column:
        return value[..., np.newaxis]
    if value.ndim == last + 2 and value.shape[-1] == 1:
        return value[..., 0]
    return given


def _one_hot(labels: NDArray[Any], classes: int, tensor: Tensor) -> NDArray[Any]:
    expected = (f"{tensor.name} (declared at {tensor.where}): expected one-hot rows or labels "
                f"0 … {classes - 1}")
    if labels.dtype.kind not in "biuf":
        raise InputError(f"{expected}, found {labels.dtype} entries; number the classes first: "
                         "names, labels = np.unique(Y, return_inverse=True)")
    whole = labels.astype(np.int64) if np.isfinite(labels).all() else np.full(labels.shape, -1)
    wrong = labels[(whole != labels) | (whole < 0) | (whole >= classes)]
    if wrong.size:
        raise InputError(f"{expected}, found {wrong[0]}")
    rows: NDArray[Any] = np.equal(whole[..., np.newaxis], np.arange(classes))
    return rows.astype(np.float32)
