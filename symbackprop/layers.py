"""Layers: z = x @ W + b and h = activation(z), with parameters that are made on the way."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

from sympy import Expr, Idx, Integer, Sum, Symbol

from symbackprop import elementwise
from symbackprop.arrays import Array, made, read
from symbackprop.batchnorm import batch_norm
from symbackprop.broadcasting import free_letter, is_scalar, letters_for, scalar_operand
from symbackprop.errors import DeclarationError, where
from symbackprop.stochastic import dropout, jitter, weight_noise

__all__ = ["ACTIVATIONS", "batch_norm", "dense", "dropout", "jitter", "weight_noise"]

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "identity": elementwise.identity,
    "leaky_relu": elementwise.leaky_relu,
    "relu": elementwise.relu,
    "sigmoid": elementwise.sigmoid,
    "softmax": elementwise.softmax,
    "softplus": elementwise.softplus,
    "tanh": elementwise.tanh,
}
_LETTERS = "ijklm"
_ALONG_AN_AXIS = (elementwise.softmax, elementwise.log_softmax)


def dense(x: Array, width: int | Expr, activation: Any = None, bias: bool = True) -> Any:
    """activation(x @ W + b), W of shape (inputs, width) and b of shape (width) made here.

    x: a tensor, its last axis holds the inputs; activation: None, a name, a function of
    sb, or any function from a real SymPy scalar to an expression; bias=False leaves b out.
    Raises DeclarationError for an unknown name, a width that is none, an x that is no tensor.

    >>> import symbackprop as sb
    >>> x = sb.data("x", sb.size("N"), 64)
    >>> print(sb.program(sb.layers.dense(x, 32, lambda t: t*sb.sigmoid(t))))
    z1[n,j] = Σ_i x[n,i]·W1[i,j] + b1[j]
    h1[n,j] = z1[n,j]·sigmoid(z1[n,j])
    """
    if not isinstance(x, Array):
        raise DeclarationError(f"dense: the input must be a tensor of rank 1 or more, not {x!r}")
    function = _activation(activation)
    z = _affine(x, _width(width), bias)
    if function is elementwise.identity:
        return z
    if function in _ALONG_AN_AXIS:
        return function(z)
    return made(z.letters, _applied(function, z[z.letters]), "h")


def _affine(x: Array, width: Expr, bias: bool) -> Array:
    """z[…, j] = Σ_i x[…, i]·W[i, j] + b[j] as one definition."""
    letters = letters_for(x.axes, [x])
    *batch, i = letters
    j = free_letter(width, [Idx(Symbol(c, integer=True), width) for c in _after(i)], letters)
    place = where()
    weight = Array(None, (x.axes[-1], width), (i, j), "parameter", hint="W", where=place)
    body = Sum(read(x, letters) * weight[i, j], i)
    if bias:
        body += Array(None, (width,), (j,), "parameter", hint="b", where=place,
                      beside=weight)[j]
    affine: Array = made((*batch, j), body, "z")
    return affine


def _after(index: Idx) -> str:
    """The letters that follow an index, so that layers read i, j, k, … as on the blackboard."""
    place = _LETTERS.find(str(index)) + 1
    return _LETTERS[place:] + _LETTERS[:place]


def _activation(given: Any) -> Callable[[Any], Any]:
    if given is None:
        return elementwise.identity
    if isinstance(given, str):
        if given not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise DeclarationError(
                f"dense: there is no activation {given!r}; known are {known}; any other is given "
                "as a function, e.g. lambda t: t*sb.sigmoid(t)"
            )
        return ACTIVATIONS[given]
    if not callable(given):
        raise DeclarationError(f"dense: an activation is a name or a function, not {given!r}")
    found: Callable[[Any], Any] = given
    return found


def _applied(function: Callable[[Any], Any], entry: Expr) -> Expr:
    wanted = "write an expression of one real argument, e.g. lambda t: t*sb.sigmoid(t)"
    try:
        value = function(entry)
    except DeclarationError:
        raise
    except TypeError as error:
        name = getattr(function, "__name__", repr(function))
        raise DeclarationError(f"dense: the activation {name} takes no SymPy scalar ({error}); "
                               f"{wanted}, with functions of sb or SymPy, not NumPy") from error
    if not is_scalar(value):
        raise DeclarationError(f"dense: the activation gives {value!r}, which is no scalar; "
                               f"{wanted}")
    return scalar_operand(value)


def _width(given: Any) -> Expr:
    if isinstance(given, Integral) and not isinstance(given, bool) and int(given) > 0:
        return Integer(int(given))
    if isinstance(given, Symbol) and given.is_integer and given.is_positive:
        return given
    raise DeclarationError(f"dense: the width must be a positive int or a size, not {given!r}")
