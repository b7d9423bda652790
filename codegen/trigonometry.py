"""sin and cos of any number, however large, without a branch (after Payne and Hanek 1983).

    t = M·2^e       M whole; 2^e·2/π modulo 4 stands in a table, as a sum of four numbers

Their products with M are exact sums of two numbers each; whole multiples of 4 quarters are taken
off, and what is left is a quarter n and an angle of at most π/4, also as a sum of two numbers.
No number of float64 comes nearer to a multiple of π/2 than 2^−61, which leaves all digits.
"""

from __future__ import annotations

from functools import cache
from math import inf, nan

import mpmath
from llvmlite import ir

from symbackprop.codegen.arithmetic import (
    Bits,
    Format,
    Number,
    polynomial,
    product_and_rest,
    select,
    sum_and_rest,
    sum_and_rest_in_any_order,
)
from symbackprop.codegen.elementary import or_itself, table

PARTS = 4


def sin(t: Number) -> Number:
    """sin t; NaN at ±∞."""
    return or_itself(t, _turned(t, 0), 2)


def cos(t: Number) -> Number:
    """cos t = sin(t + π/2); NaN at ±∞."""
    return _turned(t, 1)


def costurn(t: Number) -> Number:
    """cos 2πt of a few turns: 4t less the nearest whole number is exact, and needs no table."""
    magic = 1.5 * 2**(t.format.digits - 1)
    shifted = (t * 4).plus(magic)
    f = (t * 4).minus(shifted.minus(magic))
    half_pi, half_pi_rest = table("HALF_PI", t)
    r, lost = product_and_rest(f, half_pi)
    return _sine(shifted.bits + 1, r, lost + f * half_pi_rest)


def _turned(t: Number, quarters: int) -> Number:
    """sin(t + quarters·π/2)."""
    quarter, r, rest = _reduced(t)
    return select(abs(t) < inf, _sine(quarter + quarters, r, rest), nan)


def _sine(quarter: Bits, r: Number, rest: Number) -> Number:
    """sin(quarter·π/2 + r + rest) for |r| ≤ π/4."""
    t, z = r, r * r
    sine = r + (r * z * polynomial(z, table("SIN", t)) + rest)
    near_one, lost = sum_and_rest(t.of(1), z * -0.5)
    cosine = near_one + (lost + (z * z * polynomial(z, table("COS", t)) - r * rest))
    found = select((quarter & 1).is_zero(), sine, cosine)
    turned = found.bits ^ ((quarter & 2) << (t.format.width - 2))
    return turned.number


def _reduced(t: Number) -> tuple[Bits, Number, Number]:
    """A whole number n as bits, r and rest, where t = n·π/2 + r + rest modulo 2·π."""
    digits, bias = t.format.digits, t.format.bias
    size = abs(t)
    size = select(size < 1, t.of(1), size)
    stored = size.bits >> (digits - 1)
    scale = size.of(0).bits + (2 * bias + digits - 1) - stored
    whole = t * (scale << (digits - 1)).number
    products = [product_and_rest(whole, part) for part in _looked_up(stored - bias)]
    (a, a_rest), (b, b_rest), (c, c_rest), (d, _) = products
    a = a - 4 * (a * 0.25).whole()
    magic = 1.5 * 2**(digits - 1)
    shifted = (a + a_rest + b).plus(magic)
    joined = sum_and_rest_in_any_order
    first, lost_1 = joined(a.minus(shifted.minus(magic)), a_rest)
    first, lost_2 = joined(first, b)
    tail, lost_3 = joined(lost_1, lost_2)
    tail, lost_4 = joined(tail, b_rest)
    tail, lost_5 = joined(tail, c)
    f, lost_6 = joined(first, tail)
    f, f_rest = sum_and_rest(f, lost_6 + (lost_3 + lost_4 + lost_5 + c_rest + d))
    half_pi, half_pi_rest = table("HALF_PI", t)
    r, lost = product_and_rest(f, half_pi)
    return shifted.bits, r, lost + (f * half_pi_rest + f_rest * half_pi)


def _looked_up(exponent: Bits) -> list[Number]:
    """The row of the table for numbers from 2^exponent to its double."""
    builder, format_ = exponent.builder, exponent.format
    name = f"symbackprop.turns.{format_.name}"
    if name not in builder.module.globals:
        entries = [number for row in turns(format_) for number in row]
        kind = ir.ArrayType(format_.real, len(entries))
        made = ir.GlobalVariable(builder.module, kind, name)
        made.linkage, made.global_constant = "internal", True
        made.initializer = kind(entries)
    found = []
    for part in range(PARTS):
        place = ((exponent << 2) + part).value
        address = builder.gep(builder.module.globals[name], [format_.whole(0), place],
                              inbounds=True)
        found.append(Number(builder, builder.load(address), format_))
    return found


@cache
def turns(format_: Format) -> tuple[tuple[float, ...], ...]:
    """2^e·2/π modulo 4 as sums of four numbers, where M·2^e is any number from 1 up; 0 for ∞."""
    rows: list[tuple[float, ...]] = []
    with mpmath.workprec(2 * format_.bias + PARTS * format_.digits):
        for exponent in range(format_.bias + 1):
            left = mpmath.ldexp(2 / mpmath.pi, exponent - format_.digits + 1) % 4
            row = []
            for _ in range(PARTS):
                with mpmath.workprec(format_.digits):
                    part = +left
                row.append(float(part))
                left -= part
            rows.append(tuple(row))
    return (*rows, (0.0,) * PARTS)
