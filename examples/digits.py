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

images, digits = load_digits(return_X_y=True)  # 1,797 images of 8 × 8 pixels from 0 to 16
X, X_test, Y, Y_test = train_test_split(images / 16, digits, test_size=1/3, random_state=0)

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
    for title, text in (("The definitions", sb.program(L)), ("The layers", model.summary()),
                        ("The gradients, by matrix calculus", model.derivation())):
        print(f"{title}\n\n{text}\n")
    history = model.fit(X, Y, epochs=60, batch_size=32, validation_data=(X_test, Y_test),
                        optimizer=sb.optimizers.SGD(0.05, momentum=0.9), metrics=["accuracy"],
                        verbose=True)
    kernel = model.kernels["fit"]
    loop = kernel.source[kernel.source.index("    for "):].splitlines()
    print(f"\nThe kernel that did this is {kernel.path}; its loop begins\n",
          *loop[:24], "        ...", "", sep="\n")
    print(f"accuracy: {history['accuracy'][-1]:.3f} on {len(X)} images of training, "
          f"{history['val_accuracy'][-1]:.3f} on {len(X_test)} held out")
    draw(history, model.predict(X_test))
    print(f"picture:  {PICTURE}")


def draw(history: dict[str, list[float]], predictions: np.ndarray) -> None:
    """The training curve, and held-out digits: three rows of right ones, one of mistakes."""
    guesses = predictions.argmax(1)
    right, wrong = np.flatnonzero(guesses == Y_test), np.flatnonzero(guesses != Y_test)
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, gallery = figure.subfigures(1, 2, width_ratios=(1, 1.1), wspace=0.05)
    curve = left.subplots()
    for name, label, color in (("loss", "training", "C0"), ("val_loss", "held out", "C1")):
        curve.semilogy(range(1, len(history[name]) + 1), history[name], color, label=label)
    curve.set_title("Loss, penalty included", fontsize=12)
    curve.set(xlabel="epoch", yticks=(ticks := (0.05, 0.1, 0.2, 0.5, 1)), yticklabels=ticks)
    curve.minorticks_off()
    curve.spines[["top", "right"]].set_visible(False)
    curve.legend(frameon=False)
    for panel, number in zip(gallery.subplots(4, 7).flat, [*right[:21], *wrong[:7]]):
        guess, digit = guesses[number], Y_test[number]
        panel.imshow(X_test[number].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        panel.set_title(f"{guess}" if guess == digit else f"{guess}, not {digit}", fontsize=11,
                        color="black" if guess == digit else "crimson")
        panel.set(xticks=(), yticks=())
        panel.spines[:].set_color("lightgray")
    gallery.suptitle(f"{len(right)} of {len(guesses)} held-out digits are read correctly")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    main()
