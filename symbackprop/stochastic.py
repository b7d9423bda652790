"""Layers that draw: dropout, jitter on inputs, noise on weights; each one noise and a definition.

    dropout       h[n,j]·m[n,j]/(1 − drop)      m is 1 with probability 1 − drop    (inverted)
    dropout       h[n,j]·m[n,j]                 at inference h[n,j]·(1 − drop)      (scaled in test)
    jitter        x[n,i] + e[n,i]               e normal with mean 0
    weight_noise  W[i,j] + e[i,j]               the same, drawn once for each step
"""

from __future__ import annotations

from typing import Any

from sympy import Expr, Integer

from symbackprop.arrays import Array, made, read
from symbackprop.broadcasting import axes_of, letters_for
from symbackprop.errors import DeclarationError, where
from symbackprop.laws import Distribution
from symbackprop.notation import Tensor
from symbackprop.randomness import gaussian, strength

__all__ = ["dropout", "jitter", "weight_noise"]


def dropout(x: Any, rate: Any = 0.5, inverted: bool = True, shared: Any = ()) -> Any:
    """x with each entry zero with probability `rate` in training, and x itself at inference.

    x: a tensor; rate: from 0 up to, but not including, 1, or a hyper; a number becomes the hyper
    `drop`.  inverted: what is kept is divided by 1 − rate in training; else it is not, and x is
    multiplied by 1 − rate at inference.  shared: the axes along which all entries live and die
    together, e.g. (2, 3) for whole channels of images.
    Raises DeclarationError for an x that is no tensor and a rate that is none.
    Source: Srivastava et al. 2014, "Dropout", lectures 000, 001 and 004.

    >>> import symbackprop as sb
    >>> x = sb.data("x", sb.size("N"), 3)
    >>> print(sb.program(dropout(x, 0.2, inverted=False)))
    h1[n,i] = x[n,i]·m1[n,i]
    """
    _checked(x, "dropout")
    drop = strength(rate, "drop", "dropout: the rate", "below_one")
    mask = _noise(x, "m", Distribution("bernoulli", (1 - drop,)),
                  axes_of(shared, x.rank, "dropout(…, shared=…)"))
    letters = letters_for(x.axes, [x])
    kept = read(x, letters) * _entry(mask, letters)
    return made(letters, kept / (1 - drop) if inverted else kept, "h")


def jitter(x: Any, deviation: Any = 0.1) -> Any:
    """x plus normal noise of mean 0 in training, drawn for every entry; x itself at inference.

    deviation: at least 0, or a hyper; a number becomes the hyper `std`.
    Raises DeclarationError for an x that is no tensor and a deviation that is none.
    Source: lecture 002; Bishop 1995, "Training with noise".

    >>> import symbackprop as sb
    >>> print(sb.program(jitter(sb.data("x", sb.size("N"), 3), 0.1)))
    t1[n,i] = e1[n,i] + x[n,i]
    """
    return _with_noise(x, deviation, "jitter")


def weight_noise(weight: Any, deviation: Any = 0.1) -> Any:
    """A parameter plus normal noise of mean 0, drawn once for each step; itself at inference.

    deviation: at least 0, or a hyper.  Write x @ sb.layers.weight_noise(W, 0.01).
    Raises DeclarationError for what is no parameter and a deviation that is none.

    >>> import symbackprop as sb
    >>> x, W = sb.data("x", sb.size("N"), 3), sb.parameter("W", 3, 2)
    >>> print(sb.program(x @ weight_noise(W, 0.01)))
    t1[i,j] = W[i,j] + e1[i,j]
    t2[n,j] = Σ_i x[n,i]·t1[i,j]
    """
    _checked(weight, "weight_noise")
    if weight.role != "parameter":
        raise DeclarationError(f"weight_noise: expected a parameter, found {weight!r}; for data "
                               "and layers write sb.layers.jitter(x, 0.1)")
    return _with_noise(weight, deviation, "weight_noise")


def _with_noise(x: Any, deviation: Any, name: str) -> Any:
    _checked(x, name)
    law = gaussian(0, strength(deviation, "std", f"{name}: the standard deviation",
                               "not_negative"))
    letters = letters_for(x.axes, [x])
    return made(letters, read(x, letters) + _entry(_noise(x, "e", law), letters))


def _noise(x: Array, hint: str, law: Distribution, shared: tuple[int, ...] = ()) -> Array:
    """An unnamed noise of the shape of x, with axes of length 1 where its entries are shared."""
    axes = tuple(Integer(1) if k in shared else axis for k, axis in enumerate(x.axes))
    return Array(None, axes, letters_for(axes, [x]), "noise", hint=hint, where=where(), law=law)


def _entry(noise: Tensor, letters: tuple[Any, ...]) -> Expr:
    return noise.at(*(Integer(0) if axis == 1 else i
                      for i, axis in zip(letters, noise.axes, strict=True)))


def _checked(x: Any, name: str) -> None:
    if not isinstance(x, Array):
        raise DeclarationError(f"{name}: the input must be a tensor of rank 1 or more, not {x!r}")
