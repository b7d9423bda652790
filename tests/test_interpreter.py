"""The interpreter against NumPy written by hand, mpmath and JAX."""

import math

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy import special
from sympy import Sum, exp, log, tanh

import symbackprop as sb
from symbackprop.errors import InputError, ProgramError
from symbackprop.functions import Iverson, leaky_relu, relu, sigmoid, softplus
from symbackprop.interpreter import evaluate
from symbackprop.notation import Definition, LogSumExp, Program
from symbackprop.numeric import FUNCTIONS
from tests.support.comparison import check_values

N = sb.size("N")
n, m, i, j, k, u, a = sb.indices("n m i j k u a", N, N, 3, 3, 4, 3, 2)
x = sb.data("x", n, i)
A = sb.parameter("A", i, j)
c = sb.parameter("c")
X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
M = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]])


def value(letters, body, precision=None, **values):
    """The value of one definition, all given values by name."""
    target = sb.define("t", letters, body)
    target = target if hasattr(target, "axes") and target.axes else target.tensor
    return evaluate(sb.program(target), values, precision)[target]


FORMULAS = [
    (exp, np.exp), (log, np.log), (tanh, np.tanh), (sp.sin, np.sin), (sp.cos, np.cos),
    (sp.tan, np.tan), (sp.sinh, np.sinh), (sp.cosh, np.cosh), (sp.asinh, np.arcsinh),
    (sp.atan, np.arctan), (sp.erf, np.vectorize(math.erf)), (sp.Abs, np.abs), (sp.sign, np.sign),
    (sp.floor, np.floor), (sp.ceiling, np.ceil), (sp.sqrt, np.sqrt),
    (sp.cot, lambda t: 1/np.tan(t)), (sp.sec, lambda t: 1/np.cos(t)),
    (sp.csc, lambda t: 1/np.sin(t)), (sp.coth, lambda t: 1/np.tanh(t)),
    (sp.sech, lambda t: 1/np.cosh(t)), (sp.csch, lambda t: 1/np.sinh(t)),
    (sp.sinc, lambda t: np.sin(t)/t), (sp.frac, lambda t: t - np.floor(t)),
    (lambda t: sp.gamma(t**2), lambda t: special.gamma(t**2)),
    (lambda t: sp.loggamma(t**2), lambda t: special.gammaln(t**2)),
    (lambda t: sp.digamma(t**2), lambda t: special.digamma(t**2)),
    (lambda t: sp.trigamma(t**2), lambda t: special.polygamma(1, t**2)),
    (lambda t: sp.polygamma(2, t**2), lambda t: special.polygamma(2, t**2)),
    (lambda t: sp.Mod(t, 2), lambda t: t % 2), (lambda t: t**-3, lambda t: t**-3.0),
    (lambda t: 2**t, lambda t: 2**t), (relu, lambda t: np.maximum(t, 0)),
    (leaky_relu, lambda t: np.where(t > 0, t, t/10)),
    (lambda t: leaky_relu(t, c), lambda t: np.where(t > 0, t, t*0.25)),
    (sigmoid, lambda t: 1/(1 + np.exp(-t))), (softplus, lambda t: np.log1p(np.exp(t))),
    (lambda t: sp.Max(t, c, 1), lambda t: np.maximum(np.maximum(t, 0.25), 1)),
    (lambda t: sp.Min(t, c), lambda t: np.minimum(t, 0.25)),
    (sp.Heaviside, lambda t: np.heaviside(t, 0.5)),
    (lambda t: sp.Heaviside(t, 1), lambda t: np.heaviside(t, 1)),
    (lambda t: Iverson((t > 0) & (t < 2)), lambda t: ((t > 0) & (t < 2))*1.0),
    (lambda t: Iverson(sp.Or(t <= 0, sp.Ne(t, 2))), lambda t: ((t <= 0) | (t != 2))*1.0),
    (lambda t: Iverson(sp.Not(sp.Eq(t, 2))), lambda t: (t != 2)*1.0),
    (lambda t: sp.pi*t + sp.E + sp.Rational(1, 3), lambda t: np.pi*t + np.e + 1/3),
    (lambda t: sp.Piecewise((t, t > 1), (-t, t > 0), (t**2, True)),
     lambda t: np.where(t > 1, t, np.where(t > 0, -t, t**2))),
]


@pytest.mark.parametrize("place", range(len(FORMULAS)))
@pytest.mark.parametrize("precision", [None, 30])
def test_every_function_is_that_of_numpy(place, precision):
    function, expected = FORMULAS[place]
    given = np.abs(X) if function in (log, sp.sqrt) else X
    body = function(x[n, i])
    found = value((n, i), body, precision, x=given, **({"c": 0.25} if body.has(c) else {}))
    assert found.shape == X.shape
    np.testing.assert_allclose(found.astype(float), expected(given), rtol=2e-15, atol=2e-16)


def test_thirty_digits_are_thirty_digits():
    found = value((), exp(c)/3 + sp.sqrt(2), 30, c=0.125)
    with mpmath.workdps(40):
        exact = mpmath.exp(0.125)/3 + mpmath.sqrt(2)
        assert abs(found.item() - exact) < mpmath.mpf(10)**-28


def test_a_product_summed_over_an_index_is_a_matrix_product():
    np.testing.assert_allclose(value((n, j), Sum(x[n, i]*A[i, j], i), x=X, A=M), X @ M)


def test_a_sum_of_a_number_counts():
    assert value((), Sum(3, i) + Sum(c, i, j), c=2.0) == 9 + 18


@pytest.mark.parametrize("spread", [0, 1, 30, 300, 2000])
def test_a_product_summed_at_sixty_digits_is_rounded_once(spread, seed):
    """However far apart the entries are, and with zeros among them; infinities stay."""
    rng = np.random.default_rng(seed)
    left, right = (rng.normal(size=shape)*10.0**rng.integers(-1, 2, shape) for shape in (
        (3, 12), (12, 3)))
    left[0, 0] = right[3, 1] = 0
    scale = [mpmath.mpf(10)**int(power) for power in rng.integers(-spread, spread + 1, 12)]
    s, t, v = sb.indices("s t v", 3, 12, 3)
    wide = sb.parameter("wide", t)
    L, R = sb.data("L", s, t), sb.data("R", t, v)
    with mpmath.workdps(60):
        found = value((s, v), Sum(2*L[s, t]*wide[t]*R[t, v], t), 60, L=left, R=right, wide=scale)
        for place in np.ndindex(3, 3):
            exact = mpmath.fsum(2*mpmath.mpf(left[place[0], k])*scale[k]*mpmath.mpf(
                right[k, place[1]]) for k in range(12))
            terms = mpmath.fsum(abs(left[place[0], k]*scale[k]*right[k, place[1]])
                                for k in range(12))
            assert abs(found[place] - exact) <= mpmath.mpf(10)**-58*terms
    left[1, 2] = 0
    assert not any(map(mpmath.isfinite, value(
        (s, v), Sum(log(L[s, t]**2)*R[t, v], t), 60, L=left, R=right)[1]))
    assert value((), Sum(3*c, i, j, u), 60, c=2.0) == 3*2*27


def test_partial_and_dependent_limits_are_those_of_sympy():
    assert value((), Sum(A[i, 0], (i, 1, 2)), A=M) == 11
    np.testing.assert_allclose(value((i,), Sum(A[i, j], (j, 0, i)), A=M), np.tril(M).sum(1))
    found = value((), Sum(A[i, j], (j, i, 2), (i, 0, 2)), A=M)
    assert found == np.triu(M).sum()
    assert value((), Sum(A[i, 0], (i, 2, 1)), A=M) == 0


def test_an_index_bound_inside_hides_the_one_outside():
    found = value((n, i), exp(x[n, i])/Sum(exp(x[n, i]), i), x=X)
    np.testing.assert_allclose(found, np.exp(X)/np.exp(X).sum(1, keepdims=True))


def test_reductions_nest():
    body = sb.Maximum(Sum(x[n, i]*A[i, j], i), j) + sb.Minimum(x[n, i], n, i)
    np.testing.assert_allclose(value((n,), body, x=X, A=M), (X @ M).max(1) + X.min())


def test_an_index_and_a_size_are_numbers():
    found = value((n, i), x[n, i] + sp.cos(i) + n/N, x=X)
    np.testing.assert_allclose(found, X + np.cos([0, 1, 2]) + np.array([[0.0], [0.5]]))


def test_kronecker_delta_compares_indices():
    np.testing.assert_array_equal(value((i, j), sp.KroneckerDelta(i, j)*A[i, j], A=M),
                                  np.diag(np.diag(M)))


def test_accesses_may_transpose_repeat_reverse_shift_stride_and_gather():
    w = sb.data("w", n, facts=[sb.label(3)])
    np.testing.assert_array_equal(value((i, j), A[j, i], A=M), M.T)
    np.testing.assert_array_equal(value((i,), A[i, i], A=M), np.diag(M))
    np.testing.assert_array_equal(value((n,), x[N - 1 - n, 2], x=X), X[::-1, 2])
    np.testing.assert_array_equal(value((a, j), A[a + 1, j], A=M), M[1:])
    np.testing.assert_array_equal(value((a, j), A[2*a, j], A=M), M[::2])
    np.testing.assert_array_equal(value((n, j), A[w[n], j], A=M, w=[2, 0]), M[[2, 0]])


def test_an_entry_outside_is_nan_and_a_false_bracket_is_strongly_zero():
    np.testing.assert_array_equal(value((i,), A[i + 1, 0], A=M), [4, 7, np.nan])
    np.testing.assert_array_equal(value((i,), A[i - 1, 0], A=M), [np.nan, 1, 4])
    np.testing.assert_array_equal(value((i,), Iverson(i > 0)*A[i - 1, 0], A=M), [0, 1, 4])
    shifted = sp.Piecewise((A[i - 1, 0], i > 0), (0, True))
    np.testing.assert_array_equal(value((i,), shifted, A=M), [0, 1, 4])


def test_the_untaken_branch_of_a_piecewise_is_never_seen():
    body = sp.Piecewise((log(x[n, i]), x[n, i] > 0), (0, True))
    np.testing.assert_array_equal(value((n, i), body, x=X), np.log(np.where(X > 0, X, 1)))


@pytest.mark.parametrize("precision", [None, 40])
def test_stable_functions_stay_finite_and_exact_far_out(precision):
    z = np.array([[1e4, 0.0, -1e4]])
    assert value((n,), LogSumExp(x[n, i], i), precision, x=z)[0] == 1e4
    assert value((), LogSumExp(x[n, i], n, i), precision, x=z) == 1e4
    np.testing.assert_allclose(value((n, i), sigmoid(x[n, i]), precision, x=z).astype(float),
                               [[1, 0.5, 0]], atol=1e-300)
    np.testing.assert_allclose(value((n, i), softplus(x[n, i]), precision, x=z).astype(float),
                               [[1e4, math.log(2), 0]], atol=1e-300)


def test_a_log_sum_of_exponentials_over_all_indices_is_one_number_at_any_precision():
    for precision in (None, 40):
        found = value((), LogSumExp(A[i, j], i, j), precision, A=M)
        assert float(found) == pytest.approx(np.log(np.exp(M).sum()))


def test_a_definition_in_normal_form_has_the_value_of_its_sum():
    s = sb.define("s", (n, j), x[n, i]*A[i, j])
    for op, fold in {"sum": np.sum, "max": np.max, "min": np.min,
                     "lse": lambda t, axis: np.log(np.exp(t).sum(axis))}.items():
        program = Program((Definition(s, (n, j), x[n, i]*A[i, j], (i,), op),), (s,))
        products = X[:, :, None]*M[None]
        np.testing.assert_allclose(evaluate(program, {"x": X, "A": M})[s], fold(products, axis=1))


def test_a_body_may_be_deeper_than_the_stack_of_python():
    body = c
    for _ in range(900):
        body = sp.Add(sp.Mul(body, sp.Rational(1, 2), evaluate=False), 1, evaluate=False)
    target = sb.define("deep", (), tanh(c))
    program = Program((Definition(target.tensor, (), body),), (target.tensor,))
    assert evaluate(program, {"c": 5.0})[target.tensor] == pytest.approx(2)


def test_a_shared_part_is_evaluated_once(monkeypatch):
    calls = []

    def counted(t):
        calls.append(t)
        return np.tanh(t)

    monkeypatch.setitem(FUNCTIONS, tanh, (counted, counted))
    shared = tanh(c + 1)
    value((), shared**2 + sp.sin(shared) + shared, c=0.5)
    assert len(calls) == 1


def test_values_may_be_keyed_by_name_tensor_or_symbol_and_hypers_have_defaults():
    lam = sb.hyper("lam", 0.5)
    t = sb.define("t", (i,), lam*A[i, i]*c)
    program = sb.program(t)
    by_name = evaluate(program, {"A": M, "c": 2})
    by_tensor = evaluate(program, {A: M, c: 2, lam: 0.5})
    by_object = evaluate(program, {A: M, c.tensor: 2.0, "lam": 0.5})
    np.testing.assert_array_equal(by_name[t], np.diag(M))
    np.testing.assert_array_equal(by_tensor[t], by_name[t])
    np.testing.assert_array_equal(by_object[t], by_name[t])
    assert set(by_name) == {A, c.tensor, lam.tensor, t}


def test_a_size_that_no_input_has_may_be_given_by_name():
    t = sb.define("t", (n,), c*n)
    np.testing.assert_array_equal(evaluate(sb.program(t), {"c": 2, "N": 3})[t], [0, 2, 4])
    with pytest.raises(ProgramError, match="the symbol N has no value"):
        evaluate(sb.program(t), {"c": 2})


def test_bad_values_are_refused_in_the_users_words():
    t = sb.define("t", (n, j), Sum(x[n, i]*A[i, j], i))
    program = sb.program(t)
    bad = [
        ({"x": X}, "no value for parameter A[3, 3] (declared at"),
        ({"x": X, "A": M, "B": M}, "'B' is no input of this program; its inputs are x, A"),
        ({"x": X, "A": M, "lam": 1.0}, "'lam' is no input of this program; its inputs are x, A"),
        ({"x": X, "A": M[:2]}, "expected 3 along axis 0, found shape (2, 3)"),
        ({"x": X, "A": M, "N": 5}, "expected N = 5 along axis 0, found shape (2, 3)"),
        ({"x": X[0], "A": M}, "expected an array of rank 2, found shape (3,)"),
        ({"x": X*1j, "A": M}, "expected real numbers, found an array of complex128"),
        ({"x": [["a"]*3], "A": M}, "expected real numbers, found an array of <U1"),
    ]
    for values, message in bad:
        with pytest.raises(InputError) as caught:
            evaluate(program, values)
        assert message in str(caught.value)


def test_what_has_no_value_is_named():
    sigma = sp.Function("σ", real=True)
    with pytest.raises(ProgramError, match="σ is an undefined function"):
        value((n, i), sigma(x[n, i]), x=X)
    with pytest.raises(ProgramError, match="the index j is bound by nothing"):
        t = sb.define("t", (i,), A[i, i])
        evaluate(Program((Definition(t, (i,), A[i, j]),), (t,)), {"A": M})
    with pytest.raises(ProgramError, match="zeta is no function that can be evaluated"):
        value((n, i), sp.zeta(x[n, i]), x=X)


@pytest.mark.parametrize("chunk", range(4))
def test_random_programs_have_the_values_of_jax_and_of_mpmath(chunk, seed):
    for number in range(10*chunk, 10*chunk + 10):
        check_values(seed, 0, number)


def test_the_gamma_function_has_no_value_at_its_poles():
    given = np.array([0.0, -1.0, 1.0])
    t = sb.data("t", 3)
    for function, at_pole, at_one in [(sp.gamma, np.nan, 1), (sp.loggamma, np.inf, 0),
                                      (sp.digamma, np.nan, -np.euler_gamma)]:
        for precision in (None, 30):
            found = value((i,), function(t[i]), precision, t=given).astype(float)
            np.testing.assert_allclose(found, [at_pole, at_pole, at_one])
