"""A loss of one's own: squared error, and a penalty for approving those who will not pay back.

    L = 1/N Σ_n (p[n] − y[n])² + ρ/N Σ_n (1 − y[n])·p[n]²                            (lecture 001)

The data are 10,000 owners of credit cards (Default.csv: see data/README.md), 333 of whom did not
pay.  y is 1 for one who pays back; p is the share of applications like this one that we approve.
A larger ρ makes the bank more careful: fewer bad loans, and fewer good ones.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import symbackprop as sb

HERE = Path(__file__).parent
PICTURE = HERE / "output" / "credit_risk.png"
STRENGTHS = (0, 1, 3, 10, 30, 100)

N = sb.size("N")
x, y = sb.data("x", N, 3), sb.data("y", N, 1)
h = sb.layers.dense(x, 8, "tanh")
p = sb.layers.dense(h, 1, "sigmoid")
rho = sb.hyper("rho", 0.0)
risk = ((1 - y)*p**2).mean()
L = sb.losses.squared_error(p, y) + rho*risk


def customers() -> tuple[np.ndarray, np.ndarray]:
    """Student or not, balance and income, standardised; who pays back."""
    table = np.genfromtxt(HERE / "data" / "Default.csv", str, delimiter=",", skip_header=1)
    features = np.stack([table[:, 1] == "Yes", *table[:, 2:].T.astype(float)], axis=1)
    return (features - features.mean(0))/features.std(0), (table[:, 0] == "No").astype(float)


def main() -> None:
    model = sb.Model(inputs=x, targets=y, output=p, loss=L)
    print(sb.program(L), model.derivation(), sep="\n\n", end="\n\n")
    X, Y = customers()
    (X, Y), (X_test, Y_test) = sb.split(X, Y, sizes=(0.6, 0.4), stratify=Y, seed=0)
    good, shares = Y_test == 1, []
    print("    ρ    bad loans approved    good loans approved")
    for strength in STRENGTHS:
        model.hypers["rho"] = strength  # compiles nothing
        model.initialise(seed=0)
        model.fit(X, Y, epochs=40, batch_size=64, optimizer=sb.optimizers.Adam(0.01))
        approved = model.predict(X_test)[:, 0] > 0.5
        shares.append((approved[~good].mean(), approved[good].mean()))
        print(f"{strength:5} {shares[-1][0]:15.1%} {shares[-1][1]:22.1%}")

    figure = Figure(figsize=(6.5, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(*np.transpose(shares)*100, "o-")
    for strength, (bad, kept) in zip(STRENGTHS, shares):
        axes.annotate(f"ρ = {strength}", (100*bad, 100*kept), (6, -12), textcoords="offset points")
    axes.set(xlabel="% of the bad loans that are approved", ylabel="% of the good ones",
             title=f"{len(Y_test):,} customers held out", xlim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"\npicture: {PICTURE}")


if __name__ == "__main__":
    main()
