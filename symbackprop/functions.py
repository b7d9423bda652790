"""Scalar functions, and the local derivative of every function, written through its output.

    σ(t) = 1/(1 + e^−t),  σ′ = σ(1 − σ)          relu(t) = max(0, t),  relu′ = [t > 0]
    tanh′ = 1 − tanh²,    exp′ = exp             softplus(t) = log(1 + e^t),  softplus′ = σ

`LOCAL_DERIVATIVES[class](node, k)` is ∂node/∂args[k] in terms of node and its arguments; a function
without a row uses SymPy's own `fdiff`.  Kinks (lecture 001, one table for derivative, kernel and
docs): relu′(0) = 0, |·|′(0) = 0, leaky_relu′(0) = the slope, Max(a, b) at a tie ½ to each, and
second derivatives at kinks are 0: no DiracDelta ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import (
    Abs,
    Add,
    And,
    Eq,
    Expr,
    Ge,
    Heaviside,
    KroneckerDelta,
    Le,
    Max,
    Min,
    Mod,
    Mul,
    Not,
    Piecewise,
    Pow,
    Rational,
    S,
    ceiling,
    exp,
    floor,
    log,
    sign,
    tanh,
)
from sympy.core.evalf import prec_to_dps
from sympy.core.function import AppliedUndef, UndefinedFunction
from sympy.logic.boolalg import Boolean

from symbackprop.accurate import (
    RealFunction,
    expm1,
    log1p,
    logaddexp,
    root,
    softplus,
    spelled,
    xlogy,
)

__all__ = ["Iverson", "expm1", "leaky_relu", "local_derivative", "log1p", "logaddexp", "relu",
           "root", "sigmoid", "softplus", "spelled", "xlogy"]


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


def _power(node: Expr, k: int) -> Expr:
    base, exponent = node.args
    if k == 1:
        return node * log(base) if base.is_positive else xlogy(node, base)  # 0 where 0^e is 0
    return exponent * base ** (exponent - 1)


def _extremum(node: Expr, k: int) -> Expr:
    """Max and Min: one over the number of ties, at those arguments that attain it."""
    if len(node.args) == 2:
        this, other = node.args[k], node.args[1 - k]
        larger, smaller = (this, other) if isinstance(node, Max) else (other, this)
        return Iverson(larger > smaller) + Iverson(Eq(larger, smaller)) / 2
    beats = Ge if isinstance(node, Max) else Le  # not Eq(arg, node): rounding may part the two
    ties = [Iverson(And(*(beats(arg, other) for other in node.args if other != arg)))
            for arg in node.args]
    return ties[k] / Add(*ties)


def _max_zero(node: Expr, k: int) -> Expr:
    """Max(0, t) is relu(t), and Min(0, t) is −relu(−t): the derivative at 0 is 0."""
    others = [arg for arg in node.args if arg != 0]
    if len(node.args) == 2 and len(others) == 1:
        (t,) = others
        return Iverson(t > 0) if isinstance(node, Max) else Iverson(t < 0)
    return _extremum(node, k)


def _leaky(node: Expr, k: int) -> Expr:
    t, slope = node.args
    return t * Iverson(t <= 0) if k else slope + (1 - slope) * Iverson(t > 0)


def _zero(node: Expr, k: int) -> Expr:
    return S.Zero


def _rest(node: Expr, k: int) -> tuple[Expr, ...]:
    return (*node.args[:k], *node.args[k + 1 :])


def _others(node: Expr, k: int) -> Expr:
    return Mul(*_rest(node, k))


LOCAL_DERIVATIVES: dict[type, Callable[[Expr, int], Expr]] = {
    Add: lambda node, k: S.One,
    Mul: _others,
    Pow: _power,
    exp: lambda node, k: node,
    tanh: lambda node, k: 1 - node**2,
    sigmoid: lambda node, k: node * (1 - node),
    softplus: lambda node, k: sigmoid(node.args[0]),
    log1p: lambda node, k: 1 / (1 + node.args[0]),
    expm1: lambda node, k: exp(node.args[0]),
    logaddexp: lambda node, k: sigmoid(-logaddexp(*(a - node.args[k] for a in _rest(node, k)))),
    xlogy: lambda node, k: node.args[0] / node.args[1] if k else log(node.args[1]),
    root: lambda node, k: Iverson(node > 0) / (2 * node),
    relu: lambda node, k: Iverson(node > 0),
    leaky_relu: _leaky,
    Abs: lambda node, k: sign(node.args[0]),
    sign: _zero,
    floor: _zero,
    ceiling: _zero,
    Mod: lambda node, k: -floor(node.args[0] / node.args[1]) if k else S.One,
    Heaviside: _zero,
    Iverson: _zero,
    KroneckerDelta: _zero,
    Max: _max_zero,
    Min: _max_zero,
}


def local_derivative(node: Expr, k: int) -> Expr:
    """∂node/∂args[k], in terms of the node itself where that is shorter.

    >>> from sympy import Symbol, tanh
    >>> local_derivative(tanh(Symbol("t", real=True)), 0)
    1 - tanh(t)**2
    """
    row = LOCAL_DERIVATIVES.get(type(node))
    if row is not None:
        return row(node, k)
    if isinstance(node, AppliedUndef):
        return prime(node, k)
    return node.fdiff(k + 1)


def prime(node: Expr, k: int) -> Expr:
    """The derivative of an undefined function is an undefined function: σ′, or ∂2f of several."""
    name = node.func.__name__
    marked = f"{name}′" if len(node.args) == 1 else f"∂{k + 1}{name}"
    return UndefinedFunction(marked, real=True)(*node.args)


def branches(node: Piecewise) -> list[tuple[Expr, Boolean]]:
    """The (value, condition) pairs of a Piecewise."""
    return [(pair.args[0], pair.args[1]) for pair in node.args]


def masked(node: Piecewise, chosen: int) -> Expr:
    """[this branch decides]: the derivative of a Piecewise by its branch; a bracket is strongly
    zero, so that what is undefined in a branch that is not taken never leaks."""
    conditions = [condition for _, condition in branches(node)]
    return Iverson(And(*(Not(earlier) for earlier in conditions[:chosen]), conditions[chosen]))
