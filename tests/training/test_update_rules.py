"""Every update, over several steps in float64, is that of the paper in plain NumPy."""

from typing import Any

import numpy as np
import pytest
from sympy import cos, pi, sqrt, symbols

import symbackprop as sb
from tests.training import updates as u
from tests.training.networks import CLASSES, classifier, samples

o, s = sb.optimizers, sb.schedules
X, LABELS = samples()
Y = np.eye(CLASSES)[LABELS]
BATCHES = [np.arange(0, 9), np.arange(9, 16), np.arange(16, 23), np.arange(3, 20)]
ALL = {"decay_biases": True}
SGD = o.SGD(0.1, momentum=0.9)
w, g, v, mu, rate, norm, t = symbols("w g v mu rate norm t")


@pytest.fixture(scope="module")
def model() -> sb.Model:
    return classifier()


def close(found: Any, expected: Any) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-10, atol=1e-12, err_msg=name)


RULES = {
    "gradient descent": (o.GradientDescent(0.3), u.sgd(0.3)),
    "sgd": (o.SGD(0.3), u.sgd(0.3)),
    "sgd decay": (o.SGD(0.3, weight_decay=0.1, **ALL), u.coupled(u.sgd(0.3), 0.1)),
    "sgd decoupled": (o.SGD(0.3, weight_decay=0.1, decoupled=True, **ALL),
                      u.decoupled(u.sgd(0.3), 0.1, 0.3)),
    "momentum": (SGD, u.sgd(0.1, 0.9)),
    "momentum decay": (o.SGD(0.1, 0.9, weight_decay=0.1, **ALL),
                       u.coupled(u.sgd(0.1, 0.9), 0.1)),
    "nesterov": (o.SGD(0.1, 0.9, nesterov=True), u.sgd(0.1, 0.9, nesterov=True)),
    "adagrad": (o.AdaGrad(0.1), u.adagrad(0.1)),
    "rmsprop": (o.RMSProp(0.05, 0.8), u.rmsprop(0.05, 0.8)),
    "rmsprop momentum": (o.RMSProp(0.05, 0.8, momentum=0.5), u.rmsprop(0.05, 0.8, 1e-8, 0.5)),
    "rmsprop centred": (o.RMSProp(0.01, 0.8, 1e-3, 0.5, centred=True),
                        u.rmsprop(0.01, 0.8, 1e-3, 0.5, centred=True)),
    "adam": (o.Adam(0.05, 0.8, 0.95, 1e-6), u.adam(0.05, 0.8, 0.95, 1e-6)),
    "adam without means": (o.Adam(0.05, 0, 0), u.adam(0.05, 0, 0)),
    "adam decay": (o.Adam(weight_decay=0.1, **ALL), u.coupled(u.adam(1e-3), 0.1)),
    "adamw": (o.AdamW(0.05, **ALL), u.decoupled(u.adam(0.05), 0.01, 0.05)),
    "adamax": (o.Adamax(0.05, 0.8, 0.9), u.adamax(0.05, 0.8, 0.9)),
    "nadam": (o.NAdam(0.05, 0.8, 0.9, momentum_decay=0.2), u.nadam(0.05, 0.8, 0.9, decay=0.2)),
    "nadam without momentum": (o.NAdam(0.05, 0), u.nadam(0.05, 0)),
    "step": (o.SGD(s.step(0.3, 0.5, steps=2)), u.sgd(lambda t: 0.3 * 0.5**((t - 1) // 2))),
    "exponential": (o.SGD(s.exponential(0.3, 0.5, steps=2), 0.9),
                    u.sgd(lambda t: 0.3 * 0.5**((t - 1) / 2), 0.9)),
    "cosine": (o.SGD(s.cosine(0.3, steps=3, least=0.1)),
               u.sgd(lambda t: 0.2 + 0.1 * np.cos(np.pi * min(1, (t - 1) / 3)))),
    "inverse": (o.SGD(s.inverse(0.3, steps=2)), u.sgd(lambda t: 0.3 / (1 + (t - 1) / 2))),
    "warm-up": (o.SGD(s.warmup(s.inverse(0.3, steps=2), steps=2)),
                u.sgd(lambda t: 0.3 / (1 + max(0, t - 3) / 2) * min(1, t / 2))),
    "by epochs": (o.SGD(s.step(0.3, 0.5, epochs=1)), u.sgd(lambda t: 0.3 * 0.5**((t - 1) // 2))),
    "an expression": (o.SGD(0.1 * (1.5 + cos(pi * s.t / 3))),
                      u.sgd(lambda t: 0.1 * (1.5 + np.cos(np.pi * (t - 1) / 3)))),
    "custom": (o.Custom((v, mu * v - rate * g), (w, w + v), mu=0.9, rate=0.1), u.sgd(0.1, 0.9)),
    "custom with a schedule": (
        o.Custom((w, w - rate * g), rate=s.inverse(0.3, steps=2)),
        u.sgd(lambda t: 0.3 / (1 + (t - 1) / 2))),
    "custom with its own count": (
        o.Custom((t, t + 1), (w, w - rate * g / sqrt(t)), rate=0.3),
        u.sgd(lambda t: 0.3 / np.sqrt(t))),
}


@pytest.mark.parametrize("name", RULES)
def test_steps_are_those_of_plain_numpy(name: str, model: sb.Model) -> None:
    optimizer, update = RULES[name]
    found = u.interpreted(model, optimizer, X, Y, BATCHES, per_epoch=2)
    close(found, u.referred(model.parameters.copy(), X, LABELS, update, BATCHES))


CLIPS = {
    "value": (lambda inner, c: o.clip_value(inner, c), u.by_value),
    "norm": (lambda inner, c: o.clip_norm(inner, c), u.by_norm),
    "global norm": (lambda inner, c: o.clip_global_norm(inner, c), u.by_global_norm),
}


@pytest.mark.parametrize("limit", [0.02, 100.0], ids=["clipped", "short enough"])
@pytest.mark.parametrize("how", CLIPS)
def test_a_clipped_gradient_is_what_the_optimizer_sees(how: str, limit: float, model: sb.Model
                                                       ) -> None:
    ours, theirs = CLIPS[how]
    inner = o.SGD(0.1, 0.9, weight_decay=0.1, **ALL)  # the decay comes after the clipping
    found = u.interpreted(model, ours(inner, limit), X, Y, BATCHES)
    close(found, u.referred(model.parameters.copy(), X, LABELS,
                            u.coupled(u.sgd(0.1, 0.9), 0.1), BATCHES, theirs(limit)))


def test_the_outer_of_two_clips_comes_first(model: sb.Model) -> None:
    both = o.clip_norm(o.clip_value(o.clip_norm(o.SGD(0.3), 0.05), 0.01), 0.1)
    assert [str(n) for n in both.rule.numbers] == ["limit", "limit2", "limit3", "rate"]
    found = u.interpreted(model, both, X, Y, BATCHES)
    close(found, u.referred(
        model.parameters.copy(), X, LABELS, u.sgd(0.3), BATCHES,
        lambda g: u.by_norm(0.05)(u.by_value(0.01)(u.by_norm(0.1)(g)))))


@pytest.mark.parametrize("is_decoupled", [False, True])
def test_weights_decay_and_biases_do_not(is_decoupled: bool, model: sb.Model) -> None:
    optimizer = o.SGD(0.1, weight_decay=0.2, decoupled=is_decoupled)
    found = u.interpreted(model, optimizer, X, Y, BATCHES)
    plain = u.sgd(0.1)
    decayed = u.decoupled(plain, 0.2, 0.1) if is_decoupled else u.coupled(plain, 0.2)
    close(found, u.referred(model.parameters.copy(), X, LABELS, decayed, BATCHES, biases=plain))


def test_coupled_decay_is_half_an_l2_penalty() -> None:
    penalised, plain = classifier(), classifier()
    penalised.hypers["lam"], plain.hypers["lam"] = 0.1, 0.0
    one = o.Custom((g, g + 0.2 * o.is_weight * w), (w, w - 0.1 * g))
    found = u.interpreted(plain, one, X, Y, BATCHES[:1])
    expected = u.interpreted(penalised, o.SGD(0.1), X, Y, BATCHES[:1])
    np.testing.assert_allclose(found["W1"], expected["W1"], rtol=1e-12)  # lam is of W1 alone


@pytest.mark.parametrize("optimizer", [o.SGD(0.1, 0.9), o.AdamW(0.05), o.clip_norm(
    o.SGD(s.inverse(0.1, steps=2)), 0.1)], ids=["momentum", "adamw", "clipped and scheduled"])
def test_a_factor_of_the_rate_shortens_the_steps_of_one_parameter(optimizer: Any, model: sb.Model
                                                                  ) -> None:
    """In the first step; later ones see other gradients.  What is not named keeps its rate."""
    start = model.parameters.copy()
    plain = u.interpreted(model, optimizer, X, Y, BATCHES[:1])
    found = u.interpreted(model, optimizer, X, Y, BATCHES[:1], {"W1": 0.25, "b2": 0})
    for name, factor in {"W1": 0.25, "b1": 1, "W2": 1, "b2": 0}.items():
        moved = start[name] + factor * (plain[name] - start[name])
        np.testing.assert_allclose(found[name], moved, rtol=1e-12, atol=1e-15)


def test_frozen_parameters_stay_and_the_others_move_as_before(model: sb.Model) -> None:
    start = model.parameters.copy()
    plain = u.interpreted(model, o.Adam(0.1), X, Y, BATCHES[:1])
    found = u.interpreted(model, o.Adam(0.1), X, Y, BATCHES[:1], frozen=["W1", "b2"])
    for name in start:
        expected = start if name in ("W1", "b2") else plain
        np.testing.assert_array_equal(found[name], expected[name])


def test_a_total_is_of_one_parameter_or_of_all(model: sb.Model) -> None:
    """Layerwise rates (LARS, You et al. 2017, arXiv:1708.03888) are a rule like any other."""
    ratio, share = symbols("ratio share")
    lars = o.Custom((ratio, sqrt(o.total(w**2) / o.total(g**2))),
                    (share, o.total(1) / o.grand_total(1)), (w, w - rate * ratio * share * g),
                    rate=0.1)
    sizes = {name: a.size / 26 for name, a in model.parameters.items()}
    start = {name: a + 0.1 for name, a in model.parameters.items()}
    shifted = classifier()
    shifted.parameters.update(start)
    found = u.interpreted(shifted, lars, X, Y, BATCHES[:1])
    gradients = u.loss_and_gradients(start, X[BATCHES[0]], LABELS[BATCHES[0]])[1]
    close(found, {name: start[name] - 0.1 * sizes[name] * g * np.linalg.norm(start[name])
                  / np.linalg.norm(g) for name, g in gradients.items()})
