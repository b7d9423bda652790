"""What a user's function raises in mid-fit passes on, and nothing that was trained is lost."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Sum

import symbackprop as sb
from symbackprop.errors import Diverged, InputError, SymbackpropError, TrainingError
from symbackprop.training import Model
from symbackprop.training.callbacks import Log
from symbackprop.training.optimizers import SGD

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(23, 3)), RNG.normal(size=23)
SETTINGS: dict[str, Any] = {"batch_size": 5, "optimizer": SGD(0.1, momentum=0.9), "seed": 4}


def network() -> Model:
    """A net with parameters and states."""
    N = sb.size("N")
    x, y = sb.data("x", N, 3), sb.data("y", N, 1)
    h = sb.layers.batch_norm(sb.layers.dense(x, 4, "tanh"))
    o = sb.layers.dense(h, 1)
    return Model(x, y, o, sb.losses.squared_error(o, y), dtype="float64")


def raising(error: Exception, at: int) -> Any:
    """A function of anything that raises in its call of this number."""
    calls = []

    def function(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == at:
            raise error
        return given[:2] if len(given) == 3 else 0.0

    return function


@pytest.mark.parametrize(("what", "at", "trained", "measured"), [
    ("callbacks", 3, 3, 3), ("metrics", 3, 3, 2), ("augment", 2*5 + 1, 2, 2)])
@pytest.mark.parametrize("error", [
    ZeroDivisionError("of the user's"), InputError("of a model of the user's"),
    Diverged("in a fit within"), StopIteration("of the user's")])
def test_what_was_trained_is_kept_where_a_function_of_the_users_raises(
        what: str, at: int, trained: int, measured: int, error: Exception) -> None:
    model, other = network(), network()
    given = raising(error, at)
    with pytest.raises(type(error)) as caught:
        model.fit(X, Y, epochs=9, **SETTINGS, **{what: given})
    assert caught.value is error
    history = other.fit(X, Y, epochs=trained, **SETTINGS)
    for found, expected in ((model.parameters, other.parameters), (model.states, other.states)):
        assert list(found) == list(expected)
        for name, array in found.items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert model.history["loss"] == history["loss"][:measured]
    assert {len(values) for values in model.history.values()} == {measured}
    assert np.isfinite(model.fit(X, Y, epochs=1, **SETTINGS)["loss"]).all()


def test_a_metric_that_gives_no_number_later_on_loses_nothing_either() -> None:
    model, other, given = network(), network(), iter([0.0, "odd"])
    with pytest.raises(TrainingError, match="those after the last finished epoch"):
        model.fit(X, Y, epochs=9, metrics=[lambda truth, found: next(given)], **SETTINGS)
    other.fit(X, Y, epochs=2, **SETTINGS)
    np.testing.assert_array_equal(model.parameters["W1"], other.parameters["W1"])


def test_a_log_that_can_no_longer_be_written_loses_nothing(tmp_path: Path) -> None:
    model, other, path = network(), network(), tmp_path / "log.csv"

    def remove(epoch: Any) -> None:
        if epoch.number == 2:
            path.unlink()
            path.mkdir()

    with pytest.raises(TrainingError, match="cannot be written"):
        model.fit(X, Y, epochs=9, callbacks=[remove, Log(path)], **SETTINGS)
    other.fit(X, Y, epochs=2, **SETTINGS)
    np.testing.assert_array_equal(model.parameters["W1"], other.parameters["W1"])


def test_numbers_that_diverge_are_still_taken_back_and_the_history_shows_them_go() -> None:
    model = network()
    before = {**model.parameters.copy(), **model.states.copy()}
    with pytest.raises(SymbackpropError, match="diverged"):
        model.fit(X, Y, epochs=400, optimizer=SGD(1e3), callbacks=[lambda epoch: None])
    for name, array in before.items():
        np.testing.assert_array_equal({**model.parameters, **model.states}[name], array)
    assert np.isfinite(model.history["loss"]).all()
    assert model.history["loss"][-1] > model.history["loss"][0]


def test_the_history_of_a_model_is_that_of_its_newest_fit() -> None:
    model = network()
    assert model.history == {}
    first = model.fit(X, Y, epochs=3, **SETTINGS)
    assert model.history == first
    with pytest.raises(InputError):
        model.fit(X[:, :2], Y)  # refused before anything ran
    kept = model.history
    second = model.fit(X, Y, epochs=2, **SETTINGS)
    assert (model.history, kept) == (second, first)


def test_labels_that_a_callback_changes_are_those_that_were_checked() -> None:
    """A label out of range would be read, and its gradient written, beyond the end of an array."""
    found = []
    for change in (False, True):
        N = sb.size("N")
        n, d = sb.indices("n d", N, 3)
        word, y = sb.data("word", n, facts=[sb.label(50)]), sb.data("y", n)
        table = sb.parameter("E", 50, 3)
        o = sb.define("o", (n,), Sum(table[word[n], d], d))
        model = Model(word, y, o, sb.define("L", (), Sum((o[n] - y[n])**2, n)/N))
        words = np.arange(64) % 50

        def callback(epoch: Any, words: Any = words, change: bool = change) -> None:
            words[:] = 7 if change else words

        found.append(model.fit(words, np.ones(64), epochs=3, callbacks=[callback])["loss"])
    assert found[0] == found[1]
