"""Multitask learning: one hidden layer is trained for two objectives at once (lecture 000).

    L = −1/N Σ_n Σ_k y[n,k] log p[n,k]  +  μ/N Σ_n ‖x[n] − r[n]‖²

Task 1 reads a digit, task 2 draws the image again, both from the same 16 hidden units.  μ weighs
them: one net does both, nearly as well as two nets would.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "multitask.png"
STRENGTHS, DRAWS = (0, 0.01, 0.1, 1, 10), 3

images, digits = load_digits(return_X_y=True)
(X, Y), (X_test, Y_test) = sb.split(images/16, digits, sizes=(0.5, 0.5), stratify=digits, seed=0)

N = sb.size("N")
x, y = sb.data("x", N, 64), sb.data("y", N, 10, facts=["one_hot"])
h = sb.layers.dense(x, 16, "tanh")
p, r = sb.softmax(sb.layers.dense(h, 10)), sb.layers.dense(h, 64)
mu = sb.hyper("mu", 0.0)
L = sb.losses.cross_entropy(p, y) + mu*sb.losses.squared_error(r, x)


def measured(model: sb.Model, strength: float, draw: int) -> tuple[float, float]:
    """Accuracy, and the mean squared error of a pixel, on images held out."""
    model.hypers["mu"] = strength  # compiles nothing
    model.initialise(seed=draw)
    model.fit(X, Y, epochs=100, batch_size=32, seed=draw,
              optimizer=sb.optimizers.Adam(3e-3/(1 + strength)**0.2))
    read, drawn = model.predict(X_test)
    return float((read.argmax(1) == Y_test).mean()), float(((drawn - X_test)**2).mean())


def main() -> None:
    model = sb.Model(inputs=x, targets=y, output=[p, r], loss=L)
    print(sb.program(L), model.derivation(), sep="\n\n", end="\n\n")
    found = np.array([[measured(model, strength, draw) for draw in range(DRAWS)]
                      for strength in STRENGTHS])
    mean, error = found.mean(1), found.std(1, ddof=1)/DRAWS**0.5
    print("     μ   accuracy   error of a pixel   (held out)")
    for strength, (accuracy, pixel) in zip(STRENGTHS, mean):
        print(f"{strength:6} {accuracy:10.3f} {pixel:18.4f}")
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, gallery = figure.subfigures(1, 2, width_ratios=(1.5, 1))
    axes = left.subplots()
    axes.errorbar(mean[1:, 1], mean[1:, 0], error[1:, 0], error[1:, 1], fmt="o-", capsize=3)
    for strength, (accuracy, pixel) in list(zip(STRENGTHS, mean))[1:]:
        axes.annotate(f"μ = {strength}", (pixel, accuracy), (8, -12), textcoords="offset points")
    axes.axhline(mean[0, 0], color="0.5", linestyle="--")
    axes.annotate("task 1 alone (μ = 0)", (mean[1:, 1].max(), mean[0, 0]), (0, 4), ha="right",
                  textcoords="offset points", color="0.4")
    axes.set(xlabel="task 2: mean squared error of a pixel", ylabel="task 1: accuracy",
             title="Sixteen shared units, two tasks, images held out")
    axes.spines[["top", "right"]].set_visible(False)
    drawn = model.predict(X_test)[1]
    for number, panel in enumerate(gallery.subplots(4, 4).flat):
        panel.imshow((X_test, drawn)[number % 2][number // 2].reshape(8, 8), cmap="gray_r",
                     vmin=0, vmax=1)
        panel.set(xticks=(), yticks=())
    gallery.suptitle(f"images, and drawn again from 16 numbers (μ = {STRENGTHS[-1]})", fontsize=11)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"\npicture: {PICTURE}")


if __name__ == "__main__":
    main()
