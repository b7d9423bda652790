"""exp, log and what is made of them, as arithmetic that vectorises: see arithmetic.py.

Each formula reduces its argument to a short interval, where a polynomial of minimax.py holds, and
carries what a rounding has lost where it would be seen in the result.  Ends of the line are
clamped before and chosen after, never branched to; NaN passes every comparison untouched.

    e^t = 2^n·e^r            n = t/ln 2 to the nearest whole number, |r| ≤ ln 2/2
    log t = k·ln 2 + log m   √½ ≤ m < √2

Errors are below 1.5 units in the last place in float32 and 2 in float64; tests measure them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log2, nan

from symbackprop.codegen.arithmetic import Bits, Number, polynomial, select, sum_and_rest
from symbackprop.codegen.coefficients import COEFFICIENTS

LOG2_E = log2(2.718281828459045)
LN2 = 0.6931471805599453
LARGEST = {"float32": 89.0, "float64": 710.0}      # e^t is infinite from there
SMALLEST = {"float32": -104.0, "float64": -746.0}  # and 0 from there
SMALL_TANH = 0.7
_ONE_OF_TANH = {"float32": 9.5, "float64": 19.5}    # tanh t rounds to 1 from there
_ONE_OF_ERF = {"float32": 4.0, "float64": 6.0}


def table(name: str, t: Number) -> tuple[float, ...]:
    """The coefficients of this name in the arithmetic of t."""
    return COEFFICIENTS[name][t.format.name]


def clamped(t: Number, low: float, high: float) -> Number:
    """t between two ends; NaN stays."""
    t = select(t < low, t.of(low), t)
    return select(t > high, t.of(high), t)


@dataclass(frozen=True, slots=True)
class Raised:
    """e^t = 2^n·(1 + r + rest), where `exponent` is n + 2·bias."""

    exponent: Bits
    r: Number
    rest: Number

    def factors(self) -> tuple[Number, Number]:
        """Two powers of two with product 2^n; either is a normal number where 2^n may be none."""
        first = self.exponent >> 1
        return _power_of_two(first), _power_of_two(self.exponent - first)

    def factor(self) -> Number:
        """2^n, where that is a normal number."""
        return _power_of_two(self.exponent - self.r.format.bias)


def _power_of_two(stored: Bits) -> Number:
    return (stored << (stored.format.digits - 1)).number


def raised(t: Number, rest: Number | None = None) -> Raised:
    """e^(t + rest) for a clamped t."""
    high_part, low_part = table("LN2", t)
    magic = 1.5 * 2**(t.format.digits - 1)  # a sum with it has no digits after the point
    shifted = t * LOG2_E + magic
    n = shifted.minus(magic)
    high, low = t - n * high_part, n * low_part
    if rest is not None:
        low = low - rest
    r = high - low
    lost = high.minus(r) - low
    tail = r * r * polynomial(r, table("EXP", t)) + lost
    return Raised(shifted.bits - t.of(magic).bits + 2 * t.format.bias, r, tail)


def scaled(found: Raised) -> tuple[Number, Number]:
    """e^t, and what its rounding has lost."""
    near_one, lost = sum_and_rest(found.r.of(1), found.r + found.rest)
    first, second = found.factors()
    return near_one * first * second, lost * first * second


def exp(t: Number) -> Number:
    """e^t."""
    return scaled(raised(clamped(t, SMALLEST[t.format.name], LARGEST[t.format.name])))[0]


def expm1(t: Number) -> Number:
    """e^t − 1, with all digits also near 0; twice the half of it, which does not overflow."""
    found = raised(clamped(t, -2.0 * t.format.digits, LARGEST[t.format.name]))
    half = _power_of_two(found.exponent - (t.format.bias + 1))
    start, unseen = sum_and_rest(half.of(-0.5), half)
    total, lost = sum_and_rest(start, half * found.r)
    return or_itself(t, (total + (lost + unseen + half * found.rest)) * 2)


def or_itself(t: Number, value: Number, order: int = 1) -> Number:
    """The value, or t where f(t) = t + O(t^(order + 1)) rounds to t: it keeps the sign of 0."""
    return select(abs(t) < 2.0**-((t.format.digits + 1) // order), t, value)


def _quotient(above: Number, above_rest: Number, below: Number, below_rest: Number) -> Number:
    """(above + above_rest)/(below + below_rest), corrected once by what is left over."""
    inverse = 1 / below
    found = above * inverse
    left = (above - found * below) + (above_rest - found * below_rest)
    return found + left * inverse


def _square_of_exp_plus_one(t: Number) -> Number:
    """e^2t + 1 for t ≥ 0, where that is finite; what n·ln 2/2 has lost is small beside the 1."""
    magic: float = 1.5 * 2**(t.format.digits - 1)  # a sum with it has no digits after the point
    shifted = t * (2 * LOG2_E) + magic
    r = t - shifted.minus(magic) * (LN2 / 2)
    near_one = r * polynomial(r, table("EXP_TWICE", t)) + 1
    return (near_one.bits + (shifted.bits << (t.format.digits - 1))).number + 1


def tanh(t: Number) -> Number:
    """t + t³·T(t²) for |t| < 0.7, else 1 − 2/(e^2|t| + 1), with the sign of t."""
    size, square = abs(t), t * t
    near = t + t * square * polynomial(square, table("TANH", t))
    end = _ONE_OF_TANH[t.format.name]
    far = 1 - 2 / _square_of_exp_plus_one(select(size > end, t.of(end), size))
    return select(size >= SMALL_TANH, far, near).sign_of(t)


def sigmoid(t: Number) -> Number:
    """1/(1 + e^−t) as 1/(1 + e) or e/(1 + e), where e = e^−|t| never overflows."""
    small, lost = scaled(raised(clamped(-abs(t), SMALLEST[t.format.name], 0.0)))
    below, rest = sum_and_rest(t.of(1), small)
    above, above_lost = select(t < 0, small, t.of(1)), select(t < 0, lost, t.of(0))
    return _quotient(above, above_lost, below, rest + lost)


@dataclass(frozen=True, slots=True)
class Split:
    """t = 2^k·(1 + f)."""

    k: Number
    f: Number


def split(t: Number) -> Split:
    """k and f of a positive number, with √½ ≤ 1 + f < √2."""
    places, bias = t.format.digits - 1, t.format.bias
    tiny = t < 2.0**(1 - bias)
    t = select(tiny, t * 2.0**places, t)
    root, one = t.of(0.5**0.5).bits, t.of(1).bits
    stored = t.bits + (one - root)
    m = (stored & (2**places - 1)) + root
    k = ((stored >> places) | t.of(2.0**places).bits).number.minus(2.0**places + bias)
    return Split(k - select(tiny, t.of(places), t.of(0)), m.number.minus(1))


def log_of(found: Split, rest: Number | None = None) -> Number:
    """log(2^k·(1 + f)) + rest, by s = f/(2 + f) and log(1 + f) = 2·atanh s."""
    k, f = found.k, found.f
    high, low = table("LN2", f)
    s = f / (f + 2)
    z = s * s
    half = 0.5 * f * f
    small = k * low - (half - s * (half + z * polynomial(z, table("LOG", f))))
    total, lost = sum_and_rest(k * high, f)
    return total + (lost + (small if rest is None else small + rest))


def _on_its_domain(distance: Number, value: Number) -> Number:
    """The value where distance > 0; −∞ where it is 0, ∞ at ∞, else NaN."""
    value = select(distance.equals(inf), distance, value)
    return select(distance > 0, value, select(distance.equals(0), distance.of(-inf), nan))


def log(t: Number) -> Number:
    """log t; −∞ for 0 and NaN below."""
    return _on_its_domain(t, log_of(split(t)))


def _log_one_plus(t: Number, one_plus: Number, lost: Number, rest: Number | None) -> Number:
    """log(1 + t + rest), where 1 + t = one_plus + lost."""
    found = split(one_plus)
    near = found.k.equals(0)
    kept = select(near, t.of(0) if rest is None else rest, lost if rest is None else lost + rest)
    return log_of(Split(found.k, select(near, t, found.f)), kept / one_plus)


def log1p(t: Number) -> Number:
    """log(1 + t), with all digits also near 0."""
    one_plus = t.plus(1)
    other = one_plus.minus(1)
    lost = t.of(1).minus(one_plus.minus(other)).plus(t.minus(other))
    return or_itself(t, _on_its_domain(one_plus, _log_one_plus(t, one_plus, lost, None)))


def _log_one_plus_exp(t: Number) -> Number:
    """log(1 + e^t) for t ≤ 0."""
    small, rest = scaled(raised(clamped(t, SMALLEST[t.format.name], 0.0)))
    one_plus, lost = sum_and_rest(t.of(1), small)
    return _log_one_plus(small, one_plus, lost, rest)


def softplus(t: Number) -> Number:
    """log(1 + e^t) = max(t, 0) + log(1 + e^−|t|)."""
    return select(t <= 0, t.of(0), t) + _log_one_plus_exp(-abs(t))


def logaddexp(a: Number, b: Number) -> Number:
    """log(e^a + e^b) = max(a, b) + log(1 + e^−|a − b|)."""
    top = select(a >= b, a, b)
    return top + select(a.equals(b), a.of(LN2), _log_one_plus_exp(-abs(a.minus(b))))


def erf(t: Number) -> Number:
    """2/√π·∫_0^t e^−u² du: t + t·S(t²) for |t| < 1, else 1 − e^T(|t| − 1), with the sign of t."""
    size = abs(t)
    near = t + t * polynomial(t * t, table("ERF_SMALL", t))
    beyond = select(size > _ONE_OF_ERF[t.format.name], t.of(_ONE_OF_ERF[t.format.name]), size)
    found = raised(polynomial(beyond.minus(1), table("ERF_LARGE", t)))
    far = 1 - (found.r + found.rest + 1) * found.factor()
    return select(size < 1, near, far.sign_of(t))
