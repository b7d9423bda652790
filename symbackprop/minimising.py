"""argmin_w ½(v − w)² + t·r(w) for a convex r of one variable, derived piece by piece.

    r = λ·|w|:   w = v − t·λ if v > t·λ;   0 if −t·λ ≤ v ≤ t·λ;   v + t·λ if v < −t·λ

The minimum is where v ∈ w + t·∂r(w), and the right side grows with w: inside a smooth piece
w + t·r′(w) = v is solved for w, and a kink takes the whole interval of v from its left slope to
its right one.  An end of what is allowed takes all that lies beyond it: a projection is the case
r = 0 inside, ∞ outside.  Nothing here knows a penalty by its name.  (Parikh & Boyd 2014,
Proximal algorithms, sections 1.1 and 6.1.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sympy import (
    Add,
    Dummy,
    Expr,
    I,
    Mul,
    Piecewise,
    Poly,
    Rational,
    S,
    Symbol,
    diff,
    expand,
    factor_terms,
    fraction,
    limit,
    oo,
    simplify,
    sqrt,
    together,
    zoo,
)

from symbackprop.assumed import Assumed
from symbackprop.errors import DerivationError
from symbackprop.printing.text import text
from symbackprop.splitting import Piece, equal, pieces, roots, sample

__all__ = ["Case", "Convex", "Kink", "bends", "convex", "in_words", "v", "t", "w"]

w, v = Symbol("w", real=True), Symbol("v", real=True)
t = Symbol("t", positive=True)
_PARTS = (Rational(1, 3), Rational(3, 4))  # of a piece: where a solution is tried


@dataclass(frozen=True, slots=True)
class Kink:
    """At this w the slope jumps from low to high: there ∂r(w) is the interval [low, high]."""

    place: Expr
    low: Expr
    high: Expr


@dataclass(frozen=True, slots=True)
class Case:
    """w = value where lower ≤ v ≤ upper."""

    value: Expr
    lower: Expr
    upper: Expr


@dataclass(frozen=True, slots=True)
class Convex:
    """A convex function r of w: its allowed pieces from left to right, and its kinks."""

    pieces: tuple[Piece, ...]
    kinks: tuple[Kink, ...]

    def cases(self, assumed: Assumed) -> tuple[Case, ...]:
        """argmin_w ½(v − w)² + t·r(w), from the least v to the greatest."""
        found: list[Case] = []
        places = {kink.place: kink for kink in self.kinks}
        lower = -oo
        for piece in self.pieces:
            kink = places.get(piece.lower)
            if kink is not None and kink.high != -oo:
                found.append(Case(piece.lower, lower, expand(kink.place + t * kink.high)))
            lower = found[-1].upper if kink is not None and kink.high != -oo else lower
            end = places.get(piece.upper)
            upper = _moved(piece, assumed) if end is None else (
                oo if end.low == oo else expand(end.place + t * end.low))
            found.append(Case(_stationary(piece, assumed), lower, upper))
            lower = upper
        last = places.get(self.pieces[-1].upper)
        if last is not None and last.low != oo:
            found.append(Case(last.place, lower, oo))
        return tuple(found)


def convex(function: Expr, assumed: Assumed) -> Convex:
    """The pieces and kinks of a convex function of w.

    Raises DerivationError where it cannot be shown to be convex, with the place and the reason.
    """
    split = pieces(function, w, assumed)
    allowed = tuple(piece for piece in split if piece.allowed)
    if not allowed:
        raise DerivationError(f"{in_words(function)} allows no {w} at all")
    if not all(piece.allowed for piece in split[split.index(allowed[0]):
                                                split.index(allowed[-1]) + 1]):
        raise DerivationError(f"{in_words(function)} is not convex: what it allows is in several "
                              "parts")
    for piece in allowed:
        _check_convex(piece, assumed)
    kinks = [kink for before, after in pairwise(allowed)
             if (kink := _kink(before, after, assumed)) is not None]
    first, last = allowed[0], allowed[-1]
    if first.lower != -oo:
        kinks.insert(0, Kink(first.lower, -oo, _slope(first, first.lower, "+", assumed)))
    if last.upper != oo:
        kinks.append(Kink(last.upper, _slope(last, last.upper, "-", assumed), oo))
    return Convex(allowed, tuple(kinks))


def bends(function: Expr, assumed: Assumed) -> bool:
    """Whether a function of w, convex or not, has a kink or a jump, or is infinite somewhere."""
    split = pieces(function, w, assumed)
    if not all(piece.allowed for piece in split):
        return True
    for before, after in pairwise(split):
        jump = before.value.subs(w, before.upper), after.value.subs(w, before.upper)
        slopes = (_slope(before, before.upper, "-", assumed),
                  _slope(after, before.upper, "+", assumed))
        if not equal(*jump) or not equal(*slopes):
            return True
    return False


def _kink(before: Piece, after: Piece, assumed: Assumed) -> Kink | None:
    place = before.upper
    if not equal(before.value.subs(w, place), after.value.subs(w, place)):
        raise DerivationError(f"it is not convex: it jumps at {w} = {place}, from {before.value} "
                              f"to {after.value}")
    low, high = _slope(before, place, "-", assumed), _slope(after, place, "+", assumed)
    if equal(low, high):
        return None
    if not assumed.at_least(high, low):
        raise DerivationError(f"it is not convex: at {w} = {place} its slope falls from {low} to "
                              f"{high}")
    return Kink(place, low, high)


def _slope(piece: Piece, place: Expr, side: str, assumed: Assumed) -> Expr:
    """The derivative at an end of a piece; at a wall such as that of −log w it is infinite."""
    slope = diff(piece.value, w)
    found = slope.subs(w, place)
    if not found.has(zoo, S.NaN, oo, -oo):
        return expand(found)
    return limit(assumed.value(slope), w, assumed.value(place), side)


def _check_convex(piece: Piece, assumed: Assumed) -> None:
    bend = factor_terms(simplify(diff(piece.value, w, 2)))
    negative = False
    for factor in Mul.make_args(together(bend)):
        sign = _sign(factor, piece, assumed)
        if sign is None:
            raise DerivationError(
                f"it cannot be shown to be convex: its second derivative {bend} between "
                f"{piece.lower} and {piece.upper} has no sign that could be proved")
        negative ^= sign < 0
    if negative and bend != 0:
        raise DerivationError(f"it is not convex: its second derivative is {bend} between "
                              f"{piece.lower} and {piece.upper}")


def _sign(factor: Expr, piece: Piece, assumed: Assumed) -> int | None:
    """1 or −1 where a factor keeps that sign on the whole piece, else None."""
    if not factor.has(w):
        return 1 if assumed.holds(factor) else -1
    p = Dummy(positive=True)
    for inside in _inside(piece, p):
        there = factor.subs(w, inside)
        if there.is_nonnegative or there.is_nonpositive:
            return 1 if there.is_nonnegative else -1
    base = factor.base if factor.is_Pow and factor.exp.is_Integer else factor
    if not base.is_polynomial(w) or Poly(base, w).degree() > 2:
        return None
    for root in roots(base, w, assumed):
        if not assumed.at_least(piece.lower, root) and not assumed.at_least(root, piece.upper):
            return None
    middle = sample(piece.lower, piece.upper, assumed)
    return 1 if bool(assumed.value(factor).subs(w, middle) >= 0) else -1


def _inside(piece: Piece, p: Symbol) -> Iterator[Expr]:
    """Ways to write any w of a piece by a positive p."""
    if piece.lower != -oo:
        yield piece.lower + p
    if piece.upper != oo:
        yield piece.upper - p
    if (piece.lower, piece.upper) == (-oo, oo):
        yield w


def _moved(piece: Piece, assumed: Assumed) -> Expr:
    """The v whose minimum is at the upper end of a piece, where there is no kink."""
    if piece.upper == oo:
        return oo
    return expand(piece.upper + t * _slope(piece, piece.upper, "-", assumed))


def _stationary(piece: Piece, assumed: Assumed) -> Expr:
    """The w of the piece where w + t·r′(w) = v, checked at two samples inside."""
    equation = w + t * diff(piece.value, w) - v
    for candidate in _candidates(equation):
        if not candidate.has(I) and all(
                _is_right(candidate, equation, piece, part, assumed) for part in _PARTS):
            return candidate
    raise DerivationError(
        f"w + t·r′(w) = v has no formula for w that could be compiled: between {piece.lower} and "
        f"{piece.upper} it is {equation + v} = v; only equations of degree 1 and 2 in w, or in a "
        "root of w, are solved")


def _is_right(candidate: Expr, equation: Expr, piece: Piece, part: Expr, assumed: Assumed) -> bool:
    inside = sample(piece.lower, piece.upper, assumed, part)
    here = {t: Rational(7, 5), w: inside}
    there = assumed.value(equation + v).xreplace(here)
    found = assumed.value(candidate).xreplace({t: here[t], v: there})
    return bool(abs((found - inside).evalf(30)) < Rational(1, 10**20))


def _candidates(equation: Expr) -> Iterator[Expr]:
    """The solutions of degree 1 or 2 in w, or in y = √w or √−w."""
    numerator = fraction(together(equation))[0]
    if numerator.is_polynomial(w):
        yield from _solutions(Poly(expand(numerator), w))
        return
    y = Symbol("y", positive=True)
    for side in (1, -1):
        rooted = fraction(together(equation.subs(w, side * y**2)))[0]
        if rooted.is_polynomial(y):
            yield from (side * root**2 for root in _solutions(Poly(expand(rooted), y)))


def _solutions(poly: Poly) -> Iterator[Expr]:
    """In the form in which nothing cancels and nothing is divided by a strength that may be 0."""
    if poly.degree() == 1:
        first, last = poly.all_coeffs()
        yield _tidy(-last / first)
    if poly.degree() != 2:
        return
    first, middle, last = map(factor_terms, poly.all_coeffs())
    width = sqrt(expand(middle**2 - 4 * first * last))
    for way in (1, -1):
        if middle.has(v):
            yield (-middle + way * width) / (2 * first)
        else:
            yield (2 * way * last) / (width - way * middle)


def _tidy(solution: Expr) -> Expr:
    """v − t·λ as a sum, v/(1 + 2·t·λ) as a quotient."""
    above, below = fraction(together(solution))
    if below.is_number:
        return expand(solution)
    return factor_terms(expand(above)) / expand(below)


def in_words(function: Expr) -> str:
    """A function of w as text; one that is 0 where a condition holds, else ∞, as the condition."""
    parts = Add.make_args(function)
    walls = {p: p.args[0][1] for p in parts if isinstance(p, Piecewise)
             and [e for e, _ in p.args] == [0, oo]}
    rest = Add(*(p for p in parts if p not in walls))
    shown = [text(rest, {})] if rest != 0 or not walls else []
    return " and ".join((*shown, *(text(walls[p], {}) for p in parts if p in walls)))
