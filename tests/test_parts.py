"""A long function that a derivative repeats has a name, and a line that says what it is.

GELU in its tanh form, written in several orders: the derivative is that of a textbook,
(1 + a)/2·(1 + z·u′·(1 − a)) with a = tanh(u), and u stands in one line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import product

import mpmath
import numpy as np
import pytest
from sympy import Expr, Rational, Sum, exp, log, pi, sqrt, tanh

import symbackprop as sb
from symbackprop.derivation import _presented
from symbackprop.interpreter import evaluate
from symbackprop.normal import normalise
from symbackprop.notation import Program, tensors_in
from symbackprop.rewriting import Rule
from symbackprop.rules.algebra import NAMED
from symbackprop.rules.forms import weight
from tests.test_rules import (
    test_both_sides_of_a_row_are_equal_to_fifty_digits_on_its_domain as check_row,
)

SHAPES = {"x": (6, 4), "y": (6, 2), "W1": (4, 5), "b1": (5,), "W2": (5, 2)}
Activation = Callable[[Expr], Expr]

GELU: dict[str, Activation] = {
    "as published": lambda z: z/2*(1 + tanh(sqrt(2/pi)*(z + 0.044715*z**3))),
    "factored, with fractions": lambda z: Rational(1, 2)*z*(
        tanh(sqrt(2/pi)*z*(1 + Rational(44715, 1000000)*z**2)) + 1),
    "as a sigmoid": lambda z: z/(1 + exp(-2*sqrt(2/pi)*(0.044715*z**3 + z))),
    "by the other tail": lambda z: z - z/2*(1 - tanh(sqrt(2)*(z + 0.044715*z**3)/sqrt(pi))),
}
OTHERS: dict[str, Activation] = {
    "swish": lambda z: z/(1 + exp(-z)), "mish": lambda z: z*tanh(log(1 + exp(z))),
    "softsign": lambda z: z/(1 + abs(z)), "a long swish": lambda z: z*sb.sigmoid(3*z**2 - z + z/(
        2 + z**2)), "a long mish": lambda z: z*tanh(
        sb.softplus(z**2 - z + 1/(2 + z**2)))/3 + z,
    "a bump": lambda z: z**2*exp(-(z - 1)**2/3 - z**4/7) + z,
}
NAMES = list(product([True, False], [True, False]))


def network(act: Activation, z_named: bool, h_named: bool) -> sb.Derivation:
    """Two layers, in which the activation h and what it is taken of, z, have names or not."""
    n, i, j, k = sb.indices("n i j k", sb.size("N"), 4, 5, 2)
    x, y = sb.data("x", n, i), sb.data("y", n, k)
    W1, b1, W2 = sb.parameter("W1", i, j), sb.parameter("b1", j), sb.parameter("W2", j, k)
    affine = Sum(x[n, i]*W1[i, j], i) + b1[j]
    z = sb.define("z", (n, j), affine)[n, j] if z_named else affine
    h = sb.define("h", (n, j), act(z))[n, j] if h_named else act(z)
    r = Sum(h*W2[j, k], j) - y[n, k]
    return sb.derive(sb.define("L", (), Sum(r**2, n, k)/sb.size("N")))


def values(seed: int) -> Mapping[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in SHAPES.items()}


def functions(text: str) -> int:
    return sum(text.count(name) for name in ("tanh(", "sigmoid(", "exp("))


@pytest.mark.parametrize(("z_named", "h_named"), NAMES)
@pytest.mark.parametrize("form", GELU)
def test_in_the_lines_of_gelu_the_argument_of_the_tanh_stands_once(
    form: str, z_named: bool, h_named: bool
) -> None:
    d = network(GELU[form], z_named, h_named)
    for printed in ("index", "matrix", "steps", "neuron"):
        text = d.text(printed)
        assert functions(text) == 1, text
        assert "a1[n,j] = " in text or "A1 = " in text
    assert d.text("index").count("√(2)") == 2  # in u and in u′
    latex = d.latex("index")
    assert latex.count(r"\tanh") + latex.count("sigmoid") == 1
    assert r"\pi" in latex


@pytest.mark.parametrize("form", GELU)
def test_the_name_is_given_to_the_function_that_the_network_was_declared_with(form: str) -> None:
    function = "sigmoid" if "sigmoid" in form else "tanh"
    assert f"a1[n,j] = {function}(" in network(GELU[form], True, True).text("index")


@pytest.fixture(scope="module")
def deep() -> sb.Derivation:
    """Eight wide layers: so wide that weights drawn without care would saturate all of them."""
    h = sb.data("x", sb.size("N"), 64)
    for _ in range(8):
        h = sb.layers.dense(h, 32, GELU["as published"])
    return sb.derive(sb.losses.squared_error(h, sb.data("y", sb.size("N"), 32)))


def test_the_functions_are_numbered_as_the_layers_are(deep: sb.Derivation) -> None:
    for form, letter in (("index", "z"), ("matrix", "Z"), ("steps", "z")):
        named = [line for line in deep.text(form).splitlines()
                 if line.lower().startswith("a") and "tanh(" in line]
        assert len(named) == 8
        for line in named:
            number = re.match(r"\D(\d)", line)
            assert number is not None
            assert f"{letter}{number[1]}" in line, line


def test_in_a_deep_net_each_step_leads_to_the_sensitivity_of_its_layer(deep: sb.Derivation
                                                                       ) -> None:
    text = deep.text("steps")
    assert all(f"this is δ{layer}" in text for layer in range(1, 8))


def test_the_derivative_of_gelu_is_that_of_a_textbook() -> None:
    assert network(GELU["as published"], True, True).text("index").splitlines()[2:4] == [
        "a1[n,j] = tanh(√(2)·(0.044715·z[n,j]³ + z[n,j])/√(π))",
        "δ1[n,j] = (Σ_k r1[n,k]·W2[j,k])·(1 + √(2)·z[n,j]·(1 − a1[n,j])"
        "·(1 + 0.134145·z[n,j]²)/√(π))·(1 + a1[n,j])/N"]


@pytest.mark.parametrize(("z_named", "h_named"), NAMES)
@pytest.mark.parametrize("form", [*GELU, *OTHERS])
def test_names_make_all_lines_shorter_and_leave_their_values(
    form: str, z_named: bool, h_named: bool, seed: int
) -> None:
    d = network({**GELU, **OTHERS}[form], z_named, h_named)
    before, after = _presented(d).definitions, d.presented().definitions
    if d.parts:
        assert _weight(after) < _weight(before)
    else:
        assert after == before
    assert d.parts or form not in GELU
    given = values(seed)
    with mpmath.workdps(40):
        exact, found = (evaluate(Program((*d.forward, *lines), d.backward.outputs), given, 40)
                        for lines in (before, after))
    for target in d.backward.outputs:
        difference = abs(exact[target] - found[target]).max()
        assert difference < 1e-14*max(1, abs(exact[target]).max())  # 0.134145 is rounded


def _weight(lines: tuple[sb.Definition, ...]) -> int:
    return sum(3 + weight(line.body) for line in lines)


@pytest.mark.parametrize("form", ["as published", "as a sigmoid", "mish", "a bump"])
def test_gradients_agree_with_differences_and_kernels_with_both(form: str, seed: int) -> None:
    d = network({**GELU, **OTHERS}[form], False, True)
    assert float(d.check(seed=seed)) < 1e-14  # the tables of numbers hold 15 digits
    given = values(seed)
    exact = evaluate(sb.program([d.gradient("W1")]), given)[d.gradient("W1")]
    for dtype, digits in (("float64", 1e-12), ("float32", 2e-5)):
        (found,) = sb.compile([d["W1"]], dtype=dtype)(**given)
        np.testing.assert_allclose(found, exact, rtol=0, atol=digits*max(1, abs(exact).max()))


@pytest.mark.parametrize("row", NAMED, ids=lambda row: row.name)
def test_what_is_written_by_another_name_is_equal_to_fifty_digits(row: Rule) -> None:
    check_row(row)


def test_a_part_of_a_part_has_a_name_too() -> None:
    n = sb.indices("n", sb.size("N"))
    x, v, w = sb.data("x", n), sb.parameter("v"), sb.parameter("w")
    inner = sb.softplus(x[n]**2*v - 3*v*x[n] + v**2 + x[n])
    h = sb.define("h", (n,), w*tanh(inner + w**2 - 3*w)*inner)
    d = sb.derive(sb.define("L", (), Sum(h[n]**2, n)))
    text = d.text("steps")
    assert len(d.parts) == 2
    assert text.count("softplus(") == text.count("tanh(") == 1
    assert text.index("softplus(") < text.index("tanh(")
    assert float(d.check()) < 1e-30


def test_nearly_the_same_argument_has_no_name_in_common() -> None:
    n = sb.indices("n", sb.size("N"))
    x, v = sb.data("x", n), sb.parameter("v")
    u = [sqrt(2/pi)*(v*x[n] + c*(v*x[n])**3) for c in (0.044715, 0.044716)]
    one, two = (sb.derive(sb.define("L", (), Sum(tanh(u[0])*tanh(u[c]), n))) for c in (0, 1))
    assert [functions(d.text("index")) for d in (one, two)] == [1, 2]


def test_a_short_function_needs_no_name() -> None:
    text = network(OTHERS["swish"], True, True).text("index")
    assert "sigmoid(z[n,j])·(1 + z[n,j]·sigmoid(−z[n,j]))" in text
    assert "a1" not in text


@pytest.mark.parametrize("act", [*GELU.values(), *OTHERS.values()])
def test_what_several_functions_are_taken_of_has_one_name(act: Activation) -> None:
    n, j, i = sb.indices("n j i", sb.size("N"), 5, 4)
    x, W, b = sb.data("x", n, i), sb.parameter("W", i, j), sb.parameter("b", j)
    z = Sum(x[n, i]*W[i, j], i) + b[j]
    h = sb.define("h", (n, j), act(z) + tanh(z) + z**2/3 - 2*z)
    made = normalise(sb.program(h))
    product = made.definitions[0].target
    assert sum(product in tensors_in(line.body) for line in made) == 1
