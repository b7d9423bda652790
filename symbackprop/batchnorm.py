"""Batch normalisation: statistics of the batch in training, running ones at inference.

    mean[j] = Σ_n x[n,j]/N                         at inference running_mean[j]
    var[j]  = Σ_n (x[n,j] − mean[j])²/N            at inference running_var[j]
    h[n,j]  = scale[j]·(x[n,j] − mean[j])/√(var[j] + epsilon) + shift[j]
    running_mean[j] ← (1 − momentum)·running_mean[j] + momentum·mean[j]
    running_var[j]  ← (1 − momentum)·running_var[j] + momentum·var[j]·N/(N − 1)    where N > 1

One row has no variance that could be told: where N = 1, running_var stays what it is.
Definitions and states like any other: the gradient, which runs through both statistics, is derived.
"""

from __future__ import annotations

from typing import Any

from sympy import Expr, Idx, Integer, Max, Min, Mul, Sum, sqrt

from symbackprop.arrays import Array, made, read
from symbackprop.broadcasting import axes_of, letters_for
from symbackprop.declare import attach
from symbackprop.errors import DeclarationError, where
from symbackprop.laws import Asks, AtInference
from symbackprop.notation import extent
from symbackprop.randomness import carry, strength
from symbackprop.trainable import weight_of

__all__ = ["batch_norm"]


def batch_norm(x: Any, axis: Any = -1, momentum: Any = 0.1, epsilon: Any = 1e-5,
               scale: bool = True, shift: bool = True) -> Any:
    """x with mean 0 and variance 1 over all other axes, times `scale`, plus `shift`.

    axis: the axes that keep statistics of their own, e.g. the channels of an image; momentum: the
    share of the newest batch in the running statistics, from 0 to 1; epsilon ≥ 0.  The last two are
    hypers, or numbers, which become such.  scale, shift: whether these parameters are made, of the
    shape of the statistics.  At inference running_mean and running_var stand for the statistics;
    `model.states` holds them; the running variance is the unbiased one, as in torch, and a
    batch of one row leaves it as it is.
    Raises DeclarationError for an x that is no tensor, an axis that is none or the batch, or where
    no other axis is left, and for numbers out of range.
    Source: Ioffe & Szegedy 2015, arXiv:1502.03167; torch.nn.BatchNorm1d.

    >>> import symbackprop as sb
    >>> x = sb.data("x", sb.size("N"), 3)
    >>> print(sb.program(sb.inference(batch_norm(x))))
    var1[i] = running_var1[i]
    std1[i] = √(var1[i] + epsilon)
    mean1[i] = running_mean1[i]
    h1[n,i] = (x[n,i] − mean1[i])·scale1[i]/std1[i] + shift1[i]
    """
    if not isinstance(x, Array):
        raise DeclarationError(f"batch_norm: the input must be a tensor of rank 1 or more, "
                               f"not {x!r}")
    letters = letters_for(x.axes, [x])
    kept = _kept(x, axes_of(axis, x.rank, "batch_norm"), letters)
    share = strength(momentum, "momentum", "batch_norm: the momentum", "share")
    small = strength(epsilon, "epsilon", "batch_norm: epsilon", "not_negative")
    mean, variance = _statistics(x, letters, kept, share)
    std = attach(None, mean.axes, kept, sqrt(variance.at(*kept) + small), hint="std",
                 law=Asks(((share, "share"), (small, "not_negative"))))
    body = (read(x, letters) - mean.at(*kept))/std.at(*kept)
    if scale:
        body = weight_of("batch_norm", kept, hint="scale").at(*kept)*body
    if shift:
        body = body + weight_of("batch_norm", kept, hint="shift").at(*kept)
    return made(letters, body, "h")


def _statistics(x: Array, letters: tuple[Idx, ...], kept: tuple[Idx, ...],
                share: Expr) -> tuple[Array, Array]:
    """Mean and variance over the letters that are not kept, and what is carried of them."""
    over = tuple(i for i in letters if i not in kept)
    count = Mul(*map(extent, over))
    entry = read(x, letters)
    mean = _statistic("mean", 0, kept, Sum(entry, *over)/count, share, Integer(1))
    variance = _statistic("var", 1, kept, Sum((entry - mean.at(*kept))**2, *over)/count,
                          share*Min(1, count - 1), count/Max(count - 1, 1))
    return mean, variance


def _statistic(name: str, initial: float, kept: tuple[Idx, ...], body: Expr, share: Expr,
               correction: Expr) -> Array:
    """A statistic of the batch, and the running one that stands for it at inference."""
    axes = tuple(map(extent, kept))
    running = Array(None, axes, kept, "state", hint=f"running_{name}", where=where())
    found: Array = attach(None, axes, kept, body, hint=name,
                          law=AtInference(running.at(*kept)))
    carry(running, initial,
          (1 - share)*running.at(*kept) + share*correction*found.at(*kept))
    return found


def _kept(x: Array, places: tuple[int, ...], letters: tuple[Idx, ...]) -> tuple[Idx, ...]:
    for place in places:
        if not x.axes[place].is_Integer:
            raise DeclarationError(
                f"batch_norm: axis {place} has {x.axes[place]} entries, known in a call only; the "
                "axes with statistics of their own have numbers; write e.g. axis=-1")
    if not places or len(places) == x.rank:
        raise DeclarationError(
            f"batch_norm: the axes {places} of the input, of shape {x.axes}, leave nothing to keep "
            "or nothing to average over; name the axis of the features, e.g. axis=-1")
    return tuple(letters[place] for place in places)
