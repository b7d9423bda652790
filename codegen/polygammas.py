"""polygamma(n, x): the derivatives of log Γ as arithmetic; losses with loggamma need them.

    ψ(x) = log y − 1/(2y) − Σ_k B_2k/(2k·y^2k) − Σ_{i<10} 1/(x + i),    y = x + 10,    for x > 0
    ψ(x) = ψ(1 − x) − π/tan(πx)                                                       otherwise

(Abramowitz & Stegun 1964, 6.3.5-7, 6.3.18, 6.4.)  The rest of the sum over k is below 1e-16 from
y = 10 on.  ψ⁽ⁿ⁾ is the n-th derivative of these lines.
"""

from __future__ import annotations

from functools import lru_cache

from sympy import Expr, Integer, Piecewise, Symbol, bernoulli, diff, log, pi, tan

from symbackprop.errors import CompilationError

SHIFT, TERMS = 10, 7
_X = Symbol("x", real=True)


def polygamma(order: Expr, x: Expr) -> Expr:
    """ψ⁽ⁿ⁾(x); CompilationError for an order that is no number 0, 1, 2, …"""
    if not (order.is_Integer and order >= 0):
        raise CompilationError(f"polygamma({order}, …): the order must be a number 0, 1, 2, …")
    right, left = _branches(int(order))
    return Piecewise((right.xreplace({_X: x}), x > 0), (left.xreplace({_X: x}), True))


@lru_cache
def _branches(order: int) -> tuple[Expr, Expr]:
    """For x > 0, and for all others."""
    y = _X + SHIFT
    right = (log(y) - 1 / (2 * y)
             - sum(bernoulli(2 * k) / (2 * k * y**(2 * k)) for k in range(1, TERMS + 1))
             - sum(1 / (_X + Integer(i)) for i in range(SHIFT)))
    left = right.xreplace({_X: 1 - _X}) - pi / tan(pi * _X)
    return diff(right, _X, order), diff(left, _X, order)
