"""d.check(): right gradients agree with finite differences to 30 digits, wrong ones are named."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Abs, Sum, acosh, log, sqrt

import symbackprop as sb
from symbackprop.drawing import SPREADS, drawn, inputs_drawn
from symbackprop.notation import Program
from tests.support.printed_networks import GOLDEN, classifier
from tests.support.random_programs import random_case

N = sb.size("N")
r, c = sb.indices("r c", 4, 4)
a, b = sympy.symbols("a b", real=True)


def corrupted(derivation: sb.Derivation, name: str, change: Callable[[sympy.Expr], sympy.Expr]
              ) -> sb.Derivation:
    """The same derivation but for one gradient, whose body is changed."""
    target = derivation.gradient(name)
    lines = tuple(dataclasses.replace(d, body=change(d.body)) if d.target is target else d
                  for d in derivation.backward)
    return dataclasses.replace(
        derivation, backward=dataclasses.replace(derivation.backward, definitions=lines))


@pytest.mark.parametrize("network", GOLDEN, ids=lambda f: f.__name__)
def test_the_gradients_of_the_printed_networks_agree_to_thirty_digits(
        network: Callable[[], Any], seed: int) -> None:
    """Or to those of float64, where a decimal number stands in the network, as 0.044715 in GELU."""
    derived = sb.derive(network())
    has_decimals = any(d.body.atoms(sympy.Float) for d in derived.forward)
    found = derived.check(seed=seed)
    assert float(found) < (1e-14 if has_decimals else 1e-30), found
    assert found.passed
    assert not found.kinks


def test_the_gradients_of_random_programs_agree_at_their_values(seed: int) -> None:
    for number in range(8):
        case = random_case(seed, number, small=True)
        found = sb.derive(case.loss, case.wrt).check({**case.values, **{
            sb.size(name): length for name, length in case.sizes.items()
            if case.program.outputs and reads(case.program, name)}})
        assert found.passed or math.isnan(float(found)), f"{found}\n{case}"


def reads(program: Program, name: str) -> bool:
    axes = {axis for tensor in program.inputs for axis in tensor.axes}
    return sb.size(name) not in axes and any(d.body.has(sb.size(name)) for d in program)


@pytest.mark.parametrize("change", [lambda body: 2*body, lambda body: -body,
                                    lambda body: body + sympy.Rational(1, 10**6)])
def test_a_gradient_that_is_wrong_is_reported(change: Callable[[sympy.Expr], sympy.Expr]) -> None:
    derivation = sb.derive(classifier())
    found = corrupted(derivation, "b2", change).check()
    assert not found.passed
    assert [row.name for row in found.rows if row.wrong] == ["∂L/∂b2"]
    assert "WRONG: [" in str(found)
    assert "finite differences give" in str(found)
    assert derivation.check().passed


def test_one_wrong_entry_of_a_large_gradient_is_seen_along_a_direction() -> None:
    x, W = sb.data("x", 2, 60), sb.parameter("W", 60, 40)
    derivation = sb.derive(sb.losses.squared_error(x @ W, sb.data("y", 2, 40)))
    right = derivation.check()
    assert right.passed
    assert right.rows[0].extent.endswith("at once")
    i, j = derivation.backward.definitions[-1].indices
    bump = sb.Iverson(sympy.And(sympy.Eq(i, 59), sympy.Eq(j, 39)))
    wrong = corrupted(derivation, "W", lambda body: body + bump).check()
    assert not wrong.passed
    assert "the sum along a direction" in str(wrong)


def deep(layers: int, width: int, activation: str = "tanh") -> sb.Derivation:
    x, y = sb.data("x", sb.size("N"), width), sb.data("y", sb.size("N"), width)
    h = x
    for _ in range(layers):
        h = sb.layers.dense(h, width, activation)
    return sb.derive(sb.losses.squared_error(h, y))


def test_the_gradients_of_a_deep_net_are_compared_together(seed: int) -> None:
    derivation = deep(24, 24)
    found = derivation.check(seed=seed)
    assert found.passed
    together = [row for row in found.rows if row.together]
    assert len(together) > 24
    assert all(row.extent.endswith("at once, with others") for row in together)
    assert max(row.error or 0 for row in together) < 1e-20


@pytest.mark.parametrize("name", ["W1", "b7"])
def test_the_wrong_one_of_many_gradients_is_named(name: str, seed: int) -> None:
    wrong = corrupted(deep(24, 24), name, lambda body: body*(1 + sympy.Rational(1, 10**6)))
    found = wrong.check(seed=seed)
    assert [row.name for row in found.rows if row.wrong] == [f"∂L/∂{name}"]


def test_a_wrong_gradient_is_seen_however_small_it_is_or_called_too_small(seed: int) -> None:
    assert not corrupted(sb.derive(sympy.tanh(a)/10**22), "a", lambda body: -5*body).check().passed
    assert not corrupted(deep(30, 3, "sigmoid"), "W1", lambda body: 2*body).check(
        seed=seed).passed
    faint = corrupted(deep(70, 3, "sigmoid"), "W1", lambda body: -7*body).check(seed=seed)
    assert faint.rows[0].verdict == "not compared: too small"
    assert faint.rows[-1].verdict == "agrees"


def test_a_kink_is_one_however_large_the_second_derivative_is_beside_it() -> None:
    steep = sb.derive(sb.relu(10**30*a) + (10**30*a)**2).check({"a": 0})
    assert steep.rows[0].verdict == "not compared: at a kink"
    derivation = deep(16, 12, "relu")
    at_zero = {"x": np.zeros((3, 12))} | {f"b{layer}": np.zeros(12) for layer in range(1, 17)}
    found = derivation.check(at_zero)
    assert not any(row.wrong for row in found.rows), found
    assert found.rows[1].verdict == "not compared: at a kink"
    assert found.rows[1].extent == "none of 12"


def test_what_is_printed_has_a_line_for_each_gradient() -> None:
    lines = str(sb.derive((a + b)*sympy.tanh(a)).check()).split("\n")
    assert lines[0].startswith("central differences at 60 digits")
    assert [line.split()[0] for line in lines[3:]] == ["∂L/∂a", "∂L/∂b"]
    assert all(line.endswith("agrees") for line in lines[3:])


@pytest.mark.parametrize("loss", [
    log(a)*b, log(a - 1) + b, acosh(1 + a)*sqrt(b), sympy.asin(a)*b, a**2*log(1 - a) + b,
], ids=str)
def test_values_are_drawn_where_the_loss_is_finite(loss: sympy.Expr) -> None:
    assert float(sb.derive(loss).check()) < 1e-25


def test_a_loss_that_is_finite_nowhere_is_refused() -> None:
    with pytest.raises(sb.DerivationError, match=r"finite at none of .* d\.check"):
        sb.derive(log(-1 - a**2)).check()


def test_an_entry_at_a_kink_is_reported_and_not_compared() -> None:
    derivation = sb.derive(Abs(a) + a*b)
    found = derivation.check({"a": 0, "b": 2})
    assert "not compared: at a kink" in str(found)
    assert found.kinks == 1
    assert float(found) < 1e-30, "b has a derivative there"
    assert math.isnan(float(sb.derive(Abs(a)).check({"a": 0})))
    assert not sb.derive(Abs(a)).check({"a": 0}).passed
    assert not derivation.check().kinks


@pytest.mark.parametrize(("loss", "place"), [(a**2, 0), (a**3, 0), (a*Abs(a), 0), (a**2, 1e8)])
def test_a_flat_or_a_steep_place_is_no_kink(loss: sympy.Expr, place: float) -> None:
    found = sb.derive(loss).check({"a": place})
    assert found.passed, found
    assert not found.kinks


def test_values_that_are_given_are_the_values_used() -> None:
    derivation = sb.derive(sb.relu(a)*b)
    wrong = corrupted(derivation, "b", lambda body: body + sb.Iverson(body > 5))
    assert wrong.check({"a": 2}).passed
    assert not wrong.check({"a": 6}).passed
    with pytest.raises(sb.InputError, match="no input"):
        derivation.check({"q": 1})
    with pytest.raises(sb.InputError, match="expected"):
        sb.derive(classifier()).check({"W1": np.zeros((2, 2))})


def test_a_size_follows_from_what_is_given() -> None:
    found = sb.derive(classifier()).check({"x": np.ones((7, 6))})
    assert found.passed
    assert "N = 7" in str(found)


def test_a_simplex_moves_within_itself_and_one_hot_rows_do_not_move() -> None:
    y, z = sb.data("y", r, facts=[sb.simplex(r)]), sb.data("z", r, facts=[sb.one_hot(r)])
    w = sb.parameter("w", r)
    loss = sb.define("L", (), Sum(y[r], r)*Sum(y[r]**2*w[r] + z[r]*w[r], r))
    found = sb.derive(loss, [y, z, w]).check()
    assert found.passed
    assert [row.error is None for row in found.rows] == [False, True, False]
    assert "not compared: one-hot" in str(found)


def test_a_symmetric_matrix_is_tried_entry_by_entry() -> None:
    A, w = sb.parameter("A", r, c, facts=[sb.symmetric(r, c)]), sb.data("w", r, c)
    derivation = sb.derive(sb.define("L", (), Sum(A[r, c]*A[c, r]*w[r, c]**2, r, c)))
    assert derivation.check().passed
    half = corrupted(derivation, "A", lambda body: body/2)
    assert not half.check().passed


def test_an_intermediate_moves_while_what_it_reads_stays() -> None:
    h = sb.layers.dense(sb.data("x", N, 3), 4, "tanh")
    loss = sb.losses.squared_error(h, sb.data("y", N, 4))
    assert float(sb.derive(loss, [h, "W1"]).check()) < 1e-30


def test_the_same_seed_gives_the_same_check() -> None:
    derivation = sb.derive(classifier())
    assert derivation.check(seed=3) == derivation.check(seed=3) != derivation.check(seed=4)


@pytest.mark.parametrize("spread", SPREADS)
def test_drawn_values_keep_the_declared_facts(spread: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    k, s = sb.indices("k s", 5, 5)
    hot = drawn(sb.data("hot", k, N, facts=[sb.one_hot(k)]), {"N": 3}, rng, spread)
    assert set(hot.ravel()) <= {0, 1}
    assert (hot.sum(axis=0) == 1).all()
    simplex = drawn(sb.data("p", N, k, facts=[sb.simplex(k)]), {"N": 3}, rng, spread)
    assert (simplex.sum(axis=1) == 1).all()
    assert (simplex >= 0).all()
    S = drawn(sb.data("S", k, s, facts=[sb.symmetric(k, s), sb.positive]), {}, rng, spread)
    assert (S == S.T).all()
    assert (S > 0).all()
    labels = drawn(sb.data("l", N, facts=[sb.label(N)]), {"N": 3}, rng, spread)
    assert labels.dtype.kind == "i"
    assert (labels >= 0).all()
    assert (labels < 3).all()


def test_no_drawn_axis_is_empty() -> None:
    u, q = sb.indices("u q", N - 6, 6)
    x, w = sb.data("x", N), sb.parameter("w", q)
    loss = sb.define("L", (), Sum((Sum(x[u + q]*w[q], q))**2, u))
    values = inputs_drawn(sb.program(loss), {}, np.random.default_rng(0))
    assert len(values[x]) > 6
    assert sb.derive(loss).check().passed
