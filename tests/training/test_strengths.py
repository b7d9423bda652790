"""Strengths: what leaves no distribution or a range, or divides by 0, is refused in time."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Piecewise, Sum

import symbackprop as sb
from symbackprop.training import Model

N = sb.size("N")


def dropped(rate: Any) -> Model:
    x, y = sb.data("x", N, 4), sb.data("y", N, 1)
    o = sb.layers.dense(sb.layers.dropout(x, rate), 1)
    return Model(inputs=x, targets=y, output=o, loss=sb.losses.squared_error(o, y))


STRENGTHS = [
    (1.5, r"the noise m1 \(declared at .*\) is bernoulli\(-0.5\) where drop = 1.5"),
    (1.0, r"h1 \(declared at .*\) divides by 1 − drop, which is 0 where drop = 1"),
    (-0.5, "expected a probability from 0 to 1"),
]


@pytest.mark.parametrize(("set_to", "words"), STRENGTHS)
def test_a_strength_that_makes_no_distribution_is_refused_where_it_is_set(
        set_to: float, words: str) -> None:
    model = dropped(0.25)
    for change in (lambda: model.hypers.update({"drop": set_to}),
                   lambda: sb.cross_validate(model, np.ones((3, 4)), np.ones(3), folds=3,
                                             grid={"drop": [0.5, set_to]})):
        with pytest.raises(sb.InputError, match=f"the hyper drop cannot be {set_to:g}: .*{words}"):
            change()
        assert model.hypers["drop"] == 0.25
    assert not model.kernels
    model.hypers["drop"] = 0
    assert np.isfinite(model.fit(np.ones((3, 4)), np.ones(3), epochs=1)["loss"]).all()


@pytest.mark.parametrize(("set_to", "words"), STRENGTHS)
def test_a_strength_that_was_declared_so_is_refused_before_a_fit(set_to: float, words: str) -> None:
    model = dropped(sb.hyper("drop", set_to))
    before = model.parameters["W1"].copy()
    for run in (model.fit, model.find_rate):
        with pytest.raises(sb.TrainingError, match=f"{words}.*; set model.hypers\\['drop'\\]"):
            run(np.ones((3, 4)), np.ones(3))
    np.testing.assert_array_equal(model.parameters["W1"], before)
    assert "fit" not in model.kernels


def test_what_two_hypers_decide_together_is_refused_before_a_fit() -> None:
    x, u = sb.data("x", N, 3), sb.noise("u", 3, distribution=sb.uniform(0, 1))
    W = sb.parameter("W", 3)
    model = Model(inputs=x, loss=((x*u*W)**2).sum())
    model.hypers["low"] = 2  # above high, until high is set
    with pytest.raises(sb.TrainingError, match=r"uniform\(2, 1\) where low = 2, high = 1"):
        model.fit(np.ones((3, 3)))
    model.hypers["high"] = 3
    assert np.isfinite(model.fit(np.ones((3, 3)), epochs=1)["loss"]).all()


def test_a_division_that_a_case_keeps_from_0_is_none() -> None:
    x, width = sb.data("x", N), sb.hyper("width", 0.0)
    (n,) = x.letters
    W = sb.parameter("W")
    case = Piecewise((x[n]*W/width, width > 0), (x[n]*W, True))
    model = Model(inputs=x, loss=sb.define("L", (), Sum(case**2, n)))
    assert np.isfinite(model.fit(np.ones(3), epochs=1)["loss"]).all()


def normed(momentum: Any = 0.1, epsilon: Any = 1e-3, penalty: Any = 0) -> Model:
    x, y = sb.data("x", N, 4), sb.data("y", N, 1)
    o = sb.layers.dense(sb.layers.batch_norm(x, momentum=momentum, epsilon=epsilon), 1)
    return Model(inputs=x, targets=y, output=o, loss=sb.losses.squared_error(o, y) + penalty)


RANGES = [
    ("momentum", 2, r"std1 \(declared at .*\) needs momentum = 2 to be a number from 0 to 1"),
    ("momentum", -0.1, "a number from 0 to 1"),
    ("epsilon", -1, "needs epsilon = -1 to be a number of at least 0"),
    ("delta", 0, r"delta \(declared at .*\) needs delta = 0 to be a number above 0"),
]


@pytest.mark.parametrize(("name", "value", "words"), RANGES)
def test_a_number_that_became_a_hyper_keeps_its_range_in_copies_and_files_too(
        name: str, value: float, words: str, tmp_path: Path) -> None:
    model = normed(penalty=sb.penalties.huber(0.1, 1))
    before = model.hypers[name]
    model.save(tmp_path / "model.safetensors")
    for one in (model, deepcopy(model), Model.load(tmp_path / "model.safetensors")):
        with pytest.raises(sb.InputError, match=f"the hyper {name} cannot be {value:g}: .*{words}"):
            one.hypers[name] = value
        assert one.hypers[name] == before
    with pytest.raises(sb.InputError, match=words):
        sb.cross_validate(model, np.ones((6, 4)), np.ones(6), folds=2,
                          grid={f"hypers.{name}": [1.0, value]})


def test_a_hyper_of_the_user_keeps_the_range_of_the_layer_in_this_model_only() -> None:
    share = sb.hyper("share", 0.5)
    model = normed(momentum=share)
    with pytest.raises(sb.InputError, match="the hyper share cannot be 1.5"):
        model.hypers["share"] = 1.5
    model.hypers["share"] = 1
    other = dropped(0.1)
    x, y = other._network.inputs[0], other._network.targets[0]
    o = sb.layers.dense(x, 1)
    free = Model(inputs=x, targets=y, output=o,
                 loss=sb.losses.squared_error(o, y) + sb.penalties.l2(share))
    free.hypers["share"] = 1.5


def test_an_expression_of_hypers_is_in_its_range_before_a_fit() -> None:
    model = normed(momentum=1 - sb.hyper("kept", -0.5)*sb.hyper("twice", 2.0))
    X, Y = np.ones((4, 4)), np.ones(4)
    with pytest.raises(sb.TrainingError, match=r"needs .* = 2 to be a number from 0 to 1, where "):
        model.fit(X, Y)
    model.hypers["kept"] = 0.25
    assert np.isfinite(model.fit(X, Y, epochs=1)["loss"]).all()
