"""The worked examples of the lecture notes: formulas as printed there, and their numbers."""

import re

import numpy as np
import pytest
import sympy as sp
from sympy import Mul, Rational, Sum, exp, log, tanh

import symbackprop as sb
from symbackprop.functions import relu, sigmoid
from symbackprop.interpreter import evaluate


def factors(text):
    """The factors of a printed product, sorted: a·(b + c) and (b + c)·a are the same."""
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "·" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return sorted(parts)


def sides(printed):
    """{left side: right side} of the printed lines."""
    return dict(line.split(" = ", 1) for line in printed.splitlines())


def values(derivation, tensors, **given):
    """The values of tensors and of the derivatives by them, rounded to two decimal places."""
    gradients = [derivation.gradient(tensor) for tensor in tensors]
    wanted = [getattr(tensor, "tensor", tensor) for tensor in tensors]
    arrays = evaluate(sb.program([*wanted, *gradients]), given)
    return ([round(float(arrays[t]), 2) for t in wanted],
            [round(float(arrays[t]), 2) for t in gradients])


# --- formulas -------------------------------------------------------------------------------


def test_example_1_a_chain_of_two_weights():
    w1, w2, x, y = sb.parameter("w1"), sb.parameter("w2"), sb.data("x"), sb.data("y")
    d = sb.derive((w2*w1*x - y)**2)
    assert d.expression(w2) == Mul(2, w2*w1*x - y, w1, x)
    assert d.expression(w1) == Mul(2, w2*w1*x - y, w2, x)
    printed = sides(d.text("index"))
    assert factors(printed["∂L/∂w2"]) == factors("2·(x·w1·w2 − y)·w1·x")
    assert printed == sides(d.text("matrix"))


def test_example_2_an_undefined_activation_has_a_derivative_with_a_prime():
    w1, w2, x, y = sb.parameter("w1"), sb.parameter("w2"), sb.data("x"), sb.data("y")
    sigma, primed = sp.Function("σ", real=True), sp.Function("σ′", real=True)
    d = sb.derive((w2*sigma(w1*x) - y)**2)
    assert d.expression(w2) == Mul(2, w2*sigma(w1*x) - y, sigma(w1*x))
    assert d.expression(w1) == Mul(2, w2*sigma(w1*x) - y, w2, primed(w1*x), x)
    assert factors(sides(d.text())["∂L/∂w1"]) == factors("2·(σ(x·w1)·w2 − y)·w2·σ′(x·w1)·x")


@pytest.mark.parametrize("length", [2, 3, 7, 20, 50])
def test_example_3_a_chain_of_many_weights_stays_factored(length):
    x, y = sb.data("x"), sb.data("y")
    weights = [sb.parameter(f"w{place}") for place in range(1, length + 1)]
    d = sb.derive((Mul(*weights)*x - y)**2)
    residual = Mul(*weights, x) - y
    for weight in weights:
        others = [other for other in weights if other is not weight]
        assert d.expression(weight) == Mul(2, residual, x, *others)
    assert len(d.text().splitlines()) == length
    for left, right in sides(d.text()).items():
        names = re.findall(r"\bw\d+\b", right.split(")")[-1])
        assert sorted([*names, left.removeprefix("∂L/∂")]) == sorted(str(w) for w in weights)


def test_example_4_binary_cross_entropy_of_a_sigmoid():
    i = sb.indices("i", 3)
    x, w, b, y = sb.data("x", i), sb.parameter("w", i), sb.parameter("b"), sb.data("y")
    z = sb.define("z", (), Sum(w[i]*x[i], i) + b)
    o = sb.define("ŷ", (), sigmoid(z))
    d = sb.derive(-(y*log(o) + (1 - y)*log(1 - o)), [z, w, b])
    assert d.expression(z) == o - y
    assert d.expression(w) == (o - y)*x[i]
    assert d.expression(b) == o - y
    assert sides(d.text("index"))["∂L/∂z"] == "ŷ − y"


def test_example_4_one_layer_deeper():
    x, y, w1, w2 = sb.data("x"), sb.data("y"), sb.parameter("w1"), sb.parameter("w2")
    a = sb.define("a", (), sigmoid(w1*x))
    o = sb.define("ŷ", (), sigmoid(w2*a))
    d = sb.derive(-(y*log(o) + (1 - y)*log(1 - o)), [a, w1, w2])
    assert d.expression(a) == (o - y)*w2
    assert d.expression(w1) == (o - y)*w2*a*(1 - a)*x
    assert d.expression(w2) == (o - y)*a
    assert sp.Add not in {type(d.expression(t)) for t in (a, w1, w2)}


def test_example_5_several_outputs_with_binary_cross_entropy():
    k, j, i = sb.indices("k j i", 2, 3, 4)
    x, y = sb.data("x", k), sb.data("y", i)
    V, W = sb.parameter("V", k, j), sb.parameter("W", j, i)
    s1 = sb.define("s1", (j,), Sum(x[k]*V[k, j], k))
    h = sb.define("h", (j,), sigmoid(s1[j]))
    s = sb.define("s", (i,), Sum(h[j]*W[j, i], j))
    o = sb.define("ŷ", (i,), sigmoid(s[i]))
    L = sb.define("L", (), -Sum(y[i]*log(o[i]) + (1 - y[i])*log(1 - o[i]), i))
    d = sb.derive(L, [s, W, h, s1, V])
    back = Sum((o[i] - y[i])*W[j, i], i)
    assert d.expression(s) == o[i] - y[i]
    assert d.expression(W) == (o[i] - y[i])*h[j]
    assert d.expression(h) == back
    assert d.expression(s1) == back*h[j]*(1 - h[j])
    assert d.expression(V) == back*h[j]*(1 - h[j])*x[k]
    printed = sides(d.text("index"))
    assert printed["∂L/∂s[i]"] == "ŷ[i] − y[i]"
    assert factors(printed["∂L/∂s1[j]"]) == factors("∂L/∂h[j]·h[j]·(1 − h[j])")
    assert factors(printed["∂L/∂V[k,j]"]) == factors("∂L/∂s1[j]·x[k]")
    assert sides(d.text("matrix"))["∂L/∂W"] == "h (∂L/∂s)ᵀ"


@pytest.mark.parametrize("mean", [False, True])
def test_example_6_softmax_and_cross_entropy(mean):
    N = sb.size("N")
    n, i, k = sb.indices("n i k", N, 5, 3)
    x, W = sb.data("x", n, i), sb.parameter("W", i, k)
    y = sb.data("y", n, k, facts=[sb.one_hot(k)])
    z = sb.define("z", (n, k), Sum(x[n, i]*W[i, k], i))
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    size = N if mean else 1
    d = sb.derive(sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k)/size), [z, W])
    assert d.expression(z) == (p[n, k] - y[n, k])/size
    assert d.expression(W) in (Sum((p[n, k] - y[n, k])/size*x[n, i], n),
                               Sum((p[n, k] - y[n, k])*x[n, i], n)/size)
    printed = sides(d.text())
    assert printed["∂L/∂z"] == ("(P − Y)/N" if mean else "P − Y")
    assert printed["∂L/∂W"] == "Xᵀ ∂L/∂z"


def test_example_7_sensitivities_of_tanh_layers():
    i, j, k = sb.indices("i j k", 3, 4, 2)
    x, y = sb.data("x", i), sb.data("y", k)
    W1, W2 = sb.parameter("W1", j, i), sb.parameter("W2", k, j)
    o1 = sb.define("o1", (j,), tanh(Sum(W1[j, i]*x[i], i)))
    o2 = sb.define("o2", (k,), tanh(Sum(W2[k, j]*o1[j], j)))
    d = sb.derive(sb.define("L", (), Sum((o2[k] - y[k])**2, k)))
    assert sides(d.text("matrix")) == {
        "δ2": "2 (o2 − y) ⊙ (1 − o2 ⊙ o2)",
        "∂L/∂W2": "δ2 o1ᵀ",
        "δ1": "(W2ᵀ δ2) ⊙ (1 − o1 ⊙ o1)",
        "∂L/∂W1": "δ1 xᵀ",
    }
    printed = {left: factors(right) for left, right in sides(d.text("index")).items()}
    assert printed == {
        "δ2[k]": factors("2·(o2[k] − y[k])·(1 − o2[k]²)"),
        "∂L/∂W2[k,j]": factors("δ2[k]·o1[j]"),
        "δ1[j]": factors("(Σ_k δ2[k]·W2[k,j])·(1 − o1[j]²)"),
        "∂L/∂W1[j,i]": factors("δ1[j]·x[i]"),
    }


def test_example_7_squared_error_on_one_tanh_output():
    s, y = sb.parameter("s"), sb.data("y")
    o = sb.define("o", (), tanh(s))
    d = sb.derive((o - y)**2)
    assert d.expression(s) == Mul(2, o - y, 1 - o**2)


# --- numbers --------------------------------------------------------------------------------


def test_example_8_a_sum_and_a_product():
    x, y, z = (sb.parameter(name) for name in "xyz")
    q = sb.define("d", (), x + y)
    f = sb.define("f", (), q*z)
    d = sb.derive(f, [f, q, x, y, z])
    found, adjoints = values(d, [f, q, x, y, z], x=1, y=-3, z=4)
    assert found == [-8, -2, 1, -3, 4]
    assert adjoints == [1, 4, 4, 4, -2]


def test_example_8_with_plain_symbols_of_sympy():
    x, y, z = sp.symbols("x y z", real=True)
    d = sb.derive((x + y)*z, [x, y, z])
    assert [str(d.expression(s)) for s in (x, y, z)] == ["z", "z", "x + y"]


def test_example_9_a_logistic_neuron_step_by_step():
    given = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "b": -3}
    w0, x0, w1, x1, b = (sb.parameter(name) for name in given)
    s = sb.define("s", (), b + w0*x0 + w1*x1)
    m = sb.define("m", (), -s)
    e = sb.define("e", (), exp(m))
    q = sb.define("q", (), 1 + e)
    f = sb.define("f", (), 1/q)
    found, adjoints = values(sb.derive(f, [s, m, e, q]), [s, m, e, q], **given)
    assert found == [1, -1, 0.37, 1.37]
    assert adjoints == [0.20, -0.20, -0.53, -0.53]
    assert round(float(evaluate(sb.program(f), given)[f.tensor]), 2) == 0.73
    _, by = values(sb.derive(f), [w0, x0, w1, x1, b], **given)
    assert by == [-0.20, 0.39, -0.39, -0.59, 0.20]


def test_example_10_a_relu_neuron_in_exact_rationals():
    w1, w2, x, y = sb.parameter("w1"), sb.parameter("w2"), sb.data("x"), sb.data("y")
    o = sb.define("ŷ", (), w2*sp.Max(0, w1*x))
    d = sb.derive((o - y)**2)
    point = {w1: Rational(1, 3), w2: sp.Integer(2), x: sp.Integer(1), y: sp.Integer(0)}
    point[o] = (w2*relu(w1*x)).xreplace(point)
    assert point[o] == Rational(2, 3)
    by_w1, by_w2 = (d.expression(w).xreplace(point) for w in (w1, w2))
    assert (by_w1, by_w2) == (Rational(8, 3), Rational(4, 9))
    rate = Rational(1, 10)
    assert (point[w1] - rate*by_w1, point[w2] - rate*by_w2) == (Rational(1, 15), Rational(88, 45))


def test_example_11_two_models_that_predict_alike_and_cost_differently():
    i = sb.indices("i", 3)
    x, theta = sb.data("x", i), sb.parameter("θ", i)
    o = sb.define("o", (), Sum(x[i]*theta[i], i))
    l2, l1 = sb.define("l2", (), Sum(theta[i]**2, i)), sb.define("l1", (), Sum(sp.Abs(theta[i]), i))
    kernel = sb.compile([o, l2, l1], dtype="float64")
    assert [float(v) for v in kernel(x=[1, 2, 1], θ=[0, .75, 0])] == [1.5, .5625, .75]
    assert [float(v) for v in kernel(x=[1, 2, 1], θ=[.25, .5, .25])] == [1.5, .375, 1]
    for penalty, costs in [(sb.penalties.l2(1, theta), (.5625, .375)),
                           (sb.penalties.l1(1, theta), (.75, 1))]:
        for weights, cost in zip(([0, .75, 0], [.25, .5, .25]), costs, strict=True):
            program = sb.program(penalty)
            assert evaluate(program, {"θ": weights})[program.outputs[0]] == cost


def test_example_12_the_summary_counts_the_parameters():
    N = sb.size("N")
    x, y = sb.data("x", N, 3), sb.data("y", N, 2)
    o = sb.layers.dense(sb.layers.dense(x, 4, "tanh"), 2)
    summary = sb.Model(inputs=x, targets=y, output=o, loss=sb.losses.squared_error(o, y)).summary()
    assert "4·3 + 4 = 16" in summary.replace("3·4", "4·3")
    assert "2·4 + 2 = 10" in summary.replace("4·2", "2·4")
    assert "26" in summary


LSTAT, MEDV = np.array([29.55, 36.98]), np.array([23.7, 7.0])


def ridge():
    """Σ (w·lstat + b − medv)² + λ·w², its gradient and its Hessian."""
    n = sb.indices("n", sb.size("N"))
    x, y = sb.data("lstat", n), sb.data("medv", n)
    w, b, lam = sb.parameter("w"), sb.parameter("b"), sb.hyper("lam", 0.0)
    o = sb.define("o", (n,), w*x[n] + b)
    L = sb.define("L", (), Sum((o[n] - y[n])**2, n) + lam*w**2)
    d = sb.derive(L)
    gradient = [d[w], d[b]]
    hessian = [sb.derive(g, [w, b])[t] for g in gradient for t in (w, b)]
    return L, gradient, hessian


def newton(lam):
    """The minimum by one Newton step with the derived Hessian: (intercept, slope, cost)."""
    L, gradient, hessian = ridge()
    outputs = [t.tensor for t in (L, *gradient, *hessian)]
    program = sb.program(outputs)

    def at(w, b):
        given = {"lstat": LSTAT, "medv": MEDV, "w": w, "b": b, "lam": lam}
        arrays = evaluate(program, given)
        cost, *rest = (float(arrays[t]) for t in outputs)
        return cost, np.array(rest[:2]), np.array(rest[2:]).reshape(2, 2)

    _, first, second = at(0.0, 0.0)
    w, b = -np.linalg.solve(second, first)
    return b, w, at(w, b)[0]


def test_example_13_ridge_regression_by_a_newton_step_with_the_derived_hessian():
    assert np.round(newton(0)[:2], 3).tolist() == [90.118, -2.248]
    assert newton(0)[2] == pytest.approx(0, abs=1e-9)
    intercept, slope, cost = newton(10)
    assert np.round([intercept, slope, cost], 3).tolist() == [70.234, -1.650, 37.084]
    unpenalised = newton(0)[1]
    assert round(10*unpenalised**2, 3) == 50.519
    slopes = [abs(newton(lam)[1]) for lam in (0, 5, 10, 100, 10000)]
    assert slopes == sorted(slopes, reverse=True)
    assert slopes[-1] < 0.01
    assert newton(10000)[0] == pytest.approx(MEDV.mean(), abs=0.3)
