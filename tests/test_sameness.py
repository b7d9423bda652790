"""Two formulas are one function when they agree whatever the values of all that they read."""

import numpy as np
import pytest
import sympy
from sympy import Abs, Eq, Sum, sqrt

import symbackprop as sb
from symbackprop.sameness import same_function

n, j, k = sb.indices("n j k", sb.size("N"), 3, 3)
h, p = sb.data("h", n, j), sb.data("p", n, j)
y = sb.data("y", n, facts=[sb.label(3)])
m = sb.define("m", (n,), Sum(h[n, j], j)/3)

SAME = [
    ((p[n, j]*(1 - sb.Iverson(Eq(j, y[n]))/p[n, y[n]]), p[n, j] - sb.Iverson(Eq(j, y[n])))),
    ((h[n, j] + 1)**2, h[n, j]**2 + 2*h[n, j] + 1),
    (Sum(h[n, k] + p[n, j], k), 3*p[n, j] + Sum(h[n, k], k)),
    (sqrt(h[n, j])**2, h[n, j]),
]
OTHER = [
    (Sum(h[n, k] - m[n], k)*p[n, j], sympy.Integer(0)*p[n, j]),
    (Abs(h[n, j]), h[n, j]),
    (h[n, j], h[n, j]*(1 + sympy.Rational(1, 10**6))),
    (Sum(h[n, k], k), h[n, j]),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=str)
def test_formulas_of_one_function_are_the_same(one: sympy.Expr, other: sympy.Expr) -> None:
    assert same_function(one, other, (n, j))


@pytest.mark.parametrize(("one", "other"), OTHER, ids=str)
def test_formulas_that_agree_at_some_values_only_are_not(one: sympy.Expr,
                                                         other: sympy.Expr) -> None:
    assert not same_function(one, other, (n, j))


def test_what_would_take_long_is_not_compared() -> None:
    a, b = sb.indices("a b", 1000, 1000)
    w = sb.parameter("w", a, b)
    assert not same_function((w[a, b] + 1)**2, w[a, b]**2 + 2*w[a, b] + 1, (a, b))


def test_points_at_which_a_definition_has_no_value_say_nothing() -> None:
    good, bad = ({h: np.full((4, 3), value), p: np.ones((4, 3))} for value in (0.5, np.nan))
    one, other = h[n, j]*p[n, j], h[n, j]
    assert same_function(one, other, (n, j), [bad, good])
    assert not same_function(one, other, (n, j), [bad])
    assert not same_function(one, other + 1, (n, j), [bad, good])
