"""Named networks whose derivations are printed: dense ones, and others whose lines are harder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy
from sympy import Sum, exp, log, tanh

import symbackprop as sb

N = sb.size("N")
n, i, j, k = sb.indices("n i j k", N, 6, 5, 4)


def classifier() -> Any:
    x, y = sb.data("x", n, i), sb.data("y", n, k, facts=[sb.one_hot(k)])
    W1, b1 = sb.parameter("W1", i, j), sb.parameter("b1", j)
    W2, b2 = sb.parameter("W2", j, k), sb.parameter("b2", k)
    lam = sb.hyper("lam", 1e-4)
    h = sb.define("h", (n, j), tanh(Sum(x[n, i]*W1[i, j], i) + b1[j]))
    z = sb.define("z", (n, k), Sum(h[n, j]*W2[j, k], j) + b2[k])
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    return sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k)/N + lam*Sum(W1[i, j]**2, i, j))


def three_relu_layers() -> Any:
    h = sb.data("x", N, 6)
    for width in (5, 4, 3):
        h = sb.layers.dense(h, width, "relu")
    return sb.losses.squared_error(sb.layers.dense(h, 2), sb.data("y", N, 2))


def logistic_regression() -> Any:
    x, y, w, b = sb.data("x", n, i), sb.data("y", n), sb.parameter("w", i), sb.parameter("b")
    p = sb.define("p", (n,), 1/(1 + exp(-Sum(x[n, i]*w[i], i) - b)))
    return sb.define("L", (), -Sum(y[n]*log(p[n]) + (1 - y[n])*log(1 - p[n]), n)/N)


def ridge_regression() -> Any:
    x, y, w, b = sb.data("x", n, i), sb.data("y", n), sb.parameter("w", i), sb.parameter("b")
    r = sb.define("r", (n,), Sum(x[n, i]*w[i], i) + b - y[n])
    return sb.define("L", (), Sum(r[n]**2, n)/N + sb.hyper("lam", 0.1)*Sum(w[i]**2, i))


def tied_autoencoder() -> Any:
    x, W = sb.data("x", N, 6), sb.parameter("W", 6, 3)
    h = sb.tanh(x @ W + sb.parameter("b", 3))
    return sb.losses.squared_error(h @ W.T + sb.parameter("c", 6), x)


def linear_autoencoder() -> Any:
    x, W = sb.data("x", N, 6), sb.parameter("W", 6, 3)
    return sb.losses.squared_error(x @ W @ W.T, x)


def factorisation() -> Any:
    U, V, A = sb.parameter("U", 8, 3), sb.parameter("V", 9, 3), sb.data("A", 8, 9)
    return ((A - U @ V.T)**2).sum() + sb.penalties.l2(0.1, U, V)


def residual_block() -> Any:
    h = sb.layers.dense(sb.data("x", N, 6), 6, "tanh")
    h = sb.layers.dense(h, 6, "tanh") + h
    return sb.losses.squared_error(sb.layers.dense(h, 4), sb.data("y", N, 4))


def two_heads() -> Any:
    h = sb.layers.dense(sb.data("x", N, 6), 5, "tanh")
    p = sb.softmax(sb.layers.dense(h, 3))
    return (sb.losses.squared_error(sb.layers.dense(h, 2), sb.data("u", N, 2))
            + sb.losses.cross_entropy(p, sb.data("v", N, 3, facts=["one_hot"])))


def one_output_column() -> Any:
    h = sb.layers.dense(sb.data("x", N, 6), 5, "sigmoid")
    return sb.losses.squared_error(sb.layers.dense(h, 1), sb.data("y", N, 1))


def one_sample() -> Any:
    h = sb.layers.dense(sb.data("x", 6), 5, "tanh")
    return ((sb.layers.dense(h, 4) - sb.data("y", 4))**2).sum()


def elastic_net() -> Any:
    h = sb.layers.dense(sb.data("x", N, 6), 5, lambda t: t*sb.sigmoid(t))
    return (sb.losses.absolute_error(sb.layers.dense(h, 2), sb.data("y", N, 2))
            + sb.penalties.elastic_net(0.1, 0.2))


def elu() -> Any:
    h = sb.layers.dense(sb.data("x", N, 6), 5,
                        lambda t: sympy.Piecewise((t, t > 0), (exp(t) - 1, True)))
    return sb.losses.squared_error(sb.layers.dense(h, 2), sb.data("y", N, 2))


def gelu() -> Any:
    x, y = sb.data("x", n, i), sb.data("y", n, k)
    W1, b1, W2 = sb.parameter("W1", i, j), sb.parameter("b1", j), sb.parameter("W2", j, k)
    z = Sum(x[n, i]*W1[i, j], i) + b1[j]
    h = sb.define("h", (n, j), z/2*(1 + tanh(sympy.sqrt(2/sympy.pi)*(z + 0.044715*z**3))))
    return sb.define("L", (), Sum((Sum(h[n, j]*W2[j, k], j) - y[n, k])**2, n, k)/N)


def parametric_relu() -> Any:
    h = sb.leaky_relu(sb.data("x", N, 6) @ sb.parameter("W", 6, 5), sb.parameter("a"))
    return sb.losses.squared_error(h, sb.data("y", N, 5))


def attention() -> Any:
    T = sb.size("T")
    x, Q, K = sb.data("x", T, 6), sb.parameter("Q", 6, 4), sb.parameter("K", 6, 4)
    a = sb.softmax((x @ Q) @ (x @ K).T/2)
    return sb.losses.squared_error(a @ (x @ sb.parameter("V", 6, 3)), sb.data("y", T, 3))


def softmax_with_squared_error() -> Any:
    p = sb.softmax(sb.data("x", N, 6) @ sb.parameter("W", 6, 5))
    return sb.losses.squared_error(p, sb.data("y", N, 5))


def quadratic_form() -> Any:
    r, c = sb.indices("r c", 5, 5)
    A, x = sb.parameter("A", r, c), sb.parameter("x", r)
    return sb.define("L", (), Sum(x[r]*A[r, c]*x[c], r, c))


def outer_product() -> Any:
    a, b, A = sb.parameter("a", i), sb.parameter("b", j), sb.data("A", i, j)
    return sb.define("L", (), Sum((A[i, j] - a[i]*b[j])**2, i, j))


def weighted_least_squares() -> Any:
    x, y, c, w = sb.data("x", n, i), sb.data("y", n), sb.data("c", n), sb.parameter("w", i)
    return sb.define("L", (), Sum(c[n]*(Sum(x[n, i]*w[i], i) - y[n])**2, n)/2)


def bilinear() -> Any:
    x, u = sb.data("x", N, 6), sb.data("u", N, 5)
    return (((x @ sb.parameter("W", 6, 5)*u).sum(1) - sb.data("y", N))**2).mean()


def mahalanobis() -> Any:
    """Σ_n (xₙ − m)ᵀ A (xₙ − m): the same tensor on both sides."""
    r = sb.data("x", N, 6) - sb.parameter("m", 6)
    return ((r @ sb.parameter("A", 6, 6))*r).sum()


def layer_normalisation() -> Any:
    x, W, g, b, y = (sb.data("x", n, i), sb.parameter("W", i, j), sb.parameter("g", j),
                     sb.parameter("b", j), sb.data("y", n, j))
    h = sb.define("h", (n, j), Sum(x[n, i]*W[i, j], i))
    m = sb.define("m", (n,), Sum(h[n, j], j)/5)
    v = sb.define("v", (n,), Sum((h[n, j] - m[n])**2, j)/5)
    o = sb.define("o", (n, j), g[j]*(h[n, j] - m[n])/sympy.sqrt(v[n] + 1) + b[j])
    return sb.define("L", (), Sum((o[n, j] - y[n, j])**2, n, j)/N)


def batch_normalisation() -> Any:
    x, W, g, b, y = (sb.data("x", n, i), sb.parameter("W", i, j), sb.parameter("g", j),
                     sb.parameter("b", j), sb.data("y", n, j))
    h = sb.define("h", (n, j), Sum(x[n, i]*W[i, j], i))
    m = sb.define("m", (j,), Sum(h[n, j], n)/N)
    v = sb.define("v", (j,), Sum((h[n, j] - m[j])**2, n)/N)
    o = sb.define("o", (n, j), g[j]*(h[n, j] - m[j])/sympy.sqrt(v[j] + 1) + b[j])
    return sb.define("L", (), Sum((o[n, j] - y[n, j])**2, n, j)/N)


def norm_of_rows() -> Any:
    h = sb.data("x", N, 6) @ sb.parameter("W", 6, 5)
    h = h/sb.sqrt((h**2).sum(1, keepdims=True) + 1)
    return sb.losses.squared_error(h, sb.data("y", N, 5))


def largest_of_rows() -> Any:
    h = sb.tanh(sb.data("x", N, 6) @ sb.parameter("W", 6, 5))
    return ((h.max(1) - sb.data("y", N))**2).mean()


def own_softmax() -> Any:
    z = sb.data("x", N, 6) @ sb.parameter("W", 6, 5)
    e = sb.exp(z - z.max(1, keepdims=True))
    return sb.losses.cross_entropy(e/e.sum(1, keepdims=True),
                                   sb.data("y", N, 5, facts=["one_hot"]))


def integer_labels() -> Any:
    p = sb.softmax(sb.layers.dense(sb.data("x", N, 6), 5))
    return sb.losses.cross_entropy(p, sb.data("y", N, facts=[sb.label(5)]))


def maxout() -> Any:
    x, W, y = sb.data("x", n, i), sb.parameter("W", k, i, j), sb.data("y", n, j)
    h = sb.define("h", (n, j), sb.Maximum(Sum(x[n, i]*W[k, i, j], i), k))
    return sb.define("L", (), Sum((h[n, j] - y[n, j])**2, n, j)/N)


def differences() -> Any:
    """Neighbours in a row: a tensor that is read only in part must not be written in full."""
    u = sb.indices("u", 5)
    w, x = sb.parameter("w", 6), sb.data("x", 5)
    return sb.define("L", (), Sum((w[u + 1] - w[u])**2*x[u], u))


def mean_of_rows() -> Any:
    return ((sb.data("x", N, 6) @ sb.parameter("W", 6, 5)).mean(1)**3).sum()


def plain_scalars() -> Any:
    x, y, v, w = sb.data("x"), sb.data("y"), sb.parameter("v"), sb.parameter("w")
    return sb.define("L", (), (w*v*x - y)**2)


def norm_squared_times_sum() -> Any:
    w, A = sb.parameter("w", 6), sb.parameter("A", 6, 6)
    return (w**2).sum()*(A*A).sum() + sb.sqrt((w**4).sum())


DENSE: list[Callable[[], Any]] = [
    classifier, three_relu_layers, logistic_regression, ridge_regression, tied_autoencoder,
    linear_autoencoder, factorisation, residual_block, two_heads, one_output_column, one_sample,
    elastic_net, elu, gelu, parametric_relu, attention, softmax_with_squared_error, quadratic_form,
    outer_product, weighted_least_squares, bilinear, mahalanobis, layer_normalisation,
    batch_normalisation, mean_of_rows, norm_squared_times_sum,
]
OTHERS: list[Callable[[], Any]] = [
    norm_of_rows, largest_of_rows, own_softmax, integer_labels, maxout, differences, plain_scalars,
]
GOLDEN: list[Callable[[], Any]] = [
    classifier, ridge_regression, logistic_regression, three_relu_layers, maxout, elu, gelu,
    parametric_relu, tied_autoencoder, residual_block, elastic_net, attention,
    layer_normalisation, integer_labels,
]
