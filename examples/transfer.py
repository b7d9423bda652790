"""Transfer learning: what digits 0 to 4 teach helps with few images of 5 to 9 (lecture 000).

A net learns the first five digits from 900 images.  Its first layer goes to a net for the other
five, which sees only a few images of each: frozen, fine-tuned, or not used at all.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "transfer.png"
COUNTS, DRAWS, LAYER = (1, 2, 3, 5, 10, 20), 10, ["W1", "b1"]

X, Y = load_digits(return_X_y=True)
X = X/16
source = Y < 5
(X_pool, Y_pool), (X_test, Y_test) = sb.split(X[~source], Y[~source] - 5, sizes=(0.5, 0.5),
                                              stratify=Y[~source], seed=0)


N = sb.size("N")
x, y = sb.data("x", N, 64), sb.data("y", N, 5, facts=["one_hot"])
p = sb.softmax(sb.layers.dense(sb.layers.dense(x, 64, "relu"), 5))
L = sb.losses.cross_entropy(p, y)


def accuracy(model: sb.Model, start: sb.Model | None, frozen: list, count: int, draw: int) -> float:
    """On held-out images, after training on so many images of each digit."""
    rng = np.random.default_rng(draw)
    rows = np.concatenate([rng.permutation(np.flatnonzero(Y_pool == k))[:count] for k in range(5)])
    model.initialise(seed=draw)
    if start is not None:
        model.transfer(start, LAYER)
    model.fit(X_pool[rows], Y_pool[rows], epochs=150, batch_size=16, seed=draw,
              optimizer=sb.optimizers.Adam(3e-3), frozen=frozen)
    return float((model.predict(X_test).argmax(1) == Y_test).mean())


def main() -> None:
    teacher, model = (sb.Model(inputs=x, targets=y, output=p, loss=L) for _ in range(2))
    history = teacher.fit(X[source], Y[source], epochs=60, optimizer=sb.optimizers.Adam(3e-3),
                          metrics=["accuracy"])
    print(f"digits 0 to 4: accuracy {history['accuracy'][-1]:.3f} on {source.sum()} images\n")
    ways = {"from scratch": (None, []), "first layer transferred, frozen": (teacher, LAYER),
            "first layer transferred, fine-tuned": (teacher, [])}
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    print(f"{'images of each digit':38}" + "".join(f"{count:>7}" for count in COUNTS))
    for place, (name, (start, frozen)) in enumerate(ways.items()):
        found = np.array([[accuracy(model, start, frozen, count, draw) for draw in range(DRAWS)]
                          for count in COUNTS])
        print(f"{name:38}" + "".join(f"{mean:7.3f}" for mean in found.mean(1)))
        axes.errorbar(np.array(COUNTS)*1.03**(place - 1), found.mean(1),
                      found.std(1, ddof=1)/DRAWS**0.5, marker="o", capsize=3, label=name)
    axes.set(xscale="log", xticks=COUNTS, xticklabels=COUNTS, xlabel="images of each new digit",
             ylabel="accuracy on digits 5 to 9", title="Ten draws each, mean and standard error")
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"\npicture: {PICTURE}")


if __name__ == "__main__":
    main()
