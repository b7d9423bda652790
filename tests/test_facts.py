"""Values that are given keep what was declared of them, whichever door they come in by."""

import contextlib
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from sympy import Sum

import symbackprop as sb
from symbackprop.interpreter import evaluate


def declared_with_facts() -> tuple[Any, dict[str, Any]]:
    """A loss that reads a tensor with each fact and one with none, and values that keep them."""
    many, k, one, other = sb.indices("m k o q", sb.size("M"), 3, 3, 3)
    hot, p = (sb.data(name, many, k, facts=[fact(k)])
              for name, fact in (("hot", sb.one_hot), ("p", sb.simplex)))
    label, positive = (sb.data(name, many, facts=[fact])
                       for name, fact in (("label", sb.label(3)), ("v", sb.positive)))
    t, w = sb.data("t", many), sb.parameter("w", k)
    S = sb.data("S", one, other, facts=[sb.symmetric(one, other)])
    loss = sb.define("L", (), Sum(w[label[many]]*t[many]*positive[many]*hot[many, k]*p[many, k],
                                  many, k) + Sum(S[one, other]*w[one]*w[other], one, other))
    return loss, {"hot": [[1, 0, 0]], "p": [[0, 1, 0]], "label": [2], "v": [3], "t": [2],
                  "w": [1, 2, 3], "S": np.eye(3, dtype=int)}


@pytest.mark.parametrize(("name", "wrong", "message"), [
    ("hot", [[0.5, 0.5, 0]], "declared one_hot: expected only 0 and 1, found 0.5"),
    ("hot", [[1, 1, 0]], "declared one_hot along axis 1: .* found a sum of 2"),
    ("p", [[0.5, 0.6, 0]], "declared simplex along axis 1: .* found a sum of 1.1"),
    ("p", [[1.5, -0.5, 0]], "declared simplex along axis 1: .* found -0.5"),
    ("label", [7], "labels must be 0 … 2, found 7"),
    ("label", [0.5], "holds labels: expected integers, found 0.5"),
    ("v", [-1], "declared positive, found -1"),
    ("S", [[1, 2, 0], [0, 1, 0], [0, 0, 1]], "declared symmetric in its axes 0 and 1"),
    ("t", [float("inf")], r"holds inf at \[0\]; values must be finite"),
])
def test_every_door_refuses_what_breaks_a_declared_fact(
        name: str, wrong: Any, message: str) -> None:
    loss, right = declared_with_facts()
    derivation, values = sb.derive(loss), {**right, name: wrong}
    doors = {
        "evaluate": lambda: evaluate(sb.program(loss), values),
        "digits": lambda: evaluate(sb.program(loss), values, precision=30),
        "check": lambda: derivation.check({name: wrong}),
        "diagnose": lambda: sb.diagnose(loss, values),
        "explain": lambda: sb.explain(loss, values),
    }
    for door, opened in doors.items():
        explained = door == "explain" and name == "t"  # in words of its own
        with pytest.raises(sb.InputError, match="finite number" if explained else message):
            opened()


def test_an_array_without_entries_is_refused() -> None:
    loss, right = declared_with_facts()
    empty = {name: np.zeros((0, 3)[:np.ndim(right[name])])
             for name in ("hot", "p", "label", "v", "t")}
    for opened in (lambda: sb.explain(loss, {**right, **empty}),
                   lambda: sb.diagnose(loss, {**right, **empty}),
                   lambda: sb.derive(loss).check(empty)):
        with pytest.raises(sb.InputError, match=r"\[M.* is empty: expected shape \(M"):
            opened()


def test_what_nearly_sums_to_one_is_taken_as_finely_as_its_type_can_hold() -> None:
    loss, right = declared_with_facts()
    for kind, gap, fits in ((np.float32, 2e-5, True), (float, 2e-5, False), (float, 1e-9, True)):
        values = {**right, "p": np.array([[0.5, 0.25, 0.25 + gap]], kind)}
        with contextlib.nullcontext() if fits else pytest.raises(sb.InputError, match="a sum of"):
            evaluate(sb.program(loss), values)


def test_numbers_beyond_the_range_of_floats_are_finite_and_keep_their_sign() -> None:
    loss, right = declared_with_facts()
    sb.explain(loss, {**right, "v": [Fraction(10)**-400]})
    for digits in (-400, 400):
        evaluate(sb.program(loss), {**right, "v": [mpmath.mpf(10)**digits]}, precision=30)
