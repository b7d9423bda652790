"""Which index expressions are certain to stay inside of an axis, and which are integers at all."""

from __future__ import annotations

from sympy import Add, Expr, Idx, Integer, Mod, Mul, Symbol

from symbackprop.bounds import at_least_zero, bounds
from symbackprop.codegen.summation import ROWS
from symbackprop.notation import Element, TensorSymbol, extent


def inside(index: Expr, axis: Expr) -> bool:
    """Whether 0 ≤ index < axis holds for all values that the indices can take.

    >>> inside(2*Idx("u", 4) + Idx("a", 3), Integer(9))
    True
    """
    if isinstance(index, Idx) and extent(index) == ROWS:
        return True  # rows of a tile, which lies in the batch
    interval = bounds(index, {})
    if interval is None:
        return False
    return at_least_zero(interval[0]) and at_least_zero(axis - 1 - interval[1])


def is_integral(expr: Expr) -> bool:
    """Whether an expression is made of indices, sizes, integers and labels alone."""
    match expr:
        case Integer() | Idx():
            return True
        case Element() | TensorSymbol():
            return bool(expr.tensor.has_fact("label"))
        case Symbol():
            return bool(expr.is_integer)
        case Add() | Mul() | Mod():
            return all(is_integral(arg) for arg in expr.args)
    return False
