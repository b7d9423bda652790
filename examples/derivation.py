"""The derivation of a small network as a document: the lectures' neuron, step by step, and a page.

Run it with `python examples/derivation.py`; it needs nothing but the package itself.
"""

from pathlib import Path

from sympy import Sum, exp, log, tanh

import symbackprop as sb

PAGE = Path(__file__).parent / "output" / "derivation.html"


def neuron() -> sb.Derivation:
    """One sigmoid neuron with binary cross-entropy, as in lecture 001."""
    x1, x2, y = sb.data("x1"), sb.data("x2"), sb.data("y")
    w1, w2, b = sb.parameter("w1"), sb.parameter("w2"), sb.parameter("b")
    z = sb.define("z", (), w1*x1 + w2*x2 + b)
    p = sb.define("ŷ", (), 1/(1 + exp(-z)))
    return sb.derive(sb.define("L", (), -(y*log(p) + (1 - y)*log(1 - p))))


def network() -> sb.Derivation:
    """Two layers, tanh and softmax, with cross-entropy and weight decay."""
    n, i, j, k = sb.indices("n i j k", sb.size("N"), 64, 32, 10)
    N = sb.size("N")
    x, y = sb.data("x", n, i), sb.data("y", n, k, facts=[sb.one_hot(k)])
    W1, b1 = sb.parameter("W1", i, j), sb.parameter("b1", j)
    W2, b2 = sb.parameter("W2", j, k), sb.parameter("b2", k)
    lam = sb.hyper("lam", 1e-4)
    h = sb.define("h", (n, j), tanh(Sum(x[n, i]*W1[i, j], i) + b1[j]))
    z = sb.define("z", (n, k), Sum(h[n, j]*W2[j, k], j) + b2[k])
    p = sb.define("p", (n, k), exp(z[n, k])/Sum(exp(z[n, k]), k))
    return sb.derive(sb.define("L", (), -Sum(y[n, k]*log(p[n, k]), n, k)/N
                               + lam*(Sum(W1[i, j]**2, i, j) + Sum(W2[j, k]**2, j, k))))


def main() -> None:
    """Prints both derivations, checks the second one and writes its page."""
    print("One neuron, step by step\n")
    print(neuron().text("steps"))
    d = network()
    print("\nTwo layers, samples as rows\n")
    print(d)
    print("\nThe same, samples as columns\n")
    print(d.text("matrix", samples="columns"))
    print("\nThe chain of one weight\n")
    print(d.text("neuron", entries={"W2": (3, 1)}))
    print("\nThe gradients against differences of the loss\n")
    print(d.check())
    kernel = sb.compile([d.loss.symbol, *(d[weight] for weight in d.gradients)])
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(d.html(kernel=kernel), encoding="utf-8")
    print(f"\npage: {PAGE}")


if __name__ == "__main__":
    main()
