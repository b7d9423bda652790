"""What array notation, layers, losses and penalties declare is differentiated correctly: every
derivative by a parameter equals the central difference of the interpreted loss."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sympy import Sum

import symbackprop as sb
from symbackprop.interpreter import evaluate

N = sb.size("N")
ROWS, STEP = 5, 1e-6
dense = sb.layers.dense


def data() -> tuple[Any, Any, Any]:
    return (sb.data("x", N, 4), sb.data("y", N, 3, facts=["one_hot"]),
            sb.data("l", N, facts=[sb.label(3)]))


def labels_and_elastic_net() -> Any:
    x, _, labels = data()
    p = sb.softmax(dense(dense(x, 3, "tanh"), 3))
    return sb.losses.cross_entropy(p, labels) + sb.penalties.elastic_net(0.1, 0.2)


def one_hot_rows() -> Any:
    x, y, _ = data()
    return sb.losses.cross_entropy(dense(x, 3, "softmax"), y)


def binary_cross_entropy() -> Any:
    x, y, _ = data()
    return sb.losses.binary_cross_entropy(dense(x, 3, "sigmoid"), y)


def absolute_error() -> Any:
    x, y, _ = data()
    return sb.losses.absolute_error(dense(x, 3, sb.softplus), y)


def normalised_batch() -> Any:
    x, _, _ = data()
    h = dense(x, 4, "leaky_relu")
    centred = h - h.mean(axis=0, keepdims=True)
    variance = (centred**2).mean(axis=0, keepdims=True)
    return sb.losses.squared_error(centred / sb.sqrt(variance + 0.1) * sb.parameter("g", 4), x)


def attention() -> Any:
    x, _, _ = data()
    q, k, v = dense(x, 3), dense(x, 3), dense(x, 4)
    return sb.losses.squared_error(sb.softmax(q @ k.T / 2) @ v, x)


def one_matrix_in_many_places() -> Any:
    W, b, s = sb.parameter("W", 4, 4), sb.parameter("b", 1), sb.parameter("s")
    t = (W.T @ W * W + b) * s - W.max(axis=0)
    return (sb.logsumexp(t, axis=1) ** 2).mean() + t.min()


def residual_blocks() -> Any:
    x, _, _ = data()
    h = x
    for _ in range(3):
        h = h + dense(h, 4, lambda t: t * sb.sigmoid(t))
    return sb.losses.squared_error(h.sum(axis=1), x.max(axis=1))


def gates() -> Any:
    z = dense(data()[0], 12)
    n, j = sb.indices("n j", N, 3)
    body = sb.sigmoid(z[n, j]) * sb.tanh(z[n, j + 3]) + sb.relu(z[n, j + 6]) * z[n, j + 9]
    c = sb.define("c", (n, j), body)
    return (c * c).sum()


def penalty_by_name() -> Any:
    w = sb.parameter("w", 4)
    return (data()[0] @ w).mean() + sb.penalties.elementwise(0.3, lambda t: t**4, "w")


def part_of_a_sum_and_reversal() -> Any:
    w, i = sb.parameter("w", 4), sb.indices("i", 4)
    first = sb.define("s", (), Sum(w[i] ** 2, (i, 0, 2)))
    return first + sb.define("r", (), Sum(w[i] * w[3 - i] ** 2, i))


LOSSES = [labels_and_elastic_net, one_hot_rows, binary_cross_entropy, absolute_error,
          normalised_batch, attention, one_matrix_in_many_places, residual_blocks, gates,
          penalty_by_name, part_of_a_sum_and_reversal]


def values_for(program: sb.Program) -> dict[str, Any]:
    random = np.random.default_rng(0)
    values: dict[str, Any] = {}
    for tensor in program.inputs:
        shape = [ROWS if e == N else int(e) for e in tensor.axes]
        given: Any = random.uniform(0.3, 1.2, shape)
        if tensor.has_fact("label"):
            given = random.integers(0, int(tensor.facts[0].extent), shape)
        if tensor.has_fact("one_hot"):
            given = np.eye(shape[-1])[random.integers(0, shape[-1], shape[:-1])]
        values[program.names[tensor]] = given if tensor.default is None else tensor.default
    return values


def difference(program: sb.Program, values: dict[str, Any], name: str) -> np.ndarray:
    found = np.zeros(np.shape(values[name]))
    for place in np.ndindex(found.shape):
        ends = []
        for step in (STEP, -STEP):
            moved = np.array(values[name], float)
            moved[place] += step
            ends.append(evaluate(program, values | {name: moved})[program.outputs[0]])
        found[place] = (ends[0] - ends[1]) / (2 * STEP)
    return found


@pytest.mark.parametrize("build", LOSSES)
def test_derivatives_of_array_notation_are_right(build: Callable[[], Any]) -> None:
    loss = build()
    program = sb.program(loss)
    sb.verify(program)
    values, derivation = values_for(program), sb.derive(loss)
    sb.verify(derivation.backward)
    for tensor in (t for t in program.inputs if t.role == "parameter"):
        name = program.names[tensor]
        gradient = sb.program(derivation[name])
        used = {gradient.names[t]: values[program.names[t]] for t in gradient.inputs}
        found = evaluate(gradient, used)[gradient.outputs[0]]
        np.testing.assert_allclose(np.asarray(found, float), difference(program, values, name),
                                   rtol=1e-6, atol=1e-7)
