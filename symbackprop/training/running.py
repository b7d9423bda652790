"""Running: calls of a compiled step that are watched; what went wrong is found by replaying it.

Before each call the numbers that it changes are copied (about as much memory traffic as one
step of the many that the call makes).  Where a loss or a parameter is no longer finite and that
ends the training, the call is replayed from that copy, a step at a time, and the step that did it
is evaluated definition by definition.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop import codegen
from symbackprop.errors import Diverged, ProgramError, Stopped
from symbackprop.notation import Tensor
from symbackprop.training.core import Core
from symbackprop.training.fault import Fault, first_fault
from symbackprop.training.loop import Losses, Orders, batches

__all__ = ["Running"]

Arrays = dict[Tensor, NDArray[Any]]


@dataclass(slots=True)
class Running:
    """steps(order, batch_size, losses) for the loop.

    arrays: data, parameters and states, the latter two changed in place; numbers: of the optimizer;
    known: the hypers of the model as the last call had them; check: raises for those of the next
    call that the steps are not made for; stop: an event that ends training before it; failed: the
    order and batch size of the last call, where it made a number that is not finite.
    """

    core: Core
    kernel: codegen.TrainingKernel
    arrays: Arrays
    numbers: Mapping[Tensor, float]
    known: Mapping[Tensor, float]
    check: Callable[[Mapping[Tensor, float]], None]
    threads: int | None = None
    stop: threading.Event | None = None
    failed: tuple[Orders, int] | None = None
    kept: Arrays = field(init=False)

    def __post_init__(self) -> None:
        self.kept = self._copied()

    def __call__(self, order: Orders, batch_size: int, losses: Losses) -> None:
        """Run the steps; raises Diverged where a parameter is no longer finite after them.

        A loss that is not finite is left to the caller, who knows the epoch.
        """
        if self.stop is not None and self.stop.is_set():
            raise Stopped("training was stopped from outside")
        self._put(self.arrays, self.kept)
        self.failed = None
        self.kernel.run(order, batch_size, self.arrays, self._hypers(), losses, self.threads)
        if not np.isfinite(losses).all():
            self.failed = order, batch_size
            return
        try:
            self.core.check_finite()
        except Diverged:
            self.failed = order, batch_size
            raise

    def fault(self) -> Fault | None:
        """What made the first number that is not finite in the last call; None where there is none
        or it was not found.  Leaves parameters and states as they are before that step."""
        if self.failed is None:
            return None
        (order, batch_size), hypers = self.failed, {**self.known, **self.numbers}
        self._put(self.kept, self.arrays)
        for rows in batches(order, batch_size):
            before = self._copied()
            loss = self.kernel.run(rows, batch_size, self.arrays, hypers, None, self.threads)
            if np.isfinite(loss) and all(np.isfinite(self.arrays[t]).all() for t in before):
                continue
            self._put(before, self.arrays)
            own = {t: array[rows] if self.core.network.has_batch(t) else array
                   for t, array in self.arrays.items()}
            try:
                return self._with_row(first_fault(self.kernel.program, {**own, **hypers},
                                                  self.kernel.dtype, self.core.network.names), rows)
            except ProgramError:  # a function that kernels have and the interpreter lacks
                return None
        return None

    def _with_row(self, fault: Fault | None, rows: Orders) -> Fault | None:
        """The fault, with the row of the data beside the row of the batch."""
        network = self.core.network
        if fault is None or network.batch is None:
            return fault
        index = next((str(t.letters[0]) for t in (*network.targets, *network.inputs)
                      if network.has_batch(t)), "")
        place = tuple((f"{name} = {number}, row" if name == index else name,
                       int(rows[number]) if name == index else number)
                      for name, number in fault.place)
        return replace(fault, place=place)

    def _hypers(self) -> dict[Tensor, float]:
        """All numbers of the next call; a callback may have set hypers of the model."""
        now = self.core.hypers.numbers()
        if now != self.known:
            self.check(now)
            self.known = now
        return {**now, **self.numbers}

    def _copied(self) -> Arrays:
        return {t: self.arrays[t].copy() for t, _ in self.kernel.program.updates}

    @staticmethod
    def _put(source: Arrays, into: Arrays) -> None:
        for tensor in source.keys() & into.keys():
            np.copyto(into[tensor], source[tensor])
