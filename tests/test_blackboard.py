"""Where a line on the blackboard could mislead: norms at 0, and names that mean two things."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from sympy import Sum, exp, log, sqrt, tanh

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.printing import forms
from symbackprop.printing.formula import beside, big, bracket, call, joined, postorder, quotient
from symbackprop.printing.index import index_line
from symbackprop.printing.matrix import matrix_lines
from symbackprop.printing.text import formula
from symbackprop.printing.unordered import same_factors, same_signs
from symbackprop.rules.sums import hoisted
from tests.support.matrix_lines import read_back, whole
from tests.support.random_networks import drawn
from tests.test_steps_form import check_steps


def norm_of_named_sums() -> sb.Derivation:
    """√(b² + 3·Σ w²) + Σ_n √q[n], each sum under its own name."""
    n, i = sb.indices("n i", sb.size("N"), 3)
    x, w, b = sb.data("x", n, i), sb.parameter("w", i), sb.parameter("b")
    s = sb.define("s", (), b**2 + 3*Sum(w[i]**2, i))
    r = sb.define("r", (), sqrt(s))
    q = sb.define("q", (n,), Sum((x[n, i] - w[i])**2, i))
    return sb.derive(sb.define("L", (), r + Sum(sqrt(q[n]), n)))


def test_the_derivative_of_a_norm_of_named_sums_is_0_at_0() -> None:
    d = norm_of_named_sums()
    found = evaluate(d.backward, {"x": np.zeros((2, 3)), "w": np.zeros(3), "b": 0.0})
    for gradient in d.gradients.values():
        np.testing.assert_array_equal(found[gradient], np.zeros_like(found[gradient]))


@pytest.mark.parametrize("form", ["steps", "neuron"])
def test_no_line_divides_by_a_norm_without_its_bracket(form: str) -> None:
    d = norm_of_named_sums()
    divided = [line.right.text for line in forms.form_lines(d, form, forms.View())
               if "/(2·" in line.right.text]
    assert divided
    for text in divided:
        assert "[r > 0]/(2·r)" in text or "[√(q[n]) > 0]/(2·√(q[n]))" in text, text


def test_the_root_of_what_is_no_sum_of_squares_has_no_bracket() -> None:
    a, b = sb.parameter("a"), sb.parameter("b")
    s = sb.define("s", (), a**2 - b**2)
    assert "[" not in sb.derive(sb.define("L", (), sqrt(s))).text("steps")


def with_names(function: str, vector: str, matrix: str) -> sb.Derivation:
    """Σ v·f(X W) and the diagonal of W, with a vector and a matrix of these names."""
    x, y = sb.data("X", 3, 3), sb.data("y", 3)
    v, w = sb.parameter(vector, 3), sb.parameter(matrix, 3, 3)
    i, = sb.indices("i", 3),
    h = getattr(sb, function)(x @ w)
    own = sb.define("q", (), Sum(w[i, i]*v[i], i))
    return sb.derive(((h @ v - y)**2).sum() + own, [v, w])


def test_a_matrix_line_calls_no_function_that_a_tensor_is_called_as_well() -> None:
    text = with_names("exp", "exp", "W").text()
    assert "exp(S1)" not in text
    assert "exp(s1[i,j])·exp[j]" in text  # with its index it is a tensor
    assert "exp(S1) v" in with_names("exp", "v", "W").text()


@pytest.mark.parametrize("called", ["diag", "tr"])
def test_diag_and_tr_are_not_written_beside_a_tensor_of_that_name(called: str) -> None:
    assert f"{called}(" not in with_names("tanh", called, "W").text()
    assert "diag(W)" in with_names("tanh", "v", "W").text()


def test_a_tensor_that_looks_like_a_function_is_typeset_as_it_is_typed() -> None:
    a, rate = sb.parameter("a"), sb.parameter("exp")
    d = sb.derive(sb.define("L", (), exp(a)*rate**2))
    assert r"\mathtt{exp}" in d.latex("index")
    assert r"\exp" in d.latex("index")
    assert 'class="typed">exp<' in d.html(check=False)
    other = sb.derive(sb.define("L", (), tanh(a)*rate**2))
    assert r"\mathtt" not in other.latex("index")


def raised(number: int) -> sb.Derivation:
    """A loss with a sum in an exponent, or with a maximum beside sums."""
    i, j, k = sb.indices("i j k", 3, 4, 3)
    w, W = sb.parameter("w", i), sb.parameter("W", i, j)
    total = Sum(w[k]**2, k)
    losses = (
        2**Sum(w[i], i)*Sum(W[i, j]**2, i, j),
        Sum(w[i]**2, i)**Sum(w[k], k),
        Sum(w[i]*(1 + W[i, j]**2)**(total/3), i, j),
        (1 + Sum(sb.Maximum(W[i, j], j)*w[i], i)**2)**total,
        sb.Maximum(w[i]**2, i)**(total/7)*Sum(W[i, j], i, j),
    )
    return sb.derive(sb.define("L", (), losses[number]))


@pytest.mark.parametrize("number", range(5))
def test_a_matrix_line_has_no_index_and_means_its_definition(number: int, seed: int) -> None:
    d = raised(number)
    assert read_back(d, drawn(whole(d), seed))[0]
    lines = matrix_lines(d.presented(), d.names)
    for line, definition in zip(lines, d.presented(), strict=True):
        if line.right.text != index_line(definition, d.names).right.text:
            kinds = {node.kind for node in postorder(line.right)}
            assert not {"letter", "entry", "big"} & kinds, line


def test_the_entry_at_a_label_is_written_with_the_letter_of_its_bracket() -> None:
    n, i, k = sb.indices("n i k", sb.size("N"), 3, 4)
    x, w, y = sb.data("x", n, i), sb.parameter("W", i, k), sb.data("y", n, facts=[sb.label(4)])
    z = sb.define("z", (n, k), Sum(x[n, i]*w[i, k], i))
    p = sb.define("p", (n, k), sympy.exp(z[n, k])/Sum(sympy.exp(z[n, k]), k))
    d = sb.derive(sb.define("L", (), -Sum(log(p[n, y[n]]), n)/sb.size("N")))
    shown = [(line.right.text, line.note) for line in forms.form_lines(d, "steps", forms.View())]
    assert ("(1/N − [k = y[n]]/(N·p[n,k]))·p[n,k]", "k for y[n] beside its bracket") in shown
    assert ("(p[n,k] − [k = y[n]])/N", "common factor; this is δ1") in shown
    check_steps(d, 3)


def test_a_number_that_all_terms_share_stands_before_the_sum() -> None:
    n, i = sb.indices("n i", sb.size("N"), 3)
    x, w = sb.data("x", n, i), sb.parameter("w", i)
    q = sb.define("q", (n,), Sum((x[n, i] - w[i])**2, i))
    d = sb.derive(sb.define("L", (), Sum(sympy.exp(q[n]), n)))
    for form in ("index", "steps"):
        assert "2·Σ_n (w[i] − x[n,i])·" in d.text(form)
        assert "Σ_n 2·" not in d.text(form)
    check_steps(d, 3)


def test_an_adjoint_that_is_a_term_of_another_one_stands_there_by_its_name() -> None:
    """The error at the end of a residual net goes by the block straight to the one before."""
    x, y = sb.data("x", sb.size("N"), 8), sb.data("y", sb.size("N"), 8)
    h = x
    for _ in range(2):
        h = sb.layers.dense(sb.layers.dense(h, 8, "tanh"), 8, "identity") + h
    lines = sb.derive(sb.losses.squared_error(h, y)).text("matrix").splitlines()
    assert "δ4 = 2 (X + Z2 + Z4 − Y)/N" in lines
    assert "δ2 = δ3 W3ᵀ + δ4" in lines


def test_no_term_gets_a_larger_number_when_one_is_put_before_a_sum() -> None:
    n, = sb.indices("n", 5),
    a, b = sb.data("a", n).at(n), sb.data("b", n).at(n)
    for terms, before in ((2*a - 4*b, 2), (a/5 + 2*b/5, sympy.Rational(1, 5)), (a + b/5, 1),
                          (-a - b, -1), (0.5*a + 0.5*b, 1)):
        outside, inside = hoisted(terms*a, (n,))
        assert outside == before
        assert sympy.expand(outside*inside - terms*a) == 0


def test_formulas_are_the_same_in_any_order_of_terms_and_factors_only() -> None:
    a, b, c = (formula(s, {}) for s in sympy.symbols("a b c"))
    one = beside(a, " − ", b, " + ", joined([b, c], "·"))
    assert same_signs(one, beside(joined([c, b], "·"), " + ", a, " − ", b))
    assert same_signs(beside("−", b, " + ", a), beside(a, " − ", b))
    assert not same_signs(beside(a, " − ", b), beside(b, " − ", a))
    assert not same_signs(beside(joined([a, b], "·"), " + ", c),
                          beside(joined([a, c], "·"), " + ", b))
    assert not same_signs(quotient(a, b), quotient(b, a))


def test_formulas_have_the_same_factors_whatever_brackets_stand_around_products() -> None:
    a, b, c = (formula(s, {}) for s in sympy.symbols("a b c"))
    product = joined([a, b, c], "·")
    inner, total = bracket(joined([a, b], "·")), bracket(beside(a, " + ", b))
    for same in (joined([inner, c], "·"), joined([c, bracket(joined([b, a], "·"))], "·")):
        assert same_factors(product, same)
        assert same_factors(beside(c, " − ", product), beside(c, " − ", same))
    assert same_factors(joined([bracket(quotient(a, b)), c], "·"), quotient(joined([c, a], "·"), b))
    assert same_factors(quotient(a, bracket(quotient(b, c))), quotient(joined([a, c], "·"), b))
    assert same_factors(joined([total, c], "·"), joined([c, bracket(beside(b, " + ", a))], "·"))
    summed = beside(big(beside("Σ"), [a]), " ", joined([a, b], "·"))
    for one, other in ((joined([total, c], "·"), beside(a, " + ", joined([b, c], "·"))),
                       (quotient(a, b), quotient(b, a)),
                       (joined([bracket(summed), c], "·"),
                        beside(big(beside("Σ"), [a]), " ", product)),
                       (joined([call("f", joined([a, b], "·")), c], "·"), call("f", product)),
                       (joined([bracket(beside("−", a)), b], "·"), joined([a, b], "·"))):
        assert not same_factors(one, other), (one.text, other.text)


def test_values_drawn_for_the_tests_of_forms_keep_every_fact() -> None:
    n, i, j = sb.indices("n i j", sb.size("N"), 3, 3)
    y = sb.data("y", n, i, facts=[sb.simplex(i)])
    s = sb.parameter("S", i, j, facts=[sb.symmetric(i, j)])
    program = sb.program(sb.define("L", (), Sum(y[n, i]*s[i, j]*y[n, j], n, i, j)))
    values = {tensor.name: value for tensor, value in drawn(program, 1).items()}
    np.testing.assert_allclose(values["y"].sum(axis=1), 1)
    np.testing.assert_array_equal(values["S"], values["S"].T)
