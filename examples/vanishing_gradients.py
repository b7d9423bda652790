"""Vanishing and exploding gradients in a net of 20 layers, and cures (lecture 004).

    δ_l = (δ_{l+1} W_{l+1}ᵀ) ⊙ σ′(z_l):  20 factors; sigmoid′ ≤ 1/4, and weights too small or large

The lecture asks for norms between 1e-6 and 1e3.  The cures change the net, or cut the gradient.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "vanishing_gradients.png"
DEPTH, WIDTH = 20, 16

X, Y = load_digits(return_X_y=True)
X, Y = X[:64]/16, Y[:64]


def net(activation: str, residual: bool = False, normalised: bool = False) -> sb.Model:
    """20 layers of 16 units; residual: h ← h + σ(h W + b)/√20 from the second layer on."""
    function = sb.layers.ACTIVATIONS[activation]
    x, y = sb.data("x", sb.size("N"), 64), sb.data("y", sb.size("N"), 10, facts=["one_hot"])
    h = sb.layers.dense(x, WIDTH, activation)
    for _ in range(DEPTH - 2):
        z = sb.layers.dense(h, WIDTH)
        new = function(sb.layers.layer_norm(z) if normalised else z)
        h = h + new/DEPTH**0.5 if residual else new
    p = sb.softmax(sb.layers.dense(h, 10))
    return sb.Model(inputs=x, targets=y, output=p, loss=sb.losses.cross_entropy(p, y))


def norms(model: sb.Model, scale: float = 1.0) -> list[float]:
    """‖∂L/∂W_l‖ for every layer, with the first weights multiplied by a number."""
    model.initialise(seed=0)
    for name, array in model.parameters.items():
        array *= scale if name.startswith("W") else 1
    flow = model.diagnose(X, Y).flow
    found = dict(pair for layer in flow.layers for pair in layer.gradients)
    return [found[f"W{place}"] for place in range(1, DEPTH + 1)]


def main() -> None:
    sigmoid, tanh, relu = net("sigmoid"), net("tanh"), net("relu")
    ill = {"sigmoid": norms(sigmoid), "tanh, weights halved": norms(tanh, 0.5),
           "relu, weights halved": norms(relu, 0.5), "relu, weights tripled": norms(relu, 3)}
    tripled = ill["relu, weights tripled"]
    total = np.linalg.norm(tripled)
    cured = {"tanh, Glorot's weights": norms(tanh), "relu, He's weights": norms(relu),
             "tanh halved, layers normalised": norms(net("tanh", normalised=True), 0.5),
             "sigmoid with residual connections": norms(net("sigmoid", residual=True)),
             "relu tripled, gradient clipped to norm 1": [norm*min(1, 1/total) for norm in tripled]}
    print(f"{'norm of ∂L/∂W in layer':42} {'1':>8} {'10':>8} {'20':>8}")
    for name, found in {**ill, **cured}.items():
        flag = "" if all(1e-6 <= norm <= 1e3 for norm in found) else "  outside [1e-6, 1e3]"
        print(f"{name:42} {found[0]:8.1e} {found[9]:8.1e} {found[-1]:8.1e}{flag}")

    figure = Figure(figsize=(12, 4.6), layout="constrained")
    for axes, title, series in zip(figure.subplots(1, 2, sharey=True),
                                   ("What goes wrong", "Cures"), (ill, cured)):
        axes.axhspan(1e-6, 1e3, color="C2", alpha=0.1)
        for name, found in series.items():
            axes.semilogy(range(1, DEPTH + 1), found, "o-", markersize=3, label=name)
        axes.set(xlabel="layer", xticks=(1, 5, 10, 15, 20), title=title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.axes[0].set_ylabel("‖∂L/∂W‖; green: the lecture's range")
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"picture: {PICTURE}")


if __name__ == "__main__":
    main()
