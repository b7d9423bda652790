"""Worked numbers: the examples of the lectures, exactness, chains, steps, agreement, refusals."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Abs, Integer, Max, Min, Piecewise, Rational, Sum, exp, log, sqrt, symbols

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.notation import Tensor
from symbackprop.passes import MOST_WORK
from symbackprop.printing.numbers import decimal
from tests.support.random_programs import random_case

a, b, c, x, y, w1, w2 = symbols("a b c x y w1 w2", real=True)
w0, x0, x1 = symbols("w0 x0 x1", real=True)
LOGISTIC = 1/(1 + exp(-(b + w0*x0 + w1*x1)))
AT = {w0: 2, x0: -1, w1: -3, x1: -2, b: -3}
NEURON = (w2*Max(0, w1*x) - y)**2
START = {x: 1, y: 0, w1: Fraction(1, 3), w2: 2}


def small_net() -> tuple[Any, dict[str, Any]]:
    data, target = sb.data("x", sb.size("N"), 3), sb.data("y", sb.size("N"), 2)
    h = sb.layers.dense(data, 2, "relu")
    loss = sb.losses.squared_error(sb.layers.dense(h, 2), target)
    return loss, {"x": [[1, 2, -1]], "y": [[0, 1]], "b1": [0, Fraction(1, 2)], "b2": [0, 0],
                  "W1": [[1, -1], [Fraction(1, 2), 0], [0, 2]],
                  "W2": [[1, 2], [-1, Fraction(1, 3)]]}


def test_example_8_has_the_numbers_of_the_lecture() -> None:
    e = sb.explain((a + b)*c, {a: 1, b: -3, c: 4})
    assert e.values == {"a": 1, "b": -3, "c": 4, "t1": -2, "L": -8}
    assert e.adjoints == {"a": 4, "b": 4, "c": -2, "t1": 4, "L": 1}
    assert e.derivatives == {("t1", "a"): 1, ("t1", "b"): 1, ("L", "c"): -2, ("L", "t1"): 4}
    assert "t1 = a + b = −2" in e.text
    assert "∂L/∂a = ∂L/∂t1·∂t1/∂a = 4·1 = 4" in e.text


def test_example_9_is_cut_at_the_operations_of_the_lecture() -> None:
    e = sb.explain(LOGISTIC, AT)
    shown = {name: decimal(float(value)) for name, value in e.values.items()}
    assert [shown[name] for name in ("t1", "t2", "t3", "t4", "t5", "t6", "L")] == [
        "−2", "6", "1", "−1", "0.37", "1.37", "0.73"]
    slopes = {name: decimal(float(adjoint)) for name, adjoint in e.adjoints.items()}
    assert [slopes[name] for name in ("t6", "t5", "t4", "t3", "t2", "t1")] == [
        "−0.53", "−0.53", "−0.20", "0.20", "0.20", "0.20"]
    assert [slopes[name] for name in ("w0", "x0", "w1", "x1", "b")] == [
        "−0.20", "0.39", "−0.39", "−0.59", "0.20"]
    for label in (">+<", ">×<", ">×−1<", ">exp<", ">+1<", ">1/x<", ">0.37<", ">−0.53<", ">0.73<"):
        assert label in e.svg


def test_example_10_is_exact() -> None:
    e = sb.explain(NEURON, START, weight="w1", rate=Fraction(1, 2))
    assert e.values["t3"] == Rational(2, 3)
    assert e.values["L"] == e.adjoints["w2"] == Rational(4, 9)
    assert e.adjoints["w1"] == Rational(8, 3)
    assert all(isinstance(value, Rational) for value in [*e.values.values(),
                                                         *e.adjoints.values()])
    assert list(e.chain.values()) == [Rational(4, 3), 1, 2, 1, 1]
    assert e.updated == {"w1": -1}
    assert "= 4/3 · 1 · 2 · 1 · 1" in e.text
    assert "w1 ← 1/3 − 1/2·8/3 = −1" in e.text
    for text in (">4/9<", ">8/3<", ">max(0, x)<"):
        assert text in e.svg


def test_intermediates_that_were_defined_keep_their_names_in_the_chain() -> None:
    z = sb.define("z", (), x*w1)
    s = sb.define("s", (), Max(0, z))
    prediction = sb.define("ŷ", (), w2*s)
    e = sb.explain((prediction - y)**2, START, weight=w1)
    assert list(e.chain) == [("L", "t1"), ("t1", "ŷ"), ("ŷ", "s"), ("s", "z"), ("z", "w1")]
    assert "∂L/∂w1 = ∂L/∂t1 · ∂t1/∂ŷ · ∂ŷ/∂s · ∂s/∂z · ∂z/∂w1" in e.text


def test_a_step_without_a_weight_changes_every_symbol() -> None:
    e = sb.explain(NEURON, START, rate=Fraction(1, 10))
    assert e.updated == {"w1": Fraction(1, 15), "w2": 2 - Fraction(2, 45),
                         "x": 1 - Fraction(4, 45), "y": Fraction(2, 15)}


@pytest.mark.parametrize("value", [2, Fraction(2), Integer(2), np.int64(2), sympy.Rational(2)])
def test_whatever_is_rational_stays_exact(value: Any) -> None:
    e = sb.explain(1/(3*a) + a**2/7, {a: value})
    assert isinstance(e.values["L"], Rational)
    assert e.values["L"] == Rational(1, 6) + Rational(4, 7)


def test_floats_and_irrational_functions_give_floats_and_rational_ones_do_not() -> None:
    assert isinstance(sb.explain(a*b, {a: 0.5, b: 1}).values["L"], float)
    assert isinstance(sb.explain(exp(a), {a: 1}).values["L"], float)
    assert sb.explain(exp(a) + sqrt(b), {a: 0, b: Fraction(4, 9)}).values["L"] == Rational(5, 3)
    assert isinstance(sb.explain(sqrt(b), {b: 2}).values["L"], float)


def test_a_rational_that_grows_without_bound_goes_on_as_a_float() -> None:
    power = a
    for _ in range(30):
        power = sb.define(None, (), power**2)
    power = sb.define("L", (), power)
    assert isinstance(sb.explain(power, {a: Fraction(999_999_999, 10**9)}).values["L"], float)


@pytest.mark.parametrize(("loss", "slope"), [
    (Max(0, a), 0), (Abs(a), 0), (Max(a, 2*a), Fraction(3, 2)), (sb.relu(a), 0),
    (sb.leaky_relu(a), Fraction(1, 10)), (Min(a, -a), 0),
])
def test_kinks_have_the_derivative_of_the_table(loss: Any, slope: Any) -> None:
    assert sb.explain(loss, {a: 0}).adjoints["a"] == slope


def test_what_is_undefined_in_a_branch_that_is_not_taken_does_not_leak() -> None:
    e = sb.explain(Piecewise((log(a), a > 0), (3*a, True)), {a: -2})
    assert e.values["L"] == -6
    assert e.adjoints["a"] == 3


def test_a_sign_that_alternates_has_a_derivative_by_its_base_only() -> None:
    i = sb.indices("i", 3)
    w = sb.parameter("w", i)
    e = sb.explain(sb.define("L", (), Sum((-1)**i*w[i]**(i + 1), i)), {w: [2, 3, 5]})
    assert e.adjoints["w"].tolist() == [1, -6, 75]


def test_a_value_that_is_used_twice_adds_both_ways() -> None:
    e = sb.explain(exp(a)*(a + b) + a, {a: 0, b: 2}, weight=a)
    assert e.adjoints["a"] == 4
    assert " + " in e.text[e.text.index("chain rule"):]


def test_a_minus_is_taken_out_of_a_sum_only_where_all_terms_have_one() -> None:
    assert "t1 = a + b" in sb.explain(exp(-(a + b)), {a: 1, b: 2}).text
    assert "L = a − b" in sb.explain(a - b, {a: 1, b: 2}).text
    assert "L = 1 − a" in sb.explain(1 - a, {a: 1}).text


def test_a_network_of_rationals_is_exact_in_every_entry() -> None:
    loss, values = small_net()
    e = sb.explain(loss, values, weight="W1[2,0]", rate=Fraction(1, 10))
    assert e.values["z1"].tolist() == [[2, Rational(-5, 2)]]
    assert e.values["L"] == 13
    assert e.adjoints["W2"].tolist() == [[8, 12], [0, 0]]
    assert e.adjoints["W1"][2, 0] == -16
    assert e.updated["W1"][2, 0] == Rational(8, 5)
    assert e.derivatives["z1[0,0]", "W1[2,0]"] == -1
    assert "∂z1[0,0]/∂W1[2,0]" in e.text[e.text.index("chain rule"):]


def test_the_chain_of_a_weight_multiplies_to_its_derivative() -> None:
    for seed in range(4):
        loss, values = small_net()
        values["x"] = np.random.default_rng(seed).normal(size=(2, 3))
        values["y"] = np.zeros((2, 2))
        e = sb.explain(loss, values, weight="W1[1,1]")
        assert np.prod([float(f) for f in e.chain.values()]) == pytest.approx(
            float(e.adjoints["W1"][1, 1]))


def test_a_weight_may_be_an_element_or_text_or_a_tensor_of_rank_0() -> None:
    i = sb.indices("i", 2)
    W, s = sb.parameter("W", i), sb.parameter("s")
    loss = sb.define("L", (), s*Sum(W[i]**2, i))
    values = {W: [1, 2], s: 3}
    texts = [sb.explain(loss, values, weight=weight).text for weight in (W[1], "W[1]", "W[ 1 ]")]
    assert len(set(texts)) == 1
    assert "chain rule for s" in sb.explain(loss, values, weight=s).text


@pytest.mark.parametrize("seed", range(25))
def test_adjoints_agree_with_the_derivation_and_the_interpreter(seed: int) -> None:
    case = random_case(seed, batches=(1, 2), small=True, layers=None)
    e = sb.explain(case.loss, case.values)
    derivation = sb.derive(case.loss, case.wrt)
    found = evaluate(derivation.backward, _read(derivation.backward, case.values))
    for tensor in case.wrt:
        expected = found[derivation.gradient(tensor)].astype(float)
        np.testing.assert_allclose(
            np.asarray(e.adjoints[case.program.names[tensor]], dtype=float),
            np.broadcast_to(expected, np.shape(e.adjoints[case.program.names[tensor]])),
            rtol=1e-9, atol=1e-11, err_msg=str(case))


def _read(program: Any, values: dict[Tensor, Any]) -> dict[Any, Any]:
    given = {t: v for t, v in values.items() if t in program.inputs}
    for tensor, array in values.items():
        given |= {axis: length for axis, length in zip(tensor.axes, np.shape(array), strict=True)
                  if isinstance(axis, sympy.Symbol)}
    return given


def test_a_large_network_is_worked_on_arrays_with_the_same_numbers() -> None:
    data, target = sb.data("x", sb.size("N"), 200), sb.data("y", sb.size("N"), 3)
    loss = sb.losses.squared_error(
        sb.layers.dense(sb.layers.dense(data, 80, "tanh"), 3), target)
    assert 200*80*3 > MOST_WORK
    rng = np.random.default_rng(0)
    shapes = {"x": (1, 200), "y": (1, 3), "W1": (200, 80), "b1": 80, "W2": (80, 3), "b2": 3}
    values = {name: rng.normal(size=shape)/10 for name, shape in shapes.items()}
    e = sb.explain(loss, values, weight="W1[7,5]", rate=0.5)
    h = np.tanh(values["x"] @ values["W1"] + values["b1"])
    slope = 2*(h @ values["W2"] + values["b2"] - values["y"])
    inner = slope @ values["W2"].T * (1 - h**2)
    np.testing.assert_allclose(e.adjoints["W1"], values["x"].T @ inner, rtol=1e-9)
    np.testing.assert_allclose(e.updated["W2"], values["W2"] - 0.5*h.T @ slope, rtol=1e-9)
    assert "∂L/∂W1[7,5] = ∂L/∂z1[0,5]·∂z1[0,5]/∂W1[7,5]" in e.text
    lines = e.text[e.text.index("chain rule"):].split("\n")[2:4]
    left, right, total = re.fullmatch(r" *= (.*)·(.*) *= (.*)", "".join(lines)).groups()
    assert number(left)*number(right) == pytest.approx(number(total), rel=1e-5)
    assert number(total) == pytest.approx(e.adjoints["W1"][7, 5], rel=1e-5)


def number(text: str) -> float:
    return float(text.strip("()").replace("−", "-"))


@pytest.mark.parametrize(("loss", "values", "options", "message"), [
    (a*b, {a: 1}, {}, "no value for b"),
    (a*b, {a: 1, b: 2, c: 3}, {}, "c is no input of this loss; its inputs are a, b"),
    (a*b, {a: 1, b: 2, "d": 3}, {}, "'d' is no input"),
    (a*b, {a: 1, b: 2, "b": 2}, {}, "two values for b"),
    (a*b, {a: 1, b: 2j}, {}, "b: expected a real number, found 2j"),
    (a*b, {a: 1, b: "2"}, {}, "found the text '2'"),
    (a*b, {a: 1, b: sympy.I}, {}, "b: expected a real number"),
    (a*b, {a: 1, b: c}, {}, "b: expected a real number"),
    (a*b, {a: 1, b: float("nan")}, {}, "b: expected a finite number"),
    (a*b, {a: 1, b: [1, 2]}, {}, "b: expected one number"),
    (a*b, {a: 1, b: None}, {}, "b: expected a real number"),
    (a*b, [1, 2], {}, "expected the values as a dict"),
    (a*b, {a: 1, b: 2}, {"weight": "w"}, "this loss has no w; it has a, b"),
    (a*b, {a: 1, b: 2}, {"weight": "a[0]"}, "a has the shape ()"),
    (a*b, {a: 1, b: 2}, {"weight": 3}, "this loss has no 3"),
    (a*b, {a: 1, b: 2}, {"rate": "0.1"}, "rate: expected a real number"),
    (a*b, {a: 1, b: 2}, {"units": True}, "draws networks"),
    (a/b, {a: 1, b: 0}, {}, "no finite value"),
    (log(a), {a: -1}, {}, "no finite value here: L = log(a) is nan"),
    (Integer(3)*sympy.pi, {a: 1}, {}, "a is no input of this loss; it has no inputs"),
    (sympy.Function("σ")(a), {a: 1}, {}, "σ has no value"),
])
def test_what_does_not_fit_is_refused_in_the_users_words(
        loss: Any, values: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(sb.InputError) as found:
        sb.explain(loss, values, **options)
    assert message in str(found.value)


def test_arrays_of_a_wrong_shape_are_refused_with_the_place_of_their_declaration() -> None:
    loss, values = small_net()
    for name, wrong, message in (("x", [1, 2, 3], "expected an array with 2 axes"),
                                 ("W2", [[1, 2, 3]], "expected an axis of length 2"),
                                 ("x", [[1], [1, 2]], "rows of unequal lengths"),
                                 ("y", [[0, 1], [1, 0]], "length N = 1, found shape (2, 2)")):
        with pytest.raises(sb.InputError, match=r"declared at") as found:
            sb.explain(loss, {**values, name: wrong})
        assert message in str(found.value)


def test_a_symbol_that_is_not_real_is_refused() -> None:
    z = sympy.Symbol("z")
    with pytest.raises(sb.DerivationError, match="not declared real"):
        sb.explain(z**2, {z: 1})


def test_an_entry_that_is_none_is_refused_with_one_that_is() -> None:
    loss, values = small_net()
    for weight in ("W1[3,0]", "W1[0]", "W1", "W9[0]"):
        with pytest.raises(sb.InputError, match="weight="):
            sb.explain(loss, values, weight=weight)


def test_an_explanation_is_frozen_shows_itself_and_can_be_saved(tmp_path: Path) -> None:
    e = sb.explain(NEURON, START)
    with pytest.raises(AttributeError):
        e.text = ""  # type: ignore[misc]
    assert e._repr_svg_() == e.svg
    assert str(e) == e.text
    e.save(tmp_path / "graph.svg")
    e.save(str(tmp_path / "graph.txt"))
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == e.svg
    assert (tmp_path / "graph.txt").read_text(encoding="utf-8") == e.text + "\n"
    with pytest.raises(sb.InputError, match="ends in .svg"):
        e.save(tmp_path / "graph.png")


def test_a_long_chain_of_definitions_is_no_problem() -> None:
    value = a
    for _ in range(3000):
        value = sb.define(None, (), value/2 + 1)
    assert sb.explain(sb.define("L", (), value), {a: 2.0}).values["L"] == 2.0
