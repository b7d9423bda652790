"""Numbers in formulas, pages and kernels: short where they are, refused where there are none."""

from __future__ import annotations

import pytest
import sympy

import symbackprop as sb
from symbackprop.printing.numbers import float_text, integer_text


def test_a_decimal_is_printed_as_it_was_written() -> None:
    w = sb.parameter("w")
    loss = sb.define("L", (), (1 - 0.1)*w + 3*0.1*w**2 + 10**10*w**3 + 1e22*w**4)
    terms = str(sb.program(loss)).removeprefix("L = ").split(" + ")
    assert sorted(terms) == ["0.3·w²", "0.9·w", "1e10·w³", "1e22·w⁴"]
    assert "10^{10}" in sb.derive(loss).latex("steps")


@pytest.mark.parametrize("value", [0.1, 1/3, 1e-5, 0.1 + 2**-40, 123456.789, 5e-324, 1.7e308])
def test_a_short_decimal_is_the_number_but_for_its_rounding(value: float) -> None:
    assert float(float_text(value)) == pytest.approx(value, rel=1e-15, abs=0)
    assert len(float_text(value)) <= len(repr(value))


def test_an_integer_keeps_its_value() -> None:
    for value in (0, 7, 100000, 10**7, -10**7, 123*10**9, 10**400, 12345678901):
        assert sympy.Rational(integer_text(value)) == value


@pytest.mark.parametrize("factor", [sympy.Float("1e39"), 10**40,
                                    sympy.Rational(10**40, 10**39 + 1)])
def test_a_constant_beyond_float32_is_refused_and_compiles_in_float64(factor: object) -> None:
    w = sb.parameter("w")
    loss = sb.define("L", (), factor*w)
    with pytest.raises(sb.CompilationError, match="infinite in float32.*dtype=\"float64\""):
        sb.compile(loss)
    assert float(sb.compile(loss, dtype="float64")(w=1.0)) == pytest.approx(float(factor))


def test_a_function_without_a_kernel_is_refused_with_those_that_have_one() -> None:
    w = sb.parameter("w")
    with pytest.raises(sb.CompilationError, match="besselj is no function that can be compiled"
                                                  ".*known: .*erf, .*tanh"):
        sb.compile(sb.define("L", (), sympy.besselj(0, w)))


def test_a_value_too_large_for_a_float_is_refused_by_name() -> None:
    w = sympy.Symbol("w", real=True)
    for loss, given in ((w*10**400, 2), (2*w, 10**400), (-w*10**400, 2)):
        with pytest.raises(sb.InputError, match="no finite value here: .* is -?inf"):
            sb.explain(loss, {w: given})


def test_the_page_explains_the_signs_that_stand_on_it_and_no_others() -> None:
    rows = sb.size("N")
    x, y, w = sb.data("x", rows, 3), sb.data("y", rows, 2), sb.parameter("W", 3, 2)
    relu = sb.derive(sb.losses.squared_error(sb.relu(x @ w), y)).html(check=False)
    assert "[c] is 1 where the condition c holds" in relu
    assert "diag(v)" not in relu
    plain = sb.derive(sb.losses.squared_error(x @ w, y)).html(check=False)
    assert "[c] is 1" not in plain
    assert "raises every entry" not in plain
    i, j = sb.indices("i j", 3, 3)
    v, square = sb.parameter("v", i), sb.parameter("A", i, j)
    traced = sb.define("q", (), sympy.Sum(v[i]*square[i, i]**3, i))
    assert "diag(v) is the matrix" in sb.derive(traced).html(check=False)
    ell = sympy.Function("ell", real=True)
    unknown = sb.derive(sb.define("L", (), ell(v[0], v[1])), [v]).html(check=False)
    assert "∂1f is the derivative of f by its first argument" in unknown


def test_diagnosis_prints_the_line_of_every_helper_that_it_speaks_of() -> None:
    rows = sb.size("N")
    x, w, y = sb.data("x", rows, 3), sb.parameter("W", 3, 4), sb.data("y", rows, 4)
    said = str(sb.diagnose(sb.losses.squared_error(x @ w, y)))
    assert "where s1[n,j] = Σ_i x[n,i]·W[i,j]; r1[n,j] = s1[n,j] − y[n,j]" in said
