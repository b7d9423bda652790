"""fit: equal to a NumPy loop step by step, the same for equal seeds, however it is cut."""

from typing import Any

import numpy as np
import pytest
from sympy import Sum

import symbackprop as sb
from symbackprop.errors import TrainingError
from symbackprop.training import Model, loop
from symbackprop.training.callbacks import EarlyStopping, Epoch
from symbackprop.training.optimizers import SGD, Adam
from tests.training import networks
from tests.training.networks import classifier, line, samples

X, LABELS = samples()


@pytest.mark.parametrize("batch_size", [5, 23, 100], ids="batches of {}".format)
@pytest.mark.parametrize(("optimizer", "made"), [
    (SGD(0.3), lambda: networks.sgd(0.3, 0.0)),
    (SGD(0.1, momentum=0.9), lambda: networks.sgd(0.1, 0.9)),
    (Adam(0.05), lambda: networks.adam(0.05)),
    (Adam(0.05, beta1=0.5, beta2=0.9, epsilon=1e-4), lambda: networks.adam(0.05, 0.5, 0.9, 1e-4)),
], ids=["sgd", "momentum", "adam", "adam with other numbers"])
def test_training_equals_a_numpy_loop(optimizer: Any, made: Any, batch_size: int) -> None:
    model = classifier()
    expected = model.parameters.copy()
    losses = networks.reference(expected, X, LABELS, made(), 7, batch_size, seed=3)
    history = model.fit(X, LABELS, epochs=7, batch_size=batch_size, optimizer=optimizer, seed=3)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-10)
    for name, array in expected.items():
        np.testing.assert_allclose(model.parameters[name], array, rtol=1e-8, atol=1e-11)


def test_float32_training_stays_close_to_the_float64_loop() -> None:
    model = classifier("float32")
    expected = {name: a.astype(np.float64) for name, a in model.parameters.items()}
    losses = networks.reference(expected, X, LABELS, networks.sgd(0.1, 0.9), 7, 5, seed=3)
    history = model.fit(X, LABELS, epochs=7, batch_size=5, optimizer=SGD(0.1, 0.9), seed=3)
    assert model.parameters["W1"].dtype == np.float32
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-4)


def test_training_lowers_the_loss_and_a_model_learns() -> None:
    model = classifier("float32")
    many, labels = samples(400)
    history = model.fit(many, labels, epochs=120, batch_size=32, optimizer=Adam(0.02),
                        metrics=["accuracy"])
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9


def test_the_history_has_one_entry_an_epoch_for_each_name() -> None:
    history = classifier().fit(X, LABELS, epochs=3, validation_data=(X[:7], LABELS[:7]),
                               metrics=["accuracy"])
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert all(len(values) == 3 and all(isinstance(v, float) for v in values)
               for values in history.values())


def test_the_loss_includes_penalties_and_is_that_of_the_model() -> None:
    model = classifier()
    before = model.loss(X, LABELS)
    expected, _ = networks.loss_and_gradients(model.parameters, X, LABELS)
    assert before == pytest.approx(expected, rel=1e-12)
    history = model.fit(X, LABELS, epochs=1, batch_size=None, validation_data=(X, LABELS))
    assert history["loss"] == [pytest.approx(before, rel=1e-12)]
    assert history["val_loss"] == [pytest.approx(model.loss(X, LABELS), rel=1e-12)]
    model.hypers["lam"] = 0.0
    assert model.loss(X, LABELS) < history["val_loss"][0]


def test_gradients_equal_the_formulas_of_the_lecture() -> None:
    model = classifier()
    _, expected = networks.loss_and_gradients(model.parameters, X, LABELS)
    found = model.gradients(X, LABELS)
    assert list(found) == ["W1", "b1", "W2", "b2"]
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-10, atol=1e-14)


def test_equal_seeds_give_equal_bits_and_other_seeds_do_not() -> None:
    def trained(initial: int, shuffle: int) -> tuple[Any, Any]:
        model = classifier("float32", seed=initial)
        history = model.fit(X, LABELS, epochs=4, batch_size=5, seed=shuffle)
        return model.parameters["W1"].tobytes(), history

    assert trained(1, 2) == trained(1, 2)
    assert trained(1, 2) != trained(1, 3)
    assert trained(1, 2) != trained(2, 2)


def test_how_an_epoch_is_cut_into_calls_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(seconds: float) -> tuple[bytes, Any]:
        monkeypatch.setattr(loop, "SECONDS", seconds)
        model = classifier()
        history = model.fit(X, LABELS, epochs=6, batch_size=4, optimizer=Adam())
        return model.parameters["W2"].tobytes(), history

    assert trained(0.0) == trained(1e9)  # one step a call, all epochs in one call


def test_without_shuffling_rows_come_in_their_order() -> None:
    model = classifier()
    w = model.parameters.copy()
    step = networks.sgd(0.3, 0.0)
    for start in range(0, len(X), 8):
        step(w, networks.loss_and_gradients(w, X[start:start + 8], LABELS[start:start + 8])[1])
    model.fit(X, LABELS, epochs=1, batch_size=8, optimizer=SGD(0.3), shuffle=False)
    np.testing.assert_allclose(model.parameters["W1"], w["W1"], rtol=1e-10)


def test_fit_goes_on_from_present_parameters_with_new_optimizer_state() -> None:
    model = classifier()
    expected = model.parameters.copy()
    for seed in (0, 1):
        networks.reference(expected, X, LABELS, networks.adam(0.05), 2, 5, seed)
        model.fit(X, LABELS, epochs=2, batch_size=5, optimizer=Adam(0.05), seed=seed)
    np.testing.assert_allclose(model.parameters["W1"], expected["W1"], rtol=1e-9)


def test_another_rate_or_momentum_or_penalty_compiles_nothing() -> None:
    model = classifier()
    model.fit(X, LABELS, epochs=1, optimizer=SGD(0.1, momentum=0.9))
    kernel = model.kernels["fit"]
    model.hypers["lam"] = 0.1
    model.fit(X, LABELS, epochs=1, optimizer=SGD(0.01, momentum=0.5))
    assert model.kernels["fit"] is kernel
    assert list(model.kernels) == ["fit"]
    model.fit(X, LABELS, epochs=1, optimizer=SGD(0.01))
    assert model.kernels["fit"] is not kernel  # a rule without momentum is another program


def test_a_new_penalty_strength_is_used_by_the_next_fit() -> None:
    model = classifier()
    model.hypers["lam"] = 0.5
    w = model.parameters.copy()
    networks.sgd(0.3, 0.0)(w, networks.loss_and_gradients(w, X, LABELS, 0.5)[1])
    model.fit(X, LABELS, epochs=1, batch_size=None, optimizer=SGD(0.3))
    np.testing.assert_allclose(model.parameters["W1"], w["W1"], rtol=1e-10)


def test_one_hot_rows_and_labels_and_columns_of_labels_train_alike() -> None:
    def trained(Y: Any) -> bytes:
        model = classifier()
        model.fit(X, Y, epochs=2)
        return model.parameters["W1"].tobytes()

    first = trained(LABELS)
    others = (np.eye(2)[LABELS], LABELS.tolist(), LABELS[:, np.newaxis], LABELS.astype(float))
    assert all(trained(Y) == first for Y in others)


def test_a_vector_fits_a_target_of_width_one() -> None:
    target = X @ [1.0, -2.0, 0.5] + 3
    first, second = line(), line()
    first.fit(X, target, epochs=40, batch_size=None, optimizer=SGD(0.1))
    second.fit(X, target[:, np.newaxis], epochs=40, batch_size=None, optimizer=SGD(0.1))
    assert first.parameters["W1"].tobytes() == second.parameters["W1"].tobytes()
    assert first.predict(X).shape == (len(X), 1)
    assert first.fit(X, target, epochs=300, metrics=["r2"], optimizer=SGD(0.1))["r2"][-1] > 0.999


def test_early_stopping_ends_training_and_gives_the_best_parameters_back() -> None:
    model = classifier()
    seen: list[tuple[float, bytes]] = []

    def note(epoch: Epoch) -> None:
        seen.append((epoch.values["val_loss"], epoch.parameters["W1"].tobytes()))

    other, labels = samples(30, seed=9)
    history = model.fit(X[:6], LABELS[:6], epochs=500, optimizer=SGD(0.5, 0.9),
                        validation_data=(other, labels),
                        callbacks=[EarlyStopping(patience=4), note])
    best, kept = min(seen, key=lambda pair: pair[0])
    assert len(history["loss"]) == history["val_loss"].index(best) + 1 + 4 < 500
    assert model.parameters["W1"].tobytes() == kept


def test_a_function_of_an_epoch_is_a_callback_that_may_stop() -> None:
    history = classifier().fit(X, LABELS, epochs=50,
                               callbacks=lambda epoch: epoch.number == 3)
    assert len(history["loss"]) == 3


def test_divergence_names_the_epoch_and_puts_the_parameters_back() -> None:
    model = line()
    before = model.parameters.copy()
    with pytest.raises(TrainingError, match=r"diverged: the loss became .* in epoch \d+"):
        model.fit(X * 100, X[:, 0], epochs=2000, batch_size=None, optimizer=SGD(10.0))
    for name, array in before.items():
        np.testing.assert_array_equal(model.parameters[name], array)
    model.fit(X, X[:, 0], epochs=1)  # and the model still works


def test_divergence_in_the_very_last_step_is_found_too() -> None:
    model = line("float32")
    before = model.parameters.copy()
    with pytest.raises(TrainingError, match="W1 is no longer finite after the last step"):
        model.fit(X * 1e18, X[:, 0], epochs=1, batch_size=None, optimizer=SGD(1e30))
    np.testing.assert_array_equal(model.parameters["W1"], before["W1"])


def test_divergence_that_only_validation_could_see_is_found_too() -> None:
    model = line("float32")
    before = model.parameters.copy()
    with pytest.raises(TrainingError, match="W1 is no longer finite after the last step"):
        model.fit(X * 1e18, X[:, 0], epochs=3, batch_size=None, optimizer=SGD(1e30),
                  validation_data=(X, X[:, 0]))
    np.testing.assert_array_equal(model.parameters["W1"], before["W1"])


@pytest.mark.parametrize("validation", [True, False])
def test_a_positive_parameter_that_training_makes_negative_is_refused(validation: bool) -> None:
    s, x = sb.parameter("s", facts=[sb.positive]), sb.data("x", sb.size("N"))
    model = Model(inputs=x, output=x * s, loss=((x * s) * (x * s)).mean())
    rows = np.ones(10)
    with pytest.raises(TrainingError, match="s .* was declared positive.*before fit"):
        model.fit(rows, epochs=3, optimizer=SGD(5.0),
                  validation_data=(rows, None) if validation else None)
    assert model.parameters["s"] > 0
    model.predict(rows)


def test_several_inputs_outputs_and_targets_and_data_given_once() -> None:
    n, i, j = sb.indices("n i j", sb.size("N"), 2, 3)
    x, u, scale = sb.data("x", n, i), sb.data("u", n), sb.data("s", i)
    y, v = sb.data("y", n, j), sb.data("v", n)
    W, c = sb.parameter("W", i, j), sb.parameter("c")
    o = sb.define("o", (n, j), Sum(x[n, i] * scale[i] * W[i, j], i))
    q = sb.define("q", (n,), c * u[n])
    L = sb.define("L", (), Sum((o[n, j] - y[n, j])**2, n, j) + Sum((q[n] - v[n])**2, n))
    model = Model(inputs=[x, u, scale], targets=[y, v], output=[o, q], loss=L, dtype="float64")
    rng = np.random.default_rng(0)
    a, b, fixed = rng.normal(size=(40, 2)), rng.normal(size=40), np.array([1.0, 0.5])
    true = rng.normal(size=(2, 3))
    history = model.fit([a, b, fixed], {"v": 3 * b, "y": a * fixed @ true}, epochs=200,
                        batch_size=8, optimizer=SGD(0.02), metrics=["mean_squared_error"])
    np.testing.assert_allclose(model.parameters["W"], true, atol=1e-3)
    assert model.parameters["c"] == pytest.approx(3)
    assert list(history) == ["loss", "o_mean_squared_error", "q_mean_squared_error"]
    first, second = model.predict({"s": fixed, "x": a[:5], "u": b[:5]})
    assert first.shape == (5, 3)
    assert second.shape == (5,)


def test_a_model_without_targets_learns_to_reproduce_its_input() -> None:
    x = sb.data("x", sb.size("N"), networks.INPUTS)
    o = sb.layers.dense(sb.layers.dense(x, 2, "tanh"), networks.INPUTS)
    model = Model(inputs=x, output=o, loss=sb.losses.squared_error(o, x))
    history = model.fit(X, epochs=50, optimizer=Adam(0.02), validation_data=(X, None))
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    assert model.loss(X) == pytest.approx(history["val_loss"][-1], rel=1e-5)


def test_a_program_without_a_batch_axis_takes_one_step_an_epoch() -> None:
    i = sb.indices("i", 4)
    a, w = sb.data("a", i), sb.parameter("w", i)
    L = sb.define("L", (), Sum((w[i] - a[i])**2, i))
    model = Model(inputs=a, targets=None, output=None, loss=L, dtype="float64")
    history = model.fit(np.arange(4.0), epochs=3, optimizer=SGD(0.25))
    np.testing.assert_allclose(history["loss"], [14, 14 / 4, 14 / 16])
    np.testing.assert_allclose(model.parameters["w"], np.arange(4) * 7 / 8)


def test_the_progress_bar_shows_epochs_and_the_loss(capsys: pytest.CaptureFixture[str]) -> None:
    classifier().fit(X, LABELS, epochs=3, verbose=True)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "loss=" in shown
    classifier().fit(X, LABELS, epochs=3)
    assert capsys.readouterr().err == ""


def test_predictions_take_any_number_of_rows() -> None:
    model = classifier("float32")
    whole = model.predict(X)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole.sum(1), 1, rtol=1e-6)
    for rows in (1, 2, 22):
        np.testing.assert_allclose(model.predict(X[:rows]), whole[:rows], rtol=1e-5)
    assert list(model.kernels) == ["predict"]


def test_a_clip_of_a_gradient_that_is_zero_changes_nothing() -> None:
    """The formulas come to 0, so that the kernel reads no limit."""
    x = sb.data("x", sb.size("N"), 3)
    h = sb.log_softmax(sb.layers.dense(x, 2))
    model = sb.Model(inputs=x, loss=(sb.log(sb.exp(h).sum(axis=1))**2).mean())
    before = {name: value.copy() for name, value in model.parameters.items()}
    model.fit(np.ones((4, 3)), epochs=1,
              optimizer=sb.optimizers.clip_global_norm(sb.optimizers.SGD(0.1), 0.25))
    for name, value in model.parameters.items():
        np.testing.assert_array_equal(value, before[name])
