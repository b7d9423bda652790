"""Parameters are arrays that stay where they are; what is written into them is checked."""

import re
from typing import Any

import numpy as np
import pytest

import symbackprop as sb
from symbackprop.errors import InputError
from symbackprop.training import Model
from tests.training.networks import classifier, samples

X, LABELS = samples()


def test_parameters_come_in_order_of_declaration() -> None:
    assert list(classifier().parameters) == ["W1", "b1", "W2", "b2"]
    assert {name: a.shape for name, a in classifier().parameters.items()} == \
        {"W1": (3, 4), "b1": (4,), "W2": (4, 2), "b2": (2,)}


def test_arrays_are_writable_in_place() -> None:
    model = classifier()
    before = model.predict(X)
    model.parameters["W1"][0] *= 2
    assert not np.allclose(model.predict(X), before)
    array = model.parameters["W1"]
    model.fit(X, LABELS, epochs=1)
    assert model.parameters["W1"] is array


def test_assignment_copies() -> None:
    model = classifier()
    array, given = model.parameters["b1"], np.arange(4.0)
    model.parameters["b1"] = given
    given[0] = 99
    assert model.parameters["b1"] is array
    assert array.tolist() == [0, 1, 2, 3]
    model.parameters["b1"] = [4, 3, 2, 1]
    assert array.tolist() == [4, 3, 2, 1]


@pytest.mark.parametrize(("name", "value", "words"), [
    ("W1", np.zeros((4, 3)), ["W1", "(3, 4)", "(4, 3)"]),
    ("W1", 0.0, ["W1", "(3, 4)"]),
    ("b1", [1, 2, 3, np.nan], ["b1", "nan"]),
    ("b1", [1, 2, 3, np.inf], ["b1", "inf"]),
    ("b1", np.zeros(4, complex), ["b1", "complex"]),
    ("b1", ["a", "b", "c", "d"], ["b1"]),
    ("W3", 0.0, ["no parameter 'W3'", "W1, b1, W2, b2"]),
])
def test_what_does_not_fit_is_refused_and_nothing_changes(name: str, value: Any,
                                                          words: list[str]) -> None:
    model = classifier()
    before = model.parameters.copy()
    with pytest.raises(InputError) as caught:
        model.parameters[name] = value
    assert all(word.lower() in str(caught.value).lower() for word in words), caught.value
    assert all(np.array_equal(model.parameters[name], a) for name, a in before.items())


def test_names_are_fixed() -> None:
    model = classifier()
    assert "W1" in model.parameters
    assert "W9" not in model.parameters
    assert model.parameters.get("W9") is None
    with pytest.raises(KeyError, match=re.escape("has no parameter 'W9'; it has W1, b1, W2, b2")):
        model.parameters["W9"]
    with pytest.raises(InputError, match="cannot be deleted"):
        del model.parameters["W1"]


def test_hypers_are_floats() -> None:
    model = classifier()
    assert dict(model.hypers) == {"lam": 0.01}
    model.hypers["lam"] = np.float32(0.5)
    assert model.hypers["lam"] == 0.5
    for value in (float("nan"), "1", None, True, 1j, [1.0], 10**400):
        with pytest.raises(InputError, match="lam must be a finite real number"):
            model.hypers["lam"] = value
    with pytest.raises(InputError, match="no hyper 'mu'; it has lam"):
        model.hypers["mu"] = 1.0
    assert model.hypers["lam"] == 0.5


def test_penalties_given_as_numbers_are_hypers_too() -> None:
    N = sb.size("N")
    x, y = sb.data("x", N, 3), sb.data("y", N, 1)
    o = sb.layers.dense(x, 1)
    model = Model(inputs=x, targets=y, output=o,
                  loss=sb.losses.squared_error(o, y) + sb.penalties.l2(0.25))
    (name,) = model.hypers
    before = model.loss(X, X[:, 0])
    model.hypers[name] = 0.0
    expected = before - 0.25 * float((model.parameters["W1"]**2).sum())
    assert model.loss(X, X[:, 0]) == pytest.approx(expected, rel=1e-5)


def test_a_hyper_without_a_value_is_asked_for() -> None:
    n = sb.indices("n", sb.size("N"))
    x, w, c = sb.data("x", n), sb.parameter("w"), sb.hyper("c")
    model = Model(inputs=x, loss=(x * w * c).sum())
    with pytest.raises(InputError, match=r"hyper c .* no value; write model.hypers\['c'\] = 1e-3"):
        model.loss([1.0, 2.0])
    model.hypers["c"] = 2
    assert model.loss([1.0, 2.0]) == 6


def decayed() -> Model:
    """The mean of ½(w − x)² + λ w², whose step at λ is known."""
    x, w, lam = sb.data("x", sb.size("N")), sb.parameter("w"), sb.hyper("lam", 0.0)
    return Model(inputs=x, loss=((x - w)**2).mean()/2 + lam*w**2, dtype="float64")


@pytest.mark.parametrize("optimizer", [sb.optimizers.SGD(0.1), sb.optimizers.ProximalSGD(0.1)],
                         ids=lambda optimizer: type(optimizer).__name__)
def test_a_hyper_that_a_callback_sets_counts_from_the_next_epoch_on(optimizer: Any) -> None:
    model, w, losses = decayed(), 0.0, []
    model.parameters["w"] = 0

    def grow(epoch: sb.callbacks.Epoch) -> None:
        model.hypers["lam"] = float(epoch.number)

    for lam in range(4):
        losses.append((1 - w)**2/2 + lam*w**2)
        w -= 0.1*(w - 1 + 2*lam*w)
    history = model.fit(np.ones(6), epochs=4, batch_size=None, callbacks=[grow],
                        optimizer=optimizer)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    assert float(model.parameters["w"]) == pytest.approx(w, rel=1e-12)
    assert model.hypers["lam"] == 4


def test_what_a_callback_sets_is_checked_before_the_next_step() -> None:
    x, w = sb.data("x", sb.size("N"), 3), sb.parameter("w", 3)
    model = Model(inputs=x, loss=((x @ w - 1)**2).mean() + sb.penalties.l1(0.1, w))
    start = model.parameters.copy()
    with pytest.raises(sb.SymbackpropError, match="lam"):
        model.fit(X, epochs=3, optimizer=sb.optimizers.ProximalSGD(0.1),
                  callbacks=[lambda epoch: model.hypers.update(lam=-1.0)])
    np.testing.assert_array_equal(model.parameters["w"], start["w"])
