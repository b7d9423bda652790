"""Convolutions, pooling and flattening: shapes, formulas, refusals; values: the repertoire."""

import re
from typing import Any

import numpy as np
import pytest

import symbackprop as sb
from symbackprop.errors import DeclarationError
from symbackprop.interpreter import evaluate

N = sb.size("N")
image, series = sb.data("x", N, 2, 9, 8), sb.data("s", N, 3, 11)
layers = sb.layers


@pytest.mark.parametrize(("made", "shape"), [
    (lambda: layers.convolution(image, 4, 3), (N, 4, 7, 6)),
    (lambda: layers.convolution(image, 4, (3, 2), stride=2), (N, 4, 4, 4)),
    (lambda: layers.convolution(image, 4, 3, padding=1), (N, 4, 9, 8)),
    (lambda: layers.convolution(image, 4, 3, padding=(0, 2), stride=(3, 4)), (N, 4, 3, 3)),
    (lambda: layers.convolution(image, 4, 4, padding="same"), (N, 4, 9, 8)),
    (lambda: layers.convolution(series, np.int64(5), 3), (N, 5, 9)),
    (lambda: layers.max_pool(image, 2), (N, 2, 4, 4)),
    (lambda: layers.mean_pool(image, (3, 2), stride=1), (N, 2, 7, 7)),
    (lambda: layers.max_pool(series, 3), (N, 3, 3)),
    (lambda: layers.flatten(image), (N, 144)),
    (lambda: layers.flatten(sb.data("t", N, 4)), (N, 4)),
])
def test_shapes_are_those_of_torch(made: Any, shape: tuple[Any, ...]) -> None:
    found = made()
    assert found.shape == shape
    sb.verify(sb.program(found))


def test_a_convolution_reads_as_a_sum_over_a_window() -> None:
    h = layers.convolution(image, 4, 3, "relu", stride=2)
    assert str(sb.program(h)).splitlines() == [
        "z1[n,f,u,v] = Σ_{i,a,b} x[n,i,2·u + a,2·v + b]·W1[f,i,a,b] + b1[f]",
        "h1[n,f,u,v] = relu(z1[n,f,u,v])",
    ]


def test_no_letter_stands_for_two_indices_in_a_formula() -> None:
    """A window of 2 and one of 3 both run over a and b, which a nested sum must not take twice."""
    x = sb.parameter("x", N, 1, 8, 8)
    loss = (layers.convolution(layers.max_pool(x, 2), 2, 3)**2).sum()
    (line,) = (line for line in sb.derive(loss, [x]).text("index").splitlines()
               if line.startswith("∂L/∂x"))
    outer, inner = re.findall(r"Σ_\{([^}]*)\}", line)[:2]
    free = re.match(r"∂L/∂x\[(.*?)\]", line)
    assert free is not None
    assert not set(outer.split(",")) & set(inner.split(","))
    assert not set(free[1].split(",")) & {*outer.split(","), *inner.split(",")}


def test_padding_is_zeros_around_the_places() -> None:
    z = layers.convolution(series, 1, 11, padding=2, bias=False)
    program = sb.program(z)
    X = np.random.default_rng(0).normal(size=(4, 3, 11))
    W = np.zeros((1, 3, 11))
    W[0, 1, 3] = 1
    found = evaluate(program, {"s": X, "W1": W})[z]
    padded = np.pad(X, [(0, 0), (0, 0), (2, 2)])
    np.testing.assert_array_equal(found[:, 0], padded[:, 1, 3:8])


def test_ties_of_a_window_share_the_derivative() -> None:
    x = sb.parameter("x", 1, 1, 4)
    d = sb.derive(layers.max_pool(x, 2).sum(), [x])
    found = evaluate(sb.program(d[x]), {"x": np.array([[[1.0, 1, 0, 2]]])})[d[x]]
    np.testing.assert_array_equal(found, [[[0.5, 0.5, 0, 1]]])


flat = sb.data("f", N, 4)
REFUSED: list[tuple[Any, str]] = [
    (lambda: layers.convolution(flat, 4, 3), "needs 3 axes or more: .batch, channels, places"),
    (lambda: layers.convolution(np.ones((2, 2, 3)), 4, 3), "must be a tensor of rank 3 or more"),
    (lambda: layers.convolution(image, 0, 3), "number of channels must be a positive int"),
    (lambda: layers.convolution(image, 4, 10), "a window of 10 does not fit into axis 2"),
    (lambda: layers.convolution(image, 4, 0), "the size is an int of 1 or more, or 2 of them"),
    (lambda: layers.convolution(image, 4, (3, 3, 3)), r"not \(3, 3, 3\)"),
    (lambda: layers.convolution(image, 4, 3.0), "not 3.0"),
    (lambda: layers.convolution(image, 4, 3, stride=0), "the stride is an int of 1 or more"),
    (lambda: layers.convolution(image, 4, 3, padding=-1), "the padding is an int of 0 or more"),
    (lambda: layers.convolution(image, 4, 3, padding="valid"), "not 'valid'"),
    (lambda: layers.convolution(image, 4, 3, padding="same", stride=2), "needs a stride of 1"),
    (lambda: layers.convolution(image, 4, 3, "rleu"), "convolution: there is no activation 'rleu'"),
    (lambda: layers.convolution(image, 4, 3, weight=sb.parameter("W", 4, 2, 3)),
     r"the weight must be a tensor of shape \(4, 2, 3, 3\), not W of shape \(4, 2, 3\)"),
    (lambda: layers.convolution(image, 4, 3, bias=sb.parameter("b", 3)),
     r"the bias is True, False or a tensor of shape \(4,\), not b of shape"),
    (lambda: layers.convolution(sb.data("x", N, 2, sb.size("H"), 5), 4, 3), "has H entries, but"),
    (lambda: layers.max_pool(image, 9), "a window of 9 does not fit into axis 3"),
    (lambda: layers.max_pool(image, True), "not True"),
    (lambda: layers.mean_pool(flat, 2), "needs 3 axes or more"),
    (lambda: layers.flatten(sb.data("v", N)), "needs 2 axes or more"),
    (lambda: layers.flatten(sb.data("x", N, 2, sb.size("H"))), "must have a number of them"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_window_that_makes_no_sense_is_refused(bad: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        bad()
