"""What stands beside a step and at the end of a chain: rules, declared facts, sensitivities."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import sympy
from sympy import Sum, log

import symbackprop as sb
from symbackprop.printing import forms
from symbackprop.printing.forms import View
from symbackprop.printing.lines import blocks
from symbackprop.printing.unordered import same_factors
from tests.support.printed_networks import DENSE, OTHERS, classifier, logistic_regression


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_the_weights_of_one_layer_end_at_the_same_sensitivity(activation: str) -> None:
    h = sb.data("x", sb.size("N"), 6)
    for _ in range(7):
        h = sb.layers.dense(h, 6, activation)
    d = sb.derive(sb.losses.squared_error(h, sb.data("y", sb.size("N"), 6)))
    made = blocks(forms.form_lines(d, "neuron", View()))
    ends = {d.names[block[0].target]: re.findall(r"δ\d", block[-1].right.text) for block in made
            if block[0].target in d.gradients}
    assert [ends[f"W{layer}"] for layer in range(1, 8)] == [
        ["δ3"], ["δ4"], ["δ5"], ["δ6"], ["δ7"], [], []]
    for layer in range(1, 8):
        assert ends[f"b{layer}"] == ends[f"W{layer}"]


def test_a_line_says_which_rule_made_it() -> None:
    notes = [line.note for line in forms.form_lines(sb.derive(classifier()), "steps", View())]
    assert "Σ y = 1: y is one-hot" in notes
    assert any(note.endswith("this is δ2") for note in notes)
    text = sb.derive(logistic_regression()).text("steps")
    assert "quotients cancelled" in text


@pytest.mark.parametrize("network", [*DENSE, *OTHERS], ids=lambda f: f.__name__)
def test_no_step_only_drops_a_bracket_around_a_product(network: Callable[[], Any]) -> None:
    for block in blocks(forms.form_lines(sb.derive(network()), "steps", View())):
        for before, after in pairwise(block):
            assert not same_factors(before.right, after.right), after.right.text


@pytest.mark.parametrize(("fact", "said"), [(sb.one_hot, "one-hot"), (sb.simplex, "simplex")])
def test_a_line_says_which_fact_made_it(fact: Callable[[Any], Any], said: str) -> None:
    n, k = sb.indices("n k", sb.size("N"), 4)
    z, y = sb.parameter("z", n, k), sb.data("y_true", n, k, facts=[fact(k)])
    p = sb.define("p", (n, k), sympy.exp(z[n, k])/Sum(sympy.exp(z[n, k]), k))
    d = sb.derive(sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k)))
    assert f"Σ y_true = 1: y_true is {said}\n" in d.text("steps")
    assert rf"$y_{{\mathrm{{true}}}}$ is {said}" in d.latex("steps")


def test_a_chain_rule_says_which_fact_it_used() -> None:
    n, i, j = sb.indices("n i j", sb.size("N"), 4, 4)
    x, m, facts = sb.data("x", n, i), sb.parameter("m", i), [sb.symmetric(i, j)]
    t = sb.define("t", (n, i), x[n, i] - m[i])
    for A, said in ((sb.data("A", i, j, facts=facts), True), (sb.data("A", i, j), False)):
        loss = sb.define("L", (), Sum(t[n, i]*A[i, j]*t[n, j], n, i, j))
        notes = [line.note for line in forms.form_lines(sb.derive(loss), "steps", View())]
        assert ("derivative of L; A is symmetric" in notes) == said
