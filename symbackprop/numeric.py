"""The value of every scalar function, over float64 arrays and over arrays of mpmath numbers.

`FUNCTIONS[class]` is the pair of both; the interpreter knows no other functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import mpmath
import numpy as np
import sympy as sp
from sympy.functions.elementary.piecewise import ExprCondPair

from symbackprop.functions import (
    Iverson,
    costurn,
    expm1,
    leaky_relu,
    log1p,
    log_gumbel,
    logaddexp,
    relu,
    root,
    sigmoid,
    softplus,
    xlogy,
)
from symbackprop.philox import philox, unit

__all__ = ["FUNCTIONS", "sum_of_products"]

WIDEST_SPREAD = 2000  # bits between the largest number and the last digit of the smallest


def _precise(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of mpmath over arrays; where it leaves the reals it is NaN, as in NumPy."""

    def real(*arguments: Any) -> Any:
        try:
            found = function(*arguments)
        except ZeroDivisionError:
            return mpmath.inf
        except ValueError:  # a pole
            return mpmath.nan
        return mpmath.nan if isinstance(found, mpmath.mpc) else found

    def over_arrays(*arguments: Any) -> Any:
        return np.frompyfunc(real, len(arguments), 1)(*arguments)

    return over_arrays


def _both(name: str, precise: str = "") -> tuple[Callable[..., Any], Callable[..., Any]]:
    return getattr(np, name), _precise(getattr(mpmath, precise or name))


def _same(function: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return function, function


def _by_math(function: Callable[..., Any], precise: Any) -> tuple[Callable[..., Any], Any]:
    return np.vectorize(function, otypes=[float]), _precise(precise)


def _by_mpmath(function: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    precise = _precise(function)
    return lambda *arguments: np.asarray(precise(*arguments), float), precise


def _log_gamma(t: Any) -> Any:
    if t <= 0 and t == mpmath.floor(t):
        return mpmath.inf
    return mpmath.log(abs(mpmath.gamma(t))) if t < 0 else mpmath.loggamma(t)


def _folded(function: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return _same(lambda *arguments: reduce(function, arguments))


def _stable_sigmoid(t: Any) -> Any:
    return np.where(t >= 0, 1 / (1 + np.exp(-t)), np.exp(t) / (1 + np.exp(t)))


def _log(t: Any, base: Any = None) -> Any:
    return np.log(t) if base is None else np.log(t) / np.log(base)


def _xlogy(x: Any, y: Any) -> Any:
    return np.where(x == 0, 0.0, x * np.log(y))


def _log_gumbel(t: Any) -> Any:
    """t − e^t/2 below −20, where the next term e^2t/24 is lost; then as Mächler (2012) has it."""
    u = np.exp(t)
    return np.where(t < -20, t - u / 2, np.where(
        u < math.log(2), np.log(-np.expm1(-u)), np.log1p(-np.exp(-u))))


def _log_of_sum(*arguments: Any) -> Any:
    largest = max(arguments)
    return largest + mpmath.log(sum(mpmath.exp(a - largest) for a in arguments))


def _piecewise(*branches: Any) -> Any:
    """The value of the first branch whose condition holds; the others are never looked at."""
    found: Any = math.nan
    for value, condition in reversed(branches):
        found = np.where(condition, value, found)
    return found


FUNCTIONS: dict[type, tuple[Callable[..., Any], Callable[..., Any]]] = {
    sp.Add: _folded(np.add),
    sp.Pow: (np.power, _precise(lambda base, exponent: base**exponent)),
    sp.exp: _both("exp"), sp.log: (_log, _precise(mpmath.log)),
    sp.sin: _both("sin"), sp.cos: _both("cos"), sp.tan: _both("tan"),
    sp.asin: _both("arcsin", "asin"), sp.acos: _both("arccos", "acos"),
    sp.atan: _both("arctan", "atan"), sp.atan2: _both("arctan2", "atan2"),
    sp.sinh: _both("sinh"), sp.cosh: _both("cosh"), sp.tanh: _both("tanh"),
    sp.asinh: _both("arcsinh", "asinh"), sp.acosh: _both("arccosh", "acosh"),
    sp.atanh: _both("arctanh", "atanh"),
    sp.erf: _by_math(math.erf, mpmath.erf), sp.erfc: _by_math(math.erfc, mpmath.erfc),
    sp.cot: (lambda t: 1 / np.tan(t), _precise(mpmath.cot)),
    sp.sec: (lambda t: 1 / np.cos(t), _precise(mpmath.sec)),
    sp.csc: (lambda t: 1 / np.sin(t), _precise(mpmath.csc)),
    sp.coth: (lambda t: 1 / np.tanh(t), _precise(mpmath.coth)),
    sp.sech: (lambda t: 1 / np.cosh(t), _precise(mpmath.sech)),
    sp.csch: (lambda t: 1 / np.sinh(t), _precise(mpmath.csch)),
    sp.sinc: (lambda t: np.sinc(t / np.pi), _precise(mpmath.sinc)),
    sp.frac: (lambda t: t - np.floor(t), _precise(lambda t: t - mpmath.floor(t))),
    sp.gamma: _by_mpmath(mpmath.gamma), sp.loggamma: _by_mpmath(_log_gamma),
    sp.polygamma: _by_mpmath(mpmath.psi), sp.digamma: _by_mpmath(mpmath.digamma),
    sp.trigamma: _by_mpmath(lambda t: mpmath.psi(1, t)),
    sp.floor: _both("floor"), sp.ceiling: _both("ceil"), sp.sign: _both("sign"),
    sp.Abs: _same(np.abs), sp.Mod: _same(np.mod),
    sp.Heaviside: _same(lambda t, at_zero: np.where(t == 0, at_zero, np.where(t > 0, 1, 0))),
    sp.Max: _folded(np.maximum), sp.Min: _folded(np.minimum),
    relu: _same(lambda t: np.maximum(t, 0)),
    leaky_relu: _same(lambda t, slope: np.where(t > 0, t, slope * t)),
    sigmoid: (_stable_sigmoid, _precise(lambda t: 1 / (1 + mpmath.exp(-t)))),
    softplus: (lambda t: np.logaddexp(0, t), _precise(lambda t: mpmath.log1p(mpmath.exp(t)))),
    log1p: _both("log1p"), expm1: _both("expm1"), root: _both("sqrt"),
    logaddexp: (lambda *arguments: reduce(np.logaddexp, arguments), _precise(_log_of_sum)),
    log_gumbel: (_log_gumbel, _precise(lambda t: mpmath.log(-mpmath.expm1(-mpmath.exp(t))))),
    xlogy: (_xlogy, _precise(lambda x, y: x * mpmath.log(y) if x else x)),
    philox: _same(unit),
    costurn: (lambda u: np.cos(2 * np.pi * u), _precise(lambda u: mpmath.cospi(2 * u))),
    sp.Eq: _same(np.equal), sp.Ne: _same(np.not_equal),
    sp.Lt: _same(np.less), sp.Le: _same(np.less_equal),
    sp.Gt: _same(np.greater), sp.Ge: _same(np.greater_equal),
    sp.And: _folded(np.logical_and), sp.Or: _folded(np.logical_or),
    sp.Not: _same(np.logical_not), sp.ITE: _same(np.where),
    Iverson: _same(lambda condition: np.where(condition, 1, 0)),
    sp.KroneckerDelta: _same(lambda this, other, *_: np.where(np.equal(this, other), 1, 0)),
    ExprCondPair: _same(lambda value, condition: (value, condition)),
    sp.Piecewise: _same(_piecewise),
}


def sum_of_products(factors: Sequence[Any], grid: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """The sum of a product of arrays of mpmath numbers on a grid, over some axes, rounded once.

    An mpmath number is an integer times a power of two, and integers multiply ten times as fast.
    None where a factor is as large as the product, or an entry is not finite or far smaller than
    others: nothing is gained there.
    """
    shape = np.broadcast_shapes(grid, *(np.shape(factor) for factor in factors))
    if 2 * sum(map(np.size, factors)) > math.prod(shape):
        return None
    scaled = [_as_integers(np.asarray(factor, dtype=object)) for factor in factors]
    if None in scaled:
        return None
    product = reduce(np.multiply, [integers for integers, _ in filter(None, scaled)])
    total = np.asarray(np.sum(np.broadcast_to(product, shape), axis=axes, initial=0))
    power = sum(power for _, power in filter(None, scaled))
    return np.frompyfunc(lambda whole: mpmath.mpf((int(whole), power)), 1, 1)(total)


def _as_integers(array: Any) -> tuple[Any, int] | None:
    """Integers and the power of two by which they are multiplied."""
    parts = [(entry if isinstance(entry, mpmath.mpf) else mpmath.mpf(entry))._mpf_
             for entry in array.flat]  # sign, integer, power, its bits
    if any(not whole and power for _, whole, power, _ in parts):
        return None  # infinite, or no number
    powers = [power for _, whole, power, _ in parts if whole]
    lowest = min(powers, default=0)
    if max(powers, default=0) - lowest > WIDEST_SPREAD:
        return None
    found = np.empty(len(parts), dtype=object)
    found[:] = [(-int(whole) if sign else int(whole)) << (power - lowest) if whole else 0
                for sign, whole, power, _ in parts]
    return found.reshape(array.shape), lowest
