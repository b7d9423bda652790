"""A dense layer is activation(x @ W + b), whatever way the activation is given."""

from typing import Any

import numpy as np
import pytest
import sympy
from scipy import special

import symbackprop as sb
from symbackprop.arrays import mapped
from symbackprop.errors import DeclarationError
from symbackprop.interpreter import evaluate
from symbackprop.penalties import weights

N = sb.size("N")


def swish(t: Any) -> Any:
    return t * sb.sigmoid(t)


def elu(t: Any) -> Any:
    return sympy.Piecewise((t, t > 0), (sympy.exp(t) - 1, True))


ACTIVATIONS: list[tuple[Any, Any]] = [
    (None, lambda t: t),
    ("identity", lambda t: t),
    ("relu", lambda t: np.maximum(t, 0)),
    ("leaky_relu", lambda t: np.where(t > 0, t, 0.1 * t)),
    ("tanh", np.tanh),
    ("sigmoid", special.expit),
    ("softplus", lambda t: np.logaddexp(0, t)),
    ("softmax", lambda t: special.softmax(t, axis=-1)),
    (sb.tanh, np.tanh),
    (sb.softmax, lambda t: special.softmax(t, axis=-1)),
    (sb.log_softmax, lambda t: special.log_softmax(t, axis=-1)),
    (sympy.tanh, np.tanh),
    (swish, lambda t: t * special.expit(t)),
    (elu, lambda t: np.where(t > 0, t, np.expm1(t))),
]


@pytest.mark.parametrize(("activation", "expected"), ACTIVATIONS, ids=range(len(ACTIVATIONS)))
def test_dense_is_the_activation_of_an_affine_map(activation: Any, expected: Any) -> None:
    random = np.random.default_rng(0)
    x = sb.data("x", N, 4)
    h = sb.layers.dense(x, 3, activation)
    program = sb.program(h)
    sb.verify(program)
    X, W, b = random.normal(size=(5, 4)), random.normal(size=(4, 3)), random.normal(size=3)
    found = evaluate(program, {"x": X, "W1": W, "b1": b})[h]
    np.testing.assert_allclose(found, expected(X @ W + b), rtol=1e-12)


def test_names_are_given_per_program_in_order() -> None:
    x = sb.data("x", N, 4)
    sb.layers.dense(x, 7, "relu")  # belongs to no program below
    for _ in range(2):
        p = sb.layers.dense(sb.layers.dense(x, 3, "tanh"), 2, "softmax")
        assert str(sb.program(p)).splitlines() == [
            "z1[n,j] = Σ_i x[n,i]·W1[i,j] + b1[j]",
            "h1[n,j] = tanh(z1[n,j])",
            "z2[n,k] = Σ_j h1[n,j]·W2[j,k] + b2[k]",
            "p1[n,k] = exp(z2[n,k])/(Σ_k exp(z2[n,k]))",
        ]


def test_a_layer_without_bias_makes_weights_only() -> None:
    x = sb.data("x", N, 4)
    program = sb.program(sb.layers.dense(x, 3, bias=False))
    assert [program.names[t] for t in program.inputs] == ["x", "W1"]


def test_a_bias_has_the_number_of_its_weights_also_after_a_layer_without_one() -> None:
    h = sb.layers.dense(sb.data("x", N, 4), 3, "tanh", bias=False)
    program = sb.program(sb.layers.dense(sb.layers.dense(h, 3), 2))
    assert [program.names[t] for t in program.inputs] == ["x", "W1", "W2", "b2", "W3", "b3"]
    taken = sb.program((sb.layers.dense(h, 2) + sb.parameter("b2", 2)).sum())
    assert [taken.names[t] for t in taken.inputs] == ["x", "W1", "W2", "b1", "b2"]


def test_twenty_layers_never_run_out_of_letters() -> None:
    h = sb.data("x", N, 4)
    for _ in range(20):
        h = sb.layers.dense(h, 4, "tanh")
    sb.verify(sb.program(h))


def test_leading_axes_are_kept_and_widths_may_be_sizes() -> None:
    x = sb.data("x", N, 7, 4)
    width = sb.size("H")
    assert sb.layers.dense(x, 3, "relu").shape == (N, 7, 3)
    assert sb.layers.dense(x, width, "relu").shape == (N, 7, width)
    assert sb.layers.dense(sb.data("v", 4), np.int64(3)).shape == (3,)


def test_an_activation_in_cases_keeps_its_cases_inside_of_sums_of_sums() -> None:
    x, W = sb.data("x", N, 4), sb.parameter("W", 4, 3)
    cases = mapped(lambda t: sympy.Piecewise((t, t > 0), (sympy.exp(t) - 1, True)), x @ W)
    rng = np.random.default_rng(0)
    given = {"x": rng.normal(size=(5, 4)), "W": rng.normal(size=(4, 3))}
    z = given["x"] @ given["W"]
    expected = (np.where(z > 0, z, np.expm1(z)).sum(axis=1)**2).sum()
    program = sb.program((cases.sum(axis=1)**2).sum())
    sb.verify(program)
    np.testing.assert_allclose(sb.evaluate(program, given)[program.outputs[0]], expected)


def test_a_learned_slope_is_one_more_parameter() -> None:
    x, alpha = sb.data("x", N, 4), sb.parameter("alpha")
    h = sb.layers.dense(x, 3, lambda t: sympy.Max(0, t) + alpha * sympy.Min(0, t))
    assert alpha.tensor in sb.program(h).inputs


def test_a_folded_bias_is_the_last_row_of_the_weights() -> None:
    program = sb.program(sb.layers.dense(sb.data("x", N, 4), 3, bias="folded"))
    assert str(program).splitlines() == [
        "x1[n,j] = Σ_i x[n,i]·[i = j] + [j = 4]",
        "z1[n,k] = Σ_j x1[n,j]·W1[j,k]",
    ]
    assert program["W1"].axes == (5, 3)


def test_one_weight_in_two_layers_is_one_parameter_whose_gradients_add_up() -> None:
    x, V = sb.data("x", N, 3), sb.parameter("V", 3, 3)
    h = sb.layers.dense(sb.layers.dense(x, weight=V, bias=False), 3, weight=V, bias=False)
    program = sb.program(h.sum())
    assert [program.names[t] for t in program.inputs] == ["x", "V"]
    d = sb.derive(h.sum())
    given = {"x": np.ones((2, 3)), "V": np.diag([1.0, 2, 3])}
    found = evaluate(sb.program(d[V]), given)[d[V]]
    x_, W, one = given["x"], given["V"], np.ones((2, 3))
    np.testing.assert_allclose(found, (x_ @ W).T @ one + x_.T @ (one @ W.T))


def test_the_gradient_of_an_embedding_adds_up_rows_that_were_chosen() -> None:
    w = sb.data("w", N, facts=[sb.label(4)])
    h = sb.layers.embedding(w, 2)
    c = sb.data("c", N, 2)
    d = sb.derive((h*c).sum())
    C = np.arange(6.0).reshape(3, 2)
    found = evaluate(sb.program(d["E1"]), {"w": np.array([1, 3, 1]), "c": C})[d["E1"]]
    np.testing.assert_array_equal(found, [[0, 0], C[0] + C[2], [0, 0], C[1]])


def test_penalties_are_of_kernels_and_embeddings_not_of_scales_and_slopes() -> None:
    w = sb.data("w", N, 6, facts=[sb.label(4)])
    e = sb.layers.embedding(w, 3)
    h = sb.layers.layer_norm(sb.layers.convolution(e, 2, 2, sb.prelu), shift=False)
    h = sb.layers.maxout(sb.layers.flatten(h), 2)
    found = [t.hint for t in weights(sb.program(h.sum()))]
    assert found == ["E", "W", "W"]


x = sb.data("x", N, 4)
REFUSED: list[tuple[Any, str]] = [
    (lambda: sb.layers.dense(x, 3, "tahn"),
     "there is no activation 'tahn'; known are elu, gelu, gelu_tanh, hard_sigmoid, "
     "hard_swish, hard_tanh, identity, leaky_relu, log_softmax, prelu, relu, selu, sigmoid, silu, "
     "softmax, softplus, tanh; any other is given as a function"),
    (lambda: sb.layers.dense(x, 3, 5), "an activation is a name or a function, not 5"),
    (lambda: sb.layers.dense(x, 0), "the width must be a positive int or a size, not 0"),
    (lambda: sb.layers.dense(x, 2.5), "not 2.5"),
    (lambda: sb.layers.dense(x, True), "not True"),
    (lambda: sb.layers.dense(3, 3), "the input must be a tensor of rank 1 or more, not 3"),
    (lambda: sb.layers.dense(x, 3, lambda t: t > 0), "which is no scalar"),
    (lambda: sb.layers.dense(x, 3, lambda t: "t"), "'t', which is no scalar"),
    (lambda: sb.layers.dense(x, 3, lambda t: [t]), "which is no scalar"),
    (lambda: sb.layers.dense(x, 3, np.tanh), "the activation tanh takes no SymPy scalar .*NumPy"),
    (lambda: sb.layers.dense(x, 3, sb.maximum), "the activation maximum takes no SymPy scalar"),
    (lambda: sb.layers.dense(x, 3, lambda: 1), "takes 0 positional arguments"),
    (lambda: sb.layers.dense(x, 3, lambda t: sb.softmax(t)), "runs along an axis of a tensor"),
    (lambda: sb.layers.dense(x), "the width must be a positive int or a size, not None"),
    (lambda: sb.layers.dense(x, 3, bias="fold"),
     'dense: the bias is True, False, "folded" or a tensor of shape .3,., not \'fold\''),
    (lambda: sb.layers.maxout(x, 3, bias="fold"), "the bias is True, False or a tensor of shape"),
    (lambda: sb.layers.layer_norm(x, axis=0), "layer_norm: axis 0 has N entries, known in a call"),
    (lambda: sb.layers.layer_norm(x, axis=(0, 1), shift=False), "layer_norm: axis 0 has N entries"),
    (lambda: sb.prelu(x, axis=0), "prelu: axis 0 has N entries, known in a call only"),
    (lambda: sb.layers.dense(x, 3, weight=sb.parameter("V", 3, 4)),
     r"the weight must be a tensor of shape \(4, 3\), not V of shape \(3, 4\), declared at .*py:"),
    (lambda: sb.layers.dense(x, 3, weight=np.ones((4, 3))), "not array"),
    (lambda: sb.layers.dense(sb.data("s"), 3), "must be a tensor of rank 1 or more"),
    (lambda: sb.layers.maxout(x, 3, pieces=0), "the number of pieces must be a positive int"),
    (lambda: sb.layers.embedding(x, 3), r"must be integer data, not x of shape .*sb.label"),
    (lambda: sb.layers.embedding("w", 3), "must be integer data, not 'w'"),
    (lambda: sb.layers.embedding(sb.data("w", N, facts=[sb.label(5)])), "width must be a positive"),
    (lambda: sb.layers.layer_norm(x, axis=2), "there is no axis 2"),
    (lambda: sb.layers.layer_norm(x, axis=()), "name one axis or more"),
    (lambda: sb.layers.layer_norm(x, epsilon=0), "epsilon must be a number above 0, not 0"),
    (lambda: sb.layers.layer_norm(x, epsilon=float("nan")), "above 0, not nan"),
    (lambda: sb.prelu(3), "prelu makes a parameter for a tensor, and 3 is none"),
    (lambda: sb.prelu(x, axis=5), "there is no axis 5"),
    (lambda: sb.elu(x, "a"), "stands in a formula"),
    (lambda: sb.layers.with_ones(3), "must be a tensor of rank 1 or more, not 3"),
    (lambda: sb.layers.dense(x, 3) + sb.layers.dense(x, 2), "do not fit"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_layer_that_makes_no_sense_is_refused(bad: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        bad()


@pytest.mark.parametrize("layer", [sb.layers.layer_norm, sb.layers.batch_norm])
def test_what_normalising_layers_learn_is_called_as_it_is_asked_for(layer: Any) -> None:
    x = sb.data("x", sb.size("N"), 3)

    def learned(**asked: bool) -> list[str]:
        whole = sb.program(layer(x, **asked))
        return [whole.names[t] for t in whole.inputs if t.role == "parameter"]

    assert learned() == ["scale1", "shift1"]
    assert (learned(scale=False), learned(shift=False)) == (["shift1"], ["scale1"])
