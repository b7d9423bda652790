"""Layers: z = x @ W + b and h = activation(z), with parameters that are made on the way.

    dense      Σ_i x[n,i]·W[i,j] + b[j]      maxout      max_p (Σ_i x[n,i]·W[i,j,p] + b[j,p])
    embedding  E[w[n], d]          layer_norm  scale[i]·(x[n,i] − m[n])/√(v[n] + ε) + shift[i]

A residual connection is a plain sum, x + dense(x, width).  One parameter in several places: give
it to each of them, dense(x, weight=W).  Layers of images and series are in `convolutions.py`.
"""

from __future__ import annotations

from typing import Any

from sympy import Eq, Expr, Float, Idx, KroneckerDelta, Mul, Sum, Symbol, sqrt

from symbackprop.activations import ACTIVATIONS, activated
from symbackprop.arrays import Array, made, read
from symbackprop.batchnorm import batch_norm
from symbackprop.broadcasting import axes_of, finite_number, free_letter, letters_for, shown
from symbackprop.convolutions import convolution, flatten, max_pool, mean_pool
from symbackprop.errors import DeclarationError
from symbackprop.functions import Iverson
from symbackprop.notation import Maximum, TensorSymbol
from symbackprop.stochastic import dropout, jitter, weight_noise
from symbackprop.trainable import bias_of, fresh, input_array, samples_apart, weight_of, width_of

__all__ = ["ACTIVATIONS", "batch_norm", "convolution", "dense", "dropout", "embedding", "flatten",
           "jitter", "layer_norm", "max_pool", "maxout", "mean_pool", "weight_noise", "with_ones"]

_LETTERS = "ijklm"


def dense(x: Array, width: int | Expr | None = None, activation: Any = None, bias: Any = True,
          weight: Array | None = None) -> Any:
    """activation(x @ W + b), W of shape (inputs, width) and b of shape (width) made here.

    x: a tensor, its last axis holds the inputs; activation: None, a name, a function of
    sb, or any function from a real SymPy scalar to an expression; bias: False leaves b out,
    "folded" makes it the last row of W, of shape (inputs + 1, width), which meets a column of
    ones (lecture 002), and a tensor is taken as it is; weight: a tensor in the place of a new W.
    Raises DeclarationError for an unknown name, a width that is none, an x that is no tensor.

    >>> import symbackprop as sb
    >>> x = sb.data("x", sb.size("N"), 64)
    >>> print(sb.program(sb.layers.dense(x, 32, lambda t: t*sb.sigmoid(t))))
    z1[n,j] = Σ_i x[n,i]·W1[i,j] + b1[j]
    h1[n,j] = z1[n,j]·sigmoid(z1[n,j])
    """
    x = input_array("dense", x)
    if width is None and isinstance(weight, Array) and weight.rank == 2:
        width = weight.axes[1]
    columns = width_of("dense", "width", width)
    folded = isinstance(bias, str) and bias == "folded"
    if isinstance(bias, str) and not folded:
        raise DeclarationError(f'dense: the bias is True, False, "folded" or a tensor of shape '
                               f"({columns},), not {bias!r}")
    z = _affine(with_ones(x) if folded else x, (columns,), not folded and bias, weight, "dense")
    return activated("dense", z, activation)


def maxout(x: Array, width: int | Expr, pieces: int = 2, bias: Any = True,
           weight: Array | None = None) -> Any:
    """max_p (Σ_i x[n,i]·W[i,j,p] + b[j,p]), the largest of so many affine maps (lecture 001).

    W has the shape (inputs, width, pieces), b (width, pieces); ties share the derivative
    (Goodfellow et al. 2013).  Arguments and errors are those of `dense`.

    >>> import symbackprop as sb
    >>> print(sb.program(sb.layers.maxout(sb.data("x", sb.size("N"), 64), 32)))
    z1[n,j,k] = Σ_i x[n,i]·W1[i,j,k] + b1[j,k]
    h1[n,j] = max_k z1[n,j,k]
    """
    axes = (width_of("maxout", "width", width), width_of("maxout", "number of pieces", pieces))
    z = _affine(input_array("maxout", x), axes, bias, weight, "maxout")
    *units, p = z.letters
    return made(tuple(units), Maximum(z[z.letters], p), "h")


def embedding(labels: Any, width: int | Expr | None = None, weight: Array | None = None) -> Any:
    """E[w[…], d]: the row of E, of shape (V, width), that each label chooses.

    labels: integer data with the fact sb.label(V), of any rank; the result has one axis more.
    The derivative adds up, for each row, what arrives where it was chosen.
    Raises DeclarationError where the labels have no such fact.

    >>> import symbackprop as sb
    >>> w = sb.data("w", sb.size("N"), 7, facts=[sb.label(50)])
    >>> print(sb.program(sb.layers.embedding(w, 8)))
    h1[n,i,j] = E1[w[n,i],j]
    """
    tensor = labels.tensor if isinstance(labels, TensorSymbol) else labels
    known = [fact.extent for fact in getattr(tensor, "facts", ()) if fact.kind == "label"]
    if not known or known[0] is None:
        raise DeclarationError(f"embedding: the labels must be integer data, not {shown(labels)}; "
                               "declare them with facts=[sb.label(number of classes)]")
    if width is None and isinstance(weight, Array) and weight.rank == 2:
        width = weight.axes[1]
    letters = letters_for(tensor.axes, [tensor])
    row = free_letter(known[0], [Idx(Symbol("v", integer=True), known[0])], letters)
    d = fresh(width_of("embedding", "width", width), "jkdl", (*letters, row))
    E = weight_of("embedding", (row, d), weight, "E")
    return made((*letters, d), read(E, (tensor.at(*letters), d)), "h")


def layer_norm(x: Array, axis: Any = -1, scale: bool = True, shift: bool = True,
               epsilon: float = 1e-5) -> Any:
    """scale·(x − m)/√(v + ε) + shift, with the mean m and the variance v of x over some axes.

    axis: one or several, by position; scale (starts at 1) and shift (at 0) have the extents of
    these axes; scale=False or shift=False leaves them out (Ba et al. 2016).  v is the mean of
    squares.  Raises DeclarationError for an axis that x has not, the batch unless both are left
    out, and an ε that is not above 0.

    >>> import symbackprop as sb
    >>> print(sb.program(sb.layers.layer_norm(sb.data("x", sb.size("N"), 8))))
    m1[n] = (Σ_i x[n,i])/8
    v1[n] = (Σ_i (x[n,i] − m1[n])²)/8
    h1[n,i] = (x[n,i] − m1[n])·scale1[i]/√(1e-5 + v1[n]) + shift1[i]
    """
    x = input_array("layer_norm", x)
    number = finite_number(epsilon)
    if number is None or number <= 0:
        raise DeclarationError(f"layer_norm: epsilon must be a number above 0, not {epsilon!r}")
    places = axes_of(axis, x.rank, "layer_norm")
    if not places:
        raise DeclarationError("layer_norm: axis must name one axis or more, not ()")
    if scale or shift:
        samples_apart("layer_norm", x, places)
    letters = letters_for(x.axes, [x])
    over = tuple(letters[place] for place in places)
    kept = tuple(i for i in letters if i not in over)
    count = Mul(*(x.axes[place] for place in places))
    entry = read(x, letters)
    mean = _moment(kept, Sum(entry, *over) / count, "m")
    variance = _moment(kept, Sum((entry - mean)**2, *over) / count, "v")
    body = (entry - mean) / sqrt(variance + Float(number))
    if scale:
        body *= weight_of("layer_norm", over, hint="scale")[over]
    if shift:
        body += weight_of("layer_norm", over, hint="shift")[over]
    return made(letters, body, "h")


def _moment(letters: tuple[Idx, ...], body: Expr, hint: str) -> Expr:
    moment = made(letters, body, hint)
    return moment[letters] if isinstance(moment, Array) else moment


def with_ones(x: Array) -> Any:
    """x with a column of ones after the last entry of its last axis (lecture 002).

    >>> import symbackprop as sb
    >>> print(sb.program(sb.layers.with_ones(sb.data("x", sb.size("N"), 3))))
    x1[n,j] = Σ_i x[n,i]·[i = j] + [j = 3]
    """
    x = input_array("with_ones", x)
    *batch, i = letters_for(x.axes, [x])
    j = fresh(x.axes[-1] + 1, _after(i), (*batch, i))
    body = Sum(read(x, (*batch, i)) * KroneckerDelta(i, j), i) + Iverson(Eq(j, x.axes[-1]))
    return made((*batch, j), body, "x")


def _affine(x: Array, axes: tuple[Expr, ...], bias: Any, weight: Any, what: str) -> Array:
    """z[…, j] = Σ_i x[…, i]·W[i, j] + b[j] as one definition."""
    *batch, i = letters_for(x.axes, [x])
    own: list[Idx] = []
    for length in axes:
        last = own[-1] if own else i
        own.append(fresh(length, _after(last), (*batch, i, *own)))
    W = weight_of(what, (i, *own), weight)
    body = Sum(read(x, (*batch, i)) * read(W, (i, *own)), i)
    b = bias_of(what, tuple(own), bias, W)
    if b is not None:
        body += read(b, tuple(own))
    affine: Array = made((*batch, *own), body, "z")
    return affine


def _after(index: Idx) -> str:
    """The letters that follow an index, so that layers read i, j, k, … as on the blackboard."""
    place = _LETTERS.find(str(index)) + 1
    return _LETTERS[place:] + _LETTERS[:place]
