"""TrainingKernel: a run of training steps in one nopython call.

The order of rows goes in; for each batch of it the rows are gathered, the program runs, parameters
and states take their next values in place, and the loss goes out.  Nothing is allocated and no
Python runs between the steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from sympy import Symbol

from symbackprop.codegen.gate import Sizes, check_hyper, settle
from symbackprop.codegen.ir import Kernel
from symbackprop.codegen.layout import Argument, Module
from symbackprop.codegen.limits import single_threaded
from symbackprop.codegen.processors import cores
from symbackprop.codegen.runtime import (
    Slots,
    Workspace,
    check_shape,
    dtype_of,
    require_sizes,
    uses_blas,
)
from symbackprop.codegen.schedule.costs import height, threads_for
from symbackprop.codegen.sharing import THREADS
from symbackprop.codegen.store import Function
from symbackprop.codegen.summation import GROUPS, MOST_GROUPS, ROWS
from symbackprop.codegen.threads import Crew
from symbackprop.errors import CompilationError, InputError
from symbackprop.notation import Program, Tensor


class TrainingKernel:
    """run(order, batch_size, arrays, hypers) makes one training step for each batch of the order.

    source: the generated module; path: the file that it lies in; program: the step.
    """

    def __init__(self, program: Program, kernel: Kernel, module: Module, function: Function,
                 dtype: str, gathered: tuple[Tensor, ...]) -> None:
        self.program = program
        self.kernel = kernel
        self.dtype = dtype
        self._gathered = gathered
        self._module = module
        self._function = function
        self._names = {**program.names, **kernel.names}  # a kernel may read less
        self._hypers = [t for t in program.inputs if t.role == "hyper"]
        self._arguments = [a for a in module.arguments if a not in THREADS]
        self._tensors = [a.subject for a in module.arguments
                         if a.kind in ("array", "rows") and isinstance(a.subject, Tensor)]
        self._dtypes = {t: np.dtype(dtype_of(t, dtype)) for t in (*self._tensors, *gathered)}
        self._workspace = Workspace(kernel, dtype, gathered)
        self._crew = Crew()
        self._heights: dict[tuple[tuple[Symbol, int], ...], int] = {}  # by all sizes

    @property
    def source(self) -> str:
        """The generated Numba module."""
        return self._module.source

    @property
    def path(self) -> Path:
        """Where the generated module lies."""
        return self._function.path

    def __copy__(self) -> TrainingKernel:
        return self

    def __deepcopy__(self, memo: object) -> TrainingKernel:
        return self  # runs leave nothing behind in it

    def __reduce__(self) -> NoReturn:
        raise CompilationError("a compiled step is not pickled (that runs code); compile the "
                               "program again: the kernel is found compiled")

    def run(self, order: np.ndarray, batch_size: int, arrays: Mapping[Tensor, np.ndarray],
            hypers: Mapping[Tensor, float], losses: np.ndarray | None = None,
            threads: int | None = None) -> float:
        """One step for each batch of the order; the sum over the steps of loss·rows, in float64.

        order: row numbers, int64: one run of steps, or several [runs, rows], each of which ends
        with a batch of its own; arrays: data, parameters and states in the kernel's dtype
        (int64 for labels), whole data sets for what is gathered; parameters and states are
        changed in place.  losses: float64, filled with the loss of each step, for each run.
        threads: at most so many, None for as many as have work; the bits do not depend on it.
        Raises InputError for what does not fit; then nothing has changed.
        """
        steps = self._checked_steps(order, batch_size, arrays)
        losses = np.empty(steps) if losses is None else losses
        if losses.dtype != np.float64 or losses.shape != steps or not losses.flags.carray:
            raise InputError(f"losses must be a float64 array of shape {steps}, C-contiguous, "
                             "aligned and writable")
        order, losses = np.atleast_2d(order), np.atleast_2d(losses)
        order = np.require(order, requirements=["C", "A", "W"])
        sizes = self._checked_sizes(min(batch_size, order.shape[1]), arrays)
        numbers = {t: self._number(t, hypers) for t in self._hypers}
        own = {"order": order, "batch_size": int(batch_size), "losses": losses}
        tile, count = self._shares(sizes, int(batch_size), threads)
        sizes = {**sizes, GROUPS: MOST_GROUPS}
        with self._workspace.borrowed(sizes, tile, count) as slots:
            passed = [[self._passed(a, sizes, arrays, numbers, mine, own)
                       for a in self._arguments] for mine in slots]
            with single_threaded() if uses_blas(self._module) else nullcontext():
                if tile is None:
                    return float(self._function.call(*passed[0]))
                rows = tile[ROWS]
                return float(self._crew.run(lambda thread, threads, meeting: self._function.call(
                    *passed[thread][:2], thread, threads, rows, meeting, *passed[thread][2:]),
                    count))

    def _shares(self, sizes: Sizes, batch_size: int, threads: int | None
                ) -> tuple[Sizes | None, int]:
        """The sizes of one tile, and how many threads there is work for.

        A tile has the rows that are right for a whole batch, also where a call has only the last
        rows of an epoch: which rows are added up together does not depend on how calls are cut.
        """
        batch = self.kernel.batch
        if not self.kernel.regions or batch is None:
            return None, 1
        whole = {**sizes, batch: batch_size}
        key = tuple(whole.items())
        if key not in self._heights:  # the formula takes as long as an epoch of a small network
            self._heights[key] = height(self.kernel, whole, np.dtype(self.dtype).itemsize)
        rows = self._heights[key]
        available = cores() if threads is None else threads
        return {**sizes, batch: rows, ROWS: rows}, threads_for(self.kernel, sizes, rows, available)

    def _passed(self, argument: Argument, sizes: Sizes, arrays: Mapping[Tensor, np.ndarray],
                numbers: Mapping[Tensor, Any], slots: Slots, own: Mapping[str, Any]) -> Any:
        match argument.kind, argument.subject:
            case ("order" | "batch_size" | "losses") as kind, _:
                return own[kind]
            case "size", Symbol() as size:
                return sizes[size]
            case "scalar", Tensor() as tensor:
                return numbers[tensor]
            case ("array" | "rows"), Tensor() as tensor:
                return arrays[tensor]
            case ("slot" | "labels" | "batch"), (tuple() | Tensor()) as slot:
                return slots[slot]
        raise InputError(f"the kernel has an argument {argument.name} that nobody gives")

    def _number(self, tensor: Tensor, hypers: Mapping[Tensor, float]) -> Any:
        name = self._names[tensor]
        value = hypers.get(tensor, tensor.default)
        if value is None:
            raise InputError(f"the hyperparameter {name} has no value; give one in `hypers`")
        return check_hyper(tensor, value, name, self.dtype)

    def _checked_steps(self, order: np.ndarray, batch_size: int,
                       arrays: Mapping[Tensor, np.ndarray]) -> tuple[int, ...]:
        """The number of steps, for each run; InputError for an order that is none."""
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise InputError(f"batch_size must be a positive int, not {batch_size!r}")
        if order.dtype != np.int64 or order.ndim not in (1, 2) or not order.size or (
                not order.flags.c_contiguous):
            raise InputError("order must be a non-empty int64 array of row numbers")
        least, most = order.min(), order.max()
        for tensor in self._gathered:
            rows = self._array(tensor, arrays).shape[0]
            if least < 0 or most >= rows:
                raise InputError(f"order speaks of rows {least} … {most}, but "
                                 f"{self._names[tensor]} has {rows} rows")
        return (*order.shape[:-1], -(-order.shape[-1] // int(batch_size)))

    def _checked_sizes(self, rows: int, arrays: Mapping[Tensor, np.ndarray]) -> Sizes:
        """All sizes, for the longest batch; InputError for arrays that do not fit."""
        batch = self.kernel.batch
        sizes: Sizes = {} if batch is None else {batch: rows}
        tensors = self._tensors
        shapes = {t: self._array(t, arrays).shape for t in tensors}
        for tensor in self._gathered:
            shapes[tensor] = (rows, *shapes[tensor][1:])
        for tensor in tensors:
            for axis, length in zip(tensor.axes, shapes[tensor], strict=True):
                settle(axis, length, sizes)
        for tensor in tensors:
            check_shape(tensor, shapes[tensor], self._names[tensor], sizes)
        require_sizes(self.kernel, sizes)
        return sizes

    def _array(self, tensor: Tensor, arrays: Mapping[Tensor, np.ndarray]) -> np.ndarray:
        """The array of a tensor, if nopython code may have it as it is."""
        name = self._names[tensor]
        if tensor not in arrays:
            raise InputError(f"the {tensor.role} {name} is missing in `arrays`")
        array, dtype = arrays[tensor], self._dtypes[tensor]
        if array.dtype != dtype or array.ndim != tensor.rank:
            raise InputError(f"{name}: expected a {dtype} array of rank {tensor.rank}, found "
                             f"{array.dtype} of shape {array.shape}")
        if not (array.flags.c_contiguous and array.flags.aligned and array.flags.writeable):
            raise InputError(f"{name}: the array must be C-contiguous, aligned and writable; "
                             "np.require(array, requirements='CAW') makes it so")
        return array
