"""L-BFGS over the compiled loss and gradients reaches the optimum that others find."""

from typing import Any

import numpy as np
import pytest
import scipy.optimize
from sklearn.linear_model import LogisticRegression
from sympy import Expr, Sum, exp

import symbackprop as sb
from symbackprop.errors import TrainingError
from tests.training.networks import classifier, loss_and_gradients, samples

INPUTS, ROWS, RIDGE = 4, 60, 0.01
LBFGS = sb.optimizers.LBFGS
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, INPUTS)) * [1, 3, 0.5, 10] + 1
LABELS = (X @ [1, -0.3, 2, 0.1] + RANDOM.logistic(size=ROWS) > 1).astype(float)


def regression(loss: Any, dtype: str = "float64") -> sb.Model:
    """A model of one row of weights and an offset; loss: of the predictor z and the target."""
    N = sb.size("N")
    n, i = sb.indices("n i", N, INPUTS)
    x, y = sb.data("x", n, i), sb.data("y", n)
    w, b = sb.parameter("w", i), sb.parameter("b")
    z = sb.define("z", (n,), Sum(x[n, i] * w[i], i) + b)
    L = sb.define("L", (), Sum(loss(z[n], y[n]), n) / N
                  + sb.hyper("lam", RIDGE) * Sum(w[i]**2, i))
    made = sb.Model(inputs=x, targets=y, output=z, loss=L, dtype=dtype)
    made.parameters["w"] = np.zeros(INPUTS)
    return made


def logistic(z: Expr, y: Expr) -> Expr:
    return sb.softplus(z) - y * z


def poisson(z: Expr, y: Expr) -> Expr:
    return exp(z) - y * z


@pytest.fixture(scope="module")
def model() -> sb.Model:
    return regression(logistic)


def test_logistic_regression_is_that_of_scikit_learn(model: sb.Model) -> None:
    model.parameters.update({"w": np.zeros(INPUTS), "b": 0})
    history = model.fit(X, LABELS, epochs=200, optimizer=LBFGS())
    theirs = LogisticRegression(C=1 / (2 * RIDGE * ROWS), tol=1e-12, max_iter=1000,
                                solver="newton-cholesky").fit(X, LABELS)
    np.testing.assert_allclose(model.parameters["w"], theirs.coef_[0], atol=1e-6)
    np.testing.assert_allclose(model.parameters["b"], theirs.intercept_[0], atol=1e-6)
    assert max(np.abs(g).max() for g in model.gradients(X, LABELS).values()) < 1e-7
    losses = history["loss"]
    assert len(losses) < 100
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(model.loss(X, LABELS), rel=1e-14)


def test_a_networks_minimum_is_the_one_that_scipy_goes_to() -> None:
    model = classifier()
    inputs, labels = samples()
    names, start = list(model.parameters), model.parameters.copy()
    shapes = [start[name].shape for name in names]
    ends = np.cumsum([start[name].size for name in names])[:-1]

    def function(point: Any) -> Any:
        parts = [p.reshape(s) for p, s in zip(np.split(point, ends), shapes, strict=True)]
        loss, slopes = loss_and_gradients(dict(zip(names, parts, strict=True)), inputs, labels)
        return loss, np.concatenate([slopes[name].ravel() for name in names])

    begin = np.concatenate([start[name].ravel() for name in names])
    theirs = scipy.optimize.minimize(function, begin, jac=True, method="L-BFGS-B",
                                     options={"maxiter": 8, "maxcor": 10, "gtol": 0, "ftol": 0})
    history = model.fit(inputs, labels, epochs=8, optimizer=LBFGS())
    found = np.concatenate([model.parameters[name].ravel() for name in names])
    np.testing.assert_allclose(found, theirs.x, rtol=1e-6, atol=1e-8)
    assert history["loss"][-1] == pytest.approx(theirs.fun, rel=1e-9)


def test_callbacks_see_each_iteration_and_may_end_it(model: sb.Model) -> None:
    model.parameters.update({"w": np.zeros(INPUTS), "b": 0})
    seen = []

    def watch(epoch: sb.callbacks.Epoch) -> bool:
        seen.append({name: array.copy() for name, array in epoch.parameters.items()})
        return epoch.number == 3

    history = model.fit(X, LABELS, epochs=50, optimizer=LBFGS(), callbacks=[watch],
                        validation_data=(X, LABELS))
    assert len(history["loss"]) == len(seen) == 3
    np.testing.assert_allclose(history["val_loss"], history["loss"], rtol=1e-14)
    np.testing.assert_array_equal(model.parameters["w"], seen[-1]["w"])
    assert not np.array_equal(seen[0]["w"], seen[1]["w"])


def test_as_many_iterations_are_made_as_epochs_were_asked_for(model: sb.Model) -> None:
    model.parameters.update({"w": np.zeros(INPUTS), "b": 0})
    assert len(model.fit(X, LABELS, epochs=2, optimizer=LBFGS())["loss"]) == 2


def test_at_the_optimum_there_is_one_entry_and_nothing_moves(model: sb.Model) -> None:
    model.fit(X, LABELS, epochs=200, optimizer=LBFGS())
    before = model.parameters.copy()
    history = model.fit(X, LABELS, epochs=5, optimizer=LBFGS(gradient_tolerance=1e-3))
    assert history["loss"] == [pytest.approx(model.loss(X, LABELS), rel=1e-14)]
    for name, array in before.items():
        np.testing.assert_array_equal(model.parameters[name], array)


def test_frozen_parameters_are_no_variables() -> None:
    model = regression(logistic)
    model.parameters["b"] = 0.5
    model.fit(X, LABELS, epochs=100, optimizer=LBFGS(), frozen="b")
    assert model.parameters["b"] == 0.5
    slopes = model.gradients(X, LABELS)
    assert np.abs(slopes["w"]).max() < 1e-7 < abs(float(slopes["b"]))


def test_a_line_search_that_goes_too_far_comes_back() -> None:
    """In float32 e^z overflows beyond z = 88; the first trial step is there."""
    counts = RANDOM.poisson(3, ROWS)
    model = regression(poisson, "float32")
    steep = np.abs(model.gradients(X * 30, counts)["w"]).max()
    model.fit(X * 30, counts, epochs=200, optimizer=LBFGS())
    assert np.abs(model.gradients(X * 30, counts)["w"]).max() < 1e-3 * steep
    model.parameters["b"] = 1000
    before = model.parameters.copy()
    with pytest.raises(TrainingError, match="the loss is inf at the present parameters"):
        model.fit(X, counts, optimizer=LBFGS())
    np.testing.assert_array_equal(model.parameters["w"], before["w"])


def test_an_error_in_a_callback_leaves_the_last_finished_iteration(model: sb.Model) -> None:
    model.parameters.update({"w": np.zeros(INPUTS), "b": 0})
    seen = []

    def fail(epoch: sb.callbacks.Epoch) -> None:
        seen.append(epoch.parameters["w"].copy())
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, epochs=50, optimizer=LBFGS(), callbacks=[fail])
    np.testing.assert_array_equal(model.parameters["w"], seen[-1])


@pytest.mark.parametrize(("given", "message"), [
    ({"batch_size": 32}, "this optimizer takes the gradient over all 60 rows, but batch_size "),
    ({"rates": {"w": 0.1}}, "rates: this optimizer's rule has no letter `rate`"),
    ({"optimizer": LBFGS}, "optimizer must be a value"),
])
def test_what_makes_no_sense_is_refused(given: Any, message: str, model: sb.Model) -> None:
    with pytest.raises(TrainingError, match=message):
        model.fit(X, LABELS, **{"optimizer": LBFGS(), **given})


def test_augmented_data_are_refused_before_anything_runs(model: sb.Model) -> None:
    calls: list[Any] = []

    def shifted(X: Any, Y: Any, rng: Any) -> tuple[Any, Any]:
        calls.append(rng)
        return X + 1, Y

    before = np.array(model.parameters["w"])
    with pytest.raises(TrainingError, match="LBFGS: augment gives every epoch other data"):
        model.fit(X, LABELS, optimizer=LBFGS(), augment=shifted)
    assert not calls
    np.testing.assert_array_equal(model.parameters["w"], before)


def test_a_network_with_states_is_refused_and_its_states_stay() -> None:
    x, y = sb.data("x", sb.size("N"), INPUTS), sb.data("y", sb.size("N"), 1)
    p = sb.layers.dense(sb.layers.batch_norm(x), 1)
    made = sb.Model(inputs=x, targets=y, output=p, loss=sb.losses.squared_error(p, y))
    with pytest.raises(TrainingError, match=r"changes the states running_mean1, running_var1, and "
                                            r"a line search makes steps that are taken back"):
        made.fit(X, LABELS, optimizer=LBFGS())
    np.testing.assert_array_equal(made.states["running_var1"], np.ones(INPUTS))


@pytest.mark.parametrize(("given", "message"), [
    ({"memory": 0}, "LBFGS: memory must be a whole number, at least 1, found 0"),
    ({"memory": 2.5}, "LBFGS: memory must be a whole number"),
    ({"gradient_tolerance": -1}, "LBFGS: gradient_tolerance must be a number of at least 0"),
    ({"loss_tolerance": "low"}, "LBFGS: loss_tolerance must be a number of at least 0, found 'l"),
])
def test_its_numbers_are_checked(given: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        LBFGS(**given)
