"""A loss of one's own: squared error, and a penalty for approving those who will not pay back.

    L = 1/N Σ_n (p[n] − y[n])² + ρ/N Σ_n (1 − y[n])·p[n]²

y is 1 for a borrower who pays back; p is the share of applications like this one that we approve.
A larger ρ makes the bank more careful: fewer bad loans, and fewer good ones.
"""

import numpy as np

import symbackprop as sb


def borrowers(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Made data: income, debt, years in the job and age, standardised; who pays back."""
    rng = np.random.default_rng(seed)
    income, debt, years, age = rng.normal(size=(4, count))
    score = 1.2*income - 1.5*debt + 0.8*np.tanh(2*years) + 0.5*income*debt + 0.4
    pays = rng.random(count) < 1/(1 + np.exp(-2*score))
    return np.stack([income, debt, years, age], axis=1), pays.astype(float)


N = sb.size("N")
x, y = sb.data("x", N, 4), sb.data("y", N, 1)
h = sb.layers.dense(x, 8, "tanh")
p = sb.layers.dense(h, 1, "sigmoid")
rho = sb.hyper("rho", 0.0)
risk = ((1 - y)*p**2).mean()
L = sb.losses.squared_error(p, y) + rho*risk


def main() -> None:
    model = sb.Model(inputs=x, targets=y, output=p, loss=L)
    print(sb.program(L), model.derivation(), sep="\n\n", end="\n\n")
    X, Y = borrowers(4000, seed=0)
    X_test, Y_test = borrowers(2000, seed=1)
    good = Y_test == 1
    print("    ρ    bad loans approved    good loans approved")
    for strength in (0, 1, 4, 16):
        model.hypers["rho"] = strength  # compiles nothing
        model.initialise(seed=0)
        model.fit(X, Y, epochs=40, batch_size=64, optimizer=sb.optimizers.Adam(0.01))
        approved = model.predict(X_test)[:, 0] > 0.5
        print(f"{strength:5} {approved[~good].mean():15.1%} {approved[good].mean():22.1%}")


if __name__ == "__main__":
    main()
