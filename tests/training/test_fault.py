"""A number that is not finite is traced to the definition, operation and row that it came from."""

from typing import Any

import numpy as np
import pytest
from sympy import Piecewise, Sum, exp, log, sqrt

import symbackprop as sb
from symbackprop.errors import TrainingError
from symbackprop.normal import normalise
from symbackprop.simplification import simplify
from symbackprop.training import Model, fault
from symbackprop.training.fault import Fault, Narrow, first_fault
from symbackprop.training.optimizers import SGD
from tests.training.networks import classifier, line, samples

N = sb.size("N")
n, i = sb.indices("n i", N, 2)
x, y, w = sb.data("x", n, i), sb.data("y", n), sb.parameter("w", i)
p = sb.define("p", (n,), Sum(x[n, i] * w[i], i))
ROWS = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])


def found(loss: Any, dtype: str = "float32", **values: Any) -> Fault | None:
    program = sb.program(sb.define("L", (), loss))
    given = {"x": ROWS, "y": np.zeros(3), "w": np.ones(2), **values}
    arrays = {t: np.asarray(given[name]) for t, name in program.names.items() if name in given}
    return first_fault(simplify(normalise(program)), arrays, dtype, program.names)


def test_the_operation_the_place_and_what_entered_are_named() -> None:
    fault = found(Sum((y[n] - log(p[n]))**2, n), w=[1.0, 3.0])
    assert fault is not None
    assert fault.place == (("n", 1),)
    assert np.isinf(fault.value)
    assert fault.made == "log(p[n])"
    assert fault.entered == (("p[n]", 0.0),)
    assert "test_fault.py:" in fault.where


def test_what_overflows_in_one_dtype_is_looked_for_in_that_dtype() -> None:
    loss = Sum((exp(p[n]) - y[n])**2, n)
    fault = found(loss, w=[40.0, 0.0])
    assert fault is not None
    assert fault.made == "exp(p[n])"
    assert fault.entered == (("p[n]", 120.0),)
    assert found(loss, "float64", w=[40.0, 0.0]) is None


def test_the_innermost_operation_whose_arguments_are_finite_is_the_one_that_is_named() -> None:
    q = sb.define("q", (n,), exp(p[n]) / (1 + exp(p[n])) + sqrt(p[n] - 3))
    fault = found(Sum(q[n], n), w=[1.0, 1.0])
    assert fault is not None
    assert "p[n] - 3" in fault.made.replace("−", "-")
    assert fault.entered == (("p[n]", 2.0),)


def test_a_term_of_a_sum_is_told_from_a_sum_of_finite_terms() -> None:
    term = found(Sum(p[n], n), x=ROWS * 1e20, w=[1.0, -3e19])
    assert term is not None
    assert term.place == (("n", 0), ("i", 1))
    assert dict(term.entered) == {"x[n,i]": pytest.approx(2e20), "w[i]": pytest.approx(-3e19)}
    total = found(Sum(p[n], n), x=[[2e19, 2e19]], w=[1e19, 1e19], y=[0.0])
    assert total is not None
    assert total.made == "a sum of finite terms"
    assert str(total).endswith("a sum of finite terms")


def test_a_stable_softmax_and_a_branch_that_is_not_taken_are_not_blamed() -> None:
    z = sb.define("z", (n, i), x[n, i] * w[i])
    soft = sb.define("s", (n, i), exp(z[n, i]) / Sum(exp(z[n, i]), i))
    assert found(-Sum(log(soft[n, i]), n, i), w=[1e4, -1e4]) is None
    safe = Piecewise((log(p[n]), p[n] > 0), (p[n], True))
    assert found(Sum(safe, n), w=[1.0, 3.0]) is None
    wrong = found(Sum(Piecewise((sqrt(p[n] - 9), p[n] > 0), (log(p[n]), True)), n))
    assert wrong is not None
    assert "log" not in wrong.made


@pytest.mark.parametrize("largest", [1, 7, 1 << 23])
def test_definitions_are_the_same_in_pieces(monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    monkeypatch.setattr(fault, "LARGEST", largest)
    model = classifier("float64")
    X, labels = samples()
    loss = sb.program(model.derivation().loss)
    given = {**model.parameters, "x": X, "y": np.eye(2)[labels], "lam": 0.01}
    values = {t: given[name] for t, name in loss.names.items() if name in given}
    machine = Narrow(loss, values, "float64")
    for definition in loss:
        machine.define(definition)
    for tensor, array in sb.evaluate(loss, values).items():
        np.testing.assert_allclose(machine.arrays[tensor], array, rtol=1e-14)


def test_a_missing_value_is_no_reason_to_blame_anything() -> None:
    program = simplify(normalise(sb.program(sb.define("L", (), Sum(log(p[n]), n)))))
    assert first_fault(program, {}, "float32", {}) is None


def test_fit_says_which_row_of_the_data_it_was_and_puts_the_parameters_back() -> None:
    model = Model(inputs=x, targets=y, loss=sb.define("L", (), -Sum(y[n] * log(p[n]), n)))
    X = np.random.default_rng(0).uniform(1, 2, (40, 2))
    X[17] = 0
    model.parameters["w"] = [1.0, 1.0]
    with pytest.raises(TrainingError) as caught:
        model.fit(X, np.ones(40), epochs=3, batch_size=8, optimizer=SGD(1e-4))
    message = str(caught.value)
    assert "the loss became inf in epoch 1" in message
    assert "row = 17" in message
    assert "p[n] = 0" in message
    assert model.parameters["w"].tolist() == [1.0, 1.0]


def test_an_update_that_overflows_is_named_though_the_loss_is_finite() -> None:
    model = line("float32")
    X, _ = samples()
    with pytest.raises(TrainingError) as caught:
        model.fit(X * 1e18, X[:, 0], epochs=1, batch_size=None, optimizer=SGD(1e30))
    assert "W1_next[i,j] = W1[i,j] − rate·∂L/∂W1[i,j] (of the optimizer)" in str(caught.value)
    assert "rate = 1e+30" in str(caught.value)


def test_the_step_is_found_in_the_middle_of_a_long_call() -> None:
    a, root = sb.data("a", N), sb.parameter("r")
    loss = sb.define("L", (), Sum(sqrt(root) * a[n], n) / N)
    model = Model(inputs=a, loss=loss, dtype="float64")
    model.parameters["r"] = 1.0
    with pytest.raises(TrainingError) as caught:
        model.fit(np.ones(8), epochs=200, batch_size=8, optimizer=SGD(0.15))
    first = str(caught.value).partition("\n")[2]
    assert "became nan, in √(r), where r = -0." in first, first
    assert model.parameters["r"] == 1.0
