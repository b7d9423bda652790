"""Early stopping: the best weights on rows held out are put back (lectures 001 and 003).

A tanh net with 50 hidden units sees 20 noisy points of a sine; 60 others are held out.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import symbackprop as sb

PICTURE = Path(__file__).parent / "output" / "early_stopping.png"
EPOCHS = 3000

rng = np.random.default_rng(3)
points = rng.uniform(-1, 1, (80, 1))
values = np.sin(3*points) + rng.normal(0, 0.3, (80, 1))
(X, Y), (X_held, Y_held) = sb.split(points, values, sizes=(20, 60), seed=1)

N = sb.size("N")
x, y = sb.data("x", N, 1), sb.data("y", N, 1)
out = sb.layers.dense(sb.layers.dense(sb.layers.dense(x, 50, "tanh"), 50, "tanh"), 1)
model = sb.Model(inputs=x, targets=y, output=out, loss=sb.losses.squared_error(out, y))


def trained(callbacks: list) -> dict[str, list[float]]:
    model.initialise(seed=0)
    return model.fit(X, Y, epochs=EPOCHS, batch_size=None, validation_data=(X_held, Y_held),
                     optimizer=sb.optimizers.Adam(3e-3), callbacks=callbacks)


def main() -> None:
    across = np.linspace(-1, 1, 200)[:, np.newaxis]
    whole = trained([])
    overfitted = model.predict(across)
    stopped = trained([sb.callbacks.EarlyStopping(patience=200)])
    best = int(np.argmin(stopped["val_loss"])) + 1
    print(f"trained for {EPOCHS} epochs: {whole['loss'][-1]:.3f} on the points of training, "
          f"{whole['val_loss'][-1]:.3f} on those held out")
    print(f"stopped after {len(stopped['loss'])} epochs, weights of epoch {best}: "
          f"{model.loss(X, Y):.3f} and {model.loss(X_held, Y_held):.3f}")

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.loglog(whole["loss"], label="training")
    left.loglog(whole["val_loss"], label="held out")
    left.axvline(best, color="0.4", linestyle="--", label=f"best on held-out points: epoch {best}")
    left.set(xlabel="epoch", ylabel="mean squared error", ylim=(0.01, 1.5),
             title="One falls on, the other turns")
    right.plot(across, np.sin(3*across), color="0.7", label="the sine")
    right.plot(across, overfitted, color="C3", linewidth=1, label=f"after {EPOCHS} epochs")
    right.plot(across, model.predict(across), color="C2", linewidth=2, label="stopped early")
    right.plot(X, Y, "ko", markersize=4, label="points of training")
    right.set(xlabel="x", ylabel="y", ylim=(-2.2, 2.2), title="What the two nets have learned")
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=150)
    print(f"picture: {PICTURE}")


if __name__ == "__main__":
    main()
