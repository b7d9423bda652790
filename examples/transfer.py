"""Transfer learning: who can read digits learns a new question from few examples (lecture 000).

A net learns to read ten digits from 898 images.  Its hidden layer goes to a net that is to say
whether a digit is prime, from 1 to 20 images of each digit: frozen, fine-tuned, or not used.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "transfer.png"
COUNTS, DRAWS, LAYER = (1, 2, 3, 5, 10, 20), 8, ["W1", "b1"]

images, digits = load_digits(return_X_y=True)
(X, Y), (X_pool, Y_pool), (X_test, Y_test) = sb.split(
    images/16, digits, sizes=(0.5, 0.25, 0.25), stratify=digits, seed=0)
PRIME = np.isin(np.arange(10), (2, 3, 5, 7)).astype(int)


def net(classes: int) -> sb.Model:
    x, y = sb.data("x", sb.size("N"), 64), sb.data("y", sb.size("N"), classes, facts=["one_hot"])
    p = sb.softmax(sb.layers.dense(sb.layers.dense(x, 64, "relu"), classes))
    return sb.Model(inputs=x, targets=y, output=p, loss=sb.losses.cross_entropy(p, y))


def accuracy(model: sb.Model, start: sb.Model | None, how: dict, count: int, draw: int) -> float:
    """On held-out images, after training on so many images of each digit; how: frozen, rates."""
    rng = np.random.default_rng(draw)
    rows = np.concatenate([rng.permutation(np.flatnonzero(Y_pool == digit))[:count]
                           for digit in range(10)])
    model.initialise(seed=draw)
    if start is not None:
        model.transfer(start, LAYER)
    model.fit(X_pool[rows], PRIME[Y_pool[rows]], epochs=100, batch_size=16, seed=draw,
              optimizer=sb.optimizers.Adam(3e-3), **how)
    return float((model.predict(X_test).argmax(1) == PRIME[Y_test]).mean())


def main() -> None:
    teacher, model = net(10), net(2)
    history = teacher.fit(X, Y, epochs=60, optimizer=sb.optimizers.Adam(3e-3), metrics=["accuracy"])
    print(f"ten digits: accuracy {history['accuracy'][-1]:.3f} on {len(X)} images\n")
    slowly = dict.fromkeys(LAYER, 0.1)  # a tenth of the rate for what is known already
    ways = {"from scratch": (None, {}), "hidden layer transferred, frozen": (teacher,
            {"frozen": LAYER}), "transferred, fine-tuned slowly": (teacher, {"rates": slowly})}
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplots()
    print(f"{'prime or not: images of each digit':38}" + "".join(f"{n:>7}" for n in COUNTS))
    for place, (name, (start, how)) in enumerate(ways.items()):
        found = np.array([[accuracy(model, start, how, count, draw) for draw in range(DRAWS)]
                          for count in COUNTS])
        print(f"{name:38}" + "".join(f"{mean:7.3f}" for mean in found.mean(1)))
        axes.errorbar(np.array(COUNTS)*1.03**(place - 1), found.mean(1),
                      found.std(1, ddof=1)/DRAWS**0.5, marker="o", capsize=3, label=name)
    axes.set(xscale="log", xticks=COUNTS, xticklabels=COUNTS, xlabel="images of each digit",
             ylabel="accuracy: prime or not, held out",
             title="Eight draws each, mean and standard error")
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"\npicture: {PICTURE}")


if __name__ == "__main__":
    main()
