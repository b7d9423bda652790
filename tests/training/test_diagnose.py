"""model.diagnose: the report of `sb.diagnose` at the model's own numbers."""

import numpy as np
import pytest

import symbackprop as sb

N = sb.size("N")


def model() -> sb.Model:
    x, y = sb.data("x", N, 4), sb.data("y", N, 3, facts=["one_hot"])
    p = sb.softmax(sb.layers.dense(sb.layers.dense(x, 5, "tanh"), 3))
    loss = sb.losses.cross_entropy(p, y) + sb.penalties.l2(1e-3)
    return sb.Model(inputs=x, targets=y, output=p, loss=loss, dtype="float64")


def test_without_data_only_formulas_are_examined() -> None:
    found = model().diagnose()
    assert found.flow is None
    assert [finding.kind for finding in found.findings] == ["shift", "convex"]


def test_norms_are_those_of_the_gradients_of_the_model() -> None:
    net, rng = model(), np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 4)), rng.integers(0, 3, 30)
    gradients = net.gradients(X, Y)
    flow = net.diagnose(X, Y).flow
    assert flow is not None
    norms = {name: norm for layer in flow.layers for name, norm in layer.gradients}
    assert norms == pytest.approx({name: np.linalg.norm(g) for name, g in gradients.items()})


def test_a_hyper_of_the_model_counts_and_not_its_default() -> None:
    net, rng = model(), np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 4)), rng.integers(0, 3, 30)
    before = net.diagnose(X, Y).flow
    net.hypers["lam"] = 1e4
    after = net.diagnose(X, Y).flow
    assert before is not None
    assert after is not None
    assert not before.exploding
    assert after.exploding


def test_data_that_do_not_fit_are_refused_in_the_words_of_fit() -> None:
    with pytest.raises(sb.InputError, match="x"):
        model().diagnose(np.ones((3, 7)), [0, 1, 2])
