"""What the manual shows of training runs as it is written there."""

from pathlib import Path

import numpy as np
import pytest
from sympy import Sum, exp, log, tanh

import symbackprop as sb


def test_training_runs_as_the_manual_shows_it(tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    N = sb.size("N")
    n, i, j, k = sb.indices("n i j k", N, 64, 32, 10)
    x = sb.data("x", n, i)
    y = sb.data("y", n, k, facts=[sb.one_hot(k)])
    W1, b1 = sb.parameter("W1", i, j), sb.parameter("b1", j)
    W2, b2 = sb.parameter("W2", j, k), sb.parameter("b2", k)
    lam = sb.hyper("lam", 1e-4)
    h = sb.define("h", (n, j), tanh(Sum(x[n, i]*W1[i, j], i) + b1[j]))
    z = sb.define("z", (n, k), Sum(h[n, j]*W2[j, k], j) + b2[k])
    p = sb.define("p", (n, k), exp(z[n, k]) / Sum(exp(z[n, k]), k))
    L = sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k)/N + lam*Sum(W1[i, j]**2, i, j))
    rng = np.random.default_rng(0)
    X, Y = rng.random((200, 64)), rng.integers(10, size=200)
    Xv, Yv = rng.random((70, 64)), rng.integers(10, size=70)

    model = sb.Model(inputs=x, targets=y, output=p, loss=L, dtype="float32")
    history = model.fit(X, Y, epochs=20, batch_size=64,
                        optimizer=sb.optimizers.SGD(0.1, momentum=0.9),
                        validation_data=(Xv, Yv),
                        callbacks=[sb.callbacks.EarlyStopping(patience=3)], metrics=["accuracy"],
                        seed=0, threads=None, verbose=True)
    assert len(history["loss"]) == len(history["val_loss"]) <= 20
    assert model.predict(X).shape == (200, 10)
    assert model.loss(X, Y) > 0
    assert {name: g.shape for name, g in model.gradients(X, Y).items()} == {
        "W1": (64, 32), "b1": (32,), "W2": (32, 10), "b2": (10,)}
    assert list(model.parameters) == ["W1", "b1", "W2", "b2"]
    model.hypers["lam"] = 1e-3
    assert "64·32 + 32 = 2,080" in model.summary()
    assert "∂L/∂b1 = 1ᵀ δ1" in str(model.derivation())
    assert "def train(" in model.source
    model.save("m.safetensors")
    assert np.array_equal(sb.Model.load("m.safetensors").predict(X), model.predict(X))


def test_the_optimizers_of_the_manual_exist() -> None:
    assert sb.optimizers.SGD(0.1) == sb.optimizers.SGD(0.1, momentum=0)
    assert sb.optimizers.Adam(0.1).rate == 0.1
