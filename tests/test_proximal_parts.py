"""Terms of entries on parts that overlap have an operator: their sum, entry by entry."""

from typing import Any

import numpy as np
import pytest
from sympy import Abs, Sum, sqrt

import symbackprop as sb
from tests.support.minimisers import is_minimum

P, C = sb.penalties, sb.constraints
W = sb.parameter("W", 4, 3)
i, j = W.letters


def rows(w: Any) -> Any:
    return abs(w).sum(1)


PARTS: dict[str, tuple[Any, Any, Any]] = {
    "everywhere and a row": (lambda: P.l1(0.3, W) + 0.5*Sum(Abs(W[0, j]), j),
                             lambda w: 0.3*rows(w).sum() + 0.5*rows(w)[0], None),
    "two parts that overlap": (
        lambda: 0.3*Sum(Abs(W[i, j]), (i, 0, 2), j) + 0.5*Sum(sb.relu(W[i, j])**2, (i, 1, 3), j),
        lambda w: 0.3*rows(w)[:3].sum() + 0.5*(np.maximum(w[1:], 0)**2).sum(), None),
    "three parts of both indices": (
        lambda: (0.3*Sum(Abs(W[i, j]), (i, 0, 2), (j, 1, 2)) + 0.2*Sum(Abs(W[i, 1]), i)
                 + 0.4*Abs(W[2, 1] - 1)),
        lambda w: 0.3*abs(w[:3, 1:]).sum() + 0.2*abs(w[:, 1]).sum() + 0.4*abs(w[2, 1] - 1), None),
    "everywhere, each row, and a group": (
        lambda: (P.l1(0.1, W) + sum(0.1*k*Sum(Abs(W[k, j]), j) for k in range(4))
                 + P.group_lasso(0.4, W)),
        lambda w: (0.1 + 0.1*np.arange(4)) @ rows(w) + 0.4*np.sqrt((w**2).sum(1)).sum(), None),
    "everywhere, and norms of a part": (
        lambda: P.l1(0.2, W) + 0.6*Sum(sqrt(Sum(W[i, j]**2, (i, 0, 2))), j),
        lambda w: 0.2*rows(w).sum() + 0.6*np.sqrt((w[:3]**2).sum(0)).sum(), None),
    "a sign of a row": (lambda: [P.l1(0.3, W), C.Custom(W[1, j] >= 0), C.box(-1, 1, W)],
                        lambda w: 0.3*rows(w).sum(),
                        lambda w: bool((w[1] >= 0).all() and (abs(w) <= 1).all())),
}


@pytest.mark.parametrize("name", PARTS)
def test_terms_on_parts_that_overlap_are_minimised_together(name: str) -> None:
    make, function, allowed = PARTS[name]
    operator, random = sb.proximal(make()), np.random.default_rng(len(name))
    for scale, step in ((0.3, 0.2), (1.0, 1.0), (5.0, 0.6)):
        v = scale*random.normal(size=(4, 3))
        found = operator(v, step)
        assert allowed is None or allowed(found)
        assert is_minimum(lambda w: float(function(w)), found, v, step, random,
                          allowed or (lambda w: True))
    assert "←" in operator.text()
    assert operator.latex().startswith("\\begin{align*}")


def test_a_part_that_costs_more_than_the_rest_is_trained_with_exact_zeros() -> None:
    """As with a strength for each row that is fixed data."""
    x, y, c = sb.data("x", sb.size("N"), 4), sb.data("y", sb.size("N"), 3), sb.data("c", 4, facts=[
        sb.positive])
    random = np.random.default_rng(0)
    X = random.normal(size=(30, 4))
    Y = X @ random.normal(size=(4, 3)) + random.normal(size=(30, 3))
    found = []
    for penalty, inputs, given in (
            (0.2*Sum(Abs(W[i, j]), i, j) + 0.6*Sum(Abs(W[i, j]), (i, 1, 2), j), x, X),
            (Sum(c[i]*Abs(W[i, j]), i, j), [x, c], [X, [0.2, 0.8, 0.8, 0.2]])):
        model = sb.Model(inputs, y, loss=sb.losses.squared_error(x @ W, y)/2 + penalty,
                         dtype="float64")
        model.fit(given, Y, epochs=20, batch_size=None, optimizer=sb.optimizers.ProximalSGD(0.3))
        found.append(np.array(model.parameters["W"]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-14)
    assert (found[0] == 0).any()
