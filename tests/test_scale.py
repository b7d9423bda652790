"""Long chains, many paths and deep bodies: work grows with definitions, and no stack overflows."""

import numpy as np
import pytest
import sympy as sp
from sympy import Sum, tanh

import symbackprop as sb
from symbackprop.errors import SymbackpropError
from symbackprop.functions import softplus
from symbackprop.interpreter import evaluate

n, i, j = sb.indices("n i j", sb.size("N"), 2, 2)


def test_a_chain_of_ten_thousand_definitions_derives_prints_and_evaluates():
    w = sb.parameter("w")
    t = w
    for place in range(10_000):
        t = sb.define(f"t{place}", (), sp.sin(t + w) if place % 2 else tanh(t) + w/10)
    d = sb.derive(t)
    assert len(d.text("index").splitlines()) > 5_000
    assert len(d.text("matrix").splitlines()) > 5_000
    assert len(str(sb.program(t)).splitlines()) == 10_000
    arrays = evaluate(sb.program([t, d[w]]), {"w": 0.3})

    value, slope = 0.3, 1.0
    for place in range(10_000):
        if place % 2:
            value, slope = np.sin(value + 0.3), np.cos(value + 0.3)*(slope + 1)
        else:
            value, slope = np.tanh(value) + 0.03, (1 - np.tanh(value)**2)*slope + 0.1
    np.testing.assert_allclose(arrays[t.tensor], value, rtol=1e-12)
    np.testing.assert_allclose(arrays[d.gradient(w)], slope, rtol=1e-10)


def residual(blocks):
    """h ← h + tanh(h W)/2, over and over with one W: 2^blocks paths from the loss to x."""
    x, W = sb.data("x", n, i), sb.parameter("W", i, j)
    h = x
    for block in range(blocks):
        z = sb.define(f"z{block}", (n, j), Sum(h[n, i]*W[i, j], i))
        h = sb.define(f"h{block}", (n, j), h[n, j] + tanh(z[n, j])/2)
    return sb.define("L", (), Sum(h[n, j]**2, n, j)), W


def test_a_residual_net_with_2_to_the_40_paths_has_a_derivative_linear_in_its_blocks():
    lines = {}
    for blocks in (10, 20, 40):
        loss, _ = residual(blocks)
        d = sb.derive(loss)
        lines[blocks] = len(d.text("index").splitlines()), len(d.text("index"))
    assert lines[40][0] - lines[20][0] == 2*(lines[20][0] - lines[10][0])
    assert lines[40][1] < 6*lines[10][1]


def test_the_derivative_of_the_residual_net_is_right():
    loss, W = residual(40)
    d = sb.derive(loss)
    rng = np.random.default_rng(1)
    X, V, step = rng.normal(size=(3, 2)), rng.normal(size=(2, 2))/20, 1e-6

    def at(V):
        h = X
        for _ in range(40):
            h = h + np.tanh(h @ V)/2
        return (h**2).sum()

    expected = [[(at(V + step*e) - at(V - step*e))/(2*step) for e in np.eye(4).reshape(4, 2, 2)]]
    found = evaluate(sb.program(d[W]), {"x": X, "W": V})[d[W]]
    np.testing.assert_allclose(found.ravel(), np.ravel(expected), rtol=1e-6)


def test_each_use_of_a_tensor_adds_the_same_number_of_definitions():
    def definitions(uses):
        w = sb.parameter("w", i)
        terms = [sb.define(f"u{place}", (), Sum(tanh(w[i]*(place + 1)), i))
                 for place in range(uses)]
        return len(sb.derive(sb.define("L", (), sp.Add(*terms))).backward.definitions)

    ten, twenty, forty = definitions(10), definitions(20), definitions(40)
    assert forty - twenty == 2*(twenty - ten)


@pytest.mark.parametrize("depth", [30, 150, 400])
def test_a_deep_body_is_cut_into_definitions(depth):
    w = sb.parameter("w")
    body = w
    for _ in range(depth):
        body = softplus(body)  # SymPy's own functions overflow before depth 400
    L = sb.define("L", (), body)
    d = sb.derive(L)
    d.text("index")
    arrays = evaluate(sb.program([L, d[w]]), {"w": 0.25})
    value, slope = 0.25, 1.0
    for _ in range(depth):
        value, slope = np.log1p(np.exp(value)), slope/(1 + np.exp(-value))
    np.testing.assert_allclose(arrays[L.tensor], value, rtol=1e-12)
    np.testing.assert_allclose(arrays[d.gradient(w)], slope, rtol=1e-9)


def test_a_body_of_a_depth_beyond_pythons_stack_works_or_is_refused_by_name():
    w = sb.parameter("w")
    body = w
    for _ in range(3000):
        body = sp.Add(sp.Mul(body, w, evaluate=False), 1, evaluate=False)
    try:
        L = sb.define("abyss", (), body)
        d = sb.derive(L)
        found = evaluate(sb.program(d[w]), {"w": 0.5})[d.gradient(w)]
        np.testing.assert_allclose(found, 4, rtol=1e-9)  # (1/(1 − w))′
    except SymbackpropError as refusal:
        assert "abyss" in str(refusal)


def test_a_wide_sum_of_three_hundred_terms_is_no_depth():
    w = sb.parameter("w", i)
    total = sum(sp.sin(k*w[0] + w[1]) for k in range(1, 300))
    d = sb.derive(sb.define("L", (), total))
    found = evaluate(sb.program(d[w]), {"w": [0.1, 0.2]})[d[w]]
    k = np.arange(1, 300)
    np.testing.assert_allclose(found, [(k*np.cos(0.1*k + 0.2)).sum(), np.cos(0.1*k + 0.2).sum()],
                               rtol=1e-8)
