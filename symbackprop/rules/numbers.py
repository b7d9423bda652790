"""The number that the terms of a sum share."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, lcm

from sympy import Expr, Integer, Rational

MORE_DIGITS = 1  # (x + 2)/2 for x/2 + 1


def number_in(total: Expr) -> Expr:
    """The greatest rational that divides every coefficient of a sum; negative if all are.

    1 or −1 where what is left would be longer to read: 1 + 26829·z²/200000 stays.
    """
    coefficients = [term.as_coeff_Mul()[0] for term in total.args]
    whole = [c for c in coefficients if isinstance(c, Rational)]
    if whole and len(whole) < len(coefficients):  # beside 0.5: only a power of two is exact
        found = gcd(*(int(c) for c in whole)) if all(c.is_Integer for c in whole) else 1
        return Integer(max(found & -found, 1))
    if not whole or 0 in whole:
        return Integer(1)
    number = Rational(gcd(*(int(c.p) for c in coefficients)),
                      lcm(*(int(c.q) for c in coefficients)))
    if number.q > 1 and _digits([number, *(c / number for c in coefficients)]) > _digits(
            coefficients) + MORE_DIGITS:
        number = Integer(1)
    return -number if all(c < 0 for c in coefficients) else number


def _digits(numbers: Sequence[Expr]) -> int:
    """How many digits are written for these numbers; none for 1 and −1."""
    return sum(len(str(abs(part))) for number in numbers for part in (number.p, number.q)
               if abs(part) != 1)
