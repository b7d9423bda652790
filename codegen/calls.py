"""How the functions of a body are called in a kernel, and what others are rewritten to."""

from __future__ import annotations

from collections.abc import Callable

from sympy import Abs, Eq, Expr, Heaviside, Integer, Max, Min, Piecewise, sign
from sympy import functions as f

from symbackprop import functions as own
from symbackprop.codegen.polygammas import polygamma
from symbackprop.codegen.stability import Minus
from symbackprop.philox import philox

MATHEMATICS = {  # functions of Python's math: Numba calls one for each number
    f.tan: "tan", f.asin: "asin", f.acos: "acos", f.atan: "atan", f.sinh: "sinh", f.cosh: "cosh",
    f.asinh: "asinh", f.acosh: "acosh", f.atanh: "atanh", f.erfc: "erfc", f.gamma: "gamma",
    f.loggamma: "lgamma", f.atan2: "atan2",
}
HELPERS = {  # functions of vectormath: arithmetic of whole vectors
    f.exp: "exp", f.log: "log", f.sin: "sin", f.cos: "cos", f.tanh: "tanh", f.erf: "erf",
    own.expm1: "expm1", own.log1p: "log1p", own.relu: "relu", own.leaky_relu: "leaky_relu",
    own.sigmoid: "sigmoid", own.softplus: "softplus", own.logaddexp: "logaddexp", sign: "sign",
    Max: "maximum", Min: "minimum", Minus: "minus", own.costurn: "costurn",
}
NUMERIC = (own.relu, own.leaky_relu, own.sigmoid, own.softplus, own.logaddexp, own.costurn, sign,
           Minus)
NUMPY = {f.floor: "np.floor", f.ceiling: "np.ceil"}
OF_INTEGERS = {philox: "philox"}  # in the format of the number that comes first
CALLS = {**MATHEMATICS, **HELPERS, **NUMPY, Abs: "abs"}
WHOLE = {Max: "max", Min: "min"}  # of integers
VECTORMATH = frozenset((*HELPERS.values(), "power", "sqrt", "where", "added", "carried"))
REWRITTEN: dict[type, Callable[..., Expr]] = {
    f.cot: lambda t: 1 / f.tan(t), f.sec: lambda t: 1 / f.cos(t), f.csc: lambda t: 1 / f.sin(t),
    f.coth: lambda t: 1 / f.tanh(t), f.sech: lambda t: 1 / f.cosh(t),
    f.csch: lambda t: 1 / f.sinh(t), f.frac: lambda t: t - f.floor(t),
    Heaviside: lambda t, half: Piecewise((1, t > 0), (0, t < 0), (half, True)),
    own.xlogy: lambda x, y: Piecewise((0, Eq(x, 0)), (x * f.log(y), True)),
    own.log_gumbel: lambda t: Piecewise(  # as in the interpreter
        (t - f.exp(t) / 2, t < -20), (f.log(-own.expm1(-f.exp(t))), t < -0.37),
        (own.log1p(-f.exp(-f.exp(t))), True)),
    own.root: lambda s: f.sqrt(s), f.polygamma: polygamma,
    f.digamma: lambda t: polygamma(Integer(0), t), f.trigamma: lambda t: polygamma(Integer(1), t),
    f.sinc: lambda t: Piecewise((1, Eq(t, 0)), (f.sin(t) / t, True)),
}
