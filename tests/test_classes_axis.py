"""The classes of an output may lie along any axis: losses and accuracy read it from the target."""

from typing import Any

import numpy as np
import pytest

import symbackprop as sb
from symbackprop.classification import classes_axis
from symbackprop.errors import DeclarationError, InputError
from symbackprop.interpreter import evaluate

ROWS, CLASSES = 6, 3
N = sb.size("N")
RNG = np.random.default_rng(0)
LENGTHS = [5, CLASSES]  # the other axis, longer than the classes and as long
CASES = {
    "probabilities": lambda p, y: sb.losses.cross_entropy(p, y),
    "logits": lambda p, y: sb.losses.cross_entropy(p, y, logits=True),
    "smoothing": lambda p, y: sb.losses.cross_entropy(p, y, smoothing=0.3),
    "class weights": lambda p, y: sb.losses.cross_entropy(p, y, class_weights=[1, 2, 3]),
    "hinge": lambda p, y: sb.losses.hinge(p, y),
    "squared hinge": lambda p, y: sb.losses.squared_hinge(p, y),
}


def classes_second(length: int, labels: bool) -> tuple[Any, Any]:
    n, k, u = sb.indices("n k u", N, CLASSES, length)
    target = (sb.data("y", n, u, facts=[sb.label(CLASSES)]) if labels
              else sb.data("y", n, k, u, facts=[sb.one_hot(k)]))
    return sb.data("p", n, k, u), target


def classes_last(length: int, labels: bool) -> tuple[Any, Any]:
    n, k, u = sb.indices("n k u", N, CLASSES, length)
    target = (sb.data("y", n, u, facts=[sb.label(CLASSES)]) if labels
              else sb.data("y", n, u, k, facts=[sb.one_hot(k)]))
    return sb.data("p", n, u, k), target


def value(loss: Any, p: np.ndarray, y: np.ndarray) -> float:
    program = sb.program(loss)
    return float(evaluate(program, {"p": p, "y": y})[program.outputs[0]])


@pytest.mark.parametrize(("length", "labels"), [(5, False), (CLASSES, False), (5, True)])
@pytest.mark.parametrize("loss", CASES.values(), ids=CASES)
def test_a_loss_is_the_same_wherever_the_classes_lie(loss: Any, length: int, labels: bool) -> None:
    p = RNG.dirichlet(np.ones(CLASSES), (ROWS, length))
    y = RNG.integers(0, CLASSES, (ROWS, length))
    hot = np.eye(CLASSES)[y]
    expected = value(loss(*classes_last(length, labels)), p, y if labels else hot)
    found = value(loss(*classes_second(length, labels)), np.moveaxis(p, -1, 1),
                  y if labels else np.moveaxis(hot, -1, 1))
    assert found == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize("loss", CASES.values(), ids=CASES)
def test_samples_may_be_columns(loss: Any, labels: bool) -> None:
    """The sum is divided by the number of samples, whichever axis theirs is."""
    n, k = sb.indices("n k", N, CLASSES)
    label = sb.data("y", n, facts=[sb.label(CLASSES)])
    p = RNG.dirichlet(np.ones(CLASSES), ROWS)
    y = RNG.integers(0, CLASSES, ROWS)
    hot = np.eye(CLASSES)[y]
    rows = sb.data("p", n, k), label if labels else sb.data("y", n, k, facts=[sb.one_hot(k)])
    columns = sb.data("p", k, n), label if labels else sb.data("y", k, n, facts=[sb.one_hot(k)])
    expected = value(loss(*rows), p, y if labels else hot)
    assert value(loss(*columns), p.T, y if labels else hot.T) == pytest.approx(expected, rel=1e-13)


def test_each_column_has_the_weight_of_its_sample() -> None:
    n, k = sb.indices("n k", N, CLASSES)
    p, hot = RNG.dirichlet(np.ones(CLASSES), ROWS), np.eye(CLASSES)[np.arange(ROWS) % CLASSES]
    w = np.arange(1.0, ROWS + 1)
    program = sb.program(sb.losses.cross_entropy(
        sb.data("p", k, n), sb.data("y", k, n, facts=[sb.one_hot(k)]),
        sample_weights=sb.data("w", N)))
    found = evaluate(program, {"p": p.T, "y": hot.T, "w": w})[program.outputs[0]]
    assert float(found) == pytest.approx(-(w*np.log(p[hot == 1])).mean(), rel=1e-13)


def test_labels_lack_the_last_axis_that_is_as_long_as_they_have_classes() -> None:
    for length, axis in zip(LENGTHS, (-2, -1), strict=True):
        p, y = classes_second(length, labels=True)
        assert classes_axis(y, p.axes) == axis
    p, _ = classes_second(5, labels=True)
    assert classes_axis(sb.data("y", N, 5, facts=[sb.label(7)]), p.axes) is None
    assert classes_axis(sb.data("y", N, 5), p.axes) is None
    with pytest.raises(DeclarationError, match="equal shapes"):
        sb.losses.cross_entropy(sb.data("p", N), sb.data("y", 3, N, facts=[sb.one_hot(0)]),
                                smoothing=0.1)
    with pytest.raises(DeclarationError, match="need the shape of"):
        sb.losses.cross_entropy(p, sb.data("y", N, 4, facts=[sb.label(CLASSES)]))


@pytest.mark.parametrize("labels", [False, True])
def test_accuracy_and_cross_validation_take_the_largest_of_the_classes(labels: bool) -> None:
    x = sb.data("x", N, 2, 5)
    z = sb.layers.convolution(x, CLASSES, 3, padding=1)
    _, y = classes_second(5, labels)
    p = sb.softmax(z, axis=1)
    model = sb.Model(x, y, p, sb.losses.cross_entropy(p, y), dtype="float64")
    X, truth = RNG.normal(size=(40, 2, 5)), RNG.integers(0, CLASSES, (40, 5))
    history = model.fit(X, truth, epochs=1, metrics=["accuracy"])  # labels become one-hot
    assert history["accuracy"][0] == np.mean(model.predict(X).argmax(1) == truth)
    if not labels:
        rows = np.moveaxis(np.eye(CLASSES)[truth], -1, 1)
        assert model.loss(X, rows) == model.loss(X, truth)
        with pytest.raises(InputError, match="expected one-hot rows or labels 0 … 2"):
            model.loss(X, truth + 1)
    found = sb.cross_validate(model, X, truth, grid={"epochs": [1]}, folds=2, workers=1)
    assert found.metric == "accuracy"

