"""Rows of local derivatives, written through the value that is computed already: h for h = f(t).

A function without a row uses SymPy's own `fdiff`.  Kinks are decided here once, for derivatives,
kernels and documents (lecture 001); second derivatives at kinks are 0: no DiracDelta ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    Piecewise,
    Pow,
    S,
    ceiling,
    exp,
    floor,
    frac,
    log,
    sign,
    tanh,
)
from sympy.core.function import AppliedUndef, UndefinedFunction

from symbackprop.functions import (
    Iverson,
    expm1,
    leaky_relu,
    log1p,
    log_gumbel,
    logaddexp,
    masked,
    relu,
    root,
    sigmoid,
    softplus,
    xlogy,
)


@dataclass(frozen=True, slots=True)
class Derivative:
    """∂node/∂args[k] = apply(node, k), for nodes of one function; left and right say it as text."""

    function: type
    left: str
    right: str
    apply: Callable[[Expr, int], Expr]
    why: str
    where: str = ""

    @property
    def name(self) -> str:
        """The row's name, e.g. "derivative of tanh"."""
        return f"derivative of {self.function.__name__}"


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


DERIVATIVES: tuple[Derivative, ...] = (
    Derivative(Add, "∂(a + b)/∂a", "1", lambda node, k: S.One, "linear"),
    Derivative(Mul, "∂(a·b)/∂a", "b", _others, "linear in each factor"),
    Derivative(Pow, "∂(t^p)/∂t, ∂(t^p)/∂p", "p·t^(p − 1), h·log t", _power,
               "t^p = e^(p·log t)", "h = t^p; for p: t > 0"),
    Derivative(exp, "exp′(t)", "h", lambda node, k: node, "h = e^t"),
    Derivative(tanh, "tanh′(t)", "1 − h²", lambda node, k: 1 - node**2,
               "h = tanh t; cosh² − sinh² = 1"),
    Derivative(sigmoid, "sigmoid′(t)", "h·(1 − h)", lambda node, k: node * (1 - node),
               "h = 1/(1 + e^−t), h′ = h²·e^−t"),
    Derivative(softplus, "softplus′(t)", "sigmoid(t)", lambda node, k: sigmoid(node.args[0]),
               "e^t/(1 + e^t) = sigmoid(t)"),
    Derivative(log1p, "log1p′(u)", "1/(1 + u)", lambda node, k: 1 / (1 + node.args[0]),
               "log1p(u) = log(1 + u)"),
    Derivative(expm1, "expm1′(t)", "exp(t)", lambda node, k: exp(node.args[0]),
               "expm1(t) = e^t − 1"),
    Derivative(log_gumbel, "log_gumbel′(t)", "exp(t − e^t − h)",
               lambda node, k: exp(node.args[0] - exp(node.args[0]) - node),
               "h = log(1 − exp(−e^t)), h′ = e^t·exp(−e^t)/e^h"),
    Derivative(logaddexp, "∂logaddexp(a, b, …)/∂a", "sigmoid(−logaddexp(b − a, …))",
               lambda node, k: sigmoid(-logaddexp(*(a - node.args[k] for a in _rest(node, k)))),
               "e^a/(e^a + e^b + …) = 1/(1 + e^(b − a) + …)"),
    Derivative(xlogy, "∂xlogy(x, y)/∂x, /∂y", "log y, x/y",
               lambda node, k: node.args[0] / node.args[1] if k else log(node.args[1]),
               "xlogy(x, y) = x·log y"),
    Derivative(root, "root′(s)", "[h > 0]/(2·h)", lambda node, k: Iverson(node > 0) / (2 * node),
               "h = √s; 0 is a subgradient of a norm at 0"),
    Derivative(relu, "relu′(t)", "[h > 0]", lambda node, k: Iverson(node > 0),
               "h = max(0, t); 0 at the kink"),
    Derivative(leaky_relu, "∂leaky_relu(t, a)/∂t, /∂a", "a + (1 − a)·[t > 0], t·[t ≤ 0]", _leaky,
               "t above 0 and a·t elsewhere; the slope a at the kink"),
    Derivative(Abs, "|t|′", "sign(t)", lambda node, k: sign(node.args[0]), "0 at the kink"),
    Derivative(sign, "sign′(t)", "0", _zero, "constant but at its step"),
    Derivative(floor, "floor′(t)", "0", _zero, "constant but at its steps"),
    Derivative(ceiling, "ceiling′(t)", "0", _zero, "constant but at its steps"),
    Derivative(Mod, "∂(t mod m)/∂t, /∂m", "1, −floor(t/m)",
               lambda node, k: -floor(node.args[0] / node.args[1]) if k else S.One,
               "t mod m = t − m·floor(t/m)"),
    Derivative(frac, "frac′(t)", "1", lambda node, k: S.One, "frac t = t − floor(t)"),
    Derivative(Heaviside, "Heaviside′(t)", "0", _zero, "constant but at its step"),
    Derivative(Iverson, "∂[c]", "0", _zero, "constant but where c changes"),
    Derivative(KroneckerDelta, "∂δ", "0", _zero, "of integers"),
    Derivative(Max, "∂max(a, b)/∂a", "[a > b] + [a = b]/2", _max_zero,
               "½ to each at a tie; of max(0, t): [t > 0]"),
    Derivative(Min, "∂min(a, b)/∂a", "[a < b] + [a = b]/2", _max_zero,
               "½ to each at a tie; of min(0, t): [t < 0]"),
    Derivative(Piecewise, "∂{f if c; g otherwise}/∂f", "[c]", masked,
               "a bracket is strongly zero: what is undefined in a branch not taken never leaks"),
)
LOCAL_DERIVATIVES = {row.function: row.apply for row in DERIVATIVES}


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
