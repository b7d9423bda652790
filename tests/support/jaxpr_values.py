"""The values of a traced JAX program (a jaxpr) in an arithmetic of one's choice, by NumPy.

    values(traced, inputs, EXACT)             JAX's own derivative, in 50 decimal digits
    values(traced, inputs, plain(float))      the same in float64, without compiling it
    values(traced, inputs, rounded(float, rng))   with every result off by up to a unit of the last
                                              place: Monte Carlo arithmetic (Parker 1997)

JAX differentiates; only what it then asks to be computed is computed here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import mpmath
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

DIGITS = 50


@dataclass(frozen=True)
class Arithmetic:
    """How real numbers are held, how a function is computed, and what befalls each result."""

    dtype: Any
    function: Callable[[str], Callable[..., Any]]
    result: Callable[[Any], Any] = lambda array: array

    def array(self, given: Any) -> np.ndarray:
        """Numbers of this arithmetic for real numbers; integers and booleans stay."""
        array = np.asarray(given)
        if array.dtype == self.dtype or array.dtype.kind in "biu":
            return array
        if self.dtype is object:
            return np.asarray(np.frompyfunc(lambda x: mpmath.mpf(float(x)), 1, 1)(array), object)
        return array.astype(self.dtype)


def _of_mpmath(name: str) -> Callable[..., Any]:
    function = PRECISE[name]

    def real(*arguments: Any) -> Any:
        try:
            found = function(*map(mpmath.mpf, arguments))
        except (ZeroDivisionError, ValueError):  # ValueError: log 0
            return mpmath.nan
        return mpmath.nan if isinstance(found, mpmath.mpc) else found

    return lambda *arguments: np.asarray(
        np.frompyfunc(real, len(arguments), 1)(*arguments), object)


def _quotient(this: Any, other: Any) -> Any:
    return this/other if other else this*mpmath.inf


PRECISE: dict[str, Callable[..., Any]] = {
    "exp": mpmath.exp, "log": lambda t: mpmath.log(t) if t else -mpmath.inf,
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan,
    "sinh": mpmath.sinh, "cosh": mpmath.cosh, "tanh": mpmath.tanh, "asinh": mpmath.asinh,
    "atan": mpmath.atan, "erf": mpmath.erf, "log1p": mpmath.log1p, "expm1": mpmath.expm1,
    "sqrt": mpmath.sqrt, "pow": lambda a, b: a**b, "floor": mpmath.floor, "div": _quotient,
    "rem": lambda a, b: a - b*int(a/b), "logistic": lambda t: 1/(1 + mpmath.exp(-t)),
    "rsqrt": lambda t: 1/mpmath.sqrt(t), "is_finite": mpmath.isfinite, "sign": mpmath.sign,
}
QUICK: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh",
                                            "tanh", "log1p", "expm1", "sqrt", "floor", "sign")},
    "asinh": np.arcsinh, "atan": np.arctan, "erf": np.vectorize(math.erf, otypes=[float]),
    "pow": np.power, "div": np.divide, "rem": np.fmod, "is_finite": np.isfinite,
    "logistic": lambda t: 1/(1 + np.exp(-t)), "rsqrt": lambda t: 1/np.sqrt(t),
}
EXACT = Arithmetic(object, _of_mpmath)


def plain(dtype: type) -> Arithmetic:
    """Float arithmetic as it is."""
    return Arithmetic(np.dtype(dtype), QUICK.__getitem__)


def unsure(array: Any, rng: np.random.Generator) -> Any:
    """Floats off by -1, 0 or 1 units in the last place; whole numbers are taken as exact."""
    unit = np.finfo(array.dtype).eps
    off = (array*(1 + unit*rng.integers(-1, 2, array.shape))).astype(array.dtype)
    return np.where(array == np.floor(array), array, off)


def rounded(dtype: type, rng: np.random.Generator) -> Arithmetic:
    """Float arithmetic in which every result is off by up to a unit in the last place."""
    def off(array: Any) -> Any:
        found = np.asarray(array)
        return unsure(found, rng) if found.dtype.kind == "f" else found

    return Arithmetic(np.dtype(dtype), QUICK.__getitem__, off)


def values(traced: ClosedJaxpr, inputs: list[Any], arithmetic: Arithmetic) -> list[np.ndarray]:
    """The outputs of a jaxpr at some inputs."""
    with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
        return _values(traced.jaxpr, traced.consts, [arithmetic.array(x) for x in inputs],
                       arithmetic)


def _values(jaxpr: Any, consts: Any, inputs: list[Any], arithmetic: Arithmetic) -> list[Any]:
    known = dict(zip(jaxpr.constvars, map(arithmetic.array, consts), strict=True))
    known.update(zip(jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        return arithmetic.array(atom.val) if isinstance(atom, Literal) else known[atom]

    for step in jaxpr.eqns:
        found = _step(step, [read(atom) for atom in step.invars], arithmetic)
        known.update(zip(step.outvars, found, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _step(step: Any, inputs: list[Any], arithmetic: Arithmetic) -> list[Any]:
    name, params = step.primitive.name, step.params
    inner = params.get("jaxpr", params.get("call_jaxpr"))
    if inner is not None:
        jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
        return _values(jaxpr, consts, inputs, arithmetic)
    if name == "convert_element_type":
        return [_converted(inputs[0], params["new_dtype"], arithmetic)]
    if name == "split":
        ends = np.cumsum(params["sizes"])[:-1]
        return list(np.split(inputs[0], ends, params["axis"]))
    if name in MOVES:
        return [np.asarray(MOVES[name](params, *inputs))]
    if name in COMPARED:
        return [COMPARED[name](*inputs)]
    if all(array.dtype.kind in "biu" for array in inputs):
        arithmetic = plain(float)
    if name in COMPUTED:
        return [np.asarray(arithmetic.result(COMPUTED[name](params, *inputs)))]
    found = arithmetic.result(arithmetic.function(name)(*inputs))
    kind = step.outvars[0].aval.dtype
    return [np.asarray(found, kind if kind.kind in "biu" else arithmetic.dtype)]


def _converted(array: Any, dtype: Any, arithmetic: Arithmetic) -> Any:
    if np.dtype(dtype).kind != "f":
        return array.astype(dtype)
    return arithmetic.array(array.astype(float) if array.dtype.kind in "biu" else array)


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


def _scattered(params: Any, array: Any, starts: Any, updates: Any) -> Any:
    d = params["dimension_numbers"]
    dropped = (*d.inserted_window_dims, *d.operand_batching_dims)
    lengths = iter(updates.shape[axis] for axis in d.update_window_dims)
    sizes = [1 if axis in dropped else next(lengths) for axis in range(array.ndim)]
    places, inside = _places(
        array.shape, starts, sizes, d.update_window_dims, d.inserted_window_dims,
        d.scatter_dims_to_operand_dims,
        (d.operand_batching_dims, d.scatter_indices_batching_dims), updates.ndim)
    found = array.copy()
    np.add.at(found, tuple(np.broadcast_to(place, updates.shape) for place in places),
              np.where(inside, updates, 0*updates))
    return found


def _contracted(params: Any, this: Any, other: Any) -> Any:
    over, batch = params["dimension_numbers"]
    assert batch == ((), ()), "a product of matrices for each entry of a batch"
    return np.tensordot(this, other, axes=over)


MOVES: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _spread, "iota": _counted, "slice": _sliced, "pad": _padded,
    "gather": _gathered, "dynamic_update_slice": _replaced,
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
COMPARED: dict[str, Callable[..., Any]] = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal, "and": np.logical_and, "or": np.logical_or,
    "not": np.logical_not,
}
COMPUTED: dict[str, Callable[..., Any]] = {
    "add": lambda p, a, b: a + b, "add_any": lambda p, a, b: a + b, "sub": lambda p, a, b: a - b,
    "mul": lambda p, a, b: a*b, "square": lambda p, a: a*a,
    "integer_pow": lambda p, a: a**p["y"] if p["y"] >= 0 else 1/a**-p["y"],
    "reduce_sum": lambda p, a: np.sum(a, axis=tuple(p["axes"])),
    "scatter-add": _scattered, "dot_general": _contracted,
}
