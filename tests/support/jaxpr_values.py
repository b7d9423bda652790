"""The values of a traced JAX program (a jaxpr) in an arithmetic of one's choice, by NumPy.

    values(traced, inputs, EXACT)             JAX's own derivative, in 50 decimal digits
    values(traced, inputs, plain(float))      the same in float64, without compiling it
    values(traced, inputs, rounded(float, rng))   the same, each result rounded up or down at
                                              random: Monte Carlo arithmetic (Parker 1997)

JAX differentiates; only what it then asks to be computed is computed here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from tests.support.jaxpr_moves import MOVES, scatter_added

DIGITS = 50


@dataclass(frozen=True)
class Arithmetic:
    """How real numbers are held, how a function is computed, and how operations are carried out."""

    dtype: Any
    function: Callable[[str], Callable[..., Any]]
    done: Callable[..., Any] = lambda operation, *inputs: operation(*inputs)

    def array(self, given: Any) -> np.ndarray:
        """Numbers of this arithmetic for real numbers; integers and booleans stay."""
        array = np.asarray(given)
        if array.dtype == self.dtype or array.dtype.kind in "biu":
            return array
        if self.dtype is object:
            return np.asarray(np.frompyfunc(lambda x: mpmath.mpf(float(x)), 1, 1)(array), object)
        return array.astype(self.dtype)


def _of_mpmath(name: str) -> Callable[..., Any]:
    function = PRECISE[name]

    def real(*arguments: Any) -> Any:
        try:
            found = function(*map(mpmath.mpf, arguments))
        except (ZeroDivisionError, ValueError):  # ValueError: log 0
            return mpmath.nan
        return mpmath.nan if isinstance(found, mpmath.mpc) else found

    return lambda *arguments: np.asarray(
        np.frompyfunc(real, len(arguments), 1)(*arguments), object)


def _quotient(this: Any, other: Any) -> Any:
    return this/other if other else this*mpmath.inf


PRECISE: dict[str, Callable[..., Any]] = {
    "exp": mpmath.exp, "log": lambda t: mpmath.log(t) if t else -mpmath.inf,
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan,
    "sinh": mpmath.sinh, "cosh": mpmath.cosh, "tanh": mpmath.tanh, "asinh": mpmath.asinh,
    "atan": mpmath.atan, "erf": mpmath.erf, "log1p": mpmath.log1p, "expm1": mpmath.expm1,
    "sqrt": mpmath.sqrt, "pow": lambda a, b: a**b, "floor": mpmath.floor, "div": _quotient,
    "rem": lambda a, b: a - b*int(a/b), "logistic": lambda t: 1/(1 + mpmath.exp(-t)),
    "rsqrt": lambda t: 1/mpmath.sqrt(t), "is_finite": mpmath.isfinite, "sign": mpmath.sign,
}
QUICK: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh",
                                            "tanh", "log1p", "expm1", "sqrt", "floor", "sign")},
    "asinh": np.arcsinh, "atan": np.arctan, "erf": np.vectorize(math.erf, otypes=[float]),
    "pow": np.power, "div": np.divide, "rem": np.fmod, "is_finite": np.isfinite,
    "logistic": lambda t: 1/(1 + np.exp(-t)), "rsqrt": lambda t: 1/np.sqrt(t),
}
EXACT = Arithmetic(object, _of_mpmath)


def plain(dtype: type) -> Arithmetic:
    """Float arithmetic as it is."""
    return Arithmetic(np.dtype(dtype), QUICK.__getitem__)


def rounded_at_random(rng: np.random.Generator, operation: Callable[..., Any],
                      *inputs: Any) -> Any:
    """The result of an operation on floats, as one of its two neighbours; what is exact stays."""
    floats = [array.dtype for array in inputs if getattr(array, "dtype", np.dtype(int)).kind == "f"]
    wide = {np.dtype("f4"): np.float64, np.dtype("f8"): np.longdouble}
    found = np.asarray(operation(*(
        array.astype(wide[array.dtype]) if getattr(array, "dtype", None) in wide else array
        for array in inputs)))
    if not floats or found.dtype.kind != "f":
        return found
    near = found.astype(max(floats))
    gap = found - near
    other = np.nextafter(near, np.where(gap > 0, np.inf, -np.inf).astype(near.dtype))
    return np.where((gap != 0) & (rng.random(found.shape) < 0.5), other, near)


def rounded(dtype: type, rng: np.random.Generator) -> Arithmetic:
    """Float arithmetic in which every result that is not exact is rounded up or down at random."""
    return Arithmetic(np.dtype(dtype), QUICK.__getitem__,
                      functools.partial(rounded_at_random, rng))


def values(traced: ClosedJaxpr, inputs: list[Any], arithmetic: Arithmetic) -> list[np.ndarray]:
    """The outputs of a jaxpr at some inputs."""
    with mpmath.workdps(DIGITS), np.errstate(all="ignore"):
        return _values(traced.jaxpr, traced.consts, [arithmetic.array(x) for x in inputs],
                       arithmetic)


def _values(jaxpr: Any, consts: Any, inputs: list[Any], arithmetic: Arithmetic) -> list[Any]:
    known = dict(zip(jaxpr.constvars, map(arithmetic.array, consts), strict=True))
    known.update(zip(jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        return arithmetic.array(atom.val) if isinstance(atom, Literal) else known[atom]

    for step in jaxpr.eqns:
        found = _step(step, [read(atom) for atom in step.invars], arithmetic)
        known.update(zip(step.outvars, found, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _step(step: Any, inputs: list[Any], arithmetic: Arithmetic) -> list[Any]:
    name, params = step.primitive.name, step.params
    inner = params.get("jaxpr", params.get("call_jaxpr"))
    if inner is not None:
        jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
        return _values(jaxpr, consts, inputs, arithmetic)
    if name == "convert_element_type":
        return [_converted(inputs[0], params["new_dtype"], arithmetic)]
    if name == "split":
        ends = np.cumsum(params["sizes"])[:-1]
        return list(np.split(inputs[0], ends, params["axis"]))
    if name in MOVES:
        return [np.asarray(MOVES[name](params, *inputs))]
    if name in COMPARED:
        return [COMPARED[name](*inputs)]
    if all(array.dtype.kind in "biu" for array in inputs):
        arithmetic = plain(float)
    if name in COMPUTED:
        return [np.asarray(arithmetic.done(functools.partial(COMPUTED[name], params), *inputs))]
    found = arithmetic.done(arithmetic.function(name), *inputs)
    kind = step.outvars[0].aval.dtype
    return [np.asarray(found, kind if kind.kind in "biu" else arithmetic.dtype)]


def _converted(array: Any, dtype: Any, arithmetic: Arithmetic) -> Any:
    if np.dtype(dtype).kind != "f":
        return array.astype(dtype)
    return arithmetic.array(array.astype(float) if array.dtype.kind in "biu" else array)


def _contracted(params: Any, this: Any, other: Any) -> Any:
    over, batch = params["dimension_numbers"]
    assert batch == ((), ()), "a product of matrices for each entry of a batch"
    return np.tensordot(this, other, axes=over)


COMPARED: dict[str, Callable[..., Any]] = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal, "and": np.logical_and, "or": np.logical_or,
    "not": np.logical_not,
}
COMPUTED: dict[str, Callable[..., Any]] = {
    "add": lambda p, a, b: a + b, "add_any": lambda p, a, b: a + b, "sub": lambda p, a, b: a - b,
    "mul": lambda p, a, b: a*b, "square": lambda p, a: a*a,
    "integer_pow": lambda p, a: a**p["y"] if p["y"] >= 0 else 1/a**-p["y"],
    "reduce_sum": lambda p, a: np.sum(a, axis=tuple(p["axes"])),
    "scatter-add": scatter_added, "dot_general": _contracted,
}
