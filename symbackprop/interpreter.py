"""The slow, plain evaluator: what a program means, in NumPy or mpmath; ground truth for all else.

    evaluate(program, {"x": X, "W": W0})                 every tensor's value in float64
    evaluate(program, {"x": X, "W": W0}, precision=50)   the same in 50 decimal digits

A body is evaluated on an open grid: each index is an array along an axis of its own, an index bound
by a Sum takes a new axis in front, and the reduction removes it.  Nothing is rewritten, except that
sigmoid, softplus and log-sum-exp are computed in their stable form.  Iverson's bracket is strongly
zero (Knuth, "Two notes on notation", 1992): [false]·a = 0 even where a is undefined, e.g. an entry
outside of its array.  Such an entry is NaN anywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, cast

import mpmath
import numpy as np
import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.logic.boolalg import BooleanAtom

from symbackprop.errors import InputError, ProgramError
from symbackprop.facts import check_values, inputs_listed, otherwise
from symbackprop.functions import Iverson
from symbackprop.indexing import limits
from symbackprop.notation import (
    Definition,
    Element,
    Program,
    Reduction,
    Tensor,
    TensorSymbol,
    extent,
)
from symbackprop.numeric import FUNCTIONS, sum_of_products

__all__ = ["evaluate"]

Grids = dict[sp.Expr, np.ndarray]



def evaluate(program: Program, values: Mapping[Any, Any],
             precision: int | None = None) -> dict[Tensor, np.ndarray]:
    """The value of every tensor of a program, as declared or in normal form.

    values: an array for each input, keyed by its name or the tensor; hypers with a default may be
    left out; sizes follow from the shapes (or are given by name).  precision: None for float64, or
    a number of decimal digits for arrays of mpmath numbers.  Updates are computed, not carried out.

    Raises InputError for a value that is missing, unknown, of the wrong shape or not finite, or
    that breaks a declared fact, and ProgramError for what has no value, e.g. an undefined function.

    >>> import symbackprop as sb
    >>> i = sb.indices("i", 3)
    >>> x = sb.data("x", i)
    >>> L = sb.define("L", (), sp.Sum(x[i]**2, i))
    >>> program = Program((L.definition,), (L.tensor,))
    >>> float(evaluate(program, {"x": [1, 2, 3]})[L.tensor])
    14.0
    """
    with mpmath.workdps(precision or 15), np.errstate(all="ignore"):
        machine = Machine(precision)
        machine.read(program, values)
        for definition in program:
            machine.define(definition)
        return machine.arrays


class Machine:
    """The values known so far: arrays by tensor, sizes and plain symbols by symbol."""

    def __init__(self, precision: int | None) -> None:
        self.column = 0 if precision is None else 1
        self.arrays: dict[Tensor, np.ndarray] = {}
        self.scalars: dict[sp.Expr, np.ndarray] = {}

    def define(self, definition: Definition) -> None:
        """target[indices] = op_over body, on the grid of the target's indices."""
        shape = tuple(self.length(axis) for axis in definition.target.axes)
        grids: Grids = {}
        for place, index in enumerate(definition.indices):
            grids[index] = self.along(range(shape[place]), len(shape) - place - 1)
        bounds = [(index, index.lower, index.upper) for index in definition.over]
        found = (self.reduced(definition.op, definition.body, bounds, grids, len(shape))
                 if definition.over else self.value(definition.body, grids, len(shape)))
        self.arrays[definition.target] = np.broadcast_to(found, shape).copy()

    def value(self, body: sp.Basic, grids: Grids, rank: int) -> np.ndarray:
        """A body on a grid, by an explicit stack: bodies may be deeper than Python's own stack."""
        known: dict[sp.Basic, Any] = {}
        stack = [body]
        while stack:
            node = stack.pop()
            if node in known:
                continue
            below = _below(node)
            missing = [argument for argument in below if argument not in known]
            if missing:
                stack.extend((node, *missing))
            else:
                known[node] = self.node(node, [known[b] for b in below], grids, rank)
        return np.asarray(known[body])

    def node(self, node: sp.Basic, arguments: list[Any], grids: Grids, rank: int) -> Any:
        """One node from the values of its arguments."""
        if node in grids:
            return grids[node]
        if isinstance(node, (sp.Sum, Reduction)):
            op = node.op if isinstance(node, Reduction) else "sum"
            return self.reduced(op, node.function, limits(node), grids, rank)
        if isinstance(node, TensorSymbol):
            return self.arrays[node.tensor]
        if isinstance(node, Element):
            return self.entry(self.arrays[node.tensor], arguments)
        if isinstance(node, sp.Symbol) and node in self.scalars:
            return self.scalars[node]
        if isinstance(node, BooleanAtom):
            return np.asarray(bool(node))
        if isinstance(node, (sp.Number, sp.NumberSymbol)):
            return self.number(node)
        if isinstance(node, sp.Mul):
            return self.product(node, arguments)
        if type(node) in FUNCTIONS:
            return FUNCTIONS[type(node)][self.column](*arguments)
        raise ProgramError(_refusal(node))

    def reduced(self, op: str, body: sp.Expr, bounds: list[tuple[sp.Expr, Any, Any]],
                grids: Grids, rank: int) -> np.ndarray:
        """op over indices from low to high; later bounds are outer ones, as in SymPy's Sum."""
        live = np.asarray(True)
        for index, low, high in reversed(bounds):
            first, last = self.value(low, grids, rank), self.value(high, grids, rank)
            steps = range(int(np.min(first)), int(np.max(last)) + 1)
            grids, rank = {**grids, index: self.along(steps, rank)}, rank + 1
            live = live & (first <= grids[index]) & (grids[index] <= last)
        over = tuple(range(len(bounds)))
        if self.column and op == "sum" and isinstance(body, sp.Mul) and live.all():
            factors = [self.value(factor, grids, rank) for factor in body.args]
            total = sum_of_products(factors, live.shape, over)
            if total is not None:
                return np.asarray(total)
            value = self.product(body, factors)
        else:
            value = self.value(body, grids, rank)
        if op in ("sum", "max", "min"):
            fill = {"sum": 0, "max": -math.inf, "min": math.inf}[op]
            folds: dict[str, Callable[..., Any]] = {"sum": np.sum, "max": np.max, "min": np.min}
            return np.asarray(folds[op](np.where(live, value, fill), axis=over, initial=fill))
        value = np.where(live, value, -math.inf)
        largest = np.max(value, axis=over, keepdims=True, initial=-math.inf)
        total = np.asarray(np.sum(FUNCTIONS[sp.exp][self.column](value - largest), axis=over))
        return np.asarray(largest.reshape(total.shape) + FUNCTIONS[sp.log][self.column](total))

    def product(self, node: sp.Mul, arguments: list[Any]) -> Any:
        """A product, in which [false] is strongly zero."""
        brackets = [value for factor, value in zip(node.args, arguments, strict=True)
                    if isinstance(factor, Iverson)]
        product = reduce(np.multiply, arguments)
        return np.where(reduce(np.multiply, brackets) == 0, 0, product) if brackets else product

    def entry(self, array: np.ndarray, places: list[Any]) -> np.ndarray:
        """array[places], and NaN outside of the array."""
        integers = [np.asarray(place).astype(np.int64) for place in places]
        inside = reduce(np.logical_and, [(0 <= place) & (place < length) for place, length
                                         in zip(integers, array.shape, strict=True)])
        kept = [np.clip(place, 0, length - 1) for place, length
                in zip(integers, array.shape, strict=True)]
        return np.where(inside, array[tuple(kept)], math.nan)

    def number(self, node: sp.Expr) -> np.ndarray:
        """A number of SymPy in the arithmetic of this machine."""
        exact = self.column and node.is_finite
        return np.asarray(mpmath.mpf(node._to_mpmath(mpmath.mp.prec)) if exact else float(node))

    def along(self, steps: range, after: int) -> np.ndarray:
        """The numbers of a range along one axis, with some axes of length one after it."""
        numbers = [mpmath.mpf(step) if self.column else float(step) for step in steps]
        return np.array(numbers, dtype=object if self.column else float).reshape(-1, *[1] * after)

    def length(self, axis: sp.Expr) -> int:
        """An extent as an int."""
        return int(self.value(axis, {}, 0))

    def read(self, program: Program, values: Mapping[Any, Any]) -> None:
        """Take the inputs, and the sizes from their shapes; see `evaluate` for what is raised."""
        names, given = program.names, dict(values)
        arrived: dict[Tensor, np.ndarray] = {}
        for tensor in program.inputs:
            keys = [key for key in (tensor, tensor.symbol, names[tensor]) if key in given]
            if not keys and tensor.default is None:
                raise InputError(f"no value for {_described(tensor, names)}; "
                                 f"give one under the name {names[tensor]!r}{otherwise(tensor)}")
            found = given.pop(keys[0]) if keys else tensor.default
            raw = np.asarray(found)
            self.arrays[tensor] = self.array(tensor, names, raw)
            arrived[tensor] = self.arrays[tensor] if raw.dtype == object else raw
        for key in sorted(given, key=str):
            if isinstance(key, Tensor) or np.ndim(given[key]) or str(key) in names.values():
                raise InputError(f"{key!r} is no input of this program; "
                                 f"{inputs_listed([names[t] for t in program.inputs])}")
            self.scalars[_symbol(key, program)] = self.number(sp.sympify(given[key], strict=True))
        for tensor in (*program.inputs, *program.inputs):  # twice: 2·N may stand before N
            self.fit(tensor, names)
        for tensor, raw in arrived.items():
            check_values(tensor, raw, _described(tensor, names), self.settled)

    def settled(self, axis: sp.Expr) -> int | None:
        """An extent as an int, None where a size in it is not known."""
        return self.length(axis) if axis.free_symbols <= self.scalars.keys() else None

    def array(self, tensor: Tensor, names: dict[Tensor, str], array: np.ndarray) -> np.ndarray:
        """A given value as an array of numbers, of the tensor's rank."""
        if array.dtype.kind not in ("biufO" if self.column else "biuf"):
            raise InputError(f"{_described(tensor, names)}: expected real numbers, "
                             f"found an array of {array.dtype}")
        if array.ndim != tensor.rank:
            raise InputError(f"{_described(tensor, names)}: expected an array of rank "
                             f"{tensor.rank}, found shape {array.shape}")
        if self.column:
            return np.asarray(np.frompyfunc(_as_mpf, 1, 1)(array), dtype=object)
        return array.astype(float)

    def fit(self, tensor: Tensor, names: dict[Tensor, str]) -> None:
        """Check the shape of an input; an axis that is a size fixes that size."""
        for place, axis in enumerate(tensor.axes):
            length = self.arrays[tensor].shape[place]
            if isinstance(axis, sp.Symbol):
                self.scalars.setdefault(axis, self.number(sp.Integer(length)))
            known = self.settled(axis)
            if known is not None and known != length:
                shown = f" = {known}" if axis.free_symbols else ""
                raise InputError(f"{_described(tensor, names)}: expected {axis}{shown} along axis "
                                 f"{place}, found shape {self.arrays[tensor].shape}")


def _below(node: sp.Basic) -> tuple[sp.Basic, ...]:
    """The arguments that are evaluated before a node, in the same grid."""
    if isinstance(node, Element):
        return node.indices
    return () if isinstance(node, (sp.Idx, sp.Sum, Reduction)) else cast(tuple[Any, ...], node.args)


def _described(tensor: Tensor, names: dict[Tensor, str]) -> str:
    shape = f"[{', '.join(str(axis) for axis in tensor.axes)}]" if tensor.axes else ""
    return f"{tensor.role} {names[tensor]}{shape} (declared at {tensor.where})"


def _as_mpf(entry: Any) -> Any:
    return mpmath.mpf(entry.item() if isinstance(entry, np.generic) else entry)


def _symbol(key: Any, program: Program) -> sp.Expr:
    """The size or plain symbol that a key of `values` means."""
    if isinstance(key, sp.Symbol):
        return key
    known: dict[str, sp.Expr] = {}
    for definition in program:
        lengths = [extent(index) for index in (*definition.indices, *definition.over)]
        for part in (definition.body, *definition.target.axes, *lengths):
            known |= {str(symbol): symbol for symbol in part.atoms(sp.Symbol)
                      if not isinstance(symbol, TensorSymbol)}
    if str(key) not in known:
        raise InputError(f"{key!r} is no input of this program; "
                         f"{inputs_listed([program.names[t] for t in program.inputs])}")
    return known[str(key)]


def _refusal(node: sp.Basic) -> str:
    if isinstance(node, AppliedUndef):
        return (f"{node.func.__name__} is an undefined function and has no value; write a function "
                "that is known, e.g. sb.sigmoid, in its place")
    if isinstance(node, sp.Idx):
        return f"the index {node} is bound by nothing; sum over it, or put it on the left"
    if isinstance(node, sp.Symbol):
        return (f"the symbol {node} has no value; a size is fixed by the shape of an input, "
                "a number is declared by sb.hyper or given by name")
    return f"{node.func.__name__} is no function that can be evaluated, in {node}"
