"""augment: other data for each epoch, the same for equal seeds; the given data stay as they are."""

from typing import Any

import numpy as np
import pytest

from symbackprop.errors import TrainingError
from symbackprop.training.optimizers import SGD
from tests.training import networks
from tests.training.networks import classifier, line, samples

X, LABELS = samples()


def jitter(X: Any, Y: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    X += rng.normal(scale=0.1, size=X.shape)
    return X, Y


def test_each_epoch_trains_on_what_the_function_returns() -> None:
    model, seen = classifier(), []

    def noted(X: Any, Y: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        made = X + rng.normal(size=X.shape), rng.permutation(Y)
        seen.append((made[0].copy(), made[1].copy()))
        return made

    w = model.parameters.copy()
    history = model.fit(X, LABELS, epochs=4, batch_size=None, optimizer=SGD(0.3), augment=noted)
    losses = []
    for rows, labels in seen:
        loss, gradients = networks.loss_and_gradients(w, rows, labels)
        losses.append(loss)
        networks.sgd(0.3, 0.0)(w, gradients)
    assert len(seen) == 4
    assert not np.array_equal(seen[0][0], seen[1][0])
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-10)
    np.testing.assert_allclose(model.parameters["W1"], w["W1"], rtol=1e-9)


def test_equal_seeds_augment_alike_and_the_order_of_the_rows_is_that_of_the_seed() -> None:
    def trained(seed: int, **more: Any) -> bytes:
        model = classifier()
        model.fit(X, LABELS, epochs=3, batch_size=5, seed=seed, **more)
        return model.parameters["W1"].tobytes()

    before = X.copy()
    assert trained(1, augment=jitter) == trained(1, augment=jitter)
    assert trained(1, augment=jitter) != trained(2, augment=jitter)
    assert trained(1, augment=jitter) != trained(1)
    assert trained(1, augment=lambda X, Y, rng: (X, Y)) == trained(1)
    np.testing.assert_array_equal(X, before)


def test_metrics_are_taken_over_the_data_that_were_given() -> None:
    model = line()
    target = X @ [1.0, 2.0, 3.0]
    history = model.fit(X, target, epochs=5, optimizer=SGD(0.1), metrics=["mean_squared_error"],
                        augment=lambda X, Y, rng: (X, Y + 100))
    assert history["mean_squared_error"][-1] == pytest.approx(
        np.mean((model.predict(X)[:, 0] - target)**2))
    assert model.parameters["b1"] > 30


@pytest.mark.parametrize(("function", "words"), [
    (lambda X, Y: (X, Y), ["<lambda> does not take three arguments", "(X, Y, rng)"]),
    ("flip", ["str does not take three arguments"]),
    (lambda X, Y, rng: X, ["must return a pair (X, Y), found ndarray", "before fit"]),
    (lambda X, Y, rng: None, ["must return a pair (X, Y), found NoneType"]),
    (lambda X, Y, rng: (X[:5], Y[:5]), ["must keep the number of rows, 23; it returned 5"]),
    (lambda X, Y, rng: (X[:5], Y), ["does not fit", "23", "5"]),
    (lambda X, Y, rng: (X * np.nan, Y), ["does not fit", "x", "nan"]),
    (lambda X, Y, rng: (X, Y + 7), ["does not fit", "labels 0 … 1"]),
])
def test_a_function_that_does_not_fit_is_refused(function: Any, words: list[str]) -> None:
    model = classifier()
    before = model.parameters.copy()
    with pytest.raises(TrainingError) as caught:
        model.fit(X, LABELS, epochs=2, augment=function)
    assert all(word in str(caught.value) for word in words), caught.value
    for name, array in before.items():
        np.testing.assert_array_equal(model.parameters[name], array)
