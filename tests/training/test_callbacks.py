"""Early stopping, and what else may happen between epochs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symbackprop.errors import TrainingError
from symbackprop.training import Model
from symbackprop.training.callbacks import (
    Call,
    Checkpoint,
    EarlyStopping,
    Epoch,
    Log,
    as_callbacks,
)
from symbackprop.training.optimizers import SGD
from tests.training.networks import classifier, samples


def stopped_after(callback: EarlyStopping, values: list[float],
                  name: str = "val_loss") -> tuple[int, dict[str, Any]]:
    """The epoch at which it stops (0: never), and the parameters it puts back."""
    state = callback.start(["loss", name])
    restored: dict[str, Any] = {}
    for number, value in enumerate(values, 1):
        array = np.full(2, float(number))
        state, stop = callback.after(state, Epoch(number, {"loss": 0.0, name: value},
                                                  {"W": array}))
        array[...] = -1  # the model's array goes on changing
        if stop:
            break
    else:
        number = 0
    callback.finish(state, restored.update)
    return number, restored


def test_it_stops_after_patience_epochs_without_improvement() -> None:
    assert stopped_after(EarlyStopping(patience=2), [3, 2, 2.5, 2.4, 1])[0] == 4
    assert stopped_after(EarlyStopping(patience=3), [3, 2, 2.5, 2.4, 1])[0] == 0


def test_the_parameters_of_the_best_epoch_come_back() -> None:
    _, restored = stopped_after(EarlyStopping(patience=2), [3, 2, 2.5, 2.4])
    assert restored["W"].tolist() == [2, 2]
    kept = EarlyStopping(patience=2, restore_best_weights=False)
    assert stopped_after(kept, [3, 2, 2.5, 2.4]) == (4, {})


def test_an_improvement_must_exceed_min_delta() -> None:
    assert stopped_after(EarlyStopping(patience=2, min_delta=0.5), [3, 2.8, 2.6])[0] == 3
    assert stopped_after(EarlyStopping(patience=2, min_delta=0.1), [3, 2.8, 2.6])[0] == 0


def test_accuracies_are_maximised() -> None:
    rising = EarlyStopping(patience=2, monitor="val_accuracy")
    assert stopped_after(rising, [0.1, 0.2, 0.3, 0.4], "val_accuracy")[0] == 0
    assert stopped_after(rising, [0.4, 0.3, 0.2], "val_accuracy")[0] == 3


def test_the_validation_loss_is_monitored_where_there_is_one() -> None:
    assert EarlyStopping().start(["loss", "val_loss"]).monitor == "val_loss"
    assert EarlyStopping().start(["loss"]).monitor == "loss"


def test_one_value_serves_two_runs_since_its_state_is_handed_through() -> None:
    callback = EarlyStopping(patience=2, restore_best_weights=False)
    assert [stopped_after(callback, [1, 2, 3])[0] for _ in range(3)] == [3, 3, 3]


@pytest.mark.parametrize(("make", "message"), [
    (lambda: EarlyStopping(patience=0), "patience must be a whole number of epochs"),
    (lambda: EarlyStopping(patience="3"), "patience must be a whole number of epochs"),
    (lambda: EarlyStopping(min_delta=-1), "min_delta must be a number, at least 0"),
    (lambda: EarlyStopping(monitor="val_f1").start(["loss"]),
     "monitors 'val_f1', but the history will hold loss"),
    (lambda: as_callbacks([EarlyStopping]), r"EarlyStopping is a class; write EarlyStopping\(\)"),
    (lambda: as_callbacks([3]), "3 is neither a callback"),
])
def test_what_is_no_callback_is_refused(make: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        make()


def test_callbacks_are_given_alone_or_in_lists_and_functions_will_do() -> None:
    assert as_callbacks(None) == ()
    assert as_callbacks(print) == (Call(print),)
    assert as_callbacks([EarlyStopping(), print]) == (EarlyStopping(), Call(print))


def test_a_checkpoint_keeps_the_best_epoch_in_a_file(tmp_path: Path) -> None:
    model, (X, labels), path = classifier(), samples(), tmp_path / "best.safetensors"
    kept: list[tuple[float, Any]] = []
    history = model.fit(X, labels, epochs=12, optimizer=SGD(2.0, 0.9),
                        callbacks=[Checkpoint(model, path), lambda epoch: kept.append(
                            (epoch.values["loss"], epoch.parameters["W1"].copy()))])
    best = min(range(12), key=history["loss"].__getitem__)
    np.testing.assert_array_equal(Model.load(path).parameters["W1"], kept[best][1])


def test_a_log_has_a_line_for_each_epoch(tmp_path: Path) -> None:
    path, (X, labels) = tmp_path / "log.csv", samples()
    path.write_text("an older run\n", encoding="utf-8")
    history = classifier().fit(X, labels, epochs=3, metrics=["accuracy"], callbacks=Log(path))
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    assert header == "epoch,loss,accuracy"
    assert [tuple(map(float, line.split(","))) for line in lines] == list(
        zip((1, 2, 3), history["loss"], history["accuracy"], strict=True))


def test_checkpoints_and_logs_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the model comes first"):
        Checkpoint("best.safetensors", classifier())  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="Checkpoint monitors 'val_loss'.*will hold loss;"):
        Checkpoint(classifier(), tmp_path / "x", monitor="val_loss").start(["loss"])
    with pytest.raises(TrainingError, match="Log: .*cannot be written"):
        classifier().fit(*samples(), callbacks=[Log(tmp_path / "nowhere" / "log.csv")])


def test_nan_is_never_the_best_and_does_not_hide_what_comes_after_it() -> None:
    nan = float("nan")
    for values, name in (([nan, 3, 2, 2.5, nan], "val_loss"), ([nan, 1, 2, 1.5, nan], "val_r2")):
        callback = EarlyStopping(patience=2, monitor=name)
        stopped, restored = stopped_after(callback, [float(v) for v in values], name)
        assert stopped == 5
        assert restored["W"].tolist() == [3, 3]
    assert stopped_after(EarlyStopping(patience=2), [nan, nan, nan]) == (2, {})


def test_a_metric_of_ones_own_is_maximised_where_one_says_so(tmp_path: Path) -> None:
    rising = EarlyStopping(patience=2, monitor="val_f1", maximised=True)
    stopped, restored = stopped_after(rising, [0.1, 0.3, 0.2, 0.1], "val_f1")
    assert (stopped, restored["W"].tolist()) == (4, [2, 2])
    falling = EarlyStopping(patience=2, monitor="val_accuracy", maximised=False)
    assert stopped_after(falling, [0.4, 0.3, 0.2, 0.1], "val_accuracy")[0] == 0
    saved: list[Any] = []

    class Recorder:
        def save(self, path: Any) -> None:
            saved.append(path)

    checkpoint = Checkpoint(Recorder(), tmp_path, "f1", maximised=True)
    state = checkpoint.start(["loss", "f1"])
    for number, value in enumerate([float("nan"), 0.1, 0.3, 0.2], 1):
        state, _ = checkpoint.after(state, Epoch(number, {"f1": value}, {}))
    assert len(saved) == 2
    with pytest.raises(TrainingError, match="maximised must be True, False or None, found 'yes'"):
        EarlyStopping(maximised="yes")  # type: ignore[arg-type]
