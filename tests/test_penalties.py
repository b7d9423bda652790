"""A penalty is λ Σ f(w) over the tensors it names, or over all weights and no biases."""

import copy
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Sum, tanh

import symbackprop as sb
from symbackprop.errors import DeclarationError
from symbackprop.interpreter import evaluate
from symbackprop.pending import weights

N = sb.size("N")
n, i, j, k = sb.indices("n i j k", N, 4, 3, 2)


def network() -> Any:
    x, y = sb.data("x", N, 4), sb.data("y", N, 2)
    return sb.losses.squared_error(sb.layers.dense(sb.layers.dense(x, 3, "tanh"), 2), y)


def penalty_of(loss: Any) -> tuple[float, dict[str, np.ndarray]]:
    """The value of the penalty alone, and the values that it was computed from."""
    random = np.random.default_rng(0)
    program = sb.program(loss)
    sb.verify(program)
    values = {}
    for tensor in program.inputs:
        shape = [5 if e == N else int(e) for e in tensor.axes]
        given = random.normal(size=shape)
        values[program.names[tensor]] = given if tensor.default is None else tensor.default
    bare = sb.program(network())
    used = {name: values[name] for name in (bare.names[t] for t in bare.inputs)}
    total = evaluate(program, values)[program.outputs[0]]
    return float(total - evaluate(bare, used)[bare.outputs[0]]), values


PENALTIES: list[tuple[Any, Any]] = [
    (lambda: sb.penalties.l2(0.1), lambda W1, W2, b1: 0.1 * ((W1**2).sum() + (W2**2).sum())),
    (lambda: sb.penalties.l1(0.1), lambda W1, W2, b1: 0.1 * (abs(W1).sum() + abs(W2).sum())),
    (lambda: sb.penalties.elastic_net(0.1, 3),
     lambda W1, W2, b1: sum(0.1 * abs(W).sum() + 3 * (W**2).sum() for W in (W1, W2))),
    (lambda: sb.penalties.l2(2, "W2", "b1"), lambda W1, W2, b1: 2 * (W2**2).sum() + 2 * b1 @ b1),
    (lambda: sb.penalties.elementwise(0.5, lambda w: abs(w) ** 3, "W1"),
     lambda W1, W2, b1: 0.5 * (abs(W1) ** 3).sum()),
    (lambda: 2 * sb.penalties.l2(0.1) + sb.penalties.l1(0.2) / 3 - sb.penalties.l1(0.5, "b1"),
     lambda W1, W2, b1: sum(0.2 * (W**2).sum() + 0.2 / 3 * abs(W).sum() for W in (W1, W2))
     - 0.5 * abs(b1).sum()),
]


@pytest.mark.parametrize(("penalty", "expected"), PENALTIES, ids=range(len(PENALTIES)))
def test_a_penalty_is_a_plain_sum_over_its_tensors(penalty: Any, expected: Any) -> None:
    found, values = penalty_of(network() + penalty())
    wanted = expected(values["W1"], values["W2"], values["b1"])
    assert found == pytest.approx(wanted, rel=1e-9)


def test_a_number_becomes_a_hyper_with_that_default() -> None:
    program = sb.program(network() + sb.penalties.l2(1e-4))
    (hyper,) = [t for t in program.inputs if t.role == "hyper"]
    assert (program.names[hyper], hyper.default) == ("lam", 1e-4)


def test_hypers_of_several_penalties_have_names_of_their_own() -> None:
    program = sb.program(network() + sb.penalties.elastic_net(1e-3, 1e-4) + sb.penalties.l2(1))
    names = [program.names[t] for t in program.inputs if t.role == "hyper"]
    assert len(set(names)) == 3
    assert all(name.startswith("lam") for name in names)


def test_a_loss_with_a_penalty_has_deep_copies() -> None:
    loss = network() + sb.penalties.l2(0.5)
    assert copy.deepcopy(loss) == loss
    assert str(sb.program(copy.copy(loss))) == str(sb.program(loss))


def test_a_hyper_of_the_user_is_kept() -> None:
    lam = sb.hyper("λ", 0.1)
    program = sb.program(network() + sb.penalties.l2(lam) + sb.penalties.l1(lam / 2))
    assert [program.names[t] for t in program.inputs if t.role == "hyper"] == ["λ"]


def test_tensors_may_be_given_themselves_and_mixed_with_names() -> None:
    x, V, b = sb.data("x", N, 4), sb.parameter("V", 4, 2), sb.parameter("b", 2)
    loss = sb.losses.squared_error(x @ V + b, sb.data("y", N, 2))
    for penalty in (sb.penalties.l2(1, V, b), sb.penalties.l2(1, "V", b)):
        text = str(sb.program(loss + penalty))
        assert "V[i,j]²" in text
        assert "b[" in text.rpartition("lam")[2]


def test_a_penalty_inside_a_definition_is_resolved_too() -> None:
    loss = sb.define("L", (), network() + sb.penalties.l2(0.1))
    assert "W2[j,k]²" in str(sb.program(loss))


def test_a_loss_written_as_one_expression_has_weights() -> None:
    x, w = sb.data("x", n, i), sb.parameter("w", i)
    loss = Sum(x[n, i] * w[i], n, i) + sb.penalties.l2(0.1)
    assert "w[i]²" in str(sb.program(loss))


def _weights(output: Any) -> list[str | None]:
    return [t.name for t in weights(sb.program(output))]


def test_weights_stand_in_a_product_inside_a_sum_over_their_own_index() -> None:
    x, m = sb.data("x", n, i), sb.data("m", i, j)
    w, W, b, g = (sb.parameter("w", i), sb.parameter("W", i, j), sb.parameter("b", j),
                  sb.parameter("g", j))
    assert _weights(sb.define("z", (n,), Sum(x[n, i] * w[i], i))) == ["w"]
    assert _weights(sb.define("z", (n, j), g[j] * Sum(x[n, i] * W[i, j], i) + b[j])) == ["W"]
    assert _weights(sb.define("z", (n, j), tanh(Sum(x[n, i] * W[i, j] * m[i, j], i)))) == ["W"]
    assert _weights(sb.define("z", (), Sum(b[j] ** 2, j) + Sum(b[j] / N, j))) == []
    assert _weights(sb.define("z", (j,), Sum(x[n, i] * b[j], n, i))) == []


def test_weights_are_seen_through_the_temporaries_of_array_notation() -> None:
    x, m = sb.data("x", N, 4), sb.data("m", 4, 3)
    W, g, V = sb.parameter("W", 4, 3), sb.parameter("g", 3), sb.parameter("V", 3, 2)
    assert _weights(x @ W) == ["W"]
    assert _weights(W.T @ x.T) == ["W"]
    assert _weights(x @ (W * m)) == ["W"]
    assert _weights(-W.T @ x.T) == ["W"]
    assert _weights((sb.tanh(x @ W) * g) @ V) == ["W", "V"]


V = sb.parameter("V", 4, 2)
REFUSED: list[tuple[Any, str]] = [
    (lambda: sb.penalties.l2(V), "the strength of a penalty comes first"),
    (lambda: sb.penalties.l2("W1"), "the strength of a penalty comes first"),
    (lambda: sb.penalties.l1("W1"), r"not 'W1'; write sb\.penalties\.l1\(1e-4, …\)"),
    (lambda: sb.penalties.l2(0.1, 3), "takes a strength and then tensors or their names, not 3"),
    (lambda: sb.penalties.l2(float("nan")), "a finite real number, not nan"),
    (lambda: sb.penalties.l2(10**400), "a finite real number"),
    (lambda: sb.penalties.l1(sympy.I), "a finite real number"),
    (lambda: sb.penalties.l1(True), "True"),
    (lambda: sb.penalties.huber(0.1, -1, V), "δ of a Huber penalty is a number above 0, not -1"),
    (lambda: sb.penalties.huber(0.1, 0), "a number above 0, not 0"),
    (lambda: sb.penalties.elementwise(0.1, lambda w: w > 0, V), "must give a scalar"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_penalty_that_makes_no_sense_is_refused(bad: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        bad()
