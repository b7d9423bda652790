"""The index form: what is shown to a reader has the values of what was derived, and reads well."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Sum

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.notation import LogSumExp, Program
from symbackprop.printing.index import definition_text
from tests.support.printed_networks import DENSE, GOLDEN, OTHERS
from tests.support.random_networks import dense_network, drawn


def compared(derivation: sb.Derivation, seed: int) -> int:
    """The number of lines; each definition that is shown has the value of the derived one."""
    declared = {d.target for d in derivation.forward}
    derived = Program((*derivation.forward, *(d for d in derivation.backward
                                              if d.target not in declared),
                       *(part.definition for part in derivation.parts)), ())
    shown = derivation.presented().definitions
    values = drawn(derived, seed)
    true = evaluate(derived, values)
    read = Program((*derivation.forward, *shown), tuple(derived.inputs))
    found = evaluate(read, values)
    for definition in shown:
        np.testing.assert_allclose(found[definition.target], true[definition.target], rtol=1e-8,
                                   atol=1e-10, err_msg=str(definition.element))
    return len(shown)


@pytest.mark.parametrize("network", [*DENSE, *OTHERS], ids=lambda f: f.__name__)
def test_what_is_shown_has_the_values_of_what_was_derived(network: Callable[[], Any],
                                                          seed: int) -> None:
    derivation = sb.derive(network())
    assert compared(derivation, seed) == len(derivation.text("index").splitlines())


def test_what_is_shown_of_random_networks_has_the_values_of_what_was_derived(seed: int) -> None:
    draw = random.Random(seed)
    for number in range(15):
        assert compared(sb.derive(dense_network(draw)), seed + number)


@pytest.mark.parametrize("network", GOLDEN, ids=lambda f: f.__name__)
def test_the_index_form_is_as_it_was(network: Callable[[], Any],
                                     golden: Callable[[str, str], None]) -> None:
    golden(f"printing/{network.__name__}.index.txt", sb.derive(network()).text("index") + "\n")


n, k = sb.indices("n k", 4, 3)
x, y, w, a = sb.data("x", n, k), sb.data("y", n, k), sb.parameter("w", k), sb.hyper("a", 1.0)
LINES: list[tuple[str, sympy.Expr]] = [
    ("t[n] = Σ_k x[n,k]·w[k]", Sum(x[n, k]*w[k], k)),
    ("t[n] = 2·Σ_k x[n,k]·w[k]", 2*Sum(x[n, k]*w[k], k)),
    ("t[n] = a·Σ_k x[n,k]", a*Sum(x[n, k], k)),
    ("t[n] = 2·(x[n,0] − y[n,0])", 2*x[n, 0] - 2*y[n, 0]),
    ("t[n] = 2·a·x[n,0] − 2·a·y[n,0]", 2*a*x[n, 0] - 2*a*y[n, 0]),
    ("t[n] = 4·(x[n,0] − y[n,0])·x[n,1]", 2*x[n, 1]*(2*x[n, 0] - 2*y[n, 0])),
    ("t[n] = 2·(x[n,0] − y[n,0])·x[n,1]/3", x[n, 1]*(2*x[n, 0] - 2*y[n, 0])/3),
    ("t[n] = x[n,0]·[n = 2]", sympy.KroneckerDelta(2, n)*x[n, 0]),
    ("t[n] = (x[n,0] + y[n,0])/2", x[n, 0]/2 + y[n, 0]/2),
    ("t[n] = (x[n,1] + y[n,0])·x[n,0]", x[n, 0]*(x[n, 1] + y[n, 0])),
    ("t[n] = 1e-5 + x[n,0]²", x[n, 0]**2 + 1e-5),
    ("t[n] = −0.5·x[n,0]", -0.5*x[n, 0]),
    ("t[n] = 0.5·x[n,0] − 0.5·y[n,0]", x[n, 0]*0.5 - 0.5*y[n, 0]),
    ("t[n] = x[n,0] + y[n,0]", x[n, 0]*1.0 + 1.0*y[n, 0]),
    ("t[n] = 1 − x[n,0]²", 1 - x[n, 0]**2),
    ("t[n] = max_k x[n,k] − log Σ_k exp(x[n,k])",
     sb.Maximum(x[n, k], k) - sb.notation.LogSumExp(x[n, k], k)),
]


@pytest.mark.parametrize(("expected", "body"), LINES, ids=[line[0] for line in LINES])
def test_a_body_is_written_in_index_form(expected: str, body: sympy.Expr) -> None:
    tensor = sb.define("t", (n,), body)
    assert definition_text(tensor.definition, {}) == expected


def test_a_number_that_is_spread_over_an_array_is_not_taken_for_a_copy_of_it() -> None:
    w = sb.parameter("w", 5)
    h = sb.define("h", (n,), sb.Maximum(sympy.Abs(w[sb.indices("q", 5)]), sb.indices("q", 5)))
    d = sb.derive(sb.define("L", (), sympy.Sum(h[n]**2, n)))
    assert "h[]" not in d.text("index")
    assert d.text("matrix")


def test_a_sum_over_a_part_of_an_axis_shows_its_range() -> None:
    d = sb.derive(sb.penalties.smoothness(0.1, sb.parameter("w", 5)))
    assert d.text("index") == (
        "∂L/∂w[i] = 2·lam·(Σ_{i′′=0..3} (w[i′′] − w[1 + i′′])·[i = i′′] "
        "+ Σ_{i′′=0..3} (w[1 + i′′] − w[i′′])·[i = 1 + i′′])")
    assert r"\sum_{i^{\prime\prime}=0 \ldots 3}" in d.latex("index")


def test_a_sum_over_a_whole_axis_or_a_window_shows_none() -> None:
    n, i, r = sb.indices("n i r", sb.size("N"), 5, 3)
    x = sb.data("x", n, i)
    assert str(sb.program(Sum(x[n, i], n, i))) == "L = Σ_{n,i} x[n,i]"
    assert str(sb.program(Sum(x[n, r], n, r))) == "L = Σ_{n,r=0..2} x[n,r]"
    images = sb.data("x", sb.size("N"), 8, 26, 26)
    assert str(sb.program(sb.layers.max_pool(images, 2))) == (
        "m1[n,i,u,v] = max_{a,b} x[n,i,2·u + a,2·v + b]")


def test_a_condition_stays_inside_of_the_log_sum_exp_whose_index_it_reads() -> None:
    k, j, a = sb.indices("k j a", 3, 2, 2)
    h, c = sb.parameter("h", j), sb.data("c", k)
    either = sympy.Piecewise((c[k], sympy.Eq(j, 1)), (h[j], True))
    g = sb.define("g", (k, a), LogSumExp(either, j))
    d = sb.derive(sb.define("L", (), Sum(sympy.exp(g[k, a]/2)*(1 + a), k, a)))
    inside = "log Σ_{j′} exp(c[k]·[j′ = 1] + [j′ ≠ 1]·h[j′])"
    for form in ("index", "steps"):
        line = d.text(form).splitlines()[-1]
        assert inside in line
        assert "j′" not in line.replace(inside, "")
