"""transfer: parameters of another model by name; all fit or none is copied."""

from typing import Any

import numpy as np
import pytest

import symbackprop as sb
from symbackprop.errors import InputError
from symbackprop.training import Model
from tests.training.networks import samples

X, LABELS = samples()


def network(classes: int, hidden: int = 4, seed: int = 0) -> Model:
    x, y = sb.data("x", sb.size("N"), 3), sb.data("y", sb.size("N"), classes, facts=["one_hot"])
    p = sb.softmax(sb.layers.dense(sb.layers.dense(x, hidden, "tanh"), classes))
    return Model(inputs=x, targets=y, output=p, loss=sb.losses.cross_entropy(p, y), seed=seed)


def test_named_layers_are_copied_and_the_rest_stays() -> None:
    trained, fresh = network(2, seed=1), network(5, seed=2)
    trained.parameters["b1"][:] = [1, 2, 3, 4]
    head = fresh.parameters["W2"].copy()
    assert fresh.transfer(trained, ["W1", "b1"]) == ("W1", "b1")
    np.testing.assert_array_equal(fresh.parameters["W1"], trained.parameters["W1"])
    np.testing.assert_array_equal(fresh.parameters["b1"], [1, 2, 3, 4])
    np.testing.assert_array_equal(fresh.parameters["W2"], head)
    fresh.parameters["W1"][:] = 0
    assert trained.parameters["W1"].any(), "arrays are copied, not shared"


def test_without_names_all_common_ones_are_copied_from_a_model_or_a_dictionary() -> None:
    trained, fresh = network(2, seed=1), network(2, seed=2)
    assert fresh.transfer(trained) == ("W1", "b1", "W2", "b2")
    np.testing.assert_array_equal(fresh.predict(X), trained.predict(X))
    assert fresh.transfer({"W2": np.zeros((4, 2)), "other": 1.0}) == ("W2",)
    assert not fresh.parameters["W2"].any()
    assert fresh.transfer(trained, {"b1": "b1"}) == ("b1",)
    assert fresh.transfer(trained, "W2") == ("W2",)
    assert fresh.transfer(trained, {"b2": "b2", "W1": "W1"}) == ("b2", "W1")


@pytest.mark.parametrize(("other", "names", "words"), [
    (network(5), None, ["W2", "(4, 2)", "(4, 5)"]),
    (network(2, hidden=7), ["b1"], ["b1", "(4)", "(7,)"]),
    (network(2), ["W1", "W3"], ["no parameter 'W3'", "W1, b1, W2, b2"]),
    (network(2), {"W1": "V"}, ["the other has no parameter 'V'", "W1, b1, W2, b2"]),
    (network(2), 3, ["names are a name", "found 3"]),
    (network(2), {"W1": "W2"}, ["W1", "(3, 4)"]),
    ({"V": 1.0}, None, ["no name is common", "W1, b1, W2, b2", "V"]),
    ({"W1": np.full((3, 4), np.nan)}, None, ["W1", "nan"]),
    ({"W1": "text"}, None, ["W1"]),
    ("model.safetensors", None, ["a Model or a dictionary", "str"]),
    (None, None, ["a Model or a dictionary", "NoneType"]),
])
def test_what_does_not_fit_changes_nothing(other: Any, names: Any, words: list[str]) -> None:
    model = network(2, seed=3)
    before = model.parameters.copy()
    with pytest.raises(InputError) as caught:
        model.transfer(other, names)
    assert all(word in str(caught.value) for word in words), caught.value
    for name, array in before.items():
        np.testing.assert_array_equal(model.parameters[name], array)


def normed(seed: int, classes: int = 2) -> Model:
    x, y = sb.data("x", sb.size("N"), 3), sb.data("y", sb.size("N"), classes, facts=["one_hot"])
    h = sb.layers.batch_norm(sb.layers.dense(x, 4))
    p = sb.softmax(sb.layers.dense(h, classes))
    return Model(inputs=x, targets=y, output=p, loss=sb.losses.cross_entropy(p, y), seed=seed)


def test_states_such_as_running_statistics_are_copied_with_the_parameters_or_by_name() -> None:
    trained, fresh = normed(1), normed(2)
    trained.fit(X, LABELS, epochs=3)
    names = (*trained.parameters, *trained.states)
    assert fresh.transfer(trained) == names
    np.testing.assert_array_equal(fresh.predict(X), trained.predict(X))
    mean, variance = trained.states
    other = normed(3, classes=5)
    assert other.transfer(trained, ["W1", mean]) == ("W1", mean)
    np.testing.assert_array_equal(other.states[mean], trained.states[mean])
    assert (other.states[variance] == 1).all()
    other.transfer(trained, {mean: variance})
    np.testing.assert_array_equal(other.states[mean], trained.states[variance])
    before = {**other.parameters.copy(), **other.states.copy()}
    with pytest.raises(InputError, match=mean):
        other.transfer({"W1": np.ones((3, 4)), mean: np.ones(7)})
    for name, array in {**other.parameters, **other.states}.items():
        np.testing.assert_array_equal(array, before[name])


def test_running_statistics_move_where_all_parameters_around_them_are_frozen() -> None:
    x, y = sb.data("x", sb.size("N"), 3), sb.data("y", sb.size("N"), 1)
    h = sb.layers.batch_norm(sb.layers.dense(x, 4))
    out = sb.layers.dense(h, 1)
    model = sb.Model(inputs=x, targets=y, output=out, loss=sb.losses.squared_error(out, y))
    random = np.random.default_rng(0)
    kept = [name for name in model.parameters if name not in ("W2", "b2")]
    parameters, states = (({name: array.copy() for name, array in given.items()})
                          for given in (model.parameters, model.states))
    model.fit(random.normal(size=(40, 3)), random.normal(size=(40, 1)), epochs=2, verbose=False,
              optimizer=sb.optimizers.SGD(0.1), frozen=kept)
    assert all((model.parameters[name] == parameters[name]).all() for name in kept)
    assert all((model.states[name] != states[name]).all() for name in states)
    model.states.update(states)
    assert all((model.states[name] == states[name]).all() for name in states)
