"""Log-sum-exp as a pair: logits of ten thousand lose no digits, the control does."""

import numpy as np
import pytest
from sympy import Sum, exp, log

import symbackprop as sb
from symbackprop.codegen.driver import kernel_of
from symbackprop.codegen.stability import Minus, stabilise
from symbackprop.normal import normalise
from symbackprop.notation import LogSumExp
from symbackprop.simplification import simplify

N = sb.size("N")
n, k = sb.indices("n k", N, 5)


def logits(size: float, rows: int = 40) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.round(size + rng.normal(size=(rows, 5))*3).astype(np.float32)


def true_lse(z: np.ndarray) -> np.ndarray:
    z = z.astype(np.longdouble)
    m = z.max(axis=1, keepdims=True)
    return (m + np.log(np.exp(z - m).sum(axis=1, keepdims=True)))[:, 0]


@pytest.mark.parametrize("rows", [1, 2, 40])
@pytest.mark.parametrize("size", [1e4, -1e4, 3e6])
def test_logits_of_any_size_keep_their_digits(size: float, rows: int) -> None:
    z = sb.data("z", n, k)
    y = sb.data("y", n, facts=[sb.label(k)])
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    picked = sb.define("l", (n,), -log(p[n, y[n]]))
    given, labels = logits(size, rows), np.arange(rows) % 5
    found_p, found_l = sb.compile([p, picked], dtype="float32")(z=given, y=labels)
    lse = true_lse(given)
    np.testing.assert_allclose(found_p, np.exp(given - lse[:, None]).astype(float), rtol=1e-6)
    np.testing.assert_allclose(
        found_l, (lse - given[np.arange(rows), labels]).astype(float), rtol=1e-6, atol=1e-7)


def test_without_the_pair_the_digits_are_lost() -> None:
    """The control: m + log s, rounded to float32, errs by about 5e-4 at logits of 1e4."""
    given = logits(1e4)
    rounded = true_lse(given).astype(np.float32)
    error = np.abs(np.exp(given - rounded[:, None]) - np.exp(given - true_lse(given)[:, None]))
    assert error.max() > 1e-5


@pytest.mark.parametrize("value", [3.0, -0.7])
def test_a_temperature_of_either_sign_is_divided_by_after_the_maximum_is_subtracted(
    value: float
) -> None:
    z, tau = sb.parameter("z", n, k), sb.hyper("tau")
    raised = exp(z[n, k]/tau)
    p = sb.define("p", (n, k), raised/Sum(raised, k))
    given = logits(1e4)
    found = sb.compile(p, dtype="float32")(z=given, tau=value)
    scaled = given.astype(np.longdouble)/np.longdouble(np.float32(value))
    exact = np.exp(scaled - true_lse(scaled)[:, None]).astype(float)
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-7)
    rounded = (given/np.float32(value)).astype(np.longdouble)
    control = np.exp(rounded - true_lse(rounded)[:, None]).astype(float)
    assert np.abs(control - exact).max() > 1e-5


def test_a_small_softmax_that_is_unrolled_keeps_its_digits() -> None:
    """With three logits and no batch all loops unroll, and sums could be reordered across them."""
    i = sb.indices("i", 3)
    z = sb.data("z", i)
    lse = sb.define("lse", (), LogSumExp(z[i], i))
    difference = sb.define("d", (i,), z[i] - lse)
    given = np.array([20000, 20001, 20003], np.float32)
    exact = given - np.longdouble(20003) - np.log(1 + np.exp(np.longdouble(-2))
                                                  + np.exp(np.longdouble(-3)))
    found = sb.compile(difference, dtype="float32")(z=given)
    np.testing.assert_allclose(found, exact.astype(float), rtol=1e-6)


def test_the_difference_is_a_function_that_no_compiler_reorders() -> None:
    z = sb.data("z", n, k)
    lse = sb.define("lse", (n,), LogSumExp(z[n, k], k))
    program = stabilise(normalise(sb.program(sb.define("d", (n, k), z[n, k] - lse[n]))))
    assert not [d for d in program if d.op == "lse"]
    assert [d for d in program if d.body.has(Minus)]


def test_the_gradient_of_cross_entropy_is_finite_and_exact_at_large_logits() -> None:
    y = sb.data("y", n, k, facts=[sb.one_hot(k)])
    z = sb.parameter("z", n, k)
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    loss = sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k)/N)
    gradient = sb.derive(loss)[z]
    given, hot = logits(1e4), np.eye(5)[np.arange(40) % 5]
    found, value = sb.compile([gradient, loss], dtype="float32")(z=given, y=hot)
    lse = true_lse(given)
    np.testing.assert_allclose(found, ((np.exp(given - lse[:, None]) - hot)/40).astype(float),
                               rtol=2e-6, atol=4e-9)
    expected = (hot*(lse[:, None] - given)).sum()/40
    assert value == pytest.approx(float(expected), rel=1e-6)


def test_a_softmax_computes_each_exponential_once() -> None:
    z = sb.data("z", n, k)
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    kernel = kernel_of(simplify(normalise(sb.program([p]))))
    assert sum(s.definition.body.has(exp) for s in kernel.stages) == 1


@pytest.mark.parametrize("value", [-1e30, -200, -1, 0, 1, 200, 1e30])
def test_sigmoid_and_softplus_are_exact_at_the_ends_of_the_line(value: float) -> None:
    t = sb.data("t", n)
    outputs = [sb.define("s", (n,), 1/(1 + exp(-t[n]))), sb.define("p", (n,), log(1 + exp(t[n])))]
    given = np.full(20, value, np.float32)  # long enough to be vectorised
    with np.errstate(over="ignore"):
        expected = 1/(1 + np.exp(-given.astype(float))), np.logaddexp(0, given.astype(float))
    for found, exact in zip(sb.compile(outputs)(t=given), expected, strict=True):
        np.testing.assert_allclose(found, exact.astype(np.float32), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_quotient_by_infinity_is_zero_also_where_loops_vectorise(dtype: str) -> None:
    """Reciprocal estimates would turn 1/inf into NaN."""
    t = sb.data("t", n)
    outputs = [sb.define("a", (n,), 1/exp(2*t[n]**2)), sb.define("b", (n,), 1/(1 + t[n]**40)),
               sb.define("c", (n,), 1/sb.sqrt(t[n]**40))]
    for found in sb.compile(outputs, dtype=dtype)(t=np.full(50, 1e15)):
        np.testing.assert_allclose(found, 0, atol=1e-30)
