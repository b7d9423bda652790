"""What a case analysis takes for granted of λ, δ, …: decided at sample values, then written down.

    lo ≤ hi        cannot be proved of two hypers; with lo = −1, hi = 1 it holds, so the analysis
                   goes on, and "hi − lo ≥ 0" is among the conditions of its result

Whoever uses the result checks the conditions at the values of the day.  What SymPy proves of the
symbols alone is not written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sympy import Add, Expr, Integer, Mul, Pow, Rational, S, Symbol, factor_terms, together

__all__ = ["Assumed", "samples_of"]


@dataclass(slots=True)
class Assumed:
    """Sample values, and the expressions that were taken to be at least 0."""

    samples: Mapping[Symbol, Rational]
    conditions: dict[Expr, None] = field(default_factory=dict)

    def value(self, expr: Expr) -> Expr:
        """The number that an expression is at the samples."""
        return expr.xreplace(self.samples)

    def holds(self, expr: Expr) -> bool:
        """Whether expr ≥ 0 at the samples; what is not proved becomes a condition, or its contrary.

        >>> from sympy import symbols
        >>> a, b = symbols("a b", real=True)
        >>> assumed = Assumed({a: Rational(-1), b: Rational(2)})
        >>> assumed.holds(3*b - 3*a), assumed.holds(a), list(assumed.conditions)
        (True, False, [-a + b, -a])
        """
        if expr in (S.Infinity, S.NegativeInfinity) or expr.is_number:
            return bool(expr >= 0)
        positive = bool(self.value(expr) >= 0)
        known = expr if positive else -expr
        if not known.is_nonnegative:
            plain = _essence(known)
            if plain.is_nonnegative is not True:
                self.conditions.setdefault(plain)
        return positive

    def at_least(self, one: Expr, other: Expr) -> bool:
        """Whether one ≥ other at the samples, either of which may be infinite."""
        if S.Infinity in (one, other) or S.NegativeInfinity in (one, other):
            return bool(one == S.Infinity or other == S.NegativeInfinity)
        return self.holds(one - other)


def samples_of(symbols: Iterable[Symbol], known: Mapping[Symbol, float | None]
               ) -> dict[Symbol, Rational]:
    """A sample value for each: near what is known of it, all of them apart from each other.

    >>> from sympy import symbols
    >>> samples_of(symbols("a b c"), {})
    {a: 1000000001/1000000000, b: 500000001/500000000, c: 1000000003/1000000000}
    """
    found: dict[Symbol, Rational] = {}
    for place, symbol in enumerate(symbols, 1):
        value = known.get(symbol)
        near = Integer(1) if value is None else Rational(str(value))
        little = Rational(place, 10**9)
        found[symbol] = near * (1 + little) if near else little
    return found


def _essence(expr: Expr) -> Expr:
    """The expression without factors that are at least 0: λ of 2·t·λ."""
    factors = []
    for factor in Mul.make_args(factor_terms(together(expr))):
        if isinstance(factor, Pow) and factor.exp.is_Rational:  # a root is real, hence not below 0
            factor = factor.base if factor.exp.q == 1 and factor.exp.p % 2 else S.One
        if factor.is_nonnegative:
            continue
        factors.append(factor)
    plain = Mul(*factors)
    if isinstance(plain, Mul) and isinstance(plain.args[-1], Add) and len(plain.args) == 2:
        return Add(*(plain.args[0] * term for term in plain.args[-1].args))
    return plain
