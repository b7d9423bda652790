"""Handwritten digits: a network in index notation, its gradients, its kernel, what it learns.

    h = tanh(x W1 + b1),   p = softmax(h W2 + b2),   L = −1/N ΣΣ y log p + λ(Σ W1² + Σ W2²)
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sympy import Sum, exp, log, tanh

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "digits.png"

# 1,797 images of 8 × 8 pixels with values 0 … 16; a third is held out
images, digits = load_digits(return_X_y=True)
X, X_test, Y, Y_test = train_test_split(images / 16, digits, test_size=1/3, random_state=0)

# The network: every line is a definition in plain SymPy
N = sb.size("N")
n, i, j, k = sb.indices("n i j k", N, 64, 32, 10)
x, y = sb.data("x", n, i), sb.data("y", n, k, facts=[sb.one_hot(k)])
W1, b1 = sb.parameter("W1", i, j), sb.parameter("b1", j)
W2, b2 = sb.parameter("W2", j, k), sb.parameter("b2", k)
lam = sb.hyper("lam", 1e-4)

h = sb.define("h", (n, j), tanh(Sum(x[n, i]*W1[i, j], i) + b1[j]))
z = sb.define("z", (n, k), Sum(h[n, j]*W2[j, k], j) + b2[k])
p = sb.define("p", (n, k), exp(z[n, k]) / Sum(exp(z[n, k]), k))
L = sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k)/N
              + lam*(Sum(W1[i, j]**2, i, j) + Sum(W2[j, k]**2, j, k)))


def main() -> None:
    model = sb.Model(inputs=x, targets=y, output=p, loss=L)
    print("Definitions\n", sb.program(L), "Layers\n", model.summary(), "Gradients\n",
          model.derivation(), sep="\n", end="\n\n")
    history = model.fit(X, Y, epochs=60, batch_size=32, validation_data=(X_test, Y_test),
                        optimizer=sb.optimizers.SGD(0.1, momentum=0.9), metrics=["accuracy"],
                        seed=0, verbose=True)
    kernel = model.kernels["fit"]
    print(f"\nThe kernel that did this is {kernel.path}; it begins\n")
    print(*kernel.source.splitlines()[:24], "    ...", sep="\n", end="\n\n")
    print(f"accuracy: {history['accuracy'][-1]:.3f} on the {len(X)} images of training, "
          f"{history['val_accuracy'][-1]:.3f} on the {len(X_test)} held out")
    draw(history, model.predict(X_test))
    print(f"picture:  {PICTURE}")


def draw(history: dict[str, list[float]], predictions: np.ndarray) -> None:
    """The training curve, and held-out digits: right ones, then all that are wrong."""
    guesses = predictions.argmax(1)
    right, wrong = np.flatnonzero(guesses == Y_test), np.flatnonzero(guesses != Y_test)
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, images_side = figure.subfigures(1, 2, width_ratios=(1, 1.15))
    curve = left.subplots()
    epochs = range(1, len(history["loss"]) + 1)
    curve.semilogy(epochs, history["loss"], label="training")
    curve.semilogy(epochs, history["val_loss"], label="held out")
    curve.set(xlabel="epoch", ylabel="loss (with penalty)", title="Training")
    curve.legend(frameon=False)
    panels = images_side.subplots(3, 7).flat
    for panel, number in zip(panels, [*right[:14], *wrong[:7]]):
        panel.imshow(X_test[number].reshape(8, 8), cmap="gray_r")
        good = guesses[number] == Y_test[number]
        panel.set_title(f"{guesses[number]}" if good else f"{guesses[number]}, is {Y_test[number]}",
                        color="black" if good else "crimson", fontsize=10)
    for panel in images_side.axes:
        panel.set_axis_off()
    images_side.suptitle(f"Predictions: {len(right)} of {len(guesses)} held-out digits are right")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    main()
