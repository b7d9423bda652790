"""Where formulas meet 0/0, 0·∞ and branches that are not taken: the limits that are meant."""

import numpy as np
import pytest
from sympy import Abs, Piecewise, Sum, exp, log, sqrt

import symbackprop as sb
from symbackprop.collect import program
from symbackprop.functions import root, xlogy
from symbackprop.interpreter import evaluate
from symbackprop.normal import normalise
from symbackprop.simplification import simplify

N = sb.size("N")
n, k, j = sb.indices("n k j", N, 3, 3)
LARGE = np.array([[1e4, -1e4, 0.0], [1.0, -1.0, 0.001]])


def gradients(loss, wrt: list, **given) -> list[list[np.ndarray]]:
    """[loss, its gradients] by the interpreter in float64 and by the kernel in float32."""
    target = sb.define("loss", (), loss)
    derivation = sb.derive(target, wrt)
    outputs = [target, *(derivation[tensor] for tensor in wrt)]
    declared = program(outputs)
    simple = simplify(normalise(declared))
    arrays = evaluate(simple, {t.name: given[t.name] for t in simple.inputs})
    kernel = sb.compile(outputs)(**{t.name: given[t.name] for t in declared.inputs})
    return [[arrays[t] for t in simple.outputs], kernel]


def same(found: list[list[np.ndarray]], *expected) -> None:
    for values in found:
        for value, exact in zip(values, expected, strict=True):
            np.testing.assert_allclose(value, exact, rtol=4e-7, atol=1e-7)


@pytest.mark.parametrize("named", [False, True])
def test_the_gradient_of_a_norm_at_zero_is_zero(named: bool) -> None:
    W = sb.parameter("W", n, k)
    squares = Sum(W[n, k]**2, k)
    if named:
        squares = sb.define("squares", (n,), squares)[n]
    given = np.array([[0.0, 0.0, 0.0], [3.0, 4.0, 0.0]])
    same(gradients(Sum(sqrt(squares), n), [W], W=given), 5, given/5)


def test_a_norm_of_scalars_is_a_norm_and_a_shifted_root_is_none() -> None:
    a, b = sb.parameter("a"), sb.parameter("b")
    same(gradients(sqrt(a**2 + 2*b**2), [a, b], a=0.0, b=0.0), 0, 0, 0)
    length = sb.define("r", (), sqrt(a**2 + 1))
    assert not simplify(normalise(program(length))).definitions[-1].body.has(root)


@pytest.mark.parametrize("named", [False, True])
def test_an_exponential_among_the_logits_leaves_a_softmax_safe(named: bool) -> None:
    W, c = sb.parameter("W", k), sb.data("c", j)
    shift = sb.define("g", (j,), exp(c[j]))[1] if named else exp(c[1])
    raised = exp(W[k] + shift)
    p = sb.define("p", (k,), raised/Sum(raised, k))
    given, chance = np.log([1.0, 2.0, 5.0]), np.array([1, 2, 5])/8
    slope = 2*chance*(chance - (chance**2).sum())
    same(gradients(Sum(p[k]**2, k), [W], W=given, c=[0.0, 4.0, 0.0])[:1], 30/64, slope)
    float32 = gradients(Sum(p[k]**2, k), [W], W=given, c=[0.0, 9.0, 0.0])[1]
    for value, exact in zip(float32, (30/64, slope), strict=True):  # an ulp of e^9 is 5e-4
        np.testing.assert_allclose(value, exact, rtol=4e-3, atol=1e-3)


INSIDE = {  # of z, e = exp(z), a sum of exponentials in the line, and a named one
    "squared log-softmax": lambda z, e, s, t: exp(-(z - log(s))**2),
    "softmax": lambda z, e, s, t: exp(-exp(z)/s), "named softmax": lambda z, e, s, t: exp(e/t),
    "sigmoid": lambda z, e, s, t: exp(-e/(1 + e)),
    "softmax and a factor": lambda z, e, s, t: exp(-e/t)*e/t,
}


@pytest.mark.parametrize("name", INSIDE)
def test_a_softmax_in_an_exponent_is_as_safe_as_outside(name: str) -> None:
    z, i = sb.parameter("z", k), sb.indices("i", 3)
    e = sb.define("e", (k,), exp(z[k]))[k]
    total = sb.define("t", (), Sum(exp(z[k]), k))
    body = INSIDE[name](z[k], e, Sum(exp(z[i]), i), total)
    target = sb.define("L", (), Sum(body, k))
    outputs = [target, sb.derive(target).gradient(z)]
    given = np.array([1.0, 2.0, 0.0])
    exact = evaluate(program(outputs), {"z": given + 800}, 60)
    found = sb.compile(outputs, dtype="float64")(z=given + 800)
    for value, output in zip(found, program(outputs).outputs, strict=True):
        np.testing.assert_allclose(value, np.array(exact[output], float), rtol=1e-12, atol=1e-300)


def test_an_entropy_counts_nothing_for_a_probability_of_zero() -> None:
    q, p = sb.data("q", k), sb.parameter("p", k)
    bits = sb.define("bits", (), -Sum(q[k]*log(q[k]), k))
    assert simplify(normalise(program(bits))).definitions[-2].body.has(xlogy)
    same(gradients(-Sum(q[k]*log(q[k]), k) + p[0], [p], q=[0, 1, 0], p=[0, 1, 0]), 0, [1, 0, 0])
    same(gradients(Sum(q[k]*log(q[k]/p[k]), k), [p], q=[0, 1, 0], p=[.5, .25, .25]),
         np.log(4), [0, -4, 0])


def test_the_entropy_of_a_saturated_softmax_has_a_finite_gradient() -> None:
    z = sb.parameter("z", n, k)
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    first, second = gradients(-Sum(p[n, k]*log(p[n, k]), n, k), [z], z=LARGE)
    np.testing.assert_allclose(first[1][0], 0, atol=1e-12)
    np.testing.assert_allclose(second[1], first[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("named", [False, True])
def test_what_is_undefined_in_a_branch_that_is_not_taken_never_leaks(named: bool) -> None:
    z = sb.parameter("z", n, k)
    inner = 3*sqrt(z[n, k]) + log(z[n, k])
    if named:
        half = sb.define("half", (n, k), sqrt(z[n, k]))
        inner = sb.define("inner", (n, k), 3*half[n, k] + log(z[n, k]))[n, k]
    loss = Sum(Piecewise((inner, z[n, k] > 0), (0, True)), n, k)
    safe = np.where(LARGE > 0, LARGE, 1)
    value = np.where(LARGE > 0, 3*np.sqrt(safe) + np.log(safe), 0).sum()
    slope = np.where(LARGE > 0, 1.5/np.sqrt(safe) + 1/safe, 0)
    same(gradients(loss, [z], z=LARGE), value, slope)


@pytest.mark.parametrize("named", [False, True])
def test_the_exponential_linear_unit_is_finite_at_ten_thousand(named: bool) -> None:
    z, alpha = sb.parameter("z", n, k), sb.parameter("alpha")
    raised = sb.define("e", (n, k), exp(z[n, k]))[n, k] if named else exp(z[n, k])
    h = sb.define("h", (n, k), Piecewise((z[n, k], z[n, k] > 0), (alpha*(raised - 1), True)))
    below = np.expm1(np.minimum(LARGE, 0))
    same(gradients(Sum(h[n, k], n, k), [z, alpha], z=LARGE, alpha=0.5),
         np.where(LARGE > 0, LARGE, below/2).sum(),
         np.where(LARGE > 0, 1, (below + 1)/2), below[LARGE <= 0].sum())


@pytest.mark.parametrize("named", [False, True])
def test_a_mean_weighted_by_exponentials_never_overflows(named: bool) -> None:
    z, v = sb.parameter("z", n, k), sb.data("v", k)
    above, below = Sum(exp(z[n, k])*v[k], k), Sum(exp(z[n, k]), k)
    if named:
        e = sb.define("e", (n, k), exp(z[n, k]))
        above = sb.define("c", (n,), Sum(e[n, k]*v[k], k))[n]
        below = sb.define("s", (n,), Sum(e[n, k], k))[n]
    weights = np.exp(LARGE - LARGE.max(axis=1, keepdims=True))
    p, values = weights/weights.sum(axis=1, keepdims=True), np.array([1.0, -2.0, 0.5])
    mean = p @ values
    same(gradients(Sum(above/below, n), [z], z=LARGE, v=values), mean.sum(),
         p*(values - mean[:, None]))


def test_a_one_hot_entry_is_its_own_power_and_a_probability_is_not() -> None:
    z = sb.parameter("z", n, k)
    for fact, gradient in ((sb.one_hot(k), "y[n,k]"), (sb.simplex(k), "y[n,k]²")):
        y = sb.data("y", n, k, facts=[fact])
        loss = sb.define("L", (), Sum(y[n, k]**2*z[n, k], n, k))
        assert sb.derive(loss).text("index") == f"∂L/∂z[n,k] = {gradient}"


def test_a_symmetric_tensor_has_one_access_for_both_orders() -> None:
    x, A = sb.parameter("x", k), sb.data("A", k, j, facts=[sb.symmetric(0, 1)])
    B = sb.data("B", k, j)
    for tensor, terms in ((A, 1), (B, 2)):
        loss = sb.define("L", (), Sum(tensor[k, j]*x[k]*x[j], k, j))
        assert sb.derive(loss).text("index").count("Σ") == terms


def test_the_gradient_by_a_symmetric_tensor_keeps_the_entries_that_were_written() -> None:
    A = sb.parameter("A", k, j, facts=[sb.symmetric(0, 1)])
    u, v = sb.data("u", k), sb.data("v", k)
    loss = sb.define("L", (), Sum(A[j, k]*u[k]*v[j], k, j))
    found = sb.derive(loss).gradient(A)
    values = evaluate(program(found), {"u": [1, 2, 3], "v": [5, 0, 0]})[found]
    np.testing.assert_allclose(values, np.outer([5, 0, 0], [1, 2, 3]))


def test_a_positive_tensor_is_its_own_modulus() -> None:
    q = sb.parameter("q", k, facts=[sb.positive])
    loss = sb.define("L", (), Sum(Abs(q[k]) + sqrt(q[k]**2), k))
    assert sb.derive(loss).text("index") == "∂L/∂q[k] = 2"
