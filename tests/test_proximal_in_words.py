"""What has no proximal operator is refused with the reason; what has one prints its cases."""

from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Abs, Max, Min, Piecewise, Sum, Symbol, exp, log, sqrt

import symbackprop as sb
from symbackprop.errors import DeclarationError, DerivationError, InputError

P, C = sb.penalties, sb.constraints
V = np.array([-7.3, -0.4, 0.0, 0.3, 9.0])
x = Symbol("x", real=True)
W = sb.parameter("W", 4, 3)
i, j = W.letters

NOT_CONVEX: list[tuple[Any, str]] = [
    (lambda: P.elementwise(1, lambda w: sqrt(Abs(w))), "not convex"),
    (lambda: P.elementwise(1, lambda w: log(1 + Abs(w))), "its second derivative is"),
    (lambda: P.elementwise(1, lambda w: Min(Abs(w), 1)), "slope falls from"),
    (lambda: P.elementwise(1, lambda w: Piecewise((0, w <= 0), (1, True))), "it jumps at w = 0"),
    (lambda: P.elementwise(1, lambda w: sympy.cos(w)), "cannot be shown to be convex"),
    (lambda: C.Custom(sympy.Or(W[i, j] <= -1, W[i, j] >= 1)), "in several parts"),
    (lambda: C.Custom(sqrt(Sum(W[i, j]**2, j)) >= 1), "not convex: it is infinite below w = 1"),
    (lambda: -P.l1(1), "slope falls from lam to -lam"),
    (lambda: -P.group_lasso(1, W), "falls from w = 0 on"),
    (lambda: P.elementwise(1, lambda w: w**4), "no formula for w that could be compiled"),
    (lambda: P.elementwise(1, exp), "no formula for w that could be compiled"),
    (lambda: C.box(1, -1), "allows no w at all"),
    (lambda: P.elementwise(1, lambda w: Abs(w**3 - 1)), "of degree 1 or 2"),
]
NOT_SEPARABLE: list[tuple[Any, str]] = [
    (lambda: P.smoothness(1, W), "does not separate"),
    (lambda: Sum(Abs(W[i + 1, j] - W[i, j]), (i, 0, 2), j), "does not separate"),
    (lambda: P.orthogonality(1, W), "no sum of squares"),
    (lambda: Sum(W[i, j], i, j)**2, "no sum of squares"),
    (lambda: abs(W).max(), "does not separate|no sum of squares"),
    (lambda: P.group_lasso(1, W) + P.group_lasso(1, W, axis=0), "blocks of W overlap"),
    (lambda: [P.group_lasso(1, W), C.box(-1, 1, W)], "only where a function doubles as w does"),
    (lambda: Sum(sqrt(Sum(W[i, j]**2, (i, 0, 2))) + sqrt(Sum(W[i, j]**2, (i, 1, 3))), j),
     "parts of W that overlap, one where .* and one where "),
    (lambda: sqrt(Sum(2 * W[i, j]**2, i, j) + Sum(sb.parameter("z", i)[i]**2, i)), "together"),
    (lambda: [C.norm(1, W, "B"), C.norm(1, W, "A")], "overlap"),
    (lambda: P.group_lasso(1, W) + Sum(sqrt(Sum((W[i, j] - 1)**2, j)), i), "around 0 and around 1"),
    (lambda: Sum(sqrt(Sum((W[i, j] - 1)**2, j)), i) + P.l1(1, W), "only where a function doubles"),
    (lambda: sqrt(Sum((W[i, j] - 1)**2 + 1, i, j)), "no sum of squares"),
    (lambda: Sum(Abs(W[i, i]), (i, 0, 2)), "no index of its own"),
    (lambda: Sum(sb.data("d", 4)[i] * Abs(W[i, j]), i, j), "declare the data with facts"),
    (lambda: Sum(Piecewise((Abs(W[i, j]), i < 2), (0, True)), i, j), r"for each part of i, Sum\("),
    (lambda: Sum(Abs(W[i, j]) * W[i, j], i, j) * Sum(W[i, j], i, j), "does not separate|no sum"),
]


@pytest.mark.parametrize(("make", "message"), [*NOT_CONVEX, *NOT_SEPARABLE])
def test_what_has_no_operator_is_refused_with_the_reason(make: Any, message: str) -> None:
    with pytest.raises(DerivationError, match=message):
        sb.proximal(make())


@pytest.mark.parametrize(("make", "kind", "message"), [
    (lambda: sb.proximal("l1"), DeclarationError, "not a scalar"),
    (lambda: sb.proximal(W), DeclarationError, "W"),
    (lambda: sb.proximal(x * abs(W).sum()), DerivationError, "x is a SymPy symbol that was never"),
    (lambda: sb.proximal(sympy.Integer(3)), DerivationError, "reads no parameter"),
    (lambda: sb.proximal(Abs(x), "x"), DeclarationError, "must be a SymPy symbol that is real"),
    (lambda: sb.proximal(P.l1(1, W))(V), InputError, "v has 1 axes; this operator acts on 2"),
    (lambda: sb.proximal(P.l1(1))(V, 0), InputError, "above 0, found 0"),
    (lambda: sb.proximal(P.l1(1))("abc"), InputError, "an array of numbers"),
    (lambda: sb.proximal(P.l1(1))([np.inf]), InputError, "must be finite"),
    (lambda: sb.proximal(P.l1(1))(V, lam="1"), InputError, "lam must be a finite number"),
    (lambda: sb.proximal(P.l1(1))(V, mu=1), InputError, "has no hyper 'mu'; it has lam"),
    (lambda: sb.proximal(P.l1(1))(V, lam=-1), DerivationError, "slope falls"),
    (lambda: sb.proximal(P.l1(1, "A", "B"))(V), DerivationError, "several parameters"),
])
def test_a_bad_request_is_refused(make: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        make()


def test_formulas_print_the_same_again_and_again() -> None:
    texts = {sb.proximal(P.elastic_net(0.1, 0.2)).text() for _ in range(3)}
    assert texts == {"w ← (v − lam1·t)/(1 + 2·lam2·t)  if v > lam1·t\n"
                     "    0                            if |v| ≤ lam1·t\n"
                     "    (v + lam1·t)/(1 + 2·lam2·t)  if v < −lam1·t"}


def test_latex_has_the_cases() -> None:
    text = sb.proximal(P.l1(0.1)).latex()
    assert r"w &\leftarrow \begin{cases}" in text
    assert r"\text{if } v > \mathrm{lam} \, t" in text


def test_the_subdifferential_has_an_interval_at_every_kink() -> None:
    assert sb.proximal(P.l1(0.1)).subdifferential() == (
        "∂R/∂w = lam          if w > 0\n"
        "        [−lam, lam]  if w = 0\n"
        "        −lam         if w < 0")
    assert "[−2, 3]" in sb.proximal(Max(-2 * x, 3 * x), x).subdifferential()
    assert "(−∞, 0]  if w = lo" in sb.proximal(C.box(-1, 1)).subdifferential()
    assert "any g with ‖g‖ ≤ lam  if s[i] = 0" in sb.proximal(
        P.group_lasso(0.1)).subdifferential()
