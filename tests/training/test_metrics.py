"""Metrics equal scikit-learn's, and read targets as their facts and shapes say."""

from typing import Any

import numpy as np
import pytest
import sympy
from sklearn import metrics as reference

import symbackprop as sb
from symbackprop.declare import tensor_of
from symbackprop.errors import TrainingError
from symbackprop.training import Model
from symbackprop.training.dataset import dataset
from symbackprop.training.metrics import as_metrics
from symbackprop.training.thresholds import thresholds

N = sb.size("N")
RNG = np.random.default_rng(0)
VECTOR = tensor_of(sb.data("p", N), "output")
P = {"p": VECTOR}


def half(place: int) -> float:
    return 0.5


def score(metric: Any, target: Any, truth: Any, prediction: Any) -> float:
    output = sb.data("p", N, *np.shape(prediction)[1:])
    (found,) = as_metrics([metric], (target,), {"p": tensor_of(output, "output")}, half)
    return found.score(np.asarray(truth), np.asarray(prediction))


def test_accuracy_compares_largest_entries_of_one_hot_rows() -> None:
    y = sb.data("y", N, 4, facts=["one_hot"])
    truth, prediction = RNG.integers(4, size=50), RNG.random((50, 4))
    expected = reference.accuracy_score(truth, prediction.argmax(1))
    assert score("accuracy", y, np.eye(4)[truth], prediction) == pytest.approx(expected)


def test_accuracy_takes_integer_labels() -> None:
    y = sb.data("y", N, facts=[sb.label(3)])
    assert score("accuracy", y, [0, 2, 1], np.eye(3)) == pytest.approx(1 / 3)


def test_accuracy_of_zeros_and_ones_has_its_threshold_at_one_half() -> None:
    y = sb.data("y", N, 1)
    assert score("accuracy", y, [[0], [1], [1], [0]], [[0.2], [0.5], [0.4], [0.9]]) == 0.5


def test_accuracy_of_a_regression_is_refused() -> None:
    with pytest.raises(TrainingError, match="accuracy needs labels, one-hot rows, zeros and ones"):
        score("accuracy", sb.data("y", N, 1), [[0.3], [1.7]], [[0.2], [0.5]])


@pytest.mark.parametrize(("name", "function"), [
    ("mean_squared_error", reference.mean_squared_error),
    ("mean_absolute_error", reference.mean_absolute_error),
    ("r2", reference.r2_score),
])
@pytest.mark.parametrize("shape", [(30,), (30, 1), (30, 3)])
def test_regression_metrics_equal_scikit_learn(name: str, function: Any,
                                               shape: tuple[int, ...]) -> None:
    y = sb.data("y", N, *shape[1:])
    truth, prediction = RNG.normal(size=shape), RNG.normal(size=shape)
    assert score(name, y, truth, prediction) == pytest.approx(function(truth, prediction))


def test_r2_of_a_constant_target_is_one_or_zero() -> None:
    y = sb.data("y", N)
    assert score("r2", y, [2.0, 2.0], [2.0, 2.0]) == 1
    assert score("r2", y, [2.0, 2.0], [1.0, 2.0]) == 0


def test_any_function_is_a_metric_by_its_name() -> None:
    def largest_miss(truth: Any, prediction: Any) -> float:
        return float(np.abs(truth - prediction).max())

    (found,) = as_metrics(largest_miss, (sb.data("y", N),), P, half)
    assert found.name == "largest_miss"
    assert found.score(np.array([1.0, 2.0]), np.array([1.0, 5.0])) == 3


def test_with_several_outputs_names_say_of_which() -> None:
    targets = (sb.data("y", N), sb.data("v", N))
    outputs = {"o": VECTOR, "q": VECTOR}
    assert [m.name for m in as_metrics(["r2"], targets, outputs, half)] == ["o_r2", "q_r2"]


@pytest.mark.parametrize(("given", "message"), [
    (["acuracy"], "unknown metric 'acuracy'; write one of accuracy, mean_squared_error"),
    ([3], "unknown metric 3"),
    (["r2", "r2"], "two entries of the history would be 'r2'"),
])
def test_unknown_metrics_are_refused(given: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        as_metrics(given, (sb.data("y", N),), P, half)


def test_metrics_need_a_target_for_each_output() -> None:
    with pytest.raises(TrainingError, match="this model has 1 outputs and 0 targets"):
        as_metrics(["r2"], (), P, half)


def test_a_metric_that_gives_no_number_is_refused() -> None:
    for value in ([1.0, 2.0], "good", None, 1j):
        with pytest.raises(TrainingError, match="must return one number"):
            score(lambda truth, prediction, v=value: v, sb.data("y", N), [1.0, 2.0], [1.0, 2.0])


@pytest.mark.parametrize(("name", "target", "shape"), [
    ("mean_squared_error", sb.data("y", N, facts=[sb.label(3)]), (3, 3)),
    ("mean_absolute_error", sb.data("y", N, 1), (3,)),
    ("r2", sb.data("y", N, 1), (3, 2)),
    ("accuracy", sb.data("y", N, 3, facts=["one_hot"]), (3,)),
    ("accuracy", sb.data("y", N, 7, facts=[sb.label(2)]), (3, 5, 2)),
    ("accuracy", sb.data("y", N, 1, facts=[sb.label(3)]), (3, 3)),
])
def test_shapes_that_numpy_would_broadcast_are_refused_before_anything_runs(
        name: str, target: Any, shape: tuple[int, ...]) -> None:
    output = sb.data("p", N, *shape[1:])
    with pytest.raises(TrainingError, match=f"the metric {name} compares entries"):
        as_metrics(name, (target,), {"p": tensor_of(output, "output")}, half)


def labelled() -> Model:
    x, y = sb.data("x", N, 3), sb.data("y", N, facts=[sb.label(3)])
    z = sb.layers.dense(x, 3)
    return Model(x, y, sb.softmax(z), sb.losses.cross_entropy(z, y, logits=True))


def test_labels_are_classes_in_fit_and_in_cross_validation() -> None:
    model, X, labels = labelled(), RNG.normal(size=(21, 3)), np.repeat([0, 1, 2], 7)
    before = model.parameters.copy()
    for rows in (21, 3):  # as many rows as classes broadcast without an error
        with pytest.raises(TrainingError, match="for labels use 'accuracy'"):
            model.fit(X[:rows], labels[:rows], metrics=["mean_squared_error"])
    np.testing.assert_array_equal(model.parameters["W1"], before["W1"])
    history = model.fit(X, labels, epochs=2, metrics="accuracy")
    assert history["accuracy"][-1] == np.mean(model.predict(X).argmax(1) == labels)
    seen: list[Any] = []

    def share(truth: Any, found: Any) -> float:
        seen.append(sorted(truth))
        return float(np.mean(truth == found.argmax(1)))

    given: dict[str, Any] = {"grid": {"epochs": [1, 4]}, "folds": 7, "workers": 1}
    own = sb.cross_validate(model, X, labels, metric=share, **given)
    assert seen[1:] == [[0, 1, 2]] * 14, "folds are stratified"
    by_default = sb.cross_validate(model, X, labels, **given)
    assert by_default.metric == "accuracy"
    assert by_default.maximised
    np.testing.assert_array_equal(by_default.scores, own.scores)


def test_metrics_of_one_output_are_named_by_it_and_weights_among_the_targets_have_none() -> None:
    x, y, v = sb.data("x", N, 3), sb.data("y", N, 2, facts=["one_hot"]), sb.data("v", N, 1)
    s = sb.data("s", N)
    n, k, j = sb.indices("n k j", N, 2, 1)
    p = sb.define("p", (n, k), sb.softmax(sb.layers.dense(x, 2))[n, k])
    q = sb.define("q", (n, j), sb.layers.dense(x, 1)[n, j])
    loss = (sb.losses.cross_entropy(p, y, sample_weights=s)
            + sb.losses.squared_error(q, v, sample_weights=s))
    model = Model(x, [y, v, s], [p, q], loss)
    X, labels = RNG.normal(size=(9, 3)), RNG.integers(2, size=9)
    history = model.fit(X, [labels, X[:, 0], np.ones(9)], epochs=1,
                        metrics={"p": "accuracy", "q": ["r2", "mean_squared_error"]})
    assert list(history) == ["loss", "p_accuracy", "q_r2", "q_mean_squared_error"]
    assert history["p_accuracy"] == [np.mean(model.predict(X)[0].argmax(1) == labels)]
    with pytest.raises(TrainingError, match="no output 'r'; it has p, q"):
        model.fit(X, [labels, X[:, 0], np.ones(9)], metrics={"r": "r2"})


def pair(loss: Any, facts: Any = (), output: Any = None) -> Model:
    """A score z of one input, whose weight is 1, beside a target; loss and output made of z."""
    x, y = sb.data("x", N, 1), sb.data("y", N, 1, facts=facts)
    z = sb.layers.dense(x, 1)
    c = sb.data("c", N)
    targets = [y, c] if loss in WEIGHED else [y]
    model = Model(x, targets, z if output is None else output(z),
                  loss(z, y, c) if loss in WEIGHED else loss(z, y), dtype="float64")
    model.parameters["W1"] = [[1.0]]
    return model


def by_sample(z: Any, y: Any, c: Any) -> Any:
    return sb.losses.binary_cross_entropy(z, y, logits=True, sample_weights=c)


def as_written(z: Any, y: Any) -> Any:
    """The hinge loss in index notation: nothing of the library."""
    n, j = z.letters
    return sb.define("L", (), sympy.Sum(sympy.Max(0, 1 - y[n, j]*z[n, j]), n, j)/N)


WEIGHED = (by_sample,)
LOSSES = sb.losses
BINARY = (sb.label(2),)
THRESHOLDS: dict[str, tuple[Any, Any, Any, int, float]] = {
    "logits": (lambda z, y: LOSSES.binary_cross_entropy(z, y, logits=True), (), None, 0, 0.0),
    "logits, smoothed and weighed": (
        lambda z, y: LOSSES.binary_cross_entropy(z, y, logits=True, smoothing=0.1,
                                                 class_weights=[1, 9]), (), None, 0, 0.0),
    "logits, weighed by sample": (by_sample, (), None, 0, 0.0),
    "logits through a sigmoid": (
        lambda z, y: LOSSES.binary_cross_entropy(sb.sigmoid(z), y), (), None, 0, 0.0),
    "probabilities": (LOSSES.binary_cross_entropy, (), None, 0, 0.5),
    "probabilities, weighed": (
        lambda p, y: LOSSES.binary_cross_entropy(p, y, class_weights=[1, 9]), (), None, 0, 0.5),
    "probabilities beside a loss of logits": (
        lambda z, y: LOSSES.binary_cross_entropy(z, y, logits=True), (), sb.sigmoid, 0, 0.5),
    "probabilities within a penalised loss": (
        lambda p, y: LOSSES.binary_cross_entropy(p, y) + sb.penalties.l2(0.1), (), None, 0, 0.5),
    "a hinge of -1 and 1": (LOSSES.hinge, (), None, -1, 0.0),
    "a hinge of 0 and 1": (LOSSES.hinge, BINARY, None, 0, 0.0),
    "a squared hinge of 0 and 1": (LOSSES.squared_hinge, BINARY, None, 0, 0.0),
    "a hinge written in indices": (as_written, (), None, -1, 0.0),
    "twice the score of a hinge": (LOSSES.hinge, (), lambda z: 2*z, -1, 0.0),
    "squares of 0 and 1": (LOSSES.squared_error, (), None, 0, 0.5),
    "squares of -1 and 1": (LOSSES.squared_error, (), None, -1, 0.0),
    "distances of 0 and 1": (LOSSES.absolute_error, (), None, 0, 0.5),
    "credit risk": (lambda p, y: LOSSES.credit_risk(p, y, 4), (), None, 0, 0.5),
}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_the_threshold_of_accuracy_is_the_middle_of_what_the_loss_wants(name: str) -> None:
    loss, facts, output, least, threshold = THRESHOLDS[name]
    model, X = pair(loss, facts, output), np.linspace(0, 1, 20)[:, np.newaxis]
    Y = np.where(X > 0.7, 1, least)
    found = dataset(model._core.network, X, [Y, X[:, 0]] if loss in WEIGHED else Y, "float64")
    assert thresholds(model._core, found)(0) == threshold


def test_accuracy_of_logits_is_that_of_their_probabilities() -> None:
    def logits(z: Any, y: Any) -> Any:
        return LOSSES.binary_cross_entropy(z, y, logits=True)

    X = np.linspace(-1, 2, 31)[:, np.newaxis]
    Y = np.where(np.cos(9*X) > 0, 1.0, 0.0)
    first, second = (pair(logits, (), output).fit(X, Y, epochs=1, metrics=["accuracy"])
                     for output in (None, sb.sigmoid))
    assert first == second
    assert first["accuracy"] != [np.mean((X >= 0.5) == (Y > 0))]


def test_validation_data_and_cross_validation_have_the_threshold_of_the_training() -> None:
    model, X = pair(LOSSES.squared_error), np.linspace(-0.8, 1.2, 11)[:, np.newaxis]
    Y = np.where(X > 0.3, 1, -1)
    only_ones = X[X > 0.2][:, np.newaxis]  # these alone do not say whether 0 or −1 is the other
    history = model.fit(X, Y, epochs=1, optimizer=sb.optimizers.SGD(1e-12), metrics=["accuracy"],
                        validation_data=(only_ones, np.ones_like(only_ones)))
    assert history["val_accuracy"] == [1.0]
    found = sb.cross_validate(model, X, Y, grid={"epochs": [1]}, metric="accuracy", fresh=False,
                              folds=[(np.arange(11), held) for held in ([6, 7], [0])],
                              refit=False, optimizer=sb.optimizers.SGD(1e-12))
    np.testing.assert_array_equal(found.scores, [[np.mean(Y[[6, 7]] > 0), 1.0]])


def test_a_loss_that_says_nothing_of_the_output_leaves_the_middle_of_the_labels() -> None:
    x, y, v = sb.data("x", N, 1), sb.data("y", N, 1), sb.data("v", N, 1)
    w = sb.layers.dense(x, 1)
    model = Model(x, [y, v], x*2, sb.losses.squared_error(w, v) + y.sum(), dtype="float64")
    X = np.array([[0.2], [0.3], [-0.1]])
    for least, threshold in ((0, 0.5), (-1, 0.0)):
        Y = np.array([[1], [1], [least]])
        history = model.fit(X, [Y, X], epochs=1, metrics=["accuracy"])
        assert history["accuracy"] == [np.mean((2*X >= threshold) == (Y > 0))]


def test_rows_of_weight_0_do_not_hide_the_threshold() -> None:
    model, X = pair(by_sample), np.linspace(0, 1, 40)[:, np.newaxis]
    found = dataset(model._core.network, X, [X > 0.7, X[:, 0] > 0.6], "float64")
    assert thresholds(model._core, found)(0) == 0.0


def test_the_threshold_of_a_vector_is_that_of_the_column_it_is_made_of() -> None:
    x, y = sb.data("x", N, 1), sb.data("y", N)
    z, (n,) = sb.layers.dense(x, 1), y.letters
    p = sb.define("p", (n,), sb.sigmoid(z[n, 0]))
    loss = sb.define("L", (), sympy.Sum(sympy.log(1 + sympy.exp(z[n, 0])) - y[n]*z[n, 0], n)/N)
    X = np.linspace(0, 1, 20)
    for output, threshold in ((p, 0.5), (z, 0.0)):
        model = Model(x, y, output, loss, dtype="float64")
        found = dataset(model._core.network, X[:, np.newaxis], X > 0.7, "float64")
        assert thresholds(model._core, found)(0) == threshold
