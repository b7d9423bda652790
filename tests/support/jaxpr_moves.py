"""The operations of a jaxpr that move numbers about and compute none, by NumPy.

MOVES[name](params, *arrays) is the result; arrays may be of floats or of mpmath numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

__all__ = ["MOVES", "scatter_added"]


def _spread(params: Any, array: Any) -> Any:
    shape = [1]*len(params["shape"])
    for axis, length in zip(params["broadcast_dimensions"], array.shape, strict=True):
        shape[axis] = length
    return np.broadcast_to(array.reshape(shape), params["shape"])


def _counted(params: Any) -> Any:
    shape = [1]*len(params["shape"])
    shape[params["dimension"]] = -1
    steps = np.arange(params["shape"][params["dimension"]]).astype(params["dtype"])
    return np.broadcast_to(steps.reshape(shape), params["shape"])


def _sliced(params: Any, array: Any) -> Any:
    strides = params["strides"] or (1,)*array.ndim
    return array[tuple(slice(*ends) for ends in zip(
        params["start_indices"], params["limit_indices"], strides, strict=True))]


def _padded(params: Any, array: Any, filler: Any) -> Any:
    found = array
    for axis, (low, high, inner) in enumerate(params["padding_config"]):
        length = found.shape[axis]
        ends = low + high + length + max(length - 1, 0)*inner
        moved = np.moveaxis(found, axis, 0)
        wide = np.full((ends + max(-low, 0) + max(-high, 0), *moved.shape[1:]), filler,
                       dtype=array.dtype)
        first = max(low, 0)
        wide[first:first + length + max(length - 1, 0)*inner:inner + 1] = moved
        cut = wide[max(-low, 0):len(wide) - max(-high, 0)]
        found = np.moveaxis(cut, 0, axis)
    return found


def _starts(params_sizes: Any, array: Any, starts: Any) -> Any:
    return tuple(slice(begin := min(max(int(start), 0), length - size), begin + size)
                 for start, size, length in zip(starts, params_sizes, array.shape, strict=True))


def _replaced(params: Any, array: Any, update: Any, *starts: Any) -> Any:
    found = array.copy()
    found[_starts(update.shape, array, starts)] = update
    return found


def _places(shape: Any, starts: Any, sizes: Any, window: Any, dropped: Any, mapped: Any,
            batched: Any, rank: int) -> tuple[list[Any], Any]:
    """Index arrays into an operand of gather or scatter, and whether they lie inside of it."""
    batch, inside = [axis for axis in range(rank) if axis not in window], np.asarray(True)
    offsets = iter(window)

    def along(numbers: Any, axes: Any) -> Any:
        full = [1]*rank
        for axis, length in zip(axes, np.shape(numbers), strict=True):
            full[axis] = length
        return np.reshape(numbers, full)

    found = []
    for axis, (length, size) in enumerate(zip(shape, sizes, strict=True)):
        place = np.zeros((1,)*rank, int)
        if axis in mapped:
            start = along(np.asarray(starts[..., mapped.index(axis)], int), batch)
            inside = inside & (start >= 0) & (start <= length - size)
            place = place + np.clip(start, 0, length - size)
        for ours, theirs in zip(*batched, strict=True):
            if ours == axis:
                place = place + along(np.arange(length), [batch[theirs]])
        if axis not in dropped and axis not in batched[0]:
            place = place + along(np.arange(size), [next(offsets)])
        found.append(place)
    return found, inside


def _gathered(params: Any, array: Any, starts: Any) -> Any:
    d, sizes = params["dimension_numbers"], params["slice_sizes"]
    rank = starts.ndim - 1 + len(d.offset_dims)
    places, inside = _places(
        array.shape, starts, sizes, d.offset_dims, d.collapsed_slice_dims, d.start_index_map,
        (d.operand_batching_dims, d.start_indices_batching_dims), rank)
    batch = iter(starts.shape[:-1])
    window = iter(size for axis, size in enumerate(sizes)
                  if axis not in (*d.collapsed_slice_dims, *d.operand_batching_dims))
    shape = [next(window) if axis in d.offset_dims else next(batch) for axis in range(rank)]
    found = np.broadcast_to(array[tuple(places)], shape)
    filled = params["mode"] == jax.lax.GatherScatterMode.FILL_OR_DROP
    return np.where(inside, found, math.nan) if filled and array.dtype.kind in "fO" else found


def _scatter_places(params: Any, array: Any, starts: Any, updates: Any) -> Any:
    d = params["dimension_numbers"]
    dropped = (*d.inserted_window_dims, *d.operand_batching_dims)
    lengths = iter(updates.shape[axis] for axis in d.update_window_dims)
    sizes = [1 if axis in dropped else next(lengths) for axis in range(array.ndim)]
    places, inside = _places(
        array.shape, starts, sizes, d.update_window_dims, d.inserted_window_dims,
        d.scatter_dims_to_operand_dims,
        (d.operand_batching_dims, d.scatter_indices_batching_dims), updates.ndim)
    return tuple(np.broadcast_to(place, updates.shape) for place in places), inside


def scatter_added(params: Any, array: Any, starts: Any, updates: Any) -> Any:
    """array[places] += updates; what lies outside is dropped."""
    places, inside = _scatter_places(params, array, starts, updates)
    found = array.copy()
    np.add.at(found, places, np.where(inside, updates, 0*updates))
    return found


def _scattered(params: Any, array: Any, starts: Any, updates: Any) -> Any:
    places, inside = _scatter_places(params, array, starts, updates)
    found = array.copy()
    found[places] = np.where(inside, updates, found[places])
    return found


MOVES: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _spread, "iota": _counted, "slice": _sliced, "pad": _padded,
    "gather": _gathered, "scatter": _scattered, "dynamic_update_slice": _replaced,
    "dynamic_slice": lambda p, a, *starts: a[_starts(p["slice_sizes"], a, starts)],
    "squeeze": lambda p, a: np.squeeze(a, tuple(p["dimensions"])),
    "expand_dims": lambda p, a: np.expand_dims(a, p["dimensions"]),
    "reshape": lambda p, a: np.reshape(a, p["new_sizes"]),
    "transpose": lambda p, a: np.transpose(a, p["permutation"]),
    "rev": lambda p, a: np.flip(a, p["dimensions"]),
    "concatenate": lambda p, *arrays: np.concatenate(arrays, p["dimension"]),
    "select_n": lambda p, which, *cases: functools.reduce(
        lambda found, k: np.where(which == k, cases[k], found), range(1, len(cases)), cases[0]),
    "stop_gradient": lambda p, a: a, "copy": lambda p, a: a, "copy_p": lambda p, a: a,
    "neg": lambda p, a: -a, "abs": lambda p, a: np.abs(a),
    "max": lambda p, a, b: np.maximum(a, b), "min": lambda p, a, b: np.minimum(a, b),
    "reduce_max": lambda p, a: np.max(a, axis=tuple(p["axes"])),
    "reduce_min": lambda p, a: np.min(a, axis=tuple(p["axes"])),
    "reduce_or": lambda p, a: np.any(a, axis=tuple(p["axes"])),
    "reduce_and": lambda p, a: np.all(a, axis=tuple(p["axes"])),
}
