"""Values drawn at random for the inputs of a program: they keep every declared fact, exactly.

    one-hot rows, simplices of dyadic fractions, labels 0 … V−1, positive, symmetric
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod, sqrt
from typing import Any

import numpy as np
import sympy as sp

from symbackprop.given import plain_symbols, size_symbols
from symbackprop.notation import Fact, Program, Tensor, extent

__all__ = ["SPREADS", "drawn", "inputs_drawn"]

# where the entries lie, for functions that are defined in a part of the reals only
SPREADS = ("around zero", "below one", "positive", "above one")


def drawn(tensor: Tensor, sizes: Mapping[str, int], rng: np.random.Generator,
          spread: str = "around zero") -> Any:
    """An array of float32 numbers, in float64, that keeps the facts of a tensor.

    sizes: by name; a hyper gets its default.  Of the spreads, "around zero" is 0.8 times normal,
    and √(2/rows) times normal for a matrix of parameters, so that signals neither explode nor
    vanish in a deep net (He et al. 2015); "below one" lies in (0, 1), "positive" above 1/2,
    "above one" in (1, 3).

    >>> import symbackprop as sb
    >>> y = sb.data("y", sb.size("N"), 3, facts=["one_hot"])
    >>> drawn(y, {"N": 2}, np.random.default_rng(0)).sum(axis=1)
    array([1., 1.])
    """
    shape = tuple(_length(axis, sizes) for axis in tensor.axes)
    if tensor.default is not None:
        return np.asarray(tensor.default)
    is_matrix = tensor.role == "parameter" and tensor.rank > 1 and spread == "around zero"
    values = rng.normal(size=shape)*(sqrt(2/prod(shape[:-1])) if is_matrix else 0.8)
    match "positive" if tensor.role == "hyper" else spread:
        case "below one":
            values = 1/(1 + np.exp(-values))
        case "positive":
            values = 0.5 + np.abs(values)
        case "above one":
            values = 1 + np.exp(-np.abs(values))
    for fact in tensor.facts:
        match fact.kind:
            case "label":
                return rng.integers(0, _length(fact.extent, sizes), shape)
            case "one_hot" | "simplex":
                return _distributed(fact, shape, rng, spread)
            case "positive":
                values = 0.5 + np.abs(values)
            case "symmetric":
                values = values + np.swapaxes(values, *fact.axes)
    return np.asarray(values.astype(np.float32), dtype=float)


def _distributed(fact: Fact, shape: tuple[int, ...], rng: np.random.Generator, spread: str) -> Any:
    """Entries that sum to one along the axis of the fact; none is zero but "around zero"."""
    (axis,) = fact.axes
    length = shape[axis]
    rows = (*shape[:axis], *shape[axis + 1:])
    if fact.kind == "one_hot":
        return np.moveaxis(np.eye(length)[rng.integers(0, length, rows)], -1, axis)
    even = np.ones(length)/length
    if spread == "around zero":
        return np.moveaxis(rng.multinomial(16, even, rows)/16, -1, axis)
    whole = 2**(4 + length.bit_length())
    return np.moveaxis((1 + rng.multinomial(whole - length, even, rows))/whole, -1, axis)


def inputs_drawn(program: Program, given: Mapping[Any, Any], rng: np.random.Generator,
                 spreads: Sequence[str] = ("around zero",)) -> dict[Any, Any]:
    """Values for all inputs, plain symbols and sizes of a program: the given ones, else drawn.

    given: by name, tensor or symbol; spreads: of these each input gets one.
    """
    sizes = _sizes(program, given, rng)
    lengths = {symbol.name: length for symbol, length in sizes.items()}
    values = dict(given)
    for symbol in plain_symbols(program):
        if not {symbol, symbol.name} & given.keys():
            values[symbol] = float(rng.normal())
    for tensor, key in _keys(program, given).items():
        if key is None:
            spread = spreads[int(rng.integers(len(spreads)))] if spreads[1:] else spreads[0]
            values[tensor] = drawn(tensor, lengths, rng, spread)
    shown = {axis for tensor in program.inputs for axis in tensor.axes}
    return values | {s: length for s, length in sizes.items()
                     if s not in shown and s.name not in given}


def _keys(program: Program, given: Mapping[Any, Any]) -> dict[Tensor, Any]:
    """Under what key each input is given, None where it is not."""
    names = program.names
    return {t: next((key for key in (t, t.symbol, names[t]) if key in given), None)
            for t in program.inputs}


def _sizes(program: Program, given: Mapping[Any, Any], rng: np.random.Generator
           ) -> dict[sp.Symbol, int]:
    """The sizes that are given, by shapes or by name, and small numbers for the others."""
    classes = [fact.extent for tensor in program.inputs for fact in tensor.facts
               if fact.extent is not None]
    symbols = dict.fromkeys([*size_symbols(program),
                             *sorted({s for e in classes for s in e.free_symbols}, key=str)])
    known: dict[sp.Symbol, int] = {}
    for tensor, key in _keys(program, given).items():
        shape = np.shape(given[key]) if key is not None else ()
        known |= {axis: length for axis, length in zip(tensor.axes, shape, strict=False)
                  if axis in symbols}
    known |= {s: int(given[key]) for s in symbols for key in (s, s.name) if key in given}
    sizes = {s: known.get(s) or int(rng.integers(2, 5)) for s in symbols}
    axes = [axis for t in (*program.inputs, *(d.target for d in program)) for axis in t.axes]
    axes += [extent(i) for d in program for i in sorted(d.body.atoms(sp.Idx), key=str)]
    for _ in range(64):  # no axis such as N − 4 is empty
        lengths = {s.name: length for s, length in sizes.items()}
        if all(_length(axis, lengths) > 0 for axis in axes):
            break
        sizes = {s: known.get(s) or length + 1 for s, length in sizes.items()}
    return sizes


def _length(expr: Any, sizes: Mapping[str, int]) -> int:
    return int(expr.xreplace({s: sp.Integer(sizes[s.name]) for s in expr.free_symbols}))
