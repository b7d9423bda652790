"""power(x, y) = e^(y·log x), where the logarithm has about as many digits again as a number.

The error of y·log x is an error of the result, relative, so that in float64 the logarithm must be
right to 2^−66.  It is carried as a sum of two numbers: s = f/(2 + f) by a corrected quotient, the
first two terms of 2·atanh s = 2·s + 2/3·s³ + s⁵·P(s²) by exact products, the others rounded.
"""

from __future__ import annotations

from math import inf, nan

from symbackprop.codegen.arithmetic import (
    Number,
    polynomial,
    product_and_rest,
    select,
    sum_and_rest,
)
from symbackprop.codegen.elementary import (
    LARGEST,
    SMALLEST,
    clamped,
    raised,
    scaled,
    split,
    table,
)


def power(x: Number, y: Number) -> Number:
    """x^y with the values of C99: x^0 = 1^y = 1, NaN for x < 0 unless y is whole."""
    size, length = abs(x), abs(y)
    whole, half = y.whole().equals(y), y * 0.5
    odd = whole & ~half.whole().equals(half)
    grows = (size > 1) ^ (y < 0)
    value = select(size.equals(1), x.of(1), _positive_power(size, y))
    at_an_end = size.equals(0) | size.equals(inf) | (length.equals(inf) & ~size.equals(1))
    value = select(at_an_end, select(grows, x.of(inf), 0.0), value)
    value = select(odd, value.sign_of(x), value)
    undefined = (x < 0) & ~whole & (size < inf)
    known = x.equals(x) & y.equals(y) & ~undefined
    return select(y.equals(0) | x.equals(1), x.of(1), select(known, value, nan))


def _positive_power(x: Number, y: Number) -> Number:
    """x^y for 0 < x < ∞ and a finite y."""
    log, log_rest = _logarithm(x)
    exponent, lost = product_and_rest(y, log)
    rest = lost + y * log_rest
    low, high = SMALLEST[x.format.name], LARGEST[x.format.name]
    kept = select((exponent > low) & (exponent < high), rest, 0.0)
    return scaled(raised(clamped(exponent, low, high), kept))[0]


def _logarithm(x: Number) -> tuple[Number, Number]:
    """log x = k·ln 2 + log(1 + f) as a sum of two numbers."""
    found = split(x)
    k, f = found.k, found.f
    high, low = table("LN2", x)
    value, rest = _log_one_plus(f)
    total, lost = sum_and_rest(k * high, value)
    return sum_and_rest(total, lost + (k * low + rest))


def _log_one_plus(f: Number) -> tuple[Number, Number]:
    """log(1 + f) = 2·atanh s as a sum of two numbers, s = f/(2 + f)."""
    two_thirds, thirds_rest = table("TWO_THIRDS", f)
    below, below_rest = sum_and_rest(f.of(2), f)
    inverse = 1 / below
    s = f * inverse
    s_rest = ((-s).fused(below, f) - s * below_rest) * inverse
    z, lost = product_and_rest(s, s)
    z_rest = lost + 2 * s * s_rest
    tail = polynomial(z, table("POWER", f))
    c, lost = sum_and_rest(f.of(two_thirds), z * tail)
    c_rest = lost + (z_rest * tail + thirds_rest)
    p, lost = product_and_rest(z, c)
    p_rest = lost + (z * c_rest + z_rest * c)
    q, lost = product_and_rest(s, p)
    q_rest = lost + (s * p_rest + s_rest * p)
    total, lost = sum_and_rest(2 * s, q)
    return total, lost + (2 * s_rest + q_rest)
