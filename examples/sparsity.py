"""L1 against L2: one sets weights to exactly zero, the other makes all of them small (lecture 001).

    L = 1/N Σ_n (o[n] − y[n])² + λ Σ|w|        or   … + λ Σ w²

The diabetes data with ten columns of noise beside their own ten.  The zeros of L1 are exact because
each step ends with the proximal operator of λ|w|, which is derived from that formula and printed.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "sparsity.png"

diabetes = load_diabetes()
noise = np.random.default_rng(0).normal(size=(len(diabetes.target), 10))
X = StandardScaler().fit_transform(np.hstack([diabetes.data, noise]))
Y = (diabetes.target - diabetes.target.mean())/diabetes.target.std()
GRID = np.geomspace(0.005, 2, 25)

N = sb.size("N")
x, y, lam = sb.data("x", N, 20), sb.data("y", N, 1), sb.hyper("lam", 0.1)


def path(penalty, optimizer) -> np.ndarray:
    """The weights for every λ, from the largest to the smallest, each from the one before."""
    o = sb.layers.dense(x, 1)
    model = sb.Model(inputs=x, targets=y, output=o, dtype="float64",
                     loss=sb.losses.squared_error(o, y) + penalty(lam))
    found = []
    for strength in GRID[::-1]:
        model.hypers["lam"] = strength  # compiles nothing
        model.fit(X, Y, epochs=2000, batch_size=None, optimizer=optimizer)
        found.append(model.parameters["W1"][:, 0].copy())
    return np.array(found[::-1])


def main() -> None:
    print(sb.proximal(sb.penalties.l1(lam, sb.parameter("w", 20))), end="\n\n")
    paths = {"L1": path(sb.penalties.l1, sb.optimizers.ProximalSGD(0.1)),
             "L2": path(sb.penalties.l2, sb.optimizers.SGD(0.05))}
    print("        λ   exact zeros of 20: L1   L2      of the noise: L1   L2")
    for place in range(0, len(GRID), 4):
        zeros = [int((weights[place] == 0).sum()) for weights in paths.values()]
        dull = [int((weights[place, 10:] == 0).sum()) for weights in paths.values()]
        print(f"{GRID[place]:9.3f} {zeros[0]:22} {zeros[1]:4} {dull[0]:18} {dull[1]:4}")
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    for axes, (name, weights) in zip(figure.subplots(1, 2, sharey=True), paths.items()):
        axes.semilogx(GRID, weights[:, 10:], color="0.75", linewidth=1)
        for column, feature in enumerate(diabetes.feature_names):
            axes.semilogx(GRID, weights[:, column], label=feature)
        axes.set(xlabel="λ", title={"L1": "L1: weights become zero, one after the other",
                                    "L2": "L2: weights shrink, none is zero"}[name])
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, title="grey: noise", ncols=2)
    figure.axes[0].set_ylabel("weight")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"\npicture: {PICTURE}")


if __name__ == "__main__":
    main()
