"""Functions of one instruction or selection: NaN stays NaN in each, as in the interpreter."""

from __future__ import annotations

from symbackprop.codegen.arithmetic import Number, select


def relu(t: Number) -> Number:
    """max(0, t)."""
    return select(t <= 0, t.of(0), t)


def leaky_relu(t: Number, slope: Number) -> Number:
    """t for t > 0, slope·t otherwise."""
    return select(t <= 0, slope * t, t)


def sign(t: Number) -> Number:
    """−1, 0 or 1."""
    return select(t > 0, t.of(1), select(t < 0, t.of(-1), t))


def maximum(a: Number, b: Number) -> Number:
    """The greater of two."""
    return a.greatest(b)


def minimum(a: Number, b: Number) -> Number:
    """The lesser of two."""
    return a.least(b)


def minus(a: Number, b: Number) -> Number:
    """a − b, rounded on its own."""
    return a.minus(b)


def sqrt(t: Number) -> Number:
    """√t.  The selection, of what √0 is anyway, hides the root from a division by it.

    A kernel's divisions may multiply by an inverse, and LLVM then estimates 1/√t, which is NaN at
    0 and at ∞ (seen with AVX2).
    """
    return select(t.equals(0), t, t.root())
