"""Scalar functions of kernels that Python's math lacks, in the arithmetic of their arguments.

Each is exact at the ends of the line (no overflow, NaN stays NaN) and free of branches, so that
loops over it can vectorise.  No number in here has a type of its own: a literal beside a float32
would be float64.
"""

from __future__ import annotations

from math import exp, log1p
from typing import Any

from numba import njit

_OPTIONS = {
    "nogil": True, "error_model": "numpy", "no_cpython_wrapper": True,
    "fastmath": {"contract", "nsz", "arcp", "afn"},
}
_EXACT = {**_OPTIONS, "fastmath": False}  # written out: what is not set is inherited from a caller


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def where(condition: bool, yes: Any, no: Any) -> Any:
    """yes if the condition holds, else no; both are computed, none is multiplied by zero."""
    return yes if condition else no


@njit(**_EXACT)  # type: ignore[untyped-decorator]
def minus(a: Any, b: Any) -> Any:
    """a − b, rounded on its own: compiled without permission to reorder."""
    return a - b


@njit(**_EXACT)  # type: ignore[untyped-decorator]
def added(total: Any, rest: Any, value: Any) -> Any:
    """(total + value, what that has rounded off), the rest of before included (Kahan 1965).

    Compiled without permission to reorder, which would find that nothing is rounded off.  A total
    that is infinite has no rest.
    """
    due = value + rest
    found = total + due
    lost = due - (found - total)
    return found, lost if lost - lost == type(lost)(0) else type(lost)(0)


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def sign(t: Any) -> Any:
    """−1, 0 or 1; NaN for NaN."""
    zero, one = type(t)(0), type(t)(1)
    return one if t > zero else (-one if t < zero else t)


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def relu(t: Any) -> Any:
    """max(0, t); NaN for NaN."""
    return type(t)(0) if t <= type(t)(0) else t


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def leaky_relu(t: Any, slope: Any) -> Any:
    """t for t > 0, slope·t otherwise."""
    return slope * t if t <= type(t)(0) else t


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def sigmoid(t: Any) -> Any:
    """1/(1 + e^−t) as 1/(1 + e) or e/(1 + e), where e = e^−|t| never overflows."""
    one = type(t)(1)
    small = exp(-abs(t))
    return (small if t < type(t)(0) else one) / (one + small)


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def softplus(t: Any) -> Any:
    """log(1 + e^t) = max(t, 0) + log1p(e^−|t|)."""
    return (type(t)(0) if t <= type(t)(0) else t) + log1p(exp(-abs(t)))


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def logaddexp(a: Any, b: Any) -> Any:
    """log(e^a + e^b) = max(a, b) + log1p(e^−|a − b|)."""
    return (a if a >= b else b) + log1p(exp(-abs(a - b)))
