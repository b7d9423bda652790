"""Frozen parameters, factors of rates, full batches: what fit trains, and when it compiles."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sympy import symbols

import symbackprop as sb
from symbackprop.errors import DeclarationError, ProgramError, TrainingError
from tests.training.networks import INPUTS, classifier, line, samples

o = sb.optimizers
X, LABELS = samples()
Y = X[:, 0]


def test_frozen_parameters_are_the_very_same_numbers_after_training() -> None:
    model = classifier()
    before = model.parameters.copy()
    model.fit(X, LABELS, epochs=2, optimizer=o.SGD(0.1), frozen=["W1", "b1"])
    changed = [n for n, a in model.parameters.items() if not np.array_equal(a, before[n])]
    assert changed == ["W2", "b2"]
    assert "W1_next" not in model.kernels["fit"].source


def test_only_another_set_of_trained_parameters_compiles_again() -> None:
    model = line()
    kernels = []
    for given in ({}, {"frozen": "b1"}, {"frozen": [model._network.parameters[1]]},
                  {"frozen": []}, {"rates": {"W1": 0.5}}, {"rates": {"b1": 0, "W1": 2}},
                  {"rates": {}}):
        model.fit(X, Y, epochs=1, optimizer=o.SGD(0.1), **given)
        kernels.append(len(model._core.kernels._trainers._kernels))
    assert kernels == [1, 2, 2, 2, 3, 3, 3]


def test_a_rate_of_zero_trains_nothing_and_one_is_the_optimizers_own() -> None:
    one, other = line(), line()
    one.fit(X, Y, epochs=3, optimizer=o.SGD(0.1), rates={"W1": 0, "b1": 1})
    other.fit(X, Y, epochs=3, optimizer=o.SGD(0.1), frozen="W1")
    for name, array in one.parameters.items():
        np.testing.assert_allclose(array, other.parameters[name], rtol=1e-12)


def test_a_parameter_that_is_not_trainable_is_not_trained() -> None:
    N = sb.size("N")
    x, y = sb.data("x", N, INPUTS), sb.data("y", N, 1)
    W, b = sb.parameter("W", INPUTS, 1, trainable=False), sb.parameter("b", 1)
    loss = sb.losses.squared_error(x @ W + b, y)
    model = sb.Model(inputs=x, targets=y, output=x @ W + b, loss=loss, dtype="float64")
    model.parameters["W"] = np.ones((INPUTS, 1))
    model.fit(X, Y, epochs=200, optimizer=o.GradientDescent(0.3))
    np.testing.assert_array_equal(model.parameters["W"], 1)
    np.testing.assert_allclose(model.parameters["b"], (Y - X.sum(axis=1)).mean(), rtol=1e-10)
    assert list(model.gradients(X, Y)) == ["b"]
    with pytest.raises(TrainingError, match="rates: W is not trained"):
        model.fit(X, Y, rates={"W": 0.1})


def test_nothing_but_true_and_false_says_what_is_trainable() -> None:
    with pytest.raises(DeclarationError, match="trainable must be True or False, not 'no'"):
        sb.parameter("W", 3, trainable="no")
    x, W = sb.data("x", sb.size("N"), 3), sb.parameter("W", 3, trainable=False)
    with pytest.raises(ProgramError, match="no parameter of the loss is trainable: W"):
        sb.Model(inputs=x, loss=(x * W).sum())


def test_gradient_descent_is_a_step_an_epoch_over_all_rows() -> None:
    one, other = line(), line()
    one.fit(X, Y, epochs=5, optimizer=o.GradientDescent(0.1))
    other.fit(X, Y, epochs=5, optimizer=o.SGD(0.1), batch_size=None, shuffle=False)
    np.testing.assert_array_equal(one.parameters["W1"], other.parameters["W1"])
    assert one.fit(X, Y, epochs=1, batch_size=len(X), optimizer=o.GradientDescent(0.1))["loss"]


def test_a_schedule_by_epochs_knows_how_many_steps_an_epoch_has() -> None:
    """The rate is 0.1, 0, 0, …: only the first epoch moves anything, whatever the batches are."""
    for size in (4, 23):
        model, once = line(), line()
        rate = sb.schedules.custom(sb.schedules.constant(0.1).expression * 0**sb.schedules.epoch,
                                   start=0.1)
        model.fit(X, Y, epochs=4, batch_size=size, optimizer=o.SGD(rate), shuffle=False)
        once.fit(X, Y, epochs=1, batch_size=size, optimizer=o.SGD(0.1), shuffle=False)
        np.testing.assert_allclose(model.parameters["W1"], once.parameters["W1"], rtol=1e-14)


@dataclass(frozen=True)
class Half(o.Optimizer):
    """An optimizer of a user's own: fields that are letters of its rule."""

    rate: float = 1
    named: bool = True

    @property
    def rule(self) -> o.Rule:
        rate, step = symbols("rate step" if self.named else "fast step", positive=True)
        return o.Rule(((step, rate * o.g / 2), (o.w, o.w - step)))


def test_a_class_of_ones_own_is_an_optimizer() -> None:
    one, other = line(), line()
    one.fit(X, Y, epochs=1, optimizer=Half(rate=1))
    other.fit(X, Y, epochs=1, optimizer=o.SGD(0.5))
    np.testing.assert_allclose(one.parameters["W1"], other.parameters["W1"], rtol=1e-12)
    with pytest.raises(TrainingError, match="reads the letter fast, for which it has no number"):
        one.fit(X, Y, epochs=1, optimizer=Half(named=False))


@pytest.mark.parametrize(("given", "message"), [
    ({"frozen": ["W3"]}, "frozen: this model has no parameter 'W3'; it has W1, b1, W2, b2"),
    ({"frozen": [3]}, "frozen: this model has no parameter 3; it has W1"),
    ({"frozen": ["W1", "b1", "W2", "b2"]}, "frozen: all of W1, b1, W2, b2 are frozen"),
    ({"rates": {"W3": 0.1}}, "rates: this model has no parameter 'W3'"),
    ({"rates": ["W1"]}, "rates must be a dict from parameters to factors of the rate"),
    ({"rates": 0.1}, "rates must be a dict"),
    ({"rates": {"W1": -1}}, "rates: the factor of W1 must be a number of at least 0, found -1"),
    ({"rates": {"W1": "slow"}}, "rates: the factor of W1 must be a number of at least 0"),
    ({"rates": {"W1": 0.1}, "frozen": ["W1"]}, "rates: W1 is not trained"),
    ({"batch_size": "all"}, 'batch_size must be a whole number, at least 1, None or "auto"'),
    ({"batch_size": 5, "optimizer": o.GradientDescent(0.1)},
     "this optimizer takes the gradient over all 23 rows, but batch_size is 5"),
    ({"batch_size": 5, "optimizer": o.clip_norm(o.GradientDescent(0.1), 1)},
     "this optimizer takes the gradient over all 23 rows"),
    ({"rates": {"W1": 0.1}, "optimizer": o.Custom((o.w, o.w - o.g))},
     "rates: this optimizer's rule has no letter `rate`"),
])
def test_what_makes_no_sense_is_refused_and_nothing_moves(given: Any, message: str) -> None:
    model = classifier()
    before = model.parameters.copy()
    with pytest.raises(TrainingError) as caught:
        model.fit(X, LABELS, **given)
    assert str(caught.value).startswith(message)
    for name, array in before.items():
        np.testing.assert_array_equal(model.parameters[name], array)
