"""Rows that make a formula safe from overflow and cancellation, by its shape and not by its name.

The user's own 1/(1 + exp(−z)) and log(1 + exp(z)) become sigmoid and softplus *before* anything
is differentiated, so that gradients are stable too: log sigmoid(t) = −softplus(−t), and its
derivative is sigmoid(−t), without a quotient that overflows.
"""

from __future__ import annotations

from sympy import cosh, exp, log, sinh, tanh

from symbackprop.functions import expm1, logaddexp, sigmoid, softplus
from symbackprop.rewriting import Hole, Rule
from symbackprop.rules.exponentials import EXPONENTIALS

t = Hole("t")
c = Hole("c", positive=True)
m = Hole("m", negative=True)

STABILITY: tuple[Rule, ...] = (
    Rule("own sigmoid", (1 + exp(t)) ** m, sigmoid(-t) ** (-m),
         "1/(1 + e^t) = sigmoid(−t) by definition; left overflows where e^t does"),
    Rule("quotient sigmoid", exp(t) * sigmoid(-t), sigmoid(t),
         "e^t/(1 + e^t) = 1/(1 + e^−t)"),
    Rule("own softplus", log(1 + exp(t)), softplus(t),
         "softplus is the name of log(1 + e^t), evaluated as max(t, 0) + log1p(e^−|t|)"),
    Rule("log sigmoid", log(sigmoid(t)), -softplus(-t),
         "log 1/(1 + e^−t) = −log(1 + e^−t); left is −∞ where sigmoid underflows"),
    Rule("log of a scaled exponential", log(c * exp(t)), log(c) + t,
         "log(c·e^t) = log c + t for c > 0; left overflows where e^t does"),
    Rule("own tanh", expm1(t) * sigmoid(-t), tanh(t / 2),
         "(e^t − 1)/(e^t + 1) = tanh(t/2)"),
    Rule("hyperbolic quotient", sinh(t) / cosh(t), tanh(t),
         "tanh = sinh/cosh by definition; left is ∞/∞ where cosh overflows"),
    Rule("log of a hyperbolic cosine", log(cosh(t)), logaddexp(t, -t) - log(2),
         "cosh(t) = (e^t + e^−t)/2; left overflows where cosh does"),
    *EXPONENTIALS,
)
