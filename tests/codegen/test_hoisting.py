"""Functions of what stays the same in a loop are computed before it, once."""

import re
import subprocess
import sys

import numpy as np
import pytest
import sympy as sp
from sympy import Eq, Mod, Piecewise, Sum

import symbackprop as sb
from symbackprop.functions import Iverson
from symbackprop.interpreter import evaluate
from tests.codegen.cases import random
from tests.codegen.processes import environment

N = sb.size("N")
n, j, k = sb.indices("n j k", N, 5, 3)
x, s = sb.data("x", n, j), sb.data("s", n)
w, V, c = sb.parameter("w", j), sb.parameter("V", j, k), sb.hyper("c")
VALUES = {"x": random(4, 5), "s": random(4), "w": random(5), "V": random(5, 3), "c": 0.75}


def lines(*bodies: object, over: tuple = (n, j)) -> list[str]:
    """The statements of the kernel of f1, f2, …, whose values are those of the interpreter."""
    outputs = [sb.define(f"f{i}", over, body) for i, body in enumerate(bodies, 1)]
    function = sb.compile(outputs, dtype="float64")
    given = {name: VALUES[name] for name in (t.name for t in sb.program(outputs).inputs)}
    for found, output in zip(function(**given), outputs, strict=True):
        expected = evaluate(sb.program(outputs), given)[output]
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)
    return statements(function.source)


def statements(source: str) -> list[str]:
    """The lines that give something a value."""
    body = source.partition("):\n")[2].split("\n")
    return [line.strip() for line in body if "= " in line and not re.search(r"#|view\(", line)]


def test_functions_of_factors_are_arrays_and_plain_factors_stay():
    assert lines(x[n, j]*sp.exp(w[j])*w[j]*sb.sigmoid(s[n])*sp.sin(c)) == [
        "q1[j] = exp(w[j])", "q2[n] = sigmoid(s[n])", "q3 = sin(c)",
        "f1[n, j] = x[n, j]*q1[j]*q2[n]*q3*w[j]"]


def test_functions_of_terms_are_arrays_and_plain_terms_and_numbers_stay():
    assert lines(x[n, j] + 2 + sp.exp(w[j]) + w[j]) == [
        "q1[j] = exp(w[j])", "f1[n, j] = real(2) + q1[j] + w[j] + x[n, j]"]


def test_factors_are_not_multiplied_in_another_order():
    """10⁻³⁰·exp(−46) is 0 in float32, and with the factor 10³⁰ it is not."""
    f = sb.define("f", (n, j), x[n, j]*w[j]*sp.exp(V[j, 0]))
    found = sb.compile(f)(x=np.full((2, 5), 1e30), w=np.full(5, 1e-30), V=np.full((5, 3), -46))
    np.testing.assert_allclose(found, np.exp(-46), rtol=1e-5)


def test_an_inverse_power_that_may_be_infinite_divides():
    assert lines(x[n, j]*(1 + s[n]**2)**sp.Rational(-3, 2)) == [
        "q1[n] = sqrt(real(1) + s[n]**2)**3", "f1[n, j] = x[n, j]/q1[n]"]
    f = sb.define("f", (n, j), x[n, j]*sp.sqrt(s[n])**-3)
    found = sb.compile(f)(x=np.full((1, 5), 1e-35), s=[4e-26])
    np.testing.assert_allclose(found, 1.25e3, rtol=1e-5)


def test_a_choice_that_is_0_hides_the_other_factors_as_before():
    f = sb.define("f", (n, j), Piecewise((sp.exp(s[n]), s[n] > 0), (0, True))*sp.log(x[n, j]))
    found = sb.compile(f, dtype="float64")(x=-np.ones((2, 5)), s=[-1, -2])
    assert (found == 0).all()


def test_functions_in_what_is_taken_out_are_taken_out_of_it():
    assert lines(V[j, k]*sp.tanh(x[n, j]*sp.exp(w[j])), over=(n, j, k)) == [
        "q1[j] = exp(w[j])", "q2[n, j] = tanh(x[n, j]*q1[j])", "f1[n, j, k] = q2[n, j]*V[j, k]"]
    found = lines(x[n, j] + s[n]*sp.exp(c))
    assert found[0] == "q1 = exp(c)"
    assert not any("q2" in line for line in found)


def test_a_loop_over_one_value_repeats_nothing():
    one = sb.indices("o", 1)
    assert lines(x[n, 0]*sp.exp(s[n]), over=(n, one)) == ["f1[n, o] = x[n, 0]*exp(s[n])"]


def test_a_function_of_two_samples_is_no_array():
    m = sb.indices("m", N)
    near = Sum(sp.Max(sp.exp(-(s[n] - s[m])**2)*x[n, j], x[m, j]), m)
    assert not any(line.startswith("q") for line in lines(near))


def test_what_two_formulas_need_is_computed_once_and_a_sign_is_no_difference():
    assert lines(x[n, j]*sb.sigmoid(s[n]), -sb.sigmoid(s[n])*x[n, j]**2) == [
        "q1[n] = sigmoid(s[n])", "f1[n, j] = x[n, j]*q1[n]", "f2[n, j] = -x[n, j]**2*q1[n]"]


def test_a_quotient_stays_one():
    """0/10⁻³¹⁰ is 0, and 0·(1/10⁻³¹⁰) is NaN: an inverse is infinite where a quotient is not."""
    assert lines(x[n, j]/(2 + sp.sin(w[j]))) == [
        "q1[j] = real(2) + sin(w[j])", "f1[n, j] = x[n, j]/q1[j]"]


def test_a_root_is_a_function_and_products_and_choices_are_none():
    assert lines(x[n, j]/sp.sqrt(s[n]**2 + 1)) == [
        "q1[n] = real(1)/sqrt(real(1) + s[n]**2)", "f1[n, j] = x[n, j]*q1[n]"]
    assert len(lines(sp.Max(x[n, j]*s[n]**2*w[j], 0, abs(w[j])/(1 + c**2)))) == 1


def test_a_whole_body_and_the_inside_of_a_function_are_parts_too():
    assert lines(sp.exp(w[j]), over=(k, j)) == ["q1[j] = exp(w[j])", "f1[k, j] = q1[j]"]
    assert lines(sp.tanh(x[n, j] + sp.tanh(s[n]))) == [
        "q1[n] = tanh(s[n])", "f1[n, j] = tanh(q1[n] + x[n, j])"]


def test_conditions_and_cases_are_looked_through():
    found = lines(Piecewise((x[n, j]*sp.exp(c), x[n, j] > sp.tanh(s[n])), (sp.sin(w[j]), True)))
    assert found[:3] == ["q1 = exp(c)", "q2[n] = tanh(s[n])", "q3[j] = sin(w[j])"]
    assert len(found) == 4


def test_a_sum_reads_what_does_not_depend_on_its_index():
    found = lines(Sum(sp.tanh(x[n, j]*sp.exp(s[n])), j), over=(n,))
    assert found[0] == "q1[n] = exp(s[n])"
    assert "total += tanh(x[n, j]*q1[n])" in found


def test_brackets_say_where_something_is_and_stay():
    first, last = lines(Iverson(Eq(Mod(n, 2), 0))*sp.exp(w[j])*x[n, j])
    assert first == "q1[j] = exp(w[j])"
    assert "n % 2 == 0" in last
    i = sb.indices("i", 5)
    scatter = lines(Sum(Iverson(Eq(i, 2*k))*sp.exp(V[i, k] + sp.exp(c)), k), over=(i,))
    assert "q1 = exp(c)" in scatter
    assert scatter[-1] == "f1[2*k] += exp(V[2*k, k] + q1)"


def test_indices_of_entries_are_left_alone():
    assert lines(x[n, sp.Max(j - 1, 0)]*w[j]) == ["f1[n, j] = x[n, max(0, j - 1)]*w[j]"]


def test_a_gradient_has_no_function_of_one_index_in_a_loop_over_two():
    L = sb.define("L", (), Sum((x[n, j]*sp.exp(w[j]) - s[n])**2, n, j)/N)
    function = sb.compile([L, *sb.derive(L).gradients.values()])
    assert [line for line in statements(function.source) if "exp" in line] == ["q1[j] = exp(w[j])"]


NEST = """
import symbackprop as sb, sympy as sp
from symbackprop.functions import Iverson, logaddexp
N = sb.size("N")
n, j = sb.indices("n j", N, N)
x, h = sb.data("x", N), sb.data("h", N)
v = sb.sigmoid(sb.sigmoid(h[N - 1 - n]))
t = (x[n]*sb.sigmoid(-logaddexp(sp.log(2) - v/4, -3*v/4))**2*sp.exp(-v/2)
     *sp.sqrt(2 + 1/(1 + x[n]**2)))
here, last = Iverson(sp.Eq(j, n)), Iverson(sp.Eq(j, N - 1))
f = sb.define("f", (n, j), here*x[n] + last*t)
print(sb.compile(f, dtype="float64")(x=[1, 2], h=[1, 2])[0, 0])
"""


def test_the_compiler_ends_where_a_nest_of_functions_stands_behind_a_condition(tmp_path):
    """LLVM's vectoriser did not, and random programs of twenty lines met that."""
    done = subprocess.run([sys.executable, "-c", NEST], env=environment(tmp_path), timeout=120,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(1)


A, B = sb.data("A", 40_000), sb.data("B", 40_000)
X, C = sb.data("X", N, 784), sb.data("C", 100, 784)
a, b, o = sb.indices("a b o", 40_000, 40_000, 3)
row, other, column, centre = sb.indices("n m i k", N, N, 784, 100)
c3 = sb.data("c", 3)
LONG = {
    "pairs of many entries": ((), Sum(sp.Max(sp.exp(-(A[a] - B[b])**2), c3[o]), a, b, o)),
    "pairs of samples": ((), Sum(sp.Max(sp.exp(-(X[row, 0] - X[other, 1])**2), c3[o]),
                                 row, other, o)),
    "distances to centres": ((row, o), Sum(sp.Max(sp.exp(-(X[row, column] - C[centre, column])**2),
                                                  c3[o]), column, centre)),
}


@pytest.mark.parametrize(("indices", "body"), LONG.values(), ids=LONG)
def test_no_array_is_made_that_is_much_longer_than_all_others(indices, body):
    """6 GB for one number, N², and 784·100·N: with one more loop around, which makes it pay."""
    source = sb.compile(sb.define("f", indices, body)).source
    assert "q1" not in source
    assert "exp(" in source


def test_an_array_as_long_as_another_is_made():
    """784·N entries where the data have as many, and N² where the result has."""
    scaled = sb.define("f", (), Sum(sp.Max(sp.exp(X[row, column]), c3[o]), row, column, o))
    assert "q1_flat[entry] = exp(X_flat[entry])" in statements(sb.compile(scaled).source)
    near = sp.exp(-(X[row, 0] - X[other, 1])**2)
    pairs = sb.define("g", (row, other), Sum(sp.Max(near, c3[o]), o))
    assert any(line.startswith("q1[n, m] = exp(") for line in
               statements(sb.compile(pairs).source))
