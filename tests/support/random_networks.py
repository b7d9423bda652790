"""Random networks in array notation: layers, activations, losses, penalties, ties, residuals."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

import symbackprop as sb
from symbackprop import drawing
from symbackprop.notation import Program, Tensor

ROWS = 5

ACTIVATIONS: list[Any] = [
    "tanh", "sigmoid", "relu", "leaky_relu", "softplus", "identity",
    lambda t: t*sb.sigmoid(t),
    lambda t: t**3/3 + t,
    lambda t: sympy.exp(-t**2),
    lambda t: sympy.Piecewise((t, t > 0), (sympy.exp(t) - 1, True)),
    lambda t: sympy.sin(t) + t/2,
    lambda t: sympy.Max(0, sympy.Min(1, t/5 + sympy.Rational(1, 2))),
]
LOSSES = ["squared_error", "absolute_error", "cross_entropy", "binary_cross_entropy"]


def dense_network(draw: random.Random) -> Any:
    """The loss of a network of dense layers, of one head or two."""
    batch, width = sb.size("N"), draw.randint(2, 6)
    x = sb.data("x", batch, width)
    h = hidden(draw, x)
    loss = head(draw, h, "y")
    if draw.random() < 0.25:
        loss = loss + draw.choice([1, 2])*head(draw, h, "u")
    return loss + penalty(draw)


def hidden(draw: random.Random, h: Any) -> Any:
    """Up to three hidden layers: dense, tied or residual, sometimes scaled."""
    for number in range(draw.randint(0, 3)):
        kind = draw.choice(["dense", "dense", "dense", "residual", "tied", "scaled", "rows"])
        width = int(h.shape[1])
        if kind == "residual":
            h = sb.layers.dense(h, width, draw.choice(ACTIVATIONS)) + h
        elif kind == "tied":
            V = sb.parameter(f"V{number}", width, draw.randint(2, 6))
            h = sb.tanh(sb.tanh(h @ V) @ V.T)
        elif kind == "scaled":
            scale = sb.parameter(f"g{number}", width)
            h = sb.layers.dense(h, width, draw.choice(ACTIVATIONS))*scale
        elif kind == "rows":
            h = sb.softmax(sb.layers.dense(h, width))
        else:
            h = sb.layers.dense(h, draw.choice([1, 2, 3, 5]), draw.choice(ACTIVATIONS))
    return h


def head(draw: random.Random, h: Any, name: str) -> Any:
    """A last layer, its targets and its loss."""
    loss, width = draw.choice(LOSSES), draw.choice([1, 2, 4])
    z = sb.layers.dense(h, width)
    if loss == "cross_entropy":
        own = sb.exp(z)/sb.exp(z).sum(1, keepdims=True)
        p = draw.choice([sb.softmax(z), own])
        return sb.losses.cross_entropy(p, sb.data(name, *z.shape, facts=["one_hot"]))
    if loss == "binary_cross_entropy":
        z = draw.choice([sb.sigmoid(z), 1/(1 + sb.exp(-z))])
    else:
        z = draw.choice([z, sb.tanh(z)])
    return getattr(sb.losses, loss)(z, sb.data(name, *z.shape))


def penalty(draw: random.Random) -> Any:
    """Nothing, or one of the penalties on all weights."""
    chosen: Callable[[], Any] = draw.choice([
        lambda: sympy.Integer(0),
        lambda: sb.penalties.l1(0.1),
        lambda: sb.penalties.l2(0.1),
        lambda: sb.penalties.elastic_net(0.1, 0.2),
        lambda: sb.penalties.elementwise(0.1, lambda w: w**4),
        lambda: sb.penalties.huber(0.1, 0.5),
        lambda: sb.penalties.sparse_group_lasso(0.1, 0.2, axis=draw.choice([0, 1])),
        lambda: sb.penalties.orthogonality(0.1),
    ])
    return chosen()


def drawn(program: Program, seed: int) -> dict[Tensor, np.ndarray]:
    """Values for all inputs that keep their declared facts; every size is ROWS."""
    draw = np.random.default_rng(seed)
    values = {}
    for tensor in program.inputs:
        sizes = {str(axis): ROWS for axis in tensor.axes if isinstance(axis, sympy.Symbol)}
        if tensor.role == "hyper":
            values[tensor] = np.asarray(draw.uniform(0.5, 2))  # a default near 0 would hide a term
        elif tensor.facts:
            values[tensor] = drawing.drawn(tensor, sizes, draw)
        else:
            shape = [ROWS if isinstance(axis, sympy.Symbol) else int(axis) for axis in tensor.axes]
            values[tensor] = draw.normal(size=shape)/2  # cubes of cubes must not overflow
    return values
