"""Losses are means over the first axis of sums over the others, of equal shapes."""

from typing import Any

import numpy as np
import pytest
import sympy
from scipy import special
from sklearn.metrics import log_loss

import symbackprop as sb
from symbackprop.errors import DeclarationError
from symbackprop.interpreter import evaluate

N = sb.size("N")
FORMULAS: list[tuple[Any, Any]] = [
    (sb.losses.squared_error, lambda p, y: (p - y) ** 2),
    (sb.losses.absolute_error, lambda p, y: np.abs(p - y)),
    (sb.losses.cross_entropy, lambda p, y: -y * np.log(p)),
    (sb.losses.binary_cross_entropy, lambda p, y: -(y * np.log(p) + (1 - y) * np.log(1 - p))),
]


@pytest.mark.parametrize("shape", [(N,), (N, 3), (N, 3, 2), (4, 3)], ids=str)
@pytest.mark.parametrize(("loss", "each"), FORMULAS, ids=[loss.__name__ for loss, _ in FORMULAS])
def test_a_loss_is_the_mean_over_samples_of_the_sum_over_outputs(
    loss: Any, each: Any, shape: tuple[Any, ...]
) -> None:
    random = np.random.default_rng(0)
    extents = [5 if e == N else e for e in shape]
    p, y = random.uniform(0.1, 0.9, extents), random.uniform(0.1, 0.9, extents)
    program = sb.program(loss(sb.data("p", *shape), sb.data("y", *shape)))
    sb.verify(program)
    found = evaluate(program, {"p": p, "y": y})[program.outputs[0]]
    np.testing.assert_allclose(found, each(p, y).sum() / extents[0], rtol=1e-12)


@pytest.mark.parametrize("shape", [(N,), (N, 4)], ids=str)
def test_cross_entropy_takes_integer_labels(shape: tuple[Any, ...]) -> None:
    random = np.random.default_rng(0)
    extents = [5 if e == N else e for e in shape]
    P = random.uniform(0.1, 0.9, (*extents, 3))
    Y = random.integers(0, 3, extents)
    p, y = sb.data("p", *shape, 3), sb.data("y", *shape, facts=[sb.label(3)])
    program = sb.program(sb.losses.cross_entropy(p, y))
    sb.verify(program)
    expected = -np.log(np.take_along_axis(P, Y[..., None], -1)).sum() / 5
    np.testing.assert_allclose(evaluate(program, {"p": P, "y": Y})[program.outputs[0]], expected)


def test_a_vector_of_class_probabilities_is_one_sample() -> None:
    p, y = sb.data("p", 4), sb.data("y", 4, facts=["one_hot"])
    assert str(sb.program(sb.losses.cross_entropy(p, y))) == "L = −(Σ_i y[i]·log(p[i]))"


def test_scalars_have_a_loss_of_one_sample() -> None:
    o, y = sb.parameter("o"), sb.data("y")
    assert sb.losses.squared_error(o, y) == (o - y) ** 2
    assert sb.losses.absolute_error(o, 2) == sympy.Abs(o - 2)


def test_a_loss_is_a_sympy_symbol_and_the_program_calls_the_total_L() -> None:
    p, y = sb.data("p", N, 3), sb.data("y", N, 3)
    loss = sb.losses.squared_error(p, y)
    assert isinstance(loss, sympy.Symbol)
    total = sb.program(2 * loss + sb.losses.absolute_error(p, y))
    assert [total.names[d.target] for d in total] == ["L"]


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_cross_entropies_of_logits_neither_overflow_nor_cancel(size: float) -> None:
    z, y = sb.parameter("z", 2, 2), sb.data("y", 2, 2, facts=["one_hot"])
    for loss in (sb.losses.cross_entropy, sb.losses.binary_cross_entropy):
        d = sb.derive(loss(z, y, logits=True))
        given = {"z": size*np.array([[1.0, -1], [-1, 1]]), "y": np.eye(2)[[0, 0]]}
        kernel = sb.compile([d.loss, d[z]], dtype="float64")
        value, gradient = kernel(**given)
        own = special.log_softmax(given["z"], axis=1) if loss is sb.losses.cross_entropy else None
        if own is not None:
            np.testing.assert_allclose(value, -(given["y"]*own).sum()/2, rtol=1e-14)
            expected = (special.softmax(given["z"], axis=1) - given["y"])/2
        else:
            t = np.where(given["y"] == 1, given["z"], -given["z"])
            np.testing.assert_allclose(value, np.logaddexp(0, -t).sum()/2, rtol=1e-14)
            expected = (special.expit(given["z"]) - given["y"])/2
        np.testing.assert_allclose(gradient, expected, rtol=1e-13, atol=1e-300)


def test_weights_of_one_change_nothing() -> None:
    p, y = sb.data("p", N, 3), sb.data("y", N, 3, facts=["one_hot"])
    rng = np.random.default_rng(0)
    given = {"p": rng.uniform(0.1, 0.9, (5, 3)), "y": np.eye(3)[[0, 2, 1, 1, 0]]}
    plain = sb.program(sb.losses.cross_entropy(p, y))
    weighed = sb.program(sb.losses.cross_entropy(
        p, y, class_weights=np.ones(3), sample_weights=sb.data("w", N)))
    expected = evaluate(plain, given)[plain.outputs[0]]
    found = evaluate(weighed, {**given, "w": np.ones(5)})[weighed.outputs[0]]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_class_weights_may_be_a_dict_from_classes_to_numbers() -> None:
    p, y = sb.data("p", N, 3), sb.data("y", N, 3, facts=["one_hot"])
    listed, named = (str(sb.program(sb.losses.cross_entropy(p, y, class_weights=weights)))
                     for weights in ([1, 3, 0.5], {2: 0.5, 0: 1, 1: 3}))
    assert listed == named


def test_a_hyper_in_a_loss_can_be_changed() -> None:
    o, y, delta = sb.data("o", N), sb.data("y", N), sb.hyper("delta", 1)
    program = sb.program(sb.losses.huber(o, y, delta))
    given = {"o": np.array([3.0]), "y": np.zeros(1)}
    for value, expected in ((1, 2.5), (4, 4.5)):
        assert evaluate(program, {**given, "delta": value})[program.outputs[0]] == expected


def test_losses_of_several_outputs_are_weighted_and_summed() -> None:
    a, b = sb.data("a", N), sb.data("b", N, 2)
    y, u = sb.data("y", N), sb.data("u", N, 2)
    loss = 0.25*sb.losses.squared_error(a, y) + 2*sb.losses.absolute_error(b, u)
    program = sb.program(loss)
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=shape) for name, shape in
             (("a", 5), ("b", (5, 2)), ("y", 5), ("u", (5, 2)))}
    expected = (0.25*((given["a"] - given["y"])**2).mean()
                + 2*abs(given["b"] - given["u"]).sum(axis=1).mean())
    np.testing.assert_allclose(evaluate(program, given)[program.outputs[0]], expected, rtol=1e-14)


p, y = sb.data("p", N, 3), sb.data("y", N)
REFUSED: list[tuple[Any, str]] = [
    (lambda: sb.losses.squared_error(p, y),
     r"p of shape \(N, 3\), declared at .*test_losses.py:\d+, the target y of shape \(N\)"),
    (lambda: sb.losses.squared_error(p, sb.data("q", N, 1)), "nothing is broadcast in a loss"),
    (lambda: sb.losses.absolute_error(p, 1), "the target the scalar 1"),
    (lambda: sb.losses.binary_cross_entropy(sb.data("M", sb.size("M")), y), "equal shapes"),
    (lambda: sb.losses.cross_entropy(p, y), r"declare integer labels with facts=\[sb.label\(3\)\]"),
    (lambda: sb.losses.cross_entropy(p, sb.data("l", N, 3, facts=[sb.label(3)])),
     r"without its last axis, \(N,\)"),
    (lambda: sb.losses.squared_error(np.ones(3), p), "declare arrays with sb.data"),
    (lambda: sb.losses.squared_error("p", p), "stands in a formula"),
    (lambda: sb.losses.huber(p, p, 0), "huber: delta must be a number above 0, not 0"),
    (lambda: sb.losses.huber(p, p, "1"), "huber: delta is a number or a hyper, not '1'"),
    (lambda: sb.losses.huber(p, p, float("nan")), "huber: delta must be a number above 0, not nan"),
    (lambda: sb.losses.hinge(p, p, -1), "margin must be a number of at least 0, not -1"),
    (lambda: sb.losses.credit_risk(p, p, -1), "strength must be a number of at least 0, not -1"),
    (lambda: sb.losses.quantile(p, p, 1), "quantile: tau must lie between 0 and 1, not 1"),
    (lambda: sb.losses.quantile(p, y), "nothing is broadcast in a loss"),
    (lambda: sb.losses.squared_error(p, p, sample_weights=p), "one number for each sample"),
    (lambda: sb.losses.squared_error(p, p, sample_weights=[1, 2]), r"samples; found \[1, 2\]"),
    (lambda: sb.losses.squared_error(1, 2, sample_weights=y), "are one sample"),
    (lambda: sb.losses.cross_entropy(p, p, smoothing=1), "from 0 to below 1, not 1"),
    (lambda: sb.losses.cross_entropy(p, p, class_weights=[1, 2]), r"the 3 classes, not \[1, 2\]"),
    (lambda: sb.losses.cross_entropy(p, p, class_weights=[1, 2, -1]), "of at least 0"),
    (lambda: sb.losses.cross_entropy(p, p, class_weights=y), r"or a tensor of shape \(3,\), not y"),
    (lambda: sb.losses.cross_entropy(p, p, class_weights="abc"), "not 'abc'"),
    (lambda: sb.losses.cross_entropy(p, p, class_weights={1: 1, 2: 1, 3: 1}), "not {1: 1, 2"),
    (lambda: sb.losses.binary_cross_entropy(p, p, class_weights=[1]), "of the 2 classes"),
    (lambda: sb.losses.hinge(p, sb.data("l", N, facts=[sb.label(2)])),
     "name 2 classes, but the last axis of p of shape .* has 3"),
    (lambda: sb.losses.hinge(p, y), "hinge: prediction and target need equal shapes"),
    (lambda: sb.losses.hinge(p, p, margin=p), "the margin is a number or a hyper, not p of shape"),
    (lambda: sb.losses.elementwise(p, p, 3), "is a function of prediction and target, not 3"),
    (lambda: sb.losses.elementwise(p, p, lambda a, b: a > b), "which is no scalar"),
    (lambda: sb.losses.elementwise(p, p, lambda a: a), "takes 1 positional argument but 2"),
    (lambda: sb.losses.elementwise(p, p, np.tanh), "with functions of sb or SymPy, not NumPy"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED, ids=range(len(REFUSED)))
def test_shapes_that_differ_are_refused(bad: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        bad()


@pytest.mark.parametrize("hot", [True, False])
def test_class_weights_are_not_divided_out(hot: bool) -> None:
    """scikit-learn's log_loss is the mean that divides by the sum of the weights, as in torch."""
    random, c = np.random.default_rng(0), np.array([0.5, 2.0, 7.0])
    P, Y = random.dirichlet(np.ones(3), 8), random.integers(0, 3, 8)
    p = sb.data("p", N, 3)
    y = sb.data("y", N, 3, facts=["one_hot"]) if hot else sb.data("y", N, facts=[sb.label(3)])
    program = sb.program(sb.losses.cross_entropy(p, y, class_weights=c))
    found = evaluate(program, {"p": P, "y": np.eye(3)[Y] if hot else Y})[program.outputs[0]]
    np.testing.assert_allclose(found, (c[Y] * -np.log(P[np.arange(8), Y])).sum() / 8)
    np.testing.assert_allclose(found * 8 / c[Y].sum(), log_loss(Y, P, sample_weight=c[Y]))


def test_a_weight_of_the_class_1_is_what_torch_calls_pos_weight() -> None:
    random = np.random.default_rng(0)
    Z, Y = random.normal(size=8), random.integers(0, 2, 8)
    z, y = sb.data("z", N), sb.data("y", N)
    program = sb.program(sb.losses.binary_cross_entropy(z, y, logits=True, class_weights=[1, 5]))
    found = evaluate(program, {"z": Z, "y": Y})[program.outputs[0]]
    np.testing.assert_allclose(found, np.mean(5*Y*np.logaddexp(0, -Z) + (1 - Y)*np.logaddexp(0, Z)))
