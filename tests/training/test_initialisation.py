"""Initial values are decided from the program: what is summed, what feeds a relu, what else."""

import math
from typing import Any

import numpy as np
import pytest
from sympy import Function, Max, Piecewise, Sum, exp, sqrt, tanh

import symbackprop as sb
from symbackprop.training import Model
from symbackprop.training.initialisation import Start, starts

N = sb.size("N")
n, i, j, k = sb.indices("n i j k", N, 6, 4, 2)
x, y = sb.data("x", n, i), sb.data("y", n, k)


def start_of(output: Any, name: str) -> Start:
    whole = sb.program(output)
    return starts(whole)[whole[name]]


def glorot(fan_in: int, fan_out: int) -> Start:
    return Start("weight, Glorot", bound=math.sqrt(6 / (fan_in + fan_out)))


def he(fan_in: int) -> Start:
    return Start("weight, He", bound=math.sqrt(6 / fan_in))


def lecun(fan_in: int) -> Start:
    return Start("weight, LeCun", deviation=math.sqrt(1 / fan_in))


@pytest.mark.parametrize(("activation", "expected"), [
    ("tanh", glorot(6, 4)), ("sigmoid", glorot(6, 4)), (None, glorot(6, 4)),
    ("softmax", glorot(6, 4)), ("softplus", glorot(6, 4)),
    ("relu", he(6)), ("leaky_relu", he(6)), (lambda t: Max(t, 0), he(6)),
    (lambda t: Piecewise((t, t > 0), (t / 3, True)), he(6)),
    ("elu", he(6)), ("selu", lecun(6)),
    (lambda t: 1.0507009873554805*Piecewise((t, t > 0), (1.6732632423543772*(exp(t) - 1), True)),
     lecun(6)),
    (lambda t: sqrt(2)*sb.relu(t), he(6)),  # keeps the square, not the mean
])
def test_layers_start_by_what_their_sum_feeds(activation: Any, expected: Start) -> None:
    h = sb.layers.dense(x, 4, activation)
    assert start_of(h, "W1") == expected
    assert start_of(h, "b1") == Start("bias")


def test_a_kink_in_index_notation_decides_with_its_bias_too() -> None:
    W, b = sb.parameter("W", i, j), sb.parameter("b", j)
    z = Sum(x[n, i]*W[i, j], i) + b[j]
    assert start_of(sb.define("h", (n, j), sb.selu(z)), "W") == lecun(6)
    assert start_of(sb.define("h", (n, j), sb.relu(z)), "W") == he(6)
    rho = sb.hyper("rho", 1.0)
    assert start_of(sb.define("h", (n, j), rho*sb.selu(z)), "W") == he(6)  # nothing known of rho
    odd = Piecewise((z, z > 0), (Function("odd")(z), True))
    assert start_of(sb.define("h", (n, j), odd), "W") == he(6)  # nor of this


@pytest.mark.parametrize(("activation", "keeps"), [("selu", True), ("elu", False)])
def test_a_deep_net_of_selus_begins_with_mean_0_and_variance_1(activation: str,
                                                               keeps: bool) -> None:
    """Klambauer et al. 2017."""
    s = sb.data("s", N, 60)
    h = s
    for _ in range(16):
        h = sb.layers.dense(h, 60, activation)
    made = Model(inputs=s, output=h, loss=h.sum(), seed=1)
    found = made.predict(np.random.default_rng(0).normal(size=(400, 60)))
    assert (abs(found.mean()) < 0.1 and abs(found.var() - 1) < 0.25) == keeps


def test_a_window_that_slides_counts_its_own_entries_for_selus() -> None:
    c = sb.layers.convolution(sb.data("p", N, 3, 9, 9), 8, 3, activation="selu")
    assert start_of(c, "W1") == lecun(3*3*3)


def test_a_relu_decides_for_its_own_layer_only() -> None:
    h = sb.layers.dense(sb.layers.dense(sb.layers.dense(x, 4, "tanh"), 4, "relu"), 2)
    assert [start_of(h, name) for name in ("W1", "W2", "W3")] == [glorot(6, 4), he(4), glorot(4, 2)]


def test_fans_are_read_from_the_contraction_not_from_positions() -> None:
    W, w = sb.parameter("W", j, i), sb.parameter("w", i)
    z = sb.define("z", (n, j), Sum(W[j, i] * x[n, i], i))
    assert start_of(z, "W") == glorot(6, 4)
    assert start_of(sb.define("z", (n,), Sum(w[i] * x[n, i], i)), "w") == glorot(6, 1)


def test_a_convolution_sums_over_its_window_and_channels() -> None:
    u, a, c = sb.indices("u a c", 5, 3, 2)
    s, W = sb.data("s", N, 7, 2), sb.parameter("W", a, c, j)
    z = sb.define("z", (n, u, j), Sum(s[n, u + a, c] * W[a, c, j], a, c))
    assert start_of(z, "W") == glorot(6, 3*4)


def test_a_penalty_changes_nothing() -> None:
    h = sb.layers.dense(x, 2)
    loss = sb.losses.squared_error(h, y) + sb.penalties.l2(1e-3)
    assert start_of(loss, "W1") == glorot(6, 2)


def test_an_embedding_is_read_by_a_gather() -> None:
    word = sb.data("w", n, facts=[sb.label(50)])
    E, U = sb.parameter("E", 50, j), sb.parameter("U", j, k)
    e = sb.define("e", (n, j), E[word[n], j])
    z = sb.define("z", (n, k), Sum(e[n, j] * U[j, k], j))
    assert start_of(z, "E") == Start("embedding", bound=math.sqrt(3 / 4))
    assert start_of(z, "U") == glorot(4, 2)


def test_scales_start_at_one_and_learned_slopes_at_a_quarter() -> None:
    g, a, c = sb.parameter("g", i), sb.parameter("a", i), sb.parameter("c")
    h = sb.define("h", (n, i), tanh(g[i] * x[n, i]))
    assert start_of(h, "g") == Start("scale", 1.0)
    assert start_of(sb.define("h", (n, i), sb.leaky_relu(x[n, i], a[i])), "a") == \
        Start("slope", 0.25)
    assert start_of(sb.define("h", (n, i), Max(x[n, i], c * x[n, i])), "c") == Start("slope", 0.25)


def model(seed: int = 0) -> Model:
    h = sb.layers.dense(sb.layers.dense(x, 4, "relu"), 2)
    return Model(inputs=x, targets=y, output=h, loss=sb.losses.squared_error(h, y), seed=seed)


def test_numbers_fill_their_interval_and_biases_are_zero() -> None:
    h = sb.layers.dense(sb.data("x", N, 300), 200, "tanh")
    made = Model(inputs=[t for t in sb.program(h).inputs if t.role == "data"], output=h,
                 loss=h.sum())
    W, bound = made.parameters["W1"], math.sqrt(6 / 500)
    assert np.abs(W).max() <= bound
    assert W.std() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert not made.parameters["b1"].any()


def test_seeds_decide_the_numbers() -> None:
    assert np.array_equal(model(3).parameters["W1"], model(3).parameters["W1"])
    assert not np.array_equal(model(3).parameters["W1"], model(4).parameters["W1"])
    again = model(3)
    again.initialise(4)
    assert np.array_equal(again.parameters["W1"], model(4).parameters["W1"])


def test_values_respect_facts() -> None:
    A = sb.parameter("A", i, 6, facts=["symmetric"])
    s = sb.parameter("s", i, facts=[sb.positive])
    h = (x @ A) * s + sb.parameter("c", facts=[sb.positive])
    made = Model(inputs=x, output=h, loss=(h**2).mean())
    assert np.array_equal(made.parameters["A"], made.parameters["A"].T)
    assert made.parameters["A"].any()
    assert made.parameters["s"].tolist() == [1] * 6
    assert made.parameters["c"] == 1


def test_a_folded_bias_is_a_row_of_its_weight_at_the_start_and_in_penalties() -> None:
    x, y = sb.data("x", sb.size("N"), 3), sb.data("y", sb.size("N"), 2)
    folded, apart = (sb.layers.dense(x, 2, bias=bias) for bias in ("folded", True))
    models = [sb.Model(inputs=x, targets=y, output=out, dtype="float64",
                       loss=sb.losses.squared_error(out, y) + sb.penalties.l2(1.0))
              for out in (folded, apart)]
    whole, split = (model.parameters for model in models)
    assert (whole["W1"][-1] != 0).all()
    assert (split["b1"] == 0).all()
    split["b1"] = [3.0, 4.0]
    for model in models:
        penalised = model.loss(np.ones((5, 3)), np.ones((5, 2)))
        model.hypers["lam"] = 0.0
        penalty = penalised - model.loss(np.ones((5, 3)), np.ones((5, 2)))
        assert penalty == pytest.approx((model.parameters["W1"]**2).sum())
