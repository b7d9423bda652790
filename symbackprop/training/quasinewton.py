"""L-BFGS over all rows: SciPy's L-BFGS-B drives the compiled loss and gradients.

The kernel is that of the rule d ← g, which leaves all parameters as they are: one step of it, over
all rows and all threads, is one evaluation.  SciPy works in float64 whatever the model's dtype.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import scipy
from numpy.typing import NDArray
from sympy import symbols

from symbackprop.errors import TrainingError
from symbackprop.training.letters import in_range
from symbackprop.training.loop import Between, History, Task
from symbackprop.training.optimizer import Optimizer
from symbackprop.training.progress import Bar
from symbackprop.training.rules import Rule, g

__all__ = ["LBFGS"]

SEARCHES = 20  # evaluations in the line search of one iteration
FORMULA = """s_k ← w_k+1 − w_k
y_k ← g_k+1 − g_k
w ← w − η·H·g
where H = the inverse of the second derivative, from the last {memory} pairs (s, y),
      η = a step length that satisfies the strong Wolfe conditions"""

Vector = NDArray[np.float64]
d = symbols("d", real=True)


@dataclass(frozen=True, slots=True, repr=False)
class LBFGS(Optimizer):
    """Limited-memory BFGS (Byrd, Lu, Nocedal & Zhu 1995), a step of which is an epoch of `fit`.

    memory: pairs of differences that the Hessian is estimated from.  It ends before all epochs are
    done when no derivative is larger than gradient_tolerance, or when the loss falls by less than
    loss_tolerance of itself.  The history holds the loss after each iteration.  For losses without
    noise, states and kinks, without augment; a float32 model ends at what float32 can tell apart.

    Raises TrainingError for other arguments, and in `fit` for a batch_size, or rates.

    >>> LBFGS(memory=5).full_batch
    True
    """

    memory: int = 10
    gradient_tolerance: float = 1e-8
    loss_tolerance: float = 1e-14
    full_batch: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.memory, Integral) or isinstance(self.memory, bool) or (
                self.memory < 1):
            raise TrainingError("LBFGS: memory must be a whole number, at least 1, found "
                                f"{self.memory!r}")
        for name in ("gradient_tolerance", "loss_tolerance"):
            number = in_range("LBFGS", name, getattr(self, name), "weight_decay")
            object.__setattr__(self, name, number)

    @property
    def rule(self) -> Rule:
        """d ← g: the gradient is what a step is asked for."""
        return Rule(((d, g),))

    def formula(self) -> str:
        """What one iteration does."""
        return FORMULA.format(memory=self.memory)

    def drive(self, task: Task, between: Between, bar: Bar) -> History:
        """Minimise from the present parameters; one entry of the history an iteration.

        Raises TrainingError where the loss is random, changes with the epoch or carries states, or
        is not finite to begin with.
        """
        if task.random:
            raise TrainingError("LBFGS: this loss has noise in it, so that no two evaluations "
                                "agree; train it with sb.optimizers.Adam() or SGD")
        if task.states:
            raise TrainingError(f"LBFGS: each step of this network changes {_listed(task.states)}, "
                                "and a line search makes steps that are taken back; train it with "
                                "sb.optimizers.Adam() or SGD")
        if between.renew is not None:
            raise TrainingError("LBFGS: augment gives every epoch other data, and LBFGS takes all "
                                "its iterations on the same; leave augment out, or train with "
                                "sb.optimizers.Adam() or SGD")
        found = _Minimum(task, between, bar)
        loss, start = found.loss, found.accepted
        if not np.isfinite(loss):
            raise TrainingError(f"LBFGS: the loss is {loss} at the present parameters; begin "
                                "elsewhere, model.initialise(seed=1), or scale the data")
        try:
            scipy.optimize.minimize(
                found.value, start, jac=True, method="L-BFGS-B", callback=found.after,
                options={"maxiter": task.plan.epochs, "maxcor": int(self.memory),
                         "maxls": SEARCHES, "maxfun": (SEARCHES + 1) * task.plan.epochs + 1,
                         "gtol": self.gradient_tolerance, "ftol": self.loss_tolerance})
        finally:
            task.parameters.put(found.accepted)
        if not between.history["loss"]:
            between.epoch(loss)
            bar(1, {"loss": loss})
        between.finish()
        return between.history


class _Minimum:
    """What SciPy calls: the loss with its gradient, and the end of an iteration."""

    def __init__(self, task: Task, between: Between, bar: Bar) -> None:
        self._task, self._between, self._bar = task, between, bar
        self._order = np.arange(task.plan.rows, dtype=np.int64)[np.newaxis]
        self._seen: tuple[Vector, float, Vector] | None = None
        self.accepted = task.parameters.flat()
        self.loss, self._slopes = self._evaluated(self.accepted)

    def _evaluated(self, at: Vector) -> tuple[float, Vector]:
        """The same, as it is; the point that was seen last is not evaluated again."""
        self._task.parameters.put(at)
        if self._seen is None or not np.array_equal(at, self._seen[0]):
            losses = np.zeros((1, 1))
            self._task.steps(self._order, self._task.plan.rows, losses)
            self._seen = np.array(at), float(losses[0, 0]), self._task.results.flat()
        return self._seen[1:]

    def value(self, at: Vector) -> tuple[float, Vector]:
        """The loss and its derivatives there.

        Where these are not finite, the search has gone too far.  A parabola that rises by as much
        as the tangent promised to fall sends it about half the way back.
        """
        loss, slopes = self._evaluated(at)
        if np.isfinite(loss) and np.isfinite(slopes).all():
            return loss, slopes
        step = at - self.accepted
        rise = abs(float(self._slopes @ step))
        return self.loss + rise, 2 * rise * step / float(step @ step)

    def after(self, intermediate_result: Any) -> None:
        """Note an iteration; StopIteration where a callback wishes for the end."""
        self.accepted = np.array(intermediate_result.x)
        self.loss, self._slopes = self._evaluated(self.accepted)
        stop = self._between.epoch(self.loss)
        self._bar(1, {name: seen[-1] for name, seen in self._between.history.items()})
        if stop:
            raise StopIteration


def _listed(names: tuple[str, ...]) -> str:
    return f"the state {names[0]}" if len(names) == 1 else f"the states {', '.join(names)}"
