"""A function of one real variable as smooth pieces: |w| is −w below 0 and w above.

    pieces(λ·|w|)  =  −λ·w on (−∞, 0),  λ·w on (0, ∞)

Every function with a switch in it (|·|, max, relu, {…}) is one row: where it switches, and what
it is on either side.  Places may be symbols: −δ and δ are sorted at sample values, and what
their order takes for granted is written down (`assumed.py`).  Where a function is infinite, or a
logarithm or root has a negative argument, w is not allowed: the piece has the value ∞.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

from sympy import (
    Abs,
    Expr,
    Heaviside,
    Integer,
    Max,
    Min,
    Piecewise,
    Poly,
    Pow,
    Rational,
    S,
    Symbol,
    cancel,
    expand,
    log,
    oo,
    postorder_traversal,
    sign,
    sqrt,
    zoo,
)
from sympy.core.relational import Relational

from symbackprop.assumed import Assumed
from symbackprop.errors import DerivationError
from symbackprop.functions import Iverson, leaky_relu, relu

__all__ = ["Piece", "equal", "pieces", "roots", "sample"]

At = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """A smooth expression in w on the interval (lower, upper)."""

    lower: Expr
    upper: Expr
    value: Expr

    @property
    def allowed(self) -> bool:
        """Whether w may lie here: the value is finite."""
        return not self.value.has(oo, -oo, zoo, S.NaN)


@dataclass(frozen=True, slots=True)
class Switch:
    """Where a node may switch (at the zeros of these), and what it is, given values at a place."""

    places: Callable[[Expr], Iterable[Expr]]
    branch: Callable[[Expr, At], Expr]


def _first(node: Expr) -> tuple[Expr, ...]:
    return (node.args[0],)


def _differences(node: Expr) -> list[Expr]:
    return [a - b for k, a in enumerate(node.args) for b in node.args[k + 1:]]


def _sides(node: Expr) -> list[Expr]:
    comparisons = sorted(node.atoms(Relational), key=str)
    return [comparison.lhs - comparison.rhs for comparison in comparisons]


def _chosen(node: Expr, at: At) -> Expr:
    return next(pair.args[0] for pair in node.args if at(pair.args[1]) == True)  # noqa: E712


def _signed(below: Any, above: Any) -> Callable[[Expr, At], Expr]:
    return lambda node, at: (above if at(node.args[0]) > 0 else below)(node)


SWITCHES: dict[type, Switch] = {
    Abs: Switch(_first, _signed(lambda f: -f.args[0], lambda f: f.args[0])),
    relu: Switch(_first, _signed(lambda f: S.Zero, lambda f: f.args[0])),
    leaky_relu: Switch(_first, _signed(lambda f: f.args[1] * f.args[0], lambda f: f.args[0])),
    sign: Switch(_first, _signed(lambda f: S.NegativeOne, lambda f: S.One)),
    Heaviside: Switch(_first, _signed(lambda f: S.Zero, lambda f: S.One)),
    Max: Switch(_differences, lambda node, at: max(node.args, key=at)),
    Min: Switch(_differences, lambda node, at: min(node.args, key=at)),
    Piecewise: Switch(_sides, _chosen),
    Iverson: Switch(_sides, lambda node, at: Integer(bool(at(node.args[0])))),
    log: Switch(_first, _signed(lambda f: oo, lambda f: f)),
    Pow: Switch(_first, _signed(lambda f: oo, lambda f: f)),
}


def pieces(function: Expr, w: Symbol, assumed: Assumed) -> tuple[Piece, ...]:
    """The smooth pieces of a function of w, from left to right; equal neighbours are one.

    Raises DerivationError where it switches at the zeros of anything but a polynomial in w of
    degree 2.

    >>> x = Symbol("x", real=True)
    >>> [(piece.lower, piece.upper, piece.value) for piece in pieces(relu(x - 1), x, Assumed({}))]
    [(-oo, 1, 0), (1, oo, x - 1)]
    """
    found: list[Piece] = []
    for piece in _Splitting(w, assumed).split(function, -oo, oo, frozenset()):
        before = found[-1] if found else None
        if before and (before.allowed == piece.allowed) and (
                not piece.allowed or equal(before.value, piece.value)):
            found[-1] = Piece(before.lower, piece.upper, before.value)
        else:
            found.append(piece)
    return tuple(found)


@dataclass(slots=True)
class _Splitting:
    w: Symbol
    assumed: Assumed
    known: dict[Expr, list[Expr]] = field(default_factory=dict)

    def split(self, expr: Expr, lower: Expr, upper: Expr, settled: frozenset[Expr]) -> list[Piece]:
        """The pieces of an expression between two places, whose settled nodes are smooth there."""
        if expr.has(oo, -oo, zoo, S.NaN) and not expr.has(Piecewise):
            return [Piece(lower, upper, oo)]
        node = next((n for n in postorder_traversal(expr)
                     if n not in settled and self._switches(n)), None)
        if node is None:
            return [Piece(lower, upper, expand(expr))]
        row, found = SWITCHES[type(node)], []
        bounds = [lower, *self._places(node, lower, upper), upper]
        for low, high in pairwise(bounds):
            here = {**self.assumed.samples, self.w: sample(low, high, self.assumed)}
            new = row.branch(node, lambda e, here=here: e.xreplace(here))  # type: ignore[misc]
            again = settled | {node} if new == node else settled
            found += self.split(expr.xreplace({node: new}), low, high, again)
        return found

    def _switches(self, node: Any) -> bool:
        if type(node) not in SWITCHES or not node.has(self.w):
            return False
        return not isinstance(node, Pow) or not node.exp.is_Integer

    def _places(self, node: Expr, lower: Expr, upper: Expr) -> list[Expr]:
        inside: list[Expr] = []
        for difference in SWITCHES[type(node)].places(node):
            if not difference.has(self.w):
                self.assumed.holds(difference)
                continue
            for root in self._zeros(difference):
                beside = any(equal(root, place) for place in (lower, upper, *inside)
                             if place not in (oo, -oo))
                if not beside and self.assumed.at_least(root, lower) and (
                        self.assumed.at_least(upper, root)):
                    inside.append(root)
        return sorted(inside, key=cmp_to_key(self._compared))

    def _compared(self, one: Expr, other: Expr) -> int:
        return 1 if self.assumed.holds(one - other) else -1

    def _zeros(self, difference: Expr) -> list[Expr]:
        if difference not in self.known:
            self.known[difference] = roots(difference, self.w, self.assumed)
        return self.known[difference]


def roots(expr: Expr, w: Symbol, assumed: Assumed) -> list[Expr]:
    """The real zeros in w of a polynomial of degree 1 or 2, in order; the signs that it takes for
    granted are written down.  Raises DerivationError for what is no such polynomial."""
    if not expr.is_polynomial(w) or Poly(expr, w).degree() > 2:
        raise DerivationError(f"where {expr} is 0 has no formula here: write conditions and "
                              f"|…|, max, relu of polynomials of degree 1 or 2 in {w}")
    first, *rest = Poly(expr, w).all_coeffs()
    rising = assumed.holds(first)
    if not rest:
        return []
    if len(rest) == 1:
        return [cancel(-rest[0] / first)]
    middle, last = rest
    inside = expand(middle**2 - 4 * first * last)
    if not assumed.holds(inside):
        return []
    width = sqrt(inside) if rising else -sqrt(inside)
    both = [expand((-middle - width) / (2 * first)), expand((-middle + width) / (2 * first))]
    return both[:1] if equal(*both) else both


def sample(lower: Expr, upper: Expr, assumed: Assumed, part: Rational = Rational(1, 2)) -> Expr:
    """A number inside an interval at the samples."""
    low, high = assumed.value(lower), assumed.value(upper)
    if low == -oo and high == oo:
        return part - Rational(1, 2)
    if low == -oo:
        return high - 2 * part
    return low + 2 * part if high == oo else low + part * (high - low)


def equal(one: Expr, other: Expr) -> bool:
    """Whether two expressions are the same one, differently written."""
    difference = expand(one - other)
    return bool(difference == 0 or cancel(difference) == 0)
