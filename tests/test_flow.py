"""Gradient flow: norms by layer, products of Jacobian norms, saturated and dead units."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from sympy import Sum, tanh

import symbackprop as sb
from symbackprop.contraction import ContractingMachine
from symbackprop.flow import EXPLODING, VANISHING, Flow, flow
from symbackprop.interpreter import evaluate
from tests.support.random_programs import random_case

N = sb.size("N")


def deep(weight: float, depth: int = 100) -> Flow:
    """A chain of linear units with one weight each, o = w_depth … w_1 x."""
    x, y = sb.data("x", N, 1), sb.data("y", N, 1)
    o = x
    for _ in range(depth):
        o = sb.layers.dense(o, 1, bias=False)
    values = {f"W{layer}": [[weight]] for layer in range(1, depth + 1)}
    return flow(sb.program(sb.losses.squared_error(o, y)), {"x": [[1.0]], "y": [[1.0]], **values})


def classifier(rows: int = 20, seed: int = 0) -> tuple[Any, dict[str, Any]]:
    """relu, tanh and softmax layers 6-5-4-3, with a penalty, and random values."""
    x, y = sb.data("x", N, 6), sb.data("y", N, 3, facts=["one_hot"])
    h = sb.layers.dense(sb.layers.dense(x, 5, "relu"), 4, "tanh")
    p = sb.softmax(sb.layers.dense(h, 3))
    loss = sb.losses.cross_entropy(p, y) + sb.penalties.l2(1e-2)
    rng = np.random.default_rng(seed)
    shapes = {"W1": (6, 5), "b1": 5, "W2": (5, 4), "b2": 4, "W3": (4, 3), "b3": 3}
    values = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return loss, {**values, "x": rng.normal(size=(rows, 6)),
                  "y": np.eye(3)[rng.integers(0, 3, rows)]}


def test_a_hundred_weights_of_0_8_vanish() -> None:
    found = deep(0.8)
    assert found.layers[-1].product == pytest.approx(0.8**100)
    assert found.layers[-1].product == pytest.approx(2e-10, rel=0.05)
    assert found.vanishing
    assert not found.exploding
    assert "vanishing: 100 of 100 layers, z1 … z100" in str(found)


def test_a_hundred_weights_of_1_5_explode() -> None:
    found = deep(1.5)
    assert found.layers[-1].product == pytest.approx(1.5**100)
    assert found.layers[-1].product == pytest.approx(4e17, rel=0.05)
    assert found.exploding
    assert not found.vanishing


def test_a_hundred_weights_of_one_do_neither() -> None:
    found = deep(1.01)
    assert not found.vanishing
    assert not found.exploding


def test_the_slope_of_a_sigmoid_is_at_most_a_quarter() -> None:
    x, y = sb.data("x", N, 3), sb.data("y", N, 3)
    h = x
    for _ in range(12):
        h = sb.layers.dense(h, 3, "sigmoid")
    program = sb.program(sb.losses.squared_error(h, y))
    rng = np.random.default_rng(1)
    values = {name: rng.normal(size=[int(a) if a.is_Integer else 9 for a in t.axes])
              for t, name in program.names.items() if t in program.inputs}
    found = flow(program, values)
    assert all(0.1 < layer.slope <= 0.25 for layer in found.layers)
    assert found.vanishing


def residual(depth: int, weight: float) -> Flow:
    """h + tanh(weight·h), depth times, with targets of 0."""
    h = x = sb.data("x", N, 3)
    for _ in range(depth):
        h = sb.layers.dense(h, 3, "tanh") + h
    rng = np.random.default_rng(0)
    values = {"x": rng.normal(size=(5, 3)), "y": np.zeros((5, 3))}
    for layer in range(1, depth + 1):
        values |= {f"W{layer}": weight * np.eye(3), f"b{layer}": np.zeros(3)}
    return flow(sb.program(sb.losses.squared_error(h, sb.data("y", *x.axes))), values)


def test_a_residual_net_with_healthy_gradients_is_not_flagged() -> None:
    found = residual(16, 0.3)
    assert not found.vanishing
    assert not found.exploding
    assert all(1 < norm < EXPLODING for layer in found.layers for _, norm in layer.gradients)
    assert all(layer.jacobian < 0.31 for layer in found.layers), "the product would be tiny"


def test_the_product_of_jacobians_ends_where_a_path_leads_around_a_layer() -> None:
    found = residual(4, 0.3)
    assert [layer.product is None for layer in found.layers] == [False, True, True, True]
    assert str(found.table).split("\n")[3].split()[7] == "–"
    axes = Figure().add_subplot()
    found.plot(axes)
    assert np.isnan(axes.lines[2].get_ydata()[1:]).all()


def test_data_that_is_read_by_two_layers_leads_around_the_first() -> None:
    x, y = sb.data("x", N, 2), sb.data("y", N, 2)
    h = sb.layers.dense(sb.layers.dense(x, 2, "tanh") + x, 2)
    chain = sb.layers.dense(sb.layers.dense(x, 2, "tanh"), 2)
    for last, ends in ((h, True), (chain, False)):
        program = sb.program(sb.losses.squared_error(last, y))
        values = {program.names[t]: np.ones([int(a) if a.is_Integer else 3 for a in t.axes])
                  for t in program.inputs}
        assert (flow(program, values).layers[1].product is None) is ends


def test_a_parameter_that_is_used_several_times_has_a_row_for_each_use() -> None:
    x, W, b = sb.data("x", N, 3), sb.parameter("W", 3, 3), sb.parameter("b", 3)
    h = x
    for _ in range(4):
        h = sb.tanh(h @ W + b)
    loss = sb.losses.squared_error(h, sb.data("y", N, 3)) + (W * W).sum()
    values = {"x": np.eye(3), "y": np.zeros((3, 3)), "W": 0.3 * np.eye(3), "b": np.zeros(3)}
    found = flow(sb.program(loss), values)
    assert [layer.name for layer in found.layers] == ["h1", "h2", "h3", "h4"]
    assert all([name for name, _ in layer.gradients] == ["W", "b"] for layer in found.layers)
    assert found.layers[3].product == pytest.approx(0.3**4, rel=5e-3), "σ′ is 1 at zero"


def test_two_nets_with_one_weight_have_a_row_each() -> None:
    W, b = sb.parameter("W", 3, 2), sb.parameter("b", 2)
    one, other = (sb.softmax(sb.data(name, N, 3) @ W + b) for name in "xu")
    rng = np.random.default_rng(0)
    found = flow(sb.program(((one - other) * (one - other)).sum()), {
        "x": rng.normal(size=(4, 3)), "u": rng.normal(size=(4, 3)),
        "W": rng.normal(size=(3, 2)), "b": [0, 1]})
    assert [[name for name, _ in layer.gradients] for layer in found.layers] == [["W", "b"]] * 2
    assert [layer.product is None for layer in found.layers] == [False, True]


def test_norms_are_those_of_the_gradients() -> None:
    loss, values = classifier()
    found = flow(sb.program(loss), values)
    derivation = sb.derive(loss)
    for layer in found.layers:
        for name, norm in layer.gradients:
            gradient = derivation.gradient(name)
            given = {t: v for t, v in values.items() if t in
                     [sb.program(gradient).names[i] for i in sb.program(gradient).inputs]}
            value = evaluate(sb.program(gradient), given)[gradient]
            assert norm == pytest.approx(np.linalg.norm(value)), name
    assert [[name for name, _ in layer.gradients] for layer in found.layers] == [
        ["W1", "b1"], ["W2", "b2"], ["W3", "b3"]]


def test_a_jacobian_norm_is_the_largest_singular_value_over_all_samples() -> None:
    loss, values = classifier()
    first, second, third = flow(sb.program(loss), values).layers
    z1 = values["x"] @ values["W1"] + values["b1"]
    z2 = np.maximum(z1, 0) @ values["W2"] + values["b2"]
    into_second = [np.linalg.norm((z > 0)[:, None] * values["W2"], 2) for z in z1]
    into_third = [np.linalg.norm((1 - np.tanh(z) ** 2)[:, None] * values["W3"], 2) for z in z2]
    assert first.jacobian == pytest.approx(np.linalg.norm(values["W1"], 2), rel=5e-3)
    assert second.jacobian == pytest.approx(max(into_second), rel=5e-3)
    assert third.jacobian == pytest.approx(max(into_third), rel=5e-3)
    assert third.product == pytest.approx(first.jacobian * second.jacobian * third.jacobian)


def test_sensitivities_are_the_norms_of_delta() -> None:
    loss, values = classifier()
    last = flow(sb.program(loss), values).layers[-1]
    h = np.tanh(np.maximum(values["x"] @ values["W1"] + values["b1"], 0) @ values["W2"]
                + values["b2"])
    z = h @ values["W3"] + values["b3"]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert last.sensitivity == pytest.approx(np.linalg.norm((p - values["y"]) / len(p)))


def test_dead_and_saturated_units_are_counted() -> None:
    loss, values = classifier()
    values["b1"] = np.array([-100.0, 0, -100.0, 100, 0])
    values["W2"], values["b2"] = values["W2"] * 0.01, np.array([50.0, 0, 0, -50.0])
    first, second, third = flow(sb.program(loss), values).layers
    assert (first.units, first.dead, first.saturated) == (5, 2, 0)
    assert (second.units, second.dead, second.saturated) == (4, 0, 2)
    assert (third.units, third.slope) == (3, None)


def test_a_unit_that_is_alive_at_one_sample_is_not_dead() -> None:
    loss, values = classifier()
    values["b1"] = np.full(5, -100.0)
    values["x"][0] = 200 * values["W1"][:, 0] / np.linalg.norm(values["W1"][:, 0]) ** 2
    first = flow(sb.program(loss), values).layers[0]
    assert first.dead == 5 - np.sum(values["x"][0] @ values["W1"] > 100)
    assert first.dead < 5


def test_layers_of_index_notation_are_found_by_what_they_do() -> None:
    n, i, j = sb.indices("n i j", N, 3, 2)
    x, t = sb.data("x", n, i), sb.data("t", n)
    M, v, s = sb.parameter("M", i, j), sb.parameter("v", j), sb.parameter("s")
    g = sb.define("g", (n, j), tanh(Sum(x[n, i] * M[i, j], i)))
    o = sb.define("o", (n,), s * Sum(g[n, j] * v[j], j))
    found = flow(sb.program(Sum((o[n] - t[n]) ** 2, n)),
                 {"x": np.ones((2, 3)), "t": [0, 1], "M": np.ones((3, 2)), "v": [1, 2], "s": 2})
    assert [layer.gradients[0][0] for layer in found.layers] == ["M", "v", "s"]
    assert [layer.slope is None for layer in found.layers] == [False, True, True]


def test_a_gradient_that_is_not_finite_explodes() -> None:
    x = sb.data("x", N, 1)
    loss = sb.exp(sb.layers.dense(x, 1, bias=False)).sum()
    found = flow(sb.program(loss), {"x": [[1.0]], "W1": [[1000.0]]})
    assert [layer.flag for layer in found.layers] == ["exploding"]


def test_parameters_of_the_penalty_alone_are_listed_as_others() -> None:
    x, u = sb.data("x", N, 2), sb.parameter("u", 3)
    loss = sb.losses.squared_error(sb.layers.dense(x, 2), x) + (u * u).sum()
    found = flow(sb.program(loss), {"x": np.ones((2, 2)), "W1": np.eye(2), "b1": [0, 0],
                                    "u": [3.0, 0, 4.0]})
    assert found.others == (("u", 10.0),)


def test_the_picture_shows_norms_and_both_limits() -> None:
    axes = Figure().add_subplot()
    deep(0.5, 20).plot(axes)
    assert axes.get_yscale() == "log"
    assert len(axes.lines) == 3 + 2
    assert {float(line.get_ydata()[0]) for line in axes.lines[3:]} == {VANISHING, EXPLODING}
    np.testing.assert_allclose(axes.lines[2].get_ydata(), 0.5 ** np.arange(1, 21))


def test_diagnose_has_shapes_findings_and_flow() -> None:
    loss, values = classifier()
    found = sb.diagnose(loss, values)
    assert found.flow == sb.diagnose(sb.derive(loss), values).flow
    assert {finding.kind for finding in found.findings} == {"shift", "convex"}
    assert all(str(part) in str(found) for part in (found.shapes, found.flow, *found.findings))
    assert sb.diagnose(loss).flow is None
    with pytest.raises(sb.InputError, match="no value for parameter W3"):
        sb.diagnose(loss, {name: v for name, v in values.items() if name != "W3"})


def test_sums_as_matrix_products_have_the_values_of_the_interpreter(seed: int) -> None:
    for number in range(40):
        case = random_case(seed, number, layers=None)
        derivation = sb.derive(case.loss, case.wrt)
        program = sb.program([case.loss, *(derivation.gradient(t) for t in case.wrt)])
        given = {t: v for t, v in case.values.items() if t in program.inputs}
        plain, machine = evaluate(program, given), ContractingMachine()
        with np.errstate(all="ignore"):
            machine.read(program, given)
            for definition in program:
                machine.define(definition)
        for tensor, value in plain.items():
            np.testing.assert_allclose(machine.arrays[tensor], value, rtol=1e-9, atol=1e-12,
                                       err_msg=str(case))
