"""Gradient descent, stochastic and mini-batch descent: one loss, three ways down (lecture 004).

    L = 1/N Σ_n (w x[n] + b − y[n])²,    w ← w − rate·∂L/∂w,    b ← b − rate·∂L/∂b

They differ only in how many rows a step reads: all N, one, or 16.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "descent.png"
WAYS = (("stochastic: 1 row a step", 1, 0.015, "C1"),
        ("mini-batch: 16 rows a step", 16, 0.1, "C2"),
        ("gradient descent: all 200 rows a step", None, 0.45, "C0"))
START, EPOCHS = (-1.5, 2.5), 12

rng = np.random.default_rng(0)
X = rng.normal(0.5, 1.0, 200)
Y = 1.5*X + 0.5 + rng.normal(0, 1.0, 200)

N = sb.size("N")
n = sb.indices("n", N)
x, y = sb.data("x", n), sb.data("y", n)
w, b = sb.parameter("w"), sb.parameter("b")
L = sb.losses.squared_error(x*w + b, y)


def path(model: sb.Model, batch: int | None, rate: float) -> np.ndarray:
    """(w, b, loss on all rows) after every step: one call of fit a step, to see each of them."""
    model.parameters["w"], model.parameters["b"] = START
    order, size = np.random.default_rng(1), batch or len(X)
    places = [(*START, model.loss(X, Y))]
    for _ in range(EPOCHS):
        rows = order.permutation(len(X))
        for first in range(0, len(X), size):
            own = rows[first:first + size]
            model.fit(X[own], Y[own], epochs=1, batch_size=None, optimizer=sb.optimizers.SGD(rate))
            places.append((float(model.parameters["w"]), float(model.parameters["b"]),
                           model.loss(X, Y)))
    return np.array(places)


def main() -> None:
    model = sb.Model(inputs=x, targets=y, output=x*w + b, loss=L)
    print(model.derivation(), end="\n\n")
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    W, B = np.meshgrid(np.linspace(-2, 3, 90), np.linspace(-1.4, 3, 90))
    height = np.mean((X*W[..., None] + B[..., None] - Y)**2, axis=-1)
    left.contour(W, B, height, levels=np.geomspace(height.min()*1.02, 25, 14), colors="0.8",
                 linewidths=1)
    best = np.polyfit(X, Y, 1)
    floor = np.mean((np.polyval(best, X) - Y)**2)
    for name, batch, rate, color in WAYS:
        steps = path(model, batch, rate)
        left.plot(steps[:, 0], steps[:, 1], ".-", color=color, linewidth=1,
                  markersize=3 if batch else 7)
        epochs = np.linspace(0, EPOCHS, len(steps))
        right.semilogy(epochs, steps[:, 2] - floor, color=color, linewidth=1 if batch else 2,
                       label=name)
        print(f"{name:40} {len(steps) - 1:5} steps, loss above the least: "
              f"{np.mean(steps[-max(1, len(steps)//EPOCHS):, 2]) - floor:.1e}")
    left.plot(*best, "k*", markersize=12)
    left.set(xlabel="w", ylabel="b", title="Twelve epochs from one start")
    right.set(xlabel="epoch", ylabel="loss above the least one", ylim=(1e-7, 30),
              title="Small batches are fast at first and then noisy")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"picture: {PICTURE}")


if __name__ == "__main__":
    main()
