"""How worked numbers are written: which derivative is meant, constants, what has no value."""

import re
from typing import Any

import numpy as np
import pytest
from sympy import E, Integer, Rational, Sum, exp, pi, sin, sqrt, symbols

import symbackprop as sb

a, b = symbols("a b", real=True)


def test_one_symbol_stands_for_one_number() -> None:
    """The local derivative of an operation that reads an operand twice is written as such."""
    e = sb.explain((a*b + sin(a*b))*a*b, {a: Rational(1, 3), b: 2}, weight=b)
    assert "∂L/∂a|t3 = b·t3 = 2.57007,  ∂L/∂b|t3 = a·t3 = 0.428345" in e.text
    assert "∂L/∂b = ∂L/∂t1·∂t1/∂b + ∂L/∂b|t3 = 1.19059·1/3 + 0.428345 = 0.825209" in e.text
    assert "∂t3/∂t1 = ∂t3/∂t2·∂t2/∂t1 + ∂t3/∂t1|t2" in e.text
    assert "local derivatives (∂t3/∂t1|t2: t2 is held fixed)" in e.text
    assert e.adjoints["b"] == pytest.approx(0.825209, rel=1e-5)
    assert "|" not in sb.explain(1/(1 + exp(-a*b)), {a: 1, b: 2}, weight="a").text


@pytest.mark.parametrize("loss", [
    exp(a)*(a + b) + a, (a*b + a)*a*b, a*b*exp(a*b), (a + b)**2*(a - b)*a, a/(1 + exp(a*b)) - b,
])
def test_what_is_written_as_equal_is_equal(loss: Any) -> None:
    text = sb.explain(loss, {a: 0.3, b: 2.0}, weight="a").text
    seen: dict[str, str] = {}
    for line in text[text.index("forward"):].replace("\n          ", " ").split("\n"):
        for part in line.split(",  ") if "    " not in line else re.split(r",  | {4,}", line):
            sides = part.strip().split(" = ")
            if re.fullmatch(r"∂\w+/∂\w+(\|[\w,]+)?", sides[0]) and re.fullmatch(
                    r"−?[\d.]+(e−?\d+)?", sides[-1]):
                assert seen.setdefault(sides[0], sides[-1]) == sides[-1], sides[0]
    assert len(seen) > 4


def test_the_loss_of_a_network_may_read_a_tensor_directly_too() -> None:
    i = sb.indices("i", 2)
    W, h = sb.parameter("W", i), sb.define("h", (i,), exp(sb.parameter("V", i)[i]))
    z = sb.define("z", (i,), W[i]*h[i])
    loss = sb.define("L", (), Sum(z[i]**2 + W[i]*h[i], i))
    e = sb.explain(loss, {"W": [1, 2], "V": [0, 0]}, weight="W[0]")
    assert "∂L/∂W[0]|z[0] = 1" in e.text
    assert "∂L/∂W[0] = ∂L/∂z[0]·∂z[0]/∂W[0] + ∂L/∂W[0]|z[0]" in e.text
    assert "chain rule for W[0] (∂L/∂W[0]|z[0]: z[0] is held fixed)" in e.text


def test_the_first_terms_of_a_large_network_say_what_they_hold_fixed() -> None:
    s = sb.parameter("s")
    h = sb.layers.dense(sb.data("x", sb.size("N"), 300), 150, "tanh", bias=False)
    q = sb.define("q", (), s**2*sb.tanh((h*s).sum()))
    values = {"x": np.ones((1, 300)), "W1": np.full((300, 150), 1e-4), "s": 0.5}
    text = sb.explain(sb.define("L", (), q*s), values, weight="s").text
    assert "chain rule for s (∂L/∂s|q: q is held fixed)" in text
    assert "\n  ∂L/∂s = ∂L/∂q·∂q/∂s + ∂L/∂s|q\n" in text
    alone = sb.explain(sb.define("L", (), (h*s).sum()), values, weight="s").text
    assert re.search(r"chain rule for s\n  ∂L/∂s = [\d.]+$", alone), alone


def test_constants_are_written_as_they_are_meant() -> None:
    e = sb.explain(pi*a*b + E*a, {a: 1, b: 2})
    assert "t2 = π·a·b = 6.28319" in e.text
    assert "= π·b" in e.text
    assert "pi" not in e.text + e.svg
    assert "L = 3·π = 9.42478" in sb.explain(Integer(3)*pi, {}).text


@pytest.mark.parametrize(("loss", "values", "message"), [
    (sqrt(a)*b, {a: 0, b: 1}, "∂t1/∂a = 1/(2·√(a)) is inf"),
    (exp(-1/a**2)*b**Rational(1, 4), {a: 1, b: 0}, "∂t1/∂b = 1/(4·b^(3/4)) is inf"),
    (exp(a)*b, {a: 800, b: 1}, "t1 = exp(a) is inf"),
    (exp(400*a)*exp(400*a + 1)*b, {a: 1, b: 0}, "∂L/∂b = t2·t4 is inf"),
])
def test_what_has_no_finite_value_is_named(loss: Any, values: Any, message: str) -> None:
    with pytest.raises(sb.InputError) as found:
        sb.explain(loss, values)
    assert str(found.value) == f"L or its derivative has no finite value here: {message}"
