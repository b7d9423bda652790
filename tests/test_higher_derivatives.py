"""How derivatives are called: ∂L/∂W, ∂²L/∂a∂b; of a loss itself 1; a loss without a name is L."""

from __future__ import annotations

import pytest
import sympy
from sympy import Sum, tanh

import symbackprop as sb
from symbackprop.printing.forms import FORMS
from symbackprop.printing.naming import derivative, partial


def second() -> sb.Derivation:
    i, = sb.indices("i", 3),
    a, b = sb.parameter("a"), sb.parameter("b", i)
    h = sb.define("h", (i,), tanh(a*b[i]))
    first = sb.derive(sb.define("L", (), Sum(h[i]**2, i)))
    return sb.derive(first["a"], ["a", "b"])


@pytest.mark.parametrize("form", FORMS)
def test_a_derivative_of_a_derivative_is_of_second_order_in_every_form(form: str) -> None:
    text = second().text(form)
    assert "∂²L/∂a² = " in text
    assert "∂²L/∂a∂b" in text
    assert "∂∂" not in text


def test_second_derivatives_are_typeset_with_their_orders() -> None:
    d = second()
    assert r"\frac{\partial^{2} L}{\partial a \partial b_{i}}" in d.latex("index")
    assert r"\frac{\partial^{2} L}{\partial a^{2}}" in d.latex("index")
    page = d.html(check=False)
    assert "<msup><mrow><mi>a</mi></mrow><mn>2</mn></msup>" in page
    assert "∂∂" not in page


def test_derivatives_of_third_order_are_told_from_second_ones() -> None:
    a, b = sympy.symbols("a b", real=True)
    first = sb.derive(a**4*b**2, [a, b])
    again = sb.derive(first["a"], ["a", "b"])
    third = sb.derive(again["b"], ["b"])
    assert str(again) == "∂²L/∂a² = 12·a²·b²\n∂²L/∂a∂b = 8·a³·b"
    assert str(third) == "∂³L/∂a∂b² = 8·a³"


@pytest.mark.parametrize("name", ["a²", "x/y", "∂q", "x³y"])
def test_a_name_that_would_read_as_an_order_is_not_taken_apart(name: str) -> None:
    made = derivative(derivative("L", "w"), name)
    assert made == f"∂∂L/∂w/∂{name}"
    found = partial(derivative("L", name))
    assert found is None or found.order == 1


@pytest.mark.parametrize("form", FORMS)
def test_the_derivative_of_a_loss_by_itself_is_1(form: str) -> None:
    a = sympy.Symbol("a", real=True)
    alone = sb.derive(a, [a])
    assert alone.text(form).startswith("∂a/∂a = 1")
    parameter = sb.parameter("w")
    loss = sb.define("L", (), parameter**2)
    both = sb.derive(loss, [loss, parameter])
    lines = both.text(form).split("\n")
    assert sum(line.startswith("∂L/∂L = 1") for line in lines) == 1
    assert any(line.startswith("∂L/∂w = 2") for line in lines)


def test_the_page_and_the_check_of_a_loss_by_itself() -> None:
    a = sympy.Symbol("a", real=True)
    for d in (sb.derive(a, [a]), sb.derive(2*a, [a])):
        assert float(d.check()) < 1e-30
        assert "Derivation of" in d.html()


def test_a_loss_of_array_notation_without_a_name_is_called_l() -> None:
    rows = sb.size("N")
    x, y, w = sb.data("x", rows, 3), sb.data("y", rows), sb.parameter("w", 3)
    r = x @ w - y
    for loss in (r @ r, (r*r).sum(), (r*r).mean(), 2*(r @ r), r.max()):
        assert str(sb.derive(loss)).splitlines()[-1].startswith("∂L/∂w = ")


@pytest.mark.parametrize("kernel", [3, "f", object(), lambda x: x])
def test_a_kernel_that_is_none_is_refused_with_what_to_write(kernel: object) -> None:
    a = sympy.Symbol("a", real=True)
    with pytest.raises(sb.DerivationError, match=r"kernel=.*no compiled function: write "
                                                 r"f = sb.compile"):
        sb.derive(a**2, [a]).html(kernel=kernel)
