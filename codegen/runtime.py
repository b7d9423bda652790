"""Executable: a compiled kernel behind a function of arrays by name.

Each call settles the sizes from the shapes, passes every input through the gate, borrows a
workspace, allocates the results, and runs.  Several threads may call at once: each has a
workspace of its own, kept for the next call.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from sympy import Symbol

from symbackprop.codegen.gate import Sizes, check_array, check_hyper, evaluated
from symbackprop.codegen.ir import Gemm, Kernel, walk
from symbackprop.codegen.layout import Module
from symbackprop.codegen.limits import single_threaded
from symbackprop.codegen.machine import IS_WRITTEN_OUT
from symbackprop.codegen.passing import Placed, placed
from symbackprop.codegen.sourcemap import source_lines
from symbackprop.codegen.store import Function
from symbackprop.errors import CompilationError, InputError
from symbackprop.facts import otherwise
from symbackprop.notation import Program, Tensor, extent

PAGE = 4096  # bytes
LARGEST_LENGTH = 2**31 - 1


class Executable:
    """f(x=X, W=W0, lam=1e-4) gives the values of the outputs, fresh arrays in the kernel's dtype.

    source: the generated module; path: the file that it lies in; program: what was declared.
    """

    def __init__(self, program: Program, kernel: Kernel, module: Module, function: Function,
                 dtype: str, single: bool) -> None:
        self.program = program
        self.kernel = kernel
        self.dtype = dtype
        self._module = module
        self._function = function
        self._single = single
        names = program.names
        self._inputs = {names[tensor]: tensor for tensor in program.inputs}
        self._sizes = {str(size): size for size in kernel.sizes}
        self._compound = {name: tensor for name, tensor in self._inputs.items()
                          if not all(axis.is_Symbol or axis.is_Integer for axis in tensor.axes)}
        self._results = [a.subject for a in module.arguments
                         if a.kind == "output" and isinstance(a.subject, Tensor)]
        self._subjects = [a.subject for a in module.arguments]
        self._limited = single_threaded if uses_blas(module) else nullcontext
        self._workspace = Workspace(kernel, dtype)

    @property
    def source(self) -> str:
        """The generated Numba module."""
        return self._module.source

    @property
    def lines(self) -> dict[Tensor, int]:
        """Of each tensor that the kernel computes, the line of the source with its formula."""
        return source_lines(self._module, self.kernel)

    @property
    def path(self) -> Path:
        """Where the generated module lies."""
        return self._function.path

    def __call__(self, /, *unnamed: Any, **values: Any) -> Any:
        if unnamed:
            named = ", ".join(f"{name}=…" for name in self._inputs)
            raise InputError(f"arrays are given by name: f({named})")
        sizes, arrays = self._checked(values)
        results = {t: np.empty(shape_of(t, sizes, 1), self.dtype) for t in self._results}
        with self._workspace.borrowed(sizes) as (slots,), self._limited():
            known: dict[Any, Any] = {**sizes, **slots, **arrays, **results}
            self._function.call(*[known[subject] for subject in self._subjects])
        given = [results[t] if t in results else np.array(arrays[t], self.dtype)
                 for t in self.program.outputs]
        fresh = [value.copy() if any(value is earlier for earlier in given[:place]) else value
                 for place, value in enumerate(given)]
        return fresh[0] if self._single else fresh

    def __copy__(self) -> Executable:
        return self

    def __deepcopy__(self, memo: object) -> Executable:
        return self  # calls leave nothing behind in it

    def __reduce__(self) -> NoReturn:
        raise CompilationError("a compiled function is not pickled (that runs code); write "
                               "sb.compile(…) in the other process: it finds the kernel compiled")

    def _checked(self, values: Mapping[str, Any]) -> tuple[Sizes, dict[Tensor, Any]]:
        inputs = self._inputs
        sizes = named_sizes(values, self._sizes, inputs)
        checked: dict[Tensor, Any] = {}
        for name, tensor in inputs.items():
            if name not in values and tensor.default is None:
                raise InputError(f"the {tensor.role} {name} is missing (declared at "
                                 f"{tensor.where}); give it by name: f({name}=…)"
                                 f"{otherwise(tensor)}")
            value = values.get(name, tensor.default)
            checked[tensor] = (
                check_hyper(tensor, value, name, self.dtype) if tensor.role == "hyper"
                else check_array(tensor, value, name, self.dtype, sizes))
        for name, tensor in self._compound.items():  # again: 2·N may stand before N
            check_shape(tensor, checked[tensor].shape, name, sizes)
        require_sizes(self.kernel, sizes)
        return sizes, checked


Slots = dict[tuple[int, bool] | Tensor, Placed]


class Workspace:
    """Arrays for intermediate results, borrowed by one call at a time and kept for the next.

    A slot is as large as the largest tensor in it; each gathered tensor has an array of its own.
    What holds one tile of rows each thread has for itself; the rest is one array for all.
    """

    def __init__(self, kernel: Kernel, dtype: str, gathered: tuple[Tensor, ...] = ()) -> None:
        self._dtype = dtype
        self._tensors: dict[tuple[int, bool] | Tensor, list[Tensor]] = {t: [t] for t in gathered}
        for buffer in kernel.buffers:
            if buffer.place == "slot":
                key = buffer.slot, buffer.tiled
                self._tensors.setdefault(key, []).append(buffer.tensor)
        self._tiled = {b.tensor for b in kernel.buffers if b.tiled} & set(gathered)
        self._groups = {
            group for stage in kernel.stages for gemm, _ in walk(stage.statements)
            if isinstance(gemm, Gemm) for group in (gemm.rows, gemm.columns, gemm.inner)
        }
        self._idle: list[tuple[object, list[Slots]]] = []  # what they fit, and the slots

    @contextmanager
    def borrowed(self, sizes: Sizes, tile: Sizes | None = None, threads: int = 1
                 ) -> Iterator[list[Slots]]:
        """For each thread a flat array for each slot and gathered tensor, large enough for these.

        sizes: of a whole batch; tile: of one tile of rows, None where there are no tiles.
        """
        wanted = tuple(sizes.items()), None if tile is None else tuple(tile.items()), threads
        try:
            fitted, slots = self._idle.pop()  # at once, so no lock is held when a process forks
        except IndexError:
            fitted, slots = None, []
        if fitted != wanted:
            self._fit(slots, sizes, tile or sizes, threads)
        try:
            yield slots[:threads]
        finally:
            self._idle.append((wanted, slots))

    def _fit(self, slots: list[Slots], sizes: Sizes, tile: Sizes, threads: int) -> None:
        """Make the slots of the first so many threads large enough."""
        for group in self._groups:
            if math.prod(evaluated(extent(i), sizes) or 0 for i in group) > LARGEST_LENGTH:
                raise InputError(f"a matrix with more than {LARGEST_LENGTH} rows or columns is "
                                 "more than BLAS can count; pass fewer rows at a time")
        slots.extend({} for _ in range(threads - len(slots)))
        for key, tensors in self._tensors.items():
            is_tiled = key in self._tiled if isinstance(key, Tensor) else key[1]
            length = max(length_of(tensor, tile if is_tiled else sizes) for tensor in tensors)
            for own in slots[:threads] if is_tiled else slots[:1]:
                if key not in own or own[key].array.size < length:
                    own[key] = placed(aligned(length, dtype_of(tensors[0], self._dtype)))
            if not is_tiled:
                for other in slots[1:threads]:
                    other[key] = slots[0][key]


def dtype_of(tensor: Tensor, dtype: str) -> str:
    """The dtype that a tensor has in a kernel of this dtype."""
    return "int64" if tensor.has_fact("label") else dtype


def aligned(length: int, dtype: str) -> np.ndarray:
    """A flat array in pages of its own.

    Where arrays of two threads lie in one page, what the processor fetches ahead for one takes
    lines of the cache from the other: a narrow network ran at 1.6 times the speed on two cores,
    and runs at 1.8 times with pages apart.
    """
    size = length * np.dtype(dtype).itemsize
    raw = np.empty(-(-size // PAGE) * PAGE + PAGE, np.uint8)
    start = -raw.ctypes.data % PAGE
    return raw[start:start + size].view(dtype)


def shape_of(tensor: Tensor, sizes: Sizes, least: int) -> tuple[int, ...]:
    """The shape of a tensor for these sizes; InputError where an axis would be shorter than that.

    What is computed on the way may have no entries: a sum over N − 1 rows of N = 1 is 0.
    """
    shape = tuple(evaluated(axis, sizes) or 0 for axis in tensor.axes)
    if any(length < least for length in shape):
        given = ", ".join(f"{name} = {size}" for name, size in sizes.items())
        raise InputError(f"{tensor.name or tensor.hint} would have the shape {shape} where {given}")
    return shape


def length_of(tensor: Tensor, sizes: Sizes) -> int:
    """The number of entries of a tensor, in Python's own integers; at least one."""
    return max(1, math.prod(shape_of(tensor, sizes, 0)))


def uses_blas(module: Module) -> bool:
    """Whether a generated module multiplies matrices, and some of them by BLAS."""
    return "gemm_" in module.source and not IS_WRITTEN_OUT


def named_sizes(values: Mapping[str, Any], sizes: Mapping[str, Symbol],
                inputs: Mapping[str, Tensor]) -> Sizes:
    """Sizes that are given by name, and an InputError for names that mean nothing here."""
    for name in values:
        if name not in inputs and name not in sizes:
            known = {word.lower(): word for word in (*inputs, *sizes)}
            near = difflib.get_close_matches(name.lower(), known, 1)
            hint = f"; did you mean {known[near[0]]}?" if near else ""
            raise InputError(f"there is no input {name!r}; the inputs are {', '.join(inputs)}"
                             f"{hint}")
    found = {}
    for name, size in sizes.items():
        if name in values and name not in inputs:
            if not isinstance(values[name], (int, np.integer)) or values[name] < 1:
                raise InputError(f"the size {name} must be a positive int, not {values[name]!r}")
            found[size] = int(values[name])
    return found


def check_shape(tensor: Tensor, shape: tuple[int, ...], name: str, sizes: Sizes) -> None:
    """InputError unless the array has the shape that all sizes together ask for."""
    if all(evaluated(axis, sizes) in (None, length)
           for axis, length in zip(tensor.axes, shape, strict=True)):
        return
    expected = tuple(evaluated(axis, sizes) for axis in tensor.axes)
    raise InputError(f"{tensor.role} {name} (declared at {tensor.where}): expected shape "
                     f"({', '.join(map(str, tensor.axes))}) = {expected}, found {shape}")


def require_sizes(kernel: Kernel, sizes: Sizes) -> None:
    """InputError for a size that no input settles."""
    for size in kernel.sizes:
        if size not in sizes:
            raise InputError(f"the size {size} is not settled by the shape of any input; "
                             f"give it by name: f({size}=…)")
