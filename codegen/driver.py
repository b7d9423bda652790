"""compile(): the pipeline, a line for each stage.

    Program → verify → normalise → simplify → stabilise → contract → inline → hoist → begin
    Program → align → turn
    Program → (tile) → lower → reorder → flatten → multiply → absorb → Kernel
    Kernel → (arrange) → allocate → (wait) → verify → emit → load → run        (…) with threads
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sympy import Number, Symbol

from symbackprop.checks import verify
from symbackprop.codegen.ir import Kernel
from symbackprop.codegen.lowering import lower
from symbackprop.codegen.modules import emit, emit_training
from symbackprop.codegen.runtime import Executable
from symbackprop.codegen.schedule.absorption import absorb
from symbackprop.codegen.schedule.barriers import wait
from symbackprop.codegen.schedule.columns import turn
from symbackprop.codegen.schedule.contractions import contract
from symbackprop.codegen.schedule.flattening import flatten
from symbackprop.codegen.schedule.hoisting import hoist
from symbackprop.codegen.schedule.inlining import inline
from symbackprop.codegen.schedule.order import reorder
from symbackprop.codegen.schedule.products import multiply
from symbackprop.codegen.schedule.regions import arrange
from symbackprop.codegen.schedule.starts import begin
from symbackprop.codegen.schedule.storage import allocate, allocate_shared, with_defined_updates
from symbackprop.codegen.schedule.tiling import tile
from symbackprop.codegen.schedule.windows import align
from symbackprop.codegen.stability import stabilise
from symbackprop.codegen.store import load
from symbackprop.codegen.training import TrainingKernel
from symbackprop.codegen.verification import verify_kernel
from symbackprop.collect import program as collected
from symbackprop.declare import tensor_of
from symbackprop.errors import CompilationError
from symbackprop.normal import normalise
from symbackprop.notation import Program, Tensor
from symbackprop.simplification import simplify

DTYPES = ("float32", "float64")


def compile(outputs: Any, dtype: Any = "float32", threads: int | None = None) -> Executable:
    """A compiled function of the inputs by name that returns the values of tensors.

    outputs: a tensor or rank-0 expression, or a list of them (then a list is returned);
    dtype: "float32" or "float64", or NumPy's type of that name; threads: at most so many (a call
    uses one; training uses more).
    Raises CompilationError for what has no value, e.g. an undefined function.

    >>> import symbackprop as sb
    >>> i = sb.indices("i", 3)
    >>> x = sb.data("x", i)
    >>> f = sb.compile(sb.define("y", (i,), x[i]**2))
    >>> f(x=[1, 2, 3])
    array([1., 4., 9.], dtype=float32)
    """
    dtype = checked_options(dtype, threads)
    if isinstance(outputs, (list, tuple)) and not outputs:
        raise CompilationError("compile([]): there is nothing to compute; give at least one tensor")
    declared = collected(outputs)
    verify(declared)
    program = with_constants_in(simplify(normalise(declared)), dtype)
    kernel = kernel_of(program)
    module = emit(kernel, dtype)
    function = load(module, dtype)
    single = not isinstance(outputs, (list, tuple))
    return Executable(declared, kernel, module, function, dtype, single)


def compile_training(program: Program, batch: Sequence[Tensor], size: Symbol | None, loss: Any,
                     dtype: Any = "float32", shared: bool = False) -> TrainingKernel:
    """A compiled run of training steps: a program in normal form with updates, step after step.

    batch: the data whose first axis is `size` and whose rows are gathered by an order of rows;
    loss: the rank-0 tensor that is recorded at each step; dtype: as for `compile`; shared: in
    tiles of rows, for threads (`is_shared` says whether that pays).
    """
    dtype = checked_options(dtype, None)
    measured = tensor_of(loss, "compile_training(…, loss)")
    program = with_defined_updates(replace(program, outputs=(measured,)))
    program = with_constants_in(program, dtype)
    gathered = tuple(t for t in batch if t in program.inputs)
    kernel = (shared_kernel_of(program, size, gathered) if shared and size is not None
              else kernel_of(program, size))
    module = emit_training(kernel, gathered, measured, dtype)
    function = load(module, dtype)
    return TrainingKernel(program, kernel, module, function, dtype, gathered)


def checked_options(dtype: Any, threads: Any) -> str:
    """The dtype by name; CompilationError for one that kernels do not have, or odd threads."""
    is_numpy = isinstance(dtype, np.dtype) or (
        isinstance(dtype, type) and issubclass(dtype, np.generic))
    name = np.dtype(dtype).name if is_numpy else dtype
    if name not in DTYPES:
        raise CompilationError(f"dtype={dtype!r}: a kernel computes in 'float32' or 'float64'")
    is_count = isinstance(threads, (int, np.integer)) and not isinstance(threads, bool)
    if threads is not None and not (is_count and threads >= 1):
        raise CompilationError(f"threads={threads!r}: a positive int, or None for as many as pay")
    return str(name)


def with_constants_in(program: Program, dtype: str) -> Program:
    """The program; CompilationError for a constant that is infinite in this dtype alone."""
    largest = float(np.finfo(dtype).max)
    for definition in program:
        numbers = sorted((n for n in definition.body.atoms(Number) if n.is_finite), key=abs)
        for number in numbers:
            parts = (abs(number.p), number.q) if number.is_Rational else (abs(number),)
            if largest < max(parts) < float(np.finfo(float).max):
                raise CompilationError(
                    f"the constant {float(number):g} in {program.names[definition.target]} is "
                    f"infinite in {dtype}, whose largest number is {largest:.3g}; compile with "
                    'dtype="float64", or scale the data')
    return program


def arranged(program: Program, batch: Symbol | None) -> Program:
    """A program in normal form as it is computed, definition by definition."""
    program = begin(hoist(inline(contract(stabilise(program)))))
    return turn(align(program, batch), batch)


def kernel_of(program: Program, batch: Symbol | None = None) -> Kernel:
    """The kernel of a program in normal form."""
    program = arranged(program, batch)
    kernel = lower(program, batch)
    kernel = absorb(multiply(flatten(reorder(kernel))))
    return verify_kernel(allocate(kernel))


def shared_kernel_of(program: Program, batch: Symbol, gathered: tuple[Tensor, ...]) -> Kernel:
    """The same in regions, for threads and for batches that do not stay in the cache."""
    program, parts = tile(arranged(program, batch), batch)
    kernel = absorb(multiply(flatten(reorder(lower(program, batch)))))
    return verify_kernel(wait(allocate_shared(arrange(kernel, parts, gathered))))
