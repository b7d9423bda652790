"""find_rate: a rate that trains well, from one run over all rates; the model stays as it is."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import symbackprop as sb
from symbackprop.errors import InputError, TrainingError
from symbackprop.training import Model, pictures
from symbackprop.training.finder import Rates, _read
from symbackprop.training.optimizers import SGD, Adam
from tests.training.networks import classifier, line, samples

X, LABELS = samples(200)


@pytest.mark.parametrize("optimizer", [SGD(7.0), SGD(7.0, momentum=0.9), Adam(7.0)], ids=str)
def test_the_suggestion_trains_nearly_as_well_as_the_best_of_a_grid(optimizer: Any) -> None:
    def trained(rate: float) -> float:
        model = classifier("float32")
        model.fit(X, LABELS, epochs=10, optimizer=type(optimizer)(
            rate, *([0.9] if getattr(optimizer, "momentum", 0) else [])))
        return model.loss(X, LABELS)

    model = classifier("float32")
    found = model.find_rate(X, LABELS, optimizer=optimizer)
    assert found.suggestion is not None
    begun = model.loss(X, LABELS)
    losses = {rate: trained(rate) for rate in np.geomspace(1e-4, 10, 11)}
    best = min(losses.values())
    assert trained(found.suggestion) < 0.35 * begun + 0.65 * best + 0.05
    hopeless = [rate for rate, loss in losses.items() if loss > begun]
    assert all(found.suggestion < rate / 2 for rate in hopeless)


def test_the_model_stays_as_it_is_and_equal_seeds_find_equal_rates() -> None:
    model = classifier()
    before = model.parameters.copy()
    first, again = (model.find_rate(X, LABELS, seed=1) for _ in range(2))
    for name, array in before.items():
        np.testing.assert_array_equal(model.parameters[name], array)
    np.testing.assert_array_equal(first.losses, again.losses)
    assert not np.array_equal(first.losses, model.find_rate(X, LABELS, seed=2).losses)
    kernel = model.kernels["fit"]
    model.fit(X, LABELS, epochs=1, optimizer=SGD(first.suggestion or 0.1))
    assert model.kernels["fit"] is kernel


def test_the_losses_are_those_after_steps_with_growing_rates() -> None:
    found = classifier().find_rate(X, LABELS, batch_size=None, lowest=0.1, highest=1, steps=10)
    np.testing.assert_allclose(found.rates, np.geomspace(0.1, 1, 10))
    model = classifier()
    for rate, loss in zip(found.rates, found.losses, strict=True):
        model.fit(X, LABELS, epochs=1, batch_size=None, optimizer=SGD(rate))
        assert model.loss(X, LABELS) == pytest.approx(loss, rel=1e-12)


def test_running_means_that_come_to_the_data_are_no_progress() -> None:
    N = sb.size("N")
    x, y = sb.data("x", N, X.shape[1]), sb.data("y", N, 2, facts=["one_hot"])
    h = sb.layers.batch_norm(sb.layers.dense(x, 16, "relu"))
    p = sb.softmax(sb.layers.dense(h, 2))
    model = Model(inputs=x, targets=y, output=p, loss=sb.losses.cross_entropy(p, y))
    far = 5 + 3*X
    tiny = model.find_rate(far, LABELS, lowest=1e-30, highest=1e-29)
    assert np.ptp(tiny.losses) < 0.2*tiny.losses[0]
    before = model.states.copy()
    found = model.find_rate(far, LABELS, optimizer=SGD(7.0))
    assert found.suggestion is not None
    assert found.suggestion > 1e-3
    for name, array in before.items():
        np.testing.assert_array_equal(model.states[name], array)


def test_an_optimizer_of_all_rows_gets_them_without_being_asked() -> None:
    found = classifier().find_rate(X, LABELS, optimizer=sb.optimizers.GradientDescent(7.0))
    same = classifier().find_rate(X, LABELS, optimizer=SGD(7.0), batch_size=None)
    np.testing.assert_array_equal(found.losses, same.losses)
    with pytest.raises(TrainingError, match="LBFGS has no rate to be found"):
        classifier().find_rate(X, LABELS, optimizer=sb.optimizers.LBFGS())


def test_it_ends_early_where_the_loss_explodes() -> None:
    found = line("float32").find_rate(X * 100, X[:, 0], highest=1e6)
    assert len(found.rates) < 200
    assert np.isfinite(found.losses).all()
    assert found.suggestion is not None
    assert found.suggestion < 1e-4


def test_text_and_picture_show_rates_and_the_suggestion() -> None:
    found = Rates(np.array([0.1, 1.0]), np.array([2.0, 1.0]), np.array([2.0, 1.5]), 0.1)
    assert str(found).splitlines()[1].split() == ["0.1", "2", "2"]
    assert str(found).endswith("suggestion: 0.1")
    axes = found.plot(Figure().subplots())
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "loss after a step", "smoothed", "suggestion: 0.1"]
    hopeless = _read(np.geomspace(0.1, 1, 20), np.arange(20.0))
    assert hopeless.suggestion is None
    assert "never falls" in hopeless.text
    hopeless.plot(Figure().subplots())
    with pytest.raises(TrainingError, match="axes of matplotlib; found str"):
        pictures.axes_of("axes")


@pytest.mark.parametrize(("given", "error", "words"), [
    ({"lowest": 0}, TrainingError, ["0 < lowest < highest"]),
    ({"lowest": 1, "highest": 0.1}, TrainingError, ["0 < lowest < highest"]),
    ({"highest": "1"}, TrainingError, ["0 < lowest < highest", "'1'"]),
    ({"highest": np.nan}, TrainingError, ["0 < lowest < highest"]),
    ({"steps": 3}, TrainingError, ["steps must be at least 10; found 3"]),
    ({"optimizer": "sgd"}, TrainingError, ["optimizer must be a value such as"]),
    ({"batch_size": 0}, TrainingError, ["batch_size must be a whole number"]),
    ({"X": X[:, :2]}, InputError, ["x"]),
])
def test_what_does_not_fit_is_refused_before_anything_is_compiled(
        given: dict[str, Any], error: type[Exception], words: list[str]) -> None:
    model: Model = classifier()
    with pytest.raises(error) as caught:
        model.find_rate(**{"X": X, "Y": LABELS, **given})
    assert all(word in str(caught.value) for word in words), caught.value
    assert not model.kernels


def test_a_rate_that_is_a_schedule_is_refused_in_words() -> None:
    falling = sb.optimizers.SGD(sb.schedules.cosine(0.1, steps=5))
    for optimizer in (falling, sb.optimizers.clip_norm(falling, 1)):
        with pytest.raises(TrainingError, match="SGD.* is a schedule; give a number"):
            line().find_rate(np.ones((9, 3)), np.ones(9), optimizer=optimizer)
