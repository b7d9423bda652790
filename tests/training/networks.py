"""Small networks for the tests of training, and the same arithmetic as plain NumPy loops."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Sum, exp, log, tanh

import symbackprop as sb
from symbackprop.training import Model

Array = NDArray[Any]
Values = dict[str, Array]
ROWS, INPUTS, HIDDEN, CLASSES = 23, 3, 4, 2
RIDGE = 0.01


def classifier(dtype: str = "float64", **options: Any) -> Model:
    """A 3-4-2 tanh/softmax network with an L2 penalty on its first weights, in index notation."""
    N = sb.size("N")
    n, i, j, k = sb.indices("n i j k", N, INPUTS, HIDDEN, CLASSES)
    x, y = sb.data("x", n, i), sb.data("y", n, k, facts=[sb.one_hot(k)])
    W1, b1 = sb.parameter("W1", i, j), sb.parameter("b1", j)
    W2, b2 = sb.parameter("W2", j, k), sb.parameter("b2", k)
    lam = sb.hyper("lam", RIDGE)
    h = sb.define("h", (n, j), tanh(Sum(x[n, i] * W1[i, j], i) + b1[j]))
    z = sb.define("z", (n, k), Sum(h[n, j] * W2[j, k], j) + b2[k])
    p = sb.define("p", (n, k), exp(z[n, k]) / Sum(exp(z[n, k]), k))
    L = sb.define("L", (), -Sum(y[n, k] * log(p[n, k]), n, k) / N + lam * Sum(W1[i, j]**2, i, j))
    return Model(inputs=x, targets=y, output=p, loss=L, dtype=dtype, **options)


def line(dtype: str = "float64") -> Model:
    """Linear regression with one output, in layer notation."""
    N = sb.size("N")
    x, y = sb.data("x", N, INPUTS), sb.data("y", N, 1)
    o = sb.layers.dense(x, 1)
    return Model(inputs=x, targets=y, output=o, loss=sb.losses.squared_error(o, y), dtype=dtype)


def samples(rows: int = ROWS, seed: int = 0) -> tuple[Array, Array]:
    """Inputs, and labels that a straight line does not separate."""
    X = np.random.default_rng(seed).normal(size=(rows, INPUTS))
    return X, (X[:, 0] * X[:, 1] > 0).astype(np.int64)


def loss_and_gradients(w: Values, X: Array, labels: Array,
                       lam: float = RIDGE) -> tuple[float, Values]:
    """The classifier's loss and its derivatives, as in the lecture on back-propagation."""
    Y, rows = np.eye(CLASSES)[labels], len(X)
    h = np.tanh(X @ w["W1"] + w["b1"])
    z = h @ w["W2"] + w["b2"]
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    loss = -(Y * np.log(p)).sum() / rows + lam * (w["W1"]**2).sum()
    d2 = (p - Y) / rows
    d1 = (d2 @ w["W2"].T) * (1 - h**2)
    return loss, {"W1": X.T @ d1 + 2 * lam * w["W1"], "b1": d1.sum(0),
                  "W2": h.T @ d2, "b2": d2.sum(0)}


def sgd(rate: float, momentum: float) -> Callable[[Values, Values], None]:
    """torch's convention, in place."""
    v: Values = {}

    def step(w: Values, g: Values) -> None:
        for name in w:
            v[name] = momentum * v.get(name, 0.0) + g[name]
            w[name] -= rate * v[name]

    return step


def adam(rate: float, beta1: float = 0.9, beta2: float = 0.999,
         epsilon: float = 1e-8) -> Callable[[Values, Values], None]:
    """Algorithm 1 of Kingma & Ba, in place."""
    m: Values = {}
    v: Values = {}
    t = 0

    def step(w: Values, g: Values) -> None:
        nonlocal t
        t += 1
        for name in w:
            m[name] = beta1 * m.get(name, 0.0) + (1 - beta1) * g[name]
            v[name] = beta2 * v.get(name, 0.0) + (1 - beta2) * g[name]**2
            m_hat, v_hat = m[name] / (1 - beta1**t), v[name] / (1 - beta2**t)
            w[name] -= rate * m_hat / (np.sqrt(v_hat) + epsilon)

    return step


def batches(rows: int, size: int, seed: int) -> Iterator[list[Array]]:
    """The batches of each epoch, without end: NumPy's generator shuffles, the last is smaller."""
    generator = np.random.default_rng(seed)
    while True:
        order = generator.permutation(rows)
        yield [order[start:start + size] for start in range(0, rows, size)]


def reference(w: Values, X: Array, labels: Array, step: Callable[[Values, Values], None],
              epochs: int, size: int, seed: int) -> list[float]:
    """Train w in place by a plain loop; the mean loss of each epoch."""
    history = []
    for _, epoch in zip(range(epochs), batches(len(X), size, seed), strict=False):
        total = 0.0
        for rows in epoch:
            loss, gradients = loss_and_gradients(w, X[rows], labels[rows])
            total += loss * len(rows)
            step(w, gradients)
        history.append(total / len(X))
    return history
