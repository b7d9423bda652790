"""A model without targets is measured against what its loss compares its outputs with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import Sum

import symbackprop as sb
from symbackprop.errors import TrainingError

N = sb.size("N")
X = np.random.default_rng(0).random((40, 5))
FIT: dict[str, Any] = {"epochs": 2, "optimizer": sb.optimizers.SGD(0.05), "verbose": False}


def code(x: Any, activation: Any = None) -> Any:
    return sb.layers.dense(sb.layers.dense(x, 2, "tanh"), 5, activation)


def plain() -> sb.Model:
    x = sb.data("x", N, 5)
    out = code(x)
    return sb.Model(x, None, out, sb.losses.squared_error(out, x) + sb.penalties.l2(0.01))


def denoising() -> sb.Model:
    x = sb.data("x", N, 5)
    out = code(sb.layers.jitter(x, 0.1))
    return sb.Model(x, None, out, sb.losses.squared_error(out, x))


def logits() -> sb.Model:
    x = sb.data("x", N, 5)
    z = code(x)
    return sb.Model(x, None, sb.sigmoid(z), sb.losses.binary_cross_entropy(z, x, logits=True))


def probabilities() -> sb.Model:
    x = sb.data("x", N, 5)
    out = code(x, "sigmoid")
    return sb.Model(x, None, out, sb.losses.binary_cross_entropy(out, x))


def masked() -> sb.Model:
    x, m = sb.data("x", N, 5), sb.data("m", N, 5)
    out = code(x)
    (n, i) = x.letters
    return sb.Model([x, m], None, out, sb.define("L", (), Sum(
        m[n, i]*(out[n, i] - x[n, i])**2, n, i)/N))


@pytest.mark.parametrize("make", [plain, denoising, logits, probabilities, masked],
                         ids=lambda make: make.__name__)
def test_an_output_is_measured_against_what_the_loss_compares_it_with(make: Any) -> None:
    model = make()
    data: Any = [X, np.ones_like(X)] if make is masked else X
    history = model.fit(data, metrics=["mean_squared_error", "r2"], validation_data=(data, None),
                        **FIT)
    wanted = np.mean((X - model.predict(X if make is not masked else data))**2)
    assert history["mean_squared_error"][-1] == pytest.approx(wanted, rel=1e-5)
    assert history["val_mean_squared_error"][-1] == pytest.approx(wanted, rel=1e-5)


def test_cross_validation_of_an_autoencoder_has_the_measure_of_any_other_model() -> None:
    found = sb.cross_validate(plain(), X, grid={"lam": [0.0, 0.1]}, folds=3, **FIT)
    assert found.metric == "mean_squared_error"
    assert (found.scores > 0).all()


def pairwise() -> Any:
    x = sb.data("x", N, 5)
    out = code(x)
    return sb.Model(x, None, out, sb.losses.squared_error(out.sum(1), x.sum(1)))


def two() -> Any:
    x, u = sb.data("x", N, 5), sb.data("u", N, 5)
    out = code(x)
    return sb.Model([x, u], None, out, sb.losses.squared_error(out, x)
                    + sb.losses.squared_error(out, u))


@pytest.mark.parametrize(("make", "data"), [(pairwise, X), (two, [X, X])])
def test_where_the_loss_compares_with_no_single_tensor_what_to_write_is_said(
        make: Any, data: Any) -> None:
    with pytest.raises(TrainingError, match=r"no single tensor.*metric=\"loss\""):
        make().fit(data, metrics=["r2"], **FIT)
    with pytest.raises(TrainingError, match="metric=\"loss\""):
        sb.cross_validate(make(), data, grid={"epochs": [1, 2]}, folds=3,
                          optimizer=FIT["optimizer"])
