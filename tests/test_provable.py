"""Findings: what is proven is true at numbers, and a near miss is left unsaid."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sympy import Abs, Max, Sum, exp, floor, log, sqrt, tanh

import symbackprop as sb
from symbackprop.notation import Program
from symbackprop.provable import Finding, findings
from tests.support.confirmation import confirm
from tests.support.random_programs import random_case
from tests.support.random_values import drawn

N = sb.size("N")
n, i, j, k = sb.indices("n i j k", N, 4, 3, 3)
x, t = sb.data("x", n, i), sb.data("t", n)
y = sb.data("y", n, k, facts=[sb.one_hot(k)])
labels = sb.data("labels", n, facts=[sb.label(3)])
w, b = sb.parameter("w", i), sb.parameter("b")
W, V, c = sb.parameter("W", i, k), sb.parameter("V", j, k), sb.parameter("c", k)
U, a = sb.parameter("U", i, j), sb.parameter("a", j)
lam = sb.hyper("lam", 0.1)


def found(loss: Any, *kinds: str) -> list[tuple[str, ...]]:
    """(kind, names…) of each finding of these kinds, all confirmed at random values."""
    program = sb.program(loss)
    proven = [f for f in findings(program) if f.kind in kinds or not kinds]
    confirmed(program, proven)
    return [(f.kind, *(program.names[t] for t in f.tensors)) for f in proven]


def confirmed(program: Program, proven: list[Finding]) -> None:
    rng = np.random.default_rng(3)
    for _ in range(3):
        values = {tensor: drawn(tensor, {"N": 5}, rng) for tensor in program.inputs}
        for finding in proven:
            confirm(finding, program, values, rng)


def softmax_loss(scores: Any, scale: Any = 1) -> Any:
    z = sb.define("z", (n, k), scores)
    p = sb.define("p", (n, k), exp(z[n, k]) / Sum(exp(z[n, k]), k))
    return -scale * Sum(y[n, k] * log(p[n, k]), n, k) / N


def hidden(activation: Any) -> Any:
    return sb.define("h", (n, j), activation(Sum(x[n, i] * U[i, j], i) + a[j]))


AFFINE = Sum(x[n, i] * W[i, k], i) + c[k]
LINE = Sum(x[n, i] * w[i], i) + b


# -- what is not identifiable


def test_scores_of_a_hand_written_softmax_may_be_shifted() -> None:
    assert found(softmax_loss(AFFINE), "shift") == [("shift", "W"), ("shift", "c")]


def test_the_shift_of_a_matrix_is_one_number_for_each_row() -> None:
    shift = next(f for f in findings(sb.program(softmax_loss(AFFINE))) if f.kind == "shift")
    assert shift.along == (k,)
    assert "adding c′[i] to W[i,k] for all k leaves L unchanged" in shift.statement
    assert "lse1[n] changes by u1[n]" in shift.proof


def test_labels_in_place_of_one_hot_rows_change_nothing() -> None:
    z = sb.define("z", (n, k), AFFINE)
    loss = -Sum(z[n, labels[n]] - log(Sum(exp(z[n, k]), k)), n) / N
    assert found(loss, "shift") == [("shift", "W"), ("shift", "c")]


@pytest.mark.parametrize("scores", [
    pytest.param(AFFINE + lam * c[k], id="the bias twice is a bias"),
    pytest.param(2 * AFFINE, id="scaled scores"),
])
def test_disguised_scores_may_be_shifted_too(scores: Any) -> None:
    assert ("shift", "c") in found(softmax_loss(scores), "shift")


@pytest.mark.parametrize("loss", [
    pytest.param(lambda: softmax_loss(AFFINE) + lam * Sum(c[k] ** 2, k), id="penalty on the bias"),
    pytest.param(lambda: Sum((sb.define("z", (n, k), AFFINE)[n, k] - y[n, k]) ** 2, n, k),
                 id="squared error"),
    pytest.param(lambda: softmax_loss(tanh(AFFINE)), id="bounded scores"),
    pytest.param(lambda: softmax_loss(k * c[k] * Sum(x[n, i], i)), id="a weight for each class"),
    pytest.param(lambda: -Sum(floor(c[k]) ** 2, k), id="zero derivative, yet not constant"),
])
def test_near_misses_of_a_shift_are_left_unsaid(loss: Callable[[], Any]) -> None:
    assert ("shift", "c") not in found(loss(), "shift", "no effect")


def test_probabilities_without_a_fact_of_the_targets_prove_no_shift() -> None:
    free = sb.data("free", n, k)
    z = sb.define("z", (n, k), AFFINE)
    entropy = -Sum(free[n, k] * (z[n, k] - log(Sum(exp(z[n, k]), k))), n, k)
    assert found(entropy, "shift") == [("shift", "W"), ("shift", "c")]  # each term is unmoved
    apart = Sum(log(Sum(exp(z[n, k]), k)), n) - Sum(free[n, k] * z[n, k], n, k)
    assert found(apart, "shift") == []
    facts = Sum(log(Sum(exp(z[n, k]), k)), n) - Sum(y[n, k] * z[n, k], n, k)
    assert found(facts, "shift") == [("shift", "W"), ("shift", "c")]


def test_a_bias_before_a_mean_is_subtracted_has_no_effect() -> None:
    z = sb.define("z", (n, j), Sum(x[n, i] * U[i, j], i) + a[j])
    m = sb.define("m", (j,), Sum(z[n, j], n) / N)
    loss = sb.define("L", (), Sum(tanh(z[n, j] - m[j]), n, j))
    assert ("no effect", "a") in found(loss)
    near = sb.define("L", (), Sum(tanh(z[n, j] - 2 * m[j]), n, j))
    assert found(near, "no effect", "zero gradient") == []


def test_relu_layers_may_be_rescaled_and_tanh_layers_may_not() -> None:
    def loss(activation: Any) -> Any:
        return Sum((Sum(hidden(activation)[n, j] * V[j, k], j) - y[n, k]) ** 2, n, k)

    assert found(loss(lambda s: Max(0, s)), "scale") == [("scale", "V", "U", "a")]
    assert found(loss(tanh), "scale") == []
    assert found(loss(lambda s: Max(0, s)) + lam * Sum(V[j, k] ** 2, j, k), "scale") == []


def test_a_normalised_weight_has_a_direction_only() -> None:
    norm = sb.define("norm", (), sqrt(Sum(w[i] ** 2, i)))
    loss = Sum((Sum(x[n, i] * w[i], i) / norm - t[n]) ** 2, n)
    assert found(loss, "scale") == [("scale", "w")]
    guarded = sb.define("norm", (), sqrt(Sum(w[i] ** 2, i) + lam))
    assert found(Sum((Sum(x[n, i] * w[i], i) / guarded - t[n]) ** 2, n), "scale") == []


def test_a_hand_written_softmax_of_two_scores_may_be_shifted() -> None:
    d = sb.parameter("d", sb.indices("m", 2))
    first, second = exp(d[0] * 2 + w[0]), exp(2 * d[1])
    loss = -log(first / (first + second))
    assert found(loss, "shift") == [("shift", "d")]
    assert found(-log(first / (first + exp(d[1]))), "shift") == []


# -- what has no gradient


def test_a_step_has_a_zero_gradient_but_an_effect() -> None:
    loss = Sum(floor(w[i]) * x[n, i], n, i)
    assert found(loss, "zero gradient", "no effect") == [("zero gradient", "w")]


def test_data_that_cancel_are_dead_inputs() -> None:
    u = sb.data("u", n)
    r = sb.define("r", (n,), LINE + u[n])
    s = sb.define("s", (n,), t[n] + u[n])
    assert found(Sum((r[n] - s[n]) ** 2, n), "no effect") == [("no effect", "u")]
    assert found(Sum((r[n] - 2 * s[n]) ** 2, n), "no effect") == []


def test_a_tensor_that_was_asked_about_and_is_not_read_is_reported() -> None:
    u = sb.data("u", n)
    proven = sb.diagnose(Sum((LINE - t[n]) ** 2, n), tensors=[u, x]).findings
    assert [f.statement for f in proven if f.kind == "unread"] == ["L does not read u"]


# -- what the loss is as a function


def test_ridge_regression_is_quadratic_and_convex_in_all_parameters() -> None:
    loss = Sum((LINE - t[n]) ** 2, n) / N + lam * Sum(w[i] ** 2, i)
    assert found(loss) == [("quadratic", "w", "b"), ("convex", "w", "b")]
    (convex,) = [f for f in findings(sb.program(loss)) if f.kind == "convex"]
    assert convex.given == (lam.tensor,)
    assert convex.statement.endswith("where lam ≥ 0")


def test_a_loss_of_degree_one_is_linear_and_one_of_degree_three_is_nothing() -> None:
    assert found(Sum(LINE, n)) == [("linear", "w", "b")]
    assert found(Sum(LINE ** 3, n)) == []


def test_a_net_of_two_linear_layers_is_quadratic_in_each_but_not_in_both() -> None:
    g = sb.define("g", (n, j), Sum(x[n, i] * U[i, j], i))
    loss = Sum((Sum(g[n, j] * V[j, k], j) - y[n, k]) ** 2, n, k)
    kinds = found(loss, "quadratic", "convex")
    assert sorted(kinds) == [("convex", "U"), ("convex", "V"), ("quadratic", "U"),
                             ("quadratic", "V")]


@pytest.mark.parametrize("loss", [
    pytest.param(lambda r: Sum(Abs(r), n), id="absolute error"),
    pytest.param(lambda r: Sum(Max(0, 1 - r * t[n]), n), id="hinge"),
    pytest.param(lambda r: Sum(exp(r) - t[n] * r, n), id="Poisson"),
    pytest.param(lambda r: Sum(log(1 + exp(r)) - t[n] * r, n), id="logistic"),
    pytest.param(lambda r: sqrt(Sum(r ** 2, n)), id="Euclidean norm"),
    pytest.param(lambda r: Sum(Max(r, -2 * r), n), id="quantile"),
    pytest.param(lambda r: sb.Maximum(r, n), id="largest"),
    pytest.param(lambda r: Sum(r**2, n) + 0.5 * Sum(Abs(w[i]), i), id="lasso"),
    pytest.param(lambda r: Sum(Max(0, r) ** 2, n), id="square of a convex term at least zero"),
])
def test_convex_losses_of_an_affine_map_are_proven_convex(loss: Callable[[Any], Any]) -> None:
    assert ("convex", "w", "b") in found(loss(LINE), "convex")


@pytest.mark.parametrize("loss", [
    pytest.param(lambda r: Sum(tanh(r) ** 2, n), id="tanh"),
    pytest.param(lambda r: -Sum(r**2, n), id="concave"),
    pytest.param(lambda r: Sum(t[n] * r**2, n), id="weights of unknown sign"),
    pytest.param(lambda r: Sum(sb.Minimum(r, n) ** 2, i), id="minimum"),
    pytest.param(lambda r: Sum((Max(0, r) - t[n]) ** 2, n), id="relu in a square"),
    pytest.param(lambda r: Sum(r**2, n) - lam * Sum(w[i] ** 2, i), id="a negative penalty"),
    pytest.param(lambda r: Sum(sqrt(Abs(r)), n), id="root of a modulus"),
    pytest.param(lambda r: Sum(Abs(r) ** 3 - Abs(r), n), id="difference of convex terms"),
])
def test_near_misses_of_convexity_are_left_unsaid(loss: Callable[[Any], Any]) -> None:
    assert not [finding for finding in found(loss(LINE), "convex") if "w" in finding]


def test_a_classifier_is_convex_in_its_last_layer_only() -> None:
    scores = Sum(hidden(tanh)[n, j] * V[j, k], j) + c[k]
    assert found(softmax_loss(scores), "convex") == [("convex", "V", "c")]


def test_binary_cross_entropy_of_a_hand_written_sigmoid_is_convex() -> None:
    p = sb.define("p", (n,), 1 / (1 + exp(-LINE)))
    loss = -Sum(t[n] * log(p[n]) + (1 - t[n]) * log(1 - p[n]), n) / N
    assert found(loss, "convex") == [("convex", "w", "b")]


def test_findings_of_random_programs_hold_at_numbers(seed: int) -> None:
    seen = set()
    for number in range(60):
        case = random_case(seed, number, small=True, layers=None)
        try:
            proven = findings(case.program)
        except ValueError:  # SymPy: "the argument is not comparable"
            continue
        for finding in proven:
            seen.add(finding.kind)
            confirm(finding, case.program, case.values, np.random.default_rng(number))
    assert seen, "no program had a finding: the test has no force"


def test_a_deep_net_is_examined_in_seconds() -> None:
    h = sb.data("x", N, 3)
    for _ in range(50):
        h = sb.layers.dense(h, 3, "tanh")
    program = sb.program(sb.losses.squared_error(h, sb.data("y", N, 3)))
    assert findings(program) == ()
