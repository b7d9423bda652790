"""Compiled values equal those of the interpreter, for every kind of definition."""

import numpy as np
import pytest
import sympy as sp
from scipy import special

import symbackprop as sb
from tests.codegen.cases import CASES, made
from tests.codegen.inspection import llvm

TOLERANCE = {"float64": 1e-13, "float32": 3e-6}


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    scale = max(float(np.abs(expected).max()), 1e-3)
    return float(np.abs(found - expected).max())/scale


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_a_kernel_computes_what_the_interpreter_does(name: str, dtype: str) -> None:
    made_case = made(name)
    function = sb.compile(made_case.outputs, dtype=dtype)
    found = function(**made_case.values)
    program = function.program
    values = sb.evaluate(program, made_case.values)
    assert len(found) == len(program.outputs)
    for array, tensor in zip(found, program.outputs, strict=True):
        expected = np.asarray(values[tensor])
        assert array.dtype == dtype
        assert array.shape == expected.shape
        assert difference(array, expected) <= TOLERANCE[dtype], program.names[tensor]


@pytest.mark.parametrize("name", CASES)
def test_a_float32_kernel_holds_no_float64_arithmetic(name: str) -> None:
    text = llvm(sb.compile(made(name).outputs, dtype="float32"))
    assert "fpext" not in text
    assert "double" not in text


@pytest.mark.parametrize("name", CASES)
def test_a_kernel_allocates_nothing(name: str) -> None:
    assert "NRT_Allocate" not in llvm(sb.compile(made(name).outputs, dtype="float32"))


def test_functions_that_are_rewritten_have_their_values() -> None:
    n = sb.indices("n", sb.size("N"))
    t = sb.data("t", n)
    rows = {
        sp.sech: lambda v: 1/np.cosh(v), sp.csch: lambda v: 1/np.sinh(v),
        sp.coth: lambda v: 1/np.tanh(v), sp.sec: lambda v: 1/np.cos(v),
        sp.csc: lambda v: 1/np.sin(v), sp.cot: lambda v: 1/np.tan(v),
        sp.sinc: lambda v: np.sinc(v/np.pi), sp.frac: lambda v: v - np.floor(v),
        sp.gamma: special.gamma, sp.loggamma: special.gammaln,
    }
    values = np.array([0.3, 1.2, 2.9])
    outputs = [sb.define(f"r{i}", (n,), f(t[n])) for i, f in enumerate(rows)]
    for found, expected in zip(sb.compile(outputs, dtype="float64")(t=values), rows.values(),
                               strict=True):
        np.testing.assert_allclose(found, expected(values), rtol=1e-12)


def test_the_cardinal_sine_at_zero_is_one() -> None:
    n = sb.indices("n", sb.size("N"))
    t = sb.data("t", n)
    assert sb.compile(sb.define("s", (n,), sp.sinc(t[n])))(t=[0.0]) == [1]


def test_a_condition_that_sympy_makes_of_two_compiles() -> None:
    """Whether the one of two numbers that stands here is below 0."""
    i, j = sb.indices("i j", 3, 3)
    x, y = sb.data("x", i), sb.data("y", j)
    z = sp.Piecewise((x[i], sp.Eq(i, j)), (y[j], True))
    found = sb.compile(sb.define("t", (i, j), z*sp.Heaviside(z)), dtype="float64")
    np.testing.assert_array_equal(found(x=[-1, 2, 3], y=[4, -5, 6]),
                                  [[0, 0, 6], [4, 2, 6], [4, 0, 3]])
