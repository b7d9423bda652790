"""Every penalty and its gradient are those of the same formula written in JAX, in float64."""

from typing import Any

import numpy as np
import pytest
from sympy import Max, Sum, exp

import symbackprop as sb
from symbackprop.errors import DeclarationError, ProgramError
from symbackprop.interpreter import evaluate
from tests.support.jax_oracle import jax, jnp

P = sb.penalties
W, u = sb.parameter("W", 4, 3), sb.parameter("u", 5)
K = sb.parameter("K", 2, 3, 4)
cost = sb.data("cost", 4)
i, j = W.letters


def huber(w: Any, delta: float) -> Any:
    return jnp.where(abs(w) <= delta, w**2 / 2, delta * (abs(w) - delta / 2)).sum()


def norms(w: Any, axis: Any) -> Any:
    return jnp.sqrt((w**2).sum(axis)).sum()


def orthogonality(w: Any) -> Any:
    flat = w.reshape(-1, w.shape[-1])
    return ((flat.T @ flat - jnp.eye(w.shape[-1]))**2).sum()


PENALTIES: dict[str, tuple[Any, Any]] = {
    "l1": (lambda: P.l1(0.3, W, u), lambda W, u, K: 0.3 * (abs(W).sum() + abs(u).sum())),
    "l2": (lambda: P.l2(0.3, W, K), lambda W, u, K: 0.3 * ((W**2).sum() + (K**2).sum())),
    "elastic net": (lambda: P.elastic_net(0.3, 0.2, W),
                    lambda W, u, K: 0.3 * abs(W).sum() + 0.2 * (W**2).sum()),
    "by tensor": (lambda: P.l2({W: 0.3, u: 0.2}),
                  lambda W, u, K: 0.3 * (W**2).sum() + 0.2 * (u**2).sum()),
    "huber": (lambda: P.huber(0.3, 0.8, W, u),
              lambda W, u, K: 0.3 * (huber(W, 0.8) + huber(u, 0.8))),
    "group lasso": (lambda: P.group_lasso(0.3, W, u),
                    lambda W, u, K: 0.3 * (norms(W, 1) + norms(u, 0))),
    "group lasso by columns": (lambda: P.group_lasso(0.3, W, axis=0),
                               lambda W, u, K: 0.3 * norms(W, 0)),
    "group lasso of kernels": (lambda: P.group_lasso(0.3, K, axis=(0, 1)),
                               lambda W, u, K: 0.3 * norms(K, (0, 1))),
    "sparse group lasso": (lambda: P.sparse_group_lasso(0.3, 0.2, W),
                           lambda W, u, K: 0.3 * abs(W).sum() + 0.2 * norms(W, 1)),
    "orthogonality": (lambda: P.orthogonality(0.3, W), lambda W, u, K: 0.3 * orthogonality(W)),
    "orthogonality of kernels": (lambda: P.orthogonality(0.3, K),
                                 lambda W, u, K: 0.3 * orthogonality(K)),
    "smoothness": (lambda: P.smoothness(0.3, W, u), lambda W, u, K: 0.3 * (
        (jnp.diff(W, axis=1)**2).sum() + (jnp.diff(u)**2).sum())),
    "smoothness down": (lambda: P.smoothness(0.3, K, axis=1),
                        lambda W, u, K: 0.3 * (jnp.diff(K, axis=1)**2).sum()),
    "any function": (lambda: P.elementwise(0.3, lambda w: exp(-w**2), W),
                     lambda W, u, K: 0.3 * jnp.exp(-W**2).sum()),
    "business": (lambda: 0.3 * Sum(cost[i] * Max(0, W[i, j] - 1)**2, i, j),
                 lambda W, u, K: 0.3 * (COST[:, None] * jnp.maximum(0, W - 1)**2).sum()),
}
COST = np.array([1.0, -2.0, 0.5, 3.0])


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_and_its_gradient_are_those_of_jax(name: str) -> None:
    make, function = PENALTIES[name]
    random = np.random.default_rng(len(name))
    values = {"W": random.normal(size=(4, 3)), "u": random.normal(size=5),
              "K": random.normal(size=(2, 3, 4))}
    d = sb.derive(make())
    whole = sb.program([d.loss, *d.gradients.values()])
    found = evaluate(whole, {whole.names[t]: values.get(whole.names[t], t.default)
                             if t.role != "data" else COST for t in whole.inputs})
    wanted, slopes = jax.value_and_grad(lambda v: function(**v))(
        {key: jnp.asarray(array) for key, array in values.items()})
    assert found[d.loss] == pytest.approx(float(wanted), rel=1e-10)
    for tensor, gradient in d.gradients.items():
        assert found[gradient] == pytest.approx(np.asarray(slopes[tensor.name]), rel=1e-10,
                                                abs=1e-12)


def test_at_the_kink_of_a_norm_the_gradient_is_zero() -> None:
    d = sb.derive(P.group_lasso(0.3, W))
    zeros = evaluate(sb.program(d[W]), {"W": np.zeros((4, 3)), "lam": 0.3})
    assert (zeros[sb.program(d[W]).outputs[0]] == 0).all()


def network() -> Any:
    x, y = sb.data("x", sb.size("N"), 4), sb.data("y", sb.size("N"), 2)
    return sb.losses.squared_error(sb.layers.dense(sb.layers.dense(x, 3, "tanh"), 2), y)


def test_strengths_by_layer_are_hypers_of_their_own() -> None:
    program = sb.program(network() + P.l2({"W1": 1e-3, "W2": 1e-4}))
    hypers = {program.names[t]: t.default for t in program.inputs if t.role == "hyper"}
    assert sorted(hypers.values()) == [1e-4, 1e-3]
    text = str(program)
    assert "W1[i,j]²" in text
    assert "W2[j,k]²" in text


@pytest.mark.parametrize("make", [
    lambda: P.group_lasso(0.1), lambda: P.sparse_group_lasso(0.1, 0.2, axis=0),
    lambda: P.orthogonality(0.1), lambda: P.smoothness(0.1), lambda: P.huber(0.1, 1.0),
])
def test_a_penalty_that_names_nothing_acts_on_weights_and_on_no_biases(make: Any) -> None:
    text = str(sb.program(network() + make())).rpartition("L = ")[2]
    assert "W1[" in text
    assert "W2[" in text
    assert "b1[" not in text


@pytest.mark.parametrize(("bad", "kind", "message"), [
    (lambda: P.l2({}), DeclarationError, "strengths by tensor are a dict"),
    (lambda: P.l2({"W1": 1}, "W2"), DeclarationError, "with tensors beside it"),
    (lambda: P.l2({"W1": "1"}), DeclarationError, "the strength of a penalty comes first"),
    (lambda: P.l2({3: 1.0}), DeclarationError, "takes a strength and then tensors"),
    (lambda: P.l2({W: {"a": 1}}), DeclarationError, "names the tensors"),
    (lambda: P.l2({"W1": [1]}), DeclarationError, "list"),
    (lambda: P.elementwise(1, "abs", W), DeclarationError, "a function of an entry, not 'abs'"),
    (lambda: P.elementwise(1, np.exp, W), DeclarationError, "not NumPy"),
    (lambda: P.huber(1, "W1"), DeclarationError, "the width δ of a Huber penalty comes first"),
    (lambda: P.huber(1, float("inf"), W), DeclarationError, "a finite real number"),
    (lambda: P.group_lasso(1, W, axis=2), DeclarationError, "there is no axis 2"),
    (lambda: P.group_lasso(1, W, axis="rows"), DeclarationError,
     'axis must be "input" or "unit", an int'),
    (lambda: P.group_lasso(1, sb.parameter("s")), DeclarationError, "is one number"),
    (lambda: P.orthogonality(1, u), DeclarationError, "has 1 axes"),
    (lambda: P.smoothness(1, W, axis=(0, 1)), DeclarationError, "runs along one axis"),
    (lambda: P.smoothness(1, sb.parameter("s", 1)), DeclarationError, "has 1 entries"),
    (lambda: P.smoothness(1, sb.parameter("s", sb.size("M"))), DeclarationError, "has M entries"),
    (lambda: sb.program(network() + P.l1({"W9": 1})), ProgramError, "names 'W9'"),
])
def test_a_penalty_that_makes_no_sense_is_refused(bad: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        bad()
