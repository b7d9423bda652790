"""Losses are means over the first axis of sums over the others, of equal shapes."""

from typing import Any

import numpy as np
import pytest
import sympy

import symbackprop as sb
from symbackprop.errors import DeclarationError
from symbackprop.interpreter import evaluate

N = sb.size("N")
FORMULAS: list[tuple[Any, Any]] = [
    (sb.losses.squared_error, lambda p, y: (p - y) ** 2),
    (sb.losses.absolute_error, lambda p, y: np.abs(p - y)),
    (sb.losses.cross_entropy, lambda p, y: -y * np.log(p)),
    (sb.losses.binary_cross_entropy, lambda p, y: -(y * np.log(p) + (1 - y) * np.log(1 - p))),
]


@pytest.mark.parametrize("shape", [(N,), (N, 3), (N, 3, 2), (4, 3)], ids=str)
@pytest.mark.parametrize(("loss", "each"), FORMULAS, ids=[loss.__name__ for loss, _ in FORMULAS])
def test_a_loss_is_the_mean_over_samples_of_the_sum_over_outputs(
    loss: Any, each: Any, shape: tuple[Any, ...]
) -> None:
    random = np.random.default_rng(0)
    extents = [5 if e == N else e for e in shape]
    p, y = random.uniform(0.1, 0.9, extents), random.uniform(0.1, 0.9, extents)
    program = sb.program(loss(sb.data("p", *shape), sb.data("y", *shape)))
    sb.verify(program)
    found = evaluate(program, {"p": p, "y": y})[program.outputs[0]]
    np.testing.assert_allclose(found, each(p, y).sum() / extents[0], rtol=1e-12)


@pytest.mark.parametrize("shape", [(N,), (N, 4)], ids=str)
def test_cross_entropy_takes_integer_labels(shape: tuple[Any, ...]) -> None:
    random = np.random.default_rng(0)
    extents = [5 if e == N else e for e in shape]
    P = random.uniform(0.1, 0.9, (*extents, 3))
    Y = random.integers(0, 3, extents)
    p, y = sb.data("p", *shape, 3), sb.data("y", *shape, facts=[sb.label(3)])
    program = sb.program(sb.losses.cross_entropy(p, y))
    sb.verify(program)
    expected = -np.log(np.take_along_axis(P, Y[..., None], -1)).sum() / 5
    np.testing.assert_allclose(evaluate(program, {"p": P, "y": Y})[program.outputs[0]], expected)


def test_a_vector_of_class_probabilities_is_one_sample() -> None:
    p, y = sb.data("p", 4), sb.data("y", 4, facts=["one_hot"])
    assert str(sb.program(sb.losses.cross_entropy(p, y))) == "L = −(Σ_i y[i]·log(p[i]))"


def test_scalars_have_a_loss_of_one_sample() -> None:
    o, y = sb.parameter("o"), sb.data("y")
    assert sb.losses.squared_error(o, y) == (o - y) ** 2
    assert sb.losses.absolute_error(o, 2) == sympy.Abs(o - 2)


def test_a_loss_is_a_sympy_symbol_and_the_program_calls_the_total_L() -> None:
    p, y = sb.data("p", N, 3), sb.data("y", N, 3)
    loss = sb.losses.squared_error(p, y)
    assert isinstance(loss, sympy.Symbol)
    total = sb.program(2 * loss + sb.losses.absolute_error(p, y))
    assert [total.names[d.target] for d in total] == ["L"]


p, y = sb.data("p", N, 3), sb.data("y", N)
REFUSED: list[tuple[Any, str]] = [
    (lambda: sb.losses.squared_error(p, y),
     r"p of shape \(N, 3\), declared at .*test_losses.py:\d+, the target y of shape \(N\)"),
    (lambda: sb.losses.squared_error(p, sb.data("q", N, 1)), "nothing is broadcast in a loss"),
    (lambda: sb.losses.absolute_error(p, 1), "the target the scalar 1"),
    (lambda: sb.losses.binary_cross_entropy(sb.data("M", sb.size("M")), y), "equal shapes"),
    (lambda: sb.losses.cross_entropy(p, y), r"declare integer labels with facts=\[sb.label\(3\)\]"),
    (lambda: sb.losses.cross_entropy(p, sb.data("l", N, 3, facts=[sb.label(3)])),
     r"without its last axis, \(N,\)"),
    (lambda: sb.losses.squared_error(np.ones(3), p), "declare arrays with sb.data"),
    (lambda: sb.losses.squared_error("p", p), "stands in a formula"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED, ids=range(len(REFUSED)))
def test_shapes_that_differ_are_refused(bad: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        bad()
