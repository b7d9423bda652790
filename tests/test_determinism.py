"""The same program gives the same bytes: under any hash seed, and after unrelated declarations."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sympy import Sum, exp, log, tanh

import symbackprop as sb

PROGRAM = """
import symbackprop as sb
from sympy import Sum, exp, log, tanh
{before}
N = sb.size("N")
x, y = sb.data("x", N, 6), sb.data("y", N, 3, facts=["one_hot"])
h = sb.layers.dense(x, 5, "tanh")
g = sb.layers.dense(h, 5, lambda t: t*sb.sigmoid(t)) + h
p = sb.softmax(sb.layers.dense(g, 3))
L = sb.losses.cross_entropy(p, y) + sb.penalties.elastic_net(1e-3, 1e-4)
d = sb.derive(L)
print(sb.program(L), d.text("index"), d.text("matrix"), sep="\\n")
f = sb.compile([L, *(d[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3"))])
print(f.source)
print(f.path)
print(sb.proximal([sb.penalties.sparse_group_lasso(0.1, 0.2), sb.constraints.max_norm(3, axis=1)]))
"""
UNRELATED = """
M = sb.size("M")
m, q = sb.indices("m q", M, 4)
h, W1 = sb.data("h", m, q), sb.parameter("W1", q)
sb.define("x", (m,), Sum(tanh(h[m, q])*W1[q], q))
sb.layers.dense(sb.data("z", M, 2), 7, "relu")
"""


def printed(before: str, seed: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)], capture_output=True, text=True,
        env={**os.environ, "PYTHONHASHSEED": seed}, check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def reference() -> str:
    return printed("", "0")


@pytest.mark.parametrize("seed", ["1", "2", "42"])
def test_text_source_and_cache_key_do_not_depend_on_the_hash_seed(reference, seed) -> None:
    assert printed("", seed) == reference


def test_text_source_and_cache_key_do_not_depend_on_unrelated_declarations(reference) -> None:
    assert printed(UNRELATED, "7") == reference


def network(features: int, width: int, slope: float):
    """A loss and a derivative whose tensors have the same names whatever their shapes."""
    n, i, j = sb.indices("n i j", sb.size("N"), features, width)
    x, W = sb.data("x", n, i), sb.parameter("W", i, j)
    h = sb.define("h", (n, j), tanh(slope*Sum(x[n, i]*W[i, j], i)))
    L = sb.define("L", (), Sum(log(1 + exp(h[n, j])), n, j))
    return L, W


def test_two_programs_with_the_same_names_and_other_shapes_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(0)
    shapes = [(4, 3, 1.0), (2, 5, 0.5)]
    losses = [network(*shape) for shape in shapes]
    derived = [sb.derive(L) for L, _ in losses]
    kernels = [sb.compile([L, d[W]], dtype="float64")
               for (L, W), d in zip(losses, derived, strict=True)]
    for (features, width, slope), kernel in zip(shapes, kernels, strict=True):
        X, W = rng.normal(size=(6, features)), rng.normal(size=(features, width))
        value, gradient = kernel(x=X, W=W)
        h = np.tanh(slope*(X @ W))
        np.testing.assert_allclose(value, np.log1p(np.exp(h)).sum(), rtol=1e-12)
        expected = slope*X.T @ ((1 - h**2)/(1 + np.exp(-h)))
        np.testing.assert_allclose(gradient, expected, rtol=1e-10)
