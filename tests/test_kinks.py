"""The table of kinks, the same for the derivative, the interpreter and the kernels.

relu′(0) = 0, |·|′(0) = 0, leaky′(0) = the slope, a tie of Max is shared, Max(0, t) is relu, a
maximum over an index is shared between ties, second derivatives at kinks are 0.
"""

import numpy as np
import pytest
import sympy as sp
from sympy import Abs, Max, Min, Piecewise, Sum

import symbackprop as sb
from symbackprop.functions import leaky_relu, relu
from symbackprop.interpreter import evaluate

i, j = sb.indices("i j", 3, 4)
X = np.array([-2.0, 0.0, 3.0])
SELU = 1.0507009873554805*1.6732632423543772

# name: (function of t, its derivative at −2, 0 and 3)
KINKS = {
    "relu": (relu, [0, 0, 1]),
    "Max(0, t)": (lambda t: Max(0, t), [0, 0, 1]),
    "Max(t, 0)·2": (lambda t: 2*Max(t, 0), [0, 0, 2]),
    "Min(0, t)": (lambda t: Min(0, t), [1, 0, 0]),
    "−relu(−t)": (lambda t: -relu(-t), [1, 0, 0]),
    "|t|": (Abs, [-1, 0, 1]),
    "|t|·t": (lambda t: Abs(t)*t, [4, 0, 6]),
    "leaky": (leaky_relu, [0.1, 0.1, 1]),
    "leaky with slope 1/4": (lambda t: leaky_relu(t, 0.25), [0.25, 0.25, 1]),
    "sign": (sp.sign, [0, 0, 0]),
    "Heaviside": (sp.Heaviside, [0, 0, 0]),
    "t·Heaviside": (lambda t: t*sp.Heaviside(t), [0, 0.5, 1]),
    "t·[t > 0]": (lambda t: t*sb.Iverson(t > 0), [0, 0, 1]),
    "Max(t, 2t): a tie at 0": (lambda t: Max(t, 2*t), [1, 1.5, 2]),
    "Min(t, 2t): a tie at 0": (lambda t: Min(t, 2*t), [2, 1.5, 1]),
    "Max(t, 2t, 6t): a tie of three": (lambda t: Max(t, 2*t, 6*t), [1, 3, 6]),
    "t < 0 in a Piecewise": (lambda t: Piecewise((5*t, t < 0), (t, True)), [5, 1, 1]),
    "t ≤ 0 in a Piecewise": (lambda t: Piecewise((5*t, t <= 0), (t, True)), [5, 5, 1]),
    "√ in a branch": (lambda t: Piecewise((sp.sqrt(t), t > 0), (0, True)), [0, 0, 0.5/3**0.5]),
    "log in a branch": (lambda t: Piecewise((sp.log(t), t > 0), (t, True)), [1, 1, 1/3]),
    "floor": (lambda t: t*sp.floor(t + 0.5), [-2, 0, 3]),
    "elu, alpha 1/2": (lambda t: sb.elu(t, 0.5), [0.5*np.exp(-2), 0.5, 1]),
    "selu": (sb.selu, [SELU*np.exp(-2), SELU, 1.0507009873554805]),
    "hard_sigmoid at −3": (lambda t: sb.hard_sigmoid(t - 3), [0, 0, 1/6]),
    "hard_sigmoid at 3": (lambda t: sb.hard_sigmoid(t + 3), [1/6, 0, 0]),
    "hard_tanh at −1": (lambda t: sb.hard_tanh(t/3 - 1), [0, 0, 1/3]),
    "hard_tanh at 1": (lambda t: sb.hard_tanh(t/2 + 1), [0.5, 0, 0]),
    "hard_swish at −3": (lambda t: sb.hard_swish(t - 3), [0, 0, 0.5]),
    "hard_swish at 3": (lambda t: sb.hard_swish(t + 3), [5/6, 1, 1]),
    "huber at 1": (lambda t: sb.losses.huber(t + 1, 0), [-1, 1, 1]),
    "quantile": (lambda t: sb.losses.quantile(0, t, 0.9), [-0.1, 0, 0.9]),
    "hinge": (lambda t: sb.losses.hinge(t + 1, 1), [-1, 0, 0]),
    "squared hinge": (lambda t: sb.losses.squared_hinge(t + 1, 1), [-4, 0, 0]),
}


def value(*tensors, **given):
    """The values of tensors, from those given values that they read."""
    tensors = [getattr(tensor, "tensor", tensor) for tensor in tensors]
    program = sb.program(tensors)
    read = {tensor.name for tensor in program.inputs}
    arrays = evaluate(program, {name: v for name, v in given.items() if name in read})
    return arrays[tensors[0]] if len(tensors) == 1 else [arrays[tensor] for tensor in tensors]


def gradient_of(function):
    """Σ_i f(x[i]) and its derivative by x."""
    x = sb.parameter("x", i)
    loss = sb.define("L", (), Sum(function(x[i]), i))
    return x, loss, sb.derive(loss)


@pytest.mark.parametrize("name", KINKS)
def test_the_derivative_at_a_kink_is_that_of_the_table(name):
    function, expected = KINKS[name]
    x, _, d = gradient_of(function)
    assert "Dirac" not in d.text("index")
    np.testing.assert_allclose(value(d[x], x=X), expected, rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_have_the_same_kinks(dtype):
    loss, gradients = 0, []
    for place, (function, _) in enumerate(KINKS.values()):
        x = sb.parameter(f"x{place}", i)
        loss = loss + sb.define(f"L{place}", (), Sum(function(x[i]), i))
        gradients.append(x)
    d = sb.derive(loss)
    kernel = sb.compile([d[x] for x in gradients], dtype=dtype)
    asked = {tensor.name for tensor in kernel.program.inputs}
    found = kernel(**{x.name: X for x in gradients if x.name in asked})
    for name, values in zip(KINKS, found, strict=True):
        np.testing.assert_allclose(values, KINKS[name][1], rtol=1e-6, err_msg=name)


def test_the_slope_of_a_parametric_relu_is_learned_and_has_no_derivative_at_zero():
    x, alpha = sb.data("x", i), sb.parameter("alpha")
    d = sb.derive(sb.define("L", (), Sum(i*leaky_relu(x[i], alpha), i)), [alpha, x])
    by_alpha, by_x = value(d[alpha], d[x], x=X, alpha=0.25)
    assert by_alpha == 0*-2 + 1*0 + 2*0
    np.testing.assert_array_equal(by_x, [0, 0.25, 2])
    assert value(d[alpha], x=X[::-1], alpha=0.25) == 2*-2


def test_a_tie_of_two_tensors_is_shared():
    a, b = sb.parameter("a", i), sb.parameter("b", i)
    d = sb.derive(sb.define("L", (), Sum(Max(a[i], b[i]), i)))
    by_a, by_b = value(d[a], d[b], a=[1, 2, 3], b=[1, 3, 2])
    np.testing.assert_array_equal(by_a, [0.5, 0, 1])
    np.testing.assert_array_equal(by_b, [0.5, 1, 0])


@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
@pytest.mark.parametrize("reduction", [sb.Maximum, sb.Minimum])
def test_a_maximum_over_an_index_is_shared_between_ties(reduction, dtype):
    x = sb.parameter("x", i, j)
    loss = sb.define("L", (), Sum((i + 1)*reduction(x[i, j], j), i))
    d = sb.derive(loss)
    given = np.array([[1, 2, 2, 0], [3, 3, 3, 3], [0, 1, 2, 3]], dtype=float)
    given = given if reduction is sb.Maximum else -given
    found = (value(d[x], x=given) if dtype is None
             else sb.compile(d[x], dtype=dtype)(x=given))
    expected = [[0, 0.5, 0.5, 0], [0.5, 0.5, 0.5, 0.5], [0, 0, 0, 3]]
    np.testing.assert_allclose(found, expected, rtol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_maximum_of_a_computed_body_finds_its_maximum_in_a_kernel(dtype):
    """What is compared with the maximum must be the very number that entered it."""
    n, m = sb.indices("n m", sb.size("N"), 37)
    x, w = sb.data("x", n, m), sb.parameter("w", m)
    body = sp.exp(x[n, m]*w[m]/3)*sp.sin(w[m] + x[n, m]**2/7) + w[m]*x[n, m]/11
    d = sb.derive(sb.define("L", (), Sum(sb.Maximum(body, m), n)))
    rng = np.random.default_rng(5)
    given = {"x": rng.normal(size=(101, 37)), "w": rng.normal(size=37)}
    exact = value(d[w], **given)
    found = sb.compile(d[w], dtype=dtype)(**given)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, exact, rtol=0, atol=abs(exact).max()*(
        1e-10 if dtype == "float64" else 2e-5))


@pytest.mark.parametrize(("name", "second"), [
    ("relu", [0, 0, 0]), ("|t|", [0, 0, 0]), ("leaky", [0, 0, 0]), ("Max(0, t)", [0, 0, 0]),
    ("|t|·t", [-2, 0, 2]), ("Max(t, 2t): a tie at 0", [0, 0, 0]), ("hinge", [0, 0, 0]),
    ("hard_tanh at 1", [0, 0, 0]), ("hard_sigmoid at −3", [0, 0, 0]), ("huber at 1", [0, 0, 0]),
    ("hard_swish at −3", [0, 0, 1/3]), ("hard_swish at 3", [1/3, 0, 0]),
])
def test_second_derivatives_at_kinks_are_zero(name, second):
    function, _ = KINKS[name]
    x = sb.parameter("x", i)
    d = sb.derive(sb.define("L", (), Sum(function(x[i]) + x[i]**3/6, i)))
    again = sb.derive(sb.define("M", (), Sum(d[x][i], i)), [x])
    assert "Dirac" not in again.text("index")
    found = value(again[x], x=X)
    np.testing.assert_allclose(found, np.array(second) + X, atol=1e-15)


def test_array_notation_has_the_same_kinks():
    x = sb.parameter("x", 3)
    for given, expected in [
        (sb.relu(x), [0, 0, 1]), (sb.maximum(x, 0), [0, 0, 1]), (abs(x), [-1, 0, 1]),
        (sb.minimum(0, x), [1, 0, 0]), (sb.leaky_relu(x), [0.1, 0.1, 1]),
        (sb.maximum(x, x), [1, 1, 1]), (sb.maximum(x, 3*x), [1, 2, 3]),
    ]:
        d = sb.derive(given.sum())
        np.testing.assert_allclose(value(d[x], x=X), expected)
    d = sb.derive(x.max())
    np.testing.assert_allclose(value(d[x], x=[1, 1, 0]), [0.5, 0.5, 0])


def power_of_zero():
    """w^b, and values of w and b with a zero among the bases."""
    w, b = sb.parameter("w", i), sb.parameter("b", i)
    return w[i]**b[i], b, {"w": np.array([0.0, 1, 2]), "b": np.array([2.0, 2, 0.5])}


@pytest.mark.parametrize("named", [False, True])
def test_a_power_of_zero_has_the_derivative_zero_by_its_exponent(named):
    power, b, given = power_of_zero()
    if named:
        power = sb.define("h", (i,), power)[i]
    slope = sb.derive(sb.define("L", (), Sum(power**2/2, i))).gradient(b)
    expected = [0, 0, 2*np.log(2)]
    np.testing.assert_allclose(value(slope, **given), expected, rtol=1e-14)
    np.testing.assert_allclose(sb.compile([slope], dtype="float64")(**given), [expected], 1e-12)


def test_a_power_of_zero_has_the_second_derivative_zero_by_its_exponent():
    power, b, given = power_of_zero()
    slope = sb.derive(sb.define("L", (), Sum(power, i))).gradient(b)
    total = sb.define("S", (), Sum(slope.at(i), i))
    curvature = sb.derive(total, [b]).gradient(b)
    expected = [0, 0, 2**0.5*np.log(2)**2]
    np.testing.assert_allclose(value(curvature, **given), expected, rtol=1e-14)
    np.testing.assert_allclose(sb.compile([curvature], dtype="float64")(**given), [expected], 1e-12)


POWERS = {  # of h = w^b and b: the second derivatives by b at w = 0, b = 2 are those of h = 0
    "tanh(h)·b": lambda h, b: sp.tanh(h)*b, "tanh(h)": lambda h, b: sp.tanh(h),
    "h²": lambda h, b: h**2, "exp(h)": lambda h, b: sp.exp(h), "b·log(1 + h)": lambda h, b: sp.log(
        1 + h)*b, "h·b + h³": lambda h, b: h*b + h**3,
    "σ(h − b)": lambda h, b: 1/(1 + sp.exp(b - h)),
}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("form", POWERS)
def test_a_function_of_a_power_of_zero_has_second_derivatives_by_its_exponent(form, named):
    power, b, given = power_of_zero()
    h = sb.define("h", (i,), power)[i] if named else power
    slope = sb.derive(sb.define("L", (), Sum(POWERS[form](h, b[i]), i))).gradient(b)
    total = sb.define("S", (), Sum(slope.at(i), i))
    curvature = sb.derive(total, [b]).gradient(b)
    x, y = sp.symbols("x y", positive=True)
    exact = sp.diff(POWERS[form](x**y, y), y, 2)
    at_zero = sp.diff(POWERS[form](sp.Integer(0), y), y, 2).subs(y, 2)
    expected = [float(at_zero), *(float(exact.subs({x: float(w), y: float(e)}).doit()) for w, e in
                                  zip(given["w"][1:], given["b"][1:], strict=True))]
    np.testing.assert_allclose(value(curvature, **given), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(sb.compile([curvature], dtype="float64")(**given), [expected],
                               rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize(("body", "at_zero"), [
    (lambda h, w, u: h**2/w**2, 0), (lambda h, w, u: h**2/w, 0), (lambda h, w, u: h*u/w, 0),
    (lambda h, w, u: h*w, 0), (lambda h, w, u: h/w + 1, 1)])
def test_a_named_power_over_its_base_is_a_lower_power(body, at_zero):
    w, b, u = sb.parameter("w", i), sb.parameter("b", i), sb.parameter("u", i)
    h = sb.define("h", (i,), w[i]**b[i])
    line = sb.define("q", (i,), body(h[i], w[i], u[i]) + u[i])
    d = sb.derive(sb.define("L", (), Sum(line[i], i)), [b])
    given = {"w": np.array([0.0, 1, 2]), "b": np.array([2.5, 2, 0.5]), "u": np.zeros(3) + 2}
    found = sb.compile([line, d[b]], dtype="float64")(**given)
    assert [value[0] for value in found] == [at_zero + 2, 0]
    assert all(np.isfinite(value).all() for value in found)


@pytest.mark.parametrize("order", ["bw", "wb"])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("form", POWERS)
def test_mixed_second_derivatives_of_a_power_of_zero_are_finite(form, named, order):
    power, b, given = power_of_zero()
    h = sb.define("h", (i,), power)[i] if named else power
    d = sb.derive(sb.define("L", (), Sum(POWERS[form](h, b[i]), i)))
    total = sb.define("S", (), Sum(d.gradient(order[0]).at(i), i))
    mixed = sb.derive(total, [order[1]]).gradient(order[1])
    x, y = sp.symbols("x y", positive=True)
    exact = sp.diff(POWERS[form](x**y, y), x, y)
    expected = [float(sp.limit(exact.subs(y, 2), x, 0)), *(
        float(exact.subs({x: float(w), y: float(e)}).doit())
        for w, e in zip(given["w"][1:], given["b"][1:], strict=True))]
    np.testing.assert_allclose(value(mixed, **given), expected, rtol=1e-12, atol=1e-15)


def test_a_maximum_is_compared_with_the_numbers_that_it_was_taken_of():
    W, c = sb.parameter("W", i), sb.data("c", j)
    g = sb.define("g", (j,), sp.sin(c[j])*sp.exp(-c[j]/12))
    raised = sp.exp(-W[i] - g[1])
    h = sb.define("h", (i,), raised/Sum(raised, i))
    d = sb.derive(sb.define("L", (), sb.Maximum(h[i], i)*c[0]))
    assert "δ1[i] = c[0]·[h[i] = s1]" in d.text("index")
    given = {"W": np.array([0.5, -1.5, 0.25]), "c": np.array([1.0, 0.3, 0, 0])}
    p = np.exp(-given["W"])/np.exp(-given["W"]).sum()
    found = sb.compile([d[W]], dtype="float32")(**given)[0]
    np.testing.assert_allclose(found, p[1]*(p - [0, 1, 0]), rtol=1e-5)


def test_a_masked_branch_leaves_the_ties_of_a_maximum_as_they_are():
    W, v, u = sb.parameter("W", i), sb.parameter("v"), sb.parameter("u")
    cases = Piecewise((W[i]**2, v > u), (v**2, sp.Eq(j, 1)), (u**2, True))
    h = sb.define("h", (i, j), sp.sqrt(1 + cases))
    text = sb.derive(sb.define("L", (), sb.Maximum(h[i, j], i, j)), [W]).text("index")
    assert text.count(" = L]") == text.count("[h[") > 1
