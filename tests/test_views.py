"""Samples as columns, as in lecture 002, and alike layers written once."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Sum, tanh

import symbackprop as sb
from symbackprop.interpreter import evaluate
from symbackprop.notation import Program
from symbackprop.printing.alike import folded
from symbackprop.printing.forms import View, form_lines
from symbackprop.printing.formula import joined, name
from symbackprop.printing.lines import Line, lines_text
from symbackprop.printing.matrix import matrix_lines, matrix_names, samples_in
from tests.support import matrix_reader
from tests.support.printed_networks import DENSE, classifier
from tests.support.random_networks import ROWS, dense_network, drawn


def checked_columns(d: sb.Derivation, seed: int) -> int:
    """How many lines are in matrix form; each means its definition, samples in columns."""
    whole = Program((*d.forward, *(b for b in d.backward if b.target not in {
        f.target for f in d.forward})), ())
    values = drawn(whole, seed)
    true = evaluate(whole, values)
    names, lying = matrix_names(d.names), samples_in(d.names)
    arrays = {t: np.asarray(true.get(t, values.get(t))) for t in names if t in true or t in values}
    known: dict[str, Any] = {names[t]: a.T if t in lying else a for t, a in arrays.items()}
    known |= {str(axis): ROWS for t in names for axis in t.axes if isinstance(axis, sympy.Symbol)}
    count = 0
    for line in matrix_lines(d.presented(), d.names, columns=True):
        printed = lines_text([line])
        if matrix_reader.readable(printed, known):
            _, found = matrix_reader.line(printed, known)
            expected = arrays[line.target].T if line.target in lying else arrays[line.target]
            np.testing.assert_allclose(matrix_reader.shaped(found, expected.shape), expected,
                                       rtol=1e-8, atol=1e-10, err_msg=printed)
            count += 1
    return count


@pytest.mark.parametrize("network", DENSE, ids=lambda f: f.__name__)
def test_lines_with_samples_in_columns_mean_their_definitions(network: Callable[[], Any],
                                                              seed: int) -> None:
    assert checked_columns(sb.derive(network()), seed)


def test_lines_of_random_networks_with_samples_in_columns_mean_their_definitions(
        seed: int) -> None:
    draw = random.Random(seed)
    for number in range(20):
        assert checked_columns(sb.derive(dense_network(draw)), seed + number)


def test_the_recursion_of_lecture_002_comes_out_with_samples_in_columns() -> None:
    """δ^(l) = W^(l+1)ᵀ δ^(l+1) ⊙ (1 − o ⊙ o) and ∇W^(l) = δ^(l) o^(l−1)ᵀ, s = W o."""
    n, i, j, k = sb.indices("n i j k", sb.size("N"), 6, 5, 4)
    x, y = sb.data("x", n, i), sb.data("y", n, k)
    W1, W2 = sb.parameter("W1", j, i), sb.parameter("W2", k, j)
    o1 = sb.define("o1", (n, j), tanh(Sum(W1[j, i]*x[n, i], i)))
    o2 = sb.define("o2", (n, k), tanh(Sum(W2[k, j]*o1[n, j], j)))
    d = sb.derive(sb.define("L", (), Sum((o2[n, k] - y[n, k])**2, n, k)))
    assert d.text("matrix", samples="columns") == """\
δ2 = 2 (O2 − Y) ⊙ (1 − O2 ⊙ O2)
∂L/∂W2 = δ2 O1ᵀ
δ1 = (W2ᵀ δ2) ⊙ (1 − O1 ⊙ O1)
∂L/∂W1 = δ1 Xᵀ"""


def test_the_classifier_with_samples_in_columns() -> None:
    assert sb.derive(classifier()).text("matrix", samples="columns") == """\
δ2 = (P − Y)/N
∂L/∂W2 = H δ2ᵀ
∂L/∂b2 = δ2 1
δ1 = (W2 δ2) ⊙ (1 − H ⊙ H)
∂L/∂W1 = X δ1ᵀ + 2 lam W1
∂L/∂b1 = δ1 1"""


def deep(layers: int, *activations: str, penalty: Any = None) -> sb.Derivation:
    """So many layers of 6 units; the activations take turns."""
    h = sb.data("x", sb.size("N"), 6)
    for layer in range(layers):
        h = sb.layers.dense(h, 6, activations[layer % len(activations)] if activations else "tanh")
    loss = sb.losses.squared_error(h, sb.data("y", sb.size("N"), 6))
    return sb.derive(loss + (sb.penalties.l2(0.1) if penalty is None else penalty))


def test_layers_that_are_alike_are_written_once() -> None:
    assert deep(9).text("matrix", fold=True) == """\
δ9 = 2 (H9 − Y) ⊙ (1 − H9 ⊙ H9)/N
∂L/∂W⟨ℓ⟩ = H⟨ℓ−1⟩ᵀ δ⟨ℓ⟩ + 2 lam W⟨ℓ⟩    ℓ = 9, 8, …, 2
∂L/∂b⟨ℓ⟩ = 1ᵀ δ⟨ℓ⟩    ℓ = 9, 8, …, 2
δ⟨ℓ−1⟩ = (δ⟨ℓ⟩ W⟨ℓ⟩ᵀ) ⊙ (1 − H⟨ℓ−1⟩ ⊙ H⟨ℓ−1⟩)    ℓ = 9, 8, …, 2
∂L/∂W1 = Xᵀ δ1 + 2 lam W1
∂L/∂b1 = 1ᵀ δ1"""


@pytest.mark.parametrize("form", ["index", "matrix", "neuron", "steps"])
def test_the_length_of_a_folded_form_does_not_depend_on_the_depth(form: str) -> None:
    short, long = (deep(layers).text(form, fold=True).count("\n") for layers in (9, 14))
    assert short == long
    assert deep(14).text(form).count("\n") > 2*long


def test_the_chains_of_seven_layers_are_folded() -> None:
    notes = [line.note for line in form_lines(deep(7), "neuron", View(fold=True))]
    assert notes.count("chain rule; ℓ = 1, 2, …, 4") == 2
    assert notes.count("as in the other forms; ℓ = 6, 5, …, 3") == 1


def test_three_layers_are_written_one_by_one() -> None:
    d = deep(3)
    assert d.text("matrix", fold=True) == d.text("matrix")


def test_layers_that_differ_in_their_formula_are_not_folded() -> None:
    h = sb.data("x", sb.size("N"), 6)
    for layer in range(12):
        h = sb.layers.dense(h, 6, "tanh" if layer not in (4, 8) else "sigmoid")
    d = sb.derive(sb.losses.squared_error(h, sb.data("y", sb.size("N"), 6)))
    text = d.text("matrix", fold=True)
    assert "H5 ⊙ (1 − H5)" in text
    assert "H9 ⊙ (1 − H9)" in text


def test_a_transposed_factor_is_not_alike() -> None:
    """Equal but for a ᵀ: lines are compared with their brackets and signs."""
    lines = form_lines(deep(9), "matrix", View())
    other = form_lines(deep(9), "matrix", View(samples="columns"))
    mixed = [*lines[3:6], *other[6:9], *lines[9:12], *other[12:15], *lines[15:18]]
    assert len(folded(mixed)) == len(mixed)


def test_numbers_of_other_lines_do_not_hide_that_layers_are_alike() -> None:
    lines = folded(form_lines(deep(20), "matrix", View()))
    assert any("ℓ = 20, 19, …, 2" in line.note for line in lines)
    assert len(lines) == 6


def test_numbers_that_are_no_layers_stay_where_layers_are_folded() -> None:
    text = deep(7, penalty=sb.penalties.elastic_net(0.1, 0.2)).text("matrix", fold=True)
    assert ("∂L/∂W⟨ℓ⟩ = H⟨ℓ−1⟩ᵀ δ⟨ℓ⟩ + lam1 sign(W⟨ℓ⟩) + 2 lam2 W⟨ℓ⟩    ℓ = 7, 6, …, 2"
            in text.splitlines())
    assert text.count("\n") == 5


def test_activations_that_take_turns_are_folded_two_layers_at_a_time() -> None:
    lines = deep(7, "tanh", "relu").text("matrix", fold=True).splitlines()
    assert lines[3:7:3] == [
        "δ⟨ℓ−1⟩ = (δ⟨ℓ⟩ W⟨ℓ⟩ᵀ) ⊙ [H⟨ℓ−1⟩ > 0]    ℓ = 7, 5, 3",
        "δ⟨ℓ−2⟩ = (δ⟨ℓ−1⟩ W⟨ℓ−1⟩ᵀ) ⊙ (1 − H⟨ℓ−2⟩ ⊙ H⟨ℓ−2⟩)    ℓ = 7, 5, 3"]
    assert len(lines) == 9


def test_names_of_two_a_block_are_folded_beside_those_of_one() -> None:
    n, j = sb.indices("n j", sb.size("N"), 6)
    h = sb.data("x", n, j)
    for block in range(1, 8):
        inner = sb.layers.dense(sb.layers.dense(h, 6, "tanh"), 6)
        h = sb.define(f"r{block}", (n, j), (h + inner)[n, j])
    d = sb.derive(sb.losses.squared_error(h, sb.data("y", sb.size("N"), 6)))
    lines = d.text("matrix", fold=True).splitlines()
    assert lines[1] == "∂L/∂W⟨2ℓ⟩ = H⟨ℓ⟩ᵀ δ⟨2ℓ⟩    ℓ = 7, 6, …, 2"
    assert lines[6] == "δ⟨2ℓ−2⟩ = δ⟨2ℓ−1⟩ W⟨2ℓ−1⟩ᵀ + δ⟨2ℓ⟩    ℓ = 7, 6, …, 2"
    assert len(lines) == 12
    assert r"W_{2\ell -1}^{\top}" in d.latex("matrix", fold=True)


def equation(*names: str) -> Line:
    left, *factors = map(name, names)
    return Line(left, joined(factors, "·"))


@pytest.mark.parametrize("factors", [
    lambda block: [f"W{2*block}", f"h{3*block}"],  # 3 is no multiple of 2
    lambda block: [f"W{block}", f"h{9 - block}"],  # one grows, one falls
    lambda block: [f"W{block*block}"],
    lambda block: [f"W{block}", f"h_{block}"],  # no layer number
])
def test_numbers_that_do_not_follow_one_layer_are_not_folded(
        factors: Callable[[int], list[str]]) -> None:
    lines = [equation(f"a{made[0][1:]}", *made) for made in map(factors, range(1, 7))]
    assert folded(lines) == lines


def test_a_number_that_a_layer_meets_once_stays_a_number() -> None:
    """W3·W3 is W⟨ℓ⟩·W3 for ℓ = 3; no block can be written that has both."""
    lines = [equation(f"a{layer}", f"W{layer}", "W3") for layer in range(3, 9)]
    assert [line.right.text for line in folded(lines)] == ["W3·W3", "W⟨ℓ⟩·W3"]


def test_a_name_that_looks_like_a_layer_is_none() -> None:
    lines = [Line(name(f"a{layer}"), name("b"), f"through h⟨ℓ{layer}⟩") for layer in range(6)]
    assert folded(lines) == lines
