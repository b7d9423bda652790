"""Random restarts: each run is an ordinary fit; the lowest training error is kept."""

import copy
import threading
from typing import Any

import numpy as np
import pytest
import sympy
from matplotlib.figure import Figure

import symbackprop as sb
from symbackprop import codegen
from symbackprop.errors import Diverged, InputError, TrainingError
from symbackprop.training import Model
from symbackprop.training.callbacks import Checkpoint, EarlyStopping, Log
from symbackprop.training.optimizers import SGD
from symbackprop.training.splits import Folds
from tests.training.networks import classifier, line, samples

X, LABELS = samples(60)
FIT: dict[str, Any] = {"epochs": 15, "batch_size": 8, "optimizer": SGD(0.5, 0.9)}


@pytest.fixture(scope="module")
def model() -> Model:
    return classifier("float32")


def test_each_run_is_the_fit_that_its_seed_says_and_the_best_is_kept(model: Model) -> None:
    runs = sb.restarts(model, X, LABELS, count=4, seed=10, **FIT)
    expected = []
    for seed in runs.seeds:
        other = classifier("float32", seed=seed)
        history = other.fit(X, LABELS, seed=seed, **FIT)
        expected.append((other.loss(X, LABELS), history, other.parameters["W1"].tobytes()))
    assert runs.seeds == (10, 11, 12, 13)
    assert runs.losses == tuple(loss for loss, _, _ in expected)
    assert list(runs.histories) == [history for _, history, _ in expected]
    assert len(set(runs.losses)) == 4
    assert runs.best == int(np.argmin(runs.losses))
    assert model.parameters["W1"].tobytes() == expected[runs.best][2]


@pytest.mark.parametrize("workers", [2, 3, None])
def test_the_result_does_not_depend_on_the_number_of_workers(model: Model, workers: Any) -> None:
    one = sb.restarts(model, X, LABELS, count=5, workers=1, **FIT)
    weights = model.parameters.copy()
    assert sb.restarts(model, X, LABELS, count=5, workers=workers, **FIT) == one
    np.testing.assert_array_equal(model.parameters["W2"], weights["W2"])


def test_all_runs_share_one_kernel_and_nothing_compiles_twice(
        monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    compile_training = codegen.compile_training

    def counted(*arguments: Any) -> Any:
        made.append(threading.current_thread().name)
        return compile_training(*arguments)

    monkeypatch.setattr(codegen, "compile_training", counted, raising=False)
    fresh = classifier("float32")
    sb.restarts(fresh, X, LABELS, count=6, workers=3, **FIT)
    fresh.fit(X, LABELS, **FIT)
    assert len(made) == 1


def test_a_run_that_diverges_is_passed_over(model: Model) -> None:
    x, w = sb.data("x", sb.size("N"), 1), sb.parameter("w", 1, 1)
    steep = Model(inputs=x, loss=((x @ w)**4).mean())  # a step diverges where 4·rate·w² > 2
    rows, fit = np.ones((4, 1)), {"epochs": 30, "batch_size": None}
    begun = [abs(float(Model(inputs=x, loss=steep._core.network.loss, seed=seed)
                       .parameters["w"][0, 0])) for seed in range(8)]
    limit = float(np.median(begun))
    runs = sb.restarts(steep, rows, count=8, optimizer=SGD(0.5 / limit**2), **fit)
    assert [np.isinf(loss) for loss in runs.losses] == [start > limit for start in begun]
    assert np.isfinite(runs.losses[runs.best])
    assert "diverged" in runs.text
    runs.plot(Figure().subplots())
    before = steep.parameters.copy()
    with pytest.raises(Diverged, match="all 3 runs diverged"):
        sb.restarts(steep, rows, count=3, optimizer=SGD(1e6), **fit)
    np.testing.assert_array_equal(steep.parameters["w"], before["w"])


def test_text_and_picture_show_every_run(model: Model) -> None:
    runs = sb.restarts(model, X, LABELS, count=3, callbacks=EarlyStopping(2), **FIT)
    lines = str(runs).splitlines()
    assert len(lines) == 4
    assert lines[runs.best + 1].endswith("kept")
    assert sum("kept" in text for text in lines) == 1
    axes = runs.plot(Figure().subplots())
    assert len(axes.get_lines()) == 3


def test_settings_and_data_that_do_not_fit_are_refused(model: Model) -> None:
    before = model.parameters.copy()
    for error, words, given in (
        (TrainingError, "count must be a whole number, at least 1; found 0", {"count": 0}),
        (TrainingError, "fit has no setting 'epoch'; it has epochs, batch_size", {"epoch": 3}),
        (TrainingError, "workers must be a whole number", {"workers": 0}),
        (TrainingError, "seed must be a whole number", {"seed": -1}),
        (TrainingError, "epochs must be a whole number", {"epochs": 0}),
        (InputError, "labels 0 … 1", {"Y": LABELS + 1}),
    ):
        with pytest.raises(error, match=words):
            sb.restarts(model, **{"X": X, "Y": LABELS, **given})  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="the first argument must be a Model, found str"):
        sb.restarts("model", X, LABELS)  # type: ignore[arg-type]
    np.testing.assert_array_equal(model.parameters["W1"], before["W1"])


def test_an_error_in_one_run_ends_the_others_and_is_raised() -> None:
    def fails(epoch: Any) -> None:
        if epoch.number == 3:
            raise LookupError("the callback's own error")

    with pytest.raises(LookupError, match="the callback's own error"):
        sb.restarts(line(), X, X[:, 0], count=4, workers=2, epochs=10**6, optimizer=SGD(1e-9),
                    callbacks=fails)


def test_parameters_that_are_not_trained_keep_their_numbers() -> None:
    x, y = sb.data("x", sb.size("N"), 3), sb.data("y", sb.size("N"), 1)
    V = sb.parameter("V", 3, trainable=False)
    out = sb.layers.dense(sb.layers.dense(x * V, 4, "tanh"), 1)
    model = Model(x, y, out, sb.losses.squared_error(out, y))
    for name in ("V", "W1", "b1"):
        model.parameters[name][...] = 0.5
    kept = {name: model.parameters[name].copy() for name in ("V", "W1", "b1")}
    fit: dict[str, Any] = {"frozen": ["W1", "b1"], "epochs": 2, "optimizer": SGD(0.1)}
    runs = sb.restarts(model, X, X[:, 0], count=3, **fit)
    assert len(set(runs.losses)) == 3, "what is trained begins anew"
    found = sb.cross_validate(model, X, X[:, 0], grid={"rate": [0.1]}, folds=2, seed=4, **fit)
    for name, array in kept.items():
        np.testing.assert_array_equal(model.parameters[name], array)
    model.initialise(4)
    for name, array in kept.items():
        model.parameters[name] = array
    for score, rows in zip(found.scores[0], Folds(2, 4).split(X), strict=True):
        own = copy.deepcopy(model)
        own.fit(X[rows[0]], X[rows[0], 0], seed=4, **fit)
        assert score == pytest.approx(
            np.mean((own.predict(X[rows[1]])[:, 0] - X[rows[1], 0])**2), rel=1e-6)


def test_a_run_whose_training_error_is_nan_is_passed_over() -> None:
    x, w = sb.data("x", sb.size("N"), 1), sb.parameter("w", 1, 1)
    model = Model(x, loss=sympy.log((x @ w).mean()) + (x @ w).mean(), dtype="float64")
    rows, fit = np.ones((4, 1)), {"epochs": 1, "batch_size": None, "optimizer": SGD(0.3)}
    ends = {}  # w − 0.3(1/w + 1), below zero for a small w, where the logarithm is NaN
    for seed in range(8):
        start = float(Model(x, loss=model._core.network.loss, seed=seed).parameters["w"][0, 0])
        ends[seed] = start - 0.3 * (1 / start + 1) if start > 0 else -1
    assert len({end > 0 for end in ends.values()}) == 2, "some runs end where the loss is NaN"
    runs = sb.restarts(model, rows, count=8, **fit)
    assert [np.isinf(loss) for loss in runs.losses] == [end < 0 for end in ends.values()]
    assert np.isfinite(runs.losses[runs.best])


@pytest.mark.parametrize("callback", [Checkpoint(line(), "no.safetensors"), Log("no.csv")])
def test_a_callback_that_writes_one_fits_file_is_refused(model: Model, callback: Any) -> None:
    for run in (lambda: sb.restarts(model, X, LABELS, callbacks=callback),
                lambda: sb.cross_validate(model, X, LABELS, grid={"rate": [0.1]},
                                          callbacks=[callback])):
        with pytest.raises(TrainingError, match="leave (Checkpoint|Log) out, and call model.save"):
            run()
