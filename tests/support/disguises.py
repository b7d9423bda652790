"""The ways in which people write softmax, log-softmax, log-sum-exp, sigmoid, softplus and tanh.

Each form makes definitions under random names and gives the entry of the last one; what it means
is computed at fifty digits by `SCALARS` and `vector_reference`, from textbook formulas.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import sympy as sp
from mpmath import mpf
from sympy import Max, Rational, Sum, cosh, exp, log, sinh, tanh

import symbackprop as sb
from symbackprop.functions import sigmoid, softplus
from symbackprop.notation import LogSumExp


class Writer:
    """Random names, letters and extents, and a logit tensor of rows and classes."""

    def __init__(self, rng: np.random.Generator, rows: object, classes: int) -> None:
        letters = list("abcdefghijklmnopqrstuvwxyz")
        rng.shuffle(letters)
        self.names = iter(f"{a}{b}" for a in letters for b in letters)
        self.n, self.k, self.j, self.i = sb.indices(
            " ".join(letters[:4]), rows, classes, classes, classes)
        self.rng, self.scale = rng, Rational(1)
        self.z = sb.parameter(next(self.names), self.n, self.k)
        self.shift = sb.data(next(self.names), self.n)

    def define(self, body: sp.Expr, *letters: sp.Idx):
        """A named definition; over rows and classes if no letters are given."""
        made = sb.define(next(self.names), letters or (self.n, self.k), body)
        return made[letters or (self.n, self.k)]

    def row(self, body: sp.Expr):
        """A named definition over the rows."""
        return self.define(body, self.n)


def largest(w: Writer, t: sp.Expr) -> sp.Expr:
    """max_i of a row, over a letter of its own."""
    return sb.Maximum(t.xreplace({w.k: w.i}), w.i)


def total(w: Writer, body: sp.Expr) -> sp.Expr:
    """Σ_k body, over one of two letters."""
    letter = w.k if w.rng.random() < 0.5 else w.j
    return Sum(body.xreplace({w.k: letter}), letter)


def _named(w: Writer, t: sp.Expr) -> sp.Expr:
    e = w.define(exp(t))
    s = w.row(total(w, e))
    return w.define(e/s)


def _inverse_named(w: Writer, t: sp.Expr) -> sp.Expr:
    top = w.row(largest(w, t))
    d = w.define(t - top)
    e = w.define(exp(d))
    s = w.row(total(w, e))
    return w.define(e*w.row(1/s))


def _shifted(w: Writer, t: sp.Expr, top: sp.Expr) -> sp.Expr:
    return w.define(exp(t - top)/total(w, exp(t - top)))


def _by_logarithm(w: Writer, t: sp.Expr) -> sp.Expr:
    top = w.row(largest(w, t))
    lse = w.row(top + log(total(w, exp(t - top))))
    return w.define(exp(t - lse))


def _tempered(w: Writer, t: sp.Expr) -> sp.Expr:
    w.scale = [Rational(1, 2), Rational(-2, 3), 1/sp.sqrt(5)][w.rng.integers(3)]
    return w.define(exp(w.scale*t)/total(w, exp(w.scale*t)))


SOFTMAX: dict[str, Callable[[Writer, sp.Expr], sp.Expr]] = {
    "plain": lambda w, t: w.define(exp(t)/total(w, exp(t))),
    "maximum": lambda w, t: _shifted(w, t, largest(w, t)),
    "maximum named": lambda w, t: _shifted(w, t, w.row(largest(w, t))),
    "constant": lambda w, t: _shifted(w, t, sp.Integer(7)),
    "data": lambda w, t: _shifted(w, t, w.shift[w.n]),
    "mixed": lambda w, t: w.define(exp(t - w.shift[w.n])/(exp(-w.shift[w.n])*total(w, exp(t)))),
    "scaled": lambda w, t: w.define(3*exp(t)/total(w, 3*exp(t))),
    "named": _named,
    "inverse named": _inverse_named,
    "by logarithm": _by_logarithm,
    "inverse sum": lambda w, t: w.define(1/Sum(exp(t.xreplace({w.k: w.j}) - t), w.j)),
    "product": lambda w, t: w.define(exp(-log(total(w, exp(t))))*exp(t)),
    "tempered": _tempered,
    "primitive": lambda w, t: w.define(exp(t - LogSumExp(t, w.k))),
}
LOG_SOFTMAX: dict[str, Callable[[Writer, sp.Expr], sp.Expr]] = {
    "plain": lambda w, t: w.define(t - log(total(w, exp(t)))),
    "maximum": lambda w, t: w.define(
        t - largest(w, t) - log(total(w, exp(t - largest(w, t))))),
    "log of named": lambda w, t: w.define(log(_named(w, t))),
    "log of inverse named": lambda w, t: w.define(log(_inverse_named(w, t))),
    "log of quotient": lambda w, t: w.define(log(exp(t)/total(w, exp(t)))),
    "named sum": lambda w, t: w.define(t - log(w.row(total(w, w.define(exp(t)))))),
    "named logarithm": lambda w, t: w.define(t - w.row(log(total(w, exp(t))))),
}
LOG_SUM: dict[str, Callable[[Writer, sp.Expr], sp.Expr]] = {
    "plain": lambda w, t: w.row(log(total(w, exp(t)))),
    "maximum": lambda w, t: w.row(
        largest(w, t) + log(total(w, exp(t - largest(w, t))))),
    "named": lambda w, t: w.row(log(w.row(total(w, w.define(exp(t)))))),
    "constant": lambda w, t: w.row(log(total(w, exp(t - 5))) + 5),
    "halves": lambda w, t: w.row(2*log(sp.sqrt(total(w, exp(t))))),
}


def vector_reference(kind: str, z: list[mpf], y: int) -> tuple[list[mpf], list[mpf]]:
    """The values f of a row, and the derivative of −log f_y, −f_y or f by its logits."""
    top = max(z)
    lse = top + mpmath.log(sum(mpmath.exp(a - top) for a in z))
    p = [mpmath.exp(a - lse) for a in z]
    hot = [int(k == y) for k in range(len(z))]
    match kind:
        case "softmax":
            return p, [a - b for a, b in zip(p, hot, strict=True)]
        case "log_softmax":
            return [a - lse for a in z], [a - b for a, b in zip(p, hot, strict=True)]
    return [lse], p


def _quotient_tanh(w: Writer, t: sp.Expr) -> sp.Expr:
    a, b = w.define(exp(t)), w.define(exp(-t))
    return (a - b)/(a + b)


SIGMOID: dict[str, Callable[[Writer, sp.Expr], sp.Expr]] = {
    "plain": lambda w, t: 1/(1 + exp(-t)),
    "quotient": lambda w, t: exp(t)/(1 + exp(t)),
    "complement": lambda w, t: 1 - 1/(1 + exp(t)),
    "tanh": lambda w, t: (1 + tanh(t/2))/2,
    "common factor": lambda w, t: w.shift[w.n]/(w.shift[w.n] + w.shift[w.n]*exp(-t)),
    "numbers": lambda w, t: 3/(3 + 3*exp(-t)),
    "two terms": lambda w, t: exp(t/2)/(exp(t/2) + exp(-t/2)),
    "shifted": lambda w, t: exp(t - w.shift[w.n])/(exp(-w.shift[w.n]) + exp(t - w.shift[w.n])),
    "named exponential": lambda w, t: 1/(1 + w.define(exp(-t))),
    "named denominator": lambda w, t: 1/w.define(1 + w.define(exp(-t))),
    "named quotient": lambda w, t: (lambda e: e/(1 + e))(w.define(exp(t))),
    "exp of log": lambda w, t: exp(-log(1 + exp(-t))),
    "primitive": lambda w, t: sigmoid(t),
}
SOFTPLUS: dict[str, Callable[[Writer, sp.Expr], sp.Expr]] = {
    "plain": lambda w, t: log(1 + exp(t)),
    "reflected": lambda w, t: t + log(1 + exp(-t)),
    "log sigmoid": lambda w, t: -log(1/(1 + exp(t))),
    "log complement": lambda w, t: -log(1 - 1/(1 + exp(-t))),
    "split": lambda w, t: Max(t, 0) + log(1 + exp(-abs(t))),
    "two terms": lambda w, t: log(exp(t + w.shift[w.n]) + exp(w.shift[w.n])) - w.shift[w.n],
    "named": lambda w, t: log(1 + w.define(exp(t))),
    "named sum": lambda w, t: log(w.define(1 + w.define(exp(t)))),
    "log of named sigmoid": lambda w, t: -log(w.define(1/(1 + exp(t)))),
    "log of named complement": lambda w, t: -log(1 - w.define(1/(1 + exp(-t)))),
    "primitive": lambda w, t: softplus(t),
}
TANH: dict[str, Callable[[Writer, sp.Expr], sp.Expr]] = {
    "quotient": lambda w, t: (exp(t) - exp(-t))/(exp(t) + exp(-t)),
    "doubled": lambda w, t: (exp(2*t) - 1)/(exp(2*t) + 1),
    "negative": lambda w, t: (1 - exp(-2*t))/(1 + exp(-2*t)),
    "sigmoid": lambda w, t: 2/(1 + exp(-2*t)) - 1,
    "hyperbolic": lambda w, t: sinh(t)/cosh(t),
    "named": _quotient_tanh,
    "primitive": lambda w, t: tanh(t),
}


GUMBEL: dict[str, Callable[[Writer, sp.Expr], sp.Expr]] = {
    "plain": lambda w, t: exp(-exp(-t)),
    "named": lambda w, t: exp(-w.define(exp(-t))),
    "power": lambda w, t: w.define(exp(-exp(-t)/3))**3,
    "quotient": lambda w, t: 1/exp(exp(-t)),
}
MISH: dict[str, Callable[[Writer, sp.Expr], sp.Expr]] = {
    "tanh": lambda w, t: t*tanh(log(1 + exp(t))),
    "squares": lambda w, t: t*((1 + exp(t))**2 - 1)/((1 + exp(t))**2 + 1),
    "one square": lambda w, t: t - 2*t/(1 + (1 + exp(t))**2),
    "named": lambda w, t: (lambda e: t*((1 + e)**2 - 1)/((1 + e)**2 + 1))(w.define(exp(t))),
}


def _softplus(t: mpf) -> mpf:
    return max(t, mpf(0)) + mpmath.log1p(mpmath.exp(-abs(t)))


def _sigmoid(t: mpf) -> mpf:
    return 1/(1 + mpmath.exp(-t))


def _tail(t: mpf) -> mpf:
    """−e^−t; below −e^50 its exponential is 0 in any float, and mpmath can still print it."""
    return -mpmath.exp(min(-t, mpf(50)))


def _mish_slope(t: mpf) -> mpf:
    h = mpmath.tanh(_softplus(t))
    return h + t*(1 - h)*(1 + h)*_sigmoid(t)


#: name -> (forms, value, derivative), all at the precision of the moment
SCALARS = {
    "sigmoid": (SIGMOID, _sigmoid, lambda t: _sigmoid(t)*_sigmoid(-t)),
    "softplus": (SOFTPLUS, _softplus, _sigmoid),
    "tanh": (TANH, mpmath.tanh, lambda t: 4*_sigmoid(2*t)*_sigmoid(-2*t)),
    "gumbel": (GUMBEL, lambda t: mpmath.exp(_tail(t)), lambda t: mpmath.exp(_tail(t) - t)),
    "mish": (MISH, lambda t: t*mpmath.tanh(_softplus(t)), _mish_slope),
}
