"""Random restarts: several starts, the lowest training error is kept (lecture 002).

A net of three tanh units must tell two spirals' beginnings apart; from many starts it cannot.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "random_restarts.png"

rng = np.random.default_rng(0)
angle = np.linspace(0.5, 4.2, 60)
arm = np.stack([angle*np.cos(angle), angle*np.sin(angle)], axis=1)
X = np.concatenate([arm, -arm])/4 + rng.normal(0, 0.03, (120, 2))
Y = np.repeat([0.0, 1.0], 60)

N = sb.size("N")
x, y = sb.data("x", N, 2), sb.data("y", N, 1)
h = sb.layers.dense(x, 3, "tanh")
p = sb.layers.dense(h, 1, "sigmoid")
L = sb.losses.binary_cross_entropy(p, y)


def region(axes, model: sb.Model, title: str) -> None:
    """Where the model says that a point belongs to the second arm."""
    side = np.linspace(-1.3, 1.3, 120)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    chance = model.predict(grid.reshape(-1, 2)).reshape(120, 120)
    axes.contourf(side, side, chance, levels=[0, 0.5, 1], colors=["#c6dbef", "#fdd0a2"])
    axes.scatter(*X.T, c=np.where(Y > 0, "C1", "C0"), s=10)
    axes.set(xticks=(), yticks=(), aspect="equal", title=title)


def main() -> None:
    model = sb.Model(inputs=x, targets=y, output=p, loss=L)
    settings = {"epochs": 400, "batch_size": 20, "optimizer": sb.optimizers.Adam(0.03)}
    runs = sb.restarts(model, X, Y, count=12, seed=0, **settings)  # one run a core
    print(runs)

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    runs.plot(left).set_title("Twelve starts, one loss")
    region(right, model, f"kept: loss {runs.losses[runs.best]:.3f}")
    worst = int(np.argmax(runs.losses))
    model.initialise(runs.seeds[worst])  # a seed is all that is needed to see a run again
    model.fit(X, Y, seed=runs.seeds[worst], **settings)
    region(middle, model, f"the worst start: loss {runs.losses[worst]:.3f}")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"picture: {PICTURE}")


if __name__ == "__main__":
    main()
