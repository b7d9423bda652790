"""The numbers that a user gives for the inputs of a loss: found, checked, kept exact.

ints, Fractions, Decimals and SymPy's rationals stay rational; everything else becomes a float.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from numbers import Rational, Real
from typing import Any

import numpy as np
import sympy as sp

from symbackprop.errors import DerivationError, InputError
from symbackprop.facts import check_values, inputs_listed
from symbackprop.notation import Element, Program, Tensor, TensorSymbol, extent
from symbackprop.operations import Number, bounded, evaluated
from symbackprop.printing.numbers import clean
from symbackprop.tape import Cell

__all__ = ["Given", "exact_number", "names_of", "plain_symbols", "read_given",
           "size_symbols"]

Given = dict[Any, Any]  # a tensor or plain symbol: an object array of Numbers


def plain_symbols(program: Program) -> tuple[sp.Symbol, ...]:
    """Symbols of the user's own that are no tensors and no sizes; they must be real."""
    found = {symbol for definition in program for symbol in definition.body.free_symbols
             if not isinstance(symbol, (TensorSymbol, sp.Idx, Element))}
    labels = {index.label for definition in program
              for index in definition.body.atoms(sp.Idx)}
    plain = sorted((s for s in found - labels if not (s.is_integer and s.is_positive)), key=str)
    for symbol in plain:
        if not symbol.is_real:
            raise DerivationError(
                f"{symbol} is not declared real, and derivatives here are of real functions: "
                f"write sympy.Symbol({str(symbol)!r}, real=True)")
    return tuple(plain)


def names_of(program: Program, plain: tuple[sp.Symbol, ...]) -> dict[Any, str]:
    """A name for everything that has a value, each its own, fit to be shown on one line."""
    names: dict[Any, str] = {}
    taken: set[str] = set()
    own = sorted(program.names.items(), key=lambda pair: pair[0].name is None)
    for key, name in (*((s, str(s)) for s in plain), *own):
        shown = first = clean(name) or "�"
        for count in itertools.count(2):
            if shown not in taken:
                break
            shown = f"{first}_{count}"
        names[key] = shown
        taken.add(shown)
    return names


def read_given(program: Program, plain: tuple[sp.Symbol, ...], names: Mapping[Any, str],
               values: Mapping[Any, Any]) -> tuple[Given, dict[sp.Symbol, Number]]:
    """An array for every input and plain symbol, and the sizes.

    Raises InputError for a value that is missing, unknown, no real number, of a wrong shape, or
    that breaks a declared fact.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"expected the values as a dict, e.g. {{x: 1, 'W1': W}}, found "
                         f"{type(values).__name__}")
    wanted = (*plain, *program.inputs)
    spelled = {**names, **{s: str(s) for s in plain}, **program.names}
    remaining = dict(values)
    given: Given = {}
    for key in wanted:
        spellings = [k for k in remaining if _means(k, key, spelled[key])]
        default = key.default if isinstance(key, Tensor) else None
        if len(spellings) > 1:
            raise InputError(f"two values for {_described(key, names)}: {spellings}")
        if not spellings and default is None:
            raise InputError(f"no value for {_described(key, names)}; "
                             f"give one, e.g. {{{names[key]!r}: …}}")
        found = remaining.pop(spellings[0]) if spellings else default
        given[key] = _array(found, _described(key, names))
    sizes = _sizes(program, given, names, remaining)
    if remaining:
        raise InputError(f"{next(iter(remaining))!r} is no input of this loss; "
                         f"{inputs_listed([names[key] for key in wanted])}")
    for tensor in program.inputs:
        check_values(tensor, given[tensor], _described(tensor, names),
                     lambda axis: _length(axis, sizes))
    return given, sizes


def _length(axis: sp.Expr, sizes: Mapping[sp.Symbol, Number]) -> int | None:
    return int(evaluated(axis, sizes)) if axis.free_symbols <= sizes.keys() else None


def cells_of(given: Given) -> dict[Cell, Number]:
    """Every entry of what was given."""
    return {(key, entry): array[entry] for key, array in given.items()
            for entry in np.ndindex(array.shape)}


def exact_number(found: Any, what: str) -> Number:
    """A real number as a Fraction where it is rational as given, else as a float."""
    if isinstance(found, np.generic):
        found = found.item()
    if isinstance(found, (bool, Rational)):
        return bounded(Fraction(int(found.numerator), int(found.denominator)))
    if isinstance(found, Decimal) and found.is_finite():
        return Fraction(found) if abs(found.adjusted()) < 400 else float(found)
    if isinstance(found, sp.Rational):
        return bounded(Fraction(int(found.p), int(found.q)))
    if isinstance(found, sp.Expr) and found.is_number and found.is_real and found.is_finite:
        return float(found)
    if isinstance(found, Real) and not isinstance(found, sp.Basic):
        if not math.isfinite(found):
            raise InputError(f"{what}: expected a finite number, found {found!r}")
        return float(found)
    raise InputError(f"{what}: expected a real number, found {found!r} of type "
                     f"{type(found).__name__}; text and complex numbers have no place here")


def _means(given: Any, key: Any, name: str) -> bool:
    if isinstance(given, str):
        return given == name
    if isinstance(key, Tensor):
        return given is key or (isinstance(given, TensorSymbol) and given.tensor is key) or (
            type(given) is sp.Symbol and given.name == name)
    return bool(given == key)


def _described(key: Any, names: Mapping[Any, str]) -> str:
    if not isinstance(key, Tensor):
        return names[key]
    shape = f"[{', '.join(map(str, key.axes))}]" if key.axes else ""
    return f"{key.role} {names[key]}{shape} (declared at {key.where})"


def _array(found: Any, what: str) -> Any:
    if isinstance(found, (str, bytes)):
        raise InputError(f"{what}: expected real numbers, found the text {found!r}")
    if isinstance(found, sp.MatrixBase):
        found = found.tolist()
    try:
        raw = np.array(found, dtype=object)
        uneven = any(isinstance(entry, (list, tuple, np.ndarray)) for entry in raw.flat)
    except ValueError:  # what NumPy says of rows whose lengths differ further in
        uneven = True
    if uneven:
        raise InputError(f"{what}: expected an array, found rows of unequal lengths")
    array = np.empty(raw.shape, dtype=object)
    for entry in np.ndindex(raw.shape):
        array[entry] = exact_number(raw[entry], what)
    return array


def _sizes(program: Program, given: Given, names: Mapping[Any, str], remaining: dict[Any, Any]
           ) -> dict[sp.Symbol, Number]:
    """The sizes from the shapes of what was given, or by name; checks every shape."""
    sizes: dict[sp.Symbol, Number] = {}
    for symbol in size_symbols(program):
        for key in (symbol, str(symbol)):
            if key in remaining:
                sizes[symbol] = exact_number(remaining.pop(key), str(symbol))
    tensors = [key for key in given if isinstance(key, Tensor)]
    for key in given:
        if not isinstance(key, Tensor) and given[key].shape:
            raise InputError(f"{names[key]}: expected one number, found shape {given[key].shape}")
    for tensor in (*tensors, *tensors):  # twice: 2·N may stand before N
        shape = given[tensor].shape
        if len(shape) != tensor.rank:
            raise InputError(f"{_described(tensor, names)}: expected "
                             f"{_rank_text(tensor.rank)}, found shape {shape}")
        for axis, length in zip(tensor.axes, shape, strict=True):
            if isinstance(axis, sp.Symbol):
                sizes.setdefault(axis, Fraction(length))
            if _length(axis, sizes) not in (None, length):
                raise InputError(f"{_described(tensor, names)}: expected an axis of length {axis}"
                                 f"{_known(axis, sizes)}, found shape {shape}")
    for symbol in size_symbols(program):
        if symbol not in sizes:
            raise InputError(f"the size {symbol} follows from no shape; "
                             f"give it, e.g. {{{str(symbol)!r}: 1}}")
    return sizes


def _rank_text(rank: int) -> str:
    return f"an array with {rank} axes" if rank else "one number"


def _known(axis: sp.Expr, sizes: Mapping[sp.Symbol, Number]) -> str:
    return f" = {evaluated(axis, sizes)}" if axis.free_symbols else ""


def size_symbols(program: Program) -> list[sp.Symbol]:
    """The sizes of a program: of axes, of indices, and those that stand in a body as numbers."""
    found: dict[sp.Symbol, None] = {}
    for tensor in (*program.inputs, *(d.target for d in program)):
        for axis in tensor.axes:
            found |= dict.fromkeys(sorted(axis.free_symbols, key=str))
    for definition in program:
        for index in sorted(definition.body.atoms(sp.Idx), key=str):
            found |= dict.fromkeys(sorted(extent(index).free_symbols, key=str))
        labels = {index.label for index in definition.body.atoms(sp.Idx)}
        for symbol in sorted(definition.body.free_symbols - labels, key=str):
            if symbol.is_integer and symbol.is_positive and not isinstance(
                    symbol, (TensorSymbol, sp.Idx, Element)):
                found[symbol] = None
    return [symbol for symbol in found if not isinstance(symbol, TensorSymbol)]
