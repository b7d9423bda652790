"""A condition that holds cases of its own is comparisons joined by and, or, not, at every stage."""

import numpy as np
import pytest
from sympy import ITE, Piecewise, Rational, Sum, exp

import symbackprop as sb
from symbackprop.arrays import mapped

i = sb.indices("i", 4)
x, y = sb.data("x", i), sb.parameter("y", i)
GIVEN = {"x": np.array([1.0, 2.0, -3.0, 0.75]), "y": np.array([0.5, -0.25, -0.75, 1.0])}
X, Y = GIVEN["x"], GIVEN["y"]


def cases_in_a_condition(other):
    return Piecewise((y[i]**2, Piecewise((x[i], y[i] > 0), (other, True)) > 0.875), (y[i], True))


@pytest.mark.parametrize(("other", "holds"), [
    (-3, (Y > 0) & (X > 0.875)),  # then SymPy decides one comparison, and says False
    (3, (Y <= 0) | (X > 0.875)),
    (-x[i], np.where(Y > 0, X, -X) > 0.875),
])
def test_cases_in_a_condition_are_differentiated_printed_and_compiled(other, holds) -> None:
    g = sb.define("g", (i,), cases_in_a_condition(other))
    loss = sb.define("L", (), Sum(x[i]*g[i], i))
    derivation = sb.derive(loss)
    assert "ITE" not in derivation.text("index") + str(sb.program(loss))
    gradient = X*np.where(holds, 2*Y, 1)
    program = sb.program([loss, derivation[y]])
    found = sb.evaluate(program, GIVEN)[program.outputs[1]]
    value, compiled = sb.compile([loss, derivation[y]], dtype="float64")(**GIVEN)
    np.testing.assert_allclose(value, np.sum(X*np.where(holds, Y**2, Y)))
    np.testing.assert_allclose(found, gradient)
    np.testing.assert_allclose(compiled, gradient)


def test_cases_that_a_pass_writes_into_a_condition_are_compiled() -> None:
    inner = mapped(lambda t: Piecewise((t, t > 0), (exp(t) - 1, True)), y)
    outer = mapped(lambda t: Piecewise((t**2, t > -0.25), (t, True)), inner)
    elu = np.where(Y > 0, Y, np.expm1(Y))
    loss = (outer*x).sum()
    np.testing.assert_allclose(sb.compile(loss, dtype="float64")(**GIVEN),
                               np.sum(X*np.where(elu > -0.25, elu**2, elu)))


def test_sympy_does_not_solve_a_comparison_of_an_entry_for_the_name_of_its_tensor() -> None:
    q = sb.data("q", i, facts=[sb.positive])
    below = q[3] < Rational(3, 4)
    made = Piecewise((1, Piecewise((x[0], below), (x[1], True)) > 0), (0, True))
    assert made == Piecewise((1, ITE(below, x[0] > 0, x[1] > 0)), (0, True))
