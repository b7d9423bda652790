"""A step of proximal SGD is the operator of a step of the smooth part, and says what it cannot."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from sklearn.linear_model import Lasso, MultiTaskLasso
from sympy import Abs, Eq, Expr, Piecewise, Sum, sqrt

import symbackprop as sb
from symbackprop.errors import DerivationError, TrainingError
from symbackprop.notation import tensors_in
from symbackprop.training.projecting import split
from tests.training.test_proximal_training import (
    COLUMNS,
    OUTPUTS,
    N,
    O,
    P,
    assert_same,
    regression,
    samples,
    solved,
)


def test_a_step_is_the_operator_of_the_step_of_the_smooth_part() -> None:
    X, Y = samples()
    penalised, plain = regression(P.group_lasso(0.4), OUTPUTS), regression(P.l1(0), OUTPUTS)
    plain.parameters.update(penalised.parameters)
    slope = plain.gradients(X, Y)
    W, b = penalised.parameters["W1"].copy(), penalised.parameters["b1"].copy()
    penalised.fit(X, Y, epochs=1, batch_size=None, optimizer=O.ProximalSGD(0.2))
    wanted = sb.proximal(P.group_lasso(0.4))(W - 0.2 * slope["W1"], 0.2)
    assert penalised.parameters["W1"] == pytest.approx(wanted, abs=1e-12)
    assert penalised.parameters["b1"] == pytest.approx(b - 0.2 * slope["b1"], abs=1e-12)


def test_rates_of_layers_are_the_steps_of_their_operators() -> None:
    X, Y = samples()
    model = regression(P.l1(0.2) + P.l1(0.3, "b1"))
    W, b = model.parameters["W1"].copy(), model.parameters["b1"].copy()
    bare = regression(P.l1(0))
    bare.parameters.update(model.parameters)
    slope = bare.gradients(X, Y[:, :1])
    model.fit(X, Y[:, :1], epochs=1, batch_size=None, optimizer=O.ProximalSGD(0.2),
              rates={"b1": 0.5})

    def shrunk(v: Any, by: float) -> Any:
        return np.sign(v) * np.maximum(abs(v) - by, 0)

    assert model.parameters["W1"] == pytest.approx(shrunk(W - 0.2 * slope["W1"], 0.04), abs=1e-12)
    assert model.parameters["b1"] == pytest.approx(shrunk(b - 0.1 * slope["b1"], 0.03), abs=1e-12)


def test_a_schedule_moves_the_threshold_with_the_rate() -> None:
    X, Y = samples()
    t = O.t
    model = regression(P.l1(0.2))
    model.fit(X, Y[:, :1], epochs=5000, batch_size=None,
              optimizer=O.ProximalSGD(0.1 + 0.2 / (1 + t)))
    known = Lasso(alpha=0.2, tol=1e-14, max_iter=10**6).fit(X, Y[:, 0])
    assert_same(model.parameters["W1"][:, 0], known.coef_)


@pytest.mark.parametrize("optimizer", [
    O.ProximalSGD(sb.schedules.cosine(0.1, steps=100)), O.SGD(sb.schedules.cosine(0.1, steps=100)),
    O.Adam(sb.schedules.inverse(0.1, steps=100)),
    O.clip_norm(O.ProximalSGD(0.1), sb.schedules.exponential(2.0, 0.9, steps=10))], ids=repr)
def test_a_number_for_all_entries_is_computed_once(optimizer: Any) -> None:
    """A branch that may be undefined is written out, but not what the rule computes for all."""
    model = regression(P.l1(0.2), OUTPUTS,
                       constraints=[sb.constraints.nonnegative(), sb.constraints.box(-0.5, 0.5)])
    X, Y = samples()
    model.fit(X, Y, epochs=1, batch_size=None, optimizer=optimizer)
    whole = model.kernels["fit"].program
    scheduled = {t for t in whole.inputs if not t.rank and t.where == "the optimizer"
                 and (t.role == "state" or "_" in whole.names[t])}
    assert len(scheduled) > 2
    for definition in whole:
        if definition.indices:
            read = {whole.names[t] for t in scheduled.intersection(tensors_in(definition.body))}
            assert not read, f"{whole.names[definition.target]} reads {read} for each entry"


def test_a_custom_rule_may_say_prox() -> None:
    X, Y = samples()
    w, g, eta = O.w, O.g, sympy.Symbol("eta")
    mine = O.Custom((w, O.prox(w - eta * g, eta)), eta=0.3)
    model = regression(P.l1(0.2))
    model.fit(X, Y[:, :1], epochs=3000, batch_size=None, optimizer=mine)
    assert model.parameters["W1"] == pytest.approx(solved(P.l1(0.2)).parameters["W1"], abs=1e-12)


def test_a_loss_of_penalties_alone_is_minimised() -> None:
    w = sb.parameter("w", 4)
    c = sb.data("c", 4)
    (i,) = w.letters
    loss = Sum(Abs(w[i]), i) + Sum((w[i] - c[i])**2, i) / 2
    model = sb.Model(inputs=c, loss=loss, dtype="float64")
    target = np.array([3.0, 0.5, -2.0, -0.1])
    model.fit(target, epochs=500, optimizer=O.ProximalSGD(0.2))
    assert model.parameters["w"] == pytest.approx([2.0, 0.0, -1.0, 0.0], abs=1e-12)


def trained_near_a_prior(penalty: Callable[..., Expr], strength: float
                         ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weights trained with λ·penalty(W, goal, i, k), the goal in each row, X, and Y − X·goal."""
    X, Y = samples()
    x, y = sb.data("x", N, COLUMNS), sb.data("y", N, OUTPUTS)
    w, goal = sb.parameter("W", COLUMNS, OUTPUTS), sb.data("goal", COLUMNS)
    loss = sb.losses.squared_error(x @ w, y) / 2 + sb.hyper("lam", strength) * penalty(
        w, goal, *w.letters)
    model = sb.Model(inputs=[x, goal], targets=y, output=x @ w, loss=loss, dtype="float64")
    start = np.linspace(-1, 1, COLUMNS)
    model.fit([X, start], Y, epochs=3000, batch_size=None, optimizer=O.ProximalSGD(0.3))
    return model.parameters["W"], start, X, Y - (X @ start)[:, np.newaxis]


def test_a_penalty_may_draw_weights_towards_data() -> None:
    W, start, X, left = trained_near_a_prior(
        lambda w, goal, i, k: Sum(Abs(w[i, k] - goal[i]), i, k), 0.2)
    shift = Lasso(alpha=0.2, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(X, left)
    assert W - start[:, np.newaxis] == pytest.approx(shift.coef_.T, abs=1e-8)
    assert ((W.T == start) == (shift.coef_ == 0)).all()


def test_rows_near_a_prior_that_is_data_end_exactly_there() -> None:
    W, start, X, left = trained_near_a_prior(
        lambda w, goal, i, k: Sum(sqrt(Sum((w[i, k] - goal[i])**2, k)), i), 0.4)
    shift = MultiTaskLasso(alpha=0.4, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(X, left)
    assert W - start[:, np.newaxis] == pytest.approx(shift.coef_.T, abs=1e-8)
    resting = (shift.coef_ == 0).all(0)
    assert 0 < resting.sum() < COLUMNS
    assert ((W == start[:, np.newaxis]).all(1) == resting).all()


REFUSED: list[tuple[Any, Any, str]] = [
    (lambda w: Sum(Abs(w[1 + w.letters[0], 0] - w[w.letters[0], 0]),
                   (w.letters[0], 0, COLUMNS - 2)), DerivationError, "has no proximal operator"),
    (lambda w: -0.1 * abs(w).sum(), DerivationError, "slope falls"),
    (lambda w: sb.sqrt(abs(w)).sum(), DerivationError, "not convex"),
    (lambda w: P.group_lasso(1, w) + P.group_lasso(1, w, axis=0), DerivationError, "overlap"),
    (lambda w: Sum(Piecewise((Abs(w[w.letters]), Eq(w.letters[0], 2)), (0, True)), *w.letters),
     DerivationError, "each part of i"),
]


@pytest.mark.parametrize(("penalty", "kind", "message"), REFUSED)
def test_a_penalty_without_an_operator_is_refused_before_anything_runs(
        penalty: Any, kind: Any, message: str) -> None:
    x, y, w = sb.data("x", N, COLUMNS), sb.data("y", N, 1), sb.parameter("w", COLUMNS, 1)
    loss = sb.losses.squared_error(x @ w, y) + penalty(w)
    model = sb.Model(inputs=x, targets=y, output=x @ w, loss=loss, dtype="float64")
    X, Y = samples()
    before = model.parameters["w"].copy()
    with pytest.raises(kind, match=message):
        model.fit(X, Y[:, :1], optimizer=O.ProximalSGD(0.1))
    assert (model.parameters["w"] == before).all()


SMOOTH: list[Any] = [
    lambda: P.l2(0.1), lambda: P.orthogonality(0.1), lambda: P.smoothness(0.1, "W1", axis=0),
    lambda: P.elementwise(0.1, lambda w: sqrt(1 + w**2)), lambda: P.huber(0.1, 1.0),
    lambda: P.elementwise(0.1, lambda w: sympy.log(1 + w**2)),
    lambda: P.elementwise(0.1, lambda w: w**4), lambda: P.elementwise(0.1, sympy.cosh),
    lambda: P.orthogonality(1 / sb.hyper("C", 2.0)), lambda: P.smoothness(
        sympy.Max(sb.hyper("a", 1.0), 2), "W1", axis=0),
]


@pytest.mark.parametrize("penalty", SMOOTH)
def test_what_is_smooth_stays_in_the_gradient(penalty: Any) -> None:
    assert split(regression(penalty(), OUTPUTS)._network).smooth is None


def test_a_penalty_of_two_parameters_without_an_operator_is_refused() -> None:
    x, y = sb.data("x", N, COLUMNS), sb.data("y", N, 1)
    a, b = sb.parameter("a", COLUMNS, 1), sb.parameter("b", COLUMNS, 1)
    loss = sb.losses.squared_error(x @ a + x @ b, y) + 0.1 * abs(a - b).sum()
    X, Y = samples()
    with pytest.raises(DerivationError, match="it does not separate"):
        sb.Model(inputs=x, targets=y, loss=loss).fit(X, Y[:, :1], optimizer=O.ProximalSGD(0.1))


def test_strengths_from_data_of_unknown_sign_are_refused() -> None:
    x, y, w = sb.data("x", N, COLUMNS), sb.data("y", N, 1), sb.parameter("w", COLUMNS, 1)
    (cost, (i, k)), (X, Y) = (sb.data("cost", COLUMNS), w.letters), samples()
    loss = sb.losses.squared_error(x @ w, y) + 0.1 * Sum(cost[i] * Abs(w[i, k]), i, k)
    model = sb.Model(inputs=[x, cost], targets=y, loss=loss)
    with pytest.raises(DerivationError, match=r"declare the data with facts=\[sb.positive\]"):
        model.fit([X, np.ones(COLUMNS)], Y[:, :1], optimizer=O.ProximalSGD(0.1))


def test_a_negative_strength_is_refused_when_it_is_used() -> None:
    model = regression(P.l1(0.1))
    model.hypers["lam"] = -0.1
    with pytest.raises(DerivationError, match="not convex"):
        model.fit(*(samples()[0], samples()[1][:, :1]), optimizer=O.ProximalSGD(0.1))


def test_proximal_sgd_prints_its_rule() -> None:
    assert O.ProximalSGD(0.1, momentum=0.9).formula().splitlines()[:2] == [
        "q ← w", "w ← prox(μ·d + w − η·g, η)"]
    with pytest.raises(TrainingError, match="rate must be a number above 0"):
        O.ProximalSGD(0)


