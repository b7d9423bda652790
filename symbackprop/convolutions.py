"""Convolutions and pooling: sums and maxima over windows, written with index expressions.

    convolution   z[n,f,u] = Σ_{c,a} x[n,c,s·u + a]·W[f,c,a] + b[f]       s: the stride
    max_pool      m[n,c,u] = max_a x[n,c,s·u + a]

Axes are (batch, channels, places …), channels first as in torch: one axis of places is a series,
two are an image.  Padding is a definition of its own, x1[n,c,r] = Σ_i [i + p = r]·x[n,c,i]; the
kernel makes a copy between zeros of it, and a plain read of its derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

from sympy import Expr, Idx, Integer, KroneckerDelta, Mul, Sum

from symbackprop.activations import activated
from symbackprop.arrays import Array, made, read
from symbackprop.broadcasting import letters_for
from symbackprop.errors import DeclarationError
from symbackprop.notation import Maximum, extent
from symbackprop.trainable import bias_of, fresh, input_array, weight_of, width_of

__all__ = ["convolution", "flatten", "max_pool", "mean_pool"]

_AXES = "(batch, channels, places …), channels first"
_PLACES, _WINDOW = "uvw", "abcde"
Pads = tuple[tuple[int, int], ...]


def convolution(x: Array, channels: int | Expr, size: Any, activation: Any = None,
                stride: Any = 1, padding: Any = 0, bias: Any = True,
                weight: Array | None = None) -> Any:
    """activation(Σ_{c,a,b} x[n, c, s·u + a, s·v + b]·W[f,c,a,b] + b[f]), as torch's Conv1d, Conv2d.

    x: (batch, channels, length) or (batch, channels, height, width); the result has `channels`
    in place of its own, and (length + padding − size)/stride + 1 places, rounded down.
    size, stride: an int, or one for each axis of places; padding: an int or ints, zeros put
    before and after, or "same" for as many places as x has (at stride 1).
    W has the shape (channels, channels of x, *size); bias and weight as in `dense`.
    Raises DeclarationError for shapes and sizes that do not fit.

    >>> import symbackprop as sb
    >>> x = sb.data("x", sb.size("N"), 1, 28, 28)
    >>> print(sb.program(sb.layers.convolution(x, 8, 3, "relu", stride=2)))
    z1[n,f,u,v] = Σ_{i,a,b} x[n,i,2·u + a,2·v + b]·W1[f,i,a,b] + b1[f]
    h1[n,f,u,v] = relu(z1[n,f,u,v])
    """
    x = input_array("convolution", x, 3, _AXES)
    length = width_of("convolution", "number of channels", channels)
    sizes = _each("convolution", "size", size, x.rank - 2, 1)
    strides = _each("convolution", "stride", stride, x.rank - 2, 1)
    x = _padded(x, _pads(padding, sizes, strides, x.rank - 2))
    n, c, *_ = letters_for(x.axes, [x])
    f = fresh(length, "fgk", (n, c))
    places, window = _windows("convolution", x, (n, c, f), sizes, strides)
    W = weight_of("convolution", (f, c, *window), weight)
    entry = read(x, (n, c, *_moved(places, window, strides)))
    body = Sum(entry * read(W, (f, c, *window)), c, *window)
    b = bias_of("convolution", (f,), bias, W)
    if b is not None:
        body += read(b, (f,))
    return activated("convolution", made((n, f, *places), body, "z"), activation, axis=1)


def max_pool(x: Array, size: Any, stride: Any = None) -> Any:
    """The maximum of each window of places; ties share the derivative.

    x: (batch, channels, places …); size, stride: an int, or one for each axis of places; the
    stride is the size where none is given; a rest that fills no window is left out.
    Raises DeclarationError for windows that do not fit.

    >>> import symbackprop as sb
    >>> print(sb.program(sb.layers.max_pool(sb.data("x", sb.size("N"), 8, 26, 26), 2)))
    m1[n,i,u,v] = max_{a,b} x[n,i,2·u + a,2·v + b]
    """
    return _pooled("max_pool", x, size, stride, Maximum)


def mean_pool(x: Array, size: Any, stride: Any = None) -> Any:
    """The mean of each window of places; arguments and errors are those of `max_pool`.

    >>> import symbackprop as sb
    >>> print(sb.program(sb.layers.mean_pool(sb.data("x", sb.size("N"), 8, 26), 2)))
    m1[n,i,u] = (Σ_a x[n,i,2·u + a])/2
    """
    return _pooled("mean_pool", x, size, stride,
                   lambda body, *over: Sum(body, *over) / Mul(*map(extent, over)))


def flatten(x: Array) -> Any:
    """All axes after the first as one, the last running fastest.

    Raises DeclarationError where one of these extents is a size.

    >>> import symbackprop as sb
    >>> print(sb.program(sb.layers.flatten(sb.data("x", sb.size("N"), 8, 5, 5))))
    x1[n,l] = Σ_{i,j,k} x[n,i,j,k]·[5·j + 25·i + k = l]
    """
    x = input_array("flatten", x, 2, "(batch, …)")
    lengths = [_int("flatten", x, axis) for axis in range(1, x.rank)]
    if len(lengths) == 1:
        return x
    n, *own = letters_for(x.axes, [x])
    place = Integer(0)
    for index, length in zip(own, lengths, strict=True):
        place = place * length + index
    flat = fresh(Mul(*map(Integer, lengths)), "ijklmq", (n, *own))
    body = Sum(read(x, (n, *own)) * KroneckerDelta(flat, place.expand()), *own)
    return made((n, flat), body, "x")


def _pooled(what: str, x: Array, size: Any, stride: Any, reduction: Callable[..., Expr]) -> Any:
    x = input_array(what, x, 3, _AXES)
    sizes = _each(what, "size", size, x.rank - 2, 1)
    strides = sizes if stride is None else _each(what, "stride", stride, x.rank - 2, 1)
    n, c, *_ = letters_for(x.axes, [x])
    places, window = _windows(what, x, (n, c), sizes, strides)
    return made((n, c, *places), reduction(read(x, (n, c, *_moved(places, window, strides))),
                                           *window), "m")


def _padded(x: Array, pads: Pads) -> Array:
    """x between zeros; x itself where there are none."""
    if not any(map(any, pads)):
        return x
    n, c, *own = letters_for(x.axes, [x])
    wide: list[Idx] = []
    meets = Integer(1)
    for number, (index, (before, after)) in enumerate(zip(own, pads, strict=True)):
        length = Integer(_int("convolution", x, number + 2) + before + after)
        wide.append(fresh(length, "rspq", (n, c, *own, *wide)))
        meets *= KroneckerDelta(wide[-1], index + before)
    padded: Array = made((n, c, *wide), Sum(read(x, (n, c, *own)) * meets, *own), "x")
    return padded


def _pads(given: Any, sizes: tuple[int, ...], strides: tuple[int, ...], count: int) -> Pads:
    if isinstance(given, str) and given == "same":
        if any(stride != 1 for stride in strides):
            raise DeclarationError('convolution: padding="same" needs a stride of 1, not '
                                   f"{strides}; give the padding as a number")
        return tuple(((size - 1) // 2, size // 2) for size in sizes)
    return tuple((pad, pad) for pad in _each("convolution", "padding", given, count, 0))


def _windows(what: str, x: Array, taken: tuple[Idx, ...], sizes: tuple[int, ...],
             strides: tuple[int, ...]) -> tuple[tuple[Idx, ...], tuple[Idx, ...]]:
    """The indices of the places of a result, and those that run within a window."""
    places: list[Idx] = []
    window: list[Idx] = []
    for axis, (size, stride) in enumerate(zip(sizes, strides, strict=True), start=2):
        length = _int(what, x, axis)
        if size > length:
            raise DeclarationError(f"{what}: a window of {size} does not fit into axis {axis} of "
                                   f"{x._spoken} (declared at {x.where}), which has {length} "
                                   "entries, padding included")
        places.append(fresh(Integer((length - size) // stride + 1), _PLACES, (*taken, *places)))
        window.append(fresh(Integer(size), _WINDOW, (*taken, *places, *window)))
    return tuple(places), tuple(window)


def _moved(places: Sequence[Idx], window: Sequence[Idx], strides: Sequence[int]) -> list[Expr]:
    return [stride * u + a for u, a, stride in zip(places, window, strides, strict=True)]


def _each(what: str, name: str, given: Any, count: int, least: int) -> tuple[int, ...]:
    """An int for each axis of places, from one int or several."""
    several = tuple(given) if isinstance(given, (tuple, list)) else (given,) * count
    if len(several) != count or not all(
            isinstance(one, Integral) and not isinstance(one, bool) and int(one) >= least
            for one in several):
        raise DeclarationError(f"{what}: the {name} is an int of {least} or more, or {count} of "
                               f"them, one for each axis of places, not {given!r}")
    return tuple(map(int, several))


def _int(what: str, x: Array, axis: int) -> int:
    """The extent of an axis, which must be a number."""
    length = x.axes[axis]
    if not length.is_Integer:
        raise DeclarationError(f"{what}: axis {axis} of {x._spoken} (declared at {x.where}) has "
                               f"{length} entries, but must have a number of them")
    return int(length)
