"""fit: everything that a user hands over is checked, then a compiled step is run many times."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from threading import Event
from typing import Any

from symbackprop import codegen
from symbackprop.errors import Diverged, SymbackpropError, TrainingError
from symbackprop.notation import Tensor
from symbackprop.training.augmentation import augmentation
from symbackprop.training.core import Core
from symbackprop.training.dataset import dataset
from symbackprop.training.loop import History, Plan
from symbackprop.training.monitoring import monitoring
from symbackprop.training.optimizers import Optimizer
from symbackprop.training.progress import progress
from symbackprop.training.running import Running
from symbackprop.training.settings import known_threads, plan_of
from symbackprop.training.strengths import check_strengths
from symbackprop.training.tuning import Tuning, tuning

__all__ = ["fit"]


def fit(core: Core, X: Any, Y: Any, *, epochs: Any, batch_size: Any, optimizer: Optimizer,
        validation_data: Any, callbacks: Any, metrics: Any, seed: Any, threads: Any,
        verbose: bool, shuffle: Any, augment: Any = None, frozen: Any = (), rates: Any = None,
        stop: Event | None = None) -> History:
    """The history of `Model.fit`, which says what the arguments are and what is raised.

    stop: an event that ends training from another thread.
    """
    found = dataset(core.network, X, Y, core.dtype)
    chosen = tuning(core.network, optimizer, frozen, rates)
    plan = plan_of(found.rows, epochs, batch_size, shuffle, seed, chosen.optimizer)
    between = monitoring(core, found, validation_data, callbacks, metrics)
    for group in (core.parameters, core.states):
        group.check()
    known = core.hypers.numbers()
    check_strengths(core.kernels.conditions, known)
    threads = known_threads(threads)
    arrays = {t: a.copy() if t.has_fact("label") else a  # kernels rely on the range of labels
              for t, a in found.arrays.items()}
    between.renew = augmentation(core, X, Y, augment, plan.seed, arrays)
    step, kernel = core.kernels.trainer(chosen.rule, plan.batch_size, chosen.trained, known)
    arrays |= {**core.arrays(), **step.begun(plan, core.dtype)}
    steps = Running(core, kernel, arrays, chosen.numbers(step, plan), known,
                    partial(_check_same, core, chosen, plan, kernel), threads, stop)
    task = chosen.task(step, plan, arrays, steps)
    with core.alone(), progress(plan.epochs, verbose) as bar:
        before = core.copy()
        core.history.clear()
        core.history.update(between.history)  # the same lists, which grow
        try:
            history = chosen.optimizer.drive(task, between, bar)
            core.check_trained()
        except SymbackpropError as error:
            if between.theirs:  # no number has gone wrong: what was trained is kept
                raise
            fault = steps.fault()
            core.restore(before)
            if fault is None:
                raise
            raise Diverged(f"{error}\n{fault}") from error
    return history


def _check_same(core: Core, chosen: Tuning, plan: Plan, kernel: codegen.TrainingKernel,
                hypers: Mapping[Tensor, float]) -> None:
    """Raises TrainingError for hypers, set during a fit, that its steps are not made for."""
    check_strengths(core.kernels.conditions, hypers)
    if core.kernels.trainer(chosen.rule, plan.batch_size, chosen.trained, hypers)[1] is not kernel:
        raise TrainingError("hypers were set during this fit that change the cases of a proximal "
                            "operator; end it where they change, and call fit again")
