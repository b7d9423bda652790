"""Regression on the diabetes data: an elastic net takes weights of useless features to zero.

    L = 1/N Σ_n (o[n] − y[n])² + λ1 Σ|w| + λ2 Σ w²
"""

from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import symbackprop as sb

diabetes = load_diabetes(scaled=False)
X, X_test, Y, Y_test = train_test_split(diabetes.data, diabetes.target, test_size=0.25,
                                        random_state=0)
features, target = StandardScaler().fit(X), StandardScaler().fit(Y[:, None])
X, X_test = features.transform(X), features.transform(X_test)
Y, Y_test = target.transform(Y[:, None]), target.transform(Y_test[:, None])

N = sb.size("N")
x, y = sb.data("x", N, 10), sb.data("y", N, 1)
o = sb.layers.dense(x, 1)
lam1, lam2 = sb.hyper("lam1", 0.0), sb.hyper("lam2", 0.0)
L = sb.losses.squared_error(o, y) + sb.penalties.elastic_net(lam1, lam2)


def main() -> None:
    model = sb.Model(inputs=x, targets=y, output=o, loss=L)
    print(sb.program(L), model.derivation(), sep="\n\n", end="\n\n")
    print("   λ1    λ2    r² held out    weights, by feature")
    print(" " * 28, "  ".join(f"{name:>5}" for name in diabetes.feature_names))
    for strengths in ((0, 0), (0.05, 0.01), (0.2, 0.05), (0.6, 0.1)):
        model.hypers["lam1"], model.hypers["lam2"] = strengths  # compiles nothing
        model.initialise(seed=0)
        model.fit(X, Y, epochs=5000, batch_size=None, optimizer=sb.optimizers.SGD(0.005))
        score = r2_score(Y_test, model.predict(X_test))
        weights = "  ".join(f"{w:5.2f}" for w in model.parameters["W1"][:, 0].round(2) + 0)
        print("{:5.2f} {:5.2f}".format(*strengths), f"{score:12.3f}    ", weights)


if __name__ == "__main__":
    main()
