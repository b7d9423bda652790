"""Functions of networks, for tensors entry by entry and for scalar SymPy expressions alike.

    tanh(x @ W + b)   of a tensor, a tensor          tanh(t)   of a scalar, a SymPy expression

softmax and its relatives run along an axis, so they take tensors only; they are written out as
exp(z)/Σ exp(z): stable forms are found by shape later, never by name.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr, Integer, Max, Min, Rational, Sum

from symbackprop import functions
from symbackprop.arrays import Array, made, mapped, read, reduced
from symbackprop.broadcasting import axes_of, letters_for
from symbackprop.errors import DeclarationError

__all__ = [
    "absolute", "cos", "exp", "identity", "leaky_relu", "log", "log_softmax", "logsumexp",
    "maximum", "minimum", "relu", "sigmoid", "sin", "softmax", "softplus", "sqrt", "tanh",
]


def exp(t: Any) -> Any:
    """e^t."""
    return mapped(sympy.exp, t)


def log(t: Any) -> Any:
    """The natural logarithm of t."""
    return mapped(sympy.log, t)


def sqrt(t: Any) -> Any:
    """√t."""
    return mapped(sympy.sqrt, t)


def sin(t: Any) -> Any:
    """The sine of t."""
    return mapped(sympy.sin, t)


def cos(t: Any) -> Any:
    """The cosine of t."""
    return mapped(sympy.cos, t)


def absolute(t: Any) -> Any:
    """|t|, with derivative 0 at 0; abs(t) is the same."""
    return mapped(sympy.Abs, t)


def tanh(t: Any) -> Any:
    """The hyperbolic tangent of t.

    >>> import symbackprop as sb
    >>> x, w = sb.data("x", sb.size("N"), 3), sb.parameter("w", 3)
    >>> print(sb.program(tanh(x @ w)))
    h1[n] = tanh(Σ_i x[n,i]·w[i])
    """
    return mapped(sympy.tanh, t, hint="h")


def sigmoid(t: Any) -> Any:
    """σ(t) = 1/(1 + e^−t).

    >>> sigmoid(0)
    1/2
    """
    return mapped(functions.sigmoid, t, hint="h")


def relu(t: Any) -> Any:
    """max(0, t), with derivative 0 at 0."""
    return mapped(functions.relu, t, hint="h")


def leaky_relu(t: Any, slope: Any = Rational(1, 10)) -> Any:
    """t where it is positive, slope·t elsewhere; the derivative at 0 is the slope."""
    return mapped(functions.leaky_relu, t, slope, hint="h")


def softplus(t: Any) -> Any:
    """log(1 + e^t)."""
    return mapped(functions.softplus, t, hint="h")


def identity(t: Any) -> Any:
    """The argument t itself."""
    return t


def maximum(a: Any, b: Any) -> Any:
    """The larger of a and b, entry by entry; at a tie each has derivative ½."""
    return mapped(Max, a, b)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of a and b, entry by entry; at a tie each has derivative ½."""
    return mapped(Min, a, b)


def softmax(z: Any, axis: Any = -1) -> Any:
    """exp(z)/Σ exp(z), positive and of sum one along an axis.

    >>> import symbackprop as sb
    >>> z = sb.data("z", sb.size("N"), 10)
    >>> print(sb.program(softmax(z)))
    p1[n,i] = exp(z[n,i])/(Σ_i exp(z[n,i]))
    """
    array, element, total = _exponentials(z, axis, "softmax")
    return made(array, sympy.exp(element) / total, hint="p")


def log_softmax(z: Any, axis: Any = -1) -> Any:
    """z − log Σ exp(z), the logarithm of softmax."""
    array, element, total = _exponentials(z, axis, "log_softmax")
    return made(array, element - sympy.log(total))


def logsumexp(z: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log Σ exp(z) over an axis, several, or all."""
    _checked(z, "logsumexp")
    return reduced(z, axis, keepdims, lambda t, *over: sympy.log(Sum(sympy.exp(t), *over)))


def _exponentials(z: Any, axis: Any, name: str) -> tuple[Any, Expr, Expr]:
    """The letters of z, its entry there, and Σ exp(entry) over the letters of these axes."""
    _checked(z, name)
    letters = letters_for(z.axes, [z])
    element = read(z, letters)
    over = [letters[place] for place in axes_of(axis, z.rank, name)]
    return letters, element, Sum(sympy.exp(element), *over) if over else Integer(1)


def _checked(z: Any, name: str) -> None:
    if not isinstance(z, Array):
        raise DeclarationError(
            f"sb.{name} runs along an axis of a tensor, and {z!r} is none; with indices write "
            "exp(z[n, k])/Sum(exp(z[n, k]), k)"
        )
