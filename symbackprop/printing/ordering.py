"""The order in which the terms of a sum and the factors of a product are written.

    1 − h²                  positive terms first, numbers first of all
    Σ_n x·δ + 2·λ·W         sums before what has none
    2·λ·W/N                 numbers, hypers, data, intermediates, sensitivities, parameters
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from sympy import (
    Add,
    Expr,
    Integer,
    Mul,
    Number,
    NumberSymbol,
    Pow,
    Rational,
    Sum,
    Symbol,
)

from symbackprop.notation import Element, Reduction, TensorSymbol

_ROLES = {"data": 0, "noise": 0, "intermediate": 1, "state": 3, "parameter": 4, "hyper": -1}


def number_of(term: Expr) -> Expr:
    """The number that a term is multiplied by."""
    return term.as_coeff_Mul()[0]


def magnitude(term: Expr) -> Expr:
    """The term without the minus sign of its number."""
    return -term if number_of(term) < 0 else term


def number_shared(total: Expr) -> Expr | None:
    """2·a − 2·b as 2·(a − b), and −2·a − 2·b as −2·(a + b), which SymPy does not keep; or None."""
    terms = [term.as_coeff_Mul() for term in total.args]
    size = abs(terms[0][0])
    if size == 1 or not isinstance(size, Rational):  # a float might never end
        return None
    if any(abs(number) != size or _has_hyper(rest) for number, rest in terms):
        return None
    unit = -size if all(number < 0 for number, _ in terms) else size
    return Mul(unit, Add(*(number / unit * rest for number, rest in terms)), evaluate=False)


def numbers_out(factors: Sequence[Expr]) -> list[Expr]:
    """The factors of a product, 2·(a − b) counted as two."""
    parts: list[Expr] = []
    for factor in factors:
        shared = number_shared(factor) if isinstance(factor, Add) else None
        parts.extend([factor] if shared is None else shared.args)
    return parts


def _has_hyper(term: Expr) -> bool:
    """Whether a size or hyper is a factor: 2·x/N and 2·lam·w are left as they are."""
    bases = (f.args[0] if isinstance(f, Pow) else f for f in Mul.make_args(term))
    return any(isinstance(b, Symbol) and (
        not isinstance(b, TensorSymbol) or b.tensor.role == "hyper") for b in bases)


def fraction(factors: Sequence[Expr]) -> tuple[list[Expr], list[Expr]]:
    """The factors above and below the line, in the order in which they are written; no sign."""
    parts = numbers_out(factors)
    rational = [factor for factor in parts if isinstance(factor, Rational)]
    numbers = (prod(abs(factor.p) for factor in rational), prod(factor.q for factor in rational))
    above: list[Expr]
    below: list[Expr]
    above, below = ([Integer(number)] if number != 1 else [] for number in numbers)
    for factor in (part for part in parts if not isinstance(part, Rational)):
        if factor.is_Number:
            above.extend([abs(factor)] if float(abs(factor)) != 1 else [])
        elif factor.is_Pow and isinstance(factor.args[1], Rational) and factor.args[1] < 0:
            below.append(factor.args[0] ** -factor.args[1])
        else:
            above.append(factor)
    scalars_only = all(_is_number(f) or isinstance(f, Symbol) for f in above
                       if not isinstance(f, (Sum, Reduction)))
    return sorted(above, key=lambda f: _factor_order(f, scalars_only)), sorted(
        below, key=lambda f: _factor_order(f, True))


def _factor_order(factor: Expr, sum_last: bool) -> tuple[object, ...]:
    base = factor.args[0] if isinstance(factor, Pow) else factor
    if _is_number(base):
        return (0,)
    if isinstance(base, (Sum, Reduction)):
        return (9,) if sum_last else (2,)
    if isinstance(base, Add):
        return (5,) if any(_is_number(term) for term in base.args) else (3,)
    if isinstance(base, (Element, TensorSymbol)):
        role = _ROLES[base.tensor.role]
        after = 1 if base.tensor.hint.startswith("δ") else 0
        return (4, role + after, base.tensor.serial) if role >= 0 else (1, 0, base.tensor.serial)
    return (1, 1) if isinstance(base, Symbol) else (4, 3)


def term_order(term: Expr) -> tuple[object, ...]:
    """Positive terms first, sums first among them, numbers first of all: 1 − h², Σ x·δ + 2·λ·W."""
    negative = bool(number_of(term) < 0)
    holds_sum = any(isinstance(f, (Sum, Reduction)) for f in Mul.make_args(term))
    return (negative, not holds_sum, not _is_number(term))


def _is_number(expr: Expr) -> bool:
    """Whether a factor is a number, without the recursion of SymPy's is_number."""
    return all(isinstance(part, (Number, NumberSymbol)) for part in (
        expr.args if isinstance(expr, Pow) else (expr,)))
