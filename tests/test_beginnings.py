"""Indices that do not begin at 0: Idx("i", (1, 4)) reads the entries 1 to 4 of an axis."""

import numpy as np
import pytest
from sympy import Idx, Max, Sum, exp, tanh

import symbackprop as sb
from symbackprop.indexing import fresh, unshadowed
from symbackprop.interpreter import evaluate

N = sb.size("N")
n, m, k = sb.indices("n m k", N, 5, 3)
i, own, last = Idx("i", (1, 4)), Idx("i", 4), Idx("r", (1, N - 1))
x, w, V = sb.data("x", n, m), sb.parameter("w", m), sb.parameter("V", m, k)
u = sb.parameter("u", own)
BODIES = {
    "a function of one index": Sum(tanh(x[n, i]*exp(w[i])), i),
    "a function behind a maximum": Sum(Max(x[n, i], exp(w[i])), i),
    "a product inside": Sum(tanh(Sum(x[n, i]*exp(V[i, k]), k)), i),
    "the same with and without the first entry": Sum(w[m]*x[n, m], m) - Sum(w[i]*x[n, i], i),
    "a maximum": sb.Maximum(w[m]*x[n, m], m) - sb.Maximum(w[i]*x[n, i], i),
    "a sum in a sum": Sum(x[n, m]*Sum(tanh(w[i]*x[n, i]), i), m),
    "a part of its range": Sum(Sum(exp(x[n, i])*w[m], m)*V[i, 0], (i, 2, 3)),
    "its number": Sum(i*w[i]*x[n, i], i),
    "all rows but the first": Sum(tanh(w[0]*x[last, 0]), last)*x[n, 1],
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_is_bound_may_begin_anywhere(body) -> None:
    agree(sb.define("f", (n,), body), n)


def test_it_may_have_the_letter_of_an_index_from_0() -> None:
    agree(sb.define("f", (n, own), Sum(tanh(x[n, i]*exp(w[i])), i)*u[own]), n, own)
    inner = sb.define("g", (n, own), tanh(u[own]*x[n, own + 1]))
    agree(sb.define("f", (n,), Sum(inner[n, own], own) + Sum(w[i]*x[n, i], i)), n)


def test_a_new_letter_has_the_values_of_the_old_one() -> None:
    assert fresh(i, [own]) == Idx("i′", (1, 4))
    renamed = unshadowed(sb.Maximum(x[n, i], i), [own])
    assert renamed == sb.Maximum(x[n, Idx("i′", (1, 4))], Idx("i′", (1, 4)))


def agree(f: sb.Tensor, *letters: Idx) -> None:
    """Kernel and interpreter say the same of f and Σf², gradients and differences of it too."""
    L = sb.define("L", (), Sum(f[letters]**2, *letters)/N)
    declared = sb.program([f, L])
    rng = np.random.default_rng(0)
    given = {t.name: rng.normal(size=[6 if a == N else int(a) for a in t.axes])
             for t in declared.inputs}
    d = sb.derive(L)
    found = sb.compile([f, L, *d.gradients.values()], dtype="float64")(**given)
    expected = evaluate(declared, given)
    for value, tensor in zip(found, declared.outputs, strict=False):
        np.testing.assert_allclose(value, expected[tensor], rtol=1e-13, atol=1e-14)
    assert float(d.check()) < 1e-30
