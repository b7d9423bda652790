"""Losses: means over samples of sums over outputs, of equal shapes, nothing broadcast.

    squared_error(ŷ, y) = 1/N Σ_n Σ_k (ŷ[n,k] − y[n,k])²        N is the extent of the first axis

Losses of classes are in `classification.py`.  sample_weights is a tensor w with one number for
each sample, 1/N Σ_n w[n]·Σ_k …; losses of several outputs are weighted and summed with * and +.
A number in a loss (δ, τ, a margin) stays in the formula; given as sb.hyper it can be changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import Abs, Expr, Piecewise, exp, log

from symbackprop.broadcasting import is_scalar, scalar_operand
from symbackprop.classification import (
    binary_cross_entropy,
    cross_entropy,
    hinge,
    squared_hinge,
)
from symbackprop.errors import DeclarationError
from symbackprop.functions import relu
from symbackprop.means import in_range, mean_of, scalar_of

__all__ = ["absolute_error", "binary_cross_entropy", "credit_risk", "cross_entropy",
           "elementwise", "hinge", "huber", "poisson", "quantile", "squared_error",
           "squared_hinge"]


def squared_error(prediction: Any, target: Any, sample_weights: Any = None) -> Expr:
    """1/N Σ (ŷ − y)².

    >>> import symbackprop as sb
    >>> N = sb.size("N")
    >>> print(sb.program(sb.losses.squared_error(sb.data("o", N, 3), sb.data("y", N, 3))))
    L = (Σ_{n,i} (o[n,i] − y[n,i])²)/N
    """
    return mean_of("squared_error", prediction, target, lambda p, y: (p - y)**2, sample_weights)


def absolute_error(prediction: Any, target: Any, sample_weights: Any = None) -> Expr:
    """1/N Σ|ŷ − y|, with derivative 0 where they are equal."""
    return mean_of("absolute_error", prediction, target, lambda p, y: Abs(p - y), sample_weights)


def huber(prediction: Any, target: Any, delta: Any = 1, sample_weights: Any = None) -> Expr:
    """1/N Σ (e²/2 where |e| < δ, else δ·(|e| − δ/2)), e = ŷ − y (Huber 1964).

    >>> import symbackprop as sb
    >>> o, y = sb.data("o", sb.size("N")), sb.data("y", sb.size("N"))
    >>> print(sb.program(sb.losses.huber(o, y)))
    L = (Σ_n {(o[n] − y[n])²/2 if |o[n] − y[n]| < 1; |o[n] − y[n]| − 1/2 otherwise})/N
    """
    end = in_range("huber: delta", delta, "positive")

    def each(p: Expr, y: Expr) -> Expr:
        e = p - y
        return Piecewise((e**2 / 2, Abs(e) < end), (end * (Abs(e) - end / 2), True))

    return mean_of("huber", prediction, target, each, sample_weights)


def quantile(prediction: Any, target: Any, tau: Any = 0.5, sample_weights: Any = None) -> Expr:
    """1/N Σ (τ·max(0, e) + (1 − τ)·max(0, −e)), e = y − ŷ; the derivative at e = 0 is 0.

    Its minimum is the τ-quantile of y; τ = ½ gives half the absolute error (Koenker & Bassett
    1978).  Raises DeclarationError for a τ that is not between 0 and 1.
    """
    share = _between_zero_and_one("quantile: tau", tau)
    return mean_of("quantile", prediction, target,
                   lambda p, y: share * relu(y - p) + (1 - share) * relu(p - y), sample_weights)


def poisson(prediction: Any, target: Any, logits: bool = False,
            sample_weights: Any = None) -> Expr:
    """1/N Σ (λ − y·log λ), for rates λ > 0 and counts y; the constant log y! is left out.

    logits: the prediction is log λ, so that the loss is 1/N Σ (e^z − y·z).
    """
    each: Callable[[Expr, Expr], Expr] = (lambda z, y: exp(z) - y * z) if logits else (
        lambda p, y: p - y * log(p))
    return mean_of("poisson", prediction, target, each, sample_weights)


def credit_risk(approval: Any, repaid: Any, strength: Any = 1, sample_weights: Any = None) -> Expr:
    """1/N Σ ((p − y)² + ρ·(1 − y)·p²): a penalty for approving who will not repay (lecture 001).

    approval: p, from 0 to 1; repaid: y, 1 for a loan that was paid back, else 0; strength: ρ, a
    number of 0 or more, or a hyper.  A larger ρ gives fewer bad loans, and fewer good ones.
    Raises DeclarationError for a strength below 0.

    >>> import symbackprop as sb
    >>> p, y, rho = sb.data("p", sb.size("N")), sb.data("y", sb.size("N")), sb.hyper("rho", 4)
    >>> print(sb.program(sb.losses.credit_risk(p, y, rho)))
    L = (Σ_n ((p[n] − y[n])² + rho·p[n]²·(1 − y[n])))/N
    """
    rho = in_range("credit_risk: the strength", strength, "not_negative")
    return mean_of("credit_risk", approval, repaid,
                   lambda p, y: (p - y)**2 + rho * (1 - y) * p**2, sample_weights)


def elementwise(prediction: Any, target: Any, function: Callable[[Expr, Expr], Any],
                sample_weights: Any = None) -> Expr:
    """1/N Σ f(ŷ, y) for any SymPy expression f.

    Raises DeclarationError where f(ŷ, y) is no scalar.

    >>> import sympy
    >>> import symbackprop as sb
    >>> o, y = sb.data("o", sb.size("N")), sb.data("y", sb.size("N"))
    >>> print(sb.program(sb.losses.elementwise(o, y, lambda p, y: sympy.log(sympy.cosh(p - y)))))
    L = (Σ_n log(cosh(o[n] − y[n])))/N
    """
    if not callable(function):
        raise DeclarationError(f"elementwise: the loss is a function of prediction and target, not "
                               f"{function!r}; write e.g. lambda p, y: (p - y)**4")

    def each(p: Expr, y: Expr) -> Expr:
        wanted = "write e.g. lambda p, y: (p - y)**4, with functions of sb or SymPy, not NumPy"
        try:
            value = function(p, y)
        except TypeError as error:
            raise DeclarationError("elementwise: the loss takes no prediction and target that are "
                                   f"SymPy scalars ({error}); {wanted}") from error
        if not is_scalar(value):
            raise DeclarationError(f"elementwise: the loss gives {value!r}, which is no scalar; "
                                   f"{wanted}")
        return scalar_operand(value)

    return mean_of("elementwise", prediction, target, each, sample_weights)


def _between_zero_and_one(name: str, given: Any) -> Expr:
    number = scalar_of(name, given)
    if number.is_number and not (number.is_positive and (1 - number).is_positive):
        raise DeclarationError(f"{name} must lie between 0 and 1, not {given!r}")
    return number
