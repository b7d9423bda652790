"""find_rate: one step with each of growing rates, and what the loss is after each.

    rate_s = lowest·(highest/lowest)^(s/(steps − 1)),    loss_s = the loss after step s

(Smith, "Cyclical learning rates", 2017, arXiv:1506.01186, section 3.3.)  A step uses one batch;
the loss is taken over the same rows after every step: the losses of the batches themselves, as
usually plotted, are so noisy that on the diabetes data the steepest place was the first one.
The kernels are those of fit and loss: a rate is an argument.  States, such as running
means, are settled first, by steps at rate 0: else the loss would fall as they come to the data,
whatever the rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.broadcasting import finite_number
from symbackprop.errors import TrainingError
from symbackprop.notation import Tensor
from symbackprop.training.core import Core
from symbackprop.training.dataset import Dataset, dataset
from symbackprop.training.loop import Orders, Plan
from symbackprop.training.optimizers import Optimizer
from symbackprop.training.pictures import axes_of
from symbackprop.training.settings import plan_of
from symbackprop.training.strengths import check_strengths
from symbackprop.training.tuning import tuning

__all__ = ["Rates", "find_rate"]

Numbers = NDArray[np.float64]
ROWS = 2048  # at most, over which the loss is taken
WIDTH = 5  # steps in a mean of neighbours
HOPELESS = 4.0  # times the least smoothed loss: from there on every rate is too large
CAUTION = 5  # the rate with the least loss is this many times too large to train with
SETTLING = 300  # steps, in which 0.99^s comes to 0.05
LEAST = 10  # steps that say something


@dataclass(frozen=True, slots=True)
class Rates:
    """What find_rate has seen: rates, the loss after a step with each, and the same smoothed.

    smoothed: means of five neighbours.  suggestion: where the smoothed loss falls fastest by the
    logarithm of the rate, or a fifth of the rate with the least loss, whichever is smaller; None
    where the loss never falls.
    `print` shows a table, `plot()` the curve.
    """

    rates: Numbers
    losses: Numbers
    smoothed: Numbers
    suggestion: float | None

    @property
    def text(self) -> str:
        """About twenty of the rates, and the suggestion."""
        every = max(1, len(self.rates) // 20)
        rows = [f"{rate:10.3g} {loss:12.5g} {smooth:12.5g}" for rate, loss, smooth
                in list(zip(self.rates, self.losses, self.smoothed, strict=True))[::every]]
        last = ("the loss never falls: begin with a lower rate, or look at the data"
                if self.suggestion is None else f"suggestion: {self.suggestion:.3g}")
        return "\n".join([f"{'rate':>10} {'loss':>12} {'smoothed':>12}", *rows, last])

    def __str__(self) -> str:
        return self.text

    def plot(self, axes: Any = None) -> Any:
        """The loss over the rate, drawn into axes of matplotlib (new ones if none are given)."""
        axes = axes_of(axes)
        axes.semilogx(self.rates, self.losses, color="C0", alpha=0.3, label="loss after a step")
        axes.semilogx(self.rates, self.smoothed, color="C0", label="smoothed")
        if self.suggestion is not None:
            axes.axvline(self.suggestion, color="C1", linestyle="--",
                         label=f"suggestion: {self.suggestion:.2g}")
        axes.set_xlabel("rate")
        axes.set_ylabel("loss")
        axes.legend(frameon=False)
        return axes


def find_rate(core: Core, X: Any, Y: Any, *, optimizer: Optimizer, batch_size: Any, lowest: Any,
              highest: Any, steps: Any, seed: Any) -> Rates:
    """What `Model.find_rate` promises: the model's own numbers stay as they are."""
    found = dataset(core.network, X, Y, core.dtype)
    chosen = tuning(core.network, optimizer, (), None)
    # as many epochs as steps will do
    plan = plan_of(found.rows, steps, batch_size, True, seed, chosen.optimizer)
    count = plan.epochs
    if count < LEAST:
        raise TrainingError(f"find_rate: steps must be at least {LEAST}; found {steps}")
    first, last = finite_number(lowest), finite_number(highest)
    if first is None or last is None or not 0 < first < last:
        raise TrainingError("find_rate: lowest and highest must be numbers, 0 < lowest < highest; "
                            f"found {lowest!r} and {highest!r}")
    if "rate" in map(str, chosen.rule.targets):
        raise TrainingError(f"find_rate: the rate of {optimizer!r} is a schedule; give a number, "
                            "which is what is looked for, and make the schedule of what is found")
    if "rate" not in map(str, chosen.rule.numbers):
        raise TrainingError(f"find_rate: {type(optimizer).__name__} has no rate to be found")
    core.parameters.check()
    known = core.hypers.numbers()
    check_strengths(core.kernels.conditions, known)
    step, kernel = core.kernels.trainer(chosen.rule, plan.batch_size, chosen.trained, known)
    hypers = {**known, **chosen.numbers(step, plan)}
    rate = next(tensor for name, tensor in step.numbers if name == "rate")
    sample = _sample(found, core)

    def begun() -> tuple[Core, dict[Tensor, NDArray[Any]]]:
        own = core.twin()
        return own, {**found.arrays, **step.begun(plan, core.dtype), **own.arrays()}

    trial, arrays = begun()
    if core.network.states:
        settled, moved = begun()
        longer = replace(plan, epochs=-(-SETTLING // plan.steps))
        for rows in islice(_batches(longer), SETTLING):
            kernel.run(rows, plan.batch_size, moved, {**hypers, rate: 0.0})
        trial.restore(settled.states.copy() if settled.states.are_finite() else {})
    rates = np.geomspace(first, last, count)
    losses = [float(trial.run("loss", sample)[0])]
    for value, rows in zip(rates, _batches(plan), strict=False):
        kernel.run(rows, plan.batch_size, arrays, {**hypers, rate: value})
        if not trial.parameters.are_finite():
            break
        losses.append(float(trial.run("loss", sample)[0]))
        if not math.isfinite(losses[-1]) or _hopeless(losses):
            break
    after = np.array(losses[1:])
    return _read(rates[:len(after)], after)


def _sample(found: Dataset, core: Core) -> dict[Tensor, NDArray[Any]]:
    """All rows, or so many of them, evenly spaced, as are enough."""
    rows = np.unique(np.linspace(0, found.rows - 1, min(ROWS, found.rows)).astype(np.int64))
    return {t: array[rows] if core.network.has_batch(t) else array
            for t, array in found.arrays.items()}


def _batches(plan: Plan) -> Iterator[Orders]:
    """The batches of one epoch after another."""
    for order in plan.orders():
        for start in range(0, plan.rows, plan.batch_size):
            yield np.ascontiguousarray(order[start:start + plan.batch_size])


def _smoothed(losses: Numbers) -> Numbers:
    """The mean of each loss and its neighbours; fewer of them at the ends."""
    window = np.ones(WIDTH)
    total = np.convolve(losses, window, "same")
    return np.asarray(total / np.convolve(np.ones(len(losses)), window, "same"))


def _hopeless(losses: list[float]) -> bool:
    """Whether the loss has grown to several times what it ever fell by, or began with."""
    least = min(losses)
    return losses[-1] > least + HOPELESS * max(losses[0] - least, abs(losses[0]))


def _read(rates: Numbers, losses: Numbers) -> Rates:
    kept = np.isfinite(losses)
    rates, losses = rates[kept], losses[kept]
    if len(losses) < LEAST:
        return Rates(rates, losses, losses, None)
    smooth = _smoothed(losses)
    best = int(np.argmin(smooth))
    slopes = np.gradient(smooth, np.log(rates))[:best + 1]
    if best == 0 or slopes.min() >= 0:
        return Rates(rates, losses, smooth, None)
    return Rates(rates, losses, smooth, float(min(rates[np.argmin(slopes)], rates[best] / CAUTION)))
