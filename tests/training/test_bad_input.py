"""Bad input to Model, fit and predict: one clear error each, and the model is as before."""

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sympy import Sum

import symbackprop as sb
from symbackprop.errors import InputError, ProgramError, SymbackpropError, TrainingError
from symbackprop.training import Model
from symbackprop.training.callbacks import EarlyStopping
from symbackprop.training.optimizers import SGD, Adam
from tests.training.networks import classifier, line, samples

X, LABELS = samples()
HOT = np.eye(2)[LABELS]


def spoiled(value: Any, dtype: Any = float) -> Any:
    array = X.astype(dtype)
    array[3, 1] = value
    return array


def refused(model: Model, error: type[SymbackpropError], words: list[str], **given: Any) -> None:
    before = model.parameters.copy()
    with pytest.raises(error) as caught:
        model.fit(**{"X": X, "Y": LABELS, "epochs": 2, **given})
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert len(message) < 400
    assert all(np.array_equal(model.parameters[name], a) for name, a in before.items())
    assert "fit" not in model.kernels


@pytest.mark.parametrize(("given", "words"), [
    ({"X": X[:, :2]}, ["x", "3", "2"]),
    ({"X": X[0]}, ["x", "(3,)"]),
    ({"X": X[:-1]}, ["22", "23"]),
    ({"X": X + 0j}, ["x", "complex"]),
    ({"X": X.astype(object)}, ["x", "object"]),
    ({"X": X.astype(str)}, ["x"]),
    ({"X": "data.csv"}, ["x"]),
    ({"X": csr_matrix(X)}, ["x", "objects", "X.toarray()"]),
    ({"X": iter(X)}, ["x", "objects", "np.array(list(X))"]),
    ({"X": None}, ["inputs are missing: x"]),
    ({"X": [[1, 2, 3], [4, 5]]}, ["x"]),
    ({"X": spoiled(np.nan)}, ["x", "nan"]),
    ({"X": spoiled(np.inf)}, ["x", "inf"]),
    ({"X": X[:0], "Y": LABELS[:0]}, ["x", "0"]),
    ({"X": [], "Y": []}, ["x"]),
    ({"X": {"z": X}}, ["inputs must name x; found z"]),
    ({"X": X.astype("datetime64[D]")}, ["x", "datetime64"]),
    ({"Y": [[0, 1], [1]]}, ["y", "rows of different lengths"]),
    ({"Y": np.ma.masked_array(LABELS, LABELS > 0)}, ["y", "masked array with missing entries"]),
    ({"X": np.ma.masked_array(X, X > 1)}, ["x", "masked array with missing entries"]),
    ({"Y": None}, ["targets are missing: y"]),
    ({"Y": LABELS + 1}, ["y", "labels 0 … 1", "found 2"]),
    ({"Y": LABELS - 1}, ["labels 0 … 1", "found -1"]),
    ({"Y": LABELS + 0.5}, ["labels 0 … 1", "0.5"]),
    ({"Y": np.where(LABELS, "yes", "no")}, ["y", "np.unique(Y, return_inverse=True)"]),
    ({"Y": HOT * 2}, ["y", "one_hot"]),
    ({"Y": np.full((23, 2), 0.5)}, ["y", "one_hot"]),
    ({"Y": np.full((23, 2), np.nan)}, ["y", "nan"]),
    ({"Y": np.full(23, np.nan)}, ["y", "nan"]),
    ({"Y": HOT[:, :1] * 1j}, ["y"]),
    ({"Y": np.eye(3)[LABELS]}, ["y", "2", "3"]),
    ({"validation_data": X}, ["validation_data must be a pair (X, Y)"]),
    ({"validation_data": (X[:, :2], LABELS)}, ["x"]),
    ({"validation_data": (X, LABELS + 5)}, ["labels 0 … 1"]),
])
def test_bad_data_is_refused(given: dict[str, Any], words: list[str]) -> None:
    refused(classifier(), InputError, words, **given)


@pytest.mark.parametrize(("given", "words"), [
    ({"epochs": 0}, ["epochs must be a whole number, at least 1; found 0"]),
    ({"epochs": -3}, ["epochs must be a whole number"]),
    ({"epochs": 2.5}, ["epochs must be a whole number, at least 1; found 2.5"]),
    ({"epochs": "10"}, ["epochs must be a whole number, at least 1; found '10'"]),
    ({"epochs": True}, ["epochs must be a whole number"]),
    ({"batch_size": 0}, ['batch_size must be a whole number, at least 1, None or "auto"; found 0']),
    ({"batch_size": 3.0}, ["batch_size must be a whole number"]),
    ({"batch_size": "all"}, ["batch_size must be a whole number"]),
    ({"optimizer": "sgd"}, ["optimizer must be a value such as sb.optimizers.SGD(0.1", "'sgd'"]),
    ({"optimizer": SGD}, ["optimizer must be a value such as"]),
    ({"optimizer": 0.1}, ["optimizer must be a value such as"]),
    ({"metrics": ["acc"]}, ["unknown metric 'acc'", "accuracy, mean_squared_error"]),
    ({"metrics": [None]}, ["unknown metric None"]),
    ({"metrics": [lambda Y: 0.0]}, ["<lambda> does not take two arguments"]),
    ({"callbacks": [lambda: None]}, ["<lambda> does not take one argument", "an Epoch"]),
    ({"callbacks": ["early"]}, ["'early' is neither a callback"]),
    ({"callbacks": [EarlyStopping(monitor="val_loss")]}, ["monitors 'val_loss'", "loss"]),
    ({"seed": -1}, ["seed must be a whole number, at least 0, or None; found -1"]),
    ({"seed": 0.5}, ["seed must be a whole number"]),
    ({"threads": 0}, ["threads must be a whole number, at least 1 or None; found 0"]),
    ({"shuffle": "yes"}, ["shuffle must be True or False; found 'yes'"]),
])
def test_bad_settings_are_refused(given: dict[str, Any], words: list[str]) -> None:
    refused(classifier(), TrainingError, words, **given)


def test_nan_written_into_a_parameter_is_found_before_anything_runs() -> None:
    model = classifier()
    model.parameters["W1"][0, 0] = np.nan
    for act in (lambda: model.fit(X, LABELS), lambda: model.predict(X)):
        with pytest.raises(InputError, match="W1"):
            act()


@pytest.mark.parametrize(("value", "words"), [
    (X[:, :2], ["x"]), (X[0], ["x"]), (X + 0j, ["complex"]), (spoiled(np.nan), ["nan"]),
    (X[:0], ["x"]), ("text", ["x"]), (None, ["inputs are missing: x"]),
])
def test_bad_input_to_predict_is_refused(value: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        classifier().predict(value)
    assert all(word in str(caught.value) for word in words), caught.value


def test_whatever_numpy_reads_as_real_numbers_is_welcome() -> None:
    class Frame:  # what a pandas DataFrame offers
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.asfortranarray(X, dtype)

    model = classifier("float32")
    expected = model.predict(X)
    frozen = X.copy()
    frozen.flags.writeable = False
    for given in (Frame(), X.tolist(), X.astype(np.float32), np.asfortranarray(X), frozen,
                  np.repeat(X, 2, axis=0)[::2], X.astype(">f8")):
        np.testing.assert_allclose(model.predict(given), expected, rtol=1e-6)
    model.fit(Frame(), LABELS, epochs=1)
    whole = line()
    whole.fit(X.astype(np.int8), LABELS.astype(bool), epochs=1)


N = sb.size("N")
x, y, u = sb.data("x", N, 3), sb.data("y", N, 1), sb.data("u", N, 3)
W, T = sb.parameter("W", 3, 1), sb.parameter("T", sb.size("M"), 3)
o = x @ W
L = sb.losses.squared_error(o, y)


@pytest.mark.parametrize(("given", "error", "words"), [
    ({"loss": None}, ProgramError, ["a loss is missing"]),
    ({"loss": o}, ProgramError, ["2 axes", "sum over"]),
    ({"loss": "L"}, SymbackpropError, ["L"]),
    ({"loss": sb.losses.squared_error(x, u), "inputs": [x, u], "targets": None, "output": None},
     ProgramError, ["reads no parameter"]),
    ({"inputs": W}, ProgramError, ["inputs: W", "has the role parameter"]),
    ({"inputs": o}, ProgramError, ["inputs", "has the role intermediate"]),
    ({"inputs": X}, SymbackpropError, ["inputs", "ndarray"]),
    ({"inputs": [x, u]}, ProgramError, ["neither the loss nor an output reads u"]),
    ({"inputs": [x, x]}, ProgramError, ["x stands twice"]),
    ({"inputs": [x, y]}, ProgramError, ["y stands twice"]),
    ({"targets": None}, ProgramError, ["reads the data y", "neither among inputs nor targets"]),
    ({"output": o - y}, ProgramError, ["an output reads the target y"]),
    ({"loss": L + (T**2).sum()}, ProgramError, ["the parameter T", "length M"]),
    ({"dtype": "float16"}, InputError, ['"float32" or "float64", found \'float16\'']),
    ({"dtype": int}, InputError, ['"float32" or "float64"']),
    ({"seed": "1"}, TrainingError, ["seed must be a whole number"]),
])
def test_a_model_that_makes_no_sense_is_refused(given: dict[str, Any], error: Any,
                                                words: list[str]) -> None:
    with pytest.raises(error) as caught:
        Model(**{"inputs": x, "targets": y, "output": o, "loss": L, **given})
    assert all(word in str(caught.value) for word in words), caught.value


def test_tensors_may_be_given_by_their_names_in_the_loss() -> None:
    model = Model(inputs=["x"], targets="y", output=o, loss=L)
    assert model.predict(X).shape == (23, 1)
    with pytest.raises(SymbackpropError, match="has no tensor 'z'; it has x, y, W"):
        Model(inputs="z", targets=y, loss=L)


def test_a_model_without_output_says_so() -> None:
    model = Model(inputs=x, targets=y, loss=L)
    model.fit(X, X[:, 0], epochs=1, optimizer=Adam())
    with pytest.raises(TrainingError, match="this model has no output"):
        model.predict(X)


def test_a_model_without_targets_takes_none() -> None:
    model = Model(inputs=x, output=o, loss=(o**2).sum())
    with pytest.raises(InputError, match="this model has no targets"):
        model.fit(X, LABELS)


def test_labels_of_a_gather_are_checked() -> None:
    n, d = sb.indices("n d", N, 2)
    w, E = sb.data("w", n, facts=[sb.label(5)]), sb.parameter("E", 5, d)
    model = Model(inputs=w, loss=sb.define("L", (), Sum(E[w[n], d]**2, n, d)))
    assert model.fit([0, 1, 4], epochs=1)
    for wrong in ([5], [-1], [0.5], ["a"]):
        with pytest.raises(InputError, match="w"):
            model.fit(wrong, epochs=1)


@pytest.mark.parametrize("facts", [(), (sb.label(2),)])
def test_a_column_fits_a_target_that_is_a_vector(facts: Any) -> None:
    N = sb.size("N")
    x, y, w = sb.data("x", N, 3), sb.data("y", N, facts=facts), sb.parameter("w", 3)
    model = Model(inputs=x, targets=y, loss=sb.losses.hinge(x @ w, y))
    assert model.loss(X, LABELS[:, np.newaxis]) == model.loss(X, LABELS)
    with pytest.raises(InputError, match="expected shape"):
        model.loss(X, HOT)


def test_names_of_classes_are_to_be_numbered() -> None:
    N = sb.size("N")
    x, y = sb.data("x", N, 3), sb.data("y", N, facts=[sb.label(2)])
    z = sb.layers.dense(x, 2)
    model = Model(x, y, z, sb.losses.cross_entropy(z, y, logits=True))
    refused(model, InputError, ["y", "found text", "np.unique(Y, return_inverse=True)"],
            Y=np.where(LABELS, "yes", "no"))
