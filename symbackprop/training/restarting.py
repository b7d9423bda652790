"""Random restarts: several fits, each from weights of its own; the lowest training error is kept.

"Run mini-batch gradient descent multiple times, each time starting with a different, random
initialization, and return the set of weights that achieves the lowest training error."
(lecture 002)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from symbackprop.errors import Diverged
from symbackprop.training.copies import fitted, settings_of, started
from symbackprop.training.loop import History
from symbackprop.training.model import Model
from symbackprop.training.pictures import axes_of
from symbackprop.training.settings import known_number, known_seed
from symbackprop.training.workers import Stop, share, together

__all__ = ["Restarts", "restarts"]


@dataclass(frozen=True, slots=True)
class Restarts:
    """What each run came to; `best` is the number of the one whose weights were kept.

    losses: the training error at the end of each run, infinite where it diverged or is no
    number; seeds: of each run, for `model.initialise` and fit; histories: as fit returns them,
    empty where it diverged.
    """

    seeds: tuple[int, ...]
    losses: tuple[float, ...]
    histories: tuple[History, ...]
    best: int

    @property
    def text(self) -> str:
        """A line for each run, the one that was kept marked."""
        lines = [f"{'run':>4} {'seed':>6} {'epochs':>7} {'training loss':>14}"]
        for run, (seed, loss) in enumerate(zip(self.seeds, self.losses, strict=True)):
            epochs = len(self.histories[run].get("loss", ()))
            last = f"{loss:14.6g}" if math.isfinite(loss) else f"{'diverged':>14}"
            lines.append(f"{run:>4} {seed:>6} {epochs:>7} {last}"
                         f"{'  kept' if run == self.best else ''}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text

    def plot(self, axes: Any = None) -> Any:
        """The loss of every run over the epochs, the kept one last and darkest."""
        axes = axes_of(axes)
        for run in sorted(range(len(self.seeds)), key=lambda run: run == self.best):
            curve, kept = self.histories[run].get("loss", []), run == self.best
            axes.plot(range(1, len(curve) + 1), curve, color="C1" if kept else "0.7",
                      linewidth=2 if kept else 1,
                      label=f"kept: seed {self.seeds[run]}" if kept else None)
        if all(value > 0 for history in self.histories for value in history.get("loss", [])):
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel("training loss")
        axes.legend(frameon=False)
        return axes


def restarts(model: Model, X: Any, Y: Any = None, count: int = 8, seed: int | None = 0,
             workers: int | None = None, **settings: Any) -> Restarts:
    """Fit from `count` random starts; the model gets the weights with the lowest training error.

    Run r starts at `model.initialise(seed + r)` and is `fit(…, seed=seed + r)`; parameters that are
    not trained (frozen=…, trainable=False) keep their numbers.  settings: those of fit, e.g.
    epochs and optimizer.  The training error is `model.loss(X, Y)` at the end,
    penalties included.  workers: runs at a time, None for one a core; the result does not depend
    on it, and nothing compiles twice.  Callbacks are called from several threads.

    Raises InputError and TrainingError as fit does; a run that diverges counts as infinitely
    bad, and Diverged is raised where all do.  The model is then as it was.

    >>> import numpy as np, symbackprop as sb
    >>> x, y = sb.data("x", sb.size("N"), 1), sb.data("y", sb.size("N"), 1)
    >>> out = sb.layers.dense(sb.layers.dense(x, 2, "tanh"), 1)
    >>> model = Model(inputs=x, targets=y, output=out, loss=sb.losses.squared_error(out, y))
    >>> X = np.linspace(-1, 1, 20)[:, np.newaxis]
    >>> runs = restarts(model, X, X**2, count=3, epochs=20)
    >>> runs.losses[runs.best] == min(runs.losses) == model.loss(X, X**2)
    True
    """
    settings = settings_of("restarts", model, settings)
    count, verbose = known_number("count", count), bool(settings["verbose"])
    first = known_seed(seed)
    first = int(np.random.default_rng().integers(2**31)) if first is None else first
    workers, threads = share(workers, count)
    settings |= {"verbose": False, "threads": settings["threads"] or threads}
    seeds = tuple(range(first, first + count))
    found = together([_run(model, X, Y, {**settings, "seed": one}) for one in seeds], workers,
                     verbose, "run")
    losses = tuple(loss for _, loss, _ in found)
    best = int(np.argmin(losses))
    if not math.isfinite(losses[best]):
        raise Diverged(f"restarts: all {count} runs diverged; try a smaller rate, or call "
                       "model.fit to see where the first one does")
    model._core.restore(found[best][0]._core.copy())
    return Restarts(seeds, losses, tuple(history for _, _, history in found), best)


def _run(model: Model, X: Any, Y: Any, settings: dict[str, Any]
         ) -> Callable[[Stop], tuple[Model, float, History]]:
    """One run, as a task: the trained copy, its training error, its history."""

    def task(stop: Stop) -> tuple[Model, float, History]:
        own = started(model, settings)
        try:
            history = fitted(own, X, Y, settings, stop)
        except Diverged:
            return own, math.inf, {}
        loss = own.loss(X, Y)
        return own, loss if math.isfinite(loss) else math.inf, history

    return task
