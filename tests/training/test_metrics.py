"""Metrics equal scikit-learn's, and read targets as their facts and shapes say."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

import symbackprop as sb
from symbackprop.errors import TrainingError
from symbackprop.training.metrics import as_metrics

N = sb.size("N")
RNG = np.random.default_rng(0)


def score(metric: Any, target: Any, truth: Any, prediction: Any) -> float:
    (found,) = as_metrics([metric], (target,), ("p",))
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
    with pytest.raises(TrainingError, match="accuracy needs labels, one-hot rows, or zeros"):
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

    (found,) = as_metrics(largest_miss, (sb.data("y", N),), ("p",))
    assert found.name == "largest_miss"
    assert found.score(np.array([1.0, 2.0]), np.array([1.0, 5.0])) == 3


def test_with_several_outputs_names_say_of_which() -> None:
    targets = (sb.data("y", N), sb.data("v", N))
    assert [m.name for m in as_metrics(["r2"], targets, ("o", "q"))] == ["o_r2", "q_r2"]


@pytest.mark.parametrize(("given", "message"), [
    (["acuracy"], "unknown metric 'acuracy'; write one of accuracy, mean_squared_error"),
    ([3], "unknown metric 3"),
    (["r2", "r2"], "two entries of the history would be 'r2'"),
])
def test_unknown_metrics_are_refused(given: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        as_metrics(given, (sb.data("y", N),), ("p",))


def test_metrics_need_a_target_for_each_output() -> None:
    with pytest.raises(TrainingError, match="this model has 1 outputs and 0 targets"):
        as_metrics(["r2"], (), ("p",))


def test_a_metric_that_gives_no_number_is_refused() -> None:
    for value in ([1.0, 2.0], "good", None, 1j):
        with pytest.raises(TrainingError, match="must return one number"):
            score(lambda truth, prediction, v=value: v, sb.data("y", N), [1.0, 2.0], [1.0, 2.0])
