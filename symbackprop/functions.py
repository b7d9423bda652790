"""Scalar functions of networks; their local derivatives are rows in `rules/derivatives.py`.

    σ(t) = 1/(1 + e^−t)      relu(t) = max(0, t)      softplus(t) = log(1 + e^t)
"""

from __future__ import annotations

from typing import Any

from sympy import (
    And,
    Expr,
    Not,
    Piecewise,
    Rational,
    S,
    exp,
)
from sympy.core.evalf import prec_to_dps
from sympy.logic.boolalg import Boolean

from symbackprop.accurate import (
    RealFunction,
    costurn,
    expm1,
    log1p,
    log_gumbel,
    logaddexp,
    root,
    softplus,
    spelled,
    xlogy,
)

__all__ = ["Iverson", "costurn", "expm1", "leaky_relu", "log1p", "log_gumbel", "logaddexp",
           "relu", "root", "sigmoid", "softplus", "spelled", "xlogy"]


class relu(RealFunction):  # noqa: N801  functions are named as they are written in formulas
    """relu(t) = max(0, t), with relu′(0) = 0.

    >>> relu(-2), relu(3)
    (0, 3)
    """

    nargs = 1

    @classmethod
    def eval(cls, t: Expr) -> Expr | None:
        """Numbers, and arguments of known sign, evaluate at once."""
        if t.is_nonnegative:
            return t
        return S.Zero if t.is_nonpositive else None


class leaky_relu(RealFunction):  # noqa: N801
    """leaky_relu(t, slope) = t for t > 0, slope·t otherwise; by default slope = 0.1."""

    nargs = (1, 2)

    def __new__(cls, t: Any, slope: Any = Rational(1, 10), **options: Any) -> Expr:
        made: Expr = super().__new__(cls, t, slope, **options)
        return made

    @classmethod
    def eval(cls, t: Expr, slope: Expr) -> Expr | None:
        """Numbers, and arguments of known sign, evaluate at once."""
        if t.is_nonnegative:
            return t
        return slope * t if t.is_nonpositive else None


class sigmoid(RealFunction):  # noqa: N801
    """sigmoid(t) = 1/(1 + e^−t).

    >>> sigmoid(0)
    1/2
    """

    nargs = 1
    is_positive = True

    @classmethod
    def eval(cls, t: Expr) -> Expr | None:
        """sigmoid(0) = 1/2, and the limits at ±∞."""
        return {S.Zero: S.Half, S.Infinity: S.One, S.NegativeInfinity: S.Zero}.get(t)

    def _eval_evalf(self, prec: int) -> Expr:
        return (1 / (1 + exp(-self.args[0]))).evalf(prec_to_dps(prec))


class Iverson(RealFunction):
    """Iverson(c) = [c]: one where the condition c holds, else zero; its derivative is zero.

    >>> from sympy import Symbol
    >>> Iverson(Symbol("t", real=True) > 0)
    Iverson(t > 0)
    """

    nargs = 1
    is_nonnegative = True
    is_integer = True

    @classmethod
    def eval(cls, condition: Boolean) -> Expr | None:
        """A condition that is decided is a number."""
        if condition == S.true:
            return S.One
        return S.Zero if condition == S.false else None

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return S.Zero


def branches(node: Piecewise) -> list[tuple[Expr, Boolean]]:
    """The (value, condition) pairs of a Piecewise."""
    return [(pair.args[0], pair.args[1]) for pair in node.args]


def masked(node: Piecewise, chosen: int) -> Expr:
    """[this branch decides]: the derivative of a Piecewise by its branch; a bracket is strongly
    zero, so that what is undefined in a branch that is not taken never leaks."""
    conditions = [condition for _, condition in branches(node)]
    return Iverson(And(*(Not(earlier) for earlier in conditions[:chosen]), conditions[chosen]))
