"""derive: what it returns, how it is asked, what it refuses; formulas as on the blackboard."""

import re

import numpy as np
import pytest
import sympy
from sympy import Sum, exp, log, tanh

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.notation import Tensor

N = sb.size("N")
n, i, j, k = sb.indices("n i j k", N, 4, 3, 2)
x, y = sb.data("x", n, i), sb.data("y", n, k, facts=[sb.one_hot(k)])


def classifier() -> tuple[sympy.Expr, dict[str, Tensor]]:
    """A two-layer tanh/softmax classifier with an L2 penalty, and its tensors by name."""
    W1, b1 = sb.parameter("W1", i, j), sb.parameter("b1", j)
    W2, b2 = sb.parameter("W2", j, k), sb.parameter("b2", k)
    lam = sb.hyper("lam", 1e-4)
    h = sb.define("h", (n, j), tanh(Sum(x[n, i] * W1[i, j], i) + b1[j]))
    z = sb.define("z", (n, k), Sum(h[n, j] * W2[j, k], j) + b2[k])
    p = sb.define("p", (n, k), exp(z[n, k]) / Sum(exp(z[n, k]), k))
    entropy = -Sum(y[n, k] * log(p[n, k]), n, k) / N
    loss = sb.define("L", (), entropy + lam * Sum(W1[i, j] ** 2, i, j))
    return loss, {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "h": h, "z": z, "p": p}


def test_a_two_layer_classifier_reads_as_on_the_blackboard() -> None:
    loss, _ = classifier()
    derivation = sb.derive(loss)
    assert str(derivation).splitlines() == [
        "δ2 = (P − Y)/N",
        "∂L/∂W2 = Hᵀ δ2",
        "∂L/∂b2 = 1ᵀ δ2",
        "δ1 = (δ2 W2ᵀ) ⊙ (1 − H ⊙ H)",
        "∂L/∂W1 = Xᵀ δ1 + 2 lam W1",
        "∂L/∂b1 = 1ᵀ δ1",
    ]
    assert derivation.text("index").splitlines() == [
        "δ2[n,k] = (p[n,k] − y[n,k])/N",
        "∂L/∂W2[j,k] = Σ_n h[n,j]·δ2[n,k]",
        "∂L/∂b2[k] = Σ_n δ2[n,k]",
        "δ1[n,j] = (Σ_k δ2[n,k]·W2[j,k])·(1 − h[n,j]²)",
        "∂L/∂W1[i,j] = Σ_n x[n,i]·δ1[n,j] + 2·lam·W1[i,j]",
        "∂L/∂b1[j] = Σ_n δ1[n,j]",
    ]


def test_a_gradient_is_asked_for_by_tensor_or_by_name() -> None:
    loss, tensors = classifier()
    derivation = sb.derive(loss, [tensors["W1"], "b2"])
    assert derivation["W1"] is derivation[tensors["W1"]]
    assert derivation["b2"] is derivation[tensors["b2"]]
    assert derivation["W1"].axes == (4, 3)


def test_the_gradient_by_an_intermediate_goes_through_the_rest_of_the_net_only() -> None:
    loss, tensors = classifier()
    derivation = sb.derive(loss, [tensors["z"]])
    assert derivation.text("index") == "∂L/∂z[n,k] = (p[n,k] − y[n,k])/N"


def test_probabilities_that_are_asked_for_are_not_looked_through() -> None:
    loss, tensors = classifier()
    derivation = sb.derive(loss, [tensors["p"]])
    assert derivation.text("index") == "∂L/∂p[n,k] = −y[n,k]/(N·p[n,k])"


def test_an_expression_holds_data_parameters_and_named_intermediates_only() -> None:
    loss, tensors = classifier()
    found = sb.derive(loss).expression("b1")
    h, p, W2 = tensors["h"], tensors["p"], tensors["W2"]
    inner = Sum((p[n, k] - y[n, k]) * W2[j, k] / N, k)
    expected = Sum((1 - h[n, j] ** 2) * inner, n)
    assert {str(e.args[0]) for e in found.atoms(type(x[n, i]))} == {"h", "p", "y", "W2"}
    values = _values(tensors)
    assert _value(found, values) == pytest.approx(_value(expected, values))


def _values(tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    values = {name: random.normal(size=tuple(map(int, t.axes))) for name, t in tensors.items()
              if t.role == "parameter"}
    return {**values, "x": random.normal(size=(5, 4)), "y": np.eye(2)[random.integers(0, 2, 5)]}


def _value(expr: sympy.Expr, values: dict[str, np.ndarray]) -> np.ndarray:
    target = sb.define("value", (j,), expr)
    program = sb.program(target)
    given = {t.name: values[t.name] for t in program.inputs if t.role != "hyper"}
    return evaluate(program, given)[target]


def test_a_gradient_is_a_tensor_that_can_be_defined_with_and_derived_again() -> None:
    loss, tensors = classifier()
    first = sb.derive(loss)
    v = sb.data("v", i, j)
    slope = sb.define("slope", (), Sum(first["W1"][i, j] * v[i, j], i, j))
    second = sb.derive(slope, [tensors["W1"]])
    values = {**_values(tensors), "v": np.random.default_rng(1).normal(size=(4, 3))}
    exact = evaluate(sb.program(second["W1"]), values)[second["W1"]]
    step, total = 1e-5, 0
    for sign in (1, -1):
        moved = {**values, "W1": values["W1"] + sign * step * values["v"]}
        del moved["v"]
        total += sign * evaluate(sb.program(first["W1"]), moved)[first["W1"]]
    np.testing.assert_allclose(exact, total / (2 * step), rtol=1e-6, atol=1e-8)


def test_a_gradient_that_is_squared_stands_in_brackets() -> None:
    a, b = sb.parameter("a"), sb.parameter("b")
    slope = sb.derive(sb.define("L", (), a**3*b), [a])[a]
    squared = sb.define("Q", (), slope**2 + 1/slope)
    assert str(sb.program(squared)).endswith("Q = 1/(∂L/∂a) + (∂L/∂a)²")
    assert r"\left( \frac{\partial L}{\partial a} \right)^{2}" in sb.derive(
        squared).latex("steps")


def test_the_derivative_of_a_derivative_of_a_number_is_typeset_as_one() -> None:
    a, b = sb.parameter("a"), sb.parameter("b")
    second = sb.derive(sb.derive(sb.define("L", (), a**3*b), [a])[a], [b])
    assert r"\frac{\partial^{2} L}{\partial a \partial b} &= 3" in second.latex()
    third = sb.derive(second[b], [a]).latex()
    assert r"\frac{\partial^{3} L}{\partial a \partial b \partial a} &= 6" in third


def test_a_later_derivation_gives_no_other_name_to_what_an_earlier_one_has_named() -> None:
    loss, tensors = classifier()
    weights = tensors["W1"]
    first = sb.derive(loss, [weights])
    slope = sb.define("Q", (), Sum(first[weights][i, j]**2, i, j))
    second = sb.derive(slope, [weights])
    before = first.text(), second.text(), str(second.forward)
    sb.derive(sb.define("R", (), Sum(second[weights][i, j]**2, i, j)), [weights])
    assert (first.text(), second.text(), str(second.forward)) == before


def test_a_line_that_no_other_line_reads_is_not_printed() -> None:
    size = sb.size("N")
    w, (m, n) = sb.parameter("w", size), sb.indices("m n", size - 1, size)
    d = sb.derive(sb.define("L", (), Sum((w[m + 1] - w[m])**2, m)/(size - 1) + Sum(w[n]**2, n)))
    assert d.text("index").startswith("∂L/∂w[n] = ")
    assert "δ" not in d.text("index")


def test_gradients_of_two_losses_with_the_same_names_live_in_one_program() -> None:
    first, tensors = classifier()
    second = sb.define("L", (), Sum(tensors["h"][n, j] ** 2, n, j))
    both = sb.program([sb.derive(first)["W1"], sb.derive(second)["W1"]])
    sb.verify(both)
    assert {"∂L/∂W1", "∂L/∂W1_2"} <= set(both.names.values())


def test_a_direction_in_which_softmax_cannot_move_has_gradient_zero() -> None:
    a, c = sb.parameter("a", k), sb.parameter("c")
    p = sb.define("p", (k,), exp(a[k] + c) / Sum(exp(a[k] + c), k))
    derivation = sb.derive(sb.define("L", (), Sum(p[k] ** 2, k)), [a, c])
    assert derivation.text("index").splitlines()[-1] == "∂L/∂c = 0"


def test_plain_real_symbols_are_derived_alike() -> None:
    a, b, c = sympy.symbols("a b c", real=True)
    derivation = sb.derive((a + b) * c, [a, b, c])
    assert str(derivation).splitlines() == ["∂L/∂a = c", "∂L/∂b = c", "∂L/∂c = a + b"]
    assert derivation[c].tensor.definition is not None


REFUSED = [
    (lambda loss, t: sb.derive(loss, [sb.parameter("V", i)]), "does not depend on V"),
    (lambda loss, t: sb.derive(loss, ["V"]), "no tensor 'V'"),
    (lambda loss, t: sb.derive(t["h"], [t["W1"]]), "a loss is one number"),
    (lambda loss, t: sb.derive(loss)["h"], "ask with sb.derive(L, [...])"),
    (lambda loss, t: sb.derive(loss).text("poem"), "there is no form 'poem'"),
    (lambda loss, t: sb.derive(sympy.Symbol("a") ** 2, [sympy.Symbol("a")]), "real=True"),
    (lambda loss, t: sb.derive(sb.define("Q", (), Sum(x[n, i] ** 2, n, i))), "no parameter"),
    (lambda loss, t: sb.derive(loss, [3]), "expected a tensor, found 3"),
]


@pytest.mark.parametrize(("ask", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_what_cannot_be_derived_is_refused_in_the_users_words(ask, message) -> None:
    loss, tensors = classifier()
    with pytest.raises(sb.SymbackpropError, match=re.escape(message)):
        ask(loss, tensors)


def test_a_label_has_no_derivative() -> None:
    labels = sb.data("t", n, facts=[sb.label(2)])
    z = sb.parameter("z", n, k)
    loss = sb.define("L", (), Sum(z[n, labels[n]], n))
    with pytest.raises(sb.DerivationError, match="no derivative by it"):
        sb.derive(loss, [labels])


def test_a_sum_below_a_symbolic_power_is_no_denominator_to_meet_over() -> None:
    m, t = sb.data("m", facts=[sb.positive]), sb.parameter("t")
    loss = t*(1 + t**2)**(-m) + sympy.tanh(t)*(1 + t**2)**(-m)
    assert float(sb.derive(loss, [t]).check()) < 1e-20


def test_a_letter_of_two_extents_is_the_letter_of_one_axis_only() -> None:
    rows, columns = sb.indices("i p", 4, 2)
    W, v = sb.parameter("W", rows, columns), sb.parameter("v", 2)  # its own letter is i, too
    s = sb.define("s", (columns,), v[columns])
    h = sb.define("h", (rows, columns), tanh(W[rows, columns] - s[columns]))
    d = sb.derive(sb.define("L", (), Sum(h[rows, columns]**2, rows, columns)), [v])
    assert d.text("index") == "∂L/∂v[i] = 2·Σ_{i′} h[i′,i]·(tanh(s[i] − W[i′,i])² − 1)"
    sb.verify(sb.program(d[v]))
