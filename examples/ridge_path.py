"""Ridge regression: what λ does to a line, to ten weights, and how folds choose it (lecture 000).

    L = Σ_n (b + Σ_i x[n,i]·w[i] − y[n])² + λ Σ_i w[i]²           the intercept b is not penalised
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler
from sympy import Sum

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "ridge_path.png"
LSTAT, MEDV = np.array([[29.55], [36.98]]), np.array([23.7, 7.0])  # two rows of the Boston data


def ridge(features: int) -> sb.Model:
    n, i = sb.indices("n i", sb.size("N"), features)
    x, y = sb.data("x", n, i), sb.data("y", n)
    w, b, lam = sb.parameter("w", i), sb.parameter("b"), sb.hyper("lam", 0.0)
    o = sb.define("o", (n,), b + Sum(x[n, i]*w[i], i))
    L = sb.define("L", (), Sum((o[n] - y[n])**2, n) + lam*Sum(w[i]**2, i))
    return sb.Model(inputs=x, targets=y, output=o, loss=L, dtype="float64")


def fit(model: sb.Model, X: Any, Y: Any, lam: float, rate: float, epochs: int) -> None:
    model.hypers["lam"] = lam  # compiles nothing
    model.fit(X, Y, epochs=epochs, batch_size=None, shuffle=False,
              optimizer=sb.optimizers.SGD(rate/(1 + lam*rate), momentum=0.99))


def lines(axes: Any) -> None:
    """The line through two points, flatter and flatter."""
    model, across = ridge(1), np.array([[27.0], [40.0]])
    print(model.derivation(), "\n\n     λ   intercept    slope     cost")
    for place, lam in enumerate((0, 5, 10, 100, 10_000)):
        fit(model, LSTAT, MEDV, lam, 2e-4, 20_000)
        b, w = float(model.parameters["b"]), float(model.parameters["w"][0])
        print(f"{lam:6} {b:11.3f} {w:8.3f} {model.loss(LSTAT, MEDV):8.3f}")
        axes.plot(across, model.predict(across), color=f"C{place}", label=f"λ = {lam:,}")
    axes.plot(LSTAT, MEDV, "ko")
    axes.set(xlabel="lstat", ylabel="medv", title="Two rows of Boston: λ flattens the line")


def main() -> None:
    figure = Figure(figsize=(14, 4.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    lines(left)
    diabetes = load_diabetes()
    X, Y = StandardScaler().fit_transform(diabetes.data), diabetes.target
    model, grid = ridge(10), np.geomspace(0.1, 1e5, 25)
    path = []
    for lam in grid:
        fit(model, X, Y, lam, 2e-4, 2000)
        path.append(model.parameters["w"].copy())
    middle.semilogx(grid, path, label=diabetes.feature_names)
    middle.set(xlabel="λ", ylabel="weight", title="Ten weights of the diabetes data")
    found = sb.cross_validate(model, X, Y, grid={"lam": np.geomspace(0.1, 1e3, 13)}, folds=10,
                              epochs=1500, batch_size=None, optimizer=sb.optimizers.SGD(2e-4, 0.9))
    print(f"\n{found}")
    found.plot(right)
    right.set(xlabel="λ", title="Ten folds: the least error, and refit")
    for axes in (left, middle):
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"\npicture: {PICTURE}")


if __name__ == "__main__":
    main()
