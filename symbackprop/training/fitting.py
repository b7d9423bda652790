"""fit: everything that a user hands over is checked, then a compiled step is run many times."""

from __future__ import annotations

from typing import Any

from symbackprop.errors import SymbackpropError
from symbackprop.training.core import Core
from symbackprop.training.dataset import dataset
from symbackprop.training.loop import History
from symbackprop.training.monitoring import monitoring
from symbackprop.training.optimizers import Optimizer
from symbackprop.training.progress import progress
from symbackprop.training.settings import known_threads, plan_of
from symbackprop.training.tuning import tuning

__all__ = ["fit"]


def fit(core: Core, X: Any, Y: Any, *, epochs: Any, batch_size: Any, optimizer: Optimizer,
        validation_data: Any, callbacks: Any, metrics: Any, seed: Any, threads: Any,
        verbose: bool, shuffle: Any, frozen: Any, rates: Any) -> History:
    """The history of `Model.fit`, which says what the arguments are and what is raised."""
    found = dataset(core.network, X, Y, core.dtype)
    chosen = tuning(core.network, optimizer, frozen, rates)
    plan = plan_of(found.rows, epochs, batch_size, shuffle, seed, chosen.optimizer)
    between = monitoring(core, found, validation_data, callbacks, metrics)
    core.parameters.check()
    threads = known_threads(threads)
    known = core.hypers.numbers()
    step, kernel = core.kernels.trainer(chosen.rule, plan.batch_size, chosen.trained, known)
    hypers = {**known, **chosen.numbers(step, plan)}
    arrays = {**found.arrays, **core.arrays(), **step.zeros(core.dtype)}
    task = chosen.task(step, plan, arrays, lambda order, size, losses: kernel.run(
        order, size, arrays, hypers, losses, threads))
    before = core.parameters.copy()
    with progress(plan.epochs, verbose) as bar:
        try:
            history = chosen.optimizer.drive(task, between, bar)
            core.parameters.check_trained()
        except SymbackpropError:
            core.parameters.restore(before)
            raise
    return history
