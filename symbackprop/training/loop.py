"""The training loop: which steps the next compiled call runs, and what happens between epochs.

A call runs about `SECONDS` of steps: a piece of an epoch, or several epochs where these are short
and nothing (validation, metrics, callbacks) waits for their end.  Between calls Python serves
Ctrl-C and the progress bar.  How an epoch is cut into calls depends on the clock; the order of
the steps and the history do not, so equal seeds give equal bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.errors import Diverged
from symbackprop.training.callbacks import Callback, Epoch, Parameters, Restore
from symbackprop.training.progress import Bar

__all__ = ["Between", "Call", "History", "Losses", "Orders", "Plan", "Steps", "Task", "Values",
           "batches", "calls", "train"]

SECONDS = 0.05

History = dict[str, list[float]]
Orders = NDArray[np.int64]
Losses = NDArray[np.float64]
Steps = Callable[[Orders, int, Losses], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """What fit was asked for: epochs over rows in batches, in which order."""

    rows: int
    batch_size: int
    epochs: int
    shuffle: bool = True
    seed: int | None = None

    @property
    def steps(self) -> int:
        """Steps in one epoch; the last may have fewer rows."""
        return -(-self.rows // self.batch_size)

    @property
    def weights(self) -> Losses:
        """The share of each step in the rows of an epoch."""
        counts = np.full(self.steps, self.batch_size, np.float64)
        counts[-1] = self.rows - self.batch_size * (self.steps - 1)
        return counts / self.rows

    def orders(self) -> Iterator[Orders]:
        """The order of the rows, epoch after epoch."""
        generator = np.random.default_rng(self.seed)
        for _ in range(self.epochs):
            yield generator.permutation(self.rows) if self.shuffle else np.arange(self.rows)


@dataclass(frozen=True, slots=True)
class Values:
    """Arrays as one vector, for whoever thinks of all parameters as of one point."""

    arrays: tuple[NDArray[Any], ...]

    def flat(self) -> NDArray[np.float64]:
        """A copy of all entries, in float64."""
        return np.concatenate([array.ravel() for array in self.arrays], dtype=np.float64)

    def put(self, vector: NDArray[np.float64]) -> None:
        """Write the entries of a vector into the arrays."""
        first = 0
        for array in self.arrays:
            array[...] = vector[first:first + array.size].reshape(array.shape)
            first += array.size


@dataclass(frozen=True, slots=True)
class Task:
    """A fit that is ready to run: its plan and steps, and what an optimizer may drive it by.

    parameters: those that are trained; results: what the rule gives for each of them and nobody
    reads; random: whether two evaluations at one point may differ; states: the names of those that
    each step carries on.
    """

    plan: Plan
    steps: Steps
    parameters: Values
    results: Values
    random: bool = False
    states: tuple[str, ...] = ()


@dataclass(slots=True)
class Pace:
    """How long a step takes, by the slowest of the last calls."""

    seconds: float = 0.0

    def steps(self) -> int:
        """Steps that fit into one call; few in the first one, whose pace is unknown."""
        return max(1, int(SECONDS / self.seconds)) if self.seconds else 4

    def note(self, steps: int, seconds: float) -> None:
        """A call of so many steps took so long."""
        self.seconds = max(seconds / steps, 0.5 * self.seconds, 1e-9)


@dataclass(frozen=True, slots=True)
class Call:
    """Rows for one compiled call, [runs, rows]; each run is an epoch, or steps first … of one."""

    order: Orders
    first: int = 0


def calls(plan: Plan, pace: Pace, together: bool) -> Iterator[Call]:
    """The calls of a whole fit, cut by the pace; whole epochs are put together where allowed."""
    orders = plan.orders()
    left = plan.epochs
    while left:
        epochs = min(left, pace.steps() // plan.steps) if together else 1
        if epochs > 1:
            yield Call(np.stack([next(orders) for _ in range(epochs)]))
            left -= epochs
            continue
        order, first = next(orders), 0
        while first < plan.steps:
            after = min(first + pace.steps(), plan.steps)
            yield Call(order[np.newaxis, first * plan.batch_size:after * plan.batch_size], first)
            first = after
        left -= 1


def batches(order: Orders, size: int) -> Iterator[Orders]:
    """The rows of each step of a call, run by run."""
    for run in np.atleast_2d(order):
        for start in range(0, len(run), size):
            yield run[start:start + size]


@dataclass(slots=True)
class Between:
    """What is done at the end of each epoch, and the history so far.

    check: raises where the numbers are no longer good, before metrics are taken of them; theirs:
    whether functions of the user's are at work, metrics, callbacks or an augmentation.
    """

    parameters: Parameters
    restore: Restore
    measures: Callable[[], dict[str, float]] | None = None
    monitored: tuple[str, ...] = ("loss",)
    callbacks: tuple[Callback, ...] = ()
    carried: Parameters = field(default_factory=dict)
    renew: Callable[[Orders, int], None] | None = None  # new data for rows in batches of so many
    check: Callable[[], None] = lambda: None
    theirs: bool = False
    history: History = field(init=False)
    states: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.history = {name: [] for name in self.monitored}
        self.states = [callback.start(self.monitored) for callback in self.callbacks]

    @property
    def idle(self) -> bool:
        """Whether nothing waits for the end of an epoch, nor goes before its steps."""
        return self.measures is None and not self.callbacks and self.renew is None

    def epoch(self, loss: float) -> bool:
        """Note the values of an epoch; whether a callback wants to stop."""
        self.check()
        self.theirs = True
        values = {"loss": loss, **(self.measures() if self.measures else {})}
        for name in self.monitored:
            self.history[name].append(values[name])
        seen = Epoch(len(self.history["loss"]), values, self.parameters, self.carried)
        stops = []
        for place, callback in enumerate(self.callbacks):
            self.states[place], stop = callback.after(self.states[place], seen)
            stops.append(stop)
        self.theirs = False
        return any(stops)

    def before(self, order: Orders, batch_size: int) -> None:
        """What goes before steps over these rows."""
        if self.renew is not None:
            self.theirs = True
            self.renew(order, batch_size)
            self.theirs = False

    def finish(self) -> None:
        """The callbacks' last moment."""
        self.theirs = True
        for callback, state in zip(self.callbacks, self.states, strict=True):
            callback.finish(state, self.restore)
        self.theirs = False


def train(plan: Plan, steps: Steps, between: Between, bar: Bar) -> History:
    """Run all calls; the history, one entry an epoch.

    Raises Diverged when the loss is no longer finite, naming the epoch; the caller puts the
    parameters back.
    """
    pace = Pace()
    losses = np.zeros(plan.steps)
    for call in calls(plan, pace, between.idle):
        runs, count = call.order.shape[0], -(-call.order.shape[1] // plan.batch_size)
        found = np.zeros((runs, count))
        between.before(call.order, plan.batch_size)
        started = time.perf_counter()
        steps(np.ascontiguousarray(call.order), plan.batch_size, found)
        pace.note(runs * count, time.perf_counter() - started)
        _check_finite(found, len(between.history["loss"]) + 1)
        losses[call.first:call.first + count] = found[-1]
        if call.first + count < plan.steps:
            bar(0, _latest(between.history))
            continue
        ended = found if runs > 1 else losses[np.newaxis]
        stop = [between.epoch(math.fsum(plan.weights * run)) for run in ended]
        bar(runs, _latest(between.history))
        if any(stop):
            break
    between.finish()
    return between.history


def _check_finite(losses: Losses, epoch: int) -> None:
    finite = np.isfinite(losses).all(axis=1)
    if not finite.all():
        raise Diverged(
            f"training diverged: the loss became {losses[~np.isfinite(losses)][0]} in epoch "
            f"{epoch + int(np.argmin(finite))}; the parameters are again what they were before "
            "fit; try a smaller rate, or bring the inputs to mean 0 and variance 1")


def _latest(history: History) -> dict[str, float]:
    return {name: values[-1] for name, values in history.items() if values}
