"""Losses: means over samples of sums over outputs, of equal shapes, nothing broadcast.

    squared_error(ŷ, y) = 1/N Σ_n Σ_k (ŷ[n,k] − y[n,k])²        N is the extent of the first axis
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import Abs, Expr, Sum, log

from symbackprop.arrays import Array, made, operand, read
from symbackprop.broadcasting import letters_for
from symbackprop.errors import DeclarationError

__all__ = ["absolute_error", "binary_cross_entropy", "cross_entropy", "squared_error"]


def squared_error(prediction: Any, target: Any) -> Expr:
    """1/N Σ (ŷ − y)².

    >>> import symbackprop as sb
    >>> N = sb.size("N")
    >>> print(sb.program(sb.losses.squared_error(sb.data("o", N, 3), sb.data("y", N, 3))))
    L = (Σ_{n,i} (o[n,i] − y[n,i])²)/N
    """
    return _mean("squared_error", prediction, target, lambda p, y: (p - y) ** 2)


def absolute_error(prediction: Any, target: Any) -> Expr:
    """1/N Σ|ŷ − y|, with derivative 0 where they are equal."""
    return _mean("absolute_error", prediction, target, lambda p, y: Abs(p - y))


def binary_cross_entropy(prediction: Any, target: Any) -> Expr:
    """−1/N Σ (y log p + (1 − y) log(1 − p)) for probabilities p and targets from 0 to 1."""
    return _mean("binary_cross_entropy", prediction, target,
                 lambda p, y: -(y * log(p) + (1 - y) * log(1 - p)))


def cross_entropy(prediction: Any, target: Any) -> Expr:
    """−1/N Σ_n Σ_k y log p for one-hot rows y, or −1/N Σ_n log p[n, y[n]] for integer labels y.

    prediction: probabilities, the classes along the last axis; target: the same shape, or
    the shape without the classes and the fact sb.label(number of classes).  A vector that was
    declared one-hot is one sample.
    Raises DeclarationError where neither fits.

    >>> import symbackprop as sb
    >>> N = sb.size("N")
    >>> p, y = sb.data("p", N, 10), sb.data("y", N, facts=[sb.label(10)])
    >>> print(sb.program(sb.losses.cross_entropy(p, y)))
    L = −(Σ_n log(p[n,y[n]]))/N
    """
    if isinstance(prediction, Array) and isinstance(target, Array):
        if target.axes == prediction.axes[:-1] and target.axes != prediction.axes:
            return _label_cross_entropy(prediction, target)
        if target.has_fact("label"):
            raise DeclarationError(
                f"cross_entropy: the labels {_shown(target)} need the shape of {_shown(prediction)}"
                f" without its last axis, {prediction.axes[:-1]}"
            )
    classes = isinstance(target, Array) and any(
        fact.kind in ("one_hot", "simplex") and fact.axes == (0,) for fact in target.facts)
    return _mean("cross_entropy", prediction, target, lambda p, y: -y * log(p), one=classes)


def _label_cross_entropy(prediction: Array, target: Array) -> Expr:
    if not target.has_fact("label"):
        raise DeclarationError(
            f"cross_entropy: {_shown(target)} has no axis for the classes of {_shown(prediction)}; "
            f"declare integer labels with facts=[sb.label({prediction.axes[-1]})]"
        )
    letters = letters_for(target.axes, [target])
    chosen = read(prediction, (*letters, read(target, letters)))
    return made((), -Sum(log(chosen), *letters) / target.axes[0])


def _mean(name: str, prediction: Any, target: Any, each: Callable[[Expr, Expr], Expr],
          one: bool = False) -> Expr:
    """The mean over samples of the sum over outputs of each(ŷ, y); one: there is one sample."""
    p, y = operand(prediction), operand(target)
    if not isinstance(p, Array) and not isinstance(y, Array):
        return each(p, y)
    if not isinstance(p, Array) or not isinstance(y, Array) or p.axes != y.axes:
        raise DeclarationError(
            f"{name}: prediction and target need equal shapes; the prediction is {_shown(p)}, "
            f"the target {_shown(y)}; nothing is broadcast in a loss"
        )
    letters = letters_for(p.axes, [p, y])
    body = each(read(p, letters), read(y, letters))
    coefficient, rest = body.as_coeff_Mul()
    total = coefficient * Sum(rest, *letters) / (1 if one else p.axes[0])
    return made((), total)


def _shown(given: Array | Expr) -> str:
    if isinstance(given, Array):
        shape = ", ".join(map(str, given.axes))
        return f"{given._spoken} of shape ({shape}), declared at {given.where}"
    return f"the scalar {given}"
