"""fit: everything that a user hands over is checked, then a compiled step is run many times."""

from __future__ import annotations

from threading import Event
from typing import Any

import numpy as np

from symbackprop.errors import Diverged, SymbackpropError
from symbackprop.training.augmentation import augmentation
from symbackprop.training.core import Core
from symbackprop.training.dataset import dataset
from symbackprop.training.loop import History, train
from symbackprop.training.monitoring import monitoring
from symbackprop.training.optimizers import Optimizer
from symbackprop.training.progress import progress
from symbackprop.training.running import Running
from symbackprop.training.settings import known_threads, plan_of, rule_of
from symbackprop.training.strengths import check_strengths

__all__ = ["fit"]


def fit(core: Core, X: Any, Y: Any, *, epochs: Any, batch_size: Any, optimizer: Optimizer,
        validation_data: Any, callbacks: Any, metrics: Any, seed: Any, threads: Any,
        verbose: bool, shuffle: Any, augment: Any,
        stop: Event | None = None) -> History:
    """The history of `Model.fit`, which says what the arguments are and what is raised.

    stop: an event that ends training from another thread.
    """
    found = dataset(core.network, X, Y, core.dtype)
    plan = plan_of(found.rows, epochs, batch_size, shuffle, seed)
    between = monitoring(core, found, validation_data, callbacks, metrics)
    for group in (core.parameters, core.states):
        group.check()
    check_strengths(core.network, core.hypers.numbers())
    threads, arrays = known_threads(threads), dict(found.arrays)
    between.renew = augmentation(core, X, Y, augment, plan.seed, plan.rows, arrays)
    rule, rows = rule_of(optimizer), min(plan.batch_size, plan.rows)
    step, kernel = core.kernels.trainer(rule, rows)
    hypers = {**core.hypers.numbers(),
              **{tensor: float(getattr(optimizer, name)) for name, tensor in step.numbers}}
    arrays |= core.arrays()
    arrays |= {t: np.zeros([int(a) for a in t.axes], core.dtype) for t in step.states}
    if step.counters is not None:
        arrays |= step.counters.arrays(plan.seed, plan.rows, plan.steps)
    before = core.copy()
    steps = Running(core, kernel, arrays, hypers, threads, stop)
    with progress(plan.epochs, verbose) as bar:
        try:
            history = train(plan, steps, between, bar)
            core.check_trained()
        except SymbackpropError as error:
            fault = steps.fault()
            core.restore(before)
            if fault is None:
                raise
            raise Diverged(f"{error}\n{fault}") from error
    return history
