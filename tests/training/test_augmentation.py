"""augment: other data for each batch, the same for equal seeds; the given data stay as they are."""

from typing import Any

import numpy as np
import pytest

import symbackprop as sb
from symbackprop.errors import TrainingError
from symbackprop.training import Model, loop
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


def test_the_function_sees_each_batch_in_the_order_of_the_steps_and_may_mix_its_rows(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixup within a batch (Zhang et al. 2018), by hand; however an epoch is cut into calls."""
    hot, ended = np.eye(2)[LABELS], []
    for seconds in (10.0, 0.0):
        monkeypatch.setattr(loop, "SECONDS", seconds)
        model, seen = classifier(), []

        def mixed(X: Any, Y: Any, rng: np.random.Generator, seen: list[Any] = seen) -> Any:
            assert X.shape[0] == Y.shape[0]
            other = rng.permutation(len(X))
            made = (X + X[other])/2, Y[other]
            seen.append((X.copy(), *made))
            return made

        w = model.parameters.copy()
        model.fit(X, hot, epochs=2, batch_size=5, optimizer=SGD(0.3), augment=mixed, seed=3)
        orders = loop.Plan(len(X), 5, 2, seed=3).orders()
        rows = [order[k:k + 5] for order in orders for k in range(0, len(X), 5)]
        assert [len(batch[0]) for batch in seen] == [5, 5, 5, 5, 3]*2
        for own, (before, after, targets) in zip(rows, seen, strict=True):
            np.testing.assert_array_equal(before, X[own])
            _, gradients = networks.loss_and_gradients(w, after, targets.argmax(1))
            networks.sgd(0.3, 0.0)(w, gradients)
        np.testing.assert_allclose(model.parameters["W1"], w["W1"], rtol=1e-9)
        ended.append(model.parameters["W1"].tobytes())
    assert ended[0] == ended[1]


def shared() -> Model:
    """A line through data x that have rows, and a shift s that has none."""
    N = sb.size("N")
    x, s, y = sb.data("x", N, 3), sb.data("s", 3), sb.data("y", N, 1)
    o = sb.layers.dense(x + s, 1)
    return Model([x, s], y, o, sb.losses.squared_error(o, y), dtype="float64")


def test_data_that_all_rows_share_are_handed_over_and_stay() -> None:
    given, target = {"x": X, "s": np.ones(3)}, X[:, :1]

    def shifted(X: Any, Y: Any, rng: Any) -> Any:
        return {**X, "x": X["x"] + X["s"]}, Y

    first, second = shared(), shared()
    first.fit(given, target, batch_size=7, augment=shifted)
    second.fit({**given, "x": X + 1}, target, batch_size=7)
    np.testing.assert_array_equal(first.parameters["W1"], second.parameters["W1"])
    with pytest.raises(TrainingError, match="changed s, which has no rows of its own"):
        first.fit(given, target, augment=lambda X, Y, rng: ({**X, "s": X["s"] + 1}, Y))


def test_a_model_without_rows_has_all_of_its_data_augmented() -> None:
    x, w = sb.data("x", 3), sb.parameter("w", 3)
    model = Model(x, loss=((x - w)**2).sum(), dtype="float64")
    model.fit(np.zeros(3), epochs=2, optimizer=SGD(0.5), augment=lambda X, Y, rng: (X + 2, Y))
    np.testing.assert_array_equal(model.parameters["w"], [2, 2, 2])


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
    (lambda X, Y, rng: X, ["must return a pair (X, Y), found ndarray", "last finished steps"]),
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
