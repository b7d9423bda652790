"""Loops over the functions of kernels, with the permissions that kernels have, and exact values."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
from numba import njit, types
from scipy import special

from symbackprop.codegen import vectormath

PERMISSIONS = {"contract", "reassoc", "nsz", "arcp", "afn"}
REAL = {"float32": types.float32, "float64": types.float64}
DIGITS = {"float32": 24, "float64": 53}
SMALLEST_EXPONENT = {"float32": -126, "float64": -1022}


@dataclass(frozen=True)
class Function:
    """The same function in float64 and in mpmath, and where it is interesting in either dtype."""

    wide: Callable[..., Any]
    precise: Callable[..., Any]
    float32: tuple[float, float]
    float64: tuple[float, float]


def _softplus(t: Any) -> Any:
    return np.maximum(t, 0) + np.log1p(np.exp(-np.abs(t)))


FUNCTIONS = {
    "exp": Function(np.exp, mp.exp, (-104, 89), (-746, 710)),
    "expm1": Function(np.expm1, mp.expm1, (-18, 89), (-38, 710)),
    "log": Function(np.log, mp.log, (0, 3), (0, 3)),
    "log1p": Function(np.log1p, mp.log1p, (-1, 3), (-1, 3)),
    "tanh": Function(np.tanh, mp.tanh, (-10, 10), (-20, 20)),
    "sigmoid": Function(special.expit, lambda t: 1/(1 + mp.exp(-t)), (-104, 20), (-746, 40)),
    "softplus": Function(_softplus, lambda t: mp.log1p(mp.exp(t)), (-104, 20), (-746, 40)),
    "erf": Function(special.erf, mp.erf, (-4.1, 4.1), (-6.1, 6.1)),
    "sin": Function(np.sin, mp.sin, (-1e4, 1e4), (-1e6, 1e6)),
    "cos": Function(np.cos, mp.cos, (-10, 10), (-10, 10)),
}
PAIRS = ("power", "logaddexp", "maximum", "minimum", "leaky_relu")
PLAIN = ("relu", "sign", "sqrt")


@cache
def loop(name: str, dtype: str) -> Any:
    """loop(x, out) or loop(x, y, out), compiled for contiguous arrays of this dtype."""
    function = getattr(vectormath, name)

    def unary(x: Any, out: Any) -> None:
        for i in range(x.shape[0]):
            out[i] = function(x[i])

    def binary(x: Any, y: Any, out: Any) -> None:
        for i in range(x.shape[0]):
            out[i] = function(x[i], y[i])

    pair = name in PAIRS
    made = njit(nogil=True, error_model="numpy", fastmath=PERMISSIONS)(binary if pair else unary)
    made.compile((REAL[dtype][::1],)*(3 if pair else 2))
    return made


def values(name: str, *arguments: np.ndarray) -> np.ndarray:
    """The function of vectormath at these arguments, in their dtype."""
    out = np.empty_like(arguments[0])
    loop(name, str(out.dtype))(*arguments, out)
    return out


def by_bits(dtype: str, count: int, draws: np.random.Generator) -> np.ndarray:
    """Numbers of any size, denormal ones, infinities and NaN among them."""
    width = {"float32": np.uint32, "float64": np.uint64}[dtype]
    return draws.integers(0, np.iinfo(width).max, count, width, endpoint=True).view(dtype)


def unit(exact: np.ndarray, dtype: str) -> np.ndarray:
    """The distance of neighbouring numbers of this dtype near the exact values."""
    exponent = np.frexp(np.abs(exact))[1] - 1
    return np.ldexp(1.0, np.maximum(exponent, SMALLEST_EXPONENT[dtype]) - DIGITS[dtype] + 1)


def errors(found: np.ndarray, exact: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
    """Errors of float32 values in units in the last place; infinite where one is no number.

    Beyond the last number half a unit decides between it and ∞, and NaN is right for NaN.
    """
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        same = (rounded == found) | (np.isnan(rounded) & np.isnan(found))
        usual = np.isfinite(rounded) & np.isfinite(found)
        inside = np.where(usual, exact, 1.0)
        size = unit(inside if scale is None else np.where(usual, scale, 1.0), "float32")
        apart = np.abs(np.where(usual, found.astype(np.float64), 1.0) - inside)/size
        return np.where(usual, apart, np.where(same, 0.0, np.inf))


def precise_errors(found: np.ndarray, precise: Callable[..., Any], *arguments: np.ndarray
                   ) -> np.ndarray:
    """Errors of float64 values, in units in the last place, against mpmath; finite values only."""
    kept = np.isfinite(found)
    for argument in arguments:
        kept &= np.isfinite(argument)
    result = []
    with mp.workprec(160):
        for value, *given in zip(found[kept].tolist(), *(a[kept].tolist() for a in arguments),
                                 strict=True):
            exact = precise(*map(mp.mpf, given))
            exponent = max(mp.frexp(exact)[1] - 1, -1022) if exact else -1022
            result.append(float(mp.ldexp(abs(value - exact), 52 - exponent)))
    return np.array(result)
