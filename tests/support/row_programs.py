"""For each row about sums, definitions or other definitions: a program on which it fires, and one
that it must leave alone.  Names, letters and the order of factors are drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sympy import Eq, Expr, Max, Piecewise, Sum, exp, log, sqrt, tanh

import symbackprop as sb
from symbackprop.functions import Iverson
from symbackprop.indexing import free_indices
from symbackprop.notation import LogSumExp

ROWS, CLASSES, WIDTH = 5, 4, 3


class Names:
    """Tensors and letters under random names; `sum` wraps what is asked for into a loss."""

    def __init__(self, rng: np.random.Generator) -> None:
        letters = [str(c) for c in rng.permutation(list("abcdefghijklm"))]
        self.words = iter(f"{a}{b}" for a in letters for b in letters)
        self.n, self.k, self.j, self.i = sb.indices(
            " ".join(letters[:4]), sb.size("N"), CLASSES, CLASSES, WIDTH)
        n, k, i = self.n, self.k, self.i
        self.z, self.x = self.parameter(n, k), self.parameter(n, i)
        self.u, self.m = sb.data(next(self.words), n, k), sb.data(next(self.words), n, k)
        self.hot = sb.data(next(self.words), n, k, facts=[sb.one_hot(k)])
        self.label = sb.data(next(self.words), n, facts=[sb.label(CLASSES)])
        self.wide = sb.data(next(self.words), n, facts=[sb.label(9)])
        self.square = sb.data(next(self.words), k, self.j, facts=[sb.symmetric(0, 1)])
        self.plain = sb.data(next(self.words), k, self.j)

    def parameter(self, *letters):
        return sb.parameter(next(self.words), *letters)

    def define(self, body: Expr, *letters):
        return sb.define(next(self.words), letters or (self.n, self.k), body)[
            letters or (self.n, self.k)]

    def loss(self, body: Expr, *letters):
        """Σ body over rows and classes, unless letters are given."""
        return sb.define(next(self.words), (), Sum(body, *(letters or (self.n, self.k)))).tensor


def _softmax(w: Names, weight: Expr = 1, z: Expr | None = None) -> Expr:
    raised = weight*exp(w.z[w.n, w.k] if z is None else z)
    return w.define(raised/Sum(raised.xreplace({w.k: w.j}), w.j))


def _mean(w: Names, of: Expr) -> Expr:
    return w.define(Sum(of.xreplace({w.k: w.j}), w.j)/CLASSES, w.n)


def _over(w: Names, body: Expr, *over) -> Expr:
    """Σ body as a definition over the letters that are left."""
    return w.define(Sum(body, *over), *(i for i in (w.n, w.k, w.i) if i in (
        free_indices(body)) and i not in over))


def _norm(w: Names, power: int) -> Expr:
    total = w.define(Sum(w.x[w.n, w.i]**power, w.i), w.n)
    return w.loss(sqrt(total), w.n)


def _branch(w: Names, partial: Expr) -> Expr:
    root = w.define(partial)
    return w.loss(Piecewise((root, w.z[w.n, w.k] > 0), (0, True)))


def _attended(w: Names, mask: Expr) -> Expr:
    return w.loss(w.u[w.n, w.k]*_softmax(w, mask))


def _one_or_zero(w: Names, other: int) -> Expr:
    n, k, j = w.n, w.k, w.j
    raised = Piecewise((exp(w.z[n, k]), w.m[n, k] > 0), (other, True))
    return w.loss(w.u[n, k]*w.define(raised/Sum(raised.xreplace({k: j}), j)))


def _log_of(w: Names, p: Expr) -> Expr:
    return w.loss(w.u[w.n, w.k]*log(p))


def _shifted(w: Names, shift: Expr) -> Expr:
    d = w.define(w.z[w.n, w.k] - shift)
    return w.loss(w.u[w.n, w.k]*(d - log(Sum(exp(d.xreplace({w.k: w.j})), w.j))))


def _symmetric(w: Names, square) -> Expr:
    return w.loss(square[w.j, w.k]*w.z[w.n, w.k]*w.z[w.n, w.j] + square[w.k, w.j], w.n, w.k, w.j)


def _twice(w: Names, second: Callable[[Expr], Expr]) -> Expr:
    first = w.define(tanh(w.z[w.n, w.k]))
    return w.loss(w.define(first*w.u[w.n, w.k] + second(w.z[w.n, w.k])))


PROGRAMS: dict[str, tuple[Callable[[Names], Expr], Callable[[Names], Expr]]] = {
    "constant summand": (lambda w: w.loss(w.x[w.n, w.i]*tanh(w.x[w.n, w.i]), w.n, w.i, w.k),
                         lambda w: w.loss(w.x[w.n, w.i]*w.u[w.n, w.k], w.n, w.i, w.k)),
    "bracket contracted": (lambda w: w.loss(Iverson(Eq(w.k, w.label[w.n]))*w.z[w.n, w.k]),
                           lambda w: w.loss(Iverson(Eq(w.k, w.wide[w.n]))*w.z[w.n, w.k])),
    "fact": (lambda w: w.loss(w.hot[w.n, w.k]*w.x[w.n, w.i], w.n, w.i, w.k),
             lambda w: w.loss(w.hot[w.n, w.k]*w.x[w.n, w.i]*w.u[w.n, w.k], w.n, w.i, w.k)),
    "softmax sums to one": (lambda w: w.loss(_softmax(w)*w.x[w.n, w.i], w.n, w.i, w.k),
                            lambda w: w.loss(_softmax(w)**2*w.x[w.n, w.i], w.n, w.i, w.k)),
    "sum split": (lambda w: w.loss((w.z[w.n, w.k] - _mean(w, w.z[w.n, w.k]))*w.x[w.n, w.i],
                                   w.n, w.i, w.k),
                  lambda w: w.loss((w.z[w.n, w.k] - 2*_mean(w, w.z[w.n, w.k]))*w.x[w.n, w.i],
                                   w.n, w.i, w.k)),
    "hoisted": (lambda w: w.loss(_over(w, w.x[w.n, w.i]*w.u[w.n, w.k], w.i)),
                lambda w: w.loss(_over(w, 2*tanh(w.x[w.n, w.i]), w.i)**2)),
    "products of sums refolded": (
        lambda w: w.loss(_over(w, w.x[w.n, w.i]*w.u[w.n, w.k]*w.z[w.n, w.k], w.i, w.k)),
        lambda w: w.loss(_over(w, w.x[w.n, w.i]*w.square[w.k, w.j]*w.z[w.n, w.k]*w.z[w.n, w.j],
                               w.k, w.j), w.n, w.i)),
    "masked branch": (lambda w: _branch(w, sqrt(w.z[w.n, w.k])),
                      lambda w: _branch(w, tanh(w.z[w.n, w.k]))),
    "log of an exponential": (lambda w: _log_of(w, w.define(1/(1 + exp(-w.z[w.n, w.k])))),
                              lambda w: _log_of(w, w.define(1 + w.z[w.n, w.k]**2))),
    "norm of a named sum": (lambda w: _norm(w, 2), lambda w: w.loss(
        sqrt(w.define(1 + Sum(w.x[w.n, w.i]**2, w.i), w.n)), w.n)),
    "shift cancelled": (lambda w: _shifted(w, w.define(w.x[w.n, 0]*w.x[w.n, 1], w.n)),
                        lambda w: _shifted(w, w.u[w.n, w.k])),
    "logarithm beside a vanishing factor": (
        lambda w: w.loss(w.define(abs(w.z[w.n, w.k])**w.u[w.n, w.k])*log(abs(w.z[w.n, w.k]))),
        lambda w: w.loss(w.define(abs(w.z[w.n, w.k])**w.u[w.n, w.k])*log(w.u[w.n, w.k]))),
    "named power over its base": (
        lambda w: w.loss(w.define(abs(w.z[w.n, w.k])**w.u[w.n, w.k])/abs(w.z[w.n, w.k])),
        lambda w: w.loss(w.define(abs(w.z[w.n, w.k])**w.u[w.n, w.k])/(1 + w.u[w.n, w.k]**2))),
    "exponent of a vanishing factor": (
        lambda w: w.loss(w.define(exp(-exp(-w.z[w.n, w.k])))),
        lambda w: w.loss(w.define(exp(-w.z[w.n, w.k]**2)))),
    "exponentials written out": (lambda w: w.loss(w.u[w.n, w.k]*_softmax(w)),
                                 lambda w: w.loss(w.u[w.n, w.k]*exp(w.z[w.n, w.k]))),
    "quotient by a sum of exponentials": (
        lambda w: w.loss(w.u[w.n, w.k]*w.define(exp(w.z[w.n, w.k])/(
            1 + Sum(exp(w.z[w.n, w.j]), w.j)))),
        lambda w: w.loss(w.u[w.n, w.k]*_softmax(w))),
    "mask in the exponent": (lambda w: _attended(w, w.m[w.n, w.k]),
                             lambda w: _attended(w, w.parameter(w.n, w.k)[w.n, w.k])),
    "branch or zero": (lambda w: _one_or_zero(w, 0), lambda w: _one_or_zero(w, 1)),
    "shifted exponents": (
        lambda w: w.loss(LogSumExp(w.z[w.n, w.k] - w.x[w.n, 0], w.k), w.n),
        lambda w: w.loss(LogSumExp(w.z[w.n, w.k]*w.x[w.n, 0], w.k), w.n)),
    "shift of a log-sum-exp": (
        lambda w: w.loss(LogSumExp(w.define(w.z[w.n, w.k] - w.x[w.n, 0]), w.k), w.n),
        lambda w: w.loss(LogSumExp(w.define(w.z[w.n, w.k] - w.u[w.n, w.k]), w.k), w.n)),
    "read once": (lambda w: w.loss(Max(w.z[w.n, w.k], w.u[w.n, w.k])*tanh(
        3*Sum(w.z[w.n, w.j]*w.u[w.n, w.j], w.j))), lambda w: w.loss(w.define(tanh(w.z[w.n, w.k])))),
    "copy taken over": (lambda w: w.loss(w.u[w.n, w.k]*w.define(w.parameter() + w.x[w.n, 0])),
                        lambda w: w.loss(w.define(tanh(w.z[w.n, w.k])))),
    "same definition": (lambda w: w.loss(w.define(w.z[w.n, w.k]**3)*w.define(w.z[w.n, w.k]**3)),
                        lambda w: w.loss(w.define(w.z[w.n, w.k]**3)*w.define(w.z[w.n, w.k]**5))),
    "folded": (lambda w: _twice(w, lambda t: 2*tanh(t) + 1), lambda w: _twice(w, exp)),
    "symmetric access": (lambda w: _symmetric(w, w.square), lambda w: _symmetric(w, w.plain)),
}

#: Programs whose gradient is wrong in float64 without the row, at logits of ten thousand.
CONTROLS = ("masked branch", "log of an exponential", "norm of a named sum", "shift cancelled",
            "exponentials written out", "quotient by a sum of exponentials",
            "mask in the exponent", "branch or zero", "exponent of a vanishing factor")
