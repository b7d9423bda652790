"""Proximal SGD ends at the minimum of convex solvers, with the same zeros,."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, MultiTaskLasso
from sympy import Sum, sqrt

import symbackprop as sb

P, O = sb.penalties, sb.optimizers
ROWS, COLUMNS, OUTPUTS = 60, 12, 3
N = sb.size("N")


def samples(seed: int = 0) -> tuple[Any, Any]:
    """Inputs of unequal scales, and outputs of which few inputs know anything."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(ROWS, COLUMNS)) * np.linspace(0.5, 1.5, COLUMNS)
    W = np.zeros((COLUMNS, OUTPUTS))
    W[:4] = random.normal(size=(4, OUTPUTS))
    return X, X @ W + 1 + 0.3 * random.normal(size=(ROWS, OUTPUTS))


def regression(penalty: Any, outputs: int = 1, dtype: str = "float64", **options: Any) -> sb.Model:
    """½ mean squared error of a linear map, with a penalty."""
    x, y = sb.data("x", N, COLUMNS), sb.data("y", N, outputs)
    line = sb.layers.dense(x, outputs)
    loss = sb.losses.squared_error(line, y) / 2 + penalty
    return sb.Model(inputs=x, targets=y, output=line, loss=loss, dtype=dtype, **options)


def solved(penalty: Any, outputs: int = 1, epochs: int = 3000, **options: Any) -> sb.Model:
    model = regression(penalty, outputs, **options)
    X, Y = samples()
    model.fit(X, Y[:, :outputs], epochs=epochs, batch_size=None, optimizer=O.ProximalSGD(0.3))
    return model


def assert_same(found: Any, wanted: Any) -> None:
    assert found == pytest.approx(wanted, abs=1e-8)
    assert ((found == 0) == (wanted == 0)).all()
    assert (found == 0).any()
    assert (found != 0).any()


def test_lasso_is_that_of_scikit_learn() -> None:
    X, Y = samples()
    model = solved(P.l1(0.2))
    known = Lasso(alpha=0.2, tol=1e-14, max_iter=10**6).fit(X, Y[:, 0])
    assert_same(model.parameters["W1"][:, 0], known.coef_)
    assert model.parameters["b1"][0] == pytest.approx(known.intercept_, abs=1e-8)


def test_elastic_net_is_that_of_scikit_learn() -> None:
    X, Y = samples()
    model = solved(P.elastic_net(0.2 * 0.7, 0.2 * 0.3 / 2))
    known = ElasticNet(alpha=0.2, l1_ratio=0.7, tol=1e-14, max_iter=10**6).fit(X, Y[:, 0])
    assert_same(model.parameters["W1"][:, 0], known.coef_)


def test_group_lasso_over_outputs_is_the_multi_task_lasso_of_scikit_learn() -> None:
    X, Y = samples()
    model = solved(P.group_lasso(0.4), OUTPUTS)
    known = MultiTaskLasso(alpha=0.4, tol=1e-14, max_iter=10**6).fit(X, Y)
    assert_same(model.parameters["W1"], known.coef_.T)


def block_descent(X: Any, y: Any, groups: Any, lam: float) -> Any:
    """Group lasso of centred data, group after group: a root of one number solves each exactly."""
    w = np.zeros(X.shape[1])
    for _ in range(2000):
        before = w.copy()
        for group in groups:
            part = X[:, group]
            rest = part.T @ (y - X @ w + part @ w[group]) / len(X)
            gram = part.T @ part / len(X)
            if np.linalg.norm(rest) <= lam:
                w[group] = 0
                continue

            def of_length(s: float, gram: Any = gram, rest: Any = rest) -> Any:
                return np.linalg.solve(gram + lam / s * np.eye(len(rest)), rest)

            size = brentq(lambda s, f=of_length: np.linalg.norm(f(s)) - s, 1e-12, 1e3,
                          xtol=1e-15, rtol=1e-15)
            w[group] = of_length(size)
        if abs(w - before).max() < 1e-14:
            return w
    raise AssertionError("no convergence")


def test_group_lasso_over_inputs_is_that_of_block_coordinate_descent() -> None:
    X, Y = samples()
    G, m = 4, 3
    n, a, i = sb.indices("n a i", N, G, m)
    x, y = sb.data("x", n, a, i), sb.data("y", n)
    w, b = sb.parameter("w", a, i), sb.parameter("b")
    lam = sb.hyper("lam", 0.3)
    o = sb.define("o", (n,), Sum(x[n, a, i] * w[a, i], a, i) + b)
    loss = Sum((o[n] - y[n])**2, n) / (2 * N) + lam * Sum(sqrt(Sum(w[a, i]**2, i)), a)
    model = sb.Model(inputs=x, targets=y, output=o, loss=loss, dtype="float64")
    for strength in (0.3, 0.6):
        model.hypers["lam"] = strength
        model.fit(X.reshape(-1, G, m), Y[:, 0], epochs=3000, batch_size=None,
                  optimizer=O.ProximalSGD(0.3))
        known = block_descent(X - X.mean(0), Y[:, 0] - Y[:, 0].mean(),
                              np.arange(G * m).reshape(G, m), strength)
        assert_same(model.parameters["w"], known.reshape(G, m))


def test_sparse_group_lasso_obeys_the_conditions_of_its_minimum() -> None:
    X, Y = samples()
    lam1, lam2 = 0.1, 0.25
    model = solved(P.sparse_group_lasso(lam1, lam2), OUTPUTS)
    W, b = model.parameters["W1"], model.parameters["b1"]
    slope = X.T @ (X @ W + b - Y) / ROWS
    rows = np.linalg.norm(W, axis=1)
    assert (rows == 0).any()
    assert ((W == 0) & (rows > 0)[:, np.newaxis]).any()
    for g, w, size in zip(slope, W, rows, strict=True):
        if size == 0:
            assert np.linalg.norm(np.maximum(abs(g) - lam1, 0)) <= lam2 + 1e-8
            continue
        alive = w != 0
        pull = g + lam2 * w / size
        assert pull[alive] == pytest.approx(-lam1 * np.sign(w[alive]), abs=1e-8)
        assert (abs(pull[~alive]) <= lam1 + 1e-8).all()


def test_momentum_and_mini_batches_and_float32_end_with_zeros_too() -> None:
    X, Y = samples()
    model = regression(P.l1(0.2), dtype="float32")
    model.fit(X, Y[:, :1], epochs=400, batch_size=20, optimizer=O.ProximalSGD(0.02, momentum=0.9))
    known = Lasso(alpha=0.2).fit(X, Y[:, 0])
    found = model.parameters["W1"][:, 0]
    assert found == pytest.approx(known.coef_, abs=0.15)
    assert (found[4:] == 0).sum() >= 4


def test_momentum_is_that_of_a_plain_loop() -> None:
    X, Y = samples()
    model = regression(P.l1(0.2), OUTPUTS)
    bare = regression(P.l1(0), OUTPUTS)
    w = {name: array.copy() for name, array in model.parameters.items()}
    d = {name: np.zeros_like(array) for name, array in w.items()}
    for _ in range(5):
        bare.parameters.update(w)
        for name, slope in bare.gradients(X, Y).items():
            v = w[name] + 0.8 * d[name] - 0.1 * slope
            after = np.sign(v) * np.maximum(abs(v) - 0.02, 0) if name == "W1" else v
            w[name], d[name] = after, after - w[name]
    model.fit(X, Y, epochs=5, batch_size=None, optimizer=O.ProximalSGD(0.1, momentum=0.8))
    for name, array in w.items():
        assert model.parameters[name] == pytest.approx(array, abs=1e-12)


def test_momentum_may_be_a_schedule() -> None:
    X, Y = samples()
    found = []
    for momentum in (0.5, sb.schedules.constant(0.5)):
        model = regression(P.l1(0.1))
        model.fit(X, Y[:, :1], epochs=5, optimizer=O.ProximalSGD(0.1, momentum=momentum))
        found.append(np.array(model.parameters["W1"]))
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_momentum_over_all_rows_ends_at_the_same_minimum() -> None:
    X, Y = samples()
    model = regression(P.l1(0.2))
    model.fit(X, Y[:, :1], epochs=3000, batch_size=None,
              optimizer=O.ProximalSGD(0.1, momentum=0.7))
    known = Lasso(alpha=0.2, tol=1e-14, max_iter=10**6).fit(X, Y[:, 0])
    assert_same(model.parameters["W1"][:, 0], known.coef_)


def test_a_plain_optimizer_takes_subgradients_and_finds_no_zeros() -> None:
    X, Y = samples()
    model = regression(P.l1(0.2))
    model.fit(X, Y[:, :1], epochs=300, batch_size=None, optimizer=O.SGD(0.3))
    assert (model.parameters["W1"] != 0).all()


def test_the_history_holds_the_whole_loss() -> None:
    X, Y = samples()
    model = regression(P.l1(0.2))
    before = model.loss(X, Y[:, :1])
    history = model.fit(X, Y[:, :1], epochs=2, batch_size=None, optimizer=O.ProximalSGD(0.3))
    assert history["loss"][0] == pytest.approx(before, rel=1e-12)
    assert history["loss"][1] < before


def test_strengths_change_at_run_time_and_nothing_is_compiled_again() -> None:
    X, Y = samples()
    model = regression(P.l1(0.2))
    for alpha in (0.2, 0.05, 0.0):
        model.hypers["lam"] = alpha
        model.fit(X, Y[:, :1], epochs=3000, batch_size=None, optimizer=O.ProximalSGD(0.3))
        known = Lasso(alpha=alpha, tol=1e-14, max_iter=10**6) if alpha else LinearRegression()
        wanted = known.fit(X, Y[:, 0]).coef_
        assert model.parameters["W1"][:, 0] == pytest.approx(wanted, abs=1e-8)
    assert len(model._core.kernels._trainers._kernels) == 1
