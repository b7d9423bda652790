"""Functions that keep the digits which their plain spelling loses; rules bring them in.

    softplus(t) = log(1 + e^t)      logaddexp(a, b) = log(e^a + e^b)      xlogy(x, y) = x·log y
    log1p(u) = log(1 + u)           expm1(t) = e^t − 1                    root(s) = √s
    log_gumbel(t) = log(1 − exp(−e^t))      costurn(u) = cos(2·π·u)

Formulas show the plain spelling (`spelled`), kernels and interpreter compute the safe one.
"""

from __future__ import annotations

from collections.abc import Callable

from sympy import Add, Expr, Function, S, cos, default_sort_key, exp, log, pi, sin, sqrt
from sympy.core.evalf import prec_to_dps


class RealFunction(Function):  # type: ignore[misc]
    """A real function of real arguments."""

    is_real = True
    is_commutative = True

    def _eval_evalf(self, prec: int) -> Expr | None:
        plain = PLAIN.get(type(self))
        return None if plain is None else plain(*self.args).evalf(prec_to_dps(prec))


class softplus(RealFunction):  # noqa: N801
    """softplus(t) = log(1 + e^t), evaluated as max(t, 0) + log1p(e^−|t|)."""

    nargs = 1
    is_positive = True


class log1p(RealFunction):  # noqa: N801
    """log1p(u) = log(1 + u), without the rounding of 1 + u (Kahan 1987)."""

    nargs = 1

    @classmethod
    def eval(cls, u: Expr) -> Expr | None:
        """Numbers evaluate at once."""
        return log(1 + u) if u.is_Rational else None


class expm1(RealFunction):  # noqa: N801
    """expm1(t) = e^t − 1, without cancellation at small t."""

    nargs = 1

    @classmethod
    def eval(cls, t: Expr) -> Expr | None:
        """Numbers evaluate at once."""
        return exp(t) - 1 if t.is_Rational else None


class log_gumbel(RealFunction):  # noqa: N801
    """log_gumbel(t) = log(1 − exp(−e^t)), which is t − e^t/2 + … also where e^t underflows.

    1 − exp(−e^t) is the probability that a cloglog regression gives to an event with the
    predictor t: the distribution function of a Gumbel variable with the sign turned.
    """

    nargs = 1
    is_negative = True


class logaddexp(RealFunction):  # noqa: N801
    """logaddexp(a, b, …) = log(e^a + e^b + …), never overflowing; logaddexp(0, t) = softplus(t).

    >>> from sympy import Symbol
    >>> logaddexp(Symbol("t", real=True), 0)
    softplus(t)
    """

    @classmethod
    def eval(cls, *args: Expr) -> Expr | None:
        """One order of the arguments, nested ones flattened."""
        if len(args) == 1:
            return args[0]
        flat = [a for arg in args for a in (arg.args if isinstance(arg, logaddexp) else
                (S.Zero, *arg.args) if isinstance(arg, softplus) else (arg,))]
        ordered = tuple(sorted(flat, key=default_sort_key))
        if len(ordered) == 2 and S.Zero in ordered:
            return softplus(ordered[1 - ordered.index(S.Zero)])
        return cls(*ordered) if ordered != args else None


class xlogy(RealFunction):  # noqa: N801
    """xlogy(x, y) = x·log(y), and 0 where x is 0: lim x·log x = 0."""

    nargs = 2

    @classmethod
    def eval(cls, x: Expr, y: Expr) -> Expr | None:
        """0 times any logarithm is 0."""
        return S.Zero if x.is_zero else None


class root(RealFunction):  # noqa: N801
    """root(s) = √s of a sum of squares, a norm; its derivative at 0 is the subgradient 0."""

    nargs = 1
    is_nonnegative = True


class costurn(RealFunction):  # noqa: N801
    """costurn(u) = cos(2·π·u) of a few turns, |u| < 1000; nothing is lost in taking off whole ones.

    In a kernel it costs a quarter of cos(2·π·u), which is right for any number however large.
    """

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Expr:
        """−2·π·sin(2·π·u)."""
        return -2 * pi * sin(2 * pi * self.args[0])


#: How the functions that rules bring in are written in formulas.
SPELLED: dict[type, Callable[..., Expr]] = {
    log1p: lambda u: log(1 + u),
    expm1: lambda t: exp(t) - 1,
    logaddexp: lambda *args: log(Add(*map(exp, args))),
    xlogy: lambda x, y: x * log(y),
    log_gumbel: lambda t: log(1 - exp(-exp(t))),
    root: lambda s: sqrt(s),
    costurn: lambda u: cos(2 * pi * u),
}

PLAIN: dict[type, Callable[..., Expr]] = {**SPELLED, softplus: lambda t: log(1 + exp(t))}


def spelled(expr: Expr) -> Expr:
    """The expression as a textbook writes it: log(1 + u) for log1p(u), √s for root(s)."""
    if not expr.has(*SPELLED):
        return expr
    for function, written in SPELLED.items():
        expr = expr.replace(function, written)
    return expr
