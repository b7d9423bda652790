"""Rows that shorten a body: common factors taken out, or multiplied out and collected.

What is collected is collected wherever it matches; what is tried is tried on a copy, and kept
only where the whole body gets shorter: −y·σ(−t) + (1 − y)·σ(t) becomes σ(t) − y.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sympy import Add, Expr, Idx, Integer, Mul, Number, Pow, exp, expand_mul, sign

from symbackprop.functions import sigmoid
from symbackprop.normal import kinds, postorder
from symbackprop.notation import Element, TensorSymbol
from symbackprop.rewriting import Hole, Rule, Steps, noted, rewrite
from symbackprop.rules.algebra import COMPLEMENT
from symbackprop.rules.numbers import number_in

LARGEST = 140
READ = 3


def shortest(body: Expr, steps: Steps = None) -> Expr:
    """The form of the body with the fewest nodes among those tried; equal in value."""
    if Add not in kinds(body):
        return body
    best = factored(body, steps)
    divides = any(isinstance(node, Pow) and node.args[1].is_negative for node in postorder(best))
    for first, row in TRIED if divides else TRIED[-2:]:
        if weight(best) > LARGEST:
            break
        trial: Steps = None if steps is None else []
        before = rewrite(best, first, trial) if first and sigmoid in kinds(best) else best
        after = row.apply(before)
        if after is None:
            continue
        other = factored(noted(trial, row.name, before, after), trial)
        if weight(other) < weight(best):
            best = other
            if steps is not None and trial:
                steps.extend(trial)
    return best


def factored(body: Expr, steps: Steps = None) -> Expr:
    """Common factors of every sum taken out, also its numbers where the sum stands in a product."""
    return rewrite(body, COLLECTED, steps, passes=1)


def _has_quotient_in_sum(body: Expr) -> bool:
    """(a/p + b)·q: only there can multiplying in cancel."""
    return any(isinstance(node, Mul) and any(_has_quotient(factor) for factor in node.args)
               for node in postorder(body))


def _has_quotient(factor: Expr) -> bool:
    return isinstance(factor, Add) and any(
        isinstance(part, Pow) and part.args[1].is_negative
        for term in factor.args for part in Mul.make_args(term))


def _has_sum_in_product_in_sum(body: Expr) -> bool:
    """(a + b)·c + d: only there can multiplying out let terms meet."""
    return any(isinstance(node, Add) and any(
        isinstance(term, Mul) and any(isinstance(factor, Add) for factor in term.args)
        for term in node.args) for node in postorder(body))


def _multiplied_out(body: Expr) -> Expr | None:
    return expand_mul(body) if _has_sum_in_product_in_sum(body) else None


def _quotients_cancelled(body: Expr) -> Expr | None:
    """(a/p + b/q)·p·q → a·q + b·p: a product goes into a sum that has quotients."""
    if not _has_quotient_in_sum(body):
        return None
    new: dict[Expr, Expr] = {}
    for node in postorder(body):
        args = tuple(new.get(arg, arg) for arg in node.args)
        current = node if args == node.args else node.func(*args)
        if isinstance(current, Mul):
            for total in current.args:
                if _has_quotient(total):
                    current = Add(*(term * (current / total) for term in total.args))
                    break
        new[node] = current
    return new[body]


def _common_denominator(body: Expr) -> Expr | None:
    """a/s + b/s² → (a·s + b)/s² for a sum s, multiplied out: there a·s may meet b."""
    wanted = any(isinstance(node, Add) and _denominators(node) for node in postorder(body))
    return body.replace(lambda node: isinstance(node, Add), _over_one) if wanted else None


def _denominators(total: Expr) -> list[Expr]:
    """The sums that some terms are divided by more often than others."""
    powers = [{f.args[0]: f.args[1] for f in Mul.make_args(term) if isinstance(f, Pow)
               and isinstance(f.args[0], Add) and f.args[1].is_Number and f.args[1] < 0
               and not f.args[0].has(exp)} for term in total.args]
    bases = dict.fromkeys(base for found in powers for base in found)
    return [base for base in bases if len({found.get(base) for found in powers}) > 1]


def _over_one(total: Expr) -> Expr:
    for base in _denominators(total):
        below = min(f.args[1] for term in total.args for f in Mul.make_args(term)
                    if isinstance(f, Pow) and f.args[0] == base and f.args[1].is_Number)
        over = Add(*(_multiplied(term, base, -below) for term in total.args))
        return base**below * expand_mul(over)
    return total


def _multiplied(term: Expr, base: Expr, power: Expr) -> Expr:
    """term·base^power, a positive whole power that is left multiplied out."""
    number, other = 0 * power, []
    for factor in Mul.make_args(term):
        if isinstance(factor, Pow) and factor.args[0] == base:
            number += factor.args[1]
        elif factor == base:
            number += 1
        else:
            other.append(factor)
    return Mul(*other, base ** (number + power))


@lru_cache(4096)
def weight(expr: Expr) -> int:
    """How long a formula reads: a tensor is three, an operation or a number one, a sign none."""
    total = 0
    stack = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, (Element, TensorSymbol)):
            total += READ
            continue
        parts = [] if isinstance(node, Idx) else [a for a in node.args if a != -1]
        total += not (isinstance(node, Mul) and len(parts) == 1)
        stack.extend(parts)
    return total


def _common(total: Expr) -> Expr | None:
    """a·c + b·c → (a + b)·c for all symbolic common factors c (and their powers)."""
    terms = [_powers(term) for term in total.args]
    shared = dict(terms[0])
    for powers in terms[1:]:
        shared = _in_both(shared, powers)
    if not shared:
        return None
    rest = Add(*(_without(term, shared) for term in total.args))
    return Mul(*(Pow(base, exponent) for base, exponent in shared.items()), rest)


def _shared_by_some(body: Expr) -> Expr | None:
    """a·t + b·t + c → (a + b)·t + c: of the terms of each sum, those that share most."""
    wanted = any(isinstance(node, Add) and len(node.args) > 2 for node in postorder(body))
    return body.replace(lambda node: isinstance(node, Add), _gathered) if wanted else None


def _gathered(total: Expr) -> Expr:
    """A sum with the factors taken out that make it shortest, of two terms or more."""
    best = total
    powers = {term: _powers(term) for term in total.args}
    for place, one in enumerate(total.args if len(total.args) > 2 else ()):
        for other in total.args[place + 1:]:
            shared = _in_both(powers[one], powers[other])
            those = [term for term in total.args if shared and all(
                base in powers[term] and _least(power, powers[term][base]) == power
                for base, power in shared.items())]
            if len(those) > 1:
                inside = Add(*(_without(term, shared) for term in those))
                outside = Mul(*(Pow(base, power) for base, power in shared.items()))
                found = Add(*(term for term in total.args if term not in those), inside * outside)
                best = min(best, found, key=weight)
    return best


def _in_both(one: dict[Expr, Expr], other: dict[Expr, Expr]) -> dict[Expr, Expr]:
    shared = {base: _least(power, other[base]) for base, power in one.items() if base in other}
    return {base: power for base, power in shared.items() if power != 0}


def _powers(term: Expr) -> dict[Expr, Expr]:
    pairs = {}
    for factor in Mul.make_args(term):
        if isinstance(factor, Number):
            continue
        base, exponent = factor.args if isinstance(factor, Pow) else (factor, Integer(1))
        if not isinstance(exponent, Integer):
            base, exponent = factor, Integer(1)
        pairs[base] = exponent
    return pairs


def _without(term: Expr, shared: dict[Expr, Expr]) -> Expr:
    """The term without shared powers; no quotient, since 1/Piecewise may be 1/0 in a branch."""
    numbers = [factor for factor in Mul.make_args(term) if isinstance(factor, Number)]
    left = {base: exponent - shared.get(base, Integer(0))
            for base, exponent in _powers(term).items()}
    return Mul(*numbers, *(Pow(base, exponent) for base, exponent in left.items()))


def _least(first: Expr, second: Expr) -> Expr:
    """The power that both share: the smaller in size, or 0 where the signs differ."""
    if first * second <= 0:
        return Integer(0)
    return min(first, second) if first > 0 else max(first, second)


def _number_out(product: Expr) -> Expr | None:
    """(2a − 2b)·x → 2·(a − b)·x, for the greatest number that divides all terms."""
    numbers = [number_in(factor) if isinstance(factor, Add) else Integer(1)
               for factor in product.args]
    if all(number == 1 for number in numbers):
        return None
    return Mul(*numbers, *(factor if number == 1 else Add(*(term / number for term in factor.args))
                           for factor, number in zip(product.args, numbers, strict=True)))


def _minus_turned(product: Expr) -> Expr | None:
    """−(a − b)·x → (b − a)·x, and −sign(a − b)·x → sign(b − a)·x."""
    number, *rest = product.args
    if not (number.is_Rational and number < 0):
        return None
    for place, factor in enumerate(rest):
        if isinstance(factor, Add) and _mostly_negative(factor):
            rest[place] = _negated(factor)
        elif isinstance(factor, sign) and isinstance(factor.args[0], Add):
            rest[place] = sign(_negated(factor.args[0]))
        else:
            continue
        return Mul(-number, *rest)
    return None


def _negated(total: Expr) -> Expr:
    return Add(*(-term for term in total.args))


def _mostly_negative(total: Expr) -> bool:
    negative = sum(1 for term in total.args if term.as_coeff_Mul()[0] < 0)
    return 2 * negative >= len(total.args)


t, a, b = Hole("t"), Hole("a"), Hole("b")

#: Applied to every sum and product, bottom up, once.
COLLECTED: tuple[Rule, ...] = (
    Rule("common factor", a * t + b * t, (a + b) * t, "the distributive law", by=_common),
    Rule("common number", (2 * a - 2 * b) * t, Mul(2, a - b, t, evaluate=False),
         "the distributive law", by=_number_out),
    Rule("minus sign turned", Mul(-1, a - b, t, evaluate=False), (b - a) * t,
         "−(a − b) = b − a, −sign(t) = sign(−t)", by=_minus_turned,
         where="at least half of the terms are negative"),
)

#: Tried on a whole body, and kept where it gets shorter.
SHORTENING: tuple[Rule, ...] = (
    Rule("quotients cancelled", (a / t + b) * t, a + b * t, "t·(1/t) = 1 where the left exists",
         domain=(0.5, 3.0), by=_quotients_cancelled,
         where="kept where the line gets shorter"),
    Rule("common denominator", a / (a + b) - b**2 / (a + b)**2 - a**2 / (a + b)**2,
         (a * b - b**2) / (a + b)**2, "a/s = a·s/s²", domain=(0.5, 3.0), by=_common_denominator,
         where="kept where the line gets shorter"),
    Rule("factor of some terms", a * t + b * t + a * b, (a + b) * t + a * b,
         "the distributive law", by=_shared_by_some,
         where="kept where the line gets shorter"),
    Rule("multiplied out", (a + b) * t - a * t, b * t, "the distributive law",
         by=_multiplied_out, where="kept where the line gets shorter"),
)
TRIED: tuple[tuple[Sequence[Rule], Rule], ...] = (
    ((), SHORTENING[0]), ((), SHORTENING[1]), ((), SHORTENING[2]), (COMPLEMENT, SHORTENING[3]))
