"""Names in a grid of cross-validation: what they reach, and what shares a name."""

from typing import Any

import numpy as np
import pytest
import sympy

import symbackprop as sb
from symbackprop.errors import TrainingError
from symbackprop.training import Model
from symbackprop.training.grids import planned, points_of
from tests.training.networks import classifier, line, samples

o = sb.optimizers
X, LABELS = samples()
rate, mu, v = sympy.symbols("rate mu v")
CUSTOM = o.Custom((v, mu*v + o.g), (o.w, o.w - rate*v), mu=0.9, rate=0.1)


def reached(optimizer: Any, **point: Any) -> Any:
    named = {name.replace("__", "."): value for name, value in point.items()}
    return planned(line(), named, {"optimizer": optimizer})[1]["optimizer"]


@pytest.mark.parametrize(("made", "expected"), [
    (lambda: reached(o.clip_norm(o.SGD(0.1), 1), rate=0.2, momentum=0.5),
     o.clip_norm(o.SGD(0.2, momentum=0.5), 1)),
    (lambda: reached(o.clip_norm(o.SGD(0.1), 1), limit=2), o.clip_norm(o.SGD(0.1), 2)),
    (lambda: reached(o.clip_value(o.clip_norm(o.Adam(0.1), 1), 3), rate=0.2, limit=4,
                     optimizer__optimizer__limit=5, optimizer__beta1=0.5),
     o.clip_value(o.clip_norm(o.Adam(0.2, beta1=0.5), 5), 4)),
    (lambda: reached(CUSTOM, rate=0.2),
     o.Custom((v, mu*v + o.g), (o.w, o.w - rate*v), mu=0.9, rate=0.2)),
    (lambda: reached(o.clip_global_norm(CUSTOM, 1), mu=0.5),
     o.clip_global_norm(CUSTOM.changed("mu", 0.5), 1)),
    (lambda: reached(o.SGD(0.1), optimizer__rate=0.3), o.SGD(0.3)),
    (lambda: reached(o.SGD(sb.schedules.cosine(0.1, steps=5)), rate=0.3), o.SGD(0.3)),
])
def test_numbers_of_optimizers_are_reached_however_deep(made: Any, expected: Any) -> None:
    found = made()
    assert found == expected
    assert found.values == expected.values


def test_scores_are_those_of_the_optimizer_that_is_meant() -> None:
    given: dict[str, Any] = {"folds": 3, "epochs": 2, "refit": False, "metric": "loss"}
    inner = sb.cross_validate(line(), X, X[:, 0], grid={"rate": [0.1, 0.2]},
                              optimizer=o.clip_norm(o.SGD(7.0), 1), **given)
    for place, value in enumerate((0.1, 0.2)):
        alone = sb.cross_validate(line(), X, X[:, 0], grid={"limit": [1]},
                                  optimizer=o.clip_norm(o.SGD(value), 7), **given)
        np.testing.assert_array_equal(inner.scores[place], alone.scores[0])


def test_a_name_that_two_have_is_refused_with_both_ways_out() -> None:
    x, w, own = sb.data("x", sb.size("N")), sb.parameter("w"), sb.hyper("momentum", 1.0)
    model = Model(inputs=x, loss=((x * w - own)**2).mean())
    with pytest.raises(TrainingError) as caught:
        sb.cross_validate(model, X[:, 0], grid={"momentum": [0.1]}, metric="loss")
    assert str(caught.value) == (
        "grid: 'momentum' is a hyper of the model, and the optimizer has one too; write "
        "'hypers.momentum' or 'optimizer.momentum'")
    grid = {"hypers.momentum": [0.0, 2.0], "optimizer.momentum": [0.5]}
    found = sb.cross_validate(model, X[:, 0], grid=grid, metric="loss", folds=2, epochs=2)
    assert model.hypers["momentum"] == found.best["hypers.momentum"]
    plans = [planned(model, point, {"optimizer": o.SGD(0.1)}) for point in points_of(grid)]
    assert [hypers for hypers, _ in plans] == [{"momentum": 0.0}, {"momentum": 2.0}]
    assert all(own["optimizer"] == o.SGD(0.1, momentum=0.5) for _, own in plans)


@pytest.mark.parametrize(("optimizer", "name", "words"), [
    (CUSTOM, "beta", ["nothing named 'beta'", "lam, mu, rate, epochs, batch_size"]),
    (o.clip_norm(o.SGD(0.1), 1), "how", ["nothing named 'how'", "limit", "rate"]),
    (o.SGD(0.1), "optimizer.beta1", ["nothing named 'optimizer.beta1'"]),
    (o.SGD(0.1), 3, ["nothing named 3"]),
    (o.clip_norm(o.SGD(0.1), 1), "rate", ["SGD: rate must be a number above 0"]),
    (CUSTOM, "rate", ["Custom: rate must be a number above 0"]),
    ("sgd", "rate", ["optimizer must be a value", "'sgd'"]),
])
def test_names_and_values_that_do_not_fit_are_refused(optimizer: Any, name: Any,
                                                      words: list[str]) -> None:
    with pytest.raises(TrainingError) as caught:
        sb.cross_validate(classifier(), X, LABELS, grid={name: [-1.0]}, optimizer=optimizer)
    assert all(word in str(caught.value) for word in words), caught.value
