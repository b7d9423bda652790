"""Dropout: hidden units are left out at random while training, so that none relies on another.

    d[n,j] = h[n,j]·m[n,j]/(1 − p) in training,  d = h when predicting       (lectures 001 and 004)

A wide net sees 300 digits, a fifth of them under a wrong name; the others are held out.  p is a
run-time number, so that nothing compiles twice.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "dropout.png"
STRENGTHS, DRAWS, EPOCHS = (0.0, 0.2, 0.4, 0.6, 0.8), 8, 150

images, digits = load_digits(return_X_y=True)

N = sb.size("N")
x, y = sb.data("x", N, 64), sb.data("y", N, 10, facts=["one_hot"])
p = sb.hyper("p", 0.5)
h = sb.layers.dropout(sb.layers.dense(x, 256, "relu"), p)
q = sb.softmax(sb.layers.dense(h, 10))
L = sb.losses.cross_entropy(q, y)


def main() -> None:
    model = sb.Model(inputs=x, targets=y, output=q, loss=L)
    print("In training\n", sb.program(L), sep="\n")
    print("\nWhen predicting\n", sb.program(sb.inference(L)), sep="\n")
    scores = np.zeros((len(STRENGTHS), DRAWS))
    curves = {}
    for row, strength in enumerate(STRENGTHS):
        model.hypers["p"] = strength
        for draw in range(DRAWS):
            (X, Y), held_out = sb.split(images/16, digits, sizes=(300, 1497), stratify=digits,
                                        seed=draw)
            Y[::5] = np.random.default_rng(draw).integers(0, 10, 60)
            model.initialise(seed=draw)
            history = model.fit(X, Y, epochs=EPOCHS, batch_size=20, seed=draw,
                                optimizer=sb.optimizers.Adam(1e-3),
                                validation_data=held_out if draw == 0 else None)
            curves.setdefault(strength, history)
            scores[row, draw] = (model.predict(held_out[0]).argmax(1) == held_out[1]).mean()
    print(f"\n{'p':>6} {'accuracy held out':>20}")
    for strength, row in zip(STRENGTHS, scores):
        print(f"{strength:6} {row.mean():20.4f}")

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for color, strength in (("C0", 0.0), ("C1", 0.6)):
        left.semilogy(curves[strength]["loss"], color=color, linestyle=":",
                      label=f"p = {strength}: training, with masks")
        left.semilogy(curves[strength]["val_loss"], color=color, label=f"p = {strength}: held out")
    left.set(xlabel="epoch", ylabel="cross-entropy", title="Harder to train, better held out")
    left.legend(frameon=False)
    right.errorbar(STRENGTHS, scores.mean(1), scores.std(1, ddof=1)/DRAWS**0.5, marker="o",
                   capsize=3)
    right.set(xlabel="p, the share of units left out", ylabel="accuracy held out",
              title=f"300 images of training, {DRAWS} draws")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"\npicture: {PICTURE}")


if __name__ == "__main__":
    main()
