"""Noise in training: one mask for forward and backward, whatever the threads and batches are."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from sympy import Sum

import symbackprop as sb
from symbackprop import codegen
from symbackprop.training import Model

N = sb.size("N")
ROWS, WIDTH = 96, 40


def recorder(distribution: Any, rows: int = ROWS, width: int = WIDTH, dtype: str = "float64",
             axes: int = 2) -> Model:
    """With data that are the unit matrix, a step at rate 1 subtracts from W what was drawn.

    L = Σ_n Σ_r Σ_j x[n,r]·m[n,j]·W[r,j], so that ∂L/∂W[r,j] = m[n,j] for the sample n that is r.
    """
    n, r, j = sb.indices("n r j", N, rows, width)
    x, W = sb.data("x", n, r), sb.parameter("W", r, j)
    m = sb.noise("m", *(n, j)[2 - axes:], distribution=distribution)
    entry = m[n, j] if axes == 2 else m[j]
    loss = sb.define("L", (), Sum(x[n, r]*entry*W[r, j], n, r, j))
    model = Model(inputs=x, loss=loss, dtype=dtype)
    model.parameters["W"][...] = 0
    return model


def drawn_by_fit(model: Model, **options: Any) -> np.ndarray:
    model.parameters["W"][...] = 0
    rows = model.parameters["W"].shape[0]
    model.fit(np.eye(rows), optimizer=sb.optimizers.SGD(1.0), **options)
    return -np.array(model.parameters["W"])


@pytest.fixture(scope="module")
def masks() -> Model:
    return recorder(sb.bernoulli(0.7))


def test_each_sample_draws_the_same_in_an_epoch_however_the_rows_are_put_into_batches(
        masks: Model) -> None:
    expected = masks.noise(ROWS, seed=5)["m"]
    assert 0.6 < expected.mean() < 0.8
    assert np.isin(expected, (0, 1)).all()
    for batch_size in (1, 7, 32, None):
        for shuffle in (True, False):
            found = drawn_by_fit(masks, epochs=1, batch_size=batch_size, shuffle=shuffle, seed=5)
            np.testing.assert_array_equal(found, expected)


def test_every_epoch_draws_anew_and_another_seed_draws_others(masks: Model) -> None:
    several = [masks.noise(ROWS, seed=5, step=epoch)["m"] for epoch in range(3)]
    assert all(0.3 < np.mean(a != b) < 0.55 for a, b in pairwise(several))
    found = drawn_by_fit(masks, epochs=3, batch_size=16, seed=5)
    np.testing.assert_array_equal(found, sum(several))
    assert 0.3 < np.mean(masks.noise(ROWS, seed=6)["m"] != several[0]) < 0.55


def test_calls_that_run_many_epochs_draw_what_single_epochs_draw(masks: Model) -> None:
    stopping = [lambda epoch: epoch.number == 40]  # with a callback every epoch is a call
    together = drawn_by_fit(masks, epochs=40, batch_size=48, seed=1)
    apart = drawn_by_fit(masks, epochs=40, batch_size=48, seed=1, callbacks=stopping)
    np.testing.assert_array_equal(together, apart)


def test_a_noise_without_the_batch_is_drawn_once_for_each_step() -> None:
    model = recorder(sb.uniform(-1, 1), rows=6, width=5, axes=1)
    found = drawn_by_fit(model, epochs=2, batch_size=3, shuffle=False, seed=2)
    steps = [model.noise(6, seed=2, step=step, steps=2)["m"] for step in range(4)]
    expected = np.repeat([steps[0] + steps[2], steps[1] + steps[3]], 3, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert len({array.tobytes() for array in steps}) == 4


def test_threads_draw_the_same_bits() -> None:
    rows, width = 640, 64
    x, y = sb.data("x", N, 96), sb.data("y", N, width)
    h = sb.layers.dropout(sb.layers.dense(sb.layers.jitter(x, 0.1), 96, "tanh"), 0.4)
    h = sb.layers.batch_norm(h)
    o = x @ sb.layers.weight_noise(sb.parameter("V", 96, width), 0.1) + sb.layers.dense(h, width)
    model = Model(inputs=x, targets=y, output=o, loss=sb.losses.squared_error(o, y))
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(rows, 96)), rng.normal(size=(rows, width))
    runs = []
    for threads in (1, 2, 3, 4):
        model.initialise(1)
        history = model.fit(X, Y, epochs=2, batch_size=320, threads=threads, seed=3,
                            optimizer=sb.optimizers.SGD(1e-3))
        runs.append([*history["loss"], *(a.tobytes() for g in (model.parameters, model.states)
                                         for a in g.values())])
    assert model.kernels["fit"].kernel.regions, "the step is large enough for threads"
    assert all(run == runs[0] for run in runs)


def test_tiles_draw_what_a_short_step_draws() -> None:
    """A batch that is shared among threads, and one that is not, give the same masks."""
    rows, width = 256, 64
    model = recorder(sb.bernoulli(0.5), rows, width)
    expected = model.noise(rows, seed=9)["m"]
    for batch_size in (4, None):
        found = drawn_by_fit(model, epochs=1, batch_size=batch_size, threads=2, seed=9)
        np.testing.assert_array_equal(found, expected)
        shared = bool(model.kernels["fit"].kernel.regions)
        assert shared == (batch_size is None)


def test_a_step_of_fit_is_the_gradient_at_the_noise_that_was_drawn() -> None:
    x, y = sb.data("x", N, 5), sb.data("y", N, 3, facts=["one_hot"])
    h = sb.layers.dropout(sb.layers.dense(sb.layers.jitter(x, 0.3), 8, "tanh"), 0.4)
    p = sb.softmax(h @ sb.layers.weight_noise(sb.parameter("V", 8, 3), 0.2))
    loss = sb.losses.cross_entropy(p, y) + sb.penalties.l2(0.01)
    model = Model(inputs=x, targets=y, output=p, loss=loss, dtype="float64", seed=4)
    rng = np.random.default_rng(1)
    X, labels = rng.normal(size=(12, 5)), rng.integers(0, 3, 12)
    noise, before = model.noise(12, seed=7), {k: v.copy() for k, v in model.parameters.items()}
    assert set(noise) == {"m1", "e1", "e2"}
    derived = sb.derive(loss)
    step = codegen.compile([derived[name] for name in before], dtype="float64")
    hypers = {name: model.hypers[name] for name in ("drop", "lam")}
    gradients = step(x=X, y=np.eye(3)[labels], **before, **noise, **hypers)
    model.fit(X, labels, epochs=1, batch_size=None, shuffle=False, seed=7,
              optimizer=sb.optimizers.SGD(0.5))
    for name, gradient in zip(before, gradients, strict=True):
        np.testing.assert_allclose(model.parameters[name], before[name] - 0.5*gradient,
                                   rtol=1e-10, atol=1e-12)


def test_predictions_loss_and_gradients_are_those_at_inference() -> None:
    x, y = sb.data("x", N, 4), sb.data("y", N, 2)
    parts = sb.parameter("W", 4, 2), sb.parameter("b", 2)
    plain = x @ parts[0] + parts[1]
    noisy = sb.layers.dropout(sb.layers.jitter(x, 0.5), 0.3) @ sb.layers.weight_noise(
        parts[0], 0.5) + parts[1]
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(9, 4)), rng.normal(size=(9, 2))
    models = [Model(inputs=x, targets=y, output=o, dtype="float64",
                    loss=sb.losses.squared_error(o, y)) for o in (plain, noisy)]
    models[1].parameters.update(models[0].parameters)
    one, other = models
    np.testing.assert_allclose(other.predict(X), one.predict(X), rtol=1e-14)
    assert other.loss(X, Y) == pytest.approx(one.loss(X, Y), rel=1e-14)
    for name, gradient in one.gradients(X, Y).items():
        np.testing.assert_allclose(other.gradients(X, Y)[name], gradient, rtol=1e-12)


def test_another_rate_of_dropout_compiles_nothing_and_rate_0_is_no_dropout() -> None:
    x, y = sb.data("x", N, 4), sb.data("y", N, 1)
    W = sb.parameter("W", 4, 1)
    dropped = sb.layers.dropout(x, 0.5) @ W
    model = Model(inputs=x, targets=y, output=dropped, loss=sb.losses.squared_error(dropped, y))
    plain = Model(inputs=x, targets=y, output=x @ W, loss=sb.losses.squared_error(x @ W, y))
    plain.parameters.update(model.parameters)
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 4)), rng.normal(size=20)
    start = model.parameters["W"].copy()
    model.fit(X, Y, epochs=3)
    kernel, trained = model.kernels["fit"], model.parameters["W"].copy()
    model.hypers["drop"], model.parameters["W"] = 0, start
    model.fit(X, Y, epochs=3)
    plain.fit(X, Y, epochs=3)
    assert model.kernels["fit"] is kernel
    np.testing.assert_allclose(model.parameters["W"], plain.parameters["W"], rtol=1e-6)
    assert abs(trained - model.parameters["W"]).max() > 1e-4


def test_the_same_seed_gives_the_same_bits_and_no_seed_gives_others() -> None:
    model = recorder(sb.gaussian(0.5, 1), rows=8, width=4, dtype="float32")
    one, again = (drawn_by_fit(model, epochs=2, seed=3) for _ in range(2))
    assert one.tobytes() == again.tobytes()
    assert drawn_by_fit(model, epochs=2, seed=None).tobytes() != drawn_by_fit(
        model, epochs=2, seed=None).tobytes()


def test_a_noise_with_two_axes_along_the_batch_is_refused() -> None:
    n, l, j = sb.indices("n l j", N, N, 3)
    x, w = sb.data("x", n, j), sb.parameter("w", j)
    m = sb.noise("m", n, l, distribution=sb.bernoulli(0.5))
    loss = sb.define("L", (), Sum(m[n, l]*x[n, j]*x[l, j]*w[j], n, l, j))
    model = Model(inputs=x, loss=loss)
    with pytest.raises(sb.ProgramError, match="the noise m .* at most one of them"):
        model.fit(np.ones((3, 3)))


def test_a_saved_model_draws_and_predicts_the_same(tmp_path: Path) -> None:
    x, y = sb.data("x", N, 4), sb.data("y", N, 2)
    rate = sb.hyper("rate", 0.3)
    h = sb.layers.batch_norm(sb.layers.dropout(sb.layers.dense(sb.layers.jitter(x, 0.1), 6), rate))
    u = sb.noise("u", 6, distribution=sb.uniform(0.5, 1.5))
    o = sb.layers.dense(h*u, 2)
    model = Model(inputs=x, targets=y, output=o, loss=sb.losses.squared_error(o, y))
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))
    model.fit(X, Y, epochs=2)
    model.hypers["rate"] = 0.2
    model.save(tmp_path / "m.safetensors")
    again = Model.load(tmp_path / "m.safetensors")
    assert list(again.states) == list(model.states) == ["running_mean1", "running_var1"]
    assert dict(again.hypers) == dict(model.hypers)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.loss(X, Y) == model.loss(X, Y)
    for name, array in model.noise(5, seed=1).items():
        np.testing.assert_array_equal(again.noise(5, seed=1)[name], array)
    assert again.fit(X, Y, epochs=2) == model.fit(X, Y, epochs=2)
    for name, array in model.states.items():
        np.testing.assert_array_equal(again.states[name], array)
    again.save(tmp_path / "n.safetensors")
    model.save(tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", "numpy") as one, safe_open(
            tmp_path / "n.safetensors", "numpy") as other:
        assert one.metadata() == other.metadata()


def test_tensors_may_be_called_what_the_generator_calls_its_own() -> None:
    names = ["philox", "row", "seed", "epoch", "step", "steps", "step_next", "keep", "order"]
    n, j = sb.indices("n j", N, 3)
    x = sb.data("philox", n, j)
    weights = [sb.parameter(name, j) for name in names[1:]]
    m = sb.noise("real", n, j, distribution=sb.bernoulli(0.5))
    total = sum(w[j] for w in weights)
    loss = sb.define("L", (), Sum((x[n, j]*m[n, j]*total - 1)**2, n, j)/N)
    model = Model(inputs=x, loss=loss)
    model.fit(np.ones((8, 3)), epochs=2)
    assert list(model.parameters) == names[1:]
    assert list(model.noise(2)) == ["real"]


def test_a_noise_that_only_an_output_reads_does_not_change_what_fit_draws_for_others() -> None:
    x, W = sb.data("x", N, 5), sb.parameter("W", 5)
    n, i = x.letters
    aside, read = (sb.noise(name, n, i, distribution=sb.bernoulli(0.5)) for name in "ar")
    loss = sb.define("L", (), Sum(x[n, i]*read[n, i]*W[i], n, i)/N)
    model = Model(inputs=x, output=sb.define("p", (n, i), x[n, i]*aside[n, i]), loss=loss,
                  dtype="float64")
    X = np.random.default_rng(0).normal(size=(12, 5))
    drawn = model.noise(12, seed=4)
    model.parameters["W"][...] = 0
    model.fit(X, epochs=1, batch_size=None, seed=4, optimizer=sb.optimizers.SGD(1.0))
    np.testing.assert_allclose(model.parameters["W"], -(X*drawn["r"]).mean(axis=0), atol=1e-14)
    assert (drawn["a"] != drawn["r"]).any()
