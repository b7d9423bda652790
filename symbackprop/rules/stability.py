"""Rows that make a formula safe from overflow and cancellation, by its shape and not by its name.

The user's own 1/(1 + exp(−z)) and log(1 + exp(z)) become sigmoid and softplus *before* anything
is differentiated, so that gradients are stable too: log sigmoid(t) = −softplus(−t), and its
derivative is sigmoid(−t), without a quotient that overflows.
"""

from __future__ import annotations

from sympy import (
    Add,
    Expr,
    Pow,
    Rational,
    asinh,
    cosh,
    exp,
    expand,
    log,
    sinh,
    sqrt,
    tanh,
)

from symbackprop.functions import expm1, logaddexp, sigmoid, softplus
from symbackprop.rewriting import Hole, Rule
from symbackprop.rules.exponentials import EXPONENTIALS

t = Hole("t")
a = Hole("a")
m = Hole("m", negative=True)


def _own_asinh(node: Expr) -> Expr | None:
    """log(t + √(t² + 1)), whatever sum t is."""
    for term in Add.make_args(node.args[0]):
        if isinstance(term, Pow) and term.args[1] == Rational(1, 2):
            rest = node.args[0] - term
            if rest != 0 and expand(term.args[0] - rest**2) == 1:
                return asinh(rest)
    return None


STABILITY: tuple[Rule, ...] = (
    Rule("own sigmoid", (1 + exp(t)) ** m, sigmoid(-t) ** (-m),
         "1/(1 + e^t) = sigmoid(−t) by definition; left overflows where e^t does"),
    Rule("quotient sigmoid", exp(t) * sigmoid(-t), sigmoid(t),
         "e^t/(1 + e^t) = 1/(1 + e^−t)"),
    Rule("own softplus", log(1 + exp(t)), softplus(t),
         "softplus is the name of log(1 + e^t), evaluated as max(t, 0) + log1p(e^−|t|)"),
    Rule("log sigmoid", log(sigmoid(t)), -softplus(-t),
         "log 1/(1 + e^−t) = −log(1 + e^−t); left is −∞ where sigmoid underflows"),
    Rule("log of a scaled exponential", log(a * exp(t)), log(a) + t,
         "log(a·e^t) = log a + t, where either exists; left overflows where e^t does",
         domain=(0.1, 3.0)),
    Rule("own tanh", expm1(t) * sigmoid(-t), tanh(t / 2),
         "(e^t − 1)/(e^t + 1) = tanh(t/2)"),
    Rule("hyperbolic quotient", sinh(t) * cosh(t) ** m, tanh(t) * cosh(t) ** (m + 1),
         "tanh = sinh/cosh by definition; left is ∞/∞ where cosh overflows"),
    Rule("own inverse of sinh", log(t + sqrt(t**2 + 1)), asinh(t),
         "sinh u = t solved for e^u; left cancels for t < 0", by=_own_asinh),
    Rule("quotient by an exponential less one", exp(t) * expm1(t) ** m,
         -expm1(t) ** (m + 1) / expm1(-t),
         "e^t/(e^t − 1) = 1/(1 − e^−t); left is ∞/∞ where e^t overflows", domain=(0.5, 3.0),
         where="m < 0"),
    Rule("log of an exponential less one", log(expm1(t)), t + log(-expm1(-t)),
         "e^t − 1 = e^t·(1 − e^−t) (Mächler 2012); left overflows where e^t does",
         domain=(0.5, 3.0)),
    Rule("log of a hyperbolic cosine", log(cosh(t)), logaddexp(t, -t) - log(2),
         "cosh(t) = (e^t + e^−t)/2; left overflows where cosh does"),
    *EXPONENTIALS,
)
