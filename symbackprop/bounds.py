"""Interval arithmetic on index expressions: the least and the greatest value, in sizes.

    u = 0 … U−1, a = 0 … 2   ⇒   2·u + a = 0 … 2·U

Bounds may be wider than the values (`i − i/…`), never narrower: what is shown to fit does fit.
"""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Add, Expr, Idx, Integer, Max, Min, Mod, Mul, Pow, Symbol, expand, floor

from symbackprop.notation import Element, TensorSymbol

Interval = tuple[Expr, Expr]


def bounds(expr: Expr, ranges: Mapping[Idx, Interval]) -> Interval | None:
    """The interval of an index expression, or None where it cannot be bounded.

    ranges: where an index runs less far than its own extent, as in Sum(…, (i, 0, 9)).

    >>> from sympy import Symbol
    >>> bounds(2*Idx("u", 30) + Idx("a", 5), {})
    (0, 62)
    """
    match expr:
        case Integer():
            return expr, expr
        case Idx():
            low, high = ranges.get(expr, (expr.lower, expr.upper))
            return low, high
        case Element() | TensorSymbol():
            return _label_bounds(expr)
        case Symbol():
            return (expr, expr) if expr.is_integer and expr.is_positive else None
        case Add() | Mul() | Pow() | floor() | Mod() | Max() | Min():
            parts = [bounds(arg, ranges) for arg in expr.args]
            return _combined(expr, [p for p in parts if p is not None], len(parts))
        case _ if expr.is_Rational:
            return expr, expr
    return None


def _label_bounds(element: Element | TensorSymbol) -> Interval | None:
    for fact in element.tensor.facts:
        if fact.kind == "label" and fact.extent is not None:
            return Integer(0), fact.extent - 1
    return None


def _combined(expr: Expr, parts: list[Interval], wanted: int) -> Interval | None:
    if len(parts) < wanted:
        return None
    lows, highs = [low for low, _ in parts], [high for _, high in parts]
    match expr:
        case Add():
            return Add(*lows), Add(*highs)
        case Mul():
            return _product(parts)
        case Pow():
            return _product([parts[0]] * int(expr.exp)) if _is_count(expr.exp) else None
        case floor():
            return floor(lows[0]), floor(highs[0])
        case Mod():
            return (Integer(0), highs[1] - 1) if at_least_zero(lows[1] - 1) else None
    return expr.func(*lows), expr.func(*highs)


def _is_count(expr: Expr) -> bool:
    return bool(expr.is_Integer and 0 < int(expr) <= 8)


def _product(parts: list[Interval]) -> Interval | None:
    """Of a number and intervals, the numbers first: 2·u, −1·n, i·j with both at least 0."""
    low, high = Integer(1), Integer(1)
    for next_low, next_high in parts:
        if at_least_zero(low) and at_least_zero(next_low):
            low, high = low * next_low, high * next_high
        elif low == high and at_least_zero(-low):
            low, high = low * next_high, low * next_low
        elif low == high and at_least_zero(low):
            low, high = low * next_low, low * next_high
        else:
            return None
    return low, high


def at_least_zero(expr: Expr) -> bool:
    """Whether an expression in sizes (1, 2, 3, …) is never negative, as far as can be shown.

    >>> N = Symbol("N", integer=True, positive=True)
    >>> at_least_zero(2*N - 2), at_least_zero(N - 2)
    (True, False)
    """
    if expr.is_nonnegative is not None:
        return bool(expr.is_nonnegative)
    sizes = sorted((s for s in expr.free_symbols if s.is_positive and s.is_integer), key=str)
    shifted = {s: 1 + Symbol(s.name, integer=True, nonnegative=True) for s in sizes}
    return expand(expr.xreplace(shifted)).is_nonnegative is True
