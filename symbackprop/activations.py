"""Activations as rows: a name, and a function of a tensor or of a SymPy scalar.

    elu(t) = {t if t > 0; α·(e^t − 1) otherwise}      gelu(t) = t·(1 + erf(t/√2))/2

Plain SymPy bodies, so that deriving, printing and compiling need nothing new.  Where a body has
cases, the case that holds at the kink gives the derivative there: elu′(0) = α, and 0 for the hard
functions; as relu′(0) = 0 and leaky_relu′(0) = the slope.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import Expr, Float, Integer, Piecewise, Rational, erf, pi, sqrt, tanh

from symbackprop import elementwise, functions
from symbackprop.arrays import Array, made, mapped, read
from symbackprop.broadcasting import axes_of, is_scalar, letters_for, scalar_operand
from symbackprop.errors import DeclarationError, where
from symbackprop.trainable import samples_apart

__all__ = ["ACTIVATIONS", "activated", "elu", "gelu", "gelu_tanh", "hard_sigmoid",
           "hard_swish", "hard_tanh", "prelu", "selu", "silu"]

SELU_ALPHA, SELU_SCALE = Float(1.6732632423543772), Float(1.0507009873554805)
CUBIC = Float(0.044715)


def elu(t: Any, alpha: Any = 1) -> Any:
    """t where it is positive, α·(e^t − 1) elsewhere; the derivative at 0 is α (lecture 003).

    >>> import symbackprop as sb
    >>> print(sb.program(elu(sb.data("x", sb.size("N"), 3))))
    h1[n,i] = {x[n,i] if x[n,i] > 0; exp(x[n,i]) − 1 otherwise}
    """
    return mapped(_elu, t, alpha, hint="h")


def _elu(t: Expr, alpha: Expr) -> Expr:
    return Piecewise((t, t > 0), (alpha * functions.expm1(t), True))


def selu(t: Any) -> Any:
    """λ·elu(t, α) with λ ≈ 1.0507, α ≈ 1.6733 (Klambauer et al. 2017); at 0 the slope is λ·α."""
    return mapped(lambda t: SELU_SCALE * _elu(t, SELU_ALPHA), t, hint="h")


def gelu(t: Any) -> Any:
    """t·Φ(t) = t·(1 + erf(t/√2))/2, Φ the normal distribution (Hendrycks & Gimpel 2016)."""
    return mapped(lambda t: t * (1 + erf(t / sqrt(2))) / 2, t, hint="h")


def gelu_tanh(t: Any) -> Any:
    """t·(1 + tanh(√(2/π)·(t + 0.044715·t³)))/2, which is gelu(t) to 0.0005 (ibid.)."""
    return mapped(lambda t: t * (1 + tanh(sqrt(2 / pi) * (t + CUBIC * t**3))) / 2, t, hint="h")


def silu(t: Any) -> Any:
    """t·sigmoid(t), also called swish (Elfwing et al. 2018).

    >>> import symbackprop as sb
    >>> print(sb.program(silu(sb.data("x", sb.size("N"), 3))))
    h1[n,i] = x[n,i]·sigmoid(x[n,i])
    """
    return mapped(lambda t: t * functions.sigmoid(t), t, hint="h")


def hard_sigmoid(t: Any) -> Any:
    """t/6 + ½, cut off at 0 and 1; the derivative is 0 at the kinks −3 and 3."""
    return mapped(lambda t: _between(t, 3, Integer(0), t / 6 + Rational(1, 2), Integer(1)), t,
                  hint="h")


def hard_tanh(t: Any) -> Any:
    """t, cut off at −1 and 1; the derivative is 0 at these kinks."""
    return mapped(lambda t: _between(t, 1, Integer(-1), t, Integer(1)), t, hint="h")


def hard_swish(t: Any) -> Any:
    """t·hard_sigmoid(t) (Howard et al. 2019); the derivative is 0 at −3 and 1 at 3.

    >>> hard_swish(-4), hard_swish(0), hard_swish(5)
    (0, 0, 5)
    """
    return mapped(lambda t: _between(t, 3, Integer(0), t * (t + 3) / 6, t), t, hint="h")


def _between(t: Expr, end: int, below: Expr, inside: Expr, above: Expr) -> Expr:
    return Piecewise((below, t <= -end), (above, t >= end), (inside, True))


def prelu(t: Any, axis: Any = None) -> Any:
    """t where it is positive, α·t elsewhere, with α learned (He et al. 2015, lecture 003).

    t: a tensor; axis: None for one α, or the axis or axes along which there is an α for each
    entry, e.g. −1 for one for each unit of a dense layer, 1 for each channel of a convolution.
    A parameter alpha is made; it starts at 1/4, and the derivative by t at 0 is α.
    Raises DeclarationError for what is no tensor or has no such axis, and for the batch.

    >>> import symbackprop as sb
    >>> print(sb.program(prelu(sb.data("x", sb.size("N"), 3), axis=-1)))
    h1[n,i] = leaky_relu(x[n,i], alpha1[i])
    """
    if not isinstance(t, Array):
        raise DeclarationError(f"prelu makes a parameter for a tensor, and {t!r} is none; in a "
                               "formula write sb.leaky_relu(t, alpha)")
    places = () if axis is None else axes_of(axis, t.rank, "prelu")
    samples_apart("prelu", t, places)
    letters = letters_for(t.axes, [t])
    own = tuple(letters[place] for place in places)
    alpha = Array(None, tuple(t.axes[place] for place in places), own, "parameter", hint="alpha",
                  where=where())
    return made(letters, functions.leaky_relu(read(t, letters), alpha.at(*own)), "h")


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (
        elu, gelu, gelu_tanh, hard_sigmoid, hard_swish, hard_tanh, elementwise.identity,
        elementwise.leaky_relu, elementwise.log_softmax, prelu, elementwise.relu, selu,
        elementwise.sigmoid, silu, elementwise.softmax, elementwise.softplus, elementwise.tanh)
}
_ALONG_AN_AXIS: tuple[Callable[..., Any], ...] = (elementwise.softmax, elementwise.log_softmax)


def activated(what: str, z: Array, activation: Any, axis: int = -1) -> Any:
    """The activation of a layer, given by name or as a function, on the layer's z.

    axis: along which a softmax of this layer runs; what: the layer's name in an error.
    Raises DeclarationError for an unknown name, and for what gives no scalar.
    """
    function = _found(what, activation)
    if function is elementwise.identity:
        return z
    if function in _ALONG_AN_AXIS:
        return function(z, axis)
    if function is prelu:
        return function(z)
    return made(z.letters, _applied(what, function, z[z.letters]), "h")


def _found(what: str, given: Any) -> Callable[..., Any]:
    if given is None:
        return elementwise.identity
    if isinstance(given, str):
        if given not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise DeclarationError(
                f"{what}: there is no activation {given!r}; known are {known}; any other is given "
                "as a function, e.g. lambda t: t*sb.sigmoid(t)"
            )
        return ACTIVATIONS[given]
    if not callable(given):
        raise DeclarationError(f"{what}: an activation is a name or a function, not {given!r}")
    found: Callable[..., Any] = given
    return found


def _applied(what: str, function: Callable[[Any], Any], entry: Expr) -> Expr:
    wanted = "write an expression of one real argument, e.g. lambda t: t*sb.sigmoid(t)"
    try:
        value = function(entry)
    except DeclarationError:
        raise
    except TypeError as error:
        name = getattr(function, "__name__", repr(function))
        raise DeclarationError(f"{what}: the activation {name} takes no SymPy scalar ({error}); "
                               f"{wanted}, with functions of sb or SymPy, not NumPy") from error
    if not is_scalar(value):
        raise DeclarationError(f"{what}: the activation gives {value!r}, which is no scalar; "
                               f"{wanted}")
    return scalar_operand(value)
